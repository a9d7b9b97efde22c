"""`porting predict --parquet` in one process: what is read, written, refused, reported and gone on with."""

from __future__ import annotations

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner, Result

import porting
from porting.cli.commands import porting as commands
from porting.corpus import part_files, parts, scored_parts
from porting.corpus.ledger import Ledger

from .files import SAVED, assert_same, columns_of, entries, write_corpus, write_wide_rows

FILTER = SAVED / "filter"


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    return write_corpus(tmp_path / "in", files=3, rows=120)


def run(*words: object) -> Result:
    result = CliRunner().invoke(commands, ["predict", *[str(word) for word in words]])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def score(corpus: Path, out: Path, **options: Any) -> Any:
    return porting.predict_files(FILTER, corpus, out, **{"column": "text", "engine": "numpy", **options})


def test_columns_are_kept_and_outputs_stand_beside_them(corpus: Path, tmp_path: Path) -> None:
    ran = run(FILTER, "--parquet", corpus, tmp_path / "out", "--column", "text")
    assert ran.exit_code == 0, ran.output
    assert "360 rows in 3 parts are in" in ran.output
    net = porting.load(FILTER)
    for path in sorted(corpus.iterdir()):
        given = pq.read_table(path)
        made = pq.read_table(tmp_path / "out" / f"{path.stem}-00000.parquet")
        assert made.drop_columns(["dense_1"]).equals(given)
        assert made.schema.field("dense_1").type == pa.float32()
        expected = net.predict(given["text"].to_pylist())[:, 0]
        np.testing.assert_allclose(made["dense_1"].to_numpy(), expected, rtol=1e-5, atol=1e-7)
    # As a data set, the notes of the run are no part of it.
    assert pq.read_table(tmp_path / "out").num_rows == 360


def test_a_file_is_cut_at_row_groups(corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = score(corpus, tmp_path / "whole")
    monkeypatch.setattr(parts, "PART_ROWS", 50)
    cut = score(corpus, tmp_path / "cut")
    assert (whole.parts, cut.parts, whole.rows, cut.rows) == (3, 9, 360, 360)
    np.testing.assert_array_equal(columns_of(tmp_path / "whole"), columns_of(tmp_path / "cut"))


def test_bad_rows_are_named_and_the_rest_goes_on(tmp_path: Path) -> None:
    folder = tmp_path / "in" / "deep"
    folder.mkdir(parents=True)
    ids = [[1, 2], None, [5], [10**6, 1], [], [7, None], [3, -1], [4, 4, 4]]
    pq.write_table(pa.table({"ids": pa.array(ids, pa.list_(pa.int64())), "id": range(8)}), folder / "a.parquet")
    (tmp_path / "in" / "b.csv").write_text('id,ids\n0,"[1, 2]"\n1,word\n2\n3,"[2.5]"\n4,"[[1]]"\n5,"[8, 9]"\n')
    out = tmp_path / "out"
    ran = run(SAVED / "sentiment", "--parquet", tmp_path / "in", out, "--engine", "numpy")
    assert ran.exit_code == porting.Mismatch.exit_code
    found = [(one["file"], one["row"], one["why"]) for one in entries(out)]
    assert [one[:2] for one in found] == [
        *[("b.csv", row) for row in (1, 2, 3, 4)],
        *[("deep/a.parquet", row) for row in (1, 3, 4, 5, 6)],
    ]
    words = ("no number", "has 1 fields", "2.5", "shape", "null", "1000000", "empty", "holds null", "-1")
    for (_, _, why), word in zip(found, words):
        assert word in why
    assert "b.csv, line 3: holds 'word', no number" in ran.stderr
    assert "9 rows could not be used" in ran.stderr
    made = pq.read_table(out / "deep" / "a-00000.parquet")
    assert made["id"].to_pylist() == [0, 2, 7]
    net = porting.load(SAVED / "sentiment", "numpy")
    alone = [net.predict(np.array([ids[row]], np.int32)).item() for row in (0, 2, 7)]
    np.testing.assert_allclose(made["score"].to_numpy(), alone, rtol=1e-6)
    assert pq.read_table(out / "b-00000.parquet")["id"].to_pylist() == ["0", "5"]


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string(), pa.binary(), pa.dictionary(pa.int32(), pa.string())])
def test_columns_of_texts(tmp_path: Path, kind: Any) -> None:
    given = ["one", None, "a library"]
    (tmp_path / "in").mkdir()
    table = pa.table({"words": pa.array(given, pa.string()).cast(kind)})
    pq.write_table(table, tmp_path / "in" / "a.parquet")
    assert score(tmp_path / "in", tmp_path / "out", column=None).bad == 1
    made = columns_of(tmp_path / "out", "dense_1")
    np.testing.assert_allclose(made, porting.load(FILTER, "numpy").predict(["one", "a library"])[:, 0], rtol=1e-6)


