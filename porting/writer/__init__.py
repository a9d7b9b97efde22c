"""A saved network as one readable Python file and one npz that need numpy alone, not even porting."""

from __future__ import annotations

from .writing import write_standalone

__all__ = ["write_standalone"]
