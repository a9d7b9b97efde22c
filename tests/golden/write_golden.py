"""Write the golden folder of the present version: ``python -m tests.golden.write_golden``.

Golden folders of older versions are never written again: they prove that what was saved still loads.
"""

from __future__ import annotations

from pathlib import Path

from porting.archive import write_network
from porting.archive.canonical import VERSION

from ..archive.helpers import make_network

if __name__ == "__main__":
    print(write_network(make_network(), Path(__file__).parent / f"v{VERSION}", overwrite=True))
