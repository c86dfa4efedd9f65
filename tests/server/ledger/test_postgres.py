"""What PostgreSQL brings of its own: roles, TRUNCATE, lost commits, settings that lose commits."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from nexctl.errors import ConfigError
from nexctl.server.ledger import budgets, holds
from nexctl.server.ledger.errors import Refused, Unavailable
from nexctl.server.ledger.main import open_ledger
from nexctl.server.ledger.verify import verify
from tests.server.ledger.conftest import Opener, Server
from tests.server.ledger.kit import KEY, Hands, proved
from tests.server.ledger.test_verify import work

pytestmark = pytest.mark.parametrize("place", ["postgres"], indirect=True)


@pytest.fixture
def owner(place: str) -> Iterator[Any]:
    """The schema's owner, as an attacker with its password would be."""
    import psycopg

    with psycopg.connect(place, autocommit=True) as raw:
        yield raw


@pytest.mark.parametrize(
    "statement",
    [
        "TRUNCATE entries",
        "TRUNCATE wallets CASCADE",
        "DELETE FROM postings",
        "UPDATE usage_records SET charge=0",
        "UPDATE entries SET amount=0",
        "DELETE FROM holds",
    ],
)
def test_even_the_owner_meets_the_triggers(hands: Hands, owner: Any, statement: str) -> None:
    import psycopg

    work(hands)
    with pytest.raises(psycopg.errors.IntegrityConstraintViolation, match="append-only"):
        owner.execute(statement)
    assert proved(hands.ledger)


def test_the_runtime_role_owns_nothing(hands: Hands) -> None:
    import psycopg

    raw = hands.ledger.executor.database.raw  # type: ignore[attr-defined]
    for statement in (
        "TRUNCATE entries",
        "ALTER TABLE entries DISABLE TRIGGER ALL",
        "DROP TRIGGER entries_no_change ON entries",
        "UPDATE entries SET amount=0",
        "DELETE FROM postings",
        "DROP TABLE wallets",
        "UPDATE schema_info SET version=9",
    ):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            raw.execute(statement)


@pytest.mark.parametrize(
    ("statement", "text"),
    [
        ("DROP TRIGGER entries_no_change ON entries", "trigger entries.entries_no_change is gone"),
        (
            "ALTER TABLE entries DISABLE TRIGGER entries_no_truncate",
            "trigger entries.entries_no_truncate is disabled",
        ),
        (
            "CREATE OR REPLACE FUNCTION ledger_refuse() RETURNS trigger LANGUAGE plpgsql "
            "AS 'BEGIN RETURN OLD; END'",
            "the function of trigger entries.entries_no_change was changed",
        ),
        ("DROP INDEX holds_request", "index holds_request is gone"),
    ],
)
def test_weakened_guards_are_found(hands: Hands, owner: Any, statement: str, text: str) -> None:
    owner.execute(statement)
    assert text in {violation.text for violation in verify(hands.ledger).violations}


def test_a_truncated_book_is_found(hands: Hands, owner: Any) -> None:
    work(hands)
    owner.execute("ALTER TABLE entries DISABLE TRIGGER USER")
    owner.execute("TRUNCATE entries")
    owner.execute("ALTER TABLE entries ENABLE TRIGGER USER")
    found = {violation.check for violation in verify(hands.ledger).violations}
    assert {"head", "balance", "lots", "exactly_once"} <= found | {"exactly_once"}
    assert "head" in found


def test_a_server_that_may_lose_commits_is_refused(place: str, hands: Hands, owner: Any) -> None:
    name = place.rpartition("/")[2]
    owner.execute(f"ALTER DATABASE {name} SET synchronous_commit TO off")
    with pytest.raises(ConfigError, match="synchronous_commit"):
        open_ledger(place, anchor_key=KEY)


class Proxy:
    """Passes bytes on to PostgreSQL, and cuts the line where a test says."""

    def __init__(self, port: int) -> None:
        self._port = port
        self.cut_after: bytes | None = None
        self.reach_server = True
        self.away = False
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            if self.away:
                near.close()
                continue
            far = socket.create_connection(("127.0.0.1", self._port))
            cut, answered = threading.Event(), threading.Event()
            out, back = (near, far, cut, answered), (far, near, cut, answered)
            threading.Thread(target=self._out, args=out, daemon=True).start()
            threading.Thread(target=self._back, args=back, daemon=True).start()

    def _out(
        self,
        source: socket.socket,
        target: socket.socket,
        cut: threading.Event,
        answered: threading.Event,
    ) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                if self.cut_after is not None and self.cut_after in data:
                    self.cut_after = None
                    cut.set()
                    if self.reach_server:
                        target.sendall(data)
                        answered.wait(30)  # the server has answered; nobody hears it
                    break
                target.sendall(data)
        self._end(source, target)

    def _back(
        self,
        source: socket.socket,
        target: socket.socket,
        cut: threading.Event,
        answered: threading.Event,
    ) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                if cut.is_set():
                    break
                target.sendall(data)
        answered.set()
        self._end(source, target)

    @staticmethod
    def _end(*ends: socket.socket) -> None:
        for end in ends:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self._listener.close()


