"""What the saved network and its loader promise: of the folder and its files, lines 1 to 9. See docs/security.md."""

from __future__ import annotations

import ast
import dataclasses
import hashlib
import json
import os
import re
import subprocess
import sys
import tracemalloc
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import porting.archive
from porting.archive import Limits, read_network, write_network
from porting.archive.canonical import FORMAT, VERSION
from porting.archive.folder import FILES
from porting.archive.hashing import sha256_of_array
from porting.errors import BadArchive

from .forging import array_entries, data_spans, zip_of
from .helpers import (
    as_version,
    body_of,
    bytes_of,
    content,
    loads,
    make_network,
    put,
    refusal,
    seal,
    seal_text,
)

SOURCES = Path(porting.archive.__file__).parent
GOLDEN = Path(__file__).parent.parent / "golden"


def test_promise_1_nothing_is_executed_imported_unpickled_evaluated_or_used_as_a_path(saved: Path) -> None:
    builtins, methods = {"eval", "exec", "compile", "__import__"}, {"load", "fromstring", "literal_eval", "system"}
    for source in SOURCES.glob("*.py"):
        tree = ast.parse(source.read_text())
        for node in ast.walk(tree):
            if isinstance(node, ast.Call):
                where = f"{source.name}:{node.lineno}"
                assert getattr(node.func, "id", "") not in builtins, where
                assert getattr(node.func, "attr", "") not in methods, where
            if isinstance(node, (ast.Import, ast.ImportFrom)):
                modules = [alias.name for alias in node.names] + [getattr(node, "module", None) or ""]
                assert not {"pickle", "marshal", "shelve", "importlib", "zipfile", "ast"} & set(modules)
    forged = seal_text(body_of((saved / "network.json").read_bytes()).replace("0/inputs/x", "../../../../tmp/x"))
    (saved / "network.json").write_bytes(forged)
    assert "is not a name" in refusal(saved)
    program = (
        "import sys; from porting.archive import read_network; opened = []\n"
        "sys.addaudithook(lambda event, args: event == 'open' and opened.append(args[0]))\n"
        f"before = set(sys.modules); read_network({str(saved)!r})\n"
        "print(sorted(one for one in opened if type(one) is not int), sorted(set(sys.modules) - before))"
    )
    write_network(make_network(), saved, overwrite=True)
    ran = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert ran.stdout.strip() == f"{sorted([str(saved), *FILES])} []"


def test_promise_2_the_version_is_read_first_and_a_newer_one_refused_naming_both(saved: Path) -> None:
    newer = f'{{\n  "format": "{FORMAT}",\n  "version": {VERSION + 6},\n this is not JSON of ours'.encode()
    (saved / "network.json").write_bytes(newer)
    assert f"version {VERSION + 6}" in refusal(saved)
    assert f"up to version {VERSION}\n" in refusal(saved)
    assert "update porting" in refusal(saved)
    unversioned = newer.replace(f"{VERSION + 6}".encode(), b"0")
    for other in (
        b"",
        b"{}",
        b'{"version": 1}',
        newer.replace(FORMAT.encode(), b"other"),
        unversioned,
    ):
        (saved / "network.json").write_bytes(other)
        assert "does not begin as" in refusal(saved)


@pytest.mark.parametrize("version", range(1, VERSION + 1))
def test_promise_2_a_golden_folder_of_every_version_still_loads(version: int) -> None:
    assert content(read_network(GOLDEN / f"v{version}")) == content(as_version(version))


def test_promise_3_memory_stays_within_the_declared_size_plus_a_constant(tmp_path: Path) -> None:
    table = np.ones((1 << 20, 8), np.float32)
    layers = {**make_network().layers}
    layers["join"] = dataclasses.replace(layers["join"], weights={**layers["join"].weights, "embeddings": table})
    folder = write_network(make_network(layers=layers), tmp_path / "net")
    read_network(folder)
    tracemalloc.start()
    read_network(folder)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < table.nbytes + (2 << 20)


def test_promise_3_the_declared_size_is_within_the_files_size_and_a_cap(saved: Path) -> None:
    assert "raise Limits.file_bytes" in refusal(saved, Limits(file_bytes=100))
    assert "raise Limits.array_bytes" in refusal(saved, Limits(array_bytes=15))
    description = loads((saved / "network.json").read_bytes())
    description["layers"][0]["weights"][0]["shape"] = [1 << 16, 1 << 13]
    (saved / "network.json").write_bytes(seal(description))
    tracemalloc.start()
    text = refusal(saved)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert re.search(r"weights.npz: has \d+ bytes; with the arrays that its description lists it has 214748\d+", text)
    assert peak < 2 << 20


