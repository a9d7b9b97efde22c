"""Texts and categories in C++ against those of Python, which are TensorFlow's."""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
import pytest

from porting import cpp
from porting.text.encoding import encode
from porting.text.hashes import fingerprint64, siphash64
from porting.text.tokens import Tokenizer
from tests.cpp.building import HERE, compile_to, number, text

TEMPLATES = Path(cpp.__file__).parent / "templates"
TOKENIZERS = (
    Tokenizer("lower_and_strip_punctuation", "whitespace"),
    Tokenizer(None, "whitespace", (1, 3)),
    Tokenizer("lower", "character"),
    Tokenizer("strip_punctuation", "character", (2,), keeps_noncharacters=False),
    Tokenizer("lower_and_strip_punctuation", None),
)
HARD = [
    "An arcade GAME, for Größe!? \t\v\f\r\n ЧАТБОТ ÉİŞ\u00a0x\u2028y\u3000z".encode(),
    b"\x00a\x00 b\x1c c\x85 \xff\xfe",
    # Noncharacters, the edges of UTF-8, surrogates, overlong forms, beyond U+10FFFF, cut characters.
    "\ufdcf\ufdd0\ufdef\ufdf0\ufffd\ufffe\uffff\U0001fffd\U0001fffe\U0010ffff\u07ff\u0800".encode(),
    b"\xed\x9f\xbf\xed\xa0\x80\xee\x80\x80\xc0\x80\xc1\xbf\xe0\x9f\xbf\xe0\xa0\x80\xf0\x8f\xbf\xbf\xf0\x90\x80\x80",
    b"\xf4\x8f\xbf\xbf\xf4\x90\x80\x80\xf5\x80\xf8\xc3 \xe2\x82 \xf0\x9f\x98 \xe2\x82",
    bytes(range(256)),
]


def strings() -> list[bytes]:
    """Hard texts, every length up to 200 bytes, and what looks like UTF-8 and mostly is none."""
    random = np.random.default_rng(0)
    lengths = [random.integers(0, 256, length, np.uint8).tobytes() for length in range(200)]
    leads = np.array([*b" aZ.\x80\x9f\xa0\xbf\xc2\xdf\xe0\xe1\xed\xef\xf0\xf4\xf5\xb7\xbe"], np.uint8)
    return [*HARD, *lengths, *(random.choice(leads, 40).tobytes() for _ in range(200))]


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compile_to(tmp_path_factory.mktemp("text") / "text", HERE / "text.cpp", TEMPLATES)


def said(program: Path, mode: str) -> list[str]:
    """The program's lines about the strings."""
    file = program.with_name("strings")
    file.write_bytes(number(len(strings())) + b"".join(map(text, strings())))
    run = subprocess.run([str(program), mode, str(file)], capture_output=True, text=True, check=True)
    return run.stdout.splitlines()


def test_tokens_are_those_of_python(program: Path) -> None:
    wanted = [
        "".join(f".{token.hex()}" for token in tokenizer.tokens(one)) for one in strings() for tokenizer in TOKENIZERS
    ]
    assert said(program, "tokens") == wanted


def test_hashes_are_those_of_python(program: Path) -> None:
    assert said(program, "farm") == [str(one) for one in fingerprint64(strings())]
    assert said(program, "sip") == [str(one) for one in siphash64(strings(), (1, -1))]


def test_indices_are_encoded_as_in_python(program: Path) -> None:
    ids = np.arange(24) ** 2 % 7
    wanted = []
    for shape in ((24,), (24, 1), (6, 4), (2, 3, 4), (2, 12, 1)):
        for mode in ("int", "one_hot", "multi_hot", "count"):
            rows = encode(ids.reshape(shape), mode, 5, "float32")
            wanted.append(f"({', '.join(map(str, rows.shape))}): {' '.join(f'{one:g}' for one in rows.ravel())}")
    assert said(program, "encode") == wanted
