"""Whatever a network may hold comes back as it was."""

from __future__ import annotations

import io
import tempfile
import zipfile
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from porting.archive import Limits, describe, read_network, write_network
from porting.archive.arrays import DTYPES, Record, npy_header
from porting.archive.zips import Member, directory, place
from porting.errors import BadArchive
from porting.network import Call, Case, Constant, Input, Layer, Network, TensorRef

from .helpers import ORDER, bytes_of, content, loads, make_network, seal

NAME = st.from_regex(r"\A[A-Za-z0-9_@-][A-Za-z0-9_.@-]{0,5}(/[A-Za-z0-9_@-]{1,3})?\Z")
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
NUMBERS = st.one_of(st.integers(-(2**63), 2**64 - 1), st.floats(allow_nan=False, allow_infinity=False))
SCALARS = st.one_of(st.none(), st.booleans(), NUMBERS, TEXT)
JSON = st.recursive(
    SCALARS, lambda part: st.lists(part, max_size=3) | st.dictionaries(TEXT, part, max_size=3), max_leaves=8
)
SHAPES = st.lists(st.integers(0, 3), max_size=3).map(tuple)


def arrays(shape: tuple[int, ...]) -> st.SearchStrategy[Any]:
    """Arrays of every dtype, in every order of bytes and axes, with any bytes in them; and of strings."""

    def numbers(dtype: str, seed: int, swapped: bool, transposed: bool) -> Any:
        size = int(np.prod(shape, dtype=int)) * np.dtype(dtype).itemsize
        content_ = np.random.default_rng(seed).bytes(size)
        array = np.frombuffer(content_, "|u1" if dtype == "bool" else DTYPES[dtype]).reshape(shape)
        array = np.asarray(array % 2 == 1) if dtype == "bool" else array
        array = array.astype(array.dtype.newbyteorder(">")) if swapped else array
        return np.asfortranarray(array) if transposed and array.ndim else array

    def strings(parts: list[str]) -> Any:
        array = np.empty(len(parts), object)
        array[:] = parts
        return array.reshape(shape)

    count = int(np.prod(shape, dtype=int))
    return st.one_of(
        st.builds(numbers, st.sampled_from(sorted(DTYPES)), st.integers(0, 99), st.booleans(), st.booleans()),
        st.lists(TEXT, min_size=count, max_size=count).map(strings),
    )


ARRAYS = SHAPES.flatmap(arrays)


@st.composite
def networks(draw: st.DrawFn) -> Network:
    """Chains of calls, each reading tensors before it, every kind of argument among them."""
    names = draw(st.lists(NAME, min_size=3, max_size=6, unique_by=str.casefold))
    inputs = (Input(names[0], (None, 2)),)
    refs = [inputs[0].ref]
    layers, calls = {}, []
    for name in names[1:]:
        held = draw(st.dictionaries(NAME, ARRAYS, max_size=2))
        held = {key: array for key, array in held.items() if "/" not in key}
        trainable = draw(st.booleans())
        config = draw(st.dictionaries(TEXT, JSON, max_size=3))
        layers[name] = Layer(name, "Any>Class", config, held, trainable)
        constants = [st.sampled_from(sorted(held)).map(Constant)] if held else []
        leaf = st.one_of(SCALARS, st.sampled_from(refs), *constants)
        argument = st.recursive(
            leaf,
            lambda part: st.lists(part, max_size=3).map(tuple) | st.dictionaries(TEXT, part, max_size=2),
            max_leaves=5,
        )
        given_ = (refs[-1], *draw(st.lists(argument, max_size=2)))
        more = draw(st.dictionaries(st.sampled_from(["mask", "initial_state", "_x1"]), argument, max_size=2))
        outputs = draw(st.integers(1, 2))
        call = Call(name, name, given_, more, outputs, unmasked=draw(st.sampled_from([(), (refs[-1],)])))
        calls.append(call)
        refs += call.refs()
    made = [ref for call in calls for ref in call.refs()]
    return Network(
        name=draw(TEXT.filter(lambda text: text.isprintable() and text != "")),
        inputs=inputs,
        calls=tuple(calls),
        layers=layers,
        outputs=draw(st.sampled_from([refs[-1], (refs[-1], made[0]), {"é": refs[-1], "a": (made[0],)}])),
        cases=tuple(_case(batch, inputs[0], made) for batch in (1, 3)),
        origin={"keras": "3.5.0"},
    )


