"""What the saved network and its loader promise: of the network in the folder, lines 10 to 16. See docs/security.md."""

from __future__ import annotations

import dataclasses
import random
import re
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from porting import archive
from porting.archive import Limits, array_files, canonical, checks, describe, read_network, write_network, zips
from porting.archive.decode import decode
from porting.archive.folder import FILES
from porting.errors import BadArchive
from porting.network import Call, Case, Input, Layer, Network, Noise, Sampled

from ..fuzz_archive import Fuzz
from .forging import BLIND, SEALED, array_entries, data_spans, edit_data, edit_text, flip_bits
from .helpers import (
    JOIN,
    LAST,
    ORDER,
    SPLIT,
    body_of,
    bytes_of,
    content,
    loads,
    make_case,
    make_network,
    put,
    refusal,
    seal,
    seal_text,
)

NET = make_network()
CALLS = NET.calls
X = Input("x", (None, 2)).ref


def graph(**changes: Any) -> Network:
    return make_network(**changes)


@pytest.mark.parametrize(
    ("network", "told"),
    [
        (graph(inputs=(*NET.inputs, NET.inputs[0])), "two inputs or calls have the name 'x'"),
        (graph(inputs=(*NET.inputs, Input("join", (None,)))), "two inputs or calls have the name 'join'"),
        (graph(calls=(*CALLS, CALLS[0])), "two inputs or calls have the name 'encoder/Split'"),
        (graph(cases=(NET.cases[0], NET.cases[0])), "two cases have the name 'batch 2'"),
        (graph(calls=(CALLS[1], CALLS[0], CALLS[2])), "reads 'encoder/Split:0', which no input and no earlier call"),
        (graph(calls=(*CALLS[:2], Call("join@2", "join", (JOIN, SPLIT.__class__("join@2"))))), "no earlier call"),
        (graph(calls=(*CALLS[:2], Call("join@2", "join", (JOIN.__class__("join", 1),)))), "'join' makes 1 tensors"),
        (graph(calls=(*CALLS, Call("other", "nowhere", (X,)))), "layer 'nowhere' is not among the layers"),
        (graph(calls=(*CALLS, Call("other", "join", (X,)))), "contributes to no output"),
        (graph(calls=(CALLS[0], Call("join", "join", (SPLIT,), unmasked=(X,)), CALLS[2])), "it does not read it"),
        (graph(layers={**NET.layers, "more": Layer("more", "Dense")}), "layer 'more': is called nowhere"),
        (graph(layers={**NET.layers, "more": Layer("m", "Dense")}), "layer 'm': is kept under the name 'more'"),
        (graph(outputs=SPLIT.__class__("nowhere")), "reads 'nowhere:0'"),
        (graph(outputs=None), "are not a tensor, a tuple or a dict of tensors"),
        (graph(outputs=(SPLIT, 1)), "are not a tensor, a tuple or a dict of tensors"),
        (graph(outputs=()), "are not a tensor, a tuple or a dict of tensors"),
        (graph(inputs=()), "the network has none"),
    ],
)
def test_promise_10_the_graph_is_sound(tmp_path: Path, network: Network, told: str) -> None:
    with pytest.raises(BadArchive, match=re.escape(told)):
        write_network(network, tmp_path / "net")


def test_promise_10_what_a_layer_does_in_training_alone_is_kept_without_a_call(tmp_path: Path) -> None:
    noisy = Layer("more", "Noisy", {"in_training": "draws random numbers"})
    network = graph(layers={**NET.layers, "more": noisy})
    write_network(network, tmp_path / "net")
    assert read_network(tmp_path / "net").layers["more"] == noisy


NOISE = Noise((0.0, 0.0), (0.0, 0.0))


def test_promise_13_noise_is_told_of_references_alone(tmp_path: Path) -> None:
    case = dataclasses.replace(NET.cases[0], noise={X: NOISE})
    with pytest.raises(BadArchive, match="noise: 'x:0' has no reference in this case"):
        write_network(make_network(cases=(case, NET.cases[1])), tmp_path / "net")


@pytest.mark.parametrize("moved", [[0.0], [0, 1.0], [-1.0, 0.0], None, ["0.0", 0.0], [0.0, 0.0, 0.0]])
def test_promise_13_noise_is_two_numbers(saved: Path, moved: Any) -> None:
    description = loads((saved / "network.json").read_bytes())
    description["cases"][0]["noise"][0]["chain"] = moved
    (saved / "network.json").write_bytes(seal(description))
    assert "noise 'encoder/Split:0' chain: is" in refusal(saved)


