"""The ledger of the embedded gateway: all of its money and rows, over SQLite or PostgreSQL.

It knows no HTTP. Amounts are integers of the wallet's unit (10**-scale of its currency), times are
microseconds since 1970 UTC, everything that comes out is a NamedTuple.

    from nexctl.server.ledger.main import open_ledger
    from nexctl.server.ledger.types import Ask, Limit, Outcome
    from nexctl.server.ledger.errors import Refused, Unavailable

    ledger = open_ledger(path_or_postgresql_url, create=True, anchor_key=..., sealer=...)
    ledger = open_ledger(..., mode="loop")      # `serve` on SQLite: group commit on the event loop
    ledger = open_ledger(..., mode="thread")    # `serve` on PostgreSQL: group commit by a thread

One request (each also as `..._later` for coroutines in the two group modes):

    priced = ledger.snapshot(pricer.snapshot())           # once a pricer, not once a request
    held = ledger.reserve(Ask(customer, request_id, sha256_of_body, worst_case, model, priced,
                              usage=worst_usage, key=key_id, parent=parent_id,
                              limits=(Limit("key:ID", "rpm", 60),), floor=..., floor_usage=...))
    ledger.dispatch(held.hold)                            # or Ask(dispatched=True): one commit less
    ledger.settle(held.hold, Outcome(charge, usage, priced, "ok", model_served, record))
    ledger.release(held.hold, "upstream failed")          # only where no usable response came
    ledger.unknown(held.hold, "the stream broke")         # no outcome: rule and deadline decide

`reserve` and others raise Refused: `.code` is the contract's code, `.layer` the limit that said no
(with remaining and resets_at), `.retry_at`, `.record` (already_billed). A database that cannot be
written raises Unavailable; a settle that meets it stays owed (`ledger.unsettled`), is tried again
by `flush`, `sweep` and every reserve, and reserves are refused until it is posted.

Rows outside money are functions of their modules that take a transaction first; run them with
`ledger.write(f, ...)`, `ledger.read(f, ...)` or `await ledger.later(f, ...)`:

    customers  keys  operators  providers  orders  codes  idempotency  books  settings  budgets
    wallets (show, freeze)   funds (topup, grant, adjust, refund, dispute ...)
    entries (entries, usage, is_closed)   lots   holds (by_request, listed, resolve)

Several of them in one function of your own are one transaction. Such a function may be run again
from the start, so it must have no effect besides its statements.

Upkeep: `ledger.beat()` every few seconds in a server, `ledger.sweep()` (recovery of dead owners'
holds, unknown holds by their rule, expired lots), `ledger.resume()` after a jump of the clock.
Proof and copies: `verify.verify(ledger)`, `anchors`, `backup`, `migrate`.
"""
