"""`nexctl provider-keys`: your own keys at the gateway's providers."""

from __future__ import annotations

from nexctl.cli import connect, rows
from nexctl.cli.base import App, argument, command, option
from nexctl.cli.changes import Planned, dry
from nexctl.cli.render import View
from nexctl.cli.rows import listing, one
from nexctl.cli.secret_input import read_secret

FIELDS = ("provider", "hint", "models", "created_at")
_PROVIDER = argument("provider", metavar="PROVIDER", required=True, help="The provider's id.")


@command(name="list", examples=("nexctl provider-keys list",))
def list_(app: App) -> View:
    """Your keys, without the keys themselves, and which providers take one."""
    with connect.gateway(app) as gateway:
        page = gateway.provider_keys.stored()
    free = sorted(set(page.offered) - {row.provider for row in page.data})
    if free:
        app.note(f"a key can be stored for: {', '.join(free)}")
    return listing(page.data, FIELDS, name="provider")


@command(
    _PROVIDER,
    option("--key-file", metavar="FILE|-", suggest="files", help="File with the key; - is stdin."),
    name="set",
    changes=True,
    examples=("nexctl provider-keys set openai --key-file openai.key",),
)
def set_(app: App, provider: str, key_file: str | None) -> View:
    """Store your key for a provider, in the place of one that is there.

    It is typed unseen, read from a file or from standard input, and kept sealed: nobody is shown it
    again. Your requests to that provider's models go out with it alone.
    """
    from nexctl.cli.bodies import converted
    from nexctl.wire.provider_keys import ProviderKeySet

    # What would be sent is shown without the key, so with --dry-run none is asked for.
    key = "unread" if app.dry_run else read_secret(app, key_file, f"Your key for {provider}")
    body = converted({"provider": provider, "key": key}, ProviderKeySet)
    if app.dry_run:
        return dry(app, Planned("provider_keys.set", body=body, hide=("key",)))
    with connect.gateway(app) as gateway:
        row = gateway.provider_keys.set(body)
    return one(app, row, FIELDS, f"your key for {row.provider} is stored", name="provider")


@command(
    _PROVIDER, name="remove", changes=True, examples=("nexctl provider-keys remove openai --yes",)
)
def remove(app: App, provider: str) -> View:
    """Forget your key: requests go out with the gateway's again, and are charged for."""
    if app.dry_run:
        return dry(app, Planned("provider_keys.remove", provider))
    with connect.gateway(app) as gateway:
        app.confirm(f"Forget your key for {provider}, profile {app.profile.name}?")
        gone = gateway.provider_keys.remove(provider)
    return rows.removed(app, gone, "your key for")


COMMANDS = (list_, set_, remove)
