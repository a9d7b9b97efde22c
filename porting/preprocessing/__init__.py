"""Preprocessing layers that depend on inputs alone: they run in Python, in front of any engine.

What they make is what the engine's net, or the net that learns, is given.
"""
