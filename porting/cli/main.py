"""The command line: porting port | save | info | plan | build | check | predict | tune | restore | standalone |
cpp | layers.

Exit codes:
    0  all is well.
    1  the verdict: something departs from Keras, or data do not fit the network.
    2  the call cannot be carried out: its words are off, something that it needs is missing here, or the network holds
       what is not supported.
    3  a file or folder cannot be read or written as promised: no sound saved network, or a name that is taken.
    4  of ``check --strict``: nothing departs, and not everything is proved.
    5  of ``predict --parquet``: not all is done yet; the same command goes on.
    130  stopped by Ctrl-C.
"""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line; the commands need the extra ``cli``."""
    try:
        from .commands import porting
        from .console import speak_any_encoding

        speak_any_encoding()
        porting(prog_name="porting")
    except ImportError as error:
        if (error.name or "").split(".")[0] not in ("click", "rich"):
            raise
        needed = f"the command line needs {error.name}: in a checkout of porting, pip install '.[cli]'"
        print(needed, file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(130)
