"""`nexctl usage audit`: what the gateway exports audits clean, and what was changed does not."""

from __future__ import annotations

import json
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import Nexctl

FIELDS = {"rows", "matched", "findings", "totals", "rounding", "readings"}
FINDING = {
    "rule", "severity", "request_id", "billed", "expected", "difference", "explanation",
}  # fmt: skip


@pytest.fixture
def used(nexctl: Nexctl, tmp_path: Path) -> Path:
    """An export of a gateway that was used: chats, streams, top-ups and grants in between."""
    nexctl("chat", "-q", "-m", "nex-pro", stdin="What does a token cost?")
    nexctl("chat", "-q", "-m", "nex-smart", stdin="Twice as much. " * 40)
    order = nexctl("wallet", "topup", "50", "-o", "json").data["id"]
    nexctl("gateway", "pay", order)
    nexctl("chat", "-q", "-m", "nex-auto", stdin="Pick one.")
    nexctl("chat", "-q", "-m", "gpt-4o-mini", stdin="And another.")
    code = nexctl("admin", "codes", "create", "5", "--yes", "-q").out.strip()
    nexctl("wallet", "redeem", code)
    nexctl("chat", "-q", "-m", "nex-pro", stdin="Once more.")
    path = tmp_path / "usage.jsonl"
    assert nexctl("usage", "export", path).exit == 0
    return path


def changed(path: Path, number: int, **fields: Any) -> None:
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    rows[number].update(fields)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def test_what_the_gateway_exports_audits_clean(nexctl: Nexctl, used: Path, tmp_path: Path) -> None:
    done = nexctl("usage", "audit", used, "-o", "json")
    assert (done.exit, done.data["findings"], done.data["rows"]) == (0, [], 5)
    assert done.data["matched"] == 5
    # The pages of the gateway itself, and a CSV, are the same list.
    assert nexctl("usage", "audit").exit == 0
    for style in ("rfc4180", "excel", "excel-de"):
        sheet = tmp_path / f"{style}.csv"
        nexctl("usage", "export", sheet, "--csv-style", style)
        again = nexctl("usage", "audit", sheet, "--against", used, "-o", "json")
        assert (again.exit, again.data["against"]["differs"]) == (0, False), style
        assert again.data["totals"] == done.data["totals"]


@pytest.mark.parametrize("book", ["nexrelay", "deeptoken"])
def test_every_book_s_gateway_audits_clean(nexctl: Nexctl, tmp_path: Path, book: str) -> None:
    nexctl("gateway", "init", book, "--book", book)
    own = ("-p", book)
    code = nexctl("admin", "codes", "create", "900000", "--yes", "-q", *own).out.strip()
    assert nexctl("wallet", "redeem", code, *own).exit == 0
    model = "gpt-5.2" if book == "nexrelay" else "gpt-4.1-mini"
    for text in ("one", "two " * 50, "three"):
        assert nexctl("chat", "-q", "-m", model, *own, stdin=text).exit == 0
    done = nexctl("usage", "audit", *own, "-o", "json")
    assert (done.exit, done.data["rows"], done.data["findings"]) == (0, 3, [])


def test_findings_are_exit_9_with_fields_that_are_an_api(nexctl: Nexctl, used: Path) -> None:
    changed(used, 1, charge="0.5", balance_delta="-0.5")
    done = nexctl("usage", "audit", used, "-o", "json")
    assert done.exit == 9
    assert set(done.data) >= FIELDS
    assert {row["rule"] for row in done.data["findings"]} == {"rate", "balance"}
    (rate,) = [row for row in done.data["findings"] if row["rule"] == "rate"]
    assert set(rate) >= FINDING
    assert rate["severity"] == "error"
    assert rate["billed"] == "0.5"
    # Money is decimal text, and exact.
    totals = done.data["totals"]
    assert set(totals) >= {"billed", "expected", "difference"}
    assert totals["difference"] == rate["difference"]
    assert done.error["code"] == "audit_findings"


def test_the_report_reads_the_same_in_a_pipe_and_without_colour(nexctl: Nexctl, used: Path) -> None:
    changed(used, 0, charge="0.0000001", balance_delta="-0.0000001")
    done = nexctl("usage", "audit", used)
    assert done.out.splitlines()[0] == ("usage.jsonl · price book nextoken@2026-11-20 · all models")
    assert "\x1b" not in done.out
    assert max(map(len, done.out.splitlines())) <= 80
    assert done.out == nexctl("usage", "audit", used, NO_COLOR="1").out
    assert "1 finding in 5 rows" in done.err


def test_findings_as_lines_and_sheets(nexctl: Nexctl, used: Path) -> None:
    changed(used, 0, status="error")
    lines = nexctl("usage", "audit", used, "-o", "jsonl").out.splitlines()
    assert [json.loads(line)["rule"] for line in lines] == ["failed_charged"]
    sheet = nexctl("usage", "audit", used, "-o", "csv").out.splitlines()
    assert sheet[0].startswith("row,rule,severity,request_id")
    assert len(sheet) == 2


def test_an_invoice_and_another_profile_are_compared(nexctl: Nexctl, used: Path) -> None:
    billed = nexctl("usage", "audit", used, "-o", "json").data["totals"]["billed"]
    assert nexctl("usage", "audit", used, "--against", billed).exit == 0
    done = nexctl("usage", "audit", used, "--against", "7.5", "-o", "json")
    assert (done.exit, done.data["against"]["kind"], done.data["findings"]) == (9, "amount", [])
    nexctl("gateway", "init", "other")
    away = nexctl("usage", "audit", used, "--against", "other", "-o", "json")
    assert away.exit == 9
    assert away.data["against"]["rows_against"] == 0
    assert len(away.data["against"]["gaps"]) == 5
    assert nexctl("usage", "audit", used, "--against", "nobody").exit == 2


