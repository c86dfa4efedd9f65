"""`nexctl audit-log` and `nexctl admin audit-log`: who did what, and proof of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nexctl.cli import connect
from nexctl.cli.base import App, argument, command, option, written
from nexctl.cli.render import Screen, Table, View
from nexctl.cli.rows import listing
from nexctl.errors import CheckFailed, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

FIELDS = (
    *("created_at", "chain", "sequence", "actor", "actor_name", "action", "object", "address"),
    *("actor_id", "request_id"),
)
SPARE = ("actor_name", "chain", "sequence", "address", "actor_id", "request_id")
LARGEST_LINE = 1_000_000
_FILTERS = (
    option("--action", metavar="ACTION", help="Only this action, like keys.revoke."),
    option("--actor", metavar="ID", help="Only what this key or operator did."),
    option("--from", metavar="TIME", help="From this day or instant on (UTC)."),
    option("--to", metavar="TIME", help="Up to this day or instant, itself not counted."),
)
_CUSTOMER = option(
    "--customer", metavar="ID", help="Only this customer's; 'gateway' is the gateway's own."
)


@command(
    *_FILTERS,
    name="list",
    examples=("nexctl audit-log list", "nexctl audit-log list --action keys.revoke -o jsonl"),
)
def list_(app: App, **given: Any) -> View:
    """Who did what in your account, oldest first; before and after are in the JSON."""
    from nexctl.wire.alerts import AuditQuery

    with connect.gateway(app) as gateway:
        rows = list(gateway.audit_log.list(_query(given, AuditQuery)))
    return listing(rows, FIELDS, spare=SPARE, name="hash")


@command(
    _CUSTOMER,
    *_FILTERS,
    name="list",
    examples=("nexctl admin audit-log list --customer cus_123",),
)
def admin_list(app: App, **given: Any) -> View:
    """Who did what in every account, oldest first."""
    from nexctl.wire.alerts import AuditAllQuery

    with connect.gateway(app, "operator") as gateway:
        rows = list(gateway.operator_audit.list(_query(given, AuditAllQuery)))
    return listing(rows, FIELDS, spare=SPARE, name="hash")


@command(
    argument(
        "file",
        metavar="FILE",
        required=True,
        value=written,
        help="The file to write (JSON lines, 0600).",
    ),
    _CUSTOMER,
    name="export",
    examples=("nexctl admin audit-log export audit.jsonl",),
)
def export(app: App, file: str, customer: str | None) -> View:
    """Write the whole log into a file whose hashes prove it without the gateway."""
    from nexctl.files import atomic_write
    from nexctl.wire.alerts import AuditAllQuery
    from nexctl.wire.base import encode

    count = 0
    query = AuditAllQuery(customer_id=customer, limit=1000)
    with (
        connect.gateway(app, "operator") as gateway,
        atomic_write(file, mode=0o600, binary=True) as stream,
    ):
        for row in gateway.operator_audit.list(query):
            stream.write(encode(row) + b"\n")
            count += 1
    return View(
        {"file": file, "rows": count, "profile": app.profile.name},
        text=lambda screen: screen.line(f"{count:,} rows of the audit log are in {file}"),
        table=Table(("file", "rows"), [(file, count)]),
        names=[file],
    )


@command(
    argument("file", metavar="[FILE]", suggest="files", help="An export; default: the gateway's."),
    name="verify",
    examples=("nexctl admin audit-log verify", "nexctl admin audit-log verify audit.jsonl"),
)
def verify(app: App, file: str | None) -> View | None:
    """Prove that no row was changed, added or taken away: exit 9 where one was.

    A file is proved by itself, between the rows that it begins and ends with; the gateway's own
    log also by the key kept outside its database.
    """
    if file is not None:
        from nexctl.server.audit_export import faults

        counted: list[int] = [0]
        begins: dict[str, Any] = {}
        found = list(faults(_rows(file, counted, begins)))
        for chain, first in begins.items():
            if first != 1:
                app.note(
                    f"note: {chain} begins at row {first}, which is taken as it stands: "
                    "what came before is not in the file"
                )
        data = {"rows": counted[0], "faults": found}
    else:
        with connect.gateway(app, "operator") as gateway:
            proof = gateway.operator_audit.verify()
        found = proof.faults
        data = {"chains": proof.chains, "rows": proof.rows, "faults": found}

    def write(screen: Screen) -> None:
        screen.line((f"{data['rows']:,} rows, {len(found):,} faults", "bold"))
        for text in found:
            screen.line(f"  {text}")

    view = View(
        data,
        text=write,
        table=Table(("fault",), [(text,) for text in found]),
        names=found,
    )
    if not found:
        return view
    app.emit(view)
    raise CheckFailed(
        f"the audit log does not hold: {found[0]}",
        hint="compare it with an earlier export",
        code="audit_log_broken",
    )


def _rows(path: str, counted: list[int], begins: dict[str, Any]) -> Iterator[dict[str, Any]]:
    import msgspec

    try:
        with open(path, "rb") as stream:
            for number, line in enumerate(_lines(stream), 1):
                try:
                    row = msgspec.json.decode(line)
                except msgspec.DecodeError:
                    row = None
                if not isinstance(row, dict):
                    raise UsageError(f"{path}:{number}: not a row of an exported audit log")
                counted[0] += 1
                begins.setdefault(str(row.get("chain")), row.get("sequence"))
                yield row
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}", hint="name an exported file") from error


def _lines(stream: Any) -> Iterable[bytes]:
    while line := stream.readline(LARGEST_LINE):
        if line.strip():
            yield line


def _query(given: dict[str, Any], kind: Any) -> Any:
    from nexctl.cli.bodies import converted

    fields: dict[str, Any] = {"limit": 1000, "action": given["action"], "actor_id": given["actor"]}
    for name in ("from", "to"):
        fields[name] = _instant(given[name], f"--{name}")
    if "customer" in given:
        fields["customer_id"] = given["customer"]
    return converted(fields, kind)


def _instant(text: str | None, what: str) -> str | None:
    """A day or an instant as the contract spells it."""
    if text is None:
        return None
    import datetime

    try:
        at = datetime.datetime.fromisoformat(text)
    except ValueError:
        raise UsageError(
            f"{what}: {text!r} is no day or instant",
            hint="write 2026-12-01 or 2026-12-01T08:00:00Z",
        ) from None
    if at.tzinfo is not None:
        at = at.astimezone(datetime.UTC)
    return at.replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


COMMANDS = (list_,)
ADMIN = (admin_list, export, verify)
