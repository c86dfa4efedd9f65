"""`nexctl batch` as a person runs it, on the embedded gateway and on one that misbehaves."""

from __future__ import annotations

import csv
import json
import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from nexctl.pricing import books, engine
from nexctl.records import Usage
from tests.e2e.conftest import PROGRAM, Nexctl

sys.path.insert(0, str(Path(__file__).parent.parent / "batch"))

from faulty_gateway import FaultyGateway
from pipeline_kit import line, write_lines

STATUS = {
    "id", "gateway", "model", "endpoint", "state", "shards", "counts", "quote", "charge",
    "created_at", "ends_at",
}  # fmt: skip
COUNTS = {"total", "succeeded", "failed", "expired", "cancelled", "unfinished"}
QUOTE = {
    "requests", "input_tokens", "output_tokens", "charge", "sync_charge", "currency", "spendable",
    "refused",
}  # fmt: skip


@pytest.fixture
def faulty() -> Iterator[FaultyGateway]:
    gateway = FaultyGateway()
    yield gateway
    gateway.close()


def at(gateway: FaultyGateway) -> dict[str, str]:
    return {
        "NEXCTL_BASE_URL": gateway.url,
        "NEXCTL_DRIVER": "openai",
        "NEXCTL_API_KEY": "sk-test",
        "NEXCTL_BOOK": "openai",
    }


def sheet(path: Path, rows: int) -> Path:
    with path.open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["id", "text"])
        writer.writerows([f"row {n}", f"comment {n}, " + "word " * (n % 23)] for n in range(rows))
    return path


def made(nexctl: Nexctl, folder: Path, rows: int) -> Path:
    (folder / "prompt.md").write_text("Classify: {{text}}\n")
    sheet(folder / "data.csv", rows)
    done = nexctl(
        *("batch", "make", "--template", "prompt.md", "--rows", "data.csv", "-m", "nex-pro"),
        *("--max-tokens", "48", "--id-column", "id", "--out", "requests.jsonl", "-o", "json"),
    )
    assert done.exit == 0, done
    assert done.data["requests"] == rows
    return folder / "requests.jsonl"


def test_from_an_empty_home_to_a_charge_that_is_right_to_the_last_nano(
    nexctl: Nexctl, tmp_path: Path
) -> None:
    made(nexctl, tmp_path, 1000)
    quote = nexctl("batch", "quote", "requests.jsonl", "-o", "json").data
    assert set(quote) >= QUOTE
    assert (quote["requests"], quote["spendable"], quote["refused"]) == (1000, "30", False)
    assert quote["batch_rules"] == {
        "factor": "0.70",
        "with_cached": True,
        "order": ["cached", "semantic", "batch", "billing_tier"],
    }
    before = Decimal(nexctl("wallet", "show", "-o", "json").data["balance"])
    done = nexctl("batch", "run", "requests.jsonl", "--max-cost", "1", "-y", "-o", "json")
    assert done.exit == 0, done
    assert set(done.data) >= STATUS | {"results"}
    assert set(done.data["counts"]) == COUNTS
    assert done.data["counts"]["succeeded"] == 1000
    charge = Decimal(done.data["charge"])
    assert Decimal(quote["charge"]["low"]) < charge <= Decimal(quote["charge"]["high"])
    after = nexctl("wallet", "show", "-o", "json").data
    assert before - Decimal(after["balance"]) == charge
    assert after["held"] == "0"
    rows = [json.loads(raw) for raw in Path(done.data["results"]).read_text().splitlines()]
    assert [row["custom_id"] for row in rows] == [f"row {n}" for n in range(1000)]
    # The quote's exact part is its input; with the real output it is what was charged.
    pricer = engine.pricer(books.load("nextoken"), "nex-pro", batch=True)
    usages = [row["response"]["body"]["usage"] for row in rows]
    assert sum(usage["prompt_tokens"] for usage in usages) == quote["input_tokens"]
    expected = sum(
        pricer.charge(Usage(input=u["prompt_tokens"], output=u["completion_tokens"])).units
        for u in usages
    )
    assert charge == Decimal(expected) / 10**9


