"""What a workflow has begun, kept in the state folder so that a crash loses nothing.

One small file an entry, written whole or not at all, readable by its owner only. An entry holds
no secret. Its file's name is made here: names that come from a server never become file names.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Iterator
from typing import Any

from nexctl.errors import ConfigError
from nexctl.files import atomic_write, open_own, private_folder

LARGEST = 65_536


class Journal:
    """The entries of one kind under `state_folder`."""

    def __init__(self, state_folder: str, kind: str) -> None:
        self.folder = os.path.join(state_folder, kind)

    def path(self, *identity: str) -> str:
        """The file of the entry with this identity."""
        digest = hashlib.sha256("\0".join(identity).encode("utf-8", "surrogatepass")).hexdigest()
        return os.path.join(self.folder, f"{digest[:32]}.json")

    def read(self, *identity: str) -> dict[str, Any] | None:
        """An entry, None where there is none. ConfigError (exit 78) for a file that is not one."""
        return _read(self.path(*identity))

    def write(self, entry: dict[str, Any], *identity: str) -> None:
        """Put an entry on disk before the step that it announces."""
        import json

        private_folder(self.folder)
        with atomic_write(self.path(*identity), mode=0o600) as stream:
            json.dump(entry, stream, indent=1)

    def remove(self, *identity: str) -> None:
        """What was begun is done."""
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.path(*identity))

    def entries(self) -> Iterator[dict[str, Any]]:
        """Every entry, oldest file first; broken files are left out."""
        try:
            names = sorted(name for name in os.listdir(self.folder) if name.endswith(".json"))
        except FileNotFoundError:
            return
        for name in names:
            with contextlib.suppress(ConfigError):
                entry = _read(os.path.join(self.folder, name))
                if entry is not None:
                    yield entry


def _read(path: str) -> dict[str, Any] | None:
    try:
        stream = open_own(path, follow=False)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise _broken(path) from error
    with stream:
        raw = stream.read(LARGEST + 1)
    import json

    try:
        entry = json.loads(raw)
    except (ValueError, RecursionError):
        entry = None
    if not isinstance(entry, dict) or len(raw) > LARGEST:
        raise _broken(path)
    return entry


def _broken(path: str) -> ConfigError:
    return ConfigError(
        f"{path}: not a journal of nexctl", hint="look at it, then remove it", code="journal"
    )
