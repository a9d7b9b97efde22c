"""Standalone files: run by themselves, where porting cannot be imported, against the references they carry."""

from __future__ import annotations

import dataclasses
import re
import runpy
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import porting
from porting.archive import read_network, write_network
from porting.keras_side.thinning import thinned
from porting.network import Network, TensorRef
from porting.writer import write_standalone
from tests.recorded_cases import CASES, RECORDED, ROOT
from tests.tampering import with_config

SAVED = ROOT / "saved_weights"
FOLDERS = sorted(path.parent for path in SAVED.glob("*/network.json"))
# What the writer refuses: its statements stand for every batch and length, and these unroll or weigh by a size.
REFUSED = {
    "convolution_recurrent/conv_lstm2d_open": "the time of shape",
    "resizing/resizing_open": "has an open size",
    "resizing/upsampling2d_open_bilinear": "has an open size",
    **dict.fromkeys(
        (
            "open_sizes/center_crop",
            "open_sizes/resize",
            "open_sizes/resizing_to_one_aspect",
            "open_sizes/u_net",
            "open_sizes/upsampling_bicubic",
            "open_sizes/upsampling_bilinear",
        ),
        "has an open size",
    ),
    **{f"open_sizes/adaptive_{kind}{axes}d": "depend on its size" for kind in ("average", "max") for axes in (1, 2)},
    "open_sizes/attention_over_pictures": "several open sizes",
    "open_sizes/conv_lstm": "the time of shape",
    "recurrent/own_activation_of_any_length": "the time of shape",
    "open_sizes/depth_to_space": "its size is needed",
    **{
        f"unfolded_sizes/{name}": "computes with sizes that are open here"
        for name in (
            "pixels_from_channels",
            "places_of_an_open_picture",
            "relative_shift",
            "shares_of_two_lengths",
            "windows_of_an_open_picture",
        )
    },
}
# The same numbers as the engine's, but for a last bit of the share that is compared.
SAME = 1.001
IMPORTED = {"__future__", "argparse", "collections", "itertools", "json", "math", "numpy", "pathlib", "sys", "typing"}
TAKEN = [key for key, case in CASES.items() if "numpy" not in case.refused and key not in REFUSED]
# Runs a file with nothing but numpy to be imported, and warnings as errors.
ALONE = """
import runpy, sys, warnings
class Guard:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("porting", "neoml", "keras", "tensorflow", "scipy", "click", "rich"):
            raise ImportError(name + " is not here")
sys.meta_path.insert(0, Guard())
warnings.simplefilter("error")
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def run_alone(path: Path, *words: str, given: str = "") -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "-I", "-c", ALONE, str(path), *words], input=given, capture_output=True, text=True, check=False
    )
    return done.returncode, done.stdout + done.stderr


def rules_of(folder: Path) -> Path | None:
    """The rules beside the scripts of the example that the network is of."""
    names = (folder.name, folder.name.partition("_")[0])
    return next((path for name in names if (path := ROOT / "scripts" / f"{name}_rules.py").exists()), None)


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_saved_networks_agree(folder: Path, tmp_path: Path) -> None:
    path = porting.standalone(folder, tmp_path, rules_of(folder))
    code, text = run_alone(path, "--check")
    assert code == 0, text
    assert "all agree" in text


def rules_of_case(key: str) -> Path | None:
    rules = CASES[key].rules
    return None if rules is None else ROOT / rules


def write_case(key: str, out: Path, tolerance: float | None = None) -> Path:
    folder = RECORDED / key.replace("/", "--")
    return porting.standalone(folder, out, rules_of_case(key), tolerance=tolerance or CASES[key].tolerance)


def proved_to(key: str) -> float:
    """The tolerance that the numpy engine needs, where it is exact."""
    net = porting.load(RECORDED / key.replace("/", "--"), engine="numpy", rules=rules_of_case(key))
    report = net.check(CASES[key].tolerance)
    assert report.ok, str(report)
    return report.needed


@pytest.mark.parametrize("key", TAKEN)
def test_recorded_cases_agree(key: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write_case(key, tmp_path)
    assert set(re.findall(r"^ *(?:import|from) (\w+)", path.read_text(), re.MULTILINE)) <= IMPORTED
    if not runpy.run_path(str(path))["check"]():
        # What the engine was forgiven call by call: no further from Keras than the engine is that was proved.
        closer = write_case(key, tmp_path / "closer", max(1e-5, SAME * proved_to(key)))
        assert runpy.run_path(str(closer))["check"](), capsys.readouterr().out


def test_equal_numbers_keep_their_order_on_every_processor(tmp_path: Path) -> None:
    assert "kind='stable'" in write_case("operation_axes/argsort_of_equals", tmp_path).read_text()


@pytest.mark.parametrize("key", REFUSED)
def test_sizes_that_the_statements_need_are_refused_when_open(key: str, tmp_path: Path) -> None:
    with pytest.raises(porting.Unsupported, match=REFUSED[key]):
        write_case(key, tmp_path)


def test_large_outputs_are_compared_where_numbers_were_kept(tmp_path: Path) -> None:
    network = read_network(SAVED / "digits")
    outputs = set(network.output_refs())
    cases = []
    for case in network.cases:
        large = [ref for ref, array in case.outputs.items() if array[0].size > 16 and ref not in outputs]
        cases.append(thinned(case, large, 16))
    write_network(replace(network, cases=tuple(cases)), tmp_path / "thin")
    path = porting.standalone(tmp_path / "thin", tmp_path / "out")
    code, text = run_alone(path, "--check")
    assert code == 0, text
    arrays = dict(np.load(path.with_suffix(".npz")))
    changed = next(key for key in arrays if " some of " in key)
    np.savez(path.with_suffix(".npz"), **{**arrays, changed: arrays[changed] + np.float32(1e-2)})
    assert run_alone(path, "--check")[0] == 1


@pytest.mark.parametrize(("references", "code", "told"), [("outputs", 0, "3 layers in"), ("none", 1, "0 layers in")])
def test_references_may_be_left_out(references: Any, code: int, told: str, tmp_path: Path) -> None:
    path = porting.standalone(SAVED / "digits", tmp_path, references=references)
    found, text = run_alone(path, "--check")
    assert (found, told in text) == (code, True), text


@pytest.mark.parametrize("name", ["filter", "sentiment", "tutorial"])
def test_a_changed_weight_is_found(name: str, tmp_path: Path) -> None:
    path = porting.standalone(SAVED / name, tmp_path)
    arrays = dict(np.load(path.with_suffix(".npz")))
    key = next(key for key in arrays if key.endswith("kernel"))
    arrays[key] = arrays[key] * np.float32(1.01)
    np.savez(path.with_suffix(".npz"), **arrays)
    code, text = run_alone(path, "--check")
    assert code == 1
    assert "DEPARTS" in text
    assert "NOT all agree" in text


def test_a_swapped_statement_is_found(tmp_path: Path) -> None:
    path = porting.standalone(SAVED / "filter", tmp_path)
    source = path.read_text()
    assert source.count("embedding.mean(axis=1)") == 1
    path.write_text(source.replace("embedding.mean(axis=1)", "embedding.max(axis=1)"))
    assert run_alone(path, "--check")[0] == 1


def test_no_references_are_no_pass(tmp_path: Path) -> None:
    path = porting.standalone(SAVED / "filter", tmp_path)
    arrays = dict(np.load(path.with_suffix(".npz")))
    weights = {name: array for name, array in arrays.items() if not name.startswith("reference ")}
    np.savez(path.with_suffix(".npz"), **weights)
    assert run_alone(path, "--check")[0] == 1


def test_texts_are_scored_as_porting_scores_them(tmp_path: Path) -> None:
    path = porting.standalone(SAVED / "filter", tmp_path)
    texts = ["An arcade game", "", "Größe, ÜBER\u00a0alles! 🎲", "a library\rfor\u2028C++", "a game"]
    (tmp_path / "texts.txt").write_bytes("\n".join(["\ufeff" + texts[0] + "\r", *texts[1:]]).encode() + b"\n")
    code, text = run_alone(path, str(tmp_path / "texts.txt"))
    assert code == 0, text
    wanted = porting.load(SAVED / "filter", engine="numpy").predict(texts)
    np.testing.assert_allclose([float(line) for line in text.split()], wanted.ravel(), atol=1e-6)


def test_arrays_are_predicted(tmp_path: Path) -> None:
    path = porting.standalone(SAVED / "sentiment", tmp_path)
    np.save(tmp_path / "ids.npy", np.array([[3, 4, 0], [1, 0, 0]]))
    code, text = run_alone(path, str(tmp_path / "ids.npy"))
    assert code == 0, text
    np.save(tmp_path / "ids.npy", np.array([[-1]]))
    assert "must hold ids from 0" in run_alone(path, str(tmp_path / "ids.npy"))[1]


def test_wrong_arrays_are_refused(tmp_path: Path) -> None:
    predict = runpy.run_path(str(porting.standalone(SAVED / "sentiment", tmp_path)))["predict"]
    for ids in ([[-1]], [[10**6]], [[2**32]], [[float("nan")]]):
        with pytest.raises(ValueError, match="must hold"), np.errstate(invalid="ignore"):
            predict(np.array(ids))
    with pytest.raises(ValueError, match="must hold whole numbers"):
        predict(np.array([[0.5]]))
    with pytest.raises(ValueError, match="there are no rows"):
        runpy.run_path(str(porting.standalone(SAVED / "filter", tmp_path)))["predict"]([])


def test_numbers_to_be_looked_up_keep_64_bits(tmp_path: Path) -> None:
    folder = RECORDED / "text--integers"
    predict = runpy.run_path(str(porting.standalone(folder, tmp_path)))["predict"]
    numbers = np.array([[2**40 + 3], [5], [-(2**63)]])
    for engine in ("numpy", "neoml"):
        wanted = porting.load(folder, engine=engine).predict(numbers)
        np.testing.assert_allclose(predict(numbers), wanted, atol=1e-6)


def renamed_input(network: Network, name: str) -> Network:
    """The network with its only input called otherwise."""
    (one,) = network.inputs
    first, *rest = network.calls
    cases = [dataclasses.replace(case, inputs={name: case.inputs[one.name]}) for case in network.cases]
    return dataclasses.replace(
        network,
        inputs=(dataclasses.replace(one, name=name),),
        calls=(dataclasses.replace(first, inputs=(TensorRef(name),)), *rest),
        cases=tuple(cases),
    )


@pytest.mark.parametrize("name", ["np", "parts", "made", "outputs", "given", "vectorize", "sigmoid", "class", "W"])
def test_names_of_the_file_itself_are_left_free(name: str, tmp_path: Path) -> None:
    written = runpy.run_path(str(write_standalone(renamed_input(read_network(SAVED / "filter"), name), tmp_path)))
    assert written["check"]()
    wanted = porting.load(SAVED / "filter", engine="numpy").predict(["a game"])
    np.testing.assert_allclose(written["predict"](["a game"]), wanted, atol=1e-6)


def test_every_output_of_a_line_is_printed(tmp_path: Path) -> None:
    network = read_network(SAVED / "filter")
    outputs = {"it's": network.outputs, "hidden": (TensorRef("dense"), TensorRef("text_vectorization"))}
    path = write_standalone(dataclasses.replace(network, outputs=outputs), tmp_path)
    code, text = run_alone(path, "-", given="a game\n\n")
    assert code == 0, text
    assert [len(line.split(",")) for line in text.splitlines()] == [1 + 6 + 100] * 2


def test_a_saved_network_puts_no_code_into_the_file(tmp_path: Path) -> None:
    bad = '""" + str(print("RUN")) + """'
    network = dataclasses.replace(
        read_network(SAVED / "filter"), origin={"keras": bad}, outputs={bad: TensorRef("dense")}
    )
    path = write_standalone(network, tmp_path)
    code, text = run_alone(path, "--check")
    assert code == 0, text
    assert "RUN" not in text


def test_it_reads_like_the_network(tmp_path: Path) -> None:
    source = porting.standalone(SAVED / "filter", tmp_path).read_text()
    assert 'dense = np.maximum(global_average_pooling1d @ W["dense/kernel"] + W["dense/bias"], 0)' in source
    assert "# embedding: Embedding, batch × 100 × 40" in source
    assert "def lstm" not in source
    assert max(map(len, source.splitlines())) <= 130


def test_files_are_replaced_only_when_asked(tmp_path: Path) -> None:
    porting.standalone(SAVED / "filter", tmp_path)
    with pytest.raises(porting.BadArchive, match="exists"):
        porting.standalone(SAVED / "filter", tmp_path)
    porting.standalone(SAVED / "filter", tmp_path, overwrite=True)


def test_every_layer_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    network = with_config(read_network(SAVED / "filter"), "dense", brightness=3)
    network = with_config(network, "text_vectorization", ragged=True)
    with pytest.raises(porting.Unsupported) as caught:
        write_standalone(network, tmp_path / "out")
    assert "brightness=3" in str(caught.value)
    assert "ragged=True" in str(caught.value)
    assert not (tmp_path / "out").exists()