def test_a_text_that_is_no_utf_8_is_a_bad_row(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    offsets, data = pa.py_buffer(np.array([0, 2, 4, 6], np.int32)), pa.py_buffer(b"ab\xff\xfecd")
    broken = pa.StringArray.from_buffers(3, offsets, data)
    pq.write_table(pa.table({"text": broken}), tmp_path / "in" / "a.parquet")
    summary = score(tmp_path / "in", tmp_path / "out")
    assert (summary.rows, summary.bad) == (2, 1)
    assert entries(tmp_path / "out") == [{"file": "a.parquet", "row": 1, "why": "is not UTF-8"}]


def test_several_inputs_and_outputs_of_several_numbers(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    random = np.random.default_rng(0)
    source = [random.integers(1, 20, size) for size in (3, 5, 3)]
    target = [random.integers(1, 20, size) for size in (4, 4, 4)]
    pq.write_table(pa.table({"target": target, "source": source, "letter": ["x", "y", "z"]}), tmp_path / "in" / "a.pq")
    clash = run(SAVED / "seq2seq", "--parquet", tmp_path / "in", tmp_path / "out")
    assert clash.exit_code == porting.Mismatch.exit_code
    assert "has a column 'letter', as an output is called" in clash.output
    ran = run(SAVED / "seq2seq", "--parquet", tmp_path / "in", tmp_path / "out", "--prefix", "next_")
    assert ran.exit_code == 0, ran.output
    made = pq.read_table(tmp_path / "out" / "a-00000.parquet")
    net = porting.load(SAVED / "seq2seq")
    for row in range(3):
        expected = net.predict([source[row][None], target[row][None]])[0]
        np.testing.assert_allclose(np.array(made["next_letter"][row].as_py()), expected, rtol=1e-4, atol=1e-6)


def test_damaged_files_are_named_and_scored_when_mended(corpus: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    good = (corpus / "p1.parquet").read_bytes()
    bad = bytearray(good)
    bad[100:400] = bytes(300)
    (corpus / "p1.parquet").write_bytes(bad)
    (corpus / "q.parquet").write_bytes(b"PAR1 and no more")
    pq.write_table(pa.table({"text": [1, 2]}), corpus / "r.parquet")
    summary = score(corpus, out)
    assert sorted(summary.failed) == ["p1-00000.parquet", "q-00000.parquet", "r-00000.parquet"]
    assert (summary.rows, summary.parts) == (240, 2)
    assert summary.failed["r-00000.parquet"] == "r.parquet: column 'text': holds int64, the network takes texts"
    assert [one["part"] for one in entries(out)] == sorted(summary.failed)
    (corpus / "p1.parquet").write_bytes(good)
    for name in ("q", "r"):
        (corpus / f"{name}.parquet").unlink()
    again = score(corpus, out)
    assert (again.rows, again.bad, dict(again.failed), again.errors) == (360, 0, {}, None)
    assert not (out / "_errors.jsonl").exists()
    assert again.progress.scored == 120


def test_odd_files_are_named_and_the_rest_goes_on(corpus: Path, tmp_path: Path) -> None:
    pq.write_table(pa.table({"other": ["a"]}), corpus / "q.parquet")
    pq.write_table(pa.table({"text": [1]}), corpus / "a.parquet")
    (corpus / "a.csv").write_text("text\nthe first file that fits\n", encoding="utf-8")
    (corpus / "r.csv").write_text("text,text\na,b\n", encoding="utf-8")
    (corpus / "s.csv").write_bytes("text\na\n".encode("utf-16"))
    (corpus / "t.csv").write_text("id,text,id\n1,a,2\n", encoding="utf-8")
    pq.write_table(pa.table({"text": pa.array(["a", None], pa.string_view())}), corpus / "u.parquet")
    pq.write_table(pa.table({"text": ["a", "b"]}), corpus / "V.PARQUET")
    (corpus / "w.csv").touch()
    (corpus / "x.csv").symlink_to(corpus / "nowhere")
    for name in ("y.csv.gz", "_y.csv.gz"):
        (corpus / name).touch()
    (corpus / "z.parquet").symlink_to(corpus / "z.parquet")
    with pytest.warns(UserWarning, match=r"no parquet or csv files, and left out: y\.csv\.gz$"):
        summary = score(corpus, tmp_path / "out")
    assert (tmp_path / "out" / "a.csv-00000.parquet").exists()
    said = {part[0]: why.partition(": ")[2] for part, why in summary.failed.items()}
    assert said.pop("a") == "column 'text': holds int64, the network takes texts"
    assert said.pop("u").startswith("ended with ArrowNotImplementedError")
    assert said == {
        "q": "has no column 'text'",
        "r": "has two columns 'text'",
        "s": "its header is not UTF-8",
        "t": "has two columns 'id'",
        "w": "csv: is empty, without a header",
        "x": "cannot be read: No such file or directory",
        "z": "cannot be read: Too many levels of symbolic links",
    }
    assert summary.rows == 363


def test_blank_lines_of_a_csv_are_no_rows(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.csv").write_text('\ntext\n\na game\n\n""\n', encoding="utf-8")
    summary = score(tmp_path / "in", tmp_path / "out")
    assert (summary.rows, summary.bad) == (2, 0)
    (tmp_path / "in" / "a.csv.gz").touch()
    with pytest.raises(porting.Mismatch, match=r"is no \.parquet, \.pq, \.csv file"):
        score(tmp_path / "in" / "a.csv.gz", tmp_path / "other")


def test_what_has_changed_is_refused_with_a_way_out(corpus: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    score(corpus, out)
    with pytest.raises(porting.Mismatch, match=r"prefix.*was '', is 'p_'"):
        score(corpus, out, prefix="p_")
    with pytest.raises(porting.Mismatch, match="network"):
        porting.predict_files(SAVED / "russian", corpus, out, column="text", engine="numpy")
    kept = (corpus / "p0.parquet").read_bytes()
    pq.write_table(pa.table({"text": ["new"]}), corpus / "p0.parquet")
    with pytest.raises(porting.Mismatch, match=r"p0.parquet: has changed since it was scored\n.*overwrite=True"):
        score(corpus, out)
    (corpus / "p0.parquet").unlink()
    with pytest.raises(porting.Mismatch, match=r"p0.parquet: is gone"):
        score(corpus, out)
    (corpus / "p9.parquet").write_bytes(kept)
    assert score(corpus, out, overwrite=True).rows == 360
    assert not (out / "p0-00000.parquet").exists()


def test_what_cannot_be_begun(corpus: Path, tmp_path: Path) -> None:
    with pytest.raises(porting.Mismatch, match="has no column 'words'; it has id, text"):
        score(corpus, tmp_path / "out", column="words")
    with pytest.raises(porting.Mismatch, match=r"p0.parquet: column 'id': holds int64, the network takes texts"):
        score(corpus, tmp_path / "out", column="id")
    with pytest.raises(porting.MissingFile, match=r"nowhere: does not exist"):
        score(corpus.with_name("nowhere"), tmp_path / "out")
    assert not (tmp_path / "out").exists()
    for out in (corpus, corpus / "out", tmp_path):
        with pytest.raises(porting.Mismatch, match="stands in it"):
            score(corpus, out)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letter.txt").touch()
    with pytest.raises(porting.BadArchive, match=r"holds what no run wrote: letter.txt"):
        score(corpus, tmp_path / "mine", overwrite=True)
    with pytest.raises(porting.Mismatch, match=r"holds no \.parquet"):
        score(tmp_path / "mine", tmp_path / "out")
    (corpus / "p0.csv").write_text("text\na\n")
    shutil.copy(corpus / "p0.parquet", corpus / "p0.csv.parquet")
    with pytest.raises(porting.Mismatch, match=r"would both be written to p0.csv-00000.parquet"):
        score(corpus, tmp_path / "out")
    (corpus / "p0.csv.parquet").unlink()
    with pytest.raises(porting.Unsupported, match="beside a scheduler"):
        score(corpus, tmp_path / "out", workers=1, scheduler="tcp://127.0.0.1:1")
    ledger = Ledger(tmp_path / "held")
    ledger.out.mkdir()
    (corpus / "p0.csv").unlink()
    with ledger.held(), pytest.raises(porting.BadArchive, match="another run is writing here"):
        score(corpus, ledger.out)
    for words in (["a.npy", "--parquet", "a", "b"], ["a.npy", "--workers", "2"], ["a.npy", "--patience", "2"]):
        assert CliRunner().invoke(commands, ["predict", str(FILTER), *words]).exit_code == 2


@pytest.mark.parametrize(
    "address", ["here", "tcp://", "tcp://host", "tcp://.:80", "nothing://host:1", "inproc://1/2/3"]
)
def test_what_is_no_address_of_a_scheduler(corpus: Path, tmp_path: Path, address: str) -> None:
    with pytest.raises(porting.Unsupported, match=r"scheduler: '.*' is not an address\n.*tcp://HOST:PORT"):
        score(corpus, tmp_path / "out", scheduler=address, patience=0)


def test_a_full_disk_ends_the_run_and_it_goes_on(corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "out"
    kept, calls = os.fsync, []

    def full(number: int) -> None:
        calls.append(number)
        if len(calls) > 8:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        kept(number)

    monkeypatch.setattr(part_files.os, "fsync", full)
    with pytest.raises(porting.BadArchive, match=r"No space left on device\n.*free space on that disk"):
        score(corpus, out)
    monkeypatch.setattr(part_files.os, "fsync", kept)
    assert not list(out.rglob("*.writing-*"))
    before = len(list(out.rglob("done/*.json")))
    assert before < 3
    assert score(corpus, out).progress.scored == 360 - 120 * before
    score(corpus, tmp_path / "undisturbed")
    assert_same(out, tmp_path / "undisturbed")


def test_a_file_that_changes_while_it_is_read_is_not_taken(
    corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = scored_parts.batches

    def changing(part: Any, row_bytes: int) -> Any:
        yield from kept(part, row_bytes)
        os.utime(part.file, ns=(1, 1))

    monkeypatch.setattr(scored_parts, "batches", changing)
    summary = score(corpus, tmp_path / "out")
    assert summary.rows == 0
    assert all("has changed since the run began" in why for why in summary.failed.values())


def test_a_killed_process_leaves_what_is_done(tmp_path: Path) -> None:
    corpus = write_corpus(tmp_path / "in", files=40, rows=60)
    words = ["predict", FILTER, "--parquet", corpus, tmp_path / "out", "--column", "text", "--engine", "numpy"]
    with subprocess.Popen([sys.executable, "-m", "porting", *map(str, words)], stdout=subprocess.DEVNULL) as process:
        while len(list(tmp_path.rglob("done/*.json"))) < 3 and process.poll() is None:
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
    done = len(list(tmp_path.rglob("done/*.json")))
    assert 3 <= done < 40
    again = score(corpus, tmp_path / "out")
    assert (again.rows, again.progress.scored) == (40 * 60, 60 * (40 - done))
    score(corpus, tmp_path / "undisturbed")
    assert_same(tmp_path / "out", tmp_path / "undisturbed")


def test_an_output_that_is_gone_or_cut_is_made_again(corpus: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    score(corpus, out)
    (out / "p0-00000.parquet").unlink()
    os.truncate(out / "p1-00000.parquet", 100)
    assert score(corpus, out).progress.scored == 240
    assert len(columns_of(out)) == 360


def test_memory_does_not_grow_with_the_corpus(tmp_path: Path) -> None:
    """After a run of 128 MiB, which fills what Arrow keeps, twenty times what memory may grow by goes through it."""
    limit, row = 16 << 20, 64 << 10
    for name, rows in (("small", 2048), ("large", 20 * limit // row)):
        write_wide_rows(tmp_path / name, rows, row, group=rows)
    script = f"""
import porting, re
most = lambda: int(re.search(r"VmHWM:\\s+(\\d+) kB", open("/proc/self/status").read())[1]) << 10
run = lambda name: porting.predict_files({str(FILTER)!r}, name, name + "-out", column="text", engine="numpy")
run("small")
before = most()
assert run("large").rows == {20 * limit // row}
print(most() - before)
"""
    grown = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, check=True, stdout=subprocess.PIPE, text=True)
    assert int(grown.stdout) < limit


def test_the_rows_of_a_run_that_is_done_are_not_scored_again(corpus: Path, tmp_path: Path) -> None:
    words = (FILTER, "--parquet", corpus, tmp_path / "out", "--column", "text", "--engine", "numpy")
    assert "scored 360 rows in" in run(*words).output
    again = run(*words)
    assert again.exit_code == 0
    assert again.output.startswith("360 rows in 3 parts are in")
    described = json.loads((tmp_path / "out" / "_porting" / "run.json").read_text())
    assert described["columns"] == {"text": "text"}
