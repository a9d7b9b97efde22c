"""Russian texts, the other side: raw text to score in NeoML and in plain numpy.

python scripts/russian_neoml.py [FOLDER]
"""

from __future__ import annotations

import sys
from pathlib import Path

from raw_text import SAVED, compare, russian

if __name__ == "__main__":
    texts, truth = russian("test")
    sys.exit(compare("russian", texts, truth, Path(sys.argv[1]) if len(sys.argv) > 1 else SAVED / "russian"))
