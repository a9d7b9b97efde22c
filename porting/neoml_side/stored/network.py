"""The network that a stored net was built from: in the net's description, its arrays in ``NAME.network.npz``.

NeoML's archive holds no settings of Keras' layers, and not every weight as Keras has it: normalisations are folded
into other layers. So what trains, checks or saves a stored net reads the network here. Its cases have their inputs and
masks, what texts became, and the network's outputs, which the archive is compared with; no other references: those can
be computed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ...archive.array_files import read_arrays, write_arrays
from ...archive.checks import check_numbers, check_sketch, sound_network
from ...archive.folder import open_plain
from ...archive.limits import Limits, bad_archive
from ...archive.sketch import (
    ArrayPlace,
    array_places,
    describe_sketch,
    in_order,
    sketch_of,
    with_digests,
    with_member_names,
)
from ...errors import Problem
from ...network import Network, TensorRef

# What a description says of the network beside what it says of the net.
PARTS = ("origin", "calls", "layers", "cases")


def network_path(path: Path) -> Path:
    """Where a stored net's arrays are: ``NAME.network.npz`` beside ``NAME``."""
    return path.with_name(path.name + ".network.npz")


def write_stored(path: Path, network: Network, kept: Iterable[TensorRef], limits: Limits) -> Network:
    """Write a network's arrays, references left out.

    Args:
        path: of the new file.
        network: the network.
        kept: the tensors whose references stay.
        limits: caps.

    Returns:
        The network's sketch, for the description.

    Raises:
        BadArchive: the network cannot be stored.
        OSError: as the system reports it.
    """
    wanted = frozenset(kept)
    cases = tuple(
        replace(
            case,
            outputs={ref: array for ref, array in case.outputs.items() if ref in wanted},
            noise={ref: noise for ref, noise in case.noise.items() if ref in wanted},
            sampled={},
            shifted={},
        )
        for case in network.cases
    )
    ordered = in_order(replace(network, cases=cases))
    sketch = sketch_of(ordered)
    problems = [*check_stored_network(sketch, wanted, limits), *check_numbers(ordered)]
    if problems:
        raise bad_archive(problems)
    records = [place.array for place in in_one_file(sketch)]
    return with_digests(sketch, write_arrays(path, records, [place.array for place in array_places(ordered)]))


def read_stored(path: Path, sketch: Network, limits: Limits) -> Network:
    """Read the arrays that a sketch describes.

    Raises:
        BadArchive: a file that is not as described.
        OSError: as the system reports it; `FileNotFoundError` where there is none.
    """
    problems: list[Problem] = []
    with open_plain(path) as file:
        arrays = read_arrays(file, path.name, in_one_file(sketch), limits, problems)
    return sound_network(sketch, arrays, problems)


def in_one_file(sketch: Network) -> Sequence[ArrayPlace]:
    """The arrays of a sketch, those of ``weights.npz`` and ``references.npz`` under these names in one file."""
    return [
        replace(place, array=replace(place.array, member=f"{Path(place.file).stem}/{place.array.member}"))
        for place in array_places(sketch)
    ]


def check_stored_network(sketch: Network, kept: Iterable[TensorRef], limits: Limits) -> list[Problem]:
    """All problems of a sketch whose cases cover `kept`."""
    return check_sketch(sketch, limits, list(kept))


def describe_network(sketch: Network, limits: Limits, version: int) -> Mapping[str, Any]:
    """What a description says of the network.

    Raises:
        BadArchive: listing every setting that JSON does not hold.
    """
    described = describe_sketch(with_member_names(in_order(sketch)), limits, version)
    return {**{part: described[part] for part in PARTS}, **({"order": list(sketch.order)} if sketch.order else {})}
