"""Prove every invariant on a live database, in short snapshots, and name what does not hold.

A wallet's book is append-only, so its entries are walked page by page, each page a snapshot of its
own; the last page is read together with the wallet's row, its lots, holds and buckets. Nothing is
locked, nothing is changed.

Long because one walk feeds every check: `proofs`, `verify_more` and `batch_checks` hold the checks
that need nothing of it.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import msgspec

from nexctl.records import Usage
from nexctl.server.ledger import (
    anchors,
    audit_log,
    batch_checks,
    budgets,
    guards,
    owners,
    proofs,
    verify_more,
)
from nexctl.server.ledger.anchors import Head
from nexctl.server.ledger.chain import DEBT, GENESIS, WALLET, encode
from nexctl.server.ledger.executors import Inline
from nexctl.server.ledger.main import Ledger
from nexctl.server.ledger.port import Row, Transaction
from nexctl.server.ledger.state import digest

PAGE = 2000
Reprice = Callable[[dict[str, Any], Usage], int]

# every check, and what it proves
CHECKS = {
    "schema": "tables, indexes and append-only triggers are the ones that were made",
    "storage": "the database's own integrity check passes",
    "chain": "each entry's hash follows from the one before, without a gap",
    "balance": "each entry's running balance is the one before plus its amount, never below 0",
    "time": "no entry is older than the one before it",
    "head": "the wallet's row is its last entry, proved by the key",
    "anchors": "every anchored head is still in its chain",
    "double_entry": "the postings of each entry sum to 0, and of all entries together",
    "lots": "what is left of each lot is what was credited less what was drawn, and only gifts end",
    "conservation": "the balance is the sum of what is left of the lots",
    "held": "held is the sum of open holds, and lies inside the balance",
    "debt": "the debt is what its postings say",
    "belongs": "each wallet has its customer, and nothing lies in a wallet that is not there",
    "exactly_once": "each settled hold has one debit and each debit one settled hold",
    "usage": "each debit has its usage record, its charge paid or owed to the last unit",
    "prices": "each debit has its price snapshot, unchanged",
    "recompute": "each debit follows from its snapshot and quantities",
    "budgets": "each bucket's spent and held are the sums over its requests",
    "owners": "no reserved hold belongs to an owner that is gone",
    "unknown": "each hold without an outcome has a rule and a deadline",
    "orders": "each credited order has one payment, and one top-up of its credits and bonus",
    "grants": "each grant has its credit, once a period, and ends when it was given to end",
    "codes": "each code is as it was made, a redeemed one has its grant, each use its own order",
    "audit": "each row of the audit log follows from the one before, the last proved by the key",
    "orgs": "each organisation has its account and an owner, each project its wallet",
    "deliveries": "each delivery has its event and somebody who is told",
    "costs": "each cost belongs to a usage record and follows from the book that it names",
    "fees": "each plan fee has its debit",
    "papers": "each series is without a gap, each paper's parts make its total, its order's",
    "tiers": "each month's gross and cuts are its debits', each threshold is credited once",
    "batches": "each batch holds what its waiting lines need, each answered line is one debit",
}


class Violation(NamedTuple):
    """What does not hold: the check's name, where, and what was found."""

    check: str
    place: str
    text: str


class Proof(NamedTuple):
    """`proved` = check -> how many things it looked at; `violations` in order of finding.

    A check that could not be made (no key, no pricer) is missing from `proved` and named in
    `skipped` with the reason.
    """

    proved: dict[str, int]
    violations: tuple[Violation, ...]
    skipped: dict[str, str]

    @property
    def clean(self) -> bool:
        """Whether nothing was found."""
        return not self.violations


class _Report:
    def __init__(self) -> None:
        self.counts: dict[str, int] = {}
        self.violations: list[Violation] = []
        self.skipped: dict[str, str] = {}

    def looked(self, check: str, count: int = 1) -> None:
        self.counts[check] = self.counts.get(check, 0) + count

    def check(self, check: str, holds: bool, place: str, text: str) -> None:
        self.counts[check] = self.counts.get(check, 0) + 1
        if not holds:
            self.violations.append(Violation(check, place, text))

    @contextlib.contextmanager
    def readable(self, check: str, place: str) -> Iterator[None]:
        """Whoever tampers need not keep to a form: what cannot be read is named, and is no fault
        of the proof's.
        """
        try:
            yield
        except (LookupError, ValueError, TypeError, ArithmeticError, msgspec.MsgspecError):
            self.check(check, False, place, "what is kept there cannot be read")


