"""Texts from files: lines, csv, jsonl; malformed rows; and one text explained."""

from __future__ import annotations

import csv
import io
import itertools
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

import porting
from porting.cli.commands import porting as commands
from porting.cli.text_files import BadRow, Row, predict_rows, read_rows
from porting.corpus import csv_rows
from tests.recorded_cases import folder_of

SAVED = Path(__file__).parents[2] / "saved_weights"
FILTER = SAVED / "filter"


def rows_of(text: str | bytes, **options: str) -> list[Row | BadRow]:
    return list(read_rows(io.BytesIO(text if isinstance(text, bytes) else text.encode()), **options))


def run(*words: object, given: bytes | None = None) -> Result:
    result = CliRunner().invoke(commands, [str(word) for word in words], input=given)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def test_lines_keep_their_numbers_and_all_their_characters() -> None:
    rows = rows_of("\ufeffone\r\n\n\u2028two\u0085\x0c\x1c\nlast")
    assert rows == [Row(1, "one"), Row(2, ""), Row(3, "\u2028two\u0085\x0c\x1c"), Row(4, "last")]


def test_what_is_no_utf_8_is_a_bad_row() -> None:
    good, bad, last = rows_of(b"one\nab\xff\nlast\n")
    assert (good, last) == (Row(1, "one"), Row(3, "last"))
    assert isinstance(bad, BadRow)
    assert str(bad) == "line 2: is not UTF-8 at character 2"


def test_a_line_without_an_end_is_not_read_into_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(csv_rows, "LONGEST_FIELD", 8)
    rows = rows_of("a\n" + "b" * 30 + "\n1234567\n12345678\n" + "c" * 16 + "\nlast")
    assert [row for row in rows if isinstance(row, Row)] == [
        Row(1, "a"),
        Row(3, "1234567"),
        Row(4, "12345678"),
        Row(6, "last"),
    ]
    assert [str(row) for row in rows if isinstance(row, BadRow)] == [
        "line 2: is longer than 8 bytes",
        "line 5: is longer than 8 bytes",
    ]


def test_csv_columns() -> None:
    rows = rows_of('id,text\n1,"a, b"\n2\n3,"two\nlines"\n4,x,y\n5,"a"b\n6,end\n', column="text")
    assert [row for row in rows if isinstance(row, Row)] == [Row(2, "a, b"), Row(5, "two\nlines"), Row(8, "end")]
    assert [row.line for row in rows if isinstance(row, BadRow)] == [3, 6, 7]
    with pytest.raises(porting.Mismatch, match="has no header"):
        rows_of('"id,text\n1,a\n', column="text")
    with pytest.raises(porting.Mismatch, match="no column 'words'; it has id, text"):
        rows_of("id,text\n", column="words")


def test_an_open_quote_takes_its_own_line_only() -> None:
    rows = rows_of('text\na\n"open\nb\n"two\nlines"\nc\n"end', column="text")
    assert [row for row in rows if isinstance(row, Row)] == [
        Row(2, "a"),
        Row(4, "b"),
        Row(6, "two\nlines"),
        Row(7, "c"),
    ]
    assert [row.line for row in rows if isinstance(row, BadRow)] == [3, 8]


def test_jsonl_fields() -> None:
    lines = ['{"t": "a"}', "nope", "[1]", '{"t": null}', "{}", '{"t": "\\ud800"}', '{"t": "b", "x": 1}']
    rows = rows_of("\n".join(lines), field="t")
    assert [row for row in rows if isinstance(row, Row)] == [Row(1, "a"), Row(7, "b")]
    assert [row.line for row in rows if isinstance(row, BadRow)] == [2, 3, 4, 5, 6]


@pytest.mark.parametrize("engine", ["numpy", "neoml"])
def test_lines_to_csv(engine: str, tmp_path: Path) -> None:
    texts = ["An arcade game", "", "a library"]
    (tmp_path / "texts.txt").write_text("\n".join(texts) + "\n", encoding="utf-8")
    result = run("predict", FILTER, "--text", tmp_path / "texts.txt", "--engine", engine)
    assert result.exit_code == 0
    rows = list(csv.DictReader(io.StringIO(result.stdout)))
    assert [row["line"] for row in rows] == ["1", "2", "3"]
    wanted = porting.load(FILTER, engine=engine).predict(texts)
    assert np.array_equal(np.array([row["dense_1"] for row in rows], np.float32), wanted.ravel())