@pytest.mark.parametrize(("version", "key"), [(1, "noise"), (2, "metadata"), (3, "sampled"), (4, "shifted")])
def test_promise_2_a_folder_of_an_older_version_holds_nothing_newer(saved: Path, version: int, key: str) -> None:
    description = loads((saved / "network.json").read_bytes())
    (saved / "network.json").write_bytes(seal({**description, "version": version}))
    assert f"has the key '{key}', which the format does not know" in refusal(saved)


@pytest.mark.parametrize(
    ("metadata", "told"),
    [
        ({"title": 3}, "metadata 'title': is 3, not a string"),
        ({"authors": "one", "notes": []}, "metadata 'authors': is not a list of strings"),
        ({"labels": ["a", 1]}, "metadata 'labels': is neither"),
        ({"labels": {"dense": "a"}}, "metadata 'labels': is neither"),
    ],
)
def test_promise_11_metadata_has_the_form_that_its_keys_ask_for(saved: Path, metadata: Any, told: str) -> None:
    description = loads((saved / "network.json").read_bytes())
    (saved / "network.json").write_bytes(seal({**description, "metadata": metadata}))
    assert told in refusal(saved)
    with pytest.raises(BadArchive, match="metadata"):
        write_network(make_network(metadata=metadata), saved.parent / "other")


@pytest.mark.parametrize(
    ("order", "told"),
    [
        (("join/table", None, "join/table"), "order: names the weight 'join/table' 2 times"),
        (("join/shared",), "order: names 'join/shared', which is no weight of the network"),
        (("../table",), "order: '../table' is not a name"),
        ((3,), "order: is not a string but 3"),
        ("all", "order: is not a list but 'all'"),
        ((), "in another way than this format writes it"),
    ],
)
def test_promise_10_the_order_of_weights_names_each_once(saved: Path, order: Any, told: str) -> None:
    description = loads((saved / "network.json").read_bytes())
    (saved / "network.json").write_bytes(seal({**description, "order": order}))
    assert told in refusal(saved)


def test_promise_2_the_order_of_weights_may_be_missing_and_no_older_version_has_it(saved: Path) -> None:
    assert read_network(saved).order == ()
    write_network(make_network(order=ORDER), saved, overwrite=True)
    assert read_network(saved).order == ORDER
    description = loads((saved / "network.json").read_bytes())
    (saved / "network.json").write_bytes(seal({**description, "version": 4}))
    assert "has the key 'order', which the format does not know" in refusal(saved)


def test_promise_2_a_folder_of_version_3_holds_no_infinity_in_json(saved: Path) -> None:
    description = loads((saved / "network.json").read_bytes())
    (saved / "network.json").write_bytes(seal({**description, "version": 3}))
    told = refusal(saved)
    assert "has an object with the keys ['float']" in told


@pytest.mark.parametrize(
    ("weights", "tied", "told"),
    [
        ({}, {"shared": "encoder/Split/kernel"}, "constant 'table' is not a weight"),
        ({"table": np.zeros(2)}, {"table": "encoder/Split/kernel"}, "is tied and has an array too"),
        ({"table": np.zeros(2)}, {"shared": "nowhere/kernel"}, "tied to 'nowhere/kernel', which is not an array"),
    ],
)
def test_promise_10_every_weight_has_its_place(tmp_path: Path, weights: Any, tied: Any, told: str) -> None:
    layers = {**NET.layers, "join": Layer("join", "Join", weights=weights, tied=tied)}
    with pytest.raises(BadArchive, match=told):
        write_network(make_network(layers=layers), tmp_path / "net")


def test_promise_10_full_names_of_weights_are_unique(tmp_path: Path) -> None:
    one, two = Layer("a", "A", weights={"b/c": np.zeros(1)}), Layer("a/b", "B", weights={"c": np.zeros(1)})
    with pytest.raises(BadArchive, match="full name of another layer's"):
        write_network(make_network(layers={**NET.layers, "a": one, "a/b": two}), tmp_path / "net")


def cases(change: Any) -> Network:
    first = make_case("batch 2", 2)
    parts = {name: dict(getattr(first, name)) for name in ("inputs", "outputs", "masks", "sampled", "shifted")}
    change(**parts)
    return make_network(cases=(dataclasses.replace(first, **parts), *NET.cases[1:]))


def _set(kind: str, key: Any, array: Any) -> Any:
    return lambda **parts: parts[kind].__setitem__(key, array)


def _drop(kind: str, key: Any) -> Any:
    return lambda **parts: parts[kind].pop(key)


F = np.float32
SPLIT1 = SPLIT.__class__("encoder/Split", 1)