class _Book:
    """What walking one wallet's entries has added up so far."""

    def __init__(self, wallet: str) -> None:
        self.wallet = wallet
        self.seq = self.balance = self.debt = self.at = 0
        self.head = GENESIS
        self.lots: dict[int, int] = {}
        self.credited: dict[int, int] = {}
        self.spent: dict[tuple[str, int], int] = {}
        self.system: dict[str, int] = {}
        self.months: dict[str, list[int]] = {}
        self.heads: dict[int, bytes] = {}
        self.wanted: set[int] = set()
        self.callers: set[str] = set()
        self.units: set[tuple[str, int]] = set()
        self.money_in: dict[int, tuple[str, int, str | None]] = {}
        self.paid_in: dict[str, int] = {}
        self.payers: dict[str, set[str]] = {}


def verify(
    ledger: Ledger | Inline,
    *,
    kept_anchors: Iterable[Head] = (),
    reprice: Reprice | None = None,
    page: int = PAGE,
) -> Proof:
    """Walk the whole ledger and return what was proved and what does not hold.

    `kept_anchors` are heads kept outside the database (`anchors.imported`). `reprice(snapshot,
    usage)` recomputes a charge from a stored snapshot; without it that check is skipped.
    """
    executor = ledger.executor if isinstance(ledger, Ledger) else ledger
    report = _Report()
    dead = executor.read(owners.lapsed)
    executor.read(_database, report)
    known = [*executor.read(anchors.kept), *kept_anchors]
    budget_of = executor.read(_budgets, report)
    prices = executor.read(_snapshots, report)
    wallets = [row[0] for row in executor.read(_wallets)]
    total: dict[str, int] = {}
    for wallet in wallets:
        book = _Book(wallet)
        mine = [head for head in known if head.wallet == wallet]
        book.wanted = {head.seq for head in mine}
        more = True
        while more:
            more = executor.read(_page, book, report, page, budget_of, prices, reprice)
        _anchored(executor, report, book, mine)
        for account, amount in book.system.items():
            total[account] = total.get(account, 0) + amount
    for head in known:
        if head.wallet not in wallets:
            report.check("anchors", False, head.wallet, "an anchored wallet is gone")
    report.check("double_entry", sum(total.values()) == 0, "all", "the accounts do not sum to 0")
    last: int | None = 0
    while last is not None:
        last = executor.read(_settled, report, last, page)
    executor.read(_rows, report, dead)
    executor.read(proofs.belonging, report)
    executor.read(verify_more.organisations, report)
    executor.read(verify_more.deliveries, report)
    executor.read(verify_more.kept_prices, report)
    executor.read(verify_more.made_codes, report)
    place: tuple[str, int] | None = ("", 0)
    while place is not None:
        place = executor.read(verify_more.costs, report, place, page)
    for chain in executor.read(audit_log.chains):
        executor.read(verify_more.audit, report, chain)
    for batch in executor.read(batch_checks.every):
        with report.readable("batches", str(batch)):
            executor.read(batch_checks.check, report.check, batch)
    report.looked("batches", 0)
    if executor.shared.anchor_key is None:
        report.skipped["head_key"] = "no anchor key was given"
    if reprice is None:
        report.skipped["recompute"] = "no pricer was given"
    return Proof(report.counts, tuple(report.violations), report.skipped)


def _wallets(tx: Transaction) -> list[Row]:
    return tx.all("SELECT id FROM wallets ORDER BY id")


def _budgets(tx: Transaction, report: _Report) -> dict[str, budgets.Budget]:
    found: dict[str, budgets.Budget] = {}
    for (name,) in tx.all("SELECT id FROM budgets"):
        with report.readable("budgets", f"budget {name}"):
            budget = budgets.by_id(tx, name)
            if budget is not None:
                found[name] = budget
    return found


def _database(tx: Transaction, report: _Report) -> None:
    looked, faults = guards.faults(tx)
    report.looked("schema", looked)
    report.violations += [Violation("schema", "schema", text) for text in faults]
    if tx.dialect == "sqlite":
        for (text,) in tx.all("PRAGMA quick_check(20)"):
            report.check("storage", text == "ok", "file", text)
        for table, _, gone, _ in tx.all("PRAGMA foreign_key_check"):
            report.check("storage", False, table, f"a row of {gone} that it points at is gone")
    else:
        found = tx.value("SHOW synchronous_commit")
        report.check("storage", found != "off", "server", "synchronous_commit is off")


