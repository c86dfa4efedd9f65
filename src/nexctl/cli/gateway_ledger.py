"""`nexctl gateway backup, restore, verify, migrate`: keeping an embedded gateway's ledger."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nexctl.cli import embedded
from nexctl.cli.base import App, argument, command, into, option, written
from nexctl.cli.changes import done
from nexctl.cli.gateway_report import copied_view, proof_view, restored_view
from nexctl.cli.render import Table, View
from nexctl.errors import CheckFailed, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from nexctl.settings.profiles import Profile


@command(
    argument(
        "file", metavar="FILE", required=True, value=written, suggest="files", help="A new file."
    ),
    changes=True,
    examples=("nexctl gateway backup gateway-2026-12-01.db",),
)
def backup(app: App, file: str) -> View:
    """Copy the ledger as it is now into a new file (0600). It holds no secret that can be used.

    The master key stays where it is; a copy opens only with it.
    """
    profile, _ = embedded.profile_made(app)
    if app.dry_run:
        return copied_view(app, file, None)
    from nexctl.server.ledger import backup as copies

    return copied_view(app, file, _with_ledger(app, profile, lambda one: copies.backup(one, file)))


def _with_ledger(app: App, profile: Profile, work: Callable[[Any], Any]) -> Any:
    house = embedded.open_house(app, profile)
    try:
        return work(house.ledger)
    finally:
        house.ledger.close()


@command(
    argument("file", metavar="FILE", required=True, suggest="files", help="A backup."),
    changes=True,
    examples=("nexctl gateway restore gateway-2026-12-01.db",),
)
def restore(app: App, file: str) -> View:
    """Put a backup in the place of the ledger.

    What the replaced ledger has ended stays ended: revoked keys, redeemed codes, served requests.
    Refused while any process works on it. A ledger that is lost comes back too, where its master
    key is in its place.
    """
    profile, place = embedded.profile_to_restore(app)
    if app.dry_run:
        return restored_view(app, file, None)
    from pathlib import Path

    from nexctl.server.ledger import backup as copies

    if not Path(file).is_file():
        raise UsageError(
            f"{file}: no such file", hint="name a file that 'nexctl gateway backup' wrote"
        )
    app.confirm(
        f"Replace the ledger of profile {profile.name} ({embedded.shown(place)}) by {file}?"
    )
    return restored_view(app, file, copies.restore(place, file, anchor_key=_anchor(app, profile)))


def _anchor(app: App, profile: Profile) -> bytes | None:
    """The key that proves the chains' heads, made from the master key."""
    from nexctl.server.bootstrap import anchor_key

    master = embedded.secrets_of(app, profile).get("master")
    return None if master is None else anchor_key(bytes.fromhex(master))


@command(
    option("--anchors", metavar="FILE", suggest="files", help="Heads kept earlier, to compare."),
    into("--write-anchors", help="Keep today's heads in FILE."),
    examples=("nexctl gateway verify", "nexctl gateway verify --write-anchors heads.jsonl"),
)
def verify(app: App, anchors: str | None, write_anchors: str | None) -> View | None:
    """Prove the ledger's invariants and its chain on the live database; exit 9 on a violation.

    Heads that are kept outside the database find a chain that was cut back.
    """
    from nexctl.server.ledger import anchors as heads
    from nexctl.server.ledger import verify as proving

    profile, place = embedded.profile_made(app)
    kept = heads.imported(_read(anchors)) if anchors is not None else []

    def work(ledger: Any) -> Any:
        proof = proving.verify(ledger, kept_anchors=kept, reprice=repricer(ledger))
        if write_anchors is not None and proof.clean:
            from nexctl.files import atomic_write

            with atomic_write(write_anchors, mode=0o600, binary=True) as stream:
                stream.write(heads.exported(ledger.write(heads.anchor)))
        return proof

    proof = _with_ledger(app, profile, work)
    app.emit(proof_view(app, proof, place))
    if not proof.clean:
        first = proof.violations[0]
        raise CheckFailed(
            f"{len(proof.violations)} violations; the first: {first.check} at {first.place}: "
            f"{first.text}",
            hint="stop serving; keep the database and its backups as they are",
            code="ledger_violation",
        )
    return None


def repricer(ledger: Any) -> Any:
    """Recomputes a charge from what its debit kept, by the book that the ledger keeps."""
    from nexctl.pricing import engine
    from nexctl.server.kept_books import stored_book
    from nexctl.server.ledger import books

    def _book_of(row: Any) -> Any:
        return stored_book(row.body)

    # Read before the proof begins: its snapshots hold the connection.
    kept = {book.sha256: book for book in map(_book_of, ledger.read(books.listed))}
    made: dict[tuple[Any, ...], Any] = {}

    def reprice(snapshot: dict[str, Any], usage: Any) -> int:
        name = str(snapshot["sha256"])
        conditions = ("model", "at", "batch", "semantic_hit", "tier", "negotiated", "own_key")
        key = (name, *(snapshot.get(field) for field in conditions))
        if key not in made:
            made[key] = engine.pricer(
                kept[name],
                snapshot["model"],
                at=snapshot.get("at"),
                batch=bool(snapshot.get("batch")),
                semantic_hit=bool(snapshot.get("semantic_hit")),
                byok=bool(snapshot.get("own_key")),
                tier=snapshot.get("tier"),
                negotiated=snapshot.get("negotiated"),
            )
        return int(made[key].charge(usage).units)

    return reprice


def _read(path: str) -> bytes:
    try:
        with open(path, "rb") as stream:
            return stream.read(256 * 1024 * 1024)
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}", hint="name a file of heads") from error


@command(changes=True, examples=("nexctl gateway migrate",))
def migrate(app: App) -> View:
    """Bring an older database up to this program; backs it up first."""
    from nexctl.server.ledger import backup as copies

    profile, place = embedded.profile_made(app)
    before = after = None
    copy: str | None = None
    if not app.dry_run:
        app.confirm(f"Migrate the ledger of profile {profile.name} ({embedded.shown(place)})?")
        folder = embedded.folder_of(app, profile)
        key = _anchor(app, profile)
        before, after, copy = copies.migrate(place, backups=folder, anchor_key=key)
    said = f"the schema is at {after}" if before == after else f"schema {before} is {after} now"
    said = "the schema would be brought up" if app.dry_run else said
    return View(
        {"profile": profile.name, "from": before, "to": after, "backup": copy,
         "dry_run": app.dry_run},
        text=lambda screen: screen.line(done(app, said) + (f"; backup {copy}" if copy else "")),
        table=Table(("profile", "from", "to", "backup"), [(profile.name, before, after, copy)]),
        names=[profile.name],
    )  # fmt: skip
