"""An OpenAI-compatible gateway on loopback that misbehaves as it is told.

It keeps files and batches in memory, answers every line when a batch is made, and counts how often
each line was worked on: that is what a customer would be billed for.
"""

from __future__ import annotations

import json
import re
import threading
import time
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Faults:
    """What goes wrong. Counts are used up one by one."""

    def __init__(self) -> None:
        self.drop = 0  # lines that come back in no file
        self.double = 0  # lines that come back twice
        self.foreign = False  # a result that nobody asked for
        self.reverse = False  # results in another order
        self.all_fail: int | None = None  # completed, output file null, every line this status
        self.some_fail: dict[str, int] = {}  # custom_id -> status, the first time only
        self.vanish = 0  # polls that answer 404
        self.poll_500 = 0  # polls that answer 500
        self.create_500 = 0  # creates that are done and then answer 500
        self.refuse_create: list[tuple[int, dict[str, Any]]] = []
        self.expire_half = False
        self.cancel_half = False
        self.fail_batch = False  # the batch fails its validation
        self.cut = 0  # downloads that break off in the middle
        self.cut_line = 0  # downloads that end early but look whole
        self.polls = 1  # polls until a batch has ended
        self.lists = True
        self.key: str | None = None


class FaultyGateway:
    """The gateway; `url` is its address."""

    def __init__(self) -> None:
        self.faults = Faults()
        self.files: dict[str, tuple[str, bytes]] = {}
        self.batches: dict[str, dict[str, Any]] = {}
        self.worked: Counter[str] = Counter()
        self.seen: list[str] = []
        self.lock = threading.RLock()
        gateway = self

        class Handler(_Handler):
            owner = gateway

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self._thread = threading.Thread(
            target=self.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
        )
        self._thread.start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()

    def used(self, name: str) -> bool:
        """Whether a fault with a count is due; uses one up."""
        with self.lock:
            left = getattr(self.faults, name)
            if left > 0:
                setattr(self.faults, name, left - 1)
            return bool(left > 0)

    def store(self, name: str, content: bytes) -> str:
        with self.lock:
            file_id = f"file-{len(self.files) + 1:04d}"
            self.files[file_id] = (name, content)
            return file_id

    def make(self, body: dict[str, Any]) -> dict[str, Any]:
        """A new batch; every line is worked on at once, the results wait."""
        with self.lock:
            batch_id = f"batch_{len(self.batches) + 1:04d}"
            lines = [json.loads(raw) for raw in self.files[body["input_file_id"]][1].splitlines()]
            now = int(time.time())
            batch = {
                "id": batch_id,
                "object": "batch",
                "endpoint": body["endpoint"],
                "input_file_id": body["input_file_id"],
                "completion_window": body["completion_window"],
                "status": "validating",
                "created_at": now,
                "expires_at": now + 86_400,
                "metadata": body.get("metadata"),
                "request_counts": {"total": len(lines), "completed": 0, "failed": 0},
                "output_file_id": None,
                "error_file_id": None,
                "errors": None,
                "_polls": self.faults.polls,
                "_final": self._worked_on(batch_id, lines),
            }
            self.batches[batch_id] = batch
            return batch

    def _worked_on(self, batch_id: str, lines: list[dict[str, Any]]) -> dict[str, Any]:
        faults = self.faults
        if faults.fail_batch:
            fault = {"code": "token_limit_exceeded", "message": "too many tokens wait", "line": 1}
            return {"status": "failed", "errors": {"object": "list", "data": [fault]}}
        status, done = "completed", len(lines)
        if faults.expire_half or faults.cancel_half:
            status, done = "expired" if faults.expire_half else "cancelled", len(lines) // 2
        good: list[bytes] = []
        bad: list[bytes] = []
        for at, line in enumerate(lines):
            code = faults.all_fail or faults.some_fail.pop(line["custom_id"], 200)
            if at >= done:
                if faults.expire_half:
                    bad.append(_result(line, None, {"code": "batch_expired", "message": "late"}))
                continue
            if code < 400:
                self.worked[line["custom_id"]] += 1
            (good if code < 400 else bad).append(_result(line, code, None))
        told = {"total": len(lines), "completed": len(good), "failed": len(bad)}
        good = good[faults.drop :]
        good += good[: faults.double]
        if faults.foreign:
            good.append(_result({**lines[0], "custom_id": "who-is-this"}, 200, None))
        if faults.reverse:
            good.reverse()
        return {
            "status": status,
            "request_counts": told,
            "output_file_id": self._kept(f"{batch_id}_output.jsonl", good),
            "error_file_id": self._kept(f"{batch_id}_error.jsonl", bad),
        }

    def _kept(self, name: str, lines: list[bytes]) -> str | None:
        return self.store(name, b"\n".join(lines) + b"\n") if lines else None

    def look(self, batch_id: str) -> dict[str, Any]:
        with self.lock:
            batch = self.batches[batch_id]
            batch["_polls"] -= 1
            if batch["_polls"] <= 0 and batch["_final"]:
                batch.update(batch["_final"])
            else:
                batch["status"] = "in_progress"
            return batch


