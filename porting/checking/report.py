"""What a check found, as it is handed to its caller: data, text and a page."""

from __future__ import annotations

from .page import fragment, page
from .verdicts import Findings


class Report(Findings):
    """Findings that show themselves as HTML too."""

    def to_html(self) -> str:
        """The report as one self-contained page: the tree of layers, and pictures of the first that departs."""
        return page(self)

    def _repr_html_(self) -> str:
        """What a notebook shows."""
        return fragment(self)
