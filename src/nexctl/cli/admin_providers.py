"""`nexctl admin providers`: where requests go."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nexctl.account import terms
from nexctl.cli import connect, rows
from nexctl.cli.admin import OPERATOR
from nexctl.cli.admin_margin import cost
from nexctl.cli.base import App, argument, command, flag, option, variable, whole
from nexctl.cli.bodies import converted
from nexctl.cli.changes import Planned, done, dry, named
from nexctl.cli.render import Column, Screen, Table, View
from nexctl.cli.secret_input import read_secret
from nexctl.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nexctl.wire.admin import Provider

FIELDS = (
    *("id", "kind", "enabled", "priority", "base_url", "key_source", "models", "allow_private"),
    *("timeout_seconds", "options", "health"),
)
_ID = argument("id", metavar="ID", required=True, help="The provider's id.")
_SHARED = (
    option("--url", metavar="URL", help="Its address, like https://api.example.com/v1."),
    option(
        "--key-env",
        metavar="VAR",
        value=variable,
        help="Variable of the gateway that holds its key.",
    ),
    option("--key-file", metavar="FILE|-", suggest="files", help="File with its key; - is stdin."),
    option("--serves", many=True, metavar="M[=THEIRS]", help="Model it serves; repeatable."),
    option("--priority", metavar="N", value=whole(0, 10**6), help="Lower comes first."),
    flag("--allow-private", help="It may be in a private network."),
    option("--timeout-seconds", metavar="N", value=whole(1, 3600), help="Longest wait for it."),
    option("--option", many=True, metavar="K=V", help="Option of its kind, such as fail=500."),
)


@command(name="list", examples=("nexctl admin providers list",))
def list_(app: App) -> View:
    """Providers by priority, and where the key of each comes from."""
    with connect.gateway(app, OPERATOR) as gateway:
        return _list(list(gateway.providers.list()))


def _list(rows: Sequence[Provider]) -> View:
    from nexctl.wire.base import plain

    return View(
        lambda: [plain(row) for row in rows],
        table=lambda: Table(
            [Column(name, right=name == "priority") for name in FIELDS],
            [[getattr(row, name) for name in FIELDS] for row in rows],
        ),
        names=lambda: named(rows),
    )


@command(
    _ID,
    option("--kind", metavar="KIND", choices=("openai", "echo"), help="openai (default) or echo."),
    *_SHARED,
    flag("--disabled", help="Do not use it yet."),
    changes=True,
    examples=(
        "nexctl admin providers add main --url https://api.example.com/v1 --key-env EXAMPLE_KEY",
        "nexctl admin providers add lab --kind echo --option fail=500 --priority 1",
    ),
)
def add(app: App, id: str, kind: str | None, disabled: bool, **given: Any) -> View:
    """Add a provider. Its key comes from a variable of the gateway, a file or standard input."""
    from nexctl.wire.admin import ProviderSet

    fields = _fields(app, given)
    fields |= {"id": id, "kind": kind or ("openai" if given["url"] else "echo")}
    body = converted({**fields, "enabled": not disabled}, ProviderSet)
    if app.dry_run:
        return dry(app, Planned("providers.add", body=body, hide=("key",)))
    with connect.gateway(app, OPERATOR) as gateway:
        return _one(app, gateway.providers.add(body), "added")


@command(
    _ID,
    *_SHARED,
    flag("--serves-all", help="It serves every model."),
    flag("--no-key", help="Take its key away."),
    flag("--no-options", help="Take its options away."),
    flag("--enable/--disable", default=None, help="Use it, or do not."),
    name="set",
    changes=True,
    examples=("nexctl admin providers set main --disable",),
)
def set_(
    app: App,
    id: str,
    serves_all: bool,
    no_key: bool,
    no_options: bool,
    enable: bool | None,
    **given: Any,
) -> View:
    """Change a provider. Another address gets no key until one is given for it."""
    from nexctl.wire.admin import ProviderUpdate

    fields = _fields(app, given)
    if serves_all:
        fields["models"] = None
    if no_key:
        fields |= {"key": None, "key_env": None}
    if no_options:
        fields["options"] = {}
    if enable is not None:
        fields["enabled"] = enable
    if not fields:
        raise UsageError("nothing to change was named", hint="see --help")
    body = converted(fields, ProviderUpdate)
    if app.dry_run:
        return dry(app, Planned("providers.update", id, body=body, hide=("key",)))
    with connect.gateway(app, OPERATOR) as gateway:
        return _one(app, gateway.providers.update(id, body), "changed")


def _fields(app: App, given: dict[str, Any]) -> dict[str, Any]:
    """What was given, in the contract's names."""
    if given["key_env"] is not None and given["key_file"] is not None:
        raise UsageError("--key-env or --key-file, not both")
    found = {
        "base_url": given["url"],
        "key_env": given["key_env"],
        "key": read_secret(app, given["key_file"], "Key") if given["key_file"] else None,
        "models": terms.one_each(map(_model, given["serves"]), what="--serves") or None,
        "priority": given["priority"],
        "allow_private": given["allow_private"] or None,
        "timeout_seconds": given["timeout_seconds"],
        "options": terms.one_each(map(_option, given["option"]), what="--option") or None,
    }
    return {name: value for name, value in found.items() if value is not None}


def _model(text: str) -> tuple[str, str]:
    ours, equals, theirs = text.partition("=")
    if not ours or (equals and not theirs):
        raise UsageError(f"--serves: {text!r} is neither MODEL nor MODEL=THEIRS")
    return ours, theirs or ours


def _option(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not name or not equals:
        raise UsageError(f"--option: {text!r} is not NAME=VALUE")
    return name, value


@command(_ID, changes=True, examples=("nexctl admin providers remove lab",))
def remove(app: App, id: str) -> View:
    """Remove a provider; the last one stays."""
    if app.dry_run:
        return dry(app, Planned("providers.remove", id))
    with connect.gateway(app, OPERATOR) as gateway:
        app.confirm(f"Remove provider {id}, profile {app.profile.name}?")
        gone = gateway.providers.remove(id)
    return rows.removed(app, gone, "provider")


def _one(app: App, row: Provider, what: str) -> View:
    from nexctl.wire.base import plain

    def write(screen: Screen) -> None:
        screen.line((done(app, f"provider {row.id} is {what}"), "bold"))
        pairs = (
            ("kind", row.kind),
            ("address", row.base_url),
            ("key", row.key_source or "none"),
            ("serves", " ".join(row.models) if row.models is not None else "every model"),
            ("priority", str(row.priority)),
            ("enabled", "yes" if row.enabled else "no"),
            ("options", " ".join(f"{name}={value}" for name, value in row.options.items())),
        )
        rows = [(name, value) for name, value in pairs if value]
        screen.table(Table((Column("", ""), Column("", "")), rows), indent=2)

    return View(
        lambda: {**plain(row), "profile": app.profile.name},
        text=write,
        table=_list([row]).table,
        names=[row.id],
    )


COMMANDS = (list_, add, set_, remove, cost)