def test_a_stored_net_takes_texts(tmp_path: Path) -> None:
    porting.load(FILTER, engine="neoml").store(tmp_path / "net.neoml")
    result = run("predict", tmp_path / "net.neoml", "--text", "-", given=b"An arcade game\n")
    assert result.exit_code == 0
    assert result.stdout.startswith("line,")


def test_malformed_rows_are_reported_and_the_rest_goes_on(tmp_path: Path) -> None:
    (tmp_path / "t.jsonl").write_text('{"t": "a game"}\noops\n{"t": "shooter"}\n')
    words = ("--field", "t", "--out", tmp_path / "out.jsonl", "--engine", "numpy")
    result = run("predict", FILTER, "--text", tmp_path / "t.jsonl", *words)
    assert result.exit_code == 1
    assert "line 2: is not JSON" in result.stderr
    assert "1 row could not be used" in result.stderr
    made = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert [row["line"] for row in made] == [1, 3]
    wanted = porting.load(FILTER, engine="numpy").predict(["a game", "shooter"])
    assert np.array_equal(np.array([row["dense_1"] for row in made], np.float32), wanted.ravel())


def test_a_file_without_a_text_is_told() -> None:
    done = run("predict", FILTER, "--text", "-", "--engine", "numpy", given=b"")
    assert done.exit_code == 0
    assert "holds no text" in done.stderr


def test_an_endless_file_is_read_as_far_as_it_is_asked_for() -> None:
    net = porting.load(FILTER, engine="numpy")

    def endless() -> Iterator[Row]:
        for line in itertools.count(1):
            yield Row(line, "a game")

    first = list(itertools.islice(predict_rows(net, endless()), 3000))
    assert [row.line for row in first] == list(range(1, 3001))


def test_words_that_do_not_go_together_are_refused(tmp_path: Path) -> None:
    for words in (
        (),
        ("--column", "x"),
        ("--text", "-", "--column", "a", "--field", "b"),
        ("--text", "-", "--out", "x.npz"),
        ("--text", "-", "--layers"),
    ):
        assert run("predict", FILTER, *words, given=b"").exit_code == 2


def test_networks_without_a_text_say_so() -> None:
    result = run("predict", SAVED / "tutorial", "--text", "-", given=b"x\n")
    assert result.exit_code == 2
    assert "not one text" in result.stderr


@pytest.mark.parametrize("engine", ["numpy", "neoml"])
def test_one_text_is_explained(engine: str) -> None:
    net = porting.load(FILTER, engine=engine)
    explained = net.explain("An arcade game, zyzzyva!")
    (tokens,) = explained.tokens.values()
    assert [token.text for token in tokens] == ["an", "arcade", "game", "zyzzyva"]
    assert [token.known for token in tokens] == [True, True, True, False]
    ids = explained["text_vectorization"]
    assert [token.id for token in tokens] == ids[:4].tolist()
    assert next(iter(explained.layers)) == "text_vectorization:0"
    assert np.array_equal(explained["dense_1"], net.predict(["An arcade game, zyzzyva!"])[0])
    shown = str(explained)
    assert "zyzzyva 1 (unknown)" in shown
    assert "embedding: Embedding float32[100, 40]" in shown
    assert json.loads(json.dumps(explained.to_json()))["layers"]["dense:0"]["shape"] == [6]
    with pytest.raises(porting.Mismatch, match="one is explained at a time"):
        net.explain(["one", "two"])


def test_arrays_are_explained_too() -> None:
    net = porting.load(SAVED / "tutorial", engine="numpy")
    explained = net.explain(np.array([[0, 1, 2]]))
    assert explained["embedding"].shape == (3, 5)
    assert not explained.tokens


def test_the_command_line_explains() -> None:
    result = run("predict", FILTER, "--text", "-", "--explain", given=b"An arcade game\n")
    assert result.exit_code == 0
    assert "arcade" in result.stdout
    assert "dense_1: Dense float32[1]" in result.stdout


def test_words_are_written_without_pickles(tmp_path: Path) -> None:
    np.save(tmp_path / "index.npy", np.array([[1, 3, 0]]))
    folder = folder_of("text/words_of_indices")
    result = run("predict", folder, tmp_path / "index.npy", "--out", tmp_path / "words.npz", "--engine", "numpy")
    assert result.exit_code == 0
    with np.load(tmp_path / "words.npz", allow_pickle=False) as arrays:
        assert next(array.tolist() for array in arrays.values() if array.dtype.kind == "U") == [
            ["red", "синий", "[UNK]"]
        ]
