"""Options and kinds of arguments that commands share.

An option's parameter has the name of the Python argument that it stands for; hints are spoken accordingly.
"""

from __future__ import annotations

import functools
import math
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Optional, TypeVar

import click

from ..errors import BadArchive, PortingError, problem_in_code
from .wrong_calls import WrongCall

if TYPE_CHECKING:
    from ..layers.rule_files import Rules

F = TypeVar("F", bound=Callable[..., Any])
FOLDER = click.Path(exists=True, path_type=Path)


class NewFile(click.ParamType):  # type: ignore[type-arg]
    """A file to be written, whose folder is there and takes files: seen before any work is done."""

    name = "file"

    def convert(self, value: Any, param: Optional[click.Parameter], ctx: Optional[click.Context]) -> Path:
        path = Path(value)
        if path.is_dir():
            self.fail(f"{value!r} is a folder; name a file in it.", param, ctx)
        if path.exists() and not path.is_file():
            return path
        if path.exists() and not os.access(path, os.W_OK):
            self.fail(f"{value!r} cannot be written to.", param, ctx)
        self.check_parent(path, param, ctx)
        return path

    def check_parent(self, path: Path, param: Optional[click.Parameter], ctx: Optional[click.Context]) -> None:
        parent = path.parent
        if not parent.is_dir():
            self.fail(f"there is no folder {str(parent)!r}; create it first.", param, ctx)
        try:
            with tempfile.TemporaryFile(dir=parent):
                pass
        except OSError as error:
            self.fail(f"the folder {str(parent)!r} cannot be written to: {error.strerror or error}.", param, ctx)


class NewFolder(NewFile):
    """A folder to be written: what is there is looked at by the command, which knows what it may replace."""

    name = "folder"

    def convert(self, value: Any, param: Optional[click.Parameter], ctx: Optional[click.Context]) -> Path:
        path = Path(os.path.realpath(value))
        if not value:
            self.fail("a name is missing.", param, ctx)
        if path.is_file():
            self.fail(f"{value!r} is a file, not a folder.", param, ctx)
        self.check_parent(path, param, ctx)
        return Path(value)


class FiniteRange(click.FloatRange):
    """A number within limits, which NaN and infinity are not."""

    def convert(self, value: Any, param: Optional[click.Parameter], ctx: Optional[click.Context]) -> Any:
        number = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"{value!r} is not a finite number.", param, ctx)
        return number


NEW_FILE, NEW_FOLDER = NewFile(), NewFolder()


def check_free(path: Path, overwrite: bool) -> None:
    """Refuse to replace a file without being told to. Raises BadArchive."""
    if not overwrite and path.is_file():
        raise BadArchive(str(path), "exists", "choose another name, or overwrite=True")


def read_rules(ctx: click.Context, param: click.Parameter, paths: tuple[str, ...]) -> Optional[Rules]:
    """Run the user's rule files; what their code raises is told with its line."""
    if not paths:
        return None
    from ..layers.rule_files import Rules, rules_in

    found = Rules({}, {})
    for path in paths:
        try:
            own = rules_in(path)
        except PortingError:
            raise
        except Exception as error:  # whatever a user's own code raises
            raise WrongCall(problem_in_code(path, error)) from error
        found.update(own)
        found.text_functions.update(own.text_functions)
        found.files += (str(Path(path).resolve()),)
    return found


def read_shapes(ctx: click.Context, param: click.Parameter, texts: tuple[str, ...]) -> Any:
    """Shapes as `PortedNetwork.store` takes them: None, one, or a dict by input."""
    found: dict[str, tuple[int, ...]] = {}
    for text in texts:
        name, _, sizes = text.rpartition("=")
        parts = [part.strip() for part in sizes.strip("()").split(",") if part.strip()]
        if not parts or not all(part.isdecimal() for part in parts):
            raise click.BadParameter(f"{text!r} is not a shape; give sizes as 64,64,3 or INPUT=64,64,3.", ctx, param)
        found[name] = tuple(map(int, parts))
    return None if not found else found[""] if list(found) == [""] else found


engine_option = click.option(
    "--engine", type=click.Choice(["neoml", "numpy"]), help="What runs the network [default: NeoML where installed]."
)
device_option = click.option("--device", default="cpu", show_default=True, help="cpu, gpu or gpu:1 (NeoML only).")
overwrite_option = click.option("--overwrite", is_flag=True, help="Replace what is there.")
rules_option = click.option(
    "--rules",
    type=click.Path(exists=True, dir_okay=False),
    multiple=True,
    callback=read_rules,
    help="A Python file of your own with @porting.rule functions for custom layers; its code is run.",
)
shape_option = click.option(
    "--shape",
    multiple=True,
    callback=read_shapes,
    help="Sizes of the inputs, without the batch, where the net is built for one size: 64,64,3 or INPUT=64,64,3.",
)


def as_one_dict(name: str, *options: Callable[[F], F]) -> Callable[[F], F]:
    """Options whose values a command is given together, as its argument of this name."""

    def decorate(command: F) -> F:
        others = len(getattr(command, "__click_params__", ()))

        @functools.wraps(command)
        def gathered(**given: Any) -> Any:
            return command(**{name: {key: given.pop(key) for key in keys}}, **given)

        for option in reversed(options):
            gathered = option(gathered)
        keys = [one.name for one in gathered.__click_params__[others:][::-1]]  # type: ignore[attr-defined]
        return gathered  # type: ignore[return-value]

    return decorate


@contextmanager
def written_whole(path: Path) -> Iterator[Path]:
    """A file beside `path` to write, which takes its place when the block ends well. Raises BadArchive."""
    from ..archive.folder import as_bad_archive

    if path.exists() and not path.is_file():
        yield path  # a device or a pipe
        return
    with as_bad_archive(path, "cannot be written"), tempfile.TemporaryDirectory(dir=path.parent) as scratch:
        made = Path(scratch) / path.name
        yield made
        os.replace(made, path)
