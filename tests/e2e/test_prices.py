"""`nexctl prices`: rows, one model with its sources, comparison, history, markup, validation."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

from tests.e2e.conftest import Nexctl


def test_a_list_in_a_pipe_is_tsv_without_header(nexctl: Nexctl) -> None:
    lines = nexctl("prices", "list").out.splitlines()
    assert len(lines) == 16
    assert lines[0].split("\t")[:2] == ["nextoken", "nex-pro"]


def test_filters_and_order(nexctl: Nexctl) -> None:
    rows = nexctl("prices", "list", "--on", "openai", "--match", "mini", "--sort", "input",
                  "-o", "json").data  # fmt: skip
    known = [Fraction(row["input"]) for row in rows if row["input"]]
    assert known == sorted(known)
    assert all("mini" in " ".join([row["model"], *row["aliases"]]) for row in rows)
    assert nexctl("prices", "list", "--tag", "no-such-tag", "-o", "json").data == []


def test_show_has_the_documented_fields(nexctl: Nexctl) -> None:
    data = nexctl("prices", "show", "nex-smart", "-o", "json").data
    assert set(data) >= {
        "gateway", "model", "aliases", "provider", "context", "max_output", "capabilities",
        "rates", "multipliers", "markup", "valid_from", "valid_to", "source", "retrieved", "notes",
    }  # fmt: skip
    assert data["model"] == "nex-pro"
    assert {key: data["rates"]["input"][key] for key in ("price", "per", "unit", "state")} == {
        "price": "0.10", "per": 1_000_000, "unit": "token", "state": "number",
    }  # fmt: skip
    assert set(data["markup"]) == {"stated", "included"}
    assert data["max_output"] is None
    assert data["valid_from"] is None


def test_show_prints_the_source_of_each_value(nexctl: Nexctl) -> None:
    out = nexctl("prices", "show", "nex-pro", "--rules").out
    assert "page" in out
    assert "stacking_order" in out
    assert "conflict about" in out


def test_compare_puts_the_cheapest_first_and_unknown_last(nexctl: Nexctl) -> None:
    data = nexctl("prices", "compare", "--on", "nextoken", "--on", "nexrelay", "-o", "json").data
    amounts = [row["money"] and Fraction(row["money"]["amount"]) for row in data["rows"]]
    known = [amount for amount in amounts if amount is not None]
    assert known == sorted(known)
    assert amounts[-1] is None
    (nex_pro,) = (row for row in data["rows"] if row["model"] == "nex-pro")
    assert nex_pro["charge"]["expected"] == "0.5"


def test_a_past_price_is_the_past_price(nexctl: Nexctl) -> None:
    arguments = ("prices", "compare", "o3", "--on", "openai", "--input", "1000000",
                 "-o", "json")  # fmt: skip
    now = nexctl(*arguments).data["rows"][0]["charge"]["expected"]
    then = nexctl(*arguments, "--at", "2025-06-01").data["rows"][0]["charge"]["expected"]
    assert (now, then) == ("2", "10")


def test_history_is_dated_and_oldest_first(nexctl: Nexctl) -> None:
    rows = nexctl("prices", "history", "o3", "--on", "openai", "-o", "json").data
    assert [row["rates"]["input"]["price"] for row in rows] == ["10", "2"]
    assert rows[0]["valid_to"] == rows[1]["valid_from"]


def test_markup_is_on_cost_and_margin_on_price(nexctl: Nexctl) -> None:
    rows = nexctl("prices", "markup", "o1", "-o", "json").data
    row = next(row for row in rows if row["meter"] == "input")
    assert row["markup_percent"] == "8"
    assert row["margin_percent"].startswith("7.407407")
    assert row["agrees"] == "exact"


def test_a_broken_book_names_file_and_line_of_each_fault(nexctl: Nexctl, tmp_path: Path) -> None:
    book = tmp_path / "bad.toml"
    book.write_text(
        'format = 1\n[book]\nid = "bad"\ntitle = "Bad"\nkind = "gateway"\nunit = "USD"\n'
        'unit_kind = "currency"\nscale = 9\nretrieved = 2026-01-01\nsaid = { default = "ours" }\n'
        '[[models]]\nid = "a"\nrates = { input = -1.5, output = "1" }\nbogus = 3\nsaid = "ours"\n'
    )
    ran = nexctl("prices", "validate", book, "-o", "json")
    assert ran.exit == 78
    lines = {fault["line"] for fault in ran.data["faults"]}
    assert {13, 14} <= lines
    used = nexctl("estimate", "-", "--on", book, stdin="x")
    assert used.exit == 78
    assert f"{book}:13" in used.err
    assert "Traceback" not in used.err


def test_unknown_books_and_models(nexctl: Nexctl) -> None:
    book = nexctl("prices", "list", "--on", "nexttoken")
    assert book.exit == 2
    assert "nextoken" in book.err
    model = nexctl("prices", "show", "nex-prp")
    assert model.exit == 2
    assert "nex-pro" in model.err
    nothing = nexctl("prices", "compare", "gpt-4o", "--on", "tokenok")
    assert nothing.exit == 2


def test_the_history_of_a_book_of_ones_own_and_no_source_where_it_has_none(
    nexctl: Nexctl, tmp_path: Path
) -> None:
    (tmp_path / "own.toml").write_text(
        'format = 1\n[book]\nid = "own"\ntitle = "Own"\nunit = "USD"\nscale = 9\n'
        'retrieved = 2026-01-01\n[[models]]\nid = "m"\nrates = { input = "1" }\n'
    )
    book = str(tmp_path / "own.toml")
    (row,) = nexctl("prices", "history", "m", "--on", book, "-o", "json").data
    assert row["rates"]["input"]["price"] == "1"
    assert "source:" not in nexctl("prices", "show", "m", "--on", book).out
