"""Handing over what goes into a file of its own: a secret that exists once, a paper, a sheet."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING

from nexctl.cli.context import output_closed
from nexctl.errors import NexctlError, UsageError
from nexctl.files import is_replaceable

if TYPE_CHECKING:
    from nexctl.cli.context import App


class Delivery:
    """Where a new secret goes. Whatever would lose it is refused before it is made."""

    def __init__(self, app: App, path: str | None) -> None:
        self.path = path
        self._app = app
        if path is None:
            if app.out is None and not app.dry_run:
                raise output_closed()
            if app.format == "name":
                raise UsageError(
                    "-o name would lose the secret, which is shown once",
                    hint="use -q for the secret alone, -o json, or --write FILE",
                )
            return
        folder = os.path.dirname(os.path.abspath(path))
        if not is_replaceable(path) or not os.access(folder, os.W_OK | os.X_OK):
            raise UsageError(
                f"--write: {path} cannot be written", hint="name a file in a folder of yours"
            )

    def is_taken(self) -> bool:
        """Whether the file holds something already, which a new secret would replace."""
        return self.path is not None and (
            os.path.islink(self.path)
            or (os.path.lexists(self.path) and os.path.getsize(self.path) > 0)
        )

    def refuse_taken(self) -> None:
        """UsageError (exit 2) where the file holds something."""
        if self.is_taken():
            raise UsageError(
                f"--write: {self.path} exists already and is not replaced",
                hint="remove it, or name another file",
                code="file_exists",
            )

    def deliver(
        self, secret: str, made: str, *, id: str, remedy: str, what: str = "its secret is"
    ) -> str | None:
        """Write the secret to its file; the secret to show on the screen, None where it is kept.

        Until it is in the file, or the screen has it, it is at stake: whatever comes between says
        what was made ("key ci is made"), its id, and the `remedy`.
        """

        def lost(why: str) -> NexctlError:
            from nexctl.account import results

            return results.lost(made, why, id=id, remedy=remedy, what=what)

        self._app.at_stake = lost
        if self.path is None:
            return secret
        from nexctl.account.keys import write_secret

        try:
            write_secret(self.path, secret)
        except OSError as error:
            raise lost(f"cannot write to {self.path}: {error.strerror}") from error
        self._app.at_stake = None
        return None


def new_file(path: str, make: Callable[[], bytes]) -> int:
    """Write what `make` returns into a new file (0600); its size in bytes.

    A file that is there is not replaced, and then nothing is made (UsageError, exit 2).
    """
    from nexctl.files import atomic_write

    if os.path.lexists(path):
        raise UsageError(
            f"{path} exists already and is not replaced",
            hint="remove it, or name another file",
            code="file_exists",
        )
    raw = make()
    try:
        with atomic_write(path, mode=0o600, binary=True) as stream:
            stream.write(raw)
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}", hint="name another file") from error
    return len(raw)