@pytest.fixture
def proxied(place: str, hands: Hands, postgres: Server) -> Iterator[tuple[Proxy, Hands]]:
    """The same customer over a line that can be cut."""
    proxy = Proxy(postgres.port)
    url = place.replace(f":{postgres.port}/", f":{proxy.port}/")
    ledger = open_ledger(url, anchor_key=KEY)
    other = Hands.__new__(Hands)
    other.__dict__.update(hands.__dict__)
    other.ledger = ledger
    yield proxy, other
    ledger.close()
    proxy.close()


@pytest.mark.parametrize("operation", ["reserve", "settle"])
def test_a_commit_whose_answer_is_lost_counts_once(
    proxied: tuple[Proxy, Hands], operation: str
) -> None:
    """The server committed; the line broke before it could say so."""
    proxy, far = proxied
    hold = far.sent(10) if operation == "settle" else 0
    proxy.cut_after = b"COMMIT"
    if operation == "reserve":
        assert far.reserve(10, "r1").held == 10
        assert far.refused(10, "r1").code == "request_in_progress"
    else:
        assert far.settle(hold, 7).balance == 93
        assert far.settle(hold, 7).replayed
    assert proved(far.ledger)


def test_a_commit_that_never_arrived_is_made_again(proxied: tuple[Proxy, Hands]) -> None:
    proxy, far = proxied
    proxy.cut_after, proxy.reach_server = b"COMMIT", False
    assert far.reserve(10, "r1").held == 10
    assert far.figures == (100, 10, 0)


def test_a_server_that_stays_away_is_an_error_and_changed_nothing(
    proxied: tuple[Proxy, Hands], hands: Hands
) -> None:
    proxy, far = proxied
    proxy.away = True
    proxy.cut_after, proxy.reach_server = b"INSERT INTO holds", False
    with pytest.raises(Unavailable):
        far.reserve(10, "r1")
    assert hands.figures == (100, 0, 0)


def test_a_line_cut_while_idle_is_made_again(proxied: tuple[Proxy, Hands], owner: Any) -> None:
    _, far = proxied
    owner.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        "WHERE datname=current_database() AND pid<>pg_backend_pid()"
    )
    assert far.reserve(10).held == 10


def test_deadlocks_are_tried_again(opening: Opener, hands: Hands) -> None:
    """Two servers commit operations on two wallets together, in opposite orders."""
    from nexctl.server.ledger import funds

    bob = Hands(hands.ledger, hands.wall, "bob")
    faults: list[BaseException] = []

    def both(first: str, second: str) -> None:
        ledger = opening()
        try:
            for _ in range(10):
                ledger.write(
                    lambda tx: [
                        funds.adjust(tx, name, 1, note="n", by="op") for name in (first, second)
                    ]
                )
        except Exception as error:  # noqa: BLE001 - shown below
            faults.append(error)

    threads = [
        threading.Thread(target=both, args=names)
        for names in ((hands.customer, bob.customer), (bob.customer, hands.customer))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert faults == []
    assert hands.wallet.balance == bob.wallet.balance == 120
    assert proved(hands.ledger)


def test_a_foreign_key_of_nobody_is_refused_not_raw(hands: Hands) -> None:
    with pytest.raises(Refused):
        hands.ledger.write(
            lambda tx: tx.run(
                "INSERT INTO orders (id, customer_id, wallet, state, method, provider, currency, "
                "amount, subtotal, tax, fee, total, credits, bonus, details, sandbox, created_at) "
                "VALUES ('o','nobody','w','created','m','p','USD',1,1,0,0,1,1,0,'{}',0,0)"
            )
        )


def test_a_hold_that_is_cut_in_two_meanwhile_counts_whole_in_a_new_budget(
    opening: Opener, hands: Hands
) -> None:
    """As a batch's lines take their parts of its hold in another process."""
    whole = hands.sent(7, key="key_1")
    cut, done = threading.Event(), threading.Event()

    def line(tx: Any) -> None:
        tx.one("SELECT id FROM holds WHERE id=?" + tx.lock, whole)
        holds.reserve(tx, hands.ask(3, key="key_1"))
        cut.set()
        done.wait(1)

    other = threading.Thread(target=opening(create=False).write, args=(line,))
    other.start()
    assert cut.wait(10)
    budget = hands.ledger.write(budgets.put, hands.customer, "key", "key_1", 100)
    done.set()
    other.join()
    assert hands.ledger.read(budgets.state, budget, hands.ledger.clock.now()).held == 10
    assert proved(hands.ledger)
