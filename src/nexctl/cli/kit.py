"""The parts of Typer that nexctl's commands are made of, imported without the rest of it.

Typer's package imports its signature reader, its shell installers and a dozen standard modules
for them (uuid, platform, subprocess, shutil, urllib): a third of the time of a whole command.
nexctl declares parameters as data (see `nexctl.cli.base`), so only `typer.core` is needed. The
package is therefore entered into `sys.modules` unexecuted; whoever asks it for anything but a
submodule (`typer.Typer`) makes it run its own `__init__` then.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any


def _lazy_package(name: str) -> None:
    """Enter package `name` into sys.modules; its `__init__` runs when an attribute is missed."""
    if name in sys.modules:
        return
    from importlib.machinery import PathFinder
    from types import ModuleType

    spec = PathFinder.find_spec(name)
    if spec is None or spec.loader is None or spec.submodule_search_locations is None:
        return
    package = ModuleType(name)
    package.__spec__ = spec
    package.__loader__ = loader = spec.loader
    package.__file__ = spec.origin
    package.__package__ = name
    package.__path__ = list(spec.submodule_search_locations)

    def run_init(attribute: str) -> Any:
        if attribute.startswith("__"):
            raise AttributeError(attribute)
        if package.__dict__.pop("__getattr__", None) is not None:
            loader.exec_module(package)
        return getattr(package, attribute)

    package.__dict__["__getattr__"] = run_init
    sys.modules[name] = package


if not TYPE_CHECKING:
    _lazy_package("typer")

from typer._click.core import Context, Parameter  # noqa: E402
from typer._click.exceptions import (  # noqa: E402
    BadParameter,
    ClickException,
    MissingParameter,
    NoSuchOption,
    UsageError,
)
from typer._click.formatting import HelpFormatter  # noqa: E402
from typer._click.globals import get_current_context  # noqa: E402
from typer._click.types import ParamType  # noqa: E402
from typer.core import TyperArgument, TyperCommand, TyperGroup, TyperOption  # noqa: E402

if TYPE_CHECKING:
    from typer.exceptions import Abort, Exit
else:
    # Where both live differs between the releases in range; the core always has them.
    from typer._click.core import Abort, Exit

__all__ = [
    "Abort",
    "BadParameter",
    "ClickException",
    "Context",
    "Exit",
    "HelpFormatter",
    "MissingParameter",
    "NoSuchOption",
    "ParamType",
    "Parameter",
    "TyperArgument",
    "TyperCommand",
    "TyperGroup",
    "TyperOption",
    "UsageError",
    "get_current_context",
]
