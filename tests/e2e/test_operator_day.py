"""An operator's day on a gateway without prices: costs, a draft, a check, prices in force, a chat.

The book is TokenOK's: "prices are configured through provider cost profiles by the operator".
"""

from __future__ import annotations

import os
import stat
from decimal import Decimal
from pathlib import Path

from nexctl.settings.paths import state_dir
from tests.e2e.conftest import Nexctl


def opened(nexctl: Nexctl) -> None:
    """A shop that sells one model at 15 % over its cost, a credit for a cent."""
    made = nexctl("gateway", "init", "shop", "--book", "tokenok", "--payments", "sandbox", "--use")
    assert made.out.splitlines()[-1] == "profile shop is the default now"
    assert made.exit == 0, made
    assert nexctl("admin", "providers", "cost", "echo", "--book", "openai").exit == 0
    draft = nexctl(
        *("admin", "prices", "draft", "--markup", "15%", "-m", "gpt-4o"),
        *("--credit-rate", "100/USD", "--write", "draft.toml", "-o", "json"),
    )
    assert draft.exit == 0, draft
    assert set(draft.data) == {
        *("base", "price_book", "currency", "markup_percent", "rounding", "rounded", "models"),
        *("unknown", "credit", "remove"),
    }


def test_from_an_empty_book_to_a_statement(nexctl: Nexctl) -> None:
    opened(nexctl)
    nothing = nexctl("admin", "margin", "--before-opening")
    assert (nothing.exit, "no model has a price" in nothing.err) == (9, True)
    ready = nexctl("admin", "margin", "--before-opening", "--prices", "draft.toml", "-o", "json")
    assert ready.exit == 0, ready
    rows = {row["meter"]: row for row in ready.data["rows"]}
    assert rows["input"]["markup_percent"] == "15"
    assert rows["input"]["margin_percent"] == "13.043478"
    unsure = nexctl("admin", "prices", "apply", "draft.toml")
    assert unsure.exit == 10
    diff = nexctl("admin", "prices", "diff", "draft.toml").out
    (credit,) = (line for line in diff.splitlines() if line.split()[1:2] == ["credit"])
    assert credit.split()[2:7] == ["operator", "100", "for", "1", "USD"]
    assert nexctl("admin", "prices", "diff", "draft.toml", "-o", "json").data["applied"] is False
    applied = nexctl("admin", "prices", "apply", "draft.toml", "--yes", "-o", "json")
    assert (applied.exit, applied.data["applied"]) == (0, True), applied
    order = nexctl("wallet", "topup", "20", "--yes", "-o", "name").out.strip()
    assert nexctl("gateway", "pay", order).exit == 0
    got = nexctl("chat", "-", "-m", "gpt-4o", "--no-stream", "-o", "json", stdin="hello")
    assert (got.exit, got.data["nex"]["currency"]) == (0, "CREDITS"), got
    charge = Decimal(got.data["nex"]["charge"])
    statement = nexctl("statement", "-o", "json").data
    assert Decimal(statement["debits"]) == charge
    margin = nexctl("admin", "margin", "-o", "json").data["total"]
    assert (margin["markup_percent"], Decimal(margin["charge"])) == ("15", charge)
    for kind, rows in (("csv", 2), ("jsonl", 1)):  # csv: with its header, none with the total
        assert len(nexctl("admin", "margin", "-o", kind).out.splitlines()) == rows
    (row,) = nexctl("admin", "usage", "-o", "json").data
    assert Decimal(row["cost"]) * 115 == charge
    assert nexctl("admin", "reconcile").exit == 0
    assert nexctl("gateway", "verify").exit == 0


def test_a_draft_below_cost_does_not_pass(nexctl: Nexctl, tmp_path: Path) -> None:
    opened(nexctl)
    file = tmp_path / "draft.toml"
    file.write_text(file.read_text().replace('"287.5"', '"249.999"'))
    got = nexctl("admin", "margin", "--before-opening", "--prices", "draft.toml", "-o", "json")
    assert (got.exit, got.error["code"]) == (9, "below_cost")
    assert got.data["below_cost"] == 1
    file.write_text("models = 3")
    for command in (("prices", "diff", "draft.toml"), ("prices", "apply", "nothing.toml", "-y")):
        bad = nexctl("admin", *command)
        assert (bad.exit, "Traceback" in bad.err) == (2, False), bad


