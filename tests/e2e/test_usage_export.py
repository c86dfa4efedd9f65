"""`nexctl usage`: from metered requests to a file that adds up, summed, listed and followed."""

from __future__ import annotations

import csv
import hashlib
import http.server
import json
import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import msgspec
import pytest

from nexctl.usage.columns import NAMES
from tests.e2e.conftest import PROGRAM, Nexctl
from tests.usage.export_kit import Recorded, book_of

SUMMED = {"gateway", "price_book", "window", "filters", "by", "closed", "groups", "total"}
SUM = {
    *("requests", "input_tokens", "cached_input_tokens", "output_tokens", "reasoning_tokens"),
    *("charge", "currency"),
}


@pytest.fixture
def used(nexctl: Nexctl) -> Nexctl:
    """A gateway of one's own with three metered requests and a top-up between."""
    assert nexctl("chat", "-", "-q", stdin="Hello there").exit == 0
    order = nexctl("wallet", "topup", "50", "-q", "-o", "name").out.strip()
    assert nexctl("gateway", "pay", order, "-q").exit == 0
    assert nexctl("chat", "-", "-q", "-m", "nex-reasoning", stdin="And again").exit == 0
    assert nexctl("chat", "-", "-q", stdin="A third time").exit == 0
    return nexctl


def test_export_summary_and_wallet_agree(used: Nexctl, tmp_path: Path) -> None:
    done = used("usage", "export", "all.csv", "--totals", "-o", "json")
    assert done.exit == 0, done
    with (tmp_path / "all.csv").open(encoding="utf-8", newline="") as stream:
        found = list(csv.DictReader(stream))
    assert tuple(found[0]) == NAMES
    total = sum(Decimal(row["charge"]) for row in found)
    assert [row["sequence"] for row in found] == ["2", "4", "5"]
    assert Decimal(done.data["sums"]["USD"]) == total
    assert done.data["sha256"] == hashlib.sha256((tmp_path / "all.csv").read_bytes()).hexdigest()
    assert done.data["balance"]["matches"] is True
    assert done.data["balance"]["closing"] == used("wallet", "show", "-o", "json").data["balance"]
    assert done.data["other_entries"]["sequences"] == [[1, 1], [3, 3]]
    assert sum(Decimal(row["charge"]) for row in done.data["totals"]) == total
    summary = used("usage", "summary", "--by", "model,day", "-o", "json").data
    assert set(summary) == SUMMED
    assert set(summary["total"]) == SUM
    assert all(set(group) == SUM | {"group"} for group in summary["groups"])
    assert Decimal(summary["total"]["charge"]) == total
    assert {group["group"]["model"] for group in summary["groups"]} == {"nex-pro", "nex-reasoning"}


def test_the_report_proves_the_balance_in_plain_text(used: Nexctl) -> None:
    done = used("usage", "export", "all.csv")
    assert done.exit == 0, done
    assert "nextoken" in done.out.splitlines()[0]
    for words in ("opening balance", "+ credits", "- usage in this file", "= closing balance"):
        assert words in done.out
    assert "\x1b" not in done.out
    assert "█" not in used("usage", "summary").out
    assert done.err == ""


def test_what_was_taken_is_named_beside_the_debits(used: Nexctl) -> None:
    order = used("wallet", "topups", "-o", "name").out.strip()
    assert used("admin", "payments", "refund", order, "--amount", "7", "--yes").exit == 0
    lines = used("usage", "export", "all.csv").out.splitlines()
    given, taken = (
        next(line for line in lines if line.startswith(start))
        for start in ("+ credits", "- other debits")
    )
    assert given.endswith("1 grant, 1 topup")
    assert taken.split() == ["-", "other", "debits", "$7.0000", "1", "refund"]


