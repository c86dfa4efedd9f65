"""Rows beside the money: customers, keys, operators, providers, codes, books, idempotency."""

from __future__ import annotations

import hashlib

import pytest

from nexctl.server.ledger import (
    books,
    codes,
    customers,
    idempotency,
    keys,
    operators,
    providers,
    settings,
)
from nexctl.server.ledger.errors import Refused
from nexctl.server.ledger.main import Ledger
from tests.server.ledger.conftest import Opener
from tests.server.ledger.kit import Hands, new_code, proved

HOUR = 3_600_000_000


def sha(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()


class Mirror:
    """A sealer that anybody could open: the port's shape is what counts here."""

    def seal(self, plain: bytes) -> bytes:
        return b"sealed:" + plain[::-1]

    def unseal(self, sealed: bytes) -> bytes:
        return sealed.removeprefix(b"sealed:")[::-1]


def key(hands: Hands, name: str = "ci", **named: object) -> keys.Key:
    given = {"hash": sha(name), "prefix": f"nxt_sk_{name}", **named}
    return hands.ledger.write(keys.create, hands.customer, name, **given)  # type: ignore[arg-type]


def test_customers_have_unique_names_and_a_wallet(hands: Hands, ledger: Ledger) -> None:
    with pytest.raises(Refused) as said:
        ledger.write(customers.create, "ann", currency="USD")
    assert said.value.code == "name_taken"
    bob = ledger.write(
        customers.create, "bob", currency="credits", scale=6, plan="pro", labels={"a": "b"}
    )
    assert ledger.read(customers.get, bob.id) == bob
    wallet = ledger.wallet(bob.id)
    assert (wallet.currency, wallet.scale, wallet.balance) == ("credits", 6, 0)
    changed = ledger.write(customers.change, bob.id, state="suspended", policy={"x": 1})
    assert (changed.state, changed.policy) == ("suspended", {"x": 1})
    assert [c.name for c in ledger.read(customers.listed, state="active")] == ["ann"]
    first = ledger.read(customers.listed, limit=1)
    rest = ledger.read(customers.listed, after=first[0].id)
    assert {c.name for c in first + rest} == {"ann", "bob"}


def test_another_customers_wallet_is_not_there(hands: Hands, ledger: Ledger) -> None:
    bob = Hands(ledger, hands.wall, "bob")
    assert hands.refused(1, wallet=bob.customer).code == "not_found"
    with pytest.raises(Refused):
        ledger.wallet(hands.customer, wallet=bob.customer)


def test_a_secret_finds_its_key_with_parent_and_customer(hands: Hands, ledger: Ledger) -> None:
    parent = key(hands, "parent", models=["nex-pro"], rpm=60, labels={"team": "a"})
    child = key(hands, "child", parent=parent.id, kind="sub_key", ip_allowlist=["10.0.0.0/8"])
    found = ledger.read(keys.by_secret, sha("child"))
    assert found is not None
    assert found.parent is not None
    assert (found.key.id, found.parent.id, found.customer_state) == (child.id, parent.id, "active")
    assert (found.parent.models, found.key.ip_allowlist) == (("nex-pro",), ("10.0.0.0/8",))
    assert (found.prefix, found.secret_expires_at) == ("nxt_sk_child", None)
    assert ledger.read(keys.by_secret, sha("nobody")) is None


def test_sub_keys_are_one_deep_and_of_the_same_customer(hands: Hands, ledger: Ledger) -> None:
    parent = key(hands, "parent")
    child = key(hands, "child", parent=parent.id, kind="sub_key")
    with pytest.raises(Refused):
        key(hands, "deep", parent=child.id, kind="sub_key")
    bob = Hands(ledger, hands.wall, "bob")
    with pytest.raises(Refused):
        key(bob, "theirs", parent=parent.id, kind="sub_key")
    assert ledger.read(keys.count, hands.customer, "sub_key", parent.id) == 1


def test_key_names_are_unique_until_revoked(hands: Hands, ledger: Ledger) -> None:
    first = key(hands)
    with pytest.raises(Refused) as said:
        key(hands)
    assert said.value.code == "name_taken"
    ledger.write(keys.revoke, first.id)
    key(hands, "ci", hash=sha("ci2"))


def test_revoking_ends_sub_keys_too_and_for_ever(hands: Hands, ledger: Ledger) -> None:
    parent = key(hands, "parent")
    key(hands, "child", parent=parent.id, kind="sub_key")
    ledger.write(keys.revoke, parent.id)
    again = ledger.write(keys.revoke, parent.id)
    assert again.state == "revoked"
    for name in ("parent", "child"):
        found = ledger.read(keys.by_secret, sha(name))
        assert found is not None
        assert found.key.state == "revoked"
    with pytest.raises(Refused):
        ledger.write(keys.enable, parent.id, enabled=True)


def test_rotation_keeps_the_old_secret_for_the_overlap(hands: Hands, ledger: Ledger) -> None:
    made = key(hands)
    hands.wall.wait(10)
    ledger.write(keys.rotate, made.id, hash=sha("new"), prefix="nxt_sk_new", overlap=HOUR)
    now = ledger.clock.now()
    old, new = (ledger.read(keys.by_secret, sha(name)) for name in ("ci", "new"))
    assert old is not None
    assert new is not None
    assert (old.secret_expires_at, new.secret_expires_at) == (now + HOUR, None)
    shown = ledger.read(keys.get, made.id)
    assert shown is not None
    assert (shown.prefix, shown.previous_prefix) == ("nxt_sk_new", "nxt_sk_ci")
    hands.wall.wait(10)
    ledger.write(keys.rotate, made.id, hash=sha("third"), prefix="nxt_sk_third", overlap=HOUR)
    ended = ledger.read(keys.by_secret, sha("ci"))
    assert ended is not None
    assert ended.secret_expires_at == ledger.clock.now()


def test_keys_change_and_are_listed_by_state(hands: Hands, ledger: Ledger) -> None:
    made = key(hands, expires_at=ledger.clock.now() + 10_000_000)
    key(hands, "other")
    changed = ledger.write(keys.change, made.id, rpm=5, models=["m"], labels={"x": "y"})
    assert (changed.rpm, changed.models, changed.labels) == (5, ("m",), {"x": "y"})
    assert ledger.write(keys.change, made.id, rpm=None).rpm is None
    ledger.write(keys.enable, made.id, enabled=False)
    names = lambda state: [k.name for k in ledger.read(keys.listed, hands.customer, state=state)]  # noqa: E731
    assert (names("disabled"), names("active")) == (["ci"], ["other"])
    ledger.write(keys.enable, made.id, enabled=True)
    hands.wall.wait(11)
    assert (names("expired"), names("active")) == (["ci"], ["other"])
    with pytest.raises(TypeError):
        ledger.write(keys.change, made.id, customer_id="x")


def test_operators_keep_a_last_owner(ledger: Ledger) -> None:
    first = ledger.write(operators.create, "root", "owner", hash=sha("r"), prefix="nxt_op_r")
    helper = ledger.write(operators.create, "help", "support", hash=sha("h"), prefix="nxt_op_h")
    assert ledger.read(operators.by_secret, sha("h")) == helper
    with pytest.raises(Refused):
        ledger.write(operators.revoke, first.id)
    assert ledger.write(operators.revoke, helper.id)
    assert not ledger.write(operators.revoke, helper.id)
    states = {o.name: o.state for o in ledger.read(operators.listed)}
    assert states == {"root": "active", "help": "revoked"}


def test_provider_keys_are_stored_sealed(opening: Opener, place: str) -> None:
    ledger = opening(sealer=Mirror())
    made = ledger.write(
        providers.put,
        "up",
        "openai",
        base_url="https://x.test",
        key=b"sk-canary-123",
        models={"nex-pro": "gpt"},
        options={"a": 1},
    )
    assert made.has_key
    assert ledger.read(providers.key_of, "up") == b"sk-canary-123"
    stored = ledger.read(lambda tx: tx.value("SELECT sealed_key FROM providers"))
    assert b"sk-canary-123" not in bytes(stored)
    changed = ledger.write(providers.change, "up", enabled=False, key=None, priority=3)
    assert (changed.enabled, changed.has_key, changed.priority) == (False, False, 3)
    assert ledger.read(providers.key_of, "up") is None
    ledger.write(providers.put, "echo", "echo", priority=1)
    assert [p.id for p in ledger.read(providers.listed)] == ["echo", "up"]
    assert ledger.write(providers.remove, "up")
    without = opening()
    with pytest.raises(Refused):
        without.write(providers.put, "up", "openai", key=b"secret")


def test_a_code_is_older_than_the_audit_log(hands: Hands, ledger: Ledger) -> None:
    """As one is that a gateway's first program made, which kept no such log."""
    ledger.write(codes.create, sha("NEXCOLD"), "NEXCOL", 25, "USD")
    assert proved(ledger)
    hands.wall.wait(3600)
    new_code(ledger, sha("NEXCNEW"), "NEXCNE", 25)
    assert proved(ledger)


def test_codes_are_redeemed_once(hands: Hands, ledger: Ledger) -> None:
    assert codes.normal(" nexc-ab12 cd\n") == "NEXCAB12CD"
    made = new_code(ledger, sha("NEXCAB12CD"), "NEXCAB", 25, note="fair")
    bob = Hands(ledger, hands.wall, "bob", 0)
    used, credit = ledger.write(codes.redeem, bob.customer, bob.customer, sha("NEXCAB12CD"))
    assert (used.id, used.state, used.redeemed_by, credit.amount) == (
        made.id,
        "redeemed",
        bob.customer,
        25,
    )
    for customer in (bob.customer, hands.customer):
        with pytest.raises(Refused) as said:
            ledger.write(codes.redeem, customer, customer, sha("NEXCAB12CD"))
        assert said.value.code == "code_used"
    assert bob.figures == (25, 0, 0)
    assert proved(ledger)


def test_codes_expire_are_voided_and_keep_their_currency(hands: Hands, ledger: Ledger) -> None:
    ledger.write(codes.create, sha("A"), "A", 5, "USD", expires_at=ledger.clock.now() + 5_000_000)
    ledger.write(codes.create, sha("B"), "B", 5, "EUR")
    dead = ledger.write(codes.create, sha("C"), "C", 5, "USD")
    ledger.write(codes.void, dead.id)
    hands.wall.wait(6)
    for code, why in (
        ("A", "code_used"),
        ("B", "payment_mismatch"),
        ("C", "code_used"),
        ("D", "code_not_found"),
    ):
        with pytest.raises(Refused) as said:
            ledger.write(codes.redeem, hands.customer, hands.customer, sha(code))
        assert said.value.code == why
    states = {c.prefix: c.state for c in ledger.read(codes.listed)}
    assert states == {"A": "expired", "B": "open", "C": "void"}
    assert [c.prefix for c in ledger.read(codes.listed, state="expired")] == ["A"]


def test_guessing_codes_has_an_end(hands: Hands, ledger: Ledger) -> None:
    for _ in range(codes.ATTEMPTS):
        ledger.write(codes.attempt, hands.customer)
    with pytest.raises(Refused) as said:
        ledger.write(codes.attempt, hands.customer)
    assert said.value.code == "rate_limited"
    hands.wall.wait(codes.WITHIN)
    ledger.write(codes.attempt, hands.customer)


def test_books_are_kept_by_hash_and_never_edited(ledger: Ledger) -> None:
    first = ledger.write(books.add, "nextoken", "v1", "a = 1")
    assert ledger.write(books.add, "nextoken", "v1", "a = 1") == first
    now = ledger.clock.now()
    later = ledger.write(books.add, "nextoken", "v2", "a = 2", now + HOUR)
    assert ledger.read(books.in_force) == first
    assert ledger.read(books.in_force, now + HOUR) == later
    assert [b.version for b in ledger.read(books.listed)] == ["v1", "v2"]
    assert ledger.read(books.get, hashlib.sha256(b"a = 2").hexdigest()) == later


def test_an_idempotent_write_answers_the_first_answer(ledger: Ledger) -> None:
    scope = ("cus", "key", "POST", "/v1/keys", "idem-1")
    assert ledger.write(idempotency.begin, *scope, sha("body")) is None
    with pytest.raises(Refused) as said:
        ledger.write(idempotency.begin, *scope, sha("body"))
    assert said.value.code == "request_in_progress"
    ledger.write(idempotency.finish, *scope, 201, b'{"id":1}')
    assert ledger.write(idempotency.begin, *scope, sha("body")) == (201, b'{"id":1}')
    with pytest.raises(Refused) as said:
        ledger.write(idempotency.begin, *scope, sha("other"))
    assert said.value.code == "idempotency_conflict"
    assert ledger.write(idempotency.begin, "other", *scope[1:], sha("other")) is None
    assert ledger.write(idempotency.forget, -1) == 2


def test_settings_are_json(ledger: Ledger) -> None:
    assert ledger.read(settings.get, "x") is None
    ledger.write(settings.put, "x", {"a": [1]})
    ledger.write(settings.put, "x", {"a": [2]})
    assert ledger.read(settings.every) == {"x": {"a": [2]}}
