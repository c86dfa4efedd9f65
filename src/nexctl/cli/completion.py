"""`nexctl completion`: the scripts that complete nexctl in a shell."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import NamedTuple

from nexctl.cli.base import App, Spec, argument, command
from nexctl.cli.render import Screen, Table, View
from nexctl.errors import NexctlError, UsageError

SHELLS = ("bash", "zsh", "fish", "powershell")
# Longer than any script here; a larger file is somebody else's.
_LARGEST = 4_000_000
_OURS = b"completion for nexctl. Generated: do not edit."

_WHERE = {
    "bash": "~/.local/share/bash-completion/completions/nexctl",
    "zsh": "a folder of $fpath, as _nexctl",
    "fish": "~/.config/fish/completions/nexctl.fish",
    "powershell": "nexctl.ps1, and have $PROFILE run it (untested)",
}


def _printer(shell: str) -> Spec:
    def run(app: App) -> View:
        app.needs_config = False
        from nexctl.cli.completion_spec import SPEC
        from nexctl.cli.shells import SCRIPTS

        script = SCRIPTS[shell](SPEC)
        if app.is_terminal("out") and app.format == "auto":
            app.note(f"note: save this as {_WHERE[shell]}")
        return View(
            {"shell": shell, "script": script},
            text=lambda screen: screen.verbatim(script),
            table=Table(("shell", "script"), [(shell, script)]),
            names=[shell],
        )

    run.__doc__ = f"""Print the completion script for {shell}.

    It completes without starting nexctl. Save it as {_WHERE[shell]}.
    """
    return command(name=shell, examples=(f"nexctl completion {shell}",))(run)


class Place(NamedTuple):
    """Where a shell's script goes, and what else has to be done, in words."""

    path: str
    after: str


def place_of(shell: str, environ: Mapping[str, str]) -> Place:
    """The file of the user's own folder where a shell looks for nexctl's completion.

    Sources: bash-completion's README (BASH_COMPLETION_USER_DIR), fish's manual on completions,
    PowerShell's about_Profiles; zsh has no folder of its own for a user.
    """
    home = environ.get("HOME", "") or os.path.expanduser("~")
    data = _absolute(environ.get("XDG_DATA_HOME")) or os.path.join(home, ".local", "share")
    config = _absolute(environ.get("XDG_CONFIG_HOME")) or os.path.join(home, ".config")
    if shell == "bash":
        chosen = _absolute(environ.get("BASH_COMPLETION_USER_DIR"))
        folder = chosen or os.path.join(data, "bash-completion")
        path = os.path.join(folder, "completions", "nexctl")
        return Place(path, f"open a new shell (without bash-completion: source '{path}')")
    if shell == "zsh":
        folder = os.path.join(data, "zsh", "site-functions")
        return Place(
            os.path.join(folder, "_nexctl"),
            f"put fpath=('{folder}' $fpath) before compinit in .zshrc, and open a new shell",
        )
    if shell == "fish":
        path = os.path.join(config, "fish", "completions", "nexctl.fish")
        return Place(path, "open a new shell")
    windows = os.path.join(home, "Documents", "PowerShell")
    folder = windows if os.name == "nt" else os.path.join(config, "powershell")
    path = os.path.join(folder, "nexctl.ps1")
    return Place(path, f"put . '{path}' into the file that $PROFILE names; it is untested")


def _absolute(path: str | None) -> str | None:
    return path if path and os.path.isabs(path) else None


def _shell_in_use(environ: Mapping[str, str]) -> str:
    """The shell that $SHELL names. UsageError (exit 2) for one that there is no script for."""
    named = os.path.basename(environ.get("SHELL", "")).removesuffix(".exe")
    known = {"pwsh": "powershell"}.get(named, named)
    if known in SHELLS:
        return known
    if not named and os.name == "nt":
        return "powershell"
    raise UsageError(
        f"there is no completion for {named}" if named else "SHELL does not say which shell it is",
        hint=f"name one: nexctl completion install {'|'.join(SHELLS)}",
        code="unknown_shell",
    )


@command(
    argument(
        "shell",
        metavar="[SHELL]",
        choices=SHELLS,
        help=f"{', '.join(SHELLS)}; default: the one that $SHELL names.",
    ),
    changes=True,
    examples=("nexctl completion install", "nexctl completion install fish --dry-run"),
)
def install(app: App, shell: str | None) -> View:
    """Write the completion script to your own folder, and say which file that was.

    No start-up file of a shell is touched. A file there that is not nexctl's stays, but for --yes.
    """
    app.needs_config = False
    chosen = shell or _shell_in_use(app.environ)
    place = place_of(chosen, app.environ)
    script = _script(chosen)
    there = _content(place.path)
    if there == script:
        return _installed(app, chosen, place, "unchanged")
    if there is not None and _OURS not in there and not app.yes:
        raise NexctlError(
            f"{place.path} is there and is not nexctl's",
            hint="move it away, or pass --yes to replace it",
            code="not_ours",
        )
    if not app.dry_run:
        from nexctl.files import atomic_write

        os.makedirs(os.path.dirname(place.path), exist_ok=True)
        with atomic_write(place.path, binary=True) as stream:
            stream.write(script)
    return _installed(app, chosen, place, "written" if there is None else "replaced")


def _script(shell: str) -> bytes:
    from nexctl.cli.completion_spec import SPEC
    from nexctl.cli.shells import SCRIPTS

    return SCRIPTS[shell](SPEC).encode()


def _content(path: str) -> bytes | None:
    try:
        with open(path, "rb") as stream:
            return stream.read(_LARGEST)
    except FileNotFoundError:
        return None


def _installed(app: App, shell: str, place: Place, state: str) -> View:
    said = {
        "unchanged": "is there already, as it should be",
        "written": "would be written" if app.dry_run else "written",
        "replaced": "would be replaced" if app.dry_run else "replaced by this version's",
    }[state]

    def write(screen: Screen) -> None:
        screen.line((f"{place.path} {said}", "bold"))
        if state == "written":
            screen.line(f"then: {place.after}")

    return View(
        {
            "shell": shell,
            "file": place.path,
            "state": state,
            "then": place.after,
            "dry_run": app.dry_run,
        },
        text=write,
        table=Table(("shell", "file", "state"), [(shell, place.path, state)]),
        names=[place.path],
    )


COMMANDS = (*(_printer(shell) for shell in SHELLS), install)
