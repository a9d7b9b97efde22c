"""A stored NeoML net as C++: one header and one small program, with Keras' outputs to check them."""

from .writing import write_program

__all__ = ["write_program"]
