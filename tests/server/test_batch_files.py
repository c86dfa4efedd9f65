"""Files: kept sealed, within a quota, for a time, and seen only by whom they belong to."""

from __future__ import annotations

import json
import os
import sqlite3
import time
import tracemalloc
from typing import Any

import pytest
from batch_kit import Batches, form, line
from server_kit import Rig

from nexctl.safety.http import Call, Upload
from nexctl.server.batches import keeping
from nexctl.server.ledger import files

CANARY = "a-prompt-that-nobody-else-may-read"


@pytest.fixture
def kit(rig: Rig) -> Batches:
    return Batches(rig)


@pytest.mark.parametrize("size", [0, 1, keeping.PIECE - 1, keeping.PIECE, 3 * keeping.PIECE + 7])
def test_what_was_uploaded_comes_back(kit: Batches, size: int) -> None:
    raw = os.urandom(size)
    made = kit.upload(raw, name="my file.jsonl").body
    assert made["bytes"] == size
    assert made["filename"] == "my file.jsonl"
    assert (made["object"], made["purpose"], made["status"]) == ("file", "batch", "processed")
    assert made["expires_at"] - made["created_at"] == 30 * 86_400
    got = kit.rig.raw("GET", f"/v1/files/{made['id']}/content", key=kit.key)
    assert got.body == raw
    assert got.headers["content-length"] == str(size)
    assert kit.rig.ask("GET", f"/v1/files/{made['id']}").body == made


def test_nothing_of_it_can_be_read_in_the_database(kit: Batches) -> None:
    batch = kit.run([line(1, CANARY), line(2, CANARY)])
    assert CANARY in str(kit.lines(batch["output_file_id"]))
    kit.run([{"custom_id": CANARY[:9], "method": CANARY, "url": "/v1/x", "body": {}}])
    kit.rig.close()
    for name in os.listdir(os.path.dirname(kit.rig.place)):
        path = os.path.join(os.path.dirname(kit.rig.place), name)
        with open(path, "rb") as stream:
            assert CANARY.encode() not in stream.read(), name


def test_a_deleted_file_is_gone_for_ever(kit: Batches) -> None:
    made = kit.upload([line(1)]).body
    got = kit.rig.ask("DELETE", f"/v1/files/{made['id']}")
    assert got.body == {"id": made["id"], "object": "file", "deleted": True}
    assert kit.rig.ask("GET", f"/v1/files/{made['id']}").status == 404
    assert kit.rig.ask("DELETE", f"/v1/files/{made['id']}").status == 404
    with sqlite3.connect(kit.rig.place) as raw:
        assert raw.execute("SELECT count(*) FROM file_chunks").fetchone() == (0,)


def test_a_file_that_a_batch_works_on_stays(kit: Batches) -> None:
    batch = kit.made([line(1)])
    got = kit.rig.ask("DELETE", f"/v1/files/{batch['input_file_id']}")
    assert (got.status, got.code) == (409, "state_conflict")
    done = kit.done(batch["id"])
    for file in (done["input_file_id"], done["output_file_id"]):
        assert kit.rig.ask("DELETE", f"/v1/files/{file}").status == 200
    assert kit.results(batch["id"]) == []
    assert len(kit.records(batch["id"])) == 1


def test_a_file_whose_time_is_over_is_gone(kit: Batches) -> None:
    soon = {"expires_after[anchor]": "created_at", "expires_after[seconds]": "3600"}
    made = kit.upload([line(1)], **soon).body
    assert made["expires_at"] - made["created_at"] == 3600
    ledger = kit.rig.house.ledger
    ledger.write(lambda tx: tx.run("UPDATE files SET expires_at=created_at"))
    assert kit.rig.ask("GET", f"/v1/files/{made['id']}").status == 404
    assert kit.rig.ask("GET", "/v1/files").body["data"] == []
    assert ledger.write(files.expire_due) == 1
    assert ledger.read(lambda tx: tx.value("SELECT count(*) FROM file_chunks")) == 0


def test_an_upload_that_breaks_off_leaves_nothing(kit: Batches) -> None:
    body, headers = form(b"x" * 2 * keeping.PIECE)
    got = kit.rig.raw("POST", "/v1/files", body[:-10], key=kit.key, headers=headers)
    assert (got.status, got.code) == (400, "invalid_request")
    ledger = kit.rig.house.ledger
    assert ledger.read(lambda tx: tx.value("SELECT count(*) FROM file_chunks")) == 0
    assert ledger.read(files.used, kit.rig.made.customer) == 0


