"""`nexctl config`: look at the settings and change them."""

from __future__ import annotations

import os

from nexctl.cli import completing
from nexctl.cli.base import App, argument, command, flag
from nexctl.cli.render import Table, View
from nexctl.errors import ConfirmationNeeded, NexctlError, UsageError
from nexctl.settings import paths
from nexctl.settings.config import Setting, change, load, with_value

_KEY = argument("key", metavar="KEY", required=True, suggest="settings", help="Name of a setting.")

_TEMPLATE = """\
# Settings of nexctl. 'nexctl config list' shows what there is to set.
# default_profile = "work"
# output = "json"
#
# [profiles.work]
# driver = "nexctl"
# base_url = "https://gateway.example.com"
# book = "nextoken"
"""


@command(
    flag("--show-origin", help="Also show where each value comes from."),
    name="list",
    examples=("nexctl config list", "nexctl config list --show-origin -o json"),
)
def list_(app: App, show_origin: bool) -> View:
    """Every setting with the value in force.

    An option on the command line stands over NEXCTL_* variables, these over the configuration
    file, that over the defaults.
    """
    settings = app.config.settings()
    columns = ("key", "value", "origin") if show_origin else ("key", "value")
    return View(
        [_data(setting) for setting in settings],
        table=Table(columns, [setting[: len(columns)] for setting in settings]),
        names=[setting.key for setting in settings],
    )


@command(_KEY, examples=("nexctl config get default_profile",))
def get(app: App, key: str) -> View:
    """The value in force of one setting, and nothing else."""
    setting = app.config.setting(key)
    shown = "" if setting.value is None else _text(setting.value)
    return View(
        _data(setting),
        text=lambda screen: screen.line(shown),
        table=Table(("key", "value", "origin"), [setting]),
        names=[setting.key],
    )


@command(
    _KEY,
    argument("value", metavar="[VALUE]", help="Its new value."),
    flag("--unset", help="Take the setting out of the file."),
    name="set",
    changes=True,
    examples=(
        "nexctl config set output json",
        "nexctl config set profiles.work.model nex-pro",
        "nexctl config set output --unset",
    ),
)
def set_(app: App, key: str, value: str | None, unset: bool) -> View:
    """Write one setting into the configuration file."""
    if unset == (value is not None):
        raise UsageError(
            "config set needs a value, or --unset", hint=f"nexctl config set {key} VALUE"
        )
    config = app.config
    with_value(config.values, key, value)
    if not app.dry_run:
        _say_comments_go(app, config.path)
        change(lambda values: with_value(values, key, value), app.environ)
        completing.remember_profiles(app, load(app.environ))
    done = "would be" if app.dry_run else "is"
    what = "unset" if unset else f"set to {value}"
    return View(
        {"key": key, "value": value, "path": config.path, "dry_run": app.dry_run},
        text=lambda screen: screen.line(f"{key} {done} {what} in {config.path}"),
        table=Table(("key", "value"), [(key, value)]),
        names=[key],
    )


@command(examples=("nexctl config path", 'cat "$(nexctl config path)"'))
def path(app: App) -> View:
    """Where the configuration file is (it need not exist)."""
    app.needs_config = False
    file = paths.config_file(app.environ)
    return View(
        {"path": file},
        text=lambda screen: screen.line(file),
        table=Table(("path",), [(file,)]),
        names=[file],
    )


@command(examples=("nexctl config edit", "EDITOR=nano nexctl config edit"))
def edit(app: App) -> View:
    """Open the configuration file in your editor and check it afterwards.

    The editor is VISUAL, else EDITOR, else vi (notepad on Windows).
    """
    import shlex
    import subprocess

    app.needs_config = False
    chosen = app.environ.get("VISUAL") or app.environ.get("EDITOR")
    if not chosen and not app.can_ask():
        raise ConfirmationNeeded(
            "config edit: nobody is there to edit", hint="use 'nexctl config set', or set EDITOR"
        )
    try:
        editor = shlex.split(chosen or ("notepad" if os.name == "nt" else "vi"))
    except ValueError as error:
        raise UsageError(f"EDITOR: {error}: {chosen!r}", hint="write EDITOR=nano") from None
    if not editor:
        raise UsageError("EDITOR names no command", hint="write EDITOR=nano")
    file = paths.config_file(app.environ)
    if not os.path.exists(file):
        from nexctl.files import atomic_write, private_folder

        private_folder(os.path.dirname(file))
        with atomic_write(file, mode=0o600) as stream:
            stream.write(_TEMPLATE)
    try:
        done = subprocess.run([*editor, file], check=False)
    except OSError as error:
        raise NexctlError(
            f"{editor[0]}: {error.strerror}", hint="set EDITOR to an editor that is installed"
        ) from error
    if done.returncode != 0:
        raise NexctlError(f"{editor[0]} ended with {done.returncode}; {file} was not checked")
    completing.remember_profiles(app, load(app.environ))
    return View(
        {"path": file},
        text=lambda screen: screen.line(f"{file} is in order"),
        table=Table(("path",), [(file,)]),
        names=[file],
    )


def _data(setting: Setting) -> dict[str, object]:
    return {"key": setting.key, "value": setting.value, "origin": setting.origin}


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _say_comments_go(app: App, file: str) -> None:
    try:
        with open(file, encoding="utf-8") as stream:
            commented = any(line.lstrip().startswith("#") for line in stream)
    except OSError:
        return
    if commented:
        app.note(f"note: the comments in {file} are not kept; 'nexctl config edit' keeps them")


COMMANDS = (list_, get, set_, path, edit)
