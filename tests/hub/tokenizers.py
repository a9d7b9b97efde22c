"""Tokenizers of keras-hub as data: small ones, whose vocabularies and settings reach every branch; and hard texts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from hypothesis import strategies as st

from porting.text.byte_pairs import byte_letters

__all__ = ["BYTE_PAIRS", "PIECES", "TEXTS", "Spec", "byte_vocabulary"]

ALL_LETTERS = "".join(byte_letters().values())
LETTERS = "!#'ab cdehiklmnorst019,.ÃĠéà"
MERGES = (
    *("Ġ a", "a b", "Ġa b", "Ġ Ġ", "ĠĠ ĠĠ", "h e", "l l", "he ll", "Ġ hell", "hell o", "0 1", "01 9", "' s", "t h"),
    *("Ã ©", "Ġ Ã", "s t", "n o", "no t", "a a", "aa aa", "e Ġ", "! !", "Ċ Ċ", "Ġ Ċ", "r e", "' re", ", Ġ"),
)
# So many that their names while a text is split have two letters.
NUMBERED = tuple(f"<{at}>" for at in range(12))
SPECIAL = ("<s>", "</s>", "<pad>", "<mask>", "<|endoftext|>", "<s><s>")


def byte_vocabulary(special: Sequence[str], merges: Sequence[str] = MERGES, letters: str = LETTERS) -> dict[str, int]:
    """Ids of special tokens, letters, and what the rules make."""
    parts = [part for rule in merges for part in (*rule.split(" "), rule.replace(" ", ""))]
    tokens = dict.fromkeys([*special, *(one for one in letters if one != " "), *parts])
    return {token: place for place, token in enumerate(tokens)}


@dataclass(frozen=True)
class Spec:
    """A tokenizer: its class in ``keras_hub``, under ``models`` or ``tokenizers``, and what it is given."""

    kind: str
    settings: Mapping[str, Any] = field(default_factory=dict)

    def build(self, keras_hub: Any) -> Any:
        home = keras_hub.models if hasattr(keras_hub.models, self.kind) else keras_hub.tokenizers
        return getattr(home, self.kind)(**self.settings)


def byte_pairs(kind: str, special: Sequence[str], letters: str = LETTERS, **more: Any) -> Spec:
    return Spec(kind, {"vocabulary": byte_vocabulary(special, letters=letters), "merges": list(MERGES), **more})


BYTE_PAIRS = {
    "bytes": byte_pairs("BytePairTokenizer", ()),
    "prefix": byte_pairs("BytePairTokenizer", (), add_prefix_space=True),
    "special bytes": byte_pairs("BytePairTokenizer", SPECIAL, unsplittable_tokens=list(SPECIAL)),
    "many special": byte_pairs("BytePairTokenizer", NUMBERED, ALL_LETTERS, unsplittable_tokens=list(NUMBERED)),
    "special, prefix": byte_pairs("BytePairTokenizer", ("<s>",), unsplittable_tokens=["<s>"], add_prefix_space=True),
    "disordered": Spec(
        "BytePairTokenizer",
        {
            "vocabulary": byte_vocabulary((), ("ab b", "a ab", "b a", "a b", "aab b"), "ab "),
            "merges": ["ab b", "a ab", "b a", "a b", "aab b"],
        },
    ),
    "gpt2": byte_pairs("GPT2Tokenizer", ("<|endoftext|>",)),
    "roberta": byte_pairs("RobertaTokenizer", ("<s>", "<pad>", "</s>", "<mask>")),
    "roberta, all bytes": byte_pairs("RobertaTokenizer", ("<s>", "<pad>", "</s>", "<mask>"), ALL_LETTERS),
    "bart": byte_pairs("BartTokenizer", ("<s>", "<pad>", "</s>", "<mask>")),
    "opt": byte_pairs("OPTTokenizer", ("<pad>", "</s>", "<mask>")),
}
WORDS = (
    *(
        "[PAD]",
        "[UNK]",
        "[CLS]",
        "[SEP]",
        "[MASK]",
        "the",
        "a",
        "b",
        "ab",
        "##a",
        "##b",
        "##ab",
        "##ing",
        "un",
        "##aff",
    ),
    *(
        "##able",
        "é",
        "e",
        "##e",
        "##é",
        "straße",
        "strasse",
        "ß",
        ".",
        ",",
        "#",
        "##",
        "!",
        "'",
        "中",
        "文",
        "##文",
        "[",
        "]",
    ),
    *(
        "cls",
        "i",
        "##i",
        "ı",
        "x",
        "##x",
        "1",
        "##1",
        "ﬁ",
        "fi",
        "##ll",
        "\u0301",
        "가",
        "ᄀ",
        "##ᅡ",
        "🙂",
        "##🙂",
        "–",
        "$",
    ),
)
PIECES = {
    "plain": Spec("WordPieceTokenizer", {"vocabulary": list(WORDS)}),
    "lowercase": Spec("WordPieceTokenizer", {"vocabulary": list(WORDS), "lowercase": True}),
    "accents": Spec("WordPieceTokenizer", {"vocabulary": list(WORDS), "lowercase": True, "strip_accents": True}),
    "cased, accents": Spec("WordPieceTokenizer", {"vocabulary": list(WORDS), "strip_accents": True}),
    "no cjk": Spec("WordPieceTokenizer", {"vocabulary": list(WORDS), "split_on_cjk": False, "lowercase": True}),
    "suffix": Spec(
        "WordPieceTokenizer",
        {"vocabulary": [word.replace("##", "@@") for word in WORDS], "suffix_indicator": "@@", "lowercase": True},
    ),
    "oov": Spec("WordPieceTokenizer", {"vocabulary": list(WORDS), "oov_token": "the"}),
    "special": Spec(
        "WordPieceTokenizer",
        {
            "vocabulary": list(WORDS),
            "special_tokens": ["[CLS]", "[MASK]"],
            "special_tokens_in_strings": True,
            "lowercase": True,
        },
    ),
    "bert": Spec("BertTokenizer", {"vocabulary": list(WORDS), "lowercase": True, "special_tokens_in_strings": True}),
    "distilbert": Spec("DistilBertTokenizer", {"vocabulary": list(WORDS), "lowercase": True, "strip_accents": True}),
    "electra": Spec("ElectraTokenizer", {"vocabulary": list(WORDS)}),
}
# What either tokenizer could take for something else.
HARD = (
    *SPECIAL,
    *(
        "[CLS]",
        "[MASK]",
        "[UNK]",
        "[PAD]",
        "[cls]",
        "<3>",
        "<11>",
        "ĴA",
        "ĴB",
        "ĴBA",
        "Ĵ",
        "६",
        "१२",
        "##ing",
        "##",
        "#",
    ),
    *(
        " ",
        "  ",
        "   ",
        "\t",
        "\n",
        "\n\n",
        "\r\n",
        "\v",
        "\f",
        "\x00",
        "\x1c",
        "\x85",
        "\xa0",
        "\u2009",
        "\u202f",
        "\u3000",
    ),
    *("\u2028", "\u200b", "\u200d", "\ufeff", "\ufe0f", "\xad", "\ufffe", "\U0001fffe", " \xa0\u2009\u202f\u3000"),
    *("'s", "'S", "'re", "'ll", "n't", "’s", "019", "2024", "3.14", "½", "²", "Ⅷ", "٣", "１"),
    *(
        "é",
        "e\u0301",
        "É",
        "\u0301",
        "\u0323\u0301",
        "Å",
        "\u212b",
        "ﬁ",
        "ß",
        "ẞ",
        "İ",
        "ı",
        "Σς",
        "ǆ",
        "ﷺ",
        "가",
        "각",
        "ᄀ",
        "ᅡ",
    ),
    *(
        "中",
        "文",
        "中文",
        "\uf900",
        "\U0002f800",
        "\U00020000",
        "か",
        "が",
        "か\u3099",
        "हि",
        "\u1b44\u302e",
        "\U00011938",
    ),
    *(
        "🙂",
        "👩‍👩‍👧",
        "🏳️‍🌈",
        "🇩🇪",
        "\U000e0041",
        "\U0010ffff",
        "hello",
        "abab",
        "aaaaaaa",
        "Unaffable",
        "straße",
        "x" * 101,
        "é" * 51,
    ),
    *(".", ",", "!!", "–", "«", "。", "$", "^", "_", "\\", "\ud7ff", "\ue000"),
)
TEXTS = st.lists(
    st.one_of(st.sampled_from(HARD), st.sampled_from("ab 019'é"), st.characters(exclude_categories=["Cs"])), max_size=12
).map("".join)
