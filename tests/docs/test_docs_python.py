"""What docs/python.md shows runs."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "python.md").read_text(encoding="utf-8")


TEXTS = [["a short text"], ["another", "and a longer one of some words"], ["", "чатбот"], ["numbers"] * 5]


@pytest.fixture(scope="module")
def desk() -> Iterator[dict[str, Any]]:
    """What the page's code has left, once all of it was run."""
    left: dict[str, Any] = {"x": np.random.default_rng(0).integers(1, 100, (6, 9)).astype(np.int32)}
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(ROOT)
        for block in re.findall(r"^```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL):
            exec(compile(block, "docs/python.md", "exec"), left)
        yield left


def test_its_python_runs(desk: dict[str, Any]) -> None:
    np.testing.assert_array_equal(desk["other"](desk["x"]), desk["scores"])


def by_fastapi(desk: dict[str, Any]) -> Callable[[list[str]], Any]:
    async def asked(texts: list[str]) -> Any:
        transport = httpx.ASGITransport(app=desk["service"])
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            return (await client.post("/scores", json=texts)).json()

    return lambda texts: asyncio.run(asked(texts))


def by_flask(desk: dict[str, Any]) -> Callable[[list[str]], Any]:
    return lambda texts: desk["application"].test_client().post("/scores", json=texts).get_json()


@pytest.mark.parametrize("served_by", [by_fastapi, by_flask])
def test_requests_at_once_get_what_they_get_alone(desk: dict[str, Any], served_by: Any) -> None:
    ask = served_by(desk)
    alone = [desk["reader"].predict(texts).tolist() for texts in TEXTS]
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(ask, TEXTS * 10)) == alone * 10


def test_its_links_lead_somewhere() -> None:
    for target in re.findall(r"\]\(([^)#]+)", PAGE):
        assert (ROOT / "docs" / target).exists(), target