def _case(batch: int, given_: Input, made: list[TensorRef]) -> Case:
    numbers = np.arange(batch * 2, dtype=np.float32).reshape(batch, 2)
    return Case(f"batch {batch}", {given_.name: numbers}, dict.fromkeys(made, numbers), {made[0]: numbers[:, 0] > 0})


def broken(network: Network) -> bool:
    """Whether two layers' weights have one full name, which is refused: ``a`` with ``b/c`` and ``a/b`` with ``c``."""
    return len(network.weights()) != sum(len(layer.weights) for layer in network.layers.values())


@settings(max_examples=25, deadline=None)
@given(network=networks().filter(lambda network: not broken(network)))
def test_a_network_comes_back_as_it_was(network: Network) -> None:
    with tempfile.TemporaryDirectory() as room:
        folder = write_network(network, Path(room) / "net")
        found = read_network(folder)
        assert content(found) == content(network)
        again = write_network(found, Path(room) / "again")
        assert bytes_of(again) == bytes_of(folder)
        assert describe(network) == loads(bytes_of(folder)["network.json"])
        assert seal(describe(network)) == bytes_of(folder)["network.json"]


def test_every_field_of_a_network_is_stored(tmp_path: Path) -> None:
    """A field added to a class of `porting.network` is added to the format, or this fails."""
    description = loads(bytes_of(write_network(make_network(order=ORDER), tmp_path / "net"))["network.json"])
    written: dict[Any, set[str]] = {
        Network: set(description) - {"format", "version"},
        Input: set(description["inputs"][0]),
        Call: set(description["calls"][0]),
        Layer: {key.replace("class", "class_name") for key in description["layers"][0]},
        Case: set(description["cases"][0]),
    }
    for kind, keys in written.items():
        assert keys == {field.name for field in fields(kind)}, kind


def test_order_of_layers_weights_and_calls_is_kept(tmp_path: Path) -> None:
    found = read_network(write_network(make_network(), tmp_path / "net"))
    assert list(found.layers) == ["encoder/Split", "join"]
    assert list(found.layers["encoder/Split"].weights) == ["kernel", "Kernel"]
    assert [call.name for call in found.calls] == ["encoder/Split", "join", "join@2"]


def test_numpy_reads_the_arrays_too(tmp_path: Path) -> None:
    folder = write_network(make_network(), tmp_path / "net")
    network = read_network(folder)
    with np.load(folder / "weights.npz", allow_pickle=False) as weights:
        kernel = weights["encoder/Split/kernel"]
    np.testing.assert_array_equal(kernel, network.layers["encoder/Split"].weights["kernel"])
    with np.load(folder / "references.npz", allow_pickle=False) as references:
        np.testing.assert_array_equal(references["1/inputs/tokens"], network.cases[1].inputs["tokens"])
        assert references["1/masks/tokens/0"].dtype == bool


@pytest.mark.parametrize("shape", [(), (3,), (2, 3), (0, 2), (1,) * 16])
@pytest.mark.parametrize("dtype", sorted(DTYPES))
def test_headers_are_as_numpy_reads_them(shape: tuple[int, ...], dtype: str) -> None:
    header = npy_header(DTYPES[dtype], shape)
    assert len(header) % 64 == 0
    array = np.zeros(shape, dtype)
    np.testing.assert_array_equal(np.load(io.BytesIO(header + array.tobytes())), array)
    assert np.load(io.BytesIO(header + array.tobytes())).dtype == array.dtype


def test_arrays_are_writable_and_their_own(tmp_path: Path) -> None:
    folder = write_network(make_network(), tmp_path / "net")
    array = read_network(folder).layers["encoder/Split"].weights["kernel"]
    array[0, 0] = 100
    assert content(read_network(folder)) == content(make_network())


