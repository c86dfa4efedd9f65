"""Batch lines, uploads and waiting, in few words."""

from __future__ import annotations

import json
import time
from typing import Any

from server_kit import Got, Rig

from nexctl.server.ledger.verify import verify

CHAT = "/v1/chat/completions"
EMBED = "/v1/embeddings"
BOUNDARY = "a-boundary"
ENDED = ("failed", "completed", "expired", "cancelled")


def line(number: int, text: str = "hello", *, url: str = CHAT, **body: Any) -> dict[str, Any]:
    """One chat line with a stated maximum."""
    messages = [{"role": "user", "content": f"{text} {number}"}]
    given = {"model": "nex-pro", "messages": messages, "max_tokens": 20, **body}
    return {"custom_id": f"line-{number}", "method": "POST", "url": url, "body": given}


def embed(number: int, text: str = "hello") -> dict[str, Any]:
    body = {"model": "nex-embed-zh", "input": f"{text} {number}"}
    return {"custom_id": f"line-{number}", "method": "POST", "url": EMBED, "body": body}


def jsonl(rows: list[Any]) -> bytes:
    """Rows as lines; bytes are taken as they are."""
    return b"".join((r if isinstance(r, bytes) else json.dumps(r).encode()) + b"\n" for r in rows)


def form(raw: bytes, name: str = "in.jsonl", **fields: str) -> tuple[bytes, dict[str, str]]:
    """A multipart form and its header."""
    given = {"purpose": "batch", **fields}
    head = "".join(
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{key}"\r\n\r\n{value}\r\n'
        for key, value in given.items()
    )
    head += (
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n\r\n'
    )
    body = head.encode() + raw + f"\r\n--{BOUNDARY}--\r\n".encode()
    return body, {"content-type": f"multipart/form-data; boundary={BOUNDARY}"}


class Batches:
    """One rig's batches, as one key sees them."""

    def __init__(self, rig: Rig, key: str | None = None) -> None:
        self.rig, self.key = rig, key or rig.management

    def upload(self, raw: bytes | list[Any], **fields: str) -> Got:
        body, headers = form(raw if isinstance(raw, bytes) else jsonl(raw), **fields)
        return self.rig.raw("POST", "/v1/files", body, key=self.key, headers=headers)

    def make(self, raw: bytes | list[Any], endpoint: str = CHAT, **more: Any) -> Got:
        """Upload a file and make a batch of it."""
        file = self.upload(raw)
        assert file.status == 200, file
        body = {"input_file_id": file.body["id"], "endpoint": endpoint, **more}
        return self.rig.ask("POST", "/v1/batches", body, key=self.key)

    def made(self, raw: bytes | list[Any], endpoint: str = CHAT, **more: Any) -> dict[str, Any]:
        got = self.make(raw, endpoint, **more)
        assert got.status == 200, got
        return dict(got.body)

    def show(self, batch: str, wait: int | None = None) -> dict[str, Any]:
        query = "" if wait is None else f"?wait={wait}"
        got = self.rig.ask("GET", f"/v1/batches/{batch}{query}", key=self.key)
        assert got.status == 200, got
        return dict(got.body)

    def done(self, batch: str) -> dict[str, Any]:
        """Wait until it has ended."""
        until = time.monotonic() + 60
        while time.monotonic() < until:
            found = self.show(batch, 5)
            if found["status"] in ENDED:
                return found
        raise AssertionError(f"it does not end: {found}")

    def run(self, raw: bytes | list[Any], endpoint: str = CHAT, **more: Any) -> dict[str, Any]:
        return self.done(self.made(raw, endpoint, **more)["id"])

    def lines(self, file: str | None) -> list[dict[str, Any]]:
        """The lines of a result file; none where there is no file."""
        if file is None:
            return []
        got = self.rig.raw("GET", f"/v1/files/{file}/content", key=self.key)
        assert got.status == 200, got
        return [json.loads(row) for row in got.body.splitlines()]

    def results(self, batch: str) -> list[dict[str, Any]]:
        got = self.rig.raw("GET", f"/v1/batches/{batch}/results", key=self.key)
        assert got.status == 200, got
        return [json.loads(row) for row in got.body.splitlines()]

    def records(self, batch: str) -> list[dict[str, Any]]:
        """The usage records of a batch."""
        found: list[dict[str, Any]] = []
        cursor = ""
        while True:
            path = f"/v1/usage?batch_id={batch}&limit=1000{cursor}"
            page = self.rig.ask("GET", path, key=self.key).body
            found += page["data"]
            if page["next_cursor"] is None:
                return found
            cursor = f"&cursor={page['next_cursor']}"


def proved(rig: Rig) -> None:
    """Everything holds, and every charge follows from its snapshot."""
    from nexctl.cli.gateway_ledger import repricer

    ledger = rig.house.ledger
    proof = verify(ledger, reprice=repricer(ledger))
    assert proof.violations == ()
