"""Graphs as live NeoML nets: layers, blobs, archives, devices, nets for threads.

With `porting.neoml_side.learning` and `porting.neoml_side.stored`, which run such nets, all that touches neoml.
"""
