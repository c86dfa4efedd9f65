"""A served gateway works on batches by itself, beside its calls, and after a restart."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from batch_kit import CHAT, Batches, form, jsonl, line, proved
from served_kit import Served
from server_kit import Rig

from nexctl.cli.bridge import EmbeddedTransport
from nexctl.server import bootstrap
from nexctl.server.ledger.verify import verify
from nexctl.server.rooms import batches
from tests.server.ledger.conftest import place, postgres

__all__ = ["place", "postgres"]  # fixtures


@pytest.fixture
def served(place: str, tmp_path: Path) -> Iterator[Served]:
    kit = Served(tmp_path, place=place if "://" in place else None)
    kit.fill()
    yield kit
    kit.close()


def ask(kit: Served, method: str, path: str, body: Any = None, **headers: str) -> Any:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode() if body else None
    sent = {"authorization": f"Bearer {kit.key}", "content-type": "application/json", **headers}
    request = urllib.request.Request(kit.url + path, raw, sent, method=method)
    with urllib.request.urlopen(request, timeout=60) as answer:
        text = answer.read()
    return json.loads(text) if text[:1] == b"{" and b"\n{" not in text else text


def made(kit: Served, rows: list[Any]) -> dict[str, Any]:
    body, headers = form(jsonl(rows))
    file = ask(kit, "POST", "/v1/files", body, **headers)
    wanted = {"input_file_id": file["id"], "endpoint": CHAT}
    return dict(ask(kit, "POST", "/v1/batches", wanted))


def test_whoever_waits_is_told_when_it_has_ended(served: Served) -> None:
    batch = made(served, [line(n) for n in range(40)])
    done = ask(served, "GET", f"/v1/batches/{batch['id']}?wait=30")
    assert (done["status"], done["request_counts"]["completed"]) == ("completed", 40)
    rows = ask(served, "GET", f"/v1/batches/{batch['id']}/results").splitlines()
    assert [json.loads(row)["custom_id"] for row in rows] == [f"line-{n}" for n in range(40)]
    assert served.held() == 0
    assert verify(served.app.house.ledger).violations == ()


def test_calls_are_answered_while_batches_are_worked_on(served: Served) -> None:
    stall = {"echo.stall": "0.05"}
    first = made(served, [line(n, metadata=stall) for n in range(300)])
    second = made(served, [line(n, metadata=stall) for n in range(20)])
    alone = {"model": "nex-pro", "messages": [{"role": "user", "content": "now"}]}
    assert ask(served, "POST", "/v1/chat/completions", alone)["nex"]["status"] == "ok"
    # The short one does not wait for the long one.
    assert ask(served, "GET", f"/v1/batches/{second['id']}?wait=30")["status"] == "completed"
    assert ask(served, "GET", f"/v1/batches/{first['id']}")["status"] == "in_progress"
    ask(served, "POST", f"/v1/batches/{first['id']}/cancel")
    assert ask(served, "GET", f"/v1/batches/{first['id']}?wait=30")["status"] == "cancelled"


def test_one_server_goes_on_where_another_has_stopped(tmp_path: Path) -> None:
    kit = Served(tmp_path, draining_seconds=1.0)
    kit.fill()
    stall = {"echo.stall": "0.05"}
    batch = made(kit, [line(n, metadata=stall) for n in range(400)])["id"]
    while ask(kit, "GET", f"/v1/batches/{batch}")["request_counts"]["completed"] < 40:
        time.sleep(0.02)
    kit.close()
    rig = Rig.__new__(Rig)
    rig.place, rig.secrets, rig.options, rig.made = kit.place, kit.secrets, None, kit.made
    rig.management = kit.key
    rig.app = bootstrap.gateway(kit.place, kit.secrets)
    rig.transport = EmbeddedTransport(rig.app)
    seen = Batches(rig)
    done = seen.done(batch)
    assert done["request_counts"] == {"total": 400, "completed": 400, "failed": 0}
    assert len(seen.records(batch)) == 400
    proved(rig)
    rig.close()


def test_too_many_batches_in_a_minute_are_braked(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batches, "MOST_A_MINUTE", 2)
    for _ in range(2):
        made(served, [line(1)])
    with pytest.raises(urllib.error.HTTPError) as caught:
        made(served, [line(1)])
    assert caught.value.code == 429
    assert int(caught.value.headers["retry-after"]) >= 1