@pytest.mark.parametrize("shape", [[2**40, 2**40], [2**40] * 16, [0, 2**40, 2**40], [2**33, 2**33, 2**33]])
def test_promise_4_sizes_are_computed_in_unbounded_integers(saved: Path, shape: list[int]) -> None:
    description = loads((saved / "network.json").read_bytes())
    for index in (0, 1):
        description["layers"][0]["weights"][index]["shape"] = shape
    (saved / "network.json").write_bytes(seal(description))
    assert "bytes, more than" in refusal(saved)


def rebuilt(folder: Path, change: Any) -> None:
    """Write weights.npz again with `zipfile`; `change` gets the archive and the (name, bytes) of the members."""
    path = folder / "weights.npz"
    with zipfile.ZipFile(path) as source:
        members = [(info, source.read(info)) for info in source.infolist()]
    path.unlink()
    with zipfile.ZipFile(path, "w") as target:
        change(target, members)


def _compressed(method: int) -> Any:
    def change(target: zipfile.ZipFile, members: list[tuple[zipfile.ZipInfo, bytes]]) -> None:
        for info, data in members:
            target.writestr(zipfile.ZipInfo(info.filename, (1980, 1, 1, 0, 0, 0)), data, method)

    return change


def _dated(target: zipfile.ZipFile, members: list[tuple[zipfile.ZipInfo, bytes]]) -> None:
    for info, data in members:
        target.writestr(zipfile.ZipInfo(info.filename, (1999, 1, 1, 0, 0, 0)), data)


def _with(extra: list[tuple[str, bytes]], drop: int = 0, comment: bytes = b"") -> Any:
    def change(target: zipfile.ZipFile, members: list[tuple[zipfile.ZipInfo, bytes]]) -> None:
        for info, data in members[drop:]:
            target.writestr(zipfile.ZipInfo(info.filename, (1980, 1, 1, 0, 0, 0)), data)
        for name, data in extra:
            target.writestr(name, data)
        target.comment = comment

    return change


@pytest.mark.filterwarnings("ignore:Duplicate name:UserWarning")
@pytest.mark.parametrize(
    ("change", "told"),
    [
        (_compressed(zipfile.ZIP_DEFLATED), "compressed members: 'encoder/Split/kernel.npy'"),
        (_compressed(zipfile.ZIP_LZMA), "compressed members"),
        (_compressed(zipfile.ZIP_BZIP2), "compressed members"),
        (_with([], drop=1), "lacks the members: 'encoder/Split/kernel.npy'"),
        (_with([("../../evil.npy", b"")]), "does not list: '../../evil.npy'"),
        (_with([("join/table.npy", b"")]), "members twice: 'join/table.npy'"),
        (_with([("JOIN/table.npy", b"")]), "members twice: 'join/table.npy'"),
        (_with([], comment=b"x"), "no zip directory at its end"),
        (_with([]), "its zip directory is not that of the arrays"),
        (_dated, "zip header has other flags, times"),
    ],
)
def test_promise_5_members_are_exactly_those_listed(saved: Path, change: Any, told: str) -> None:
    rebuilt(saved, change)
    assert told in refusal(saved)


def test_promise_5_encrypted_members_are_refused(saved: Path) -> None:
    content_ = bytearray((saved / "weights.npz").read_bytes())
    content_[6] |= 1
    (saved / "weights.npz").write_bytes(content_)
    assert "is encrypted" in refusal(saved)


def test_promise_5_duplicates_after_case_folding_are_refused_in_the_description(saved: Path) -> None:
    text = body_of((saved / "network.json").read_bytes())
    assert "encoder/Split/Kernel~2" in text
    (saved / "network.json").write_bytes(seal_text(text.replace("encoder/Split/Kernel~2", "encoder/Split/Kernel")))
    assert "two arrays have the member 'encoder/Split/Kernel'" in refusal(saved)