def test_suffix_or_format_picks_the_kind_and_a_dash_streams(used: Nexctl, tmp_path: Path) -> None:
    lines = used("usage", "export", "-", "--format", "jsonl")
    assert [json.loads(line)["sequence"] for line in lines.out.splitlines()] == [2, 4, 5]
    assert "3 records" in lines.err
    assert used("usage", "export", "u.jsonl").exit == 0
    assert (tmp_path / "u.jsonl").read_text() == lines.out
    assert used("usage", "export").out.startswith("created_at,")
    os.mkfifo(tmp_path / "pipe.csv")
    (tmp_path / "out.csv").symlink_to("pipe.csv")
    for arguments, said in (
        (("u.txt",), "names no format"),
        (("-", "--format", "xlsx"), "needs a FILE"),
        (("-", "--resume"), "need a FILE"),
        (("u.jsonl", "--csv-style", "excel"), "goes with csv"),
        (("u.csv", "--month", "2026-13"), "is not a month"),
        (("u.csv", "--from", "2026-10-02", "--to", "2026-10-02"), "not before"),
        (("u.csv", "--from", "yesterday"), "is not a time"),
        (("u.csv", "--timezone", "Nowhere"), "is not known"),
        (("u.csv", "--label", "team"), "has no value"),
        (("no/such/u.csv",), "no such folder"),
        ((".", "--format", "csv"), "is a folder"),
        (("pipe.csv",), "is no file"),
        (("out.csv",), "is no file"),
    ):
        done = used("usage", "export", *arguments)
        assert (done.exit, said in done.err) == (2, True), done
        assert "Traceback" not in done.err
    assert used("usage", "export", "u.csv", "--key", "nobody").exit == 3
    assert not (tmp_path / "u.csv").exists()
    assert (tmp_path / "pipe.csv").is_fifo()


def test_later_exports_go_on_and_old_files_stay(used: Nexctl, tmp_path: Path) -> None:
    assert used("usage", "export", "u.csv", "--since-last").exit == 0
    first = (tmp_path / "u.csv").read_bytes()
    nothing = used("usage", "export", "u.csv", "--since-last")
    assert (nothing.exit, "no new record" in nothing.err) == (0, True)
    nothing = used("usage", "export", "u.csv", "--since-last", "-o", "csv")
    assert (nothing.exit, nothing.out) == (0, "rows,charge,currency,unknown_charges\r\n"), nothing
    assert used("chat", "-", "-q", stdin="Once more").exit == 0
    done = used("usage", "export", "u.csv", "--since-last", "-o", "json").data
    assert (done["path"], done["rows"], done["after_sequence"]) == ("u.2.csv", 1, 5)
    assert done["continues"]["sha256"] == hashlib.sha256(first).hexdigest()
    assert (tmp_path / "u.csv").read_bytes() == first
    wrong = used("usage", "export", "u.csv", "--since-last", "--month", "2026-10")
    assert wrong.exit == 2
    assert "has window none, and this asks for from 2026-10-01" in wrong.err


def test_a_series_whose_manifest_is_broken_is_not_continued(used: Nexctl, tmp_path: Path) -> None:
    assert used("usage", "export", "u.csv").exit == 0
    beside = tmp_path / "u.csv.manifest.json"
    whole = json.loads(beside.read_text())
    for broken in ({}, {**whole, "covered_to": "x"}, {**whole, "schema": 9}, "no object"):
        beside.write_text(json.dumps(broken))
        done = used("usage", "export", "u.csv", "--since-last")
        assert (done.exit, "manifest" in done.err) == (2, True), done
    beside.unlink()
    assert used("usage", "export", "u.csv", "--since-last").exit == 2


def test_a_key_of_its_own_exports_its_own_records_without_a_balance(
    used: Nexctl, tmp_path: Path
) -> None:
    secret = used("keys", "create", "--name", "ci", "-q").out.strip()
    assert used("chat", "-", "-q", stdin="By ci", NEXCTL_API_KEY=secret).exit == 0
    done = used("usage", "export", "u.csv", "-o", "json", NEXCTL_API_KEY=secret).data
    assert (done["rows"], done["unfiltered"], done["balance"]) == (1, False, None)
    named = used("usage", "export", "n.csv", "--key", "ci", "-o", "json").data
    assert (named["rows"], named["unfiltered"]) == (1, False)
    assert named["sums"] == done["sums"]


