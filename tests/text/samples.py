"""Strings and layer settings that the text cases are recorded from: data only, no Keras."""

from __future__ import annotations

from typing import Any, Union

Text = Union[str, bytes]

SCRIPTS = [
    # Latin, with what case and punctuation do to it
    "The quick brown fox jumps over the lazy dog.",
    "the Quick, BROWN fox; jumps: over (the) lazy dog!",
    "Don't stop -- it's o'clock; mother-in-law's re-entry @ 5:30 p.m.",
    "STRASSE Straße straße ẞ GROSS groß",
    "É é È è ÇA VA? déjà-vu, naïve façade",
    "İstanbul IĞDIR ılık İI ıi iİ",
    "Ærøskøbing ÅNGSTRÖM œuvre Œuvre ﬁne ﬂow",
    "Příliš žluťoučký kůň úpěl ďábelské ódy",
    "Zażółć gęślą jaźń; ŻÓŁW",
    # Cyrillic
    "Чатбот отвечает на вопросы. ЧАТБОТ ОТВЕЧАЕТ",
    "Съешь ещё этих мягких французских булок, да выпей чаю!",
    "«Ёлки-палки» — сказал он… и ушёл",
    "Їжак і ґанок, Україна ’ об'єкт",
    # Greek
    "Η ΓΛΏΣΣΑ μου έδωσαν ελληνική· ΟΔΌΣ οδός ς σ Σ",
    "ἐν ἀρχῇ ἦν ὁ λόγος",
    # CJK, kana, hangul
    "我能吞下玻璃而不伤身体。你好，世界！",
    "私はガラスを食べられます。それは私を傷つけません。ｶﾞﾗｽ",
    "나는 유리를 먹을 수 있어요. 그래도 아프지 않아요",
    "ＦＵＬＬ　ｗｉｄｔｈ！？",
    # right to left
    "أنا قادر على أكل الزجاج و هذا لا يؤلمني، نعم؟",
    "אני יכול לאכול זכוכית וזה לא מזיק לי. שָׁלוֹם",
    "\u200fשלום\u200e hello \u202babc\u202c",
    # South and South East Asia
    "मैं काँच खा सकता हूँ और मुझे उससे कोई चोट नहीं पहुंचती।",
    "ฉันกินกระจกได้ แต่มันไม่ทำให้ฉันเจ็บ",
    "நான் கண்ணாடி சாப்பிடுவேன் ཤེལ་སྒོ་",
    # Caucasus, Ethiopia, others with case of their own
    "მინას ვჭამ ՄԻՆԱՍ Կրնամ ապակի ուտել",
    "Ꭰ ꭰ 𐐀𐐨 𝒜𝓑 Ⓐⓐ ǅ ǆ Ǆ",
]

TRAPS = [
    "",
    " ",
    "   \t \n  ",
    "!",
    "... !!! ---",
    "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~",
    "a!b?c a.b.c a-b_c",
    "[UNK] [unk] UNK unk",
    "'' \"\" ''quoted''",
    " leading and trailing ",
    "tab\tnewline\nreturn\rvertical\vfeed\fend",
    "crlf\r\nline\r\n\r\nend\r",
    "a\x1cb\x1dc\x1ed\x1fe",
    "a\x85b a\u00a0b a\u1680b a\u2003b a\u2028b a\u2029b a\u202fb a\u3000b a\ufeffb",
    "a\u200bb a\u200cb a\u200db a\u2060b a\u00adb",
    "nul\x00inside \x00 \x00\x00 end\x00",
    "\x01\x02\x07\x08\x0e\x1b[31m\x7f",
    "e\u0301 é E\u0301 É n\u0303 ñ Å A\u030a \u212b",
    "\u0301alone \u20dd o\u0308\u0304",
    "👍 👍🏽 👨‍👩‍👧‍👦 🇩🇪 ❤️ ☺ 1️⃣",
    "😀😀😀 smile😀face",
    "– — ‘single’ “double” „low“ «guillemets» … · • ¡¿ § ¶ © ™ € £",
    "，。、；：「」『』【】！？（）",
    "1234 1,234.56 -5 3.14e10 0x1F ½ ² ٣ ३",
    "http://example.com/a?b=c&d=e#f user@example.com C:\\path\\file",
    "<br/>&nbsp;&amp; <b>bold</b>",
    "\ufffd \ufffe \uffff \U0010ffff \ue000",
    "K Å ſ ŉ ﬀ ΐ",
    "aAzZ@[`{ Z[ A@",
    "the the the THE The tHe",
    "x" * 300,
    ("word " * 400).strip(),
    "long" * 50 + " " + "мир" * 40 + " short",
    " ".join(f"w{i}" for i in range(120)),
    "a " * 40 + "z",
    "eight888 nine99999 sixteen161616161 seventeen17171717 eight888x",
]

