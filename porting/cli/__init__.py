"""The command line, ``porting …``: reads arguments, calls what `porting` offers in Python, prints.

Every command needs the extra ``cli``; nothing else in `porting` imports this room.
"""

from .main import main

__all__ = ["main"]