@pytest.mark.parametrize("name", FILES)
def test_promise_5_files_are_the_three_by_name_plain_or_links_to_plain_ones(saved: Path, name: str) -> None:
    (saved / name).rename(saved.parent / name)
    assert f"{name}: No such file" in refusal(saved)
    (saved / name).symlink_to(saved.parent / name)
    assert content(read_network(saved)) == content(make_network())
    wrong = bytearray((saved.parent / name).read_bytes())
    wrong[len(wrong) // 2] ^= 1
    (saved.parent / name).write_bytes(bytes(wrong))
    assert name in refusal(saved)
    (saved / name).unlink()
    os.mkfifo(saved / name)
    assert f"{name}: is not a plain file" in refusal(saved)
    (saved / name).unlink()
    (saved / name).mkdir()
    assert f"{name}: is not a plain file" in refusal(saved)
    (saved / name).rmdir()
    for target in ("/dev/zero", name, "nowhere"):
        (saved / name).symlink_to(target)
        assert name in refusal(saved)
        (saved / name).unlink()


def test_promise_5_the_folder_itself_may_be_a_link(saved: Path) -> None:
    link = saved.parent / "link"
    link.symlink_to(saved)
    assert content(read_network(link)) == content(read_network(saved))


BAD_NAMES = ("", ".", "..", "a/..", "./a", "/a", "a/", "a//b", "a b", "é", "ａ", "a\0", "a:b", "a\\b", "a\n", "x" * 251)


@pytest.mark.parametrize("name", BAD_NAMES)
def test_promise_6_names_match_one_short_pattern(tmp_path: Path, name: str) -> None:
    folder = write_network(make_network(), tmp_path / "net")
    for *path, key in (("layers", 0, "name"), ("calls", 0, "name"), ("inputs", 0, "name"), ("calls", 0, "layer"),
                       ("layers", 0, "weights", 0, "name"), ("layers", 0, "weights", 0, "member")):  # fmt: skip
        description = loads(bytes_of(folder)["network.json"])
        place: Any = description
        for step in path:
            place = place[step]
        place[key] = name if key != "member" or len(name) < 251 else "x" * 541
        files = {**bytes_of(folder), "network.json": seal(description)}
        assert re.search("is not a name|characters, more than", refusal(put(tmp_path / "forged", files)))


@pytest.mark.parametrize(
    ("cap", "value"),
    [
        ("description_bytes", 1000),
        ("values", 100),
        ("depth", 4),
        ("inputs", 1),
        ("layers", 1),
        ("calls", 2),
        ("call_outputs", 1),
        ("cases", 1),
        ("arrays", 10),
        ("rank", 1),
        ("dimension", 2),
        ("name_length", 10),
        ("string_length", 1),
        ("strings", 3),
    ],
)
def test_promise_6_caps_on_depth_rank_dimensions_counts_and_lengths(saved: Path, cap: str, value: int) -> None:
    limits = Limits(**{cap: value})
    text = refusal(saved, limits)
    assert f"Limits.{cap}" in text or re.search(f"more than {value}|from [01] to {value}", text)
    with pytest.raises(BadArchive):
        write_network(make_network(), saved.parent / "again", limits=limits)
    assert not (saved.parent / "again").exists()


def test_promise_6_a_caller_can_raise_every_cap(saved: Path) -> None:
    raised = Limits(**{name: 4 * value for name, value in dataclasses.asdict(Limits()).items()})
    assert content(read_network(saved, limits=raised)) == content(make_network())


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"'<f4', 'fortran_order': False", b"'>f4', 'fortran_order': False"),
        (b"'<f4', 'fortran_order': False", b"'|O4', 'fortran_order': False"),
        (b"'fortran_order': False, 'shape': (2, 2)", b"'fortran_order': True,  'shape': (2, 2)"),
        (b"'shape': (2, 2)", b"'shape': (4, 1)"),
        (b"'shape': (2, 2)", b"'shape': (2L,2)"),
        (b"NUMPY\x01\x00", b"NUMPY\x02\x00"),
        (b"(2, 2), }  ", b"(2, 2), } ("),
    ],
)
def test_promise_7_dtypes_little_endian_c_order(saved: Path, old: bytes, new: bytes) -> None:
    files = bytes_of(saved)
    assert old in files["weights.npz"]
    put(saved, {**files, "weights.npz": files["weights.npz"].replace(old, new, 1)})
    assert "its npy header is not that of the dtype and shape in its description" in refusal(saved)


@pytest.mark.parametrize("dtype", [">f4", "float128", "complex64", "V8", "datetime64", "float", "O", "U", "", None, 4])
def test_promise_7_dtypes_are_from_a_list(saved: Path, dtype: Any) -> None:
    description = loads((saved / "network.json").read_bytes())
    description["layers"][0]["weights"][0]["dtype"] = dtype
    (saved / "network.json").write_bytes(seal(description))
    assert "is none of float16" in refusal(saved)


@pytest.mark.parametrize("dtype", ["c8", "V3", "M8[s]", "f4,i4", "S3"])
def test_promise_7_other_dtypes_are_not_written(tmp_path: Path, dtype: str) -> None:
    layer = dataclasses.replace(make_network().layers["join"], weights={"table": np.zeros(2, dtype)})
    with pytest.raises(BadArchive, match=r"dtype .* which is not stored"):
        write_network(make_network(layers={**make_network().layers, "join": layer}), tmp_path / "net")


@pytest.mark.parametrize("name", FILES)
def test_promise_7_exact_length_no_leading_or_trailing_bytes(saved: Path, name: str) -> None:
    files = bytes_of(saved)
    for changed in (files[name] + b"\0", b"\0" + files[name], files[name][:-1], files[name][1:], b""):
        put(saved, {**files, name: changed})
        refusal(saved)


