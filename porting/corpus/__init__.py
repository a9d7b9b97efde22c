"""Corpora that are larger than one process: dask's collections, files of any number, and other engines' conventions.

The engine that spreads work over machines is the user's own. What stands here is what such an engine has to be given:
a network that travels (`carrying`), columns in and out (`columns`, `scoring`), and a run over files that can be started
again (`parts`, `part_files`, `run`).
"""

from .lazily import is_dask, predict_lazily

__all__ = ["is_dask", "predict_lazily"]
