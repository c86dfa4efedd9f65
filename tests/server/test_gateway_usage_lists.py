"""Usage on the real gateway: filters, sums, `closed`, and increments under many writers."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest
from served_kit import Served
from server_kit import Rig

from nexctl.cli.usage_source import GatewaySource
from nexctl.gateways.drivers import network, open_gateway
from nexctl.safety.http import Key, Transport
from nexctl.server.ledger import entries
from nexctl.usage.export.run import Ask, to_file
from nexctl.usage.export.window import Filters, Window
from nexctl.usage.reading import rows
from nexctl.wire.usage import UsageQuery


def labelled(rig: Rig) -> None:
    for number in range(6):
        got = rig.chat(metadata={"team": "search" if number % 2 else "ads"})
        assert got.status == 200, got


def test_a_label_finds_its_records_in_pages_that_may_be_empty(rig: Rig) -> None:
    labelled(rig)
    found: list[Any] = []
    cursor = ""
    while True:
        body = rig.ask("GET", f"/v1/usage?label=team%3Dsearch&limit=2{cursor}").body
        found += body["data"]
        if body["next_cursor"] is None:
            break
        cursor = f"&cursor={body['next_cursor']}"
    assert [row["labels"]["team"] for row in found] == ["search"] * 3
    assert rig.ask("GET", "/v1/usage?project=none").body["data"] == []
    assert rig.ask("GET", "/v1/usage?label=team").status == 400


@pytest.mark.parametrize(
    "by", ["model", "key", "day", "week", "month", "project", "provider", "status", "label:team"]
)
def test_sums_equal_the_records(rig: Rig, by: str) -> None:
    labelled(rig)
    body = rig.ask("GET", f"/v1/usage/summary?by={by},model").body
    records = rig.usage()
    total = sum(Decimal(row["charge"]) for row in records)
    assert sum(Decimal(group["charge"]) for group in body["data"]) == total
    assert Decimal(body["total"]["charge"]) == total
    assert body["total"]["requests"] == len(records) == 6
    assert all(set(group["group"]) == {by, "model"} for group in body["data"])


def test_a_filtered_summary_equals_the_filtered_list(rig: Rig) -> None:
    labelled(rig)
    body = rig.ask("GET", "/v1/usage/summary?by=model&label=team%3Dads").body
    assert body["total"]["requests"] == 3
    assert rig.ask("GET", "/v1/usage/summary?by=colour").code == "invalid_request"


def test_a_window_is_closed_a_minute_after_its_end(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A reservation of just before the end may take its time to commit."""
    rig.chat()
    end = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - 30))
    assert rig.ask("GET", f"/v1/usage?to={end}").body["closed"] is False
    monkeypatch.setattr(entries, "SETTLING", 0)
    assert rig.ask("GET", f"/v1/usage?to={end}").body["closed"] is True
    after = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 30))
    assert rig.ask("GET", f"/v1/usage?to={after}").body["closed"] is False


def test_the_ledger_goes_on_behind_a_sequence(rig: Rig) -> None:
    rig.chat()
    body = rig.ask("GET", "/v1/wallet/ledger?after_sequence=1").body
    assert [entry["sequence"] for entry in body["data"]] == [2]


def stream(kit: Served, number: int, pause: str) -> None:
    """One streamed request that lasts for some pauses."""
    body = {
        "model": "nex-pro",
        "stream": True,
        "messages": [{"role": "user", "content": f"request {number} " * 12}],
        "metadata": {"echo.pause": pause},
    }
    headers = {"authorization": f"Bearer {kit.key}"}
    with httpx.stream(
        "POST", f"{kit.url}/v1/chat/completions", json=body, headers=headers, timeout=120
    ) as answer:
        assert answer.status_code == 200, answer.read()
        for _ in answer.iter_bytes():
            pass


def increments(kit: Served, folder: Path, each: int, pause: str) -> list[int]:
    """Export again and again while eight clients stream; the sequences, in the files' order."""
    failed: list[BaseException] = []

    def write(number: int) -> None:
        try:
            for turn in range(each):
                stream(kit, number * 100 + turn, pause if number % 2 else "0.001")
        except BaseException as error:  # noqa: BLE001 - told by the test
            failed.append(error)

    writers = [threading.Thread(target=write, args=(number,)) for number in range(8)]
    for writer in writers:
        writer.start()
    found: list[int] = []
    after, opening, number = None, None, 0
    while True:
        over = not any(writer.is_alive() for writer in writers)
        if over:
            kit.settled()
        number += 1
        target = folder / f"u{number}.csv"
        manifest = export(network(kit.url), kit.key, target, after, opening)
        balance = manifest["balance"]
        assert balance is None or balance["matches"], manifest
        if not manifest.get("skipped"):
            found += [int(row.sequence or 0) for row in rows(str(target))]
        after = manifest["covered_to"]
        opening = balance["closing"] if balance else opening
        if over:
            break
        if number > 1:
            assert manifest["closed"] is False
        time.sleep(0.02)
    assert failed == []
    assert number > 2
    return found


