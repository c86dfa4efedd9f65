"""Making a gateway and opening one: its database, its first customer, its keys and secrets."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol

from nexctl.errors import ConfigError, UsageError
from nexctl.files import private_folder
from nexctl.server.house import House, Options
from nexctl.server.ledger import settings
from nexctl.server.ledger.main import Ledger, open_ledger

if TYPE_CHECKING:
    from nexctl.pricing.book import Book
    from nexctl.server.app import Gateway
    from nexctl.server.ledger.port import Transaction

FACTS = "gateway"
CUSTOMER = "me"
OPERATOR = "owner"
ECHO = "echo"
UPSTREAM = "upstream"


class Secrets(Protocol):
    """Where a gateway's secrets are kept outside its database; handed in by whoever runs it.

    Names: "key" (the first customer's management key), "operator" (the owner's key), "master"
    (64 hexadecimal digits: it seals stored secrets and proves the ledger's chains).
    """

    def get(self, name: str) -> str | None:
        """A secret, None where it is not kept."""
        ...

    def set(self, name: str, value: str) -> None:
        """Keep a secret."""
        ...


class Upstream(NamedTuple):
    """A real provider behind the gateway: its address, and the variable that holds its key."""

    url: str
    key_env: str | None = None
    allow_private: bool = False


class Made(NamedTuple):
    """What a new gateway has. The secrets are also in the port that was handed in."""

    place: str
    customer: str
    management_key: str
    operator_key: str


def exists(place: str) -> bool:
    """Whether there is a gateway at a path; a URL is asked when it is opened."""
    return not is_url(place) and os.path.exists(place)


def is_url(place: str) -> bool:
    """Whether a place is a PostgreSQL URL."""
    return place.startswith(("postgresql://", "postgres://"))


def create(
    place: str,
    secrets: Secrets,
    *,
    book: Book,
    plan: str | None = None,
    payments: Literal["sandbox", "manual", "stripe"] = "manual",
    stripe: Mapping[str, str] | None = None,
    upstream: Upstream | None = None,
    pay_to: Mapping[str, str] | None = None,
    semantic_cache: bool = True,
) -> Made:
    """Make a gateway at `place` (a path or a PostgreSQL URL): database, customer, keys, provider.

    `semantic_cache` False leaves out a cache that the book offers.
    The management and the operator key and a master key go into `secrets`. ConfigError where there
    is a gateway already; UsageError for a plan or an upstream that cannot be.
    """
    if exists(place):
        raise ConfigError(f"there is a gateway at {place}", hint="choose another name")
    if payments not in ("sandbox", "manual", "stripe"):
        raise UsageError(f"payments: {payments!r} is not offered", hint="sandbox, manual or stripe")
    if plan is not None:
        plan = book.plan(plan).id
    if upstream is not None:
        from nexctl.server.providers.addresses import place_of

        place_of(upstream.url, allow_private=upstream.allow_private, local=True)
    if not is_url(place):
        private_folder(os.path.dirname(os.path.abspath(place)))
    master = os.urandom(32).hex()
    secrets.set("master", master)
    ledger = _open_ledger(place, master, create=True)
    try:
        facts: dict[str, Any] = {
            "plan": plan,
            "payments": payments,
            "pay_to": dict(pay_to or {}),
            "semantic_cache": semantic_cache,
        }
        if stripe:
            facts["stripe"] = dict(stripe)
        house = House(ledger, book, options=Options(), facts=facts)
        if ledger.read(settings.get, FACTS) is not None:
            raise ConfigError("there is a gateway in that database", hint="choose another one")
        _ = ledger.shared.tiering  # a book that cannot be settled by is told before it is kept
        customer, key, operator = ledger.write(_fill, house, upstream)
    except BaseException:
        ledger.close()
        if not is_url(place):
            _remove(place)
        raise
    ledger.close()
    secrets.set("key", key)
    secrets.set("operator", operator)
    return Made(place, customer, key, operator)


def _fill(tx: Transaction, house: House, upstream: Upstream | None) -> tuple[str, str, str]:
    """Everything that a new gateway begins with, in one transaction."""
    from nexctl.safety.signing import new_secret
    from nexctl.server.kept_books import body_of
    from nexctl.server.ledger import books, operators, providers
    from nexctl.server.payments import sandbox
    from nexctl.server.rooms import customers
    from nexctl.server.rooms import secrets as spelled

    book = house.book
    books.add(tx, book.id, book.version, body_of(book), in_force_from=0)
    plan = customers.plan_named(house, None)
    settings.put(tx, FACTS, {**house.facts, "plan": plan})
    if house.facts["payments"] == sandbox.PROVIDER:
        sandbox.make_secret(tx, new_secret())
    if upstream is None:
        providers.put(tx, ECHO, "echo")
    else:
        providers.put(
            tx,
            UPSTREAM,
            "openai",
            base_url=upstream.url,
            key_env=upstream.key_env,
            allow_private=upstream.allow_private,
        )
    made, key, _ = customers.new(tx, house, CUSTOMER, plan=plan)
    owner = spelled.new("operator")
    operators.create(tx, OPERATOR, "owner", hash=owner.hash, prefix=owner.prefix)
    return made.id, key.value, owner.value


def open_house(place: str, secrets: Secrets, options: Options | None = None) -> House:
    """Open a gateway for calls: in this process, or served where `options` say so.

    ConfigError where there is none, or its master key is missing.
    """
    chosen = options or Options()
    master = secrets.get("master")
    if master is None:
        raise ConfigError(
            "the gateway's master key is missing",
            hint="it was kept where the gateway was made; bring it back, or make a new gateway",
        )
    ledger = _open_ledger(place, master, served=chosen.served)
    try:
        house = _house(ledger, chosen)
        if chosen.served:
            _ = ledger.shared.tiering  # a book that cannot be settled by is told now
        _catch_up(house)
    except BaseException:
        ledger.close()
        raise
    return house


def _catch_up(house: House) -> None:
    """Give and take what has fallen due. What does so is loaded only where something has."""
    from nexctl.server.ledger import due
    from nexctl.server.ledger.months import month_in

    zone = house.month_zone
    if not house.read(due.anything, month_in(zone, house.now())[0]):
        return
    from nexctl.server import falling_due, telling

    try:
        falling_due.work(house)
    except Exception as error:  # noqa: BLE001 - a fault in it must not stop every other command
        house.alarm(f"what falls due: {telling.words(error)}", error)


def _house(ledger: Ledger, options: Options) -> House:
    from nexctl.server.kept_books import stored_book
    from nexctl.server.ledger import books

    facts: Any = ledger.read(settings.get, FACTS)
    stored = ledger.read(books.in_force)
    if facts is None:
        raise ConfigError("there is no gateway in that database", hint="nexctl gateway init")
    if stored is None:
        raise ConfigError(
            "the gateway's ledger holds no price book that is in force",
            hint="put a backup in its place: nexctl gateway restore FILE",
        )
    return House(ledger, stored_book(stored.body), options=options, facts=facts)


def gateway(place: str, secrets: Secrets, options: Options | None = None) -> Gateway:
    """The ASGI application of a gateway; its ledger is opened with the first call."""
    from nexctl.server.app import Gateway

    return Gateway(lambda: open_house(place, secrets, options))


def _open_ledger(place: str, master: str, *, create: bool = False, served: bool = False) -> Ledger:
    from nexctl.server.sealing import MasterKey

    key = bytes.fromhex(master)
    mode: Literal["inline", "thread", "loop"] = "inline"
    if served:
        mode = "thread" if is_url(place) else "loop"
    return open_ledger(
        place, mode=mode, create=create, anchor_key=anchor_key(key), sealer=MasterKey(key)
    )


def anchor_key(key: bytes) -> bytes:
    """The key that proves the chains' heads, made from the master key."""
    import hmac

    return hmac.digest(key, b"nexctl ledger anchor 1", "sha256")


def _remove(place: str) -> None:
    """Take away the files of a gateway that could not be made."""
    folder, name = os.path.split(os.path.abspath(place))
    for entry in os.listdir(folder):
        if entry == name or entry.startswith((f"{name}-", f"{name}.")):
            os.unlink(os.path.join(folder, entry))