def _snapshots(tx: Transaction, report: _Report) -> dict[str, dict[str, Any] | None]:
    """Stored snapshots by hash; a changed one as None, so that its debits are named."""
    found: dict[str, dict[str, Any] | None] = {}
    for hash_, body in tx.all("SELECT hash, body FROM price_snapshots"):
        same = hashlib.sha256(body.encode()).hexdigest() == hash_
        report.check("prices", same, hash_, "the snapshot is not what its hash says")
        found[hash_] = None
        if same:
            with report.readable("prices", hash_):
                found[hash_] = msgspec.json.decode(body, type=dict[str, Any])
    return found


_ENTRIES = (
    "SELECT e.seq, e.at, e.kind, e.amount, e.balance, e.reference, e.note, e.reverses, e.hash, "
    "u.hold, u.created_at, u.customer_id, u.request_id, u.key_id, u.model, u.status, u.charge, "
    "u.snapshot, u.record, h.state, h.seq, h.layers, h.request_id, h.customer_id, h.wallet, "
    "h.created_at, h.key_id, h.model "
    "FROM entries e LEFT JOIN usage_records u ON u.wallet=e.wallet AND u.seq=e.seq "
    "LEFT JOIN holds h ON h.id=u.hold "
    "WHERE e.wallet=? AND e.seq>? ORDER BY e.seq LIMIT ?"
)


def _page(
    tx: Transaction,
    book: _Book,
    report: _Report,
    page: int,
    budget_of: dict[str, budgets.Budget],
    prices: dict[str, dict[str, Any] | None],
    reprice: Reprice | None,
) -> bool:
    """Walk one page; at the end of the book compare the rest of the wallet. False when done."""
    rows = tx.all(_ENTRIES, book.wallet, book.seq, page)
    first = book.seq
    lines: dict[int, list[tuple[str, int | None, int]]] = {}
    if rows:
        for seq, account, lot, amount in tx.all(
            "SELECT seq, account, lot, amount FROM postings "
            "WHERE wallet=? AND seq>? AND seq<=? ORDER BY seq, line",
            *(book.wallet, first, rows[-1][0]),
        ):
            lines.setdefault(seq, []).append((account, lot, amount))
    for row in rows:
        postings = lines.get(row[0], [])
        _entry(report, book, row, postings)
        if row[9] is not None or row[2] == "usage":
            with report.readable("usage", f"{book.wallet} {row[0]}"):
                _usage(report, book, row, postings, budget_of, prices, reprice)
    if len(rows) == page:
        return True
    with report.readable("head", book.wallet):
        _ending(tx, report, book, budget_of)
    return False


def _entry(
    report: _Report, book: _Book, row: Row, postings: list[tuple[str, int | None, int]]
) -> None:
    seq, at, kind, amount, balance, reference, note, reverses, hash_ = row[:9]
    place = f"{book.wallet} {seq}"
    usage = None if row[9] is None else row[9:19]
    made = digest(
        book.head,
        encode(
            (
                *(book.wallet, seq, at, kind, amount, balance, reference, note, reverses),
                *(postings, usage),
            )
        ),
    )
    report.check("chain", seq == book.seq + 1, place, f"entry {book.seq + 1} is missing")
    report.check("chain", made == bytes(hash_), place, "the entry is not what its hash says")
    report.check(
        "balance",
        balance == book.balance + amount and balance >= 0,
        place,
        f"the balance is {balance}, not {book.balance + amount}",
    )
    report.check("time", at >= book.at, place, "the entry is older than the one before")
    moved = sum(part for account, _, part in postings if account == WALLET)
    report.check(
        "double_entry", sum(part for _, _, part in postings) == 0, place, "postings do not sum to 0"
    )
    report.check("double_entry", moved == amount, place, f"postings move {moved}, not {amount}")
    for account, lot, part in postings:
        if account == WALLET:
            left = book.lots.get(lot or 0, 0) + part
            book.lots[lot or 0] = left
            if part > 0:
                book.credited[lot or 0] = book.credited.get(lot or 0, 0) + part
            report.check("lots", left >= 0, place, f"lot {lot} was drawn below nothing")
        elif account == DEBT:
            book.debt -= part
        book.system[account] = book.system.get(account, 0) + part
    if kind != "usage":
        proofs.count_money_in(book, seq, kind, amount, reference, postings)
    book.seq, book.at, book.balance, book.head = seq, at, balance, bytes(hash_)
    if seq in book.wanted:
        book.heads[seq] = book.head