BYTES: list[Text] = [
    b"plain bytes",
    b"caf\xe9 latin-1",
    b"\xff\xfe\xfd bad \x80\xbf bytes \xc3",
    b"\xe2\x80",
    b"\xe2!\x80!\x9c joined by stripping",
    b"\xed\xa0\x80 surrogate \xed\xbf\xbf",
    b"\xc0\x80 overlong \xe0\x80\x80 \xf0\x80\x80\x80",
    b"\xf4\x90\x80\x80 beyond \xf8\x88\x80\x80\x80",
    b"\xf0\x9f\x98 cut \xf0\x9f\x98\x80 whole",
    b"\xef\xbb\xbfbom",
    "смесь ".encode() + b"\xd1 \xd0\xd0\xb0",
    "text among bytes É",
    b"",
    b"\x00\x00",
]

TEXTS: list[Text] = [*SCRIPTS, *TRAPS]

# Tokens for lookups, bins and crossings: every length that the hashes tell apart, and the traps.
TOKENS: list[Text] = [
    *("", "a", "b", "the", "The", "[UNK]", "m", "\x00", "a\x00", " ", "é", "мир", "世界", "👍", "-1", "007"),
    *("x" * length for length in (4, 5, 7, 8, 9, 15, 16, 17, 24, 31, 32, 33, 48, 63, 64, 65, 100, 127, 128, 129, 200)),
    *("The quick brown fox jumps over the lazy dog. ё" * 3, b"\xff", b"\xff\x00\xfe" * 30),
]

INTEGERS = [0, 1, -1, 2, 5, 7, 12, 42, -42, 100, 999, 2**31 - 1, -(2**31), 2**40 + 3, -(2**62), 2**63 - 1, -(2**63)]
FLOATS = [-1e9, -2.5, -1.0, -1e-40, -0.0, 0.0, 0.1, 0.2, 0.30000001, 0.5, 1.0, 1.5, 2.0, 3.0, 16777217.0, 1e30]

STANDARDIZE = [None, "lower", "strip_punctuation", "lower_and_strip_punctuation"]
SPLIT = [None, "whitespace", "character"]


def vectorization_settings() -> list[dict[str, Any]]:
    """Keyword arguments of TextVectorization; `data` and `shape` say what it is called on."""
    every = [
        {"standardize": standardize, "split": split, "output_sequence_length": length}
        for standardize in STANDARDIZE
        for split in SPLIT
        for length in ((None, 12) if standardize == "lower_and_strip_punctuation" else (8,))
    ]
    every += [
        {"standardize": standardize, "split": split, "data": "bytes"} for standardize in STANDARDIZE for split in SPLIT
    ]
    every += [
        {"output_sequence_length": 1},
        {"output_sequence_length": 0},
        {"output_sequence_length": 500, "data": "traps"},
        {"output_sequence_length": 5, "shape": "column"},
        {"shape": "column"},
        {"shape": "deep", "output_sequence_length": 4},
        {"shape": "one"},
        {"shape": "one", "output_mode": "count"},
        {"data": "empty"},
        {"data": "empty", "output_sequence_length": 3},
        {"data": "empty", "output_mode": "multi_hot"},
        {"data": "blank"},
        {"ngrams": 2},
        {"ngrams": 3, "output_sequence_length": 20},
        {"ngrams": [2]},
        {"ngrams": [3, 1], "output_sequence_length": 15},
        {"ngrams": 2, "split": "character", "output_sequence_length": 15},
        {"ngrams": 2, "split": None, "shape": "column"},
        {"ngrams": 2, "split": None, "shape": "table"},
        {"ngrams": 2, "output_mode": "count", "data": "traps"},
        {"split": None, "shape": "table"},
        {"split": None, "shape": "table", "output_sequence_length": 2},
        {"split": None, "shape": "table", "output_sequence_length": 6},
        {"split": None, "shape": "column", "output_sequence_length": 3},
        {"split": None, "shape": "table", "output_mode": "multi_hot"},
        {"split": None, "output_mode": "count"},
        {"max_tokens": 40, "output_sequence_length": 10},
        {"encoding": "latin-1", "output_sequence_length": 6},
        {"encoding": "utf-16", "split": "character", "output_sequence_length": 6},
        {
            "vocabulary": ["the", "The", "[UNK]", "a", "a b", "é", "É", "x" * 300, "nul\x00inside", "\x1f"],
            "standardize": None,
        },
        {"vocabulary": ["eight888", "nine99999", "sixteen161616161", "seventeen17171717"]},
        {"vocabulary": ["мир", "чатбот", "ЧАТБОТ", "съешь", "Съешь", "ещё"], "output_sequence_length": 9},
    ]
    for mode in ("multi_hot", "count", "tf_idf"):
        every += [
            {"output_mode": mode, "max_tokens": 50},
            {"output_mode": mode, "max_tokens": 400, "pad_to_max_tokens": True, "data": "traps"},
            {"output_mode": mode, "split": "character", "max_tokens": 30, "shape": "column"},
            {"output_mode": mode, "ngrams": [1, 2], "max_tokens": 60, "standardize": "strip_punctuation"},
        ]
    every.append({"output_mode": "tf_idf", "vocabulary": ["the", "fox", "a"], "idf_weights": [0.3, 1.7, 0.25]})
    given = {"vocabulary": ["[UNK]", "the", "fox"], "idf_weights": [9.0, 0.3, 1.7]}
    every.append({"output_mode": "tf_idf", "max_tokens": 7, "pad_to_max_tokens": True, **given})
    return every