def _result(line: dict[str, Any], code: int | None, error: dict[str, Any] | None) -> bytes:
    response = None
    if code is not None and code < 400:
        words = sum(len(m["content"].split()) for m in line["body"]["messages"])
        usage = {"prompt_tokens": words, "completion_tokens": 7, "total_tokens": words + 7}
        message = {"role": "assistant", "content": f"answer to {line['custom_id']}"}
        choice = {"index": 0, "finish_reason": "stop", "message": message}
        body = {"id": "c", "object": "chat.completion", "created": 1, "usage": usage,
                "model": line["body"]["model"], "choices": [choice]}  # fmt: skip
        response = {"status_code": code, "request_id": "r", "body": body}
    elif code is not None:
        word = {402: "insufficient_quota", 429: "rate_limit_exceeded"}.get(code, "went_wrong")
        body = {"error": {"code": word, "message": f"status {code}"}}
        response = {"status_code": code, "request_id": "r", "body": body}
    found = {"id": "x", "custom_id": line["custom_id"], "response": response, "error": error}
    return json.dumps(found).encode()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    owner: FaultyGateway

    def log_message(self, *_: Any) -> None:
        pass

    def _say(self, status: int, value: Any, *, raw: bytes | None = None, cut: int = 0) -> None:
        body = json.dumps(value).encode() if raw is None else raw
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: len(body) - cut])
        if cut:
            self.close_connection = True

    def _no(self, status: int, message: str = "no", **more: Any) -> None:
        self._say(status, {"error": {"message": message, **more}})

    def _allowed(self) -> bool:
        self.owner.seen.append(f"{self.command} {self.path.partition('?')[0]}")
        key = self.owner.faults.key
        if key is not None and self.headers.get("Authorization") != f"Bearer {key}":
            self._no(401, "wrong key", code="invalid_api_key")
            return False
        return True

    def do_GET(self) -> None:
        if not self._allowed():
            return
        path, _, query = self.path.partition("?")
        owner = self.owner
        if path == "/v1/models":
            self._say(200, {"object": "list", "data": []})
        elif path in ("/v1/files", "/v1/batches"):
            self._list(path, query)
        elif match := re.fullmatch(r"/v1/batches/([^/]+)", path):
            if owner.used("vanish") or match[1] not in owner.batches:
                self._no(404, "no such batch")
            elif owner.used("poll_500"):
                self._no(500, "it broke")
            else:
                self._say(200, _public(owner.look(match[1])))
        elif match := re.fullmatch(r"/v1/files/([^/]+)(/content)?", path):
            if match[1] not in owner.files:
                self._no(404, "no such file")
            elif match[2]:
                self._content(owner.files[match[1]][1])
            else:
                self._say(200, _file(match[1], *owner.files[match[1]]))
        else:
            self._no(404, "no such path")

    def _content(self, raw: bytes) -> None:
        if self.owner.used("cut"):
            self._say(200, None, raw=raw, cut=len(raw) // 2)
        elif self.owner.used("cut_line"):
            self._say(200, None, raw=b"".join(raw.splitlines(keepends=True)[:-1]))
        else:
            self._say(200, None, raw=raw)

    def _list(self, path: str, query: str) -> None:
        owner = self.owner
        if not owner.faults.lists:
            return self._no(404, "no lists here")
        with owner.lock:
            if path == "/v1/files":
                every = [_file(key, *value) for key, value in owner.files.items()][::-1]
            else:
                every = [_public(batch) for batch in owner.batches.values()][::-1]
        after = re.search(r"after=([^&]+)", query)
        start = 0
        if after:
            start = next(i for i, one in enumerate(every) if one["id"] == after[1]) + 1
        page = every[start : start + 3]
        more = start + 3 < len(every)
        return self._say(200, {"object": "list", "data": page, "has_more": more})

    def do_POST(self) -> None:
        raw = self.rfile.read(int(self.headers["Content-Length"] or 0))
        if self._allowed():
            self._write(raw)

    def _write(self, raw: bytes) -> None:
        owner = self.owner
        if self.path == "/v1/files":
            name, content = _form(raw, self.headers["Content-Type"])
            self._say(200, _file(owner.store(name, content), name, content))
        elif self.path == "/v1/batches":
            with owner.lock:
                if owner.faults.refuse_create:
                    status, error = owner.faults.refuse_create.pop(0)
                    return self._no(status, **error)
                batch = owner.make(json.loads(raw))
            if owner.used("create_500"):
                return self._no(500, "it broke after the work was done")
            self._say(200, _public(batch))
        elif match := re.fullmatch(r"/v1/batches/([^/]+)/cancel", self.path):
            with owner.lock:
                batch = owner.batches[match[1]]
                if batch["status"] not in ("completed", "failed", "expired", "cancelled"):
                    batch["status"] = "cancelling"
                    final = batch["_final"]
                    final["status"] = "cancelled"
                self._say(200, _public(batch))
        else:
            self._no(404, "no such path")
        return None


def _public(batch: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in batch.items() if not name.startswith("_")}


def _file(file_id: str, name: str, content: bytes) -> dict[str, Any]:
    return {"id": file_id, "object": "file", "bytes": len(content), "created_at": 1,
            "filename": name, "purpose": "batch", "status": "processed"}  # fmt: skip


def _form(raw: bytes, kind: str) -> tuple[str, bytes]:
    boundary = b"--" + re.search(r"boundary=(\S+)", kind)[1].encode()  # type: ignore[index]
    for part in raw.split(boundary):
        head, _, content = part.partition(b"\r\n\r\n")
        name = re.search(rb'name="file"; filename="([^"]*)"', head)
        if name:
            return name[1].decode(), content.removesuffix(b"\r\n")
    raise AssertionError("no file in the form")
