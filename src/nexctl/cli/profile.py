"""`nexctl profile`: named settings for a gateway and its price book."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from nexctl.cli import completing
from nexctl.cli.base import App, argument, command, flag, option
from nexctl.cli.render import Column, Table, View
from nexctl.errors import ConfigError, UsageError
from nexctl.settings.config import PROFILE_KEYS, change, is_profile_name, load, with_value
from nexctl.settings.profiles import LOCAL, Profile, find, names

_NAME = argument("name", metavar="NAME", required=True, suggest="profiles", help="Profile's name.")
_FIELDS = tuple(PROFILE_KEYS)


@command(name="list", examples=("nexctl profile list", "nexctl profile list -o name"))
def list_(app: App) -> View:
    """The profiles, and which one is in force."""
    config = app.config
    profiles = [find(name, config, "config") for name in names(config)]
    active = _in_force(app)
    if active is not None and active.name not in {profile.name for profile in profiles}:
        profiles.append(active)
    in_force = active.name if active is not None else None
    return View(
        [{**_data(profile), "active": profile.name == in_force} for profile in profiles],
        table=Table(
            (
                Column("active", "", show=lambda yes: "*" if yes else ""),
                "name",
                "driver",
                "base_url",
                "book",
                "plan",
                "model",
            ),
            [
                (profile.name == in_force, profile.name, profile.driver, profile.base_url,
                 profile.book, profile.plan, profile.model)
                for profile in profiles
            ],
        ),
        names=[profile.name for profile in profiles],
    )  # fmt: skip


def _in_force(app: App) -> Profile | None:
    """The profile in force; None, with a warning, where what is named is no more."""
    try:
        return app.profile
    except ConfigError as error:
        if error.code != "unknown_profile":
            raise
        app.warn(f"{error.message}; 'nexctl profile use NAME' chooses another")
        return None


@command(
    argument("name", metavar="NAME", required=True, help="The new profile's name."),
    option(
        "--driver",
        metavar="KIND",
        choices=PROFILE_KEYS["driver"].choices,
        help="Kind of gateway: embedded, nexctl, openai.",
    ),
    option("--base-url", metavar="URL", help="Address; https, or http to this machine."),
    option("--book", metavar="BOOK", suggest="books files", help="Price book."),
    option("--plan", metavar="PLAN", help="Plan of the price book."),
    option("--tier", metavar="TIER", help="Billing tier of the price book."),
    option("--model", metavar="MODEL", suggest="models", help="Model used where none is named."),
    option("--calibration", metavar="FILE", suggest="files", help="Calibration of output."),
    option("--org", metavar="ORG", help="Organisation to act for."),
    flag("--use", help="Make it the profile in force."),
    changes=True,
    examples=(
        "nexctl profile add cheap --book nexrelay",
        "nexctl profile add work --driver nexctl --base-url https://gateway.example.com --use",
    ),
)
def add(app: App, name: str, use: bool, **fields: Any) -> View:
    """Make a profile. It holds no key: keys are kept in the key store."""
    if not is_profile_name(name):
        raise UsageError(
            f"{name!r} is not a profile name",
            hint="use letters, digits, dot, dash and underscore, at most 64",
        )
    if fields["base_url"] is not None and fields["driver"] is None:
        raise UsageError("--base-url needs --driver", hint="say which kind of gateway it is")

    def added(values: dict[str, Any]) -> dict[str, Any]:
        profiles = values.get("profiles", {})
        if name in (LOCAL, *profiles):
            raise UsageError(
                f"profile {name} exists already",
                hint=f"change it with 'nexctl config set profiles.{name}.KEY VALUE'",
                code="profile_exists",
            )
        values = {**values, "profiles": {**profiles, name: {}}}
        for key, value in fields.items():
            if value is not None:
                values = with_value(values, f"profiles.{name}.{key}", value)
        return with_value(values, "default_profile", name) if use else values

    return _changed(app, added, name, "added", Profile(name)._replace(**fields))


@command(_NAME, changes=True, examples=("nexctl profile use work",))
def use(app: App, name: str) -> View:
    """Make a profile the one in force where no other is named."""
    profile = find(name, app.config, "option")
    return _changed(
        app,
        lambda values: with_value(values, "default_profile", name),
        name,
        "in force",
        profile,
    )


@command(_NAME, changes=True, examples=("nexctl profile remove old --yes",))
def remove(app: App, name: str) -> View:
    """Remove a profile and forget its keys."""
    config = app.config
    profile = find(name, config, "option")
    if name not in config.profiles:
        raise UsageError(f"profile {name} is built in", hint="there is nothing to remove")

    def without(values: dict[str, Any]) -> dict[str, Any]:
        profiles = {k: v for k, v in values.get("profiles", {}).items() if k != name}
        values = {**values, "profiles": profiles}
        if values.get("default_profile") == name:
            del values["default_profile"]
        return values

    if not app.dry_run:
        app.confirm(f"Remove profile {name} and its keys?")
        for kind in ("key", "operator"):
            app.secrets.delete(profile, kind)
    return _changed(app, without, name, "removed", profile)


def _changed(
    app: App,
    how: Callable[[dict[str, Any]], dict[str, Any]],
    name: str,
    done: str,
    profile: Profile,
) -> View:
    """Write the settings (not with --dry-run) and say in one line what changed."""
    if app.dry_run:
        how(app.config.values)
    else:
        change(how, app.environ)
        completing.remember_profiles(app, load(app.environ))
    verb = "would be" if app.dry_run else "is"
    return View(
        {**_data(profile), "done": done, "dry_run": app.dry_run},
        text=lambda screen: screen.line(f"profile {name} {verb} {done}"),
        table=Table(("name", *_FIELDS), [(name, *(getattr(profile, key) for key in _FIELDS))]),
        names=[name],
    )


def _data(profile: Profile) -> dict[str, Any]:
    return {
        "name": profile.name,
        **{key: getattr(profile, key) for key in _FIELDS},
        "built_in": profile.name == LOCAL,
    }


COMMANDS = (list_, add, use, remove)
