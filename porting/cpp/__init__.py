"""A stored NeoML net as C++: one header and one small program, with Keras' outputs to check them.

Python only writes text here; neither NeoML nor a compiler is needed.
"""

from .writing import write_program

__all__ = ["write_program"]
