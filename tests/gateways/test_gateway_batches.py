"""The driver's files and batches: in this process, and across a socket, with the same answers."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "server"))

from batch_kit import CHAT, jsonl, line
from served_kit import Served
from server_kit import Rig

from nexctl.errors import UsageError
from nexctl.gateways.drivers import network, open_gateway
from nexctl.gateways.port import Gateway
from nexctl.gateways.refused import Refused
from nexctl.safety.http import Key
from nexctl.wire.batches import BatchCreate, BatchQuery
from nexctl.wire.files import FileQuery
from nexctl.wire.lines import BatchLine


@pytest.fixture(params=["in process", "served"])
def gateway(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Gateway]:
    if request.param == "served":
        served = Served(tmp_path)
        served.fill()
        transport: Any = network(served.url)
        yield open_gateway("nexctl", transport, Key(served.key, transport.origin), "work")
        served.close()
        return
    rig = Rig(tmp_path)
    yield open_gateway("nexctl", rig.transport, Key(rig.management, "embedded"), "local")
    rig.close()


@pytest.fixture
def path(tmp_path: Path) -> str:
    target = tmp_path / 'a "quoted" näme.jsonl'
    target.write_bytes(jsonl([line(n) for n in range(20)]))
    return str(target)


def ended(gateway: Gateway, batch: str) -> Any:
    for _ in range(60):
        found = gateway.batches.show(batch, wait=5)
        if found.status in ("completed", "failed", "expired", "cancelled"):
            return found
    raise AssertionError(found)


def test_from_a_file_to_results(gateway: Gateway, path: str) -> None:
    file = gateway.files.upload(path)
    assert file.filename == os.path.basename(path)
    assert gateway.files.show(file.id) == file
    assert b"".join(gateway.files.content(file.id)) == Path(path).read_bytes()
    wanted = BatchCreate(input_file_id=file.id, endpoint=CHAT, metadata={"job": "1"})
    batch = gateway.batches.create(wanted)
    done = ended(gateway, batch.id)
    assert (done.status, done.metadata) == ("completed", {"job": "1"})
    assert done.request_counts.completed == 20
    rows = b"".join(gateway.files.content(done.output_file_id)).splitlines()
    assert b"".join(gateway.batches.results(batch.id)).splitlines() == rows
    assert [json.loads(row)["custom_id"] for row in rows] == [f"line-{n}" for n in range(20)]
    assert [found.id for found in gateway.batches.list()] == [batch.id]
    assert gateway.files.remove(file.id).deleted


def test_from_items(gateway: Gateway) -> None:
    items = [BatchLine(**line(n)) for n in range(3)]
    batch = gateway.batches.create(BatchCreate(items=items))
    assert ended(gateway, batch.id).request_counts.completed == 3


def test_the_same_key_makes_one_batch(gateway: Gateway) -> None:
    wanted = BatchCreate(items=[BatchLine(**line(1))])
    made = {gateway.batches.create(wanted, idempotency_key="one").id for _ in range(2)}
    assert len(made) == 1


def test_lists_come_to_their_end_page_by_page(gateway: Gateway, path: str) -> None:
    made = [gateway.files.upload(path).id for _ in range(5)]
    assert [f.id for f in gateway.files.list(FileQuery(limit=2))] == made[::-1]
    for _ in range(3):
        gateway.batches.create(BatchCreate(items=[BatchLine(**line(1))]))
    assert len(list(gateway.batches.list(BatchQuery(limit=2)))) == 3


def test_an_upload_is_kept_as_long_as_was_asked(gateway: Gateway, path: str) -> None:
    file = gateway.files.upload(path, name="mine.jsonl", keep_seconds=3600)
    assert file.filename == "mine.jsonl"
    assert file.expires_at is not None
    assert file.expires_at - file.created_at == 3600


def test_what_is_not_there(gateway: Gateway, tmp_path: Path) -> None:
    with pytest.raises(UsageError):
        gateway.files.upload(str(tmp_path / "none"))
    for ask in (
        lambda: gateway.files.show("file_none"),
        lambda: gateway.files.content("file_none"),
        lambda: gateway.batches.show("batch_none"),
        lambda: gateway.batches.results("batch_none"),
        lambda: gateway.batches.cancel("batch_none"),
    ):
        with pytest.raises(Refused) as caught:
            ask()
        assert caught.value.code == "not_found"


def test_a_batch_is_cancelled(gateway: Gateway) -> None:
    items = [BatchLine(**line(n, metadata={"echo.stall": "0.2"})) for n in range(100)]
    batch = gateway.batches.create(BatchCreate(items=items))
    assert gateway.batches.cancel(batch.id).status == "cancelling"
    done = ended(gateway, batch.id)
    assert done.status == "cancelled"
    assert done.request_counts.completed + done.request_counts.failed == 100