@pytest.mark.parametrize(
    ("network", "told"),
    [
        (make_network(cases=NET.cases[:1]), "there are 1 of at least 2"),
        (make_network(cases=()), "there are 0 of at least 2"),
        (cases(_drop("inputs", "x")), "inputs: 'x' is missing"),
        (cases(_drop("outputs", SPLIT1)), "outputs: 'encoder/Split:1' is missing"),
        (cases(_set("inputs", "y", np.zeros(2, F))), "'y' is not one of the network's"),
        (cases(_set("outputs", X, np.zeros(2, F))), "'x:0' is not one of the network's"),
        (cases(_set("inputs", "x", np.array([[1, np.nan]], F))), "input 'x': holds NaN"),
        (cases(_set("inputs", "x", np.array([[1, -np.inf]], F))), "input 'x': holds infinity"),
        (cases(_set("inputs", "x", np.zeros((2, 3), F))), "has the shape [2, 3], the input is [None, 2]"),
        (cases(_set("inputs", "x", np.zeros((0, 2), F))), "is empty: its shape is [0, 2]"),
        (cases(_set("inputs", "x", np.zeros((2, 2)))), "is of float64, the input is of float32"),
        (cases(_set("outputs", LAST, np.zeros((2, 2, 5), F))), "'join@2:0' is kept whole and in part"),
        (cases(_set("sampled", LAST, Sampled((3, 2, 5), np.zeros((2, 2), F)))), "no choice of rows of [3, 2, 5]"),
        (cases(_set("sampled", LAST, Sampled((2, 5), np.zeros((2, 2), F)))), "rank 3, of float32 and rank 2"),
        (cases(_set("sampled", LAST, Sampled((2, 2, 5), np.zeros((2, 11), F)))), "no choice of rows of [2, 2, 5]"),
        (cases(_set("sampled", LAST, Sampled((2, 2, 5), np.zeros(2, F)))), "no choice of rows of [2, 2, 5]"),
        (cases(_set("sampled", LAST, Sampled((2, 2, 0), np.zeros((2, 0), F)))), "is 0, needs an integer from 1"),
        (cases(_drop("sampled", LAST)), "'join@2:0' is missing"),
        (cases(_set("shifted", X, Sampled((2, 2), np.zeros((2, 2), F)))), "'x:0' has no reference in this case"),
        (cases(_set("shifted", SPLIT, Sampled((2, 2), np.zeros((2, 2), F)))), "[2, 2], and [2, 1] unshifted"),
        (cases(_set("shifted", SPLIT, Sampled((2, 1), np.full((2, 1), np.nan, F)))), "is not finite with shifted"),
        (
            cases(_set("outputs", SPLIT, np.zeros((2, 1)))),
            "is of float32 and rank 2, of float64 and rank 2 in the first",
        ),
        (cases(_set("outputs", SPLIT, np.zeros((2,), F))), "is of float32 and rank 2, of float32 and rank 1"),
        (cases(_set("masks", SPLIT, np.zeros((2,), F))), "is of float32, masks are of bool"),
        (cases(_set("masks", JOIN.__class__("no"), np.zeros((2,), bool))), "'no:0' is not a tensor of the network"),
        (cases(_drop("masks", SPLIT)), "carries a mask in one case and none in another"),
    ],
)
def test_promise_13_references_are_finite_and_complete_in_at_least_two_cases(
    tmp_path: Path, network: Network, told: str
) -> None:
    with pytest.raises(BadArchive, match=re.escape(told)):
        write_network(network, tmp_path / "net")


@pytest.mark.parametrize("value", [np.nan, -np.inf])
def test_promise_13_an_output_may_hold_what_is_not_finite_but_not_in_every_place(tmp_path: Path, value: float) -> None:
    def changed(case: Case) -> Case:
        return dataclasses.replace(case, outputs={**case.outputs, SPLIT: np.full((2, 1), value, F)})

    one = make_network(cases=(changed(NET.cases[0]), NET.cases[1]))
    assert content(read_network(write_network(one, tmp_path / "net"))) == content(one)
    with pytest.raises(BadArchive, match="'encoder/Split:0': is NaN or infinite throughout"):
        write_network(make_network(cases=tuple(map(changed, NET.cases))), tmp_path / "other")


def test_promise_14_all_problems_at_once(tmp_path: Path, saved: Path) -> None:
    network = make_network(
        calls=(*CALLS, Call("other", "nowhere", (JOIN.__class__("gone"),))), outputs=None, cases=NET.cases[:1]
    )
    with pytest.raises(BadArchive) as caught:
        write_network(network, tmp_path / "other")
    assert len(caught.value.problems) >= 5
    files = {name: bytearray(content) for name, content in bytes_of(saved).items()}
    files["weights.npz"][-100] ^= 1
    description = loads(bytes(files["network.json"]))
    for name in FILES[1:]:
        spans = data_spans(bytes(files[name]), list(array_entries(description, name)))
        for start, stop in list(spans)[:3]:
            if stop > start:
                files[name][start] ^= 1
    put(saved, {name: bytes(content) for name, content in files.items()})
    with pytest.raises(BadArchive) as caught:
        read_network(saved)
    assert {problem.where.split(",")[0] for problem in caught.value.problems} == {"weights.npz", "references.npz"}
    assert len(caught.value.problems) >= 5
    assert all(problem.way_out for problem in caught.value.problems)


