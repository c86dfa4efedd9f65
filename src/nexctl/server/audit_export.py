"""An exported audit log, proved without a database: each row's hash follows from the one before."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import msgspec

from nexctl.server.house import micros
from nexctl.server.ledger.audit_log import row_hash
from nexctl.server.ledger.chain import GENESIS
from nexctl.server.refusing import Refuse


def faults(rows: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """What does not hold in rows as `GET /v1/audit-log` answers them, chain by chain.

    A chain may begin late (an export from some day on): its first row is taken as it stands.
    """
    heads: dict[str, tuple[int, bytes]] = {}
    for number, row in enumerate(rows, 1):
        chain, seq = str(row.get("chain")), row.get("sequence")
        try:
            said = bytes.fromhex(str(row.get("hash")))
            at = micros(str(row.get("created_at")))
        except (ValueError, Refuse):
            yield f"line {number}: not a row of the audit log"
            continue
        if not isinstance(seq, int) or len(said) != 32:
            yield f"line {number}: not a row of the audit log"
            continue
        last, head = heads.get(chain, (seq - 1, GENESIS if seq == 1 else b""))
        if seq != last + 1:
            yield f"line {number}: row {last + 1} of {chain} is missing"
        elif head and row_hash(head, _fields(row, chain, seq, at)) != said:
            yield f"line {number}: row {seq} of {chain} is not what its hash says"
        heads[chain] = (seq, said)


def _fields(row: Mapping[str, Any], chain: str, seq: int, at: int | None) -> tuple[Any, ...]:
    return (
        *(chain, seq, at, row.get("actor"), row.get("actor_id"), row.get("actor_name")),
        *(row.get("address"), row.get("action"), row.get("object")),
        *(_text(row.get("before")), _text(row.get("after")), row.get("request_id")),
    )


def _text(value: Any) -> str | None:
    return None if value is None else msgspec.json.encode(value).decode()
