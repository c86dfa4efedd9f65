"""`nexctl keys`: API keys of the profile's customer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nexctl.account import terms
from nexctl.cli import completing, connect
from nexctl.cli.base import App, argument, command, flag, into, option, whole
from nexctl.cli.changes import Planned, done, dry, repeatable
from nexctl.cli.deliver import Delivery
from nexctl.cli.keys_report import made_view, sheet, write_key, write_list
from nexctl.cli.keys_rotate import WRITE, age, rotate, rotations
from nexctl.cli.render import View
from nexctl.errors import NexctlError, UsageError

if TYPE_CHECKING:
    from nexctl.account.rotation import Due
    from nexctl.gateways.port import Gateway
    from nexctl.wire.keys import Key, KeyCreate, KeyUpdate

_KEY = argument("key", metavar="KEY", required=True, suggest="keys", help="The key's id or name.")
_KEYS = argument(
    "keys",
    metavar="KEY...",
    many=True,
    required=True,
    suggest="keys",
    help="Ids or names of keys.",
)
_IDEMPOTENCY = option(
    "--idempotency-key", metavar="KEY", help="Ask again under the key of an earlier try."
)


_LIMITS = (
    option("--budget", metavar="A[/WINDOW]", help="Most to spend: 20/month, 500/lifetime."),
    option("--expires", metavar="AGE", value=age("--expires"), help="End: 90d, 24h, 2w."),
    option("-m", "--model", many=True, suggest="models", help="Model it may use; repeatable."),
    option("--ip", many=True, metavar="CIDR", help="Address it may be used from; repeatable."),
    option("--rpm", metavar="N", value=whole(1, 10**9), help="Requests a minute."),
    option("--label", many=True, metavar="K=V", help="Label on its usage; repeatable."),
)


@command(
    option("--name", metavar="N", required=True, help="The key's name, unique among yours."),
    *_LIMITS,
    option("--parent", metavar="KEY", suggest="keys", help="Make a sub-key inside this key."),
    option("--project", metavar="P", help="Of an organisation's key: count for this project."),
    option("--member", metavar="ID", help="Of an organisation's key: count for this member."),
    flag("--if-not-exists", help="A key of that name and settings is as good."),
    WRITE,
    _IDEMPOTENCY,
    changes=True,
    acts=True,
    examples=(
        "nexctl keys create --name ci --budget 20/month",
        "nexctl keys create --name ci -q | gh secret set NEX_KEY",
        "nexctl keys create --name web --write web.key --if-not-exists",
    ),
)
def create(
    app: App,
    parent: str | None,
    if_not_exists: bool,
    write: str | None,
    idempotency_key: str | None,
    **limits: Any,
) -> View:
    """Make a key. Its secret is shown once.

    -q prints the secret alone on one line, -o json has it, --write FILE keeps it off the screen.
    """
    from nexctl.account import keys as workflow

    delivery = Delivery(app, write)
    if app.dry_run:
        return dry(app, Planned("keys.create", body=_wanted(parent, **limits)))
    if not if_not_exists:
        delivery.refuse_taken()
    with connect.gateway(app) as gateway:
        if parent is not None:
            parent = workflow.find(gateway, parent).id
        wanted = _wanted(parent, **limits)
        # What the file holds may only stay where the key is there too.
        if if_not_exists and delivery.is_taken() and not _is_there(gateway, wanted.name):
            delivery.refuse_taken()
        with repeatable():
            made = workflow.make(
                gateway,
                wanted,
                if_not_exists=if_not_exists,
                idempotency_key=idempotency_key,
            )
    completing.remember_also(app, "keys", [made.key.name])
    return made_view(app, made, delivery)


def _is_there(gateway: Gateway, name: str) -> bool:
    from nexctl.account import keys as workflow

    found = workflow.named(gateway, name)
    return found is not None and found.state != "revoked"


def _wanted(
    parent: str | None,
    *,
    name: str,
    budget: str | None,
    expires: int | None,
    model: tuple[str, ...],
    ip: tuple[str, ...],
    rpm: int | None,
    label: tuple[str, ...],
    project: str | None = None,
    member: str | None = None,
) -> KeyCreate:
    """The request's body, checked as the gateway will check it."""
    from nexctl.cli.bodies import converted
    from nexctl.wire.keys import KeyCreate

    given: dict[str, Any] = {
        "name": name,
        "budget": _budget(budget),
        "models": list(model) or None,
        "ip_allowlist": [terms.parse_network(text) for text in ip] or None,
        "rpm": rpm,
        "expires_in_seconds": expires,
        "parent_id": parent,
        "labels": terms.parse_labels(label) or None,
        "project": project,
        "member_id": member,
    }
    return converted(given, KeyCreate)  # type: ignore[no-any-return]


def _budget(text: str | None) -> dict[str, str] | None:
    if text is None:
        return None
    parsed = terms.parse_budget(text)
    return {"amount": parsed.amount, "window": parsed.window}