def _usage(
    report: _Report,
    book: _Book,
    row: Row,
    postings: list[tuple[str, int | None, int]],
    budget_of: dict[str, budgets.Budget],
    prices: dict[str, dict[str, Any] | None],
    reprice: Reprice | None,
) -> None:
    seq, kind = row[0], row[2]
    place = f"{book.wallet} {seq}"
    if row[9] is None:
        report.check("usage", False, place, "the debit has no usage record")
        return
    report.check("usage", kind == "usage", place, f"a usage record on a {kind} entry")
    created, customer, request, key = row[10:14]
    charge, snapshot, record = row[16], row[17], row[18]
    state, hold_seq, layers, *of_hold = row[19:27]
    charged = row[27]
    same = (state, hold_seq) == ("settled", seq)
    report.check("exactly_once", same, place, f"its hold is {state} as {hold_seq}")
    same = of_hold == [request, customer, book.wallet, created, key]
    report.check("exactly_once", same, place, "its hold is another's")
    book.callers.add(customer)
    earned = sum(part for account, _, part in postings if account == "usage")
    report.check("usage", earned == charge, place, f"charged {charge}, posted {earned}")
    report.check("prices", prices.get(snapshot) is not None, place, "its price snapshot is gone")
    usage = Usage(request=0)._replace(**msgspec.json.decode(record)["usage"])
    stored = prices.get(snapshot)
    model = stored.get("model") if stored else None
    report.check("prices", model in (None, charged), place, f"{charged} priced as {model}")
    if stored is not None and "unit" in stored and "scale" in stored:
        book.units.add((stored["unit"], stored["scale"]))
    proofs.count_month(report, book, row, place)
    if reprice is not None and stored is not None:
        again = reprice(stored, usage)
        report.check("recompute", again == charge, place, f"charged {charge}, priced {again}")
    for part in budgets.parts_of(layers or "[]"):
        budget = budget_of.get(part.budget)
        if budget is not None:
            where = (part.budget, part.start)
            counts = budgets.meets(budget, charged)
            spent = budgets.counted(budget, charge, usage) if counts else 0
            book.spent[where] = book.spent.get(where, 0) + spent


def _ending(
    tx: Transaction, report: _Report, book: _Book, budget_of: dict[str, budgets.Budget]
) -> None:
    """The rest of a wallet, on the snapshot in which its book was read to the end."""
    place = book.wallet
    row = tx.one(
        "SELECT seq, head, mac, balance, held, debt, last_at, next_expiry, customer_id, "
        "currency, scale FROM wallets WHERE id=?",
        place,
    )
    if row is None:
        report.check("head", False, place, "the wallet is gone")
        return
    seq, head, mac, balance, held, debt, last_at, next_expiry, customer, *unit = row
    same = (seq, bytes(head), last_at if book.seq else 0) == (book.seq, book.head, book.at)
    report.check("head", same, place, f"the wallet says {seq}, its book ends at {book.seq}")
    if tx.shared.anchor_key is not None:
        given = Head(place, seq, bytes(head), bytes(mac), 0)
        report.check("head", anchors.proved(tx.shared, given), place, "the head is not proved")
    report.check("balance", balance == book.balance, place, f"{balance}, not {book.balance}")
    report.check("debt", debt == book.debt, place, f"{debt}, not {book.debt}")
    for other in sorted(book.units - {tuple(unit)}):
        report.check("prices", False, place, f"its unit is {unit}, its debits are in {other}")
    proofs.wallet_money(tx, report, book, customer)
    _lots(tx, report, book, balance, next_expiry)
    _held(tx, report, book, customer, balance, held, budget_of)
    proofs.months(tx, report, book, customer)


def _lots(tx: Transaction, report: _Report, book: _Book, balance: int, next_expiry: int) -> None:
    place, left, earliest = book.wallet, 0, None
    for lot, amount, remaining, expires in tx.all(
        "SELECT lot, amount, remaining, expires_at FROM lots WHERE wallet=?", place
    ):
        left += remaining
        if remaining:
            earliest = expires if earliest is None else min(earliest, expires)
        said = (book.credited.pop(lot, None), book.lots.pop(lot, None))
        report.check(
            "lots",
            said == (amount, remaining),
            f"{place} lot {lot}",
            f"the lot says {remaining} of {amount}, its postings {said[1]} of {said[0]}",
        )
    for lot in book.lots:
        report.check("lots", False, f"{place} lot {lot}", "the lot is gone")
    report.check("conservation", left == balance, place, f"the lots have {left}, not {balance}")
    late = earliest is not None and next_expiry > earliest
    report.check("lots", not late, place, "a lot expires before the wallet looks")


