"""The command line: porting save | plan | build | check | predict | tune | standalone | layers.

Exit codes: 0 all is well, 1 something departs or does not fit, 2 something is not supported (or the command's
own words are off), 3 a folder is not a sound saved network.
"""

from __future__ import annotations

import sys

__all__ = ["main"]


def main() -> None:
    """Run the command line; the commands need the extra ``cli``."""
    try:
        from .commands import porting

        porting(prog_name="porting")
    except ImportError as error:
        if (error.name or "").split(".")[0] not in ("click", "rich"):
            raise
        print(f"the command line needs {error.name}: pip install 'porting[cli]'", file=sys.stderr)
        sys.exit(2)
