"""The texts that stand behind a purchase: those in force, and by their hash all that ever were."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nexctl.server.calls import Call
from nexctl.server.ledger import settings
from nexctl.server.payments.rules import POLICY, rules_of
from nexctl.server.refusing import Refuse
from nexctl.wire import funding as wire

if TYPE_CHECKING:
    from nexctl.server.ledger.port import Transaction


def listed(tx: Transaction, call: Call) -> wire.PolicyTexts:
    """The texts in force."""
    rows = rules_of(tx, call.house).texts()
    return wire.PolicyTexts(data=[_text({"name": name, **row}, True) for name, row in rows])


def shown(tx: Transaction, call: Call) -> wire.PolicyText:
    """One text by its SHA-256, in force or not."""
    for name, row in rules_of(tx, call.house).texts():
        if row["sha256"] == call.id:
            return _text({"name": name, **row}, True)
    kept = settings.get(tx, POLICY + call.id)
    if kept is None:
        raise Refuse("not_found", "there is no such text")
    return _text(kept, False)


def _text(row: dict[str, Any], in_force: bool) -> wire.PolicyText:
    return wire.PolicyText(**row, in_force=in_force)