def in_ledger(kit: Served) -> list[int]:
    headers = {"authorization": f"Bearer {kit.key}"}
    body = httpx.get(f"{kit.url}/v1/usage?limit=1000", headers=headers, timeout=20).json()
    return [row["sequence"] for row in body["data"]]


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    kit = Served(tmp_path)
    kit.fill()
    yield kit
    kit.close()


def test_increments_under_eight_writers_are_the_ledger(served: Served, tmp_path: Path) -> None:
    """Streams end long after later ones began; exports go on while they are written."""
    found = increments(served, tmp_path, each=5, pause="0.02")
    assert found == in_ledger(served)
    assert len(found) == 40


@pytest.mark.slow
def test_increments_under_streams_of_a_minute_are_the_ledger(
    served: Served, tmp_path: Path
) -> None:
    found = increments(served, tmp_path, each=1, pause="2")
    assert found == in_ledger(served)
    assert len(found) == 8


def export(
    transport: Transport, key: str, target: Path, after: int | None, opening: str | None
) -> dict[str, Any]:
    door = open_gateway("nexctl", transport, Key(key, transport.origin), "rig")
    ask = Ask("nextoken", "c", Window(), Filters(), after=after, opening=opening)
    return to_file(ask, GatewaySource(door, UsageQuery(limit=5)), str(target))


def test_a_clock_that_goes_back_loses_and_doubles_nothing(rig: Rig, tmp_path: Path) -> None:
    """The ledger's time does not go below its last entry; sequences go on."""
    rig.chat()
    clock = rig.house.ledger.clock
    wall = clock._wall
    clock._wall = lambda: wall() - 3_600 * 10**9
    rig.chat()
    clock._wall = lambda: wall() + 1_800 * 10**9
    rig.chat()
    manifest = export(rig.transport, rig.management, tmp_path / "u.csv", None, None)
    assert manifest["balance"]["matches"] is True
    found = list(rows(str(tmp_path / "u.csv")))
    assert [row.sequence for row in found] == [2, 3, 4]
    assert [row.created_at for row in found] == sorted(str(row.created_at) for row in found)
    assert json.loads((tmp_path / "u.csv.manifest.json").read_text())["rows"] == 3


def test_sums_of_records_are_those_that_the_gateway_makes(rig: Rig) -> None:
    """A gateway without sums: its records are added up, page by page."""
    from nexctl.cli.usage_source import summary_of
    from nexctl.gateways.lacking import Lacking

    for _ in range(3):
        rig.chat()
    door = open_gateway("nexctl", rig.transport, Key(rig.management, rig.transport.origin), "rig")
    names = ("model", "day", "key")
    wanted = summary_of(door, Window(), Filters(), names)
    assert wanted.total.requests == 3

    def lacking(query: Any = None) -> Any:
        raise Lacking("this gateway", "sums")

    door.usage.summary = lacking  # type: ignore[method-assign]
    found = summary_of(door, Window(), Filters(), names)
    assert (found.data, found.total, found.closed) == (wanted.data, wanted.total, wanted.closed)


def test_a_rate_that_does_not_end_is_a_plain_number_and_its_ratio_stands_beside(
    make: Callable[..., Rig],
) -> None:
    """nexu's glm-5: 0.60 credits split 1 : 3.2 are 500/7 and 1600/7 credits a million."""
    rig = make(book="nexu", plan=None)
    rig.house.ledger.adjust(rig.made.customer, 10**9, note="test", by="test")
    assert rig.chat(model="glm-5").status == 200
    row = rig.usage()[0]
    assert (row["rate_input"], row["rate_output"]) == ("71.428571428571", "228.571428571429")
    assert row["rates"]["input"]["price"] == "500/7"


def test_a_picture_has_its_multiplier(make: Callable[..., Rig], tmp_path: Path) -> None:
    """What is sold by no token has the discount of its customer too."""
    from nexctl.pricing import books

    shipped = Path(books.__file__).parent / "books" / "deeptoken.toml"
    own = tmp_path / "studio.toml"
    picture = '[[models]]\nid = "p"\nkind = "image"\nrates = { image = "0.04" }\n\n[topup]'
    own.write_text(shipped.read_text().replace("[topup]", picture, 1))
    rig = make(book=str(own), plan=None)
    rig.house.ledger.adjust(rig.made.customer, 10**9, note="test", by="test")
    path = f"/admin/v1/customers/{rig.made.customer}/policy"
    assert rig.ask("PUT", path, {"discount_percent": "5"}, key=rig.operator).status == 200
    made = rig.ask("POST", "/v1/images/generations", {"model": "p", "prompt": "a cat"})
    assert made.body["nex"]["charge"] == "0.038"
    assert (rig.usage()[0]["multiplier"], rig.usage()[0]["tier"]) == ("0.95", "agreed")