def test_a_statement_is_written_whole_and_privately(
    nexctl: Nexctl, used: Path, tmp_path: Path
) -> None:
    changed(used, 0, charge="9", balance_delta="-9")
    out = tmp_path / "dispute.md"
    done = nexctl("usage", "audit", used, "--statement", out)
    assert done.exit == 9
    text = out.read_text()
    assert text.startswith("# Statement on billed usage\n")
    assert "| 9 |" in text
    assert out.stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.glob("*.part")) == []
    assert nexctl("usage", "audit", used, "--statement", tmp_path / "no" / "x.md").exit == 2


def test_another_book_prices_the_same_list(nexctl: Nexctl, used: Path, tmp_path: Path) -> None:
    done = nexctl("usage", "audit", used, "--book", "openai", "-o", "json")
    assert done.exit == 9
    assert {"unpriced"} <= set(done.data["counts"])
    assert nexctl("usage", "audit", used, "--book", "no-such-book").exit == 2
    assert nexctl("usage", "audit", used, "--book", tmp_path / "none.toml").exit == 2


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "empty"),
        ('{"charge": "1", "created_at": "2026-11-26T00:00:00Z"}\n{oops}\n', "line 2"),
        ('{"charge": "1..5", "created_at": "2026-11-26T00:00:00Z"}\n', "line 1"),
        ("a,b\n1,2\n", "no export"),
    ],
)
def test_malformed_input_is_exit_2_with_its_line(
    nexctl: Nexctl, tmp_path: Path, text: str, says: str
) -> None:
    path = tmp_path / "bad.jsonl"
    path.write_text(text)
    done = nexctl("usage", "audit", path)
    assert done.exit == 2, done
    assert says in done.err
    assert done.out == ""
    assert "Traceback" not in done.err


def test_a_parquet_is_named_where_it_is_malformed(nexctl: Nexctl, tmp_path: Path) -> None:
    """It is audited by way of a file of rows, whose name says nothing to anybody."""
    duckdb = pytest.importorskip("duckdb")
    path = str(tmp_path / "u.parquet")
    duckdb.sql("SELECT 'x' AS request_id, 1 AS charge").write_parquet(path)
    done = nexctl("usage", "audit", path)
    assert (done.exit, "u.parquet, line 1: created_at" in done.err) == (2, True)


def test_an_empty_list_has_no_price_book_and_no_currency(nexctl: Nexctl, tmp_path: Path) -> None:
    empty = tmp_path / "empty.csv"
    nexctl("usage", "export", empty, "--month", "2020-01")
    done = nexctl("usage", "audit", empty, "--against", "7.5")
    assert done.exit == 9
    assert "empty.csv · no price book · all models" in done.out
    assert "invoice 7.5: billed 0, differs by -7.5\n" in done.out


def test_what_is_not_there_is_told(nexctl: Nexctl, used: Path, tmp_path: Path) -> None:
    assert nexctl("usage", "audit", tmp_path / "nothing.csv").exit == 2
    assert nexctl("usage", "audit", tmp_path).exit == 2
    assert nexctl("usage", "audit", used, "--batch", "no-such-batch").exit == 3
    assert nexctl("usage", "audit", "--map", "charge=Cost").exit == 2


def test_a_total_that_lacks_a_charge_agrees_with_no_invoice(nexctl: Nexctl, used: Path) -> None:
    changed(used, 1, charge=None)
    billed = nexctl("usage", "audit", used, "-o", "json").data["totals"]["billed"]
    done = nexctl("usage", "audit", used, "--against", billed, "-o", "json")
    assert (done.exit, done.data["against"]["differs"]) == (9, True)
    shown = nexctl("usage", "audit", used, "--against", billed).out
    assert "differs by what a row without a charge would add" in shown


def test_a_list_may_come_through_a_pipe(nexctl: Nexctl, used: Path, tmp_path: Path) -> None:
    named = nexctl("usage", "audit", used, "-o", "json")
    piped = nexctl("usage", "audit", "-", "-o", "json", stdin=used.read_bytes())
    assert (piped.exit, piped.data) == (named.exit, named.data)
    odd = nexctl("usage", "audit", "-", stdin="a,b\n1,2\n")
    assert odd.exit == 2
    assert odd.err.startswith("error: standard input: this is no export of usage")
    fifo = tmp_path / "bill.fifo"
    os.mkfifo(fifo)
    with ThreadPoolExecutor() as beside:
        beside.submit(fifo.write_bytes, used.read_bytes())
        through = nexctl("usage", "audit", fifo, "-o", "json")
    assert (through.exit, through.data) == (named.exit, named.data)
    endless = nexctl("usage", "audit", "/dev/zero")
    assert (endless.exit, "a device" in endless.err) == (2, True)


def test_a_window_is_not_taken_of_a_file(nexctl: Nexctl, used: Path) -> None:
    for window in (("--month", "2026-10"), ("--from", "2026-10-01"), ("--to", "2026-10-01")):
        done = nexctl("usage", "audit", used, *window)
        assert (done.exit, "are of a gateway" in done.err) == (2, True)
    # Of the gateway that it is compared with it is.
    nexctl("gateway", "init", "other")
    done = nexctl("usage", "audit", used, "--against", "other", "--month", "2020-01", "-o", "json")
    assert (done.exit, done.data["against"]["rows_against"]) == (9, 0)
