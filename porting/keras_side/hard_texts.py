"""Texts chosen to expose faults: every kind of thing that a standardisation, a split or a lookup may get wrong."""

from __future__ import annotations

import string
from collections.abc import Iterator, Sequence

# What no vocabulary holds; the last two are small letters of ASCII to whoever takes all of Unicode to small letters.
STRANGE_WORDS = (
    *("Zyzzyva!", "STRASSE", "über", "Ёлка", "don't", "...", "a\u00a0b", "\U0001f600", "e\u0301", "\u200b"),
    *("İ", "\u212a"),
)
NUMBERS = ("0", "7", "2024", "3.14", "-1", "1st", "\u0663", "\uff11")
# What Python or TensorFlow, or only one of them, takes for space.
SPACES = (
    *" \t\n\r\v\f\x1c\x1d\x1e\x1f\x85\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a",
    *"\u2028\u2029\u202f\u205f\u3000",
)
# What a tokenizer splits, folds, strips or leaves out, or keeps as it is.
FOR_TOKENIZERS = (
    *(
        "it's",
        "IT'S",
        "we're",
        "n't",
        "019",
        "20240",
        "½x²",
        "\u0969\u096c",
        "Straße",
        "İstanbul",
        "ﬁne",
        "Å",
        "\u212b",
    ),
    *(
        "e\u0323\u0301",
        "\u0301",
        "중국",
        "\u1112\u1161",
        "中文字",
        "か\u3099",
        "हिन्दी",
        "\uf900",
        "\U00020000",
        "«a»",
        "a–b",
        "$5^2",
    ),
    *(
        "👩\u200d👩\u200d👧",
        "🏳\ufe0f\u200d🌈",
        "a\u00adb",
        "\ufeffa",
        "a\x00b",
        "\u1b44\u302e",
        "\ufffe",
        "\U0010ffff",
        "\ue000",
    ),
    *("!!!???", "##", "x" * 101, "é" * 51, "end  ", "\n\n a", "\t\t", " \xa0\u2009\u202f\u3000"),
)
LONG_WORD = 40
# Words of a vocabulary, from both of its ends, that come in every case of letters.
IN_EVERY_CASE = 16
# Words a row, where the layer keeps all.
IN_A_ROW = 24
MOST_ROWS = 48


def hard_texts(words: Sequence[str], sentences: bool, kept: int | None, further: Sequence[str] = ()) -> list[str]:
    """Texts for one case; few and long where they are sentences.

    Args:
        words: of the vocabulary.
        sentences: a text is split into words.
        kept: as many words of a text as the layer keeps; None: all.
        further: what else a text may hold.
    """
    known = list(words) or ["text"]
    parts = [*_parts(known), *further]
    if not sentences:
        return ["", *parts[: MOST_ROWS * 4]]
    length = kept or IN_A_ROW
    # A part is up to three words, of which none may be cut off.
    step = max(1, length // 2)
    rows = [" ".join(parts[at : at + step]) for at in range(0, len(parts), step)]
    too_long = " ".join(known[at % len(known)] for at in range(3 * length))
    spread = rows if len(rows) <= MOST_ROWS else [rows[at * len(rows) // MOST_ROWS] for at in range(MOST_ROWS)]
    return ["", " ", too_long, *spread]


def _parts(known: Sequence[str]) -> Iterator[str]:
    """One thing after the other, each with a word of the vocabulary where it could be mistaken for part of one."""
    ends = dict.fromkeys([*known[: IN_EVERY_CASE // 2], *known[-IN_EVERY_CASE // 2 :]])
    for word in ends:
        yield from (word, word.title(), word.upper())
    yield from (word for word in known if word not in ends)
    yield from [word.replace("k", "\u212a") for word in known if "k" in word][:1]
    yield from STRANGE_WORDS
    yield from NUMBERS
    beside = (*string.punctuation, *SPACES)
    for place, mark in enumerate(beside):
        word, next_word = known[place % len(known)], known[(place + 1) % len(known)]
        yield f"{word}{mark}{next_word}{mark}"
        if mark in string.punctuation:  # left out, split at or kept: behind a single word only the last makes another
            yield f"{next_word}{mark}"
    yield from known[-3:]
    yield "w" * LONG_WORD  # nothing behind it, where letters count
