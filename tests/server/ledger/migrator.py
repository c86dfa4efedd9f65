"""Migrate a ledger, and be killed at the statement of a given number: `migrator PLACE FOLDER N`."""

from __future__ import annotations

import os
import signal
import sys
from typing import Any

from nexctl.server.ledger import backup
from nexctl.server.ledger.port import Transaction
from tests.server.ledger.older_kit import ANCHOR_KEY


def main(place: str, folder: str, last: int) -> None:
    counted = 0
    run = Transaction.run

    def counting(tx: Transaction, sql: str, *values: Any) -> int:
        nonlocal counted
        counted += 1
        if counted == last:
            os.kill(os.getpid(), signal.SIGKILL)
        return run(tx, sql, *values)

    Transaction.run = counting  # type: ignore[method-assign,assignment]
    backup.migrate(place, backups=folder, anchor_key=ANCHOR_KEY)
    sys.stdout.write(str(counted))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
