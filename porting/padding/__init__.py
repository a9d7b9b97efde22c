"""Whether padding can be left out: a proof over a network's rules, that its outputs do not change without.

The rules are read as any engine reads them. Their tensors are facts: what is known of a value that is computed once
from inputs with all their padding, and once without the last steps, which are padding in every row. What the operations
of `Reader` cannot follow spoils the value, with a word; a spoilt output keeps padding where it is.
"""

from .analysis import padding_of

__all__ = ["padding_of"]
