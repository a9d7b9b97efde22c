"""What the docs' site changes in the pages: links out of docs/ are words there, as in the repository they are files."""

import re
from typing import Any

OUTSIDE = re.compile(r"\[([^\]]*)\]\(\.\./[^)]*\)")


def on_page_markdown(markdown: str, **told: Any) -> str:
    return OUTSIDE.sub(r"\1", markdown)
