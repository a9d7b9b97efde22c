"""What of keras-hub stands in front of a model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class HubTexts:
    """What makes a model's inputs of texts.

    Attributes:
        preprocessing: a preprocessor or a tokenizer of keras-hub.
        tokenizer: its tokenizer, or itself.
        in_graph: it is run as `predict` of keras-hub's models runs it; otherwise as it is when it is called.
        segments: how many texts a sample has.
    """

    preprocessing: Any
    tokenizer: Any
    in_graph: bool
    segments: int

    @property
    def packs(self) -> bool:
        return self.preprocessing is not self.tokenizer