def test_the_same_command_again_pays_nothing_more(nexctl: Nexctl, tmp_path: Path) -> None:
    made(nexctl, tmp_path, 3)
    first = nexctl("batch", "run", "requests.jsonl", "-y", "-o", "json")
    again = nexctl("batch", "run", "requests.jsonl", "--out", "again.csv", "-y", "-o", "json")
    assert (first.exit, again.exit) == (0, 0)
    assert again.data["id"] == first.data["id"]
    balance = Decimal(nexctl("wallet", "show", "-o", "json").data["balance"])
    assert Decimal(30) - balance == Decimal(first.data["charge"])
    with (tmp_path / "again.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [row["status"] for row in rows] == ["succeeded"] * 3
    assert sum(Decimal(row["charge"]) for row in rows) == Decimal(first.data["charge"])


def test_submit_wait_status_results_and_list_are_the_parts_of_run(
    nexctl: Nexctl, tmp_path: Path
) -> None:
    made(nexctl, tmp_path, 5)
    sent = nexctl("batch", "submit", "requests.jsonl", "-y", "-o", "json")
    assert (sent.exit, set(sent.data) >= STATUS) == (0, True)
    job = sent.data["id"]
    early = nexctl("batch", "results", "job_0000")
    assert early.exit == 3
    waited = nexctl("batch", "wait", job[:9], "-o", "json")
    assert (waited.exit, waited.data["state"]) == (0, "completed")
    assert nexctl("batch", "status", "-o", "json").data["id"] == job
    got = nexctl("batch", "results", job, "--out", "r.jsonl")
    assert (got.exit, len((tmp_path / "r.jsonl").read_text().splitlines())) == (0, 5)
    assert nexctl("batch", "list", "-o", "name").out.split() == [job]
    assert nexctl("batch", "list", "--state", "failed", "-o", "json").data == []


def test_max_cost_is_a_hard_stop_that_yes_does_not_override(nexctl: Nexctl, tmp_path: Path) -> None:
    made(nexctl, tmp_path, 5)
    for verb in ("quote", "submit", "run"):
        more = () if verb == "quote" else ("-y",)
        done = nexctl("batch", verb, "requests.jsonl", "--max-cost", "0.00000001", *more)
        assert done.exit == 9, done
        assert "nothing was sent" in done.err
    assert nexctl("batch", "list", "-o", "json").data == []


def test_sending_asks_first_and_a_dry_run_sends_nothing(nexctl: Nexctl, tmp_path: Path) -> None:
    made(nexctl, tmp_path, 2)
    done = nexctl("batch", "run", "requests.jsonl")
    assert done.exit == 10
    assert "Send 2 requests to nex-pro in 1 batch for at most $" in done.err
    assert "profile local" in done.err
    dry = nexctl("batch", "run", "requests.jsonl", "-n", "-o", "json")
    assert (dry.exit, dry.data["dry_run"]) == (0, True)
    assert nexctl("batch", "list", "-o", "json").data == []


def test_check_lists_every_fault_and_ends_with_2(nexctl: Nexctl, tmp_path: Path) -> None:
    good = json.dumps(line("a"))
    (tmp_path / "bad.jsonl").write_text(f"{good}\n{{\n{good}\n[]\n")
    done = nexctl("batch", "check", "bad.jsonl", "--for", "openai", "-o", "json")
    assert done.exit == 2
    assert [(f["line"], f["code"]) for f in done.data["faults"]] == [
        (2, "invalid_json_line"), (3, "duplicate_custom_id"), (4, "invalid_json_line"),
    ]  # fmt: skip
    text = nexctl("batch", "check", "bad.jsonl", "--for", "openai")
    assert "bad.jsonl:3: duplicate_custom_id" in text.out
    assert nexctl("batch", "run", "bad.jsonl", "-y").exit == 2
    assert nexctl("batch", "check", "nowhere.jsonl").exit == 2
    assert nexctl("batch", "check", "bad.jsonl", "--for", "nobody").exit == 2
    piped = nexctl("batch", "check", "-", "--for", "openai", stdin=good + "\n")
    assert (piped.exit, "no fault" in piped.out) == (0, True)
    os.mkfifo(tmp_path / "pipe")
    writer = subprocess.Popen(["sh", "-c", f"echo '{good}' > pipe"], cwd=tmp_path)
    fifo = nexctl("batch", "check", "pipe", "--for", "openai")
    writer.wait(timeout=60)
    assert (fifo.exit, "1 request" in fifo.out) == (0, True)


def test_what_was_made_is_told_in_rows_too(nexctl: Nexctl, tmp_path: Path) -> None:
    (tmp_path / "t.md").write_text("Say {{ name }}")
    (tmp_path / "r.csv").write_text("name\nAnn\n")
    make = ("batch", "make", "--template", "t.md", "--rows", "r.csv", "-m", "m", "--out", "o")
    done = nexctl(*make, "-o", "csv")
    size = (tmp_path / "o").stat().st_size
    assert (done.exit, done.out) == (0, f"file,requests,bytes,model\r\no,1,{size},m\r\n"), done


def test_make_refuses_an_unknown_column_a_ragged_row_and_bad_text(
    nexctl: Nexctl, tmp_path: Path
) -> None:
    (tmp_path / "t.md").write_text("{{ name }} {{nobody}}")
    (tmp_path / "r.csv").write_text("name\nAnn\n")
    make = ("batch", "make", "--template", "t.md", "--rows", "r.csv", "-m", "m", "--out", "o")
    done = nexctl(*make)
    assert done.exit == 2
    assert "there is no column 'nobody'" in done.err
    (tmp_path / "t.md").write_text("{{ name }}")
    for broken in (b"name,x\nAnn\n", b"name\n\xff\n", b"name,name\na,b\n", b"", b'name\n"open'):
        (tmp_path / "r.csv").write_bytes(broken)
        assert nexctl(*make).exit == 2, broken
    assert not (tmp_path / "o").exists()
    # A cell is text: what looks like a placeholder in it stays.
    (tmp_path / "r.csv").write_text("name\n{{name}}\n")
    done = nexctl(*make[:-2])
    assert json.loads(done.out)["body"]["messages"][0]["content"] == "{{name}}"


def test_no_command_writes_over_what_it_reads(nexctl: Nexctl, tmp_path: Path) -> None:
    write_lines(tmp_path / "r.jsonl", 2, model="nex-pro")
    before = (tmp_path / "r.jsonl").read_bytes()
    done = nexctl("batch", "run", "r.jsonl", "--out", "./r.jsonl", "--yes")
    assert (done.exit, (tmp_path / "r.jsonl").read_bytes()) == (2, before)
    assert nexctl("batch", "list", "-o", "json").data == []
    (tmp_path / "t.md").write_text("{{ name }}")
    (tmp_path / "r.csv").write_text("name\nAnn\n")
    make = ("batch", "make", "--template", "t.md", "--rows", "r.csv", "-m", "nex-pro")
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("elsewhere")
    for slip in ("t.md", "r.csv", "pipe", "link"):
        assert nexctl(*make, "--out", slip).exit == 2
    assert stat.S_ISFIFO(os.stat(tmp_path / "pipe").st_mode)
    assert (tmp_path / "r.csv").read_text() == "name\nAnn\n"


def test_a_hint_names_a_command_that_shows_more(nexctl: Nexctl, tmp_path: Path) -> None:
    write_lines(tmp_path / "r.jsonl", 2, model="nosuch")
    done = nexctl("batch", "quote", "r.jsonl")
    assert (done.exit, "batch check" in done.err, "prices list" in done.err) == (2, False, True)
    (tmp_path / "r.jsonl").write_text("nope\n")
    assert "batch check" in nexctl("batch", "quote", "r.jsonl").err
    assert "batch check" not in nexctl("batch", "check", "r.jsonl").err


def test_not_everything_succeeded_is_9_and_retry_brings_the_rest(
    nexctl: Nexctl, tmp_path: Path, faulty: FaultyGateway
) -> None:
    write_lines(tmp_path / "r.jsonl", 6)
    faulty.faults.some_fail = {"line-2": 500, "line-4": 400}
    done = nexctl("batch", "run", "r.jsonl", "-y", "--poll", "0.05", "-o", "json", **at(faulty))
    assert (done.exit, done.data["state"]) == (9, "partial")
    assert done.data["charge"] is None
    again = nexctl(
        "batch", "retry", done.data["id"], "-y", "--poll", "0.05", "-o", "json", **at(faulty)
    )
    assert (again.exit, again.data["counts"]["succeeded"]) == (9, 5)
    assert len(again.data["retries"]) == 1
    rows = [json.loads(raw) for raw in (tmp_path / "r.results.jsonl").read_text().splitlines()]
    assert [row["status"] for row in rows].count("succeeded") == 5
    nothing = nexctl("batch", "retry", done.data["id"], "-y", **at(faulty))
    assert (nothing.exit, "no line that may be sent again" in nothing.err) == (9, True)


def test_all_failed_is_never_completed(
    nexctl: Nexctl, tmp_path: Path, faulty: FaultyGateway
) -> None:
    write_lines(tmp_path / "r.jsonl", 3)
    faulty.faults.all_fail = 400
    done = nexctl("batch", "run", "r.jsonl", "-y", "--poll", "0.05", "-o", "json", **at(faulty))
    assert (done.exit, done.data["state"], done.data["counts"]["failed"]) == (9, "failed", 3)


def test_a_doubled_line_is_9_and_leaves_no_results(
    nexctl: Nexctl, tmp_path: Path, faulty: FaultyGateway
) -> None:
    write_lines(tmp_path / "r.jsonl", 3)
    faulty.faults.double = 1
    done = nexctl("batch", "run", "r.jsonl", "-qy", "--poll", "0.05", "-o", "json", **at(faulty))
    assert (done.exit, done.error["code"], done.error["doubles"]) == (9, "unverified", ["line-0"])
    assert not (tmp_path / "r.results.jsonl").exists()


def test_out_of_time_is_pending_and_says_how_to_go_on(
    nexctl: Nexctl, tmp_path: Path, faulty: FaultyGateway
) -> None:
    write_lines(tmp_path / "r.jsonl", 3)
    faulty.faults.polls = 10**6
    done = nexctl(
        *("batch", "run", "r.jsonl", "-y", "--poll", "0.1", "--timeout", "1", "-o", "json"),
        **at(faulty),
    )
    assert done.exit == 8
    assert "nexctl batch wait job_" in json.loads(done.err.splitlines()[-1])["error"]["hint"]


def test_ctrl_c_is_130_says_how_to_go_on_and_the_same_command_does(
    nexctl: Nexctl, tmp_path: Path, faulty: FaultyGateway
) -> None:
    write_lines(tmp_path / "r.jsonl", 3)
    faulty.faults.polls = 10**6
    process = subprocess.Popen(
        [str(PROGRAM), "batch", "run", "r.jsonl", "-y", "--poll", "0.05"],
        cwd=tmp_path,
        env={**os.environ, **at(faulty)},
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
    )
    for _ in range(600):
        if any("GET /v1/batches/" in seen for seen in list(faulty.seen)):
            break
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "or the same command goes on here" in said.decode()
    for batch in faulty.batches.values():
        batch["_polls"] = 1
    done = nexctl("batch", "run", "r.jsonl", "-y", "--poll", "0.05", "-o", "json", **at(faulty))
    assert (done.exit, len(faulty.batches)) == (0, 1)


def test_a_key_that_is_changed_while_waiting_is_taken_up_and_status_works_meanwhile(
    nexctl: Nexctl, tmp_path: Path, faulty: FaultyGateway
) -> None:
    write_lines(tmp_path / "r.jsonl", 3)
    faulty.faults.polls = 10**6
    added = nexctl("profile", "add", "work", "--driver", "openai", "--base-url", faulty.url,
                   "--book", "openai", "--use")  # fmt: skip
    assert added.exit == 0, added
    assert nexctl("auth", "login", stdin="sk-old-0123456789\n").exit == 0
    job = nexctl("batch", "submit", "r.jsonl", "-y", "-o", "json").data["id"]
    process = subprocess.Popen(
        [str(PROGRAM), "batch", "wait", job, "--poll", "0.05"],
        cwd=tmp_path,
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
    )
    for _ in range(600):
        if any("GET /v1/batches/" in seen for seen in list(faulty.seen)):
            break
        time.sleep(0.05)
    assert nexctl("batch", "status", job, "-o", "json").data["state"] == "in_progress"
    assert nexctl("auth", "login", stdin="sk-new-0123456789\n").exit == 0
    faulty.faults.key = "sk-new-0123456789"
    for batch in faulty.batches.values():
        batch["_polls"] = 5
    _, said = process.communicate(timeout=120)
    assert process.returncode == 0, said
    assert b"going on with the new one" in said


def test_cancel_keeps_what_is_done(nexctl: Nexctl, tmp_path: Path, faulty: FaultyGateway) -> None:
    write_lines(tmp_path / "r.jsonl", 3)
    faulty.faults.polls = 3
    sent = nexctl("batch", "submit", "r.jsonl", "-y", "-o", "json", **at(faulty)).data
    assert nexctl("batch", "cancel", sent["id"], **at(faulty)).exit == 10
    ended = nexctl("batch", "cancel", sent["id"], "-y", "-o", "json", **at(faulty))
    assert (ended.exit, ended.data["state"]) == (0, "cancelling")
    waited = nexctl("batch", "wait", sent["id"], "--poll", "0.05", "-o", "json", **at(faulty))
    assert (waited.exit, waited.data["counts"]["succeeded"]) == (0, 3)


def test_a_job_of_another_profile_is_not_followed_with_the_wrong_key(
    nexctl: Nexctl, tmp_path: Path, faulty: FaultyGateway
) -> None:
    write_lines(tmp_path / "r.jsonl", 2)
    sent = nexctl("batch", "submit", "r.jsonl", "-y", "-o", "json", **at(faulty)).data
    done = nexctl("batch", "wait", sent["id"])
    assert done.exit == 78
    assert "the gateway that the environment named" in done.err


def test_no_key_is_4_and_no_gateway_is_7(nexctl: Nexctl, tmp_path: Path) -> None:
    write_lines(tmp_path / "r.jsonl", 2)
    where: dict[str, Any] = {"NEXCTL_BASE_URL": "http://127.0.0.1:9", "NEXCTL_DRIVER": "openai",
                             "NEXCTL_BOOK": "openai"}  # fmt: skip
    assert nexctl("batch", "submit", "r.jsonl", "-y", **where).exit == 4
    quoted = nexctl("batch", "quote", "r.jsonl", "-o", "json", **where)
    assert (quoted.exit, quoted.data["spendable"], quoted.data["refused"]) == (0, None, None)
    where["NEXCTL_API_KEY"] = "sk-x"
    assert nexctl("batch", "submit", "r.jsonl", "-y", "--timeout", "1", **where).exit == 7


def test_a_gateway_that_charges_in_credits_is_told_in_its_own_unit(
    nexctl: Nexctl, tmp_path: Path
) -> None:
    """A quote in money and a charge in credits each name their unit; the wallet is worth money."""
    nexctl("gateway", "init", "relay", "--book", "nexrelay", "--payments", "sandbox", "--use")
    order = nexctl("wallet", "topup", "9", "-o", "json").data
    nexctl("gateway", "pay", order["id"])
    body = {"model": "gpt-5.2", "max_tokens": 20, "messages": [{"role": "user", "content": "Hi"}]}
    entry = {"custom_id": "a", "method": "POST", "url": "/v1/chat/completions", "body": body}
    (tmp_path / "in.jsonl").write_text(json.dumps(entry) + "\n")
    quote = nexctl("batch", "quote", "in.jsonl", "-o", "json").data
    assert (quote["currency"], quote["refused"]) == ("USD", False)
    assert Decimal(quote["spendable"]) <= Decimal("9")
    limit = ("--max-cost", quote["charge"]["high"])
    done = nexctl("batch", "run", "in.jsonl", "--yes", *limit, "-o", "json")
    assert done.exit == 0, done
    used = done.data["input_tokens"] + done.data["output_tokens"]
    assert (done.data["charge"], done.data["currency"]) == (str(used), "credits")
    assert done.data["quote"]["currency"] == "USD"
    told = nexctl("batch", "status", done.data["id"], "-o", "table").out
    assert f"charge {used}.0000 credits" in told or f"charge {used} credits" in told


def test_what_a_job_has_cost_in_credits_counts_by_their_value_against_a_limit() -> None:
    from types import SimpleNamespace as Some

    from nexctl.batch import quoting

    scan: Any = Some(estimator=Some(books=(books.load("nexrelay"),)))
    assert quoting.in_quoted(scan, 436 * 10**9, "credits") == 436_000
    assert quoting.in_quoted(scan, 436, "USD") == 436
    assert quoting.in_quoted(scan, 436, "EUR") is None
