"""Whether the gateway works: for anybody that it answers, for operators what does not."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nexctl._version import __version__
from nexctl.server.calls import Call
from nexctl.server.ledger import holds, providers, settings
from nexctl.wire.me import Health

if TYPE_CHECKING:
    from nexctl.server.house import House
    from nexctl.server.ledger.port import Transaction
    from nexctl.server.ledger.providers import Provider


def live(tx: Transaction, call: Call) -> Health:
    """Whether the ledger is read and written, and that is all that strangers learn."""
    ledger = call.house.ledger
    return Health(status="failing" if ledger.unsettled or ledger.fault else "ok")


def show(tx: Transaction, call: Call) -> Health:
    """What was looked at and what was found."""
    house = call.house
    unknown = len(holds.listed(tx, states=("unknown",)))
    rows = providers.listed(tx)
    stopped = settings.clock_stopped_seen(tx)
    checks = {
        "ledger": "; ".join(_ledger(house)) or "ok",
        "holds": f"{unknown} without an outcome" if unknown else "ok",
        "clock": "jumped: expiry and grants stand still" if stopped else "ok",
        "providers": _providers(house, [row for row in rows if row.enabled]),
        "alarms": house.alarms[-1] if house.alarms else "none",
    }
    bad = checks["ledger"] != "ok" or checks["providers"] == "none"
    less = unknown or stopped or house.alarms or checks["providers"] != "ok"
    status = "failing" if bad else "degraded" if less else "ok"
    return Health(status=status, checks=checks, version=__version__)


def _ledger(house: House) -> list[str]:
    ledger = house.ledger
    found = [] if ledger.fault is None else [ledger.fault]
    return [*found, f"{ledger.unsettled} debits owed"] if ledger.unsettled else found


def _providers(house: House, rows: list[Provider]) -> str:
    """Whether there are any, which this process leaves alone at present, and which lack a key."""
    if not rows:
        return "none"
    told = {row.id: house.switchboard.health(row.id) for row in rows}
    found = [f"{name}: {text}" for name, text in told.items() if text and text[0] != "c"]
    found += [
        f"{row.id}: the variable {row.key_env} is not set"
        for row in rows
        if row.key_env and not house.options.environ.get(row.key_env)
    ]
    return "; ".join(found) or "ok"
