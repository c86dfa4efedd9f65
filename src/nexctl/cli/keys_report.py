"""How keys look: one in full, a list, a secret that is shown once, the outcome of a sheet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from nexctl.cli.changes import done, named
from nexctl.cli.figures import in_words, money
from nexctl.cli.render import Column, Screen, Table, View

if TYPE_CHECKING:
    from nexctl.account.bulk import Done, Row
    from nexctl.account.keys import Made
    from nexctl.account.rotation import Due, Rotated
    from nexctl.cli.context import App
    from nexctl.cli.deliver import Delivery
    from nexctl.wire.keys import Key

_ONCE = "note: the secret is shown this once; keep it now"


def fields(key: Key, due: Due | None = None) -> dict[str, Any]:
    """A key as `-o json` shows it."""
    from nexctl.wire.base import plain

    found: dict[str, Any] = plain(key)
    for name in ("secret", "created", "replayed"):
        found.pop(name, None)
    rotation = None
    if due is not None:
        rotation = {"due_at": due.due_at, "step": due.step, "overdue": due.overdue}
    return {**found, "rotation": rotation}


def write_list(keys: Sequence[Key], due: Mapping[str, Due]) -> View:
    """A list of keys."""
    return View(
        lambda: [fields(key, due.get(key.id)) for key in keys],
        table=lambda: Table(
            (
                "name",
                Column("id", spare=3),
                "state",
                Column("kind", spare=2),
                Column("prefix", spare=1),
                Column("budget", right=True),
                Column("spent", right=True),
                Column("models", spare=5),
                Column("rpm", right=True, spare=4),
                "expires_at",
                "rotation",
            ),
            [_row(key, due.get(key.id)) for key in keys],
        ),
        names=lambda: named(keys),
    )


def _row(key: Key, due: Due | None) -> list[Any]:
    budget = key.budget
    rotation = None
    if due is not None:
        rotation = "overdue" if due.overdue else f"due {due.due_at}"
    elif _keeps_old(key):
        rotation = f"old until {key.previous_expires_at}"
    return [
        key.name,
        key.id,
        key.state,
        key.kind,
        key.prefix,
        f"{budget.amount} {budget.currency}/{budget.window}" if budget else None,
        budget.spent if budget else None,
        " ".join(key.models) if key.models is not None else None,
        key.rpm,
        key.expires_at,
        rotation,
    ]


def write_key(app: App, key: Key, said: str | None = None) -> View:
    """One key in full; `said` is what happened to it."""
    return View(
        lambda: {**fields(key), "profile": app.profile.name},
        text=lambda screen: _write(screen, key, said),
        table=lambda: _one(key, None),
        names=lambda: [key.id],
    )


def _write(screen: Screen, key: Key, said: str | None) -> None:
    screen.line((said or f"key {key.name}", "bold"))
    screen.table(Table((Column("", ""), Column("", "")), list(_facts(key))), indent=2)


def _facts(key: Key) -> list[tuple[str, str]]:
    rows = [("id", key.id), ("state", f"{key.state} ({key.kind.replace('_', '-')})")]
    rows.append(("prefix", key.prefix))
    if key.budget is not None:
        budget = key.budget
        per = in_words(budget.window)
        left = f", {money(budget.remaining, budget.currency)} left" if budget.remaining else ""
        reset = f" until {budget.resets_at}" if budget.resets_at else ""
        rows.append(("budget", f"{money(budget.amount, budget.currency)} {per}{left}{reset}"))
    pairs: tuple[tuple[str, Any], ...] = (
        ("models", " ".join(key.models) if key.models is not None else "any"),
        ("addresses", " ".join(key.ip_allowlist) if key.ip_allowlist is not None else "any"),
        ("rpm", key.rpm),
        ("parent", key.parent_id),
        ("labels", " ".join(f"{name}={value}" for name, value in key.labels.items())),
        ("made", key.created_at),
        ("expires", key.expires_at or "never"),
        ("last used", key.last_used_at),
        ("revoked", key.revoked_at),
    )
    rows += [(name, str(value)) for name, value in pairs if value]
    if _keeps_old(key):
        rows.append(("old secret", f"{key.previous_prefix} until {key.previous_expires_at}"))
    return rows


def _keeps_old(key: Key) -> bool:
    """Whether an older secret may still work: no secret of a revoked key does."""
    return key.previous_expires_at is not None and key.state != "revoked"


def _one(key: Key, secret: str | None) -> Table:
    names = ("id", "name", "prefix", "secret", "created_at", "expires_at")
    return Table(names, [[key.id, key.name, key.prefix, secret, key.created_at, key.expires_at]])


def made_view(app: App, made: Made, delivery: Delivery) -> View:
    """A key that was made, or was there; its secret goes where it was asked for."""
    from nexctl.account import keys as workflow
    from nexctl.errors import NexctlError

    key = made.key
    shown = None
    if made.secret is not None:
        shown = delivery.deliver(
            made.secret,
            f"key {key.name} ({key.id}) is made",
            id=key.id,
            remedy=f"'nexctl keys rotate {key.id}' gives it a new one",
        )
    elif delivery.path is not None:
        if not workflow.file_holds(delivery.path, key):
            raise NexctlError(
                f"{delivery.path} does not hold the secret of key {key.name}, "
                "which cannot be shown again",
                hint=f"'nexctl keys rotate {key.id} --write FILE' gives it a new one",
                code="secret_not_shown_again",
                details={"id": key.id},
            )
    elif made.created or (app.quiet and app.format in ("auto", "table")):
        workflow.secret_of(made)
    word = "is made" if made.created else "is there already"
    return _secret_view(
        app,
        key,
        shown,
        delivery,
        done(app, f"key {key.name} {word}"),
        {**workflow.public(made), "secret": shown},
    )


def rotated_view(app: App, rotated: Rotated, shown: str | None, delivery: Delivery) -> View:
    """A key with its new secret."""
    from nexctl.account import keys as workflow
    from nexctl.account.keys import Made

    made = Made(rotated.key, rotated.secret, created=rotated.finish is not None)
    said = done(app, f"key {rotated.key.name} has a new secret")
    if rotated.old_ends_at is not None:
        said += f"; the old one ends at {rotated.old_ends_at}"
    data = {
        **workflow.public(made),
        "secret": shown,
        "old_ends_at": rotated.old_ends_at,
        "finish": rotated.finish,
    }
    return _secret_view(app, rotated.key, shown, delivery, said, data)


def _secret_view(
    app: App, key: Key, shown: str | None, delivery: Delivery, said: str, data: dict[str, Any]
) -> View:
    alone = app.quiet and shown is not None

    def write(screen: Screen) -> None:
        if alone:
            screen.line(str(shown))
            return
        if app.quiet:
            return
        _write(screen, key, said)
        if shown is not None:
            screen.blank()
            screen.line(("  secret  ", "bold"), str(shown))

    if shown is not None and not app.quiet and app.format in ("auto", "table"):
        app.note(_ONCE)
    elif delivery.path is not None:
        app.note(f"note: the secret is in {delivery.path}")
    return View(
        {**data, "profile": app.profile.name, "written_to": delivery.path},
        text=write,
        table=lambda: _one(key, shown),
        names=[key.id],
    )


def sheet(app: App, rows: Sequence[Row], answers: Sequence[Done], path: str) -> View:
    """What became of a sheet of keys. Secrets are in the file alone."""
    lines = [
        {
            "line": answer.row.line,
            "name": answer.row.wanted.name,
            "id": answer.made.key.id if answer.made else None,
            "created": answer.made.created if answer.made else None,
            "error": answer.error.message if answer.error else None,
        }
        for answer in answers
    ]
    made = sum(1 for line in lines if line["created"])
    failed = sum(1 for line in lines if line["error"])
    held = len(rows) - len(answers)

    def write(screen: Screen) -> None:
        screen.line((done(app, f"{made} of {len(rows)} keys are made"), "bold"))
        if held:
            screen.line(f"  {held} were in {path} already")
        if len(lines) - made - failed:
            screen.line(f"  {len(lines) - made - failed} were there, without a secret to show")
        for line in lines:
            if line["error"]:
                screen.line(f"  line {line['line']}, {line['name']}: {line['error']}")
        screen.line(f"  keys and secrets: {path}")

    return View(
        {
            "profile": app.profile.name,
            "rows": len(rows),
            "made": made,
            "failed": failed,
            "held": held,
            "written_to": path,
            "keys": lines,
        },
        text=write,
        table=Table(
            ("line", "name", "id", "created", "error"), [list(line.values()) for line in lines]
        ),
        names=[str(line["id"]) for line in lines if line["id"]],
    )