def test_promise_14_a_great_many_problems_are_cut_short(saved: Path) -> None:
    description = loads((saved / "network.json").read_bytes())
    description["origin"] = {f"key {index}": index for index in range(200)}
    (saved / "network.json").write_bytes(seal(description))
    assert "… and 100 more problems" in refusal(saved)


@pytest.mark.parametrize("forger", [*BLIND, *SEALED], ids=lambda forger: str(forger.__name__))
def test_promise_15_any_mutated_folder_gives_equal_content_or_bad_archive(tmp_path: Path, forger: Any) -> None:
    try_many(Fuzz(tmp_path), forger, 150)


def in_any_spelling(text: bytes, limits: Limits) -> Network:
    return decode(canonical.parse(text, limits), limits)


# Weaker readers: what is taken from them, what stands in its place, and the forger that has to find it.
WEAKENED: dict[str, tuple[Any, str, Any, Any]] = {
    "zip headers are not compared": (zips, "_compare_headers", lambda *arguments: None, flip_bits),
    "the zip directory is not compared": (array_files, "read_tail", lambda *arguments: None, flip_bits),
    "any spelling will do": (archive, "_understand", in_any_spelling, edit_text),
    "another error gets out": (checks, "check_numbers", lambda network: 1 // 0, edit_data),
}


@pytest.mark.parametrize("weakness", WEAKENED)
def test_promise_15_the_fuzz_finds_a_reader_that_is_weaker(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, weakness: str
) -> None:
    """The negative control. What a weaker reader let in may be refused as it is written again."""
    fuzz = Fuzz(tmp_path)
    module, name, weaker, forger = WEAKENED[weakness]
    try_many(fuzz, forger, 50)
    monkeypatch.setattr(module, name, weaker)
    with pytest.raises((AssertionError, ZeroDivisionError, BadArchive)):
        try_many(fuzz, forger, 400)


def try_many(fuzz: Fuzz, forger: Any, count: int) -> None:
    for seed in range(count):
        fuzz.try_one(forger, seed)


def test_promise_15_large_hostile_descriptions_are_refused_quickly(saved: Path) -> None:
    body = body_of((saved / "network.json").read_bytes())
    hostile = (
        '{"a": [' * 100_000,
        "[" + "[]," * 2_500_000,
        "{" + ",".join(f'"{index}": 0' for index in range(100_000)) + ', "9": 0}',
        '"' + "\\n" * 2_000_000 + '"',
        '"' + "\\" * 2_000_001,
    )
    for value in hostile:
        (saved / "network.json").write_bytes(seal_text(body.replace('"units": 2', f'"units": {value}', 1)))
        started = time.process_time()
        refusal(saved)
        assert time.process_time() - started < 10


def test_promise_15_a_file_that_changes_while_it_is_read_is_hashed_as_it_is_returned(
    saved: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = zips._fill

    def filled(file: Any, view: memoryview) -> None:
        whole(file, view)
        (saved / "weights.npz").write_bytes(random.Random(0).randbytes((saved / "weights.npz").stat().st_size))

    monkeypatch.setattr(zips, "_fill", filled)
    assert "weights.npz" in refusal(saved)


def backwards(mapping: Any) -> dict[Any, Any]:
    return {key: mapping[key] for key in reversed(list(mapping))}


def test_promise_16_writing_is_deterministic(tmp_path: Path) -> None:
    one = make_network()
    shuffled = make_network(
        layers=backwards(one.layers),
        cases=tuple(
            Case(
                case.name,
                backwards(case.inputs),
                backwards(case.outputs),
                backwards(case.masks),
                backwards(case.noise),
                backwards(case.sampled),
                backwards(case.shifted),
            )
            for case in one.cases
        ),
        origin=backwards(one.origin),
    )
    same_arrays = read_network(write_network(one, tmp_path / "one"))
    big_endian = make_network(
        layers={
            name: dataclasses.replace(
                layer,
                weights={
                    key: np.asfortranarray(array.astype(array.dtype.newbyteorder(">"))) if array.ndim else array
                    for key, array in layer.weights.items()
                },
            )
            for name, layer in one.layers.items()
        }
    )
    for number, network in enumerate((shuffled, same_arrays, big_endian)):
        folder = write_network(network, tmp_path / str(number))
        assert bytes_of(folder) == bytes_of(tmp_path / "one")
    assert describe(one) == loads((tmp_path / "one" / "network.json").read_bytes())
