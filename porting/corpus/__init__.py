"""Corpora that are larger than one process: dask's collections, files of any number, and other engines' conventions.

The engine that spreads work over machines is the user's own. What stands here is what such an engine has to be given:
a network that travels (`carrying`), columns in and out (`columns`, `scoring`), and a run over files that can be started
again (`parts`, `part_files`, `run`); and rows of a batch for workers to learn from (`sharded`, `shards`).
"""

from .lazily import is_dask, predict_lazily
from .sharded import trained_on

__all__ = ["is_dask", "predict_lazily", "trained_on"]