def test_promise_7_bools_and_strings_are_what_they_say(saved: Path) -> None:
    files = bytes_of(saved)
    description = loads(files["network.json"])
    entries = list(array_entries(description, "weights.npz"))
    spans = list(data_spans(files["weights.npz"], entries))
    (at,) = (index for index, entry in enumerate(entries) if entry["dtype"] == "str")

    def forge(change: Any, dtype: str = "str") -> str:
        entry = {**entries[at], "dtype": dtype}
        data = [files["weights.npz"][start:stop] for start, stop in spans]
        data[at] = change(data[at])
        entry["bytes"] = len(data[at])
        changed = [*entries[:at], entry, *entries[at + 1 :]]
        made = zip_of(changed, data)
        entries_of(description)[at].update(entry)
        put(saved, {**files, "weights.npz": made, "network.json": seal(description)})
        return refusal(saved)

    def entries_of(description: Any) -> list[dict[str, Any]]:
        return list(array_entries(description, "weights.npz"))

    assert "too few for the lengths of 4 strings" in forge(lambda data: data[:10])
    assert "do not add up" in forge(lambda data: data + b"x")
    assert "no UTF-8" in forge(lambda data: data[:-1] + b"\xff")
    assert "no UTF-8" in forge(lambda data: data[:16] + b"\xed\xa0\x80" + data[19:])
    description = loads(files["network.json"])
    masks = list(array_entries(description, "references.npz"))
    spans = list(data_spans(files["references.npz"], masks))
    data = [files["references.npz"][start:stop] for start, stop in spans]
    (first, *_) = (index for index, entry in enumerate(masks) if entry["dtype"] == "bool")
    data[first] = b"\x02" + data[first][1:]
    put(saved, {**files, "references.npz": zip_of(masks, data), "network.json": seal(description)})
    assert "bytes other than 0 and 1" in refusal(saved)


@pytest.mark.parametrize("name", FILES)
def test_promise_8_any_flipped_bit_is_refused(saved: Path, name: str) -> None:
    files = bytes_of(saved)
    step = 1 if name == "weights.npz" else 5
    for at in range(0, len(files[name]), step):
        changed = bytearray(files[name])
        changed[at] ^= 1 << (at % 8)
        (saved / name).write_bytes(changed)
        refusal(saved)


def test_promise_8_the_description_holds_the_sha256_of_every_array_and_its_own(saved: Path) -> None:
    description = json.loads((saved / "network.json").read_text())
    for layer in description["layers"]:
        for entry in layer["weights"]:
            assert entry["sha256"] == sha256_of_array(make_network().layers[layer["name"]].weights[entry["name"]])
    text = (saved / "network.json").read_bytes()
    before, found, _ = text.rpartition(description["sha256"].encode())
    assert found
    assert hashlib.sha256(before).hexdigest() == description["sha256"]


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ('"units": 2', '"units": 2, "units": 2', "stands twice"),
        ('"units": 2', '"units": NaN', "NaN is not JSON"),
        ('"units": 2', '"units": -Infinity', "-Infinity is not JSON"),
        ('"units": 2', '"units": 2.00', "another way"),
        ('"units": 2', '"units": -0', "another way"),
        ('"units": 2', '"units": 1e999', "not a double"),
        ('"units": 2', '"units": 0.' + "1" * 5000, "not a double"),
        ('"units": 2', '"units": ' + "1" * 5000, "outside 64 bits"),
        ('"units": 2', '"units": 18446744073709551616', "outside 64 bits"),
        ('"units": 2', '"units":2', "another way"),
        ('"units": 2', '"units": "\\u0041"', "another way"),
        ('"units": 2', '"units": "\\ud800"', "not Unicode text"),
        ('"units": 2', '"units": "\ud800"', "JSON is not sound"),
        ('"units": 2', '"units": ' + "[" * 100_000, "nest deeper"),
        ('"units": 2', '"units": 2,', "JSON is not sound"),
        (f'"version": {VERSION}', f'"version": {VERSION}, "sha256": ""', "does not begin as"),
        ('"name": "net', '"sha256": "",\n  "name": "net', "stands twice"),
        ('"origin": {"backend": "numpy", "keras"', '"origin": {"keras": "3", "keras"', "stands twice"),
        ('{"backend": "numpy", "keras": "3.1.0"}', '{"keras": "3.1.0", "backend": "numpy"}', "another way"),
    ],
)
def test_promise_9_the_description_equals_its_own_canonical_encoding(
    saved: Path, old: str, new: str, told: str
) -> None:
    body = body_of((saved / "network.json").read_bytes())
    assert old in body
    (saved / "network.json").write_bytes(seal_text(body.replace(old, new, 1)))
    assert told in refusal(saved)
