"""A gateway used in every way audits clean: streams, billing tiers, refunds, wallets, batches."""

from __future__ import annotations

import csv
import json
from decimal import Decimal
from pathlib import Path

import pytest

from nexctl.pricing import books
from tests.e2e.conftest import Nexctl

ENDS = {"500": "0.00003", "5000": "0.00006"}
INIT = ("gateway", "init", "shop", "--payments", "sandbox", "--use")


def with_near_thresholds(path: Path) -> Path:
    """NexToken's book with billing tiers that a few requests cross."""
    text = Path(books.__file__).with_name("books").joinpath("nextoken.toml").read_text()
    for far, near in ENDS.items():
        assert f'up_to = "{far}"' in text
        text = text.replace(f'up_to = "{far}"', f'up_to = "{near}"')
        text = text.replace(f'above = "{far}"', f'above = "{near}"')
    path.write_text(text)
    return path


@pytest.fixture
def tiered(nexctl: Nexctl, tmp_path: Path) -> Nexctl:
    """A gateway that crossed thresholds, refunded an order and spent from two wallets."""
    book = with_near_thresholds(tmp_path / "near.toml")
    made = nexctl(*INIT, "--book", book, "--plan", "enterprise")
    assert made.exit == 0, made
    (tmp_path / "terms.toml").write_text('minimum = "1"\n')
    assert nexctl("admin", "terms", "set", "terms.toml", "--yes").exit == 0
    order = nexctl("wallet", "topup", "50", "-o", "json").data["id"]
    assert nexctl("gateway", "pay", order).exit == 0
    key = nexctl("keys", "create", "--name", "research", "-o", "json").data
    wallet = nexctl("wallet", "create", "research", "--key", key["id"], "-o", "json").data["id"]
    second = nexctl("wallet", "topup", "10", "--wallet", wallet, "-o", "json").data["id"]
    assert nexctl("gateway", "pay", second).exit == 0
    for number in range(4):
        text = f"Tell me more about tokens, {number}. " * 3
        assert nexctl("chat", "-q", "-m", "nex-pro", stdin=text).exit == 0
        other = nexctl("chat", "-q", "-m", "nex-smart", stdin=text, NEXCTL_API_KEY=key["secret"])
        assert other.exit == 0, other
        if number == 1:
            done = nexctl("admin", "payments", "refund", order, "--amount", "20", "--yes")
            assert done.exit == 0, done
        assert nexctl("chat", "-q", "--no-stream", "-m", "nex-pro", stdin=text).exit == 0
    return nexctl


def test_tiers_refunds_and_wallets_audit_clean_from_every_side(
    tiered: Nexctl, tmp_path: Path
) -> None:
    assert tiered("usage", "export", "used.jsonl").exit == 0
    rows = [json.loads(line) for line in (tmp_path / "used.jsonl").read_text().splitlines()]
    assert {"developer", "pro"} <= {row["tier"] for row in rows}
    # What the other wallet spent is in the other wallet's book, and moves no balance here.
    assert {row["key_name"] for row in rows} == {"management"}
    wallets = {row["name"]: row["balance"] for row in tiered("wallet", "list", "-o", "json").data}
    assert wallets["main"] != "50"
    assert wallets["research"] != "10"
    near = ("--book", "near.toml", "-o", "json")
    for against in (("--against", "used.jsonl"), ("--against", "shop"), ()):
        for file in (("used.jsonl",), ()):
            done = tiered("usage", "audit", *file, *against, *near)
            assert (done.exit, done.data["findings"]) == (0, []), done
            assert (done.data["rows"], done.data["matched"]) == (8, 8)
    billed = sum(Decimal(row["charge"]) for row in rows)
    assert tiered("usage", "audit", "used.jsonl", "--against", str(billed), *near).exit == 0