def test_prices_reach_the_customers_estimate_and_a_jump_must_be_accepted(
    nexctl: Nexctl, tmp_path: Path
) -> None:
    opened(nexctl)
    assert nexctl("admin", "prices", "apply", "draft.toml", "--yes").exit == 0
    before = nexctl("estimate", "-", "-m", "gpt-4o", stdin="hello")
    assert before.exit == 2
    kept = nexctl("prices", "update", "--yes", "-o", "json")
    assert (kept.exit, kept.data["kept"]) == (0, True), kept
    quote = nexctl("estimate", "-", "-m", "gpt-4o", "-o", "json", stdin="hello").data
    first = Decimal(quote["estimates"][0]["charge"]["low"])
    assert first == Decimal(quote["estimates"][0]["input_tokens"]) * Decimal("287.5") / 10**6
    again = nexctl("prices", "update", "-o", "json")
    assert (again.exit, again.data["changes"]) == (0, [])
    folder = os.path.join(state_dir(), "prices", "shop")
    (file,) = Path(folder).iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    draft = tmp_path / "draft.toml"
    text = nexctl("admin", "prices", "list", "-o", "json").data
    base = next(row["hash"] for row in text if row["state"] == "in_force")
    lines = [f'base = "{base}"', *draft.read_text().split("\n")[1:]]
    draft.write_text("\n".join(lines).replace('"287.5"', '"500"'))
    refused = nexctl("admin", "prices", "apply", "draft.toml", "--yes", "-o", "json")
    assert (refused.exit, refused.error["code"]) == (9, "price_not_accepted"), refused
    named = nexctl("admin", "prices", "diff", "draft.toml", "-o", "json").data
    accept = named["accept"]
    assert nexctl("admin", "prices", "apply", "draft.toml", "--yes", "--accept", accept).exit == 0
    jump = nexctl("prices", "update", "--yes", "-o", "json")
    assert (jump.exit, jump.error["code"]) == (9, "price_not_accepted")
    assert jump.data["kept"] is False
    low = nexctl("estimate", "-", "-m", "gpt-4o", "-o", "json", stdin="hello").data
    assert Decimal(low["estimates"][0]["charge"]["low"]) == first
    assert nexctl("prices", "update", "--yes", "--accept", "0" * 16).exit == 9
    assert nexctl("prices", "update", "--yes", "--accept", jump.data["accept"]).exit == 0
    low = nexctl("estimate", "-", "-m", "gpt-4o", "-o", "json", stdin="hello").data
    assert Decimal(low["estimates"][0]["charge"]["low"]) > first


def test_reconcile_has_pinned_fields_and_exit_9(nexctl: Nexctl) -> None:
    opened(nexctl)
    clean = nexctl("admin", "reconcile", "-o", "json")
    assert clean.exit == 0
    assert set(clean.data) == {"month", "clean", "checks", "findings", "profile"}
    assert set(clean.data["checks"][0]) == {"rule", "says", "looked"}
    assert nexctl("admin", "reconcile", "--month", "November").exit == 2


def test_a_draft_that_removes_what_sells_below_cost_passes(nexctl: Nexctl, tmp_path: Path) -> None:
    """And a draft for later follows the version that charges then."""
    opened(nexctl)
    draft = ("admin", "prices", "draft", "--markup", "15%", "-q", "--write", "draft.toml")
    sold = (*draft, "-m", "gpt-4o", "-m", "o1", "--credit-rate", "100/USD")
    assert nexctl(*sold).exit == 0
    file = tmp_path / "draft.toml"
    file.write_text(file.read_text().replace('"1725"', '"1499"'))
    later = ("--at", "2090-01-01T00:00:00Z")
    applied = nexctl("admin", "prices", "apply", "draft.toml", "-y", *later)
    assert applied.exit == 0, applied
    margin = ("admin", "margin", "--before-opening", "--prices", "draft.toml", "-o", "json")
    assert nexctl(*margin).exit == 9
    assert nexctl(*draft, "-m", "gpt-4o", "--remove", "o1", *later).exit == 0
    gone = nexctl(*margin)
    assert (gone.exit, {row["model"] for row in gone.data["rows"]}) == (0, {"gpt-4o"}), gone
    refused = nexctl("admin", "prices", "apply", "draft.toml", "-y")
    assert (refused.exit, "make it anew" in refused.err) == (1, True), refused
    told = nexctl("admin", "prices", "apply", "draft.toml", "-y", *later)
    assert (told.exit, "-> none" in told.err) == (9, True), told
