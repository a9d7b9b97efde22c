"""Write the golden folder of the present version.

Golden folders of older versions are never written again: they prove that what was saved still loads.
"""

from __future__ import annotations

from pathlib import Path

from porting.archive import write_network
from porting.archive.canonical import VERSION

from ..archive.helpers import make_network
from ..arguments import folders_and_names

if __name__ == "__main__":
    folders_and_names(__spec__, __doc__, [])
    print(write_network(make_network(), Path(__file__).parent / f"v{VERSION}", overwrite=True))