def _held(
    tx: Transaction,
    report: _Report,
    book: _Book,
    customer: str,
    balance: int,
    held: int,
    budget_of: dict[str, budgets.Budget],
) -> None:
    place, kept = book.wallet, 0
    open_parts: dict[tuple[str, int], int] = {}
    for name, state, amount, layers, rule, deadline in tx.all(
        "SELECT id, state, amount, layers, rule, deadline FROM holds "
        "WHERE state IN ('reserved', 'dispatched', 'unknown') AND wallet=?",
        place,
    ):
        kept += amount
        with report.readable("held", f"hold {name}"):
            for part in budgets.parts_of(layers):
                where = (part.budget, part.start)
                open_parts[where] = open_parts.get(where, 0) + part.amount
        if state == "unknown":
            report.check(
                "unknown",
                bool(rule) and deadline is not None,
                f"hold {name}",
                "no rule or deadline",
            )
    report.check("held", held == kept, place, f"held is {held}, open holds are {kept}")
    report.check("held", 0 <= held <= balance, place, f"{held} is held of {balance}")
    if place != customer:
        return  # budgets are the customer's: they are compared with its first wallet
    others = tx.value("SELECT count(*) FROM wallets WHERE customer_id=?", customer)
    if others != 1 or verify_more.is_joined(tx, customer):
        verify_more.shared_budgets(tx, report, customer)
        return
    for budget, start, opening, spent, in_hold in tx.all(
        "SELECT b.budget, b.start, b.opening, b.spent, b.held FROM buckets b "
        "JOIN budgets g ON g.id=b.budget WHERE g.customer_id=?",
        customer,
    ):
        if budget not in budget_of:
            continue
        where = (budget, start)
        said = (spent - opening, in_hold)
        made = (book.spent.pop(where, 0), open_parts.pop(where, 0))
        report.check(
            "budgets",
            said == made,
            f"budget {budget} from {start}",
            f"spent and held are {said}, its requests make {made}",
        )
    for budget, start in {**book.spent, **open_parts}:
        text = "its requests are counted nowhere"
        own = budget in budget_of and budget_of[budget].customer == customer
        report.check("budgets", not own, f"budget {budget} from {start}", text)


def _anchored(executor: Inline, report: _Report, book: _Book, mine: list[Head]) -> None:
    for head in mine:
        place = f"{head.wallet} {head.seq}"
        if not anchors.proved(executor.shared, head):
            report.check("anchors", False, place, "the anchor itself is not proved by the key")
            continue
        there = GENESIS if head.seq == 0 else book.heads.get(head.seq)
        text = "the chain ends before its anchor" if there is None else "the chain was rewritten"
        report.check("anchors", there == head.head, place, text)


def _settled(tx: Transaction, report: _Report, after: int, page: int) -> int | None:
    """Each settled hold has its debit: one page of holds; the last one seen, None at the end."""
    rows = tx.all(
        "SELECT h.id, u.seq FROM holds h "
        "LEFT JOIN usage_records u ON u.wallet=h.wallet AND u.seq=h.seq AND u.hold=h.id "
        "WHERE h.id>? AND h.state='settled' ORDER BY h.id LIMIT ?",
        *(after, page),
    )
    for hold, seq in rows:
        report.check("exactly_once", seq is not None, f"hold {hold}", "settled without a debit")
    return rows[-1][0] if len(rows) == page else None


def _rows(tx: Transaction, report: _Report, dead: Sequence[str]) -> None:
    """What is not the book: owners, codes, fees, papers.

    An owner that died while this ran is nobody's fault: only those `dead` before it count.
    """
    known = {row[0] for row in tx.all("SELECT id FROM owners")}
    for hold, state, owner in tx.all(
        "SELECT id, state, owner FROM holds WHERE state IN ('reserved', 'dispatched', 'unknown') "
        "AND state<>'unknown'"
    ):
        alive = (owner in known and owner not in dead) or owner == owners.LASTING
        report.check("owners", alive, f"hold {hold}", f"{state}, but its owner is gone")
    proofs.money_in(tx, report)