def test_files_take_a_quota_together(kit: Batches, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keeping, "QUOTA", 1000)
    first = kit.upload(b"x" * 900)
    got = kit.upload(b"y" * 101)
    assert (got.status, got.code, got.details["limit"]) == (403, "plan_limit", 1000)
    assert kit.rig.ask("DELETE", f"/v1/files/{first.body['id']}").status == 200
    assert kit.upload(b"y" * 101).status == 200


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"purpose": "fine-tune"}, "purpose"),
        ({"name": "a\x07b"}, "file"),
        ({"name": "n" * 300}, "file"),
        ({"wanted": "x"}, "wanted"),
        ({"expires_after[anchor]": "created_at", "expires_after[seconds]": "60"}, None),
        ({"expires_after[seconds]": "3600"}, None),
    ],
)
def test_a_form_that_is_wrong_is_refused(
    kit: Batches, fields: dict[str, str], param: str | None
) -> None:
    got = kit.upload([line(1)], **fields)
    assert (got.status, got.code) == (400, "invalid_request")
    assert got.body["error"]["param"] == param
    assert kit.rig.house.ledger.read(files.used, kit.rig.made.customer) == 0


def test_what_is_no_form_or_compressed_is_refused(kit: Batches) -> None:
    body, headers = form(b"x")
    json_ = {"content-type": "application/json"}
    assert kit.rig.raw("POST", "/v1/files", body, key=kit.key, headers=json_).status == 415
    packed = {**headers, "content-encoding": "gzip"}
    assert kit.rig.raw("POST", "/v1/files", body, key=kit.key, headers=packed).status == 415


def test_lists_come_in_pages_in_both_spellings(kit: Batches) -> None:
    made = [kit.upload(b"x" * n).body["id"] for n in range(1, 6)][::-1]
    page = kit.rig.ask("GET", "/v1/files?limit=2").body
    assert [row["id"] for row in page["data"]] == made[:2]
    assert (page["first_id"], page["last_id"], page["has_more"]) == (made[0], made[1], True)
    assert page["next_cursor"] == page["last_id"]
    rest = kit.rig.ask("GET", f"/v1/files?after={made[1]}").body
    assert [row["id"] for row in rest["data"]] == made[2:]
    assert (rest["has_more"], rest["next_cursor"]) == (False, None)
    upward = kit.rig.ask("GET", "/v1/files?order=asc").body["data"]
    assert [row["id"] for row in upward] == made[::-1]
    assert kit.rig.ask("GET", "/v1/files?purpose=batch_output").body["data"] == []
    assert kit.rig.ask("GET", "/v1/files?after=file_none").status == 400


def test_a_key_sees_its_own_files_and_its_sub_keys(kit: Batches) -> None:
    parent = kit.rig.key("parent")
    sub = kit.rig.ask("POST", "/v1/keys", {"name": "sub", "parent_id": kit.rig.key_id("parent")})
    other = kit.rig.key("other")
    made = Batches(kit.rig, str(sub.body["secret"])).upload([line(1)]).body["id"]

    def status(key: str) -> int:
        return kit.rig.ask("GET", f"/v1/files/{made}", key=key).status

    assert [status(key) for key in (kit.key, parent, other)] == [200, 200, 404]
    assert kit.rig.ask("GET", "/v1/files", key=other).body["data"] == []
    assert kit.rig.ask("GET", "/v1/files", key=parent).body["data"][0]["id"] == made


def test_a_large_file_goes_through_in_pieces(kit: Batches) -> None:
    """Nothing on the way holds more than a few pieces of it."""
    body, headers = form(b"")
    first, last = body[: body.rindex(b"\r\n--")], body[body.rindex(b"\r\n--") :]
    piece, count = os.urandom(64 * 1024), 480

    def pieces() -> Any:
        yield first
        for _ in range(count):
            yield piece
        yield last

    size = len(body) + count * len(piece)
    sent = {"authorization": f"Bearer {kit.key}", **headers}
    tracemalloc.start()
    call = Call("POST", "/v1/files", sent, upload=Upload(size, pieces))
    reply = kit.rig.transport.send(call, time.monotonic() + 60)
    made = json.loads(reply.read())
    assert made["bytes"] == count * len(piece)
    asked = Call("GET", f"/v1/files/{made['id']}/content", sent, stream=True)
    reply = kit.rig.transport.send(asked, time.monotonic() + 60)
    assert sum(map(len, reply.pieces())) == count * len(piece)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8 * 1024 * 1024


def test_an_upload_under_its_idempotency_key_is_kept_once(kit: Batches) -> None:
    def sent(raw: bytes, key: str) -> Any:
        body, headers = form(raw)
        headers["idempotency-key"] = key
        return kit.rig.raw("POST", "/v1/files", body, key=kit.key, headers=headers)

    first = sent(b"one\n", "k")
    assert sent(b"one\n", "k").body == first.body
    other = sent(b"two\n", "k")
    assert (other.status, other.code) == (422, "idempotency_conflict")
    assert len(kit.rig.ask("GET", "/v1/files").body["data"]) == 1
    assert kit.rig.house.ledger.read(files.used, kit.rig.made.customer) == 4