def test_an_export_has_a_file_for_each_wallet_and_each_adds_up(
    tiered: Nexctl, tmp_path: Path
) -> None:
    done = tiered("usage", "export", "used.csv", "-o", "json")
    assert done.exit == 0, done
    (other,) = done.data["other_wallets"]
    wallet = other["filters"]["wallet"]
    assert (done.data["path"], other["path"]) == ("used.csv", f"used.{wallet}.csv")
    assert (tmp_path / other["path"]).exists()
    assert done.data["balance"]["matches"] is other["balance"]["matches"] is True
    held = {row["id"]: row["balance"] for row in tiered("wallet", "list", "-o", "json").data}
    assert Decimal(other["balance"]["closing"]) == Decimal(held[wallet])
    total = sum(Decimal(one["sums"]["USD"]) for one in (done.data, other))
    summary = tiered("usage", "summary", "-o", "json").data
    assert Decimal(summary["total"]["charge"]) == total
    assert done.data["rows"] + other["rows"] == summary["total"]["requests"] == 12
    # One of them alone, and all of them through a pipe with one header.
    alone = tiered("usage", "export", "one.csv", "--wallet", wallet, "-o", "json").data
    assert (alone["rows"], "other_wallets" in alone) == (4, False)
    lines = tiered("usage", "export", "-").out.splitlines()
    assert len(lines) == 13
    assert [line for line in lines if line.startswith("created_at")] == lines[:1]
    text = tiered("usage", "export", "text.csv").out
    assert text.count("= closing balance") == 2
    again = tiered("usage", "export", "used.csv", "--since-last")
    assert (again.exit, again.err.count("nothing was written")) == (0, 2)
    # An audit of the gateway is of one book too, and says which others there are.
    near = ("usage", "audit", "--book", "near.toml", "-o", "json")
    first = tiered(*near)
    assert (first.data["rows"], f"--wallet names another: {wallet}" in first.err) == (8, True)
    second = tiered(*near, "--wallet", wallet)
    assert (second.exit, second.data["rows"], second.err) == (0, 4, "")
    assert tiered("usage", "audit", "used.csv", "--wallet", wallet).exit == 2


def test_a_charge_at_a_tier_that_was_not_reached_is_found(tiered: Nexctl, tmp_path: Path) -> None:
    assert tiered("usage", "export", "used.jsonl").exit == 0
    rows = [json.loads(line) for line in (tmp_path / "used.jsonl").read_text().splitlines()]
    at = next(i for i, row in enumerate(rows) if row["tier"] not in (None, "developer"))
    rows[at]["tier"] = "developer"
    (tmp_path / "said.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    done = tiered("usage", "audit", "said.jsonl", "--book", "near.toml", "-o", "json")
    assert done.exit == 9
    assert [row["rule"] for row in done.data["findings"]] in (["tier"], ["rounding"])


def test_parquet_audits_like_the_same_list_in_jsonl(nexctl: Nexctl, tmp_path: Path) -> None:
    pytest.importorskip("duckdb")
    for text in ("one", "two " * 30):
        assert nexctl("chat", "-q", "-m", "nex-pro", stdin=text).exit == 0
    for name in ("u.parquet", "u.jsonl"):
        done = nexctl("usage", "export", name)
        assert done.exit == 0, done
    here = nexctl("usage", "audit", "u.parquet", "--against", "u.jsonl", "-o", "json")
    there = nexctl("usage", "audit", "u.jsonl", "-o", "json")
    assert (here.exit, here.data["findings"], here.data["rows"]) == (0, [], 2)
    assert here.data["totals"] == there.data["totals"]
    assert here.data["against"]["differs"] is False
    import duckdb

    duckdb.sql(
        f"COPY (SELECT * REPLACE (charge * 2 AS charge) FROM '{tmp_path}/u.parquet') "
        f"TO '{tmp_path}/twice.parquet' (FORMAT parquet)"
    )
    done = nexctl("usage", "audit", "twice.parquet", "-o", "json")
    assert done.exit == 9
    assert done.data["counts"]


def test_the_lines_of_a_batch_audit_clean_against_what_was_debited(
    nexctl: Nexctl, tmp_path: Path
) -> None:
    (tmp_path / "prompt.md").write_text("Classify: {{text}}\n")
    with (tmp_path / "data.csv").open("w", newline="") as stream:
        put = csv.writer(stream)
        put.writerow(["id", "text"])
        put.writerows([f"row {n}", f"comment {n}, " + "word " * (n % 23)] for n in range(200))
    made = nexctl(
        *("batch", "make", "--template", "prompt.md", "--rows", "data.csv", "-m", "nex-pro"),
        *("--max-tokens", "48", "--id-column", "id", "--out", "requests.jsonl"),
    )
    assert made.exit == 0, made
    # A request beside the batch, which is not among its lines.
    assert nexctl("chat", "-q", "-m", "nex-pro", stdin="Before.").exit == 0
    ran = nexctl("batch", "run", "requests.jsonl", "--max-cost", "1", "-y", "-o", "json")
    assert ran.exit == 0, ran
    assert nexctl("usage", "export", "used.csv").exit == 0
    with (tmp_path / "used.csv").open(newline="") as stream:
        ids = {row["batch_id"] for row in csv.DictReader(stream)} - {""}
    assert len(ids) == 1
    for file in (("used.csv",), ()):
        done = nexctl("usage", "audit", *file, "--batch", *ids, "-o", "json")
        assert (done.exit, done.data["rows"], done.data["findings"]) == (0, 200, []), done
        (total,) = [done.data["totals"]]
        assert Decimal(total["billed"]) == Decimal(ran.data["charge"])