@command(
    option("--name", metavar="N", help="Only the key of this name."),
    option("--parent", metavar="KEY", suggest="keys", help="Only sub-keys of this key."),
    option(
        "--state",
        metavar="STATE",
        choices=("active", "disabled", "revoked", "expired"),
        help="Only keys in this state: active, disabled, revoked, expired.",
    ),
    flag("--all", help="Also keys that are revoked."),
    name="list",
    acts=True,
    examples=("nexctl keys list", "nexctl keys list --state active -o name"),
)
def list_(app: App, name: str | None, parent: str | None, state: str | None, all: bool) -> View:
    """Your keys, without the revoked ones, and rotations that are not finished."""
    from nexctl.account import keys as workflow
    from nexctl.wire.keys import KeyQuery

    with connect.gateway(app) as gateway:
        if parent is not None:
            parent = workflow.find(gateway, parent).id
        query = KeyQuery(name=name, parent_id=parent, state=state)  # type: ignore[arg-type]
        shown = (state,) if state else None
        rows = [
            key
            for key in gateway.keys.list(query)
            if all or (key.state != "revoked" if shown is None else key.state in shown)
        ]
        due = {one.key_id: one for one in rotations(app, gateway).unfinished()}
    _warn_overdue(app, due)
    known = [key.name for key in rows if key.state != "revoked"]
    if name is None and parent is None and state is None:
        completing.remember(app, "keys", known)
    else:
        completing.remember_also(app, "keys", known)
    return write_list(rows, due)


def _warn_overdue(app: App, due: dict[str, Due]) -> None:
    for one in due.values():
        if one.overdue and one.step == "waiting":
            app.note(
                f"note: the rotation of {one.name} is overdue: "
                f"'nexctl keys rotate --finish {one.key_id}'"
            )
        elif one.step != "waiting":
            app.note(f"note: a rotation of {one.name} was interrupted; rotate it again")


@command(_KEY, examples=("nexctl keys show ci", "nexctl keys show ci -o json"))
def show(app: App, key: str) -> View:
    """One key with its limits and what is left of its budget."""
    from nexctl.account import keys as workflow

    with connect.gateway(app) as gateway:
        return write_key(app, workflow.find(gateway, key))


@command(
    _KEY,
    option("--name", metavar="N", help="A new name."),
    *_LIMITS,
    flag("--no-budget", help="Take the budget away."),
    flag("--no-expiry", help="Let it live on."),
    flag("--no-rpm", help="Take its own limit a minute away."),
    flag("--any-model", help="Allow every model."),
    flag("--any-ip", help="Allow every address."),
    flag("--no-labels", help="Take all labels away."),
    changes=True,
    examples=("nexctl keys update ci --budget 50/month", "nexctl keys update ci --any-model"),
)
def update(app: App, key: str, **given: Any) -> View:
    """Change a key's name and limits. Only what is given changes.

    Models, addresses and labels are replaced as a whole.
    """
    change = _change(app, **given)
    if app.dry_run:
        return dry(app, Planned("keys.update", key, body=change))
    return _changed(app, (key,), change, "changed")


def _change(
    app: App,
    *,
    name: str | None,
    budget: str | None,
    expires: int | None,
    model: tuple[str, ...],
    ip: tuple[str, ...],
    rpm: int | None,
    label: tuple[str, ...],
    no_budget: bool,
    no_expiry: bool,
    no_rpm: bool,
    any_model: bool,
    any_ip: bool,
    no_labels: bool,
) -> KeyUpdate:
    from nexctl.cli.bodies import converted
    from nexctl.wire.keys import KeyUpdate

    pairs: tuple[tuple[str, str, Any, bool], ...] = (
        ("budget", "--budget", _budget(budget), no_budget),
        ("expires_at", "--expires", _instant(app, expires), no_expiry),
        ("models", "--model", list(model) or None, any_model),
        ("ip_allowlist", "--ip", [terms.parse_network(text) for text in ip] or None, any_ip),
        ("rpm", "--rpm", rpm, no_rpm),
        ("labels", "--label", terms.parse_labels(label) or None, no_labels),
    )
    given: dict[str, Any] = {} if name is None else {"name": name}
    for field, spelled, value, away in pairs:
        if away and value is not None:
            raise UsageError(f"{spelled} is both set and taken away", hint="choose one of them")
        if away or value is not None:
            given[field] = value
    if not given:
        raise UsageError("nothing to change was named", hint="see 'nexctl keys update --help'")
    return converted(given, KeyUpdate)  # type: ignore[no-any-return]


def _instant(app: App, seconds: int | None) -> str | None:
    if seconds is None:
        return None
    import time

    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(int(app.now()) + seconds))


def _changed(app: App, names: tuple[str, ...], change: KeyUpdate, what: str) -> View:
    from nexctl.account import keys as workflow

    with connect.gateway(app) as gateway:
        # Every name is looked up first: a wrong one changes nothing.
        found = [workflow.find(gateway, name) for name in names]
        changed: list[Key] = []
        for key in found:
            try:
                changed.append(gateway.keys.update(key.id, change))
            except NexctlError as error:
                if changed:
                    made = ", ".join(one.name for one in changed)
                    error.message = f"{key.name}: {error.message}; {what} already: {made}"
                    error.details["done"] = [one.id for one in changed]
                raise
    if len(changed) == 1:
        return write_key(app, changed[0], done(app, f"key {changed[0].name} is {what}"))
    for key in changed:
        app.note(done(app, f"key {key.name} is {what}"))
    return write_list(changed, {})


