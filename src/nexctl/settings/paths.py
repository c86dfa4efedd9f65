"""Where nexctl keeps its files: the rules of platformdirs, without importing it.

`NEXCTL_CONFIG_DIR` names one folder for everything (configuration, state, cache), which is what
tests and containers want. Nothing here makes a folder.
Source of the rules: https://platformdirs.readthedocs.io (user_config_dir, user_state_dir,
user_cache_dir with appname "nexctl" and no author); a test compares them.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping

APP = "nexctl"
OVERRIDE = "NEXCTL_CONFIG_DIR"


def config_dir(environ: Mapping[str, str] | None = None) -> str:
    """Folder of config.toml and of the user's price books."""
    return _folder("config", environ)


def state_dir(environ: Mapping[str, str] | None = None) -> str:
    """Folder of what must outlive a command: key file, journals, the embedded gateway."""
    return _folder("state", environ)


def cache_dir(environ: Mapping[str, str] | None = None) -> str:
    """Folder of what may be deleted at any time: names for completion."""
    return _folder("cache", environ)


def config_file(environ: Mapping[str, str] | None = None) -> str:
    """The configuration file."""
    return os.path.join(config_dir(environ), "config.toml")


def books_dir(environ: Mapping[str, str] | None = None) -> str:
    """Folder of the user's own price books."""
    return os.path.join(config_dir(environ), "books")


_XDG = {
    "config": ("XDG_CONFIG_HOME", ".config"),
    "state": ("XDG_STATE_HOME", ".local/state"),
    "cache": ("XDG_CACHE_HOME", ".cache"),
}


def _folder(kind: str, environ: Mapping[str, str] | None, platform: str = sys.platform) -> str:
    env = os.environ if environ is None else environ
    override = env.get(OVERRIDE, "")
    if override:
        return override if kind == "config" else os.path.join(override, kind)
    variable, fallback = _XDG[kind]
    if platform == "win32":
        base = env.get("LOCALAPPDATA") or os.path.expanduser(r"~\AppData\Local")
        return os.path.join(base, APP, APP, *(["Cache"] if kind == "cache" else []))
    chosen = env.get(variable, "")
    if chosen.startswith("/"):
        return os.path.join(chosen, APP)
    if platform == "darwin":
        library = "Library/Caches" if kind == "cache" else "Library/Application Support"
        return os.path.join(_home(env), library, APP)
    return os.path.join(_home(env), fallback, APP)


def _home(env: Mapping[str, str]) -> str:
    """HOME where it is absolute, else what the system's list of users says, else the root."""
    home = env.get("HOME", "")
    if home.startswith("/"):
        return home
    import pwd

    try:
        return pwd.getpwuid(os.getuid()).pw_dir
    except KeyError:
        return "/"
