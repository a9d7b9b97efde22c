"""The report as a page: whole, safe, and open at the fault."""

from __future__ import annotations

import base64
import re
import struct
import zlib
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from porting.archive import read_network
from porting.checking import Report, check_network
from porting.checking.pictures import diverging, png, view_of_worst
from porting.engine_factory import make_engine
from tests.checking.faults import FAULTS

SAVED = Path(__file__).parent.parent.parent / "saved_weights"
EMPTY = {"meta", "img"}


class Balanced(HTMLParser):
    """Every element that is opened is closed, in order."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.opened = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.opened += 1
        if tag not in EMPTY:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def checked(fault: str | None, folder: str = "digits", **changes: str) -> Report:
    network = replace(read_network(SAVED / folder), **changes)
    engine = make_engine(network, "numpy", None) if fault is None else FAULTS[fault].plant(network, "numpy")
    return check_network(network, engine)


@pytest.mark.parametrize("fault", [None, "two filters exchanged", "another net predicts"])
def test_the_page_is_whole_and_needs_nothing_else(fault: str | None) -> None:
    folder = "digits" if fault is None else FAULTS[fault].folder
    text = checked(fault, folder).to_html()
    parser = Balanced()
    parser.feed(text)
    assert parser.open == []
    assert parser.opened > 40
    assert text.startswith("<!doctype html>")
    assert set(re.findall(r"(?:src|href)=\"?(\w+)", text)) <= {"data"}
    assert not re.search(r"https?://|<script|@import|url\(", text)


def test_the_first_departure_is_open_with_both_pictures_and_their_difference() -> None:
    report = checked("two filters exchanged")
    text = report.to_html()
    assert re.findall(r"<details open><summary>.*?<b>(.*?)</b>", text) == ["conv_1"]
    assert re.findall(r"<figcaption>(.*?):", text) == ["Keras", "the port", "the difference"]
    for picture in re.findall(r"data:image/png;base64,([A-Za-z0-9+/=]+)", text):
        assert base64.b64decode(picture).startswith(b"\x89PNG")
    assert report.first_departure is not None
    assert report.first_departure.why in text
    assert "departs in the chain" in text


def test_what_agrees_has_no_pictures_and_nothing_open() -> None:
    text = checked(None).to_html()
    assert "<details open" not in text
    assert "<img" not in text
    assert "exact: 10 of 10 layers proved" in text


def test_names_are_text_and_no_markup() -> None:
    text = checked(None, name="<b onload=x>&").to_html()
    assert "<b onload" not in text
    assert "&lt;b onload=x&gt;&amp;" in text


def test_a_notebook_shows_the_same() -> None:
    report = checked(None)
    assert report._repr_html_() in report.to_html()


def test_a_nested_model_is_a_heading_over_its_layers() -> None:
    text = checked(None, "encoder").to_html()
    assert re.search(r"<b>encoder</b>.*>model<.*2 of 2 proved.*<b>words</b>.*<b>bilstm</b>", text)


def test_a_layer_that_was_unfolded_is_named_with_its_class() -> None:
    named = "<b>position_embedding</b><span class='soft kind'>keras_hub&gt;PositionEmbedding<"
    assert named in checked(None, "bert").to_html()


SAID = {
    None: "a fault in any of its layers would have shown",
    "two filters exchanged": "One layer is wrong on Keras' own inputs",
    "another net predicts": "Its layers do, but not all that predict runs",
}


@pytest.mark.parametrize("fault", SAID)
def test_the_verdict_is_said_in_words(fault: str | None) -> None:
    text = checked(fault, "digits" if fault is None else FAULTS[fault].folder).to_html()
    assert SAID[fault] in text


def test_pictures_are_png_files_of_the_numbers() -> None:
    grid = np.array([[0.0, 1.0], [-1.0, np.nan]])
    colours = diverging(grid, 1.0)
    assert colours.tolist() == [[[247, 247, 247], [178, 24, 43]], [[33, 102, 172], [120, 120, 120]]]
    file = png(colours)
    assert struct.unpack(">II", file[16:24]) == (2, 2)
    at = file.index(b"IDAT")
    (length,) = struct.unpack(">I", file[at - 4 : at])
    lines = zlib.decompress(file[at + 4 : at + 4 + length])
    assert lines == b"\0" + colours[0].tobytes() + b"\0" + colours[1].tobytes()


@pytest.mark.parametrize("shape", [(3,), (2, 200), (4, 70, 3), (5, 4, 90, 100), (2, 3, 3, 3, 2), (2, 1)])
@pytest.mark.parametrize("worst", [3.0, np.nan, -np.inf])
def test_any_array_has_a_picture_of_modest_size_with_the_worst_in_it(shape: tuple[int, ...], worst: float) -> None:
    array = np.ones(shape, np.float32)
    array.flat[-1] = worst
    shown = view_of_worst(array).of(array)
    assert max(shown.shape) <= 64
    assert np.array_equal(shown[-1, -1], worst, equal_nan=True)
    assert (shown == 1).sum() == shown.size - 1


VIEWS = {
    (5, 8): "rows 0–4 of 5 downwards, features 0–7 of 8 across",
    (3, 70, 4): "row 2, steps 6–69 of 70 downwards, features 0–3 of 4 across",
    (2, 9, 10, 6): "row 1, channel 5, axis 1: places 0–8 of 9 downwards, axis 2: places 0–9 of 10 across",
    (7,): "rows 0–6 of 7 across",
}


@pytest.mark.parametrize("shape", VIEWS)
def test_it_says_which_part_of_an_array_is_shown(shape: tuple[int, ...]) -> None:
    array = np.zeros(shape, np.float32)
    array.flat[-1] = 1
    assert view_of_worst(array).words == VIEWS[shape]


TOLD = {
    "two filters exchanged": "does not hold the weights that were saved",
    "another activation": "What it computes with them is not what Keras computes",
    "a table that makes no mask": "its mask is not",
    "masks lost in the chain": "is lost between the layers",
}


@pytest.mark.parametrize("fault", TOLD)
def test_it_says_what_to_look_at(fault: str) -> None:
    assert TOLD[fault] in checked(fault, FAULTS[fault].folder).to_html()
