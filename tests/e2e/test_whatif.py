"""`nexctl prices whatif`: recorded usage on other price books."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import Nexctl

BOOK = {
    "gateway", "price_book", "currency", "rows", "unpriced_rows", "charge", "money",
    "priced_charge", "tier_credit", "tiers", "compared", "bonuses", "cached", "cached_kept_rows",
    "models", "why", "notes",
}  # fmt: skip
USED = {
    "rows", "replayed", "failed", "unusable", "from", "to", "billed", "rows_without_charge",
    "price_books", "input_tokens", "cached_input_tokens", "cached_percent",
    "reading_assumed_rows",
}  # fmt: skip


def line(**given: Any) -> str:
    return json.dumps(
        {
            "created_at": "2026-10-05T10:00:00Z",
            "request_id": "r1",
            "model_served": "gpt-4o",
            "status": "ok",
            "input_tokens": 1000,
            "cached_input_tokens": 400,
            "output_tokens": 100,
            "charge": "0.00312",
            "currency": "USD",
            "price_book": "nextoken@2026-11-20",
            **given,
        }
    )


@pytest.fixture
def october(tmp_path: Path) -> Path:
    path = tmp_path / "october.jsonl"
    path.write_text("\n".join(line(request_id=f"r{n}") for n in range(20)) + "\n")
    return path


def test_field_names_are_an_api(nexctl: Nexctl, october: Path) -> None:
    data = nexctl("prices", "whatif", "--usage", october, "--on", "openai", "-o", "json").data
    assert set(data) == {"usage", "at", "books", "break_even"}
    assert set(data["usage"]) == USED
    assert set(data["books"][0]) == BOOK
    assert set(data["books"][0]["compared"]) == {
        "rows", "currency", "billed", "charge", "difference", "percent",
        "break_even_price_percent", "break_even_bonus_percent",
    }  # fmt: skip


def test_the_report_names_books_dates_and_both_totals(nexctl: Nexctl, october: Path) -> None:
    done = nexctl("prices", "whatif", "--usage", october, "--on", "openai", "--on", "tokenok")
    assert done.exit == 0
    head = done.out.splitlines()
    assert head[0] == "openai, tokenok, prices retrieved 2026-11-20"
    rows = [text.split() for text in head if text.startswith(("billed", "openai ", "tokenok "))]
    assert rows[0][:2] == ["billed", "$0.0624"]
    assert rows[1][:2] == ["openai", "$0.0600"]
    assert rows[2][:2] == ["tokenok", "unknown"]
    assert "\x1b" not in done.out
    assert nexctl("prices", "whatif", "--usage", october, NO_COLOR="1").exit == 0


def test_standard_input_csv_and_several_files_are_read(nexctl: Nexctl, october: Path) -> None:
    piped = nexctl("prices", "whatif", "--usage", "-", "-o", "json", stdin=october.read_bytes())
    assert piped.data["usage"]["rows"] == 20
    sheet = october.with_name("more.csv")
    sheet.write_text(
        "model_served;input_tokens;output_tokens;charge;currency\ngpt-4o;1000;100;0,5;USD\n"
    )
    both = nexctl("prices", "whatif", "--usage", october, "--usage", sheet, "-o", "json").data[
        "usage"
    ]
    assert (both["rows"], both["billed"]) == (21, {"USD": "0.5624"})


def test_one_file_does_not_count_twice(nexctl: Nexctl, october: Path) -> None:
    (october.parent / "link.jsonl").symlink_to(october)
    for other in (str(october), "link.jsonl"):
        for command in (("prices", "whatif"), ("wallet", "runway")):
            done = nexctl(*command, "--usage", october, "--usage", other)
            assert (done.exit, "is named twice" in done.err, done.out) == (2, True, "")


def test_exports_that_overlap_count_each_request_once_and_say_so(
    nexctl: Nexctl, october: Path
) -> None:
    longer = october.with_name("longer.jsonl")
    longer.write_text("\n".join(line(request_id=f"r{n}") for n in range(15, 30)) + "\n")
    given = ("--usage", october, "--usage", longer, "-o", "json")
    done = nexctl("prices", "whatif", *given)
    assert (done.data["usage"]["rows"], done.data["usage"]["billed"]) == (30, {"USD": "0.0936"})
    assert f"note: 5 records of {longer} stood in a file before it too" in done.err
    for given in (("--usage", "-", "--usage", longer), ("--usage", longer, "--usage", "-")):
        done = nexctl("prices", "whatif", *given, stdin=october.read_bytes())
        assert "note: 5 records of " in done.err
        assert "\n30 records, " in done.out
    done = nexctl("wallet", "runway", "--usage", longer, "--usage", october)
    assert f"note: 5 records of {october}" in done.err


def test_nothing_priced_is_exit_2_after_its_rows(nexctl: Nexctl, october: Path) -> None:
    done = nexctl("prices", "whatif", "--usage", october, "--on", "tokenok", "-o", "json")
    assert done.exit == 2
    assert done.data["books"][0]["charge"] is None
    assert done.error["code"] == "unpriced"


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("--map", "gpt-4o"), "is not OLD=NEW"),
        (("--map", "gpt-4o=nobodys"), "no model 'nobodys'"),
        (("--map", "a=gpt-4o", "--map", "a=nex-pro"), "mapped twice"),
        (("--on", "nobody"), "no price book"),
        (("--at", "soon"), "is not a date"),
    ],
)
def test_wrong_options_are_exit_2(
    nexctl: Nexctl, october: Path, options: tuple[str, ...], told: str
) -> None:
    done = nexctl("prices", "whatif", "--usage", october, *options)
    assert (done.exit, done.out) == (2, "")
    assert told in done.err


@pytest.mark.parametrize(
    "content", ["", "{}x\n", '{"charge": "1e3", "currency": "USD"}\n', "a,b\n"]
)
def test_a_broken_file_is_exit_2_and_no_figures(
    nexctl: Nexctl, tmp_path: Path, content: str
) -> None:
    path = tmp_path / "broken"
    path.write_text(content)
    done = nexctl("prices", "whatif", "--usage", path)
    assert (done.exit, done.out) == (2, "")
    assert "Traceback" not in done.err
    assert nexctl("prices", "whatif", "--usage", tmp_path / "absent").exit == 2


def test_a_mapped_model_is_named(nexctl: Nexctl, october: Path) -> None:
    done = nexctl(
        *("prices", "whatif", "--usage", october, "--on", "nexrelay", "--map", "gpt-4o=gpt-5.2")
    )
    assert done.exit == 0
    assert "nexrelay: gpt-4o priced as gpt-5.2" in done.out
    assert "nexrelay: 14,800 credits" in done.out
    assert all(len(text) <= 80 for text in done.out.splitlines() if not text.startswith("note"))


def test_another_gateway_s_log_is_replayed_like_an_export(nexctl: Nexctl, tmp_path: Path) -> None:
    log = {
        "created_at": 1791194400,
        "type": 2,
        "model_name": "gpt-4o",
        "quota": 3500,
        "prompt_tokens": 1000,
        "completion_tokens": 450,
        "other": json.dumps({"cache_tokens": 400}),
    }
    (tmp_path / "logs.json").write_text(json.dumps({"data": {"items": [log, log]}}))
    asked = ("prices", "whatif", "--on", "openai", "-o", "json", "--usage")
    done = nexctl(*asked, "logs.json")
    assert done.exit == 0, done
    assert "logs.json is read as new-api logs" in done.err
    assert (done.data["usage"]["rows"], done.data["usage"]["cached_input_tokens"]) == (2, 800)
    assert done.data["usage"]["billed"] == {"USD": "0.014"}
    # The same two requests as an export say the same.
    own = line(created_at="2026-10-05T12:00:00Z", output_tokens=450, charge="0.007", price_book="")
    (tmp_path / "own.jsonl").write_text(f"{own}\n{own}\n")
    again = nexctl(*asked, "own.jsonl")
    assert [row["charge"] for row in again.data["books"]] == [
        row["charge"] for row in done.data["books"]
    ]
    piped = nexctl(*asked, "-", stdin=(tmp_path / "logs.json").read_text())
    assert piped.data["books"] == done.data["books"]