def test_members_beyond_four_gigabytes_are_zip64(tmp_path: Path) -> None:
    """Headers of large files as Python's zipfile reads them, in a sparse file."""
    large = 5 << 30
    records = [
        Record("large", "uint8", (large,), "", large),
        Record("behind", "uint8", (3,), "", 3),
        Record("last", "uint8", (large,), "", large),
    ]
    members = place(records)
    path = tmp_path / "sparse.npz"
    with open(path, "wb") as file:
        for member in members:
            file.seek(member.offset)
            file.write(member.local(0))
        file.seek(members[-1].end)
        file.write(directory(members, [0, 0, 0]))
    with zipfile.ZipFile(path) as archive:
        found = archive.infolist()
        assert [info.file_size for info in found] == [member.size for member in members]
        assert [info.header_offset for info in found] == [member.offset for member in members]
        assert archive.open("large.npy").read(6) == b"\x93NUMPY"


def test_directories_of_very_many_members_are_zip64(tmp_path: Path) -> None:
    members = place([Record(str(number), "bool", (), "", 0) for number in range(70_000)])
    path = tmp_path / "many.npz"
    with open(path, "wb") as file:
        for member in members:
            file.write(member.local(0))
        file.write(directory(members, [0] * len(members)))
    with zipfile.ZipFile(path) as archive:
        assert len(archive.infolist()) == 70_000


def test_weights_that_differ_in_case_only_have_members_of_their_own(tmp_path: Path) -> None:
    members = [record["member"] for record in describe(make_network())["layers"][0]["weights"]]
    assert members == ["encoder/Split/kernel", "encoder/Split/Kernel~2"]
    assert isinstance(Member(Record("x", "bool", (), "", 1), 0), Member)


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ({"a": {"float": "inf"}}, "which here is the number"),
        (2**64, "outside 64 bits"),
        (b"bytes", "holds a bytes"),
        (np.float32(1), "holds a float32"),
        ({1: 2}, "the key 1, which is not a string"),
        ({"a": {"b": object()}}, "holds a object"),
        ("\ud800", "not Unicode text"),
        ({"\ud800": 1}, "not Unicode text"),
        ("x" * 2_000_000, "raise Limits.string_length"),
    ],
)
def test_what_json_does_not_hold_is_refused(tmp_path: Path, value: Any, told: str) -> None:
    layers = {**make_network().layers}
    layers["join"] = Layer("join", "Join", {"value": value}, layers["join"].weights)
    with pytest.raises(BadArchive) as caught:
        write_network(make_network(layers=layers), tmp_path / "net")
    assert told in str(caught.value)
    assert "'join'" in str(caught.value)


@pytest.mark.parametrize("count", [1, 2])
def test_lists_that_hold_themselves_are_refused(tmp_path: Path, count: int) -> None:
    endless: list[Any] = []
    endless.extend([endless] * count)
    layers = {**make_network().layers}
    layers["join"] = Layer("join", "Join", {"value": endless}, layers["join"].weights)
    with pytest.raises(BadArchive, match=r"Limits\.(depth|values)"):
        write_network(make_network(layers=layers), tmp_path / "net", limits=Limits(values=10_000))


@pytest.mark.parametrize(
    ("array", "told"),
    [
        (np.array([1, "a"], object), "holds a int where strings are stored"),
        (np.array(["\ud800"], object), "not Unicode text"),
        ([1.0], "is not a numpy array but a list"),
    ],
)
def test_arrays_that_cannot_be_stored_are_named(tmp_path: Path, array: Any, told: str) -> None:
    layers = {**make_network().layers, "join": Layer("join", "Join", {}, {"table": array})}
    with pytest.raises(BadArchive, match=rf"weight 'join/table': .*{told}"):
        write_network(make_network(layers=layers), tmp_path / "net")


def test_fixed_width_strings_come_back_as_objects(tmp_path: Path) -> None:
    layers = {**make_network().layers, "join": Layer("join", "Join", {}, {"table": np.array(["a", "bcd", ""])})}
    found = read_network(write_network(make_network(layers=layers), tmp_path / "net"))
    table = found.layers["join"].weights["table"]
    assert table.dtype == object
    assert table.tolist() == ["a", "bcd", ""]
