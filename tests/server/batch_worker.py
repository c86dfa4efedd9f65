"""A process that works on batches of one gateway until all have ended or it is killed.

    python -m tests.server.batch_worker PLACE MASTER [gate|tell]

Prints "ready" when it may begin (with "gate" it begins with the next line of its input), "sent" for
every line that it sends upstream with "tell", and at the end in JSON how many those were.
"""

from __future__ import annotations

import asyncio
import json
import sys

from nexctl.server import bootstrap
from nexctl.server.ledger import batches
from nexctl.server.providers.echo import Echo


class Secrets(dict[str, str]):
    def set(self, name: str, value: str) -> None:
        self[name] = value


def main(place: str, master: str, how: str = "") -> None:
    sent = 0
    whole = Echo.complete

    async def counted(self: Echo, work):  # type: ignore[no-untyped-def]
        nonlocal sent
        sent += 1
        if how == "tell":
            print("sent", flush=True)
        return await whole(self, work)

    Echo.complete = counted  # type: ignore[method-assign]
    house = bootstrap.open_house(place, Secrets(master=master))
    print("ready", flush=True)
    if how == "gate":
        sys.stdin.readline()

    async def work() -> None:
        while live := house.read(batches.live):
            for batch in live:
                await house.crew.work_on(batch.id, 1)
        if house.pumps:
            await asyncio.wait(house.pumps)

    asyncio.run(work())
    print(json.dumps({"sent": sent}), flush=True)
    house.ledger.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
