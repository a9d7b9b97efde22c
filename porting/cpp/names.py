"""Names, types and literals of C++."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence

from ..network import Shape

# Keras' dtypes that C++ has a type for.
TYPES = {
    "float32": "float",
    "float64": "double",
    "bool": "bool",
    "string": "std::string",
    **{f"{sign}int{bits}": f"std::{sign}int{bits}_t" for sign in ("", "u") for bits in (8, 16, 32, 64)},
}
KEYWORDS = """
    alignas alignof and and_eq asm auto bitand bitor bool break case catch char char16_t char32_t char8_t class
    co_await co_return co_yield compl concept const const_cast consteval constexpr constinit continue decltype default
    delete do double dynamic_cast else enum explicit export extern false float for friend goto if inline int long
    mutable namespace new noexcept not not_eq nullptr operator or or_eq private protected public register
    reinterpret_cast requires return short signed sizeof static static_assert static_cast struct switch template this
    thread_local throw true try typedef typeid typename union unsigned using virtual void volatile wchar_t while xor
    xor_eq
"""
# What compilers and system headers define as macros in lower case, and what a header of ours is made of.
TAKEN = """
    assert errno far i386 interface linux major makedev max min minor near small stderr stdin stdout unix
    Array BadArchive Inputs Mismatch NeoML Net Outputs detail porting std
"""
RESERVED = frozenset(f"{KEYWORDS} {TAKEN}".split())


def identifier(text: str) -> str:
    """A C++ name made of Keras'. Names in capitals alone, which macros have, and reserved ones end in ``_``."""
    name = re.sub(r"[^A-Za-z0-9]+", "_", text).strip("_") or "x"
    if name[0].isdigit():
        name = f"x_{name}"
    return f"{name}_" if name in RESERVED or not re.search("[a-z]", name) else name


class Names:
    """Identifiers that no two things share."""

    def __init__(self, taken: Iterable[str] = ()) -> None:
        self._taken = set(taken)

    def new(self, text: str) -> str:
        """The identifier, or the identifier with a number behind it."""
        name, number = identifier(text), 1
        while name in self._taken:
            number += 1
            name = f"{identifier(text)}_{number}"
        self._taken.add(name)
        return name


def literal(text: bytes | str) -> str:
    """A string literal; what is not plain ASCII, and ``?``, which may begin a trigraph, in octal."""
    data = text.encode("utf-8", "surrogateescape") if isinstance(text, str) else text
    return '"' + "".join(_character(byte) for byte in data) + '"'


def _character(byte: int) -> str:
    plain = 0x20 <= byte < 0x7F and chr(byte) not in '"\\?'
    return chr(byte) if plain else f"\\{byte:03o}"


def number(value: float, ctype: str) -> str:
    """A literal of a float or double that reads back as the same number."""
    if not math.isfinite(value):
        raise ValueError(f"{value} has no literal")
    text = f"{value:.9g}" if ctype == "float" else f"{value:.17g}"
    text = text if re.search("[.e]", text) else f"{text}.0"
    return f"{text}f" if ctype == "float" else text


def sizes(shape: Sequence[int | None]) -> str:
    """Sizes as an initializer; -1 where open."""
    return "{" + ", ".join(str(-1 if size is None else size) for size in shape) + "}"


def spelt_shape(shape: Shape) -> str:
    return "(" + ", ".join(["batch", *("any" if size is None else str(size) for size in shape[1:])]) + ")"
