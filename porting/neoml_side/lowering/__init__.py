"""Operations as nodes of a NeoML graph: what NeoML computes exactly, where it does not, and what is built instead.

Nothing here imports neoml; the graph is data, which `porting.neoml_side.runtime` makes layers of.
"""