def test_ctrl_c_keeps_what_came_and_exits_130(nexctl: Nexctl, door: Door, tmp_path: Path) -> None:
    program = subprocess.Popen(
        [PROGRAM, "usage", "export", "u.csv", *OCTOBER], cwd=tmp_path, text=True,
        env={**os.environ, **environ(door)}, stderr=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip
    while door.pages < 10:
        time.sleep(0.002)
    program.send_signal(signal.SIGINT)
    out, err = program.communicate(timeout=60)
    assert (program.returncode, out, "--resume" in err) == (130, "", True)
    assert nexctl("usage", "export", "u.csv", *OCTOBER, "--resume", **environ(door)).exit == 0


def test_list_show_and_their_json(used: Nexctl) -> None:
    records = used("usage", "list", "-o", "json").data
    assert [set(record) for record in records] == [set(NAMES)] * 3
    assert used("usage", "list", "--limit", "1", "-o", "name").out == (
        records[0]["request_id"] + "\n"
    )
    assert used("usage", "list", "--model", "nex-reasoning", "-o", "json").data == records[1:2]
    assert len(used("usage", "list").out.splitlines()) == 3
    shown = used("usage", "show", records[0]["request_id"], "-o", "json").data
    assert shown.items() >= records[0].items()
    told = {"own_key", "picked", "quantities", "score", "tries", "wallet"}
    assert shown.keys() - records[0].keys() == told, "what one request shows beside its row"
    assert "charge" in used("usage", "show", records[0]["request_id"]).out
    assert used("usage", "show", "req_none").exit == 3
    assert used("usage", "list", "--month", "2020-01", "-o", "json").data == []


@pytest.mark.parametrize("by", ["day", "week", "month"])
def test_a_chart_is_plain_text_of_at_most_80_columns(used: Nexctl, by: str) -> None:
    done = used("usage", "summary", "--by", by, "--chart", NO_COLOR="1")
    assert done.exit == 0, done
    assert "█" in done.out
    assert max(map(len, done.out.splitlines()[2:])) <= 80
    assert used("usage", "summary", "--by", "model", "--chart").exit == 2
    narrow = used("usage", "summary", "--chart", PYTHONIOENCODING="ascii")
    assert "#" in narrow.out
    assert narrow.out.isascii()


def test_tail_follows_and_ends_cleanly_on_ctrl_c(used: Nexctl, tmp_path: Path) -> None:
    program = subprocess.Popen(
        [PROGRAM, "usage", "tail", "--interval", "1", "-o", "jsonl"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=tmp_path,
    )  # fmt: skip
    assert program.stdout is not None
    found = [json.loads(program.stdout.readline())["sequence"] for _ in range(3)]
    assert found == [2, 4, 5]
    assert used("chat", "-", "-q", stdin="While it looks").exit == 0
    assert json.loads(program.stdout.readline())["sequence"] == 6
    program.send_signal(signal.SIGINT)
    out, err = program.communicate(timeout=60)
    assert (program.returncode, out) == (130, "")
    assert "Traceback" not in err
    assert used("usage", "tail", "-o", "json").exit == 2


# over HTTP, from a gateway that misbehaves -------------------------------------------------------


class Door:
    """A gateway of recorded pages on loopback. `told` refuses pages by their number."""

    def __init__(self, records: int) -> None:
        book = book_of(records)
        self.book = book
        source = Recorded(book, limit=5)
        self.told: dict[int, tuple[int, dict[str, str]]] = {}
        self.pages = 0
        kit = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def log_message(self, *_: Any) -> None:
                """Say nothing."""

            def do_GET(self) -> None:
                parts = urlsplit(self.path)
                asked = {name: values[0] for name, values in parse_qs(parts.query).items()}
                status, headers, raw = kit.answer(parts.path, asked, source)
                self.send_response(status)
                for name, value in {**headers, "content-type": "application/json"}.items():
                    self.send_header(name, value)
                self.send_header("content-length", str(len(raw)))
                self.end_headers()
                self.wfile.write(raw)

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def answer(
        self, path: str, asked: dict[str, str], source: Recorded
    ) -> tuple[int, dict[str, str], bytes]:
        if path == "/v1/me":
            key = {"id": "key_1", "kind": "management_key", "prefix": "nxt_mk_x"}
            me = {"gateway": "nextoken", "key": key, "currency": "USD",
                  "customer": {"id": "cus_1", "name": "me"}}  # fmt: skip
            return 200, {}, json.dumps(me).encode()
        if path == "/v1/wallets":
            return 200, {}, b'{"data": []}'
        after = int(asked.get("after_sequence", "0"))
        if path == "/v1/wallet/ledger":
            entries = source.ledger(
                max(after, int(asked.get("cursor", "0"))),
                start=asked.get("from"), end=asked.get("to"),
            ) or []  # fmt: skip
            cursor = str(entries[-1].sequence) if len(entries) == 3 else None
            page = {"data": msgspec.to_builtins(entries), "next_cursor": cursor}
            return 200, {}, json.dumps(page).encode()
        self.pages += 1
        status, headers = self.told.get(self.pages, (200, {}))
        if status != 200:
            code = "rate_limited" if status == 429 else "internal_error"
            error = {"type": "platform", "code": code, "message": "no"}
            return status, headers, json.dumps({"error": error}).encode()
        time.sleep(0.01)
        return 200, {}, source.page(asked.get("cursor"), after)

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def door() -> Iterator[Door]:
    kit = Door(300)
    yield kit
    kit.close()


def environ(door: Door) -> dict[str, str]:
    return {
        "NEXCTL_BASE_URL": door.url,
        "NEXCTL_DRIVER": "nexctl",
        "NEXCTL_API_KEY": "nxt_mk_" + "a" * 40,
    }


OCTOBER = ("--month", "2026-10")


def test_killed_and_resumed_over_http_it_is_the_same_file(
    nexctl: Nexctl, door: Door, tmp_path: Path
) -> None:
    assert nexctl("usage", "export", "whole.csv", *OCTOBER, **environ(door)).exit == 0
    whole = hashlib.sha256((tmp_path / "whole.csv").read_bytes()).hexdigest()
    for kill_after in (3, 17, 40):
        before = door.pages
        program = subprocess.Popen(
            [PROGRAM, "usage", "export", "u.csv", *OCTOBER, "--resume"],
            cwd=tmp_path, env={**os.environ, **environ(door)},
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        while door.pages < before + kill_after and program.poll() is None:
            time.sleep(0.002)
        program.kill()
        program.wait()
        assert not (tmp_path / "u.csv").exists()
    before = door.pages
    done = nexctl("usage", "export", "u.csv", *OCTOBER, "--resume", "-o", "json", **environ(door))
    assert done.exit == 0, done
    assert done.data["sha256"] == whole
    assert hashlib.sha256((tmp_path / "u.csv").read_bytes()).hexdigest() == whole
    assert (done.data["closed"], done.data["rows"]) == (True, 301)
    assert door.pages - before < 10
    frozen = nexctl("usage", "export", "u.csv", *OCTOBER, "--since-last", **environ(door))
    assert (frozen.exit, "closed window" in frozen.err) == (0, True)
    assert sorted(p.name for p in tmp_path.glob("u*")) == ["u.csv", "u.csv.manifest.json"]


def test_a_balance_that_does_not_add_up_is_exit_9_after_the_report(
    nexctl: Nexctl, door: Door, tmp_path: Path
) -> None:
    door.book.records[14]["balance_after"] = "1"
    done = nexctl("usage", "export", "u.csv", *OCTOBER, **environ(door))
    assert done.exit == 9, done
    assert "it does not add up" in done.out
    assert "the gateway says 1" in done.err
    manifest = json.loads((tmp_path / "u.csv.manifest.json").read_text())
    assert manifest["balance"]["matches"] is False


def test_a_rate_limit_is_waited_for_and_a_page_error_asked_again(
    nexctl: Nexctl, door: Door, tmp_path: Path
) -> None:
    door.told = {5: (429, {"retry-after": "0.1"}), 9: (500, {}), 10: (503, {"retry-after": "0"})}
    done = nexctl("usage", "export", "u.csv", *OCTOBER, "-o", "json", **environ(door))
    assert done.exit == 0, done
    assert done.data["rows"] == 301
    with (tmp_path / "u.csv").open(encoding="utf-8", newline="") as stream:
        sequences = [int(row["sequence"]) for row in csv.DictReader(stream)]
    assert sequences == sorted(set(sequences))


@pytest.mark.parametrize(
    ("told", "code"), [((429, {"retry-after": "3600"}), 6), ((500, {"retry-after": "999"}), 7)]
)
def test_a_gateway_that_does_not_go_on_is_a_clear_stop(
    nexctl: Nexctl, door: Door, tmp_path: Path, told: Any, code: int
) -> None:
    door.told = dict.fromkeys(range(20, 40), told)
    done = nexctl("usage", "export", "u.csv", *OCTOBER, **environ(door))
    assert done.exit == code, done
    assert "--resume" in done.err
    assert not (tmp_path / "u.csv").exists()
    door.told = {}
    assert nexctl("usage", "export", "u.csv", *OCTOBER, "--resume", **environ(door)).exit == 0
