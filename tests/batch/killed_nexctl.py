"""nexctl, killed by the system at one moment: `killed_nexctl.py WHEN COUNT ARGUMENT...`.

WHEN is "before" or "after" a commit of the journal, or "call" (an answer came, nothing is recorded
yet); COUNT says which one. Exit code -9 where it came that far.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections.abc import Iterator
from typing import Any


def main() -> None:
    when, left = sys.argv[1], [int(sys.argv[2])]
    sys.argv = ["nexctl", *sys.argv[3:]]

    def passed(moment: str) -> None:
        if moment == when:
            left[0] -= 1
            if left[0] == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    from nexctl.batch.journal import Journal
    from nexctl.safety import http

    whole = Journal.transaction
    send = http.Client.send

    @contextlib.contextmanager
    def transaction(self: Journal) -> Iterator[None]:
        with whole(self):
            yield
            passed("before")
        passed("after")

    def sent(self: http.Client, call: http.Call) -> Any:
        reply = send(self, call)
        passed("call")
        return reply

    Journal.transaction = transaction  # type: ignore[method-assign]
    http.Client.send = sent  # type: ignore[method-assign]

    from nexctl.__main__ import main as nexctl

    sys.exit(nexctl())


if __name__ == "__main__":
    main()