@command(_KEYS, changes=True, examples=("nexctl keys disable ci",))
def disable(app: App, keys: tuple[str, ...]) -> View:
    """Stop keys for a while; 'keys enable' starts them again. Sub-keys stop with them."""
    return _switch(app, keys, disabled=True)


@command(_KEYS, changes=True, examples=("nexctl keys enable ci",))
def enable(app: App, keys: tuple[str, ...]) -> View:
    """Start keys again that were disabled."""
    return _switch(app, keys, disabled=False)


def _switch(app: App, keys: tuple[str, ...], *, disabled: bool) -> View:
    from nexctl.wire.keys import KeyUpdate

    change = KeyUpdate(disabled=disabled)
    if app.dry_run:
        return dry(app, *(Planned("keys.update", key, body=change) for key in keys))
    return _changed(app, keys, change, "disabled" if disabled else "enabled")


@command(
    argument("keys", metavar="[KEY...]", many=True, suggest="keys", help="Ids or names of keys."),
    flag("--all", help="Every key, with --older-than."),
    option("--older-than", metavar="AGE", value=age("--older-than", 0), help="Made before: 90d."),
    changes=True,
    examples=("nexctl keys revoke ci", "nexctl keys revoke --all --older-than 90d --yes"),
)
def revoke(app: App, keys: tuple[str, ...], all: bool, older_than: int | None) -> View | None:
    """End keys for ever. A parent ends its sub-keys with it; management keys stay."""
    if bool(keys) == all or (older_than is not None) != all:
        raise UsageError(
            "keys revoke needs KEY..., or --all with --older-than",
            hint="nexctl keys revoke --all --older-than 90d",
        )
    if keys and app.dry_run:
        return dry(app, *(Planned("keys.revoke", key) for key in keys))
    from nexctl.account import keys as workflow

    with connect.gateway(app) as gateway:
        if all:
            chosen = list(workflow.older_than(gateway, older_than or 0, int(app.now())))
        else:
            named = [workflow.find(gateway, name) for name in keys]
            chosen = list({key.id: key for key in named}.values())
        if app.dry_run:
            return dry(app, *(Planned("keys.revoke", key.id) for key in chosen))
        if chosen:
            app.confirm(_question(app, chosen))
        ended, failed = workflow.revoke_all(gateway, chosen)
    completing.forget(app, "keys", [key.name for key in ended])
    if len(chosen) == 1 and ended:
        return write_key(app, ended[0], done(app, f"key {ended[0].name} is revoked"))
    app.note(done(app, f"{len(ended)} of {len(chosen)} keys are revoked"))
    app.emit(write_list(ended, {}))
    if failed:
        key, error = failed[0]
        raise NexctlError(
            f"{len(failed)} of {len(chosen)} keys are not revoked; {key.name}: {error.message}",
            hint=error.hint,
            code=error.code,
            exit=error.exit,
            details={"failed": [one.id for one, _ in failed]},
        )
    return None


def _question(app: App, chosen: list[Key]) -> str:
    names = ", ".join(key.name for key in chosen[:5])
    more = f" and {len(chosen) - 5} more" if len(chosen) > 5 else ""
    what = "key" if len(chosen) == 1 else f"{len(chosen)} keys:"
    return f"Revoke {what} {names}{more} for ever, profile {app.profile.name}?"


@command(
    argument("file", metavar="FILE.csv", required=True, suggest="files", help="The sheet."),
    into(
        "--write",
        help="Where keys and secrets go (0600); the same file resumes.",
        metavar="RESULT.csv",
        required=True,
    ),
    name="import",
    changes=True,
    examples=("nexctl keys import team.csv --write team-keys.csv",),
)
def import_(app: App, file: str, write: str) -> View | None:
    """Make many keys from a CSV sheet.

    Columns: name, and where wanted budget, models, ip, rpm, expires, parent (an id), labels. The
    whole sheet is checked before the first key is made. Each key is on disk before the next one;
    the same command goes on after an interruption.
    """
    from nexctl.account import bulk, results

    rows = bulk.read(file)
    missing = results.unmade(rows, write, bulk.RESULT)
    if app.dry_run:
        return dry(app, *(Planned("keys.create", body=row.wanted) for row in missing))
    with (
        connect.gateway(app) as gateway,
        app.progress("made", total=len(rows), unit="keys") as step,
    ):
        answers = bulk.make(gateway, rows, write, done=lambda _: step(1))
    failed = list(bulk.failed(answers))
    app.emit(sheet(app, rows, answers, write))
    if failed:
        raise NexctlError(
            f"{len(failed)} of {len(rows)} keys were not made; line {failed[0].row.line}: "
            f"{failed[0].error.message if failed[0].error else ''}",
            hint=f"{write} names each; correct them and run it again",
            code="import_incomplete",
        )
    return None


COMMANDS = (
    create,
    list_,
    show,
    update,
    disable,
    enable,
    rotate,
    revoke,
    import_,
)