def lookup_settings(tokens: list[Any], mask: Any, salted: bool) -> list[dict[str, Any]]:
    """Keyword arguments of StringLookup or IntegerLookup with `tokens` as vocabulary."""
    hashing: list[dict[str, Any]] = [{}, {"mask_token": mask}]
    hashing += [{"num_oov_indices": 4}, {"num_oov_indices": 1000, "mask_token": mask}]
    farmhash = {} if salted else {"oov_method": "farmhash"}
    hashing += [{"num_oov_indices": 7, **farmhash}, {"num_oov_indices": 7, "salt": 3, **farmhash}]
    hashing += [{"num_oov_indices": 50, "salt": [133, -7], "mask_token": mask, **farmhash}]
    every = [{"vocabulary": tokens, **kind} for kind in hashing]
    idf = [0.5 + 0.125 * place for place in range(len(tokens))]
    for mode in ("one_hot", "multi_hot", "count", "tf_idf"):
        weights = {"idf_weights": idf} if mode == "tf_idf" else {}
        for shape in ("flat", "column", "table", "deep"):
            every.append({"vocabulary": tokens, "output_mode": mode, "mask_token": mask, "shape": shape, **weights})
        every.append({"vocabulary": tokens, "output_mode": mode, "num_oov_indices": 3, "shape": "table", **weights})
        padded = {"max_tokens": len(tokens) + 9, "pad_to_max_tokens": True}
        every.append({"vocabulary": tokens, "output_mode": mode, "shape": "table", **padded, **weights})
    every += [
        {"vocabulary": tokens, "num_oov_indices": 0, "data": "known"},
        {"vocabulary": tokens, "num_oov_indices": 0, "mask_token": mask, "data": "known", "output_mode": "count"},
        {"vocabulary": tokens, "invert": True},
        {"vocabulary": tokens, "invert": True, "mask_token": mask},
        {"vocabulary": tokens, "invert": True, "mask_token": mask, "num_oov_indices": 3},
        {"vocabulary": tokens, "invert": True, "num_oov_indices": 0},
        {"max_tokens": 12},
        {"output_mode": "tf_idf", "max_tokens": 12, "mask_token": mask, "shape": "table"},
    ]
    return every


CATEGORY_ENCODINGS = [
    {"num_tokens": 6, "output_mode": mode, "shape": shape}
    for mode in ("one_hot", "multi_hot", "count")
    for shape in ("one", "flat", "column", "table", "deep")
] + [{"num_tokens": 6, "output_mode": "count", "shape": shape, "weighted": True} for shape in ("flat", "table")]

DISCRETIZATIONS = [
    {"bin_boundaries": [-1.0, 0.0, 0.1, 0.2, 0.3, 1.0, 16777216.0], "output_mode": mode, "shape": shape, "data": data}
    for mode in ("int", "one_hot", "multi_hot", "count")
    for shape in ("flat", "column", "table", "deep")
    for data in ("float32", "float64", "int64")
] + [{"num_bins": 5}, {"bin_boundaries": []}, {"bin_boundaries": [0.1], "dtype": "float64", "data": "float64"}]

HASHINGS = [
    {"num_bins": bins, **kind, **mask, "data": data}
    for bins in (1, 2, 3, 1000, 2**40)
    for kind in ({}, {"salt": 133}, {"salt": [133, -2]})
    for data, masks in (("strings", ({}, {"mask_value": ""})), ("int64", ({}, {"mask_value": 7})))
    for mask in masks
]
HASHINGS += [{"num_bins": 11, "data": data} for data in ("int32", "uint64", "float32", "float64", "bool")]
HASHINGS += [
    {"num_bins": 11, "mask_value": 1.5, "data": "float32"},
    {"num_bins": 11, "dtype": "int32", "data": "strings"},
]
HASHINGS += [
    {"num_bins": 5, "output_mode": mode, "shape": shape, "mask_value": "", "data": "strings"}
    for mode in ("one_hot", "multi_hot", "count")
    for shape in ("flat", "column", "table", "deep")
]

CROSSINGS = [
    {"num_bins": bins, "output_mode": mode, "kinds": kinds, "shape": shape}
    for bins, mode in ((5, "int"), (2**50, "int"), (6, "one_hot"))
    for kinds in ("ss", "ii", "si", "is", "ssi", "isis")
    for shape in ("flat", "column")
]
CROSSINGS += [{"num_bins": 9, "kinds": "si", "shape": "one", "dtype": "float32"}]
