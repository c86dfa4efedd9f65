"""Names for completion that only this machine knows, kept where a shell can read them.

One file a kind in the cache folder, one name a line. Shells read them as text and never evaluate
them; names with other characters than `[A-Za-z0-9._:/@-]` are left out, so that nothing that a
file or a server named can end up on a command line as anything but a word.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable
from typing import TYPE_CHECKING

from nexctl.settings import paths

if TYPE_CHECKING:
    from nexctl.cli.context import App
    from nexctl.settings.config import Config

KINDS = ("profiles", "books", "models", "keys", "batches")
_SAFE = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._:/@-")
_MOST = 5000


def remember(app: App, kind: str, names: Iterable[str]) -> None:
    """Write the names of a kind for the completion scripts. A cache that fails is no failure."""
    if kind not in KINDS:
        raise ValueError(kind)
    safe = [name for name in names if name and not name.startswith("-") and _SAFE.issuperset(name)]
    folder = os.path.join(paths.cache_dir(app.environ), "complete")
    with contextlib.suppress(OSError):
        from nexctl.files import atomic_write, private_folder

        private_folder(folder)
        with atomic_write(os.path.join(folder, kind), mode=0o600) as stream:
            stream.writelines(f"{name}\n" for name in sorted(set(safe))[:_MOST])


def remember_also(app: App, kind: str, names: Iterable[str]) -> None:
    """Add names to those of a kind that are known."""
    path = os.path.join(paths.cache_dir(app.environ), "complete", kind)
    known: list[str] = []
    with contextlib.suppress(OSError, UnicodeDecodeError), open(path, encoding="utf-8") as file:
        known = file.read().split("\n")
    remember(app, kind, [*names, *known])


def forget(app: App, kind: str, names: Iterable[str]) -> None:
    """Take names away that are no more."""
    path = os.path.join(paths.cache_dir(app.environ), "complete", kind)
    gone = frozenset(names)
    with contextlib.suppress(OSError, UnicodeDecodeError):
        with open(path, encoding="utf-8") as file:
            known = file.read().split("\n")
        remember(app, kind, [name for name in known if name not in gone])


def remember_profiles(app: App, config: Config) -> None:
    """Write the profiles' names, and those of the user's own price books."""
    from nexctl.settings.profiles import names

    remember(app, "profiles", names(config))
    folder = app.own_books_folder
    if folder is not None:
        with contextlib.suppress(OSError):
            books = [name.removesuffix(".toml") for name in os.listdir(folder)]
            remember(app, "books", books)
