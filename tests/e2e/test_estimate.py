"""`nexctl estimate` as people and scripts run it: figures, ranges, gates, formats, faults."""

from __future__ import annotations

import csv
import json
import os
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import Nexctl

CHAT = {"model": "gpt-4o", "messages": [{"role": "user", "content": "Hello"}], "max_tokens": 100}


def only(data: dict[str, Any]) -> dict[str, Any]:
    (row,) = data["estimates"]
    return row


@pytest.fixture
def prompt(tmp_path: Path) -> Path:
    file = tmp_path / "prompt.md"
    file.write_text("You are a careful assistant.\n\nAnswer in one sentence. 你好，世界。\n")
    return file


def write_tokens(path: Path, tokens: int) -> Path:
    """A text that counts exactly `tokens` in every vocabulary of the base install."""
    path.write_text(" a" * tokens)
    return path


# --- figures -------------------------------------------------------------------------------------


def test_a_fresh_machine_prices_on_the_default_model(nexctl: Nexctl, prompt: Path) -> None:
    ran = nexctl("estimate", prompt)
    assert ran.exit == 0
    assert ran.err == ""
    assert ran.out.splitlines()[0] == "nextoken, prices retrieved 2026-11-20 · nex-pro"
    assert "vendor-declared (qwen2.5)" in ran.out


def test_the_json_fields_are_these(nexctl: Nexctl, prompt: Path) -> None:
    data = nexctl("estimate", prompt, "-o", "json").data
    assert set(data) == {"estimates", "files", "gate"}
    row = only(data)
    assert set(row) >= {
        "gateway", "model", "price_book", "currency", "requests", "input_tokens",
        "cached_input_tokens", "count", "output_tokens", "charge", "cached_charge",
        "batch_charge", "volume", "notes",
    }  # fmt: skip
    assert set(row["count"]) == {"exact", "method", "tokenizer", "error"}
    for name in ("output_tokens", "charge", "batch_charge"):
        assert set(row[name]) == {"low", "expected", "high"}
    assert row["cached_charge"] is None
    assert row["output_tokens"]["expected"] is None
    assert row["charge"]["expected"] is None
    assert row["price_book"] == "nextoken@2026-11-20"
    (file,) = data["files"]
    assert set(file) == {"path", "models", "requests", "input_tokens", "exact", "tokenizer"}


@pytest.mark.parametrize(
    ("model", "options", "expected"),
    [
        ("nex-pro", [], "0.5"),
        ("nex-smart", [], "0.5"),
        ("nex-auto", [], "1.5"),
        ("gpt-4o", [], "13"),
        ("nex-pro", ["--batch"], "0.5"),
        ("nex-pro", ["--tier", "pro"], "0.495"),
        ("nex-pro", ["--tier", "business"], "0.4875"),
    ],
)
def test_a_million_in_and_a_million_out(
    nexctl: Nexctl, tmp_path: Path, model: str, options: list[str], expected: str
) -> None:
    file = write_tokens(tmp_path / "million.txt", 1_000_000)
    ran = nexctl(
        "estimate", file, "-m", model, "--output-tokens", "1000000", *options, "-o", "json"
    )
    row = only(ran.data)
    assert row["input_tokens"] == 1_000_000
    assert row["charge"]["expected"] == expected
    if model == "nex-pro" and not options:
        assert row["batch_charge"]["expected"] == "0.35"


def test_nexrelay_s_worked_example(nexctl: Nexctl, tmp_path: Path) -> None:
    file = write_tokens(tmp_path / "prompt.txt", 100_000)
    ran = nexctl(
        "estimate", file, "--on", "nexrelay", "--cached", "50000", "--output-tokens", "20000",
        "-o", "json",
    )  # fmt: skip
    row = only(ran.data)
    assert row["cached_charge"]["expected"] == "125000"
    assert row["currency"] == "credits"
    assert row["charge"]["expected"] == "120000"
    assert row["money"] == {
        "currency": "USD",
        "charge": {"low": "0.1", "expected": "0.12", "high": row["money"]["charge"]["high"]},
    }


def test_nexu_s_conversation_to_the_digit(nexctl: Nexctl, tmp_path: Path) -> None:
    file = write_tokens(tmp_path / "prompt.txt", 2000)
    ran = nexctl("estimate", file, "--on", "nexu", "--output-tokens", "2000", "-o", "json")
    assert Fraction(only(ran.data)["charge"]["expected"]) == Fraction("0.70")


def test_an_unknown_split_gives_its_ends_and_no_expected(nexctl: Nexctl, tmp_path: Path) -> None:
    file = write_tokens(tmp_path / "prompt.txt", 2000)
    common = ("estimate", file, "--on", "nexu", "-m", "mimo-v2-pro", "-o", "json")
    even = only(nexctl(*common, "--output-tokens", "2000").data)["charge"]
    assert even == {"low": "0.8", "expected": "0.8", "high": "0.8"}
    uneven = only(nexctl(*common, "--output-tokens", "500").data)
    assert uneven["charge"]["expected"] is None
    assert (uneven["charge"]["low"], uneven["charge"]["high"]) == ("0.2", "0.8")
    assert any("splits" in note for note in uneven["notes"])
    assert any("approximate" in note for note in uneven["notes"])


def test_an_own_key_costs_no_credits_but_the_provider_s_fee(nexctl: Nexctl, tmp_path: Path) -> None:
    file = write_tokens(tmp_path / "prompt.txt", 2000)
    common = ("estimate", file, "--on", "nexu", "--byok", "--output-tokens", "2000", "-o", "json")
    row = only(nexctl(*common).data)
    assert row["charge"]["expected"] == "0"
    assert row["provider_fee"]["currency"] == "USD"
    assert row["provider_fee"]["charge"]["expected"] == "0.007"
    unknown = only(nexctl(*common, "-m", "mimo-v2-pro").data)
    assert unknown["provider_fee"]["charge"] == {"low": None, "expected": None, "high": None}
    shown = nexctl(*common[:-2], "-m", "mimo-v2-pro").out
    assert "unknown" in shown
    assert nexctl(*common, "--max-cost", "1").exit == 2


def test_every_request_is_rounded_once_and_then_added(nexctl: Nexctl, tmp_path: Path) -> None:
    book = tmp_path / "odd.toml"
    book.write_text(
        'format = 1\n[book]\nid = "odd"\ntitle = "Odd"\nkind = "gateway"\nunit = "USD"\n'
        'unit_kind = "currency"\nscale = 9\nretrieved = 2026-01-01\ndefault_model = "gpt-4o"\n'
        'said = { default = "ours" }\n'
        '[defaults]\nper = 1000000\nrates = { request = "not_applicable" }\nsaid = "ours"\n'
        '[[models]]\nid = "gpt-4o"\nrates = { input = "0.0005", output = "1" }\nsaid = "ours"\n'
    )
    assert nexctl("prices", "validate", book).exit == 0, nexctl("prices", "validate", book)
    requests = tmp_path / "r.jsonl"
    line = json.dumps({"model": "gpt-4o", "prompt": " a"})
    requests.write_text(f"{line}\n" * 1000)
    row = only(nexctl("estimate", requests, "--on", book, "-o", "json").data)
    # One token is half a nano: half-even makes each request 0, not 500 nano in all.
    assert row["input_tokens"] == 1000
    assert row["charge"]["low"] == "0"


def test_output_is_bounded_by_the_request_and_multiplied_by_n(
    nexctl: Nexctl, tmp_path: Path
) -> None:
    file = tmp_path / "chat.json"
    file.write_text(json.dumps({**CHAT, "n": 3}))
    row = only(nexctl("estimate", file, "-o", "json").data)
    assert row["model"] == "gpt-4o"
    assert row["output_tokens"] == {"low": 0, "expected": None, "high": 300}
    row = only(nexctl("estimate", file, "--output-tokens", "10", "-o", "json").data)
    assert row["output_tokens"]["expected"] == 30


def test_without_a_maximum_the_context_bounds_the_output(nexctl: Nexctl, tmp_path: Path) -> None:
    file = write_tokens(tmp_path / "p.txt", 2000)
    row = only(nexctl("estimate", file, "-o", "json").data)
    assert row["output_tokens"]["high"] == 30_000
    file = write_tokens(tmp_path / "long.txt", 40_000)
    row = only(nexctl("estimate", file, "-o", "json").data)
    assert any("does not fit the context" in note for note in row["notes"])


def test_an_embedding_has_no_output(nexctl: Nexctl, tmp_path: Path) -> None:
    file = write_tokens(tmp_path / "p.txt", 100)
    row = only(nexctl("estimate", file, "-m", "text-embedding-3-small", "--on", "openai", "-o",
                      "json").data)  # fmt: skip
    assert row["output_tokens"] == {"low": 0, "expected": 0, "high": 0}


def test_cached_shares_and_tokens(nexctl: Nexctl, tmp_path: Path) -> None:
    file = write_tokens(tmp_path / "p.txt", 10_000)
    common = ("estimate", file, "-m", "gpt-4o", "--on", "openai", "--output-tokens", "1000")
    row = only(nexctl(*common, "--cached", "8000", "-o", "json").data)
    assert row["cached_charge"]["expected"] == "0.025"
    assert row["charge"]["expected"] == "0.035"
    assert only(nexctl(*common, "--cached", "80%", "-o", "json").data) == row


def test_side_by_side_the_same_request_is_counted_each_book_s_way(
    nexctl: Nexctl, tmp_path: Path
) -> None:
    file = write_tokens(tmp_path / "p.txt", 10_000)
    rows = nexctl(
        "estimate", file, "--on", "nextoken", "--on", "nexrelay", "--cached", "40%", "-o", "json",
        "-m", "gpt-4o", "-m", "gpt-5.2",
    ).data["estimates"]  # fmt: skip
    low = {row["model"]: row["cached_charge"]["low"] for row in rows if row["cached_charge"]}
    assert low == {"gpt-4o": "0.0208", "gpt-5.2": "6400"}


def test_a_month_at_a_volume(nexctl: Nexctl, tmp_path: Path) -> None:
    file = write_tokens(tmp_path / "p.txt", 1000)
    row = only(nexctl("estimate", file, "--volume", "500/day", "-o", "json").data)
    assert row["volume"]["requests_per_month"] == 15_000
    assert row["volume"]["charge_per_month"]["low"] == "1.5"
    both = ("estimate", file, "-m", "nex-pro", "-m", "gpt-4o", "--volume", "500/day")
    beside = nexctl(*both).out
    assert "A MONTH" in beside
    assert "$1.5000" in beside
    assert "A MONTH" not in nexctl(*both[:-2]).out
    rows = list(csv.DictReader(nexctl(*both, "-o", "csv").out.splitlines()))
    assert [row["charge_per_month_low"] for row in rows] == ["1.5", "39"]
    assert {row["requests_per_month"] for row in rows} == {"15000"}
    assert nexctl(*both[:-2], "-o", "csv").out.splitlines()[1].endswith(",,,,")


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"messages": [], "max_tokens": 5}, "not an empty list"),
        ({"messages": [{"role": "user", "content": "x"}], "max_tokens": -5}, "or more, not -5"),
        ({"messages": [{"role": "user", "content": "x"}], "n": 1.5}, "or more, not 1.5"),
        ({"contents": [{"parts": [{"text": "x"}]}]}, "Gemini's own form"),
    ],
)
def test_what_is_wrong_with_a_request_is_said_with_its_value(
    nexctl: Nexctl, tmp_path: Path, fields: dict[str, Any], said: str
) -> None:
    (tmp_path / "r.json").write_text(json.dumps({"model": "nex-pro", **fields}))
    ran = nexctl("estimate", "r.json")
    assert ran.exit == 2
    assert said in ran.err


# --- side by side --------------------------------------------------------------------------------


def test_several_models_and_gateways_cheapest_first_unknown_last(
    nexctl: Nexctl, prompt: Path
) -> None:
    ran = nexctl(
        "estimate", prompt, "-m", "gpt-4o", "-m", "gpt-4o-mini", "-m", "nex-pro",
        "--on", "nextoken", "--on", "openai", "-o", "json",
    )  # fmt: skip
    rows = ran.data["estimates"]
    lows = [row["charge"]["low"] for row in rows]
    known = [Fraction(low) for low in lows if low is not None]
    assert known == sorted(known)
    assert lows[-1] is None
    assert (rows[-1]["gateway"], rows[-1]["model"]) == ("openai", "nex-pro")
    assert ran.exit == 0


def test_a_book_without_prices_is_unknown_and_nothing_priced_is_an_error(
    nexctl: Nexctl, prompt: Path
) -> None:
    ran = nexctl("estimate", prompt, "-m", "gpt-4o", "--on", "tokenok", "-o", "json")
    assert ran.exit == 2
    both = nexctl("estimate", prompt, "-m", "gpt-4o", "--on", "tokenok", "--on", "openai",
                  "-o", "json")  # fmt: skip
    assert both.exit == 0
    assert both.data["estimates"][-1]["gateway"] == "tokenok"
    assert both.data["estimates"][-1]["charge"]["low"] is None


def test_all_models_of_a_book(nexctl: Nexctl, prompt: Path) -> None:
    ran = nexctl("estimate", prompt, "--all-models", "-o", "json")
    assert ran.exit == 0
    assert len(ran.data["estimates"]) == 16


def test_a_model_that_is_named_twice_is_priced_once(nexctl: Nexctl, prompt: Path) -> None:
    once = only(nexctl("estimate", prompt, "-m", "gpt-4o", "--on", "openai", "-o", "json").data)
    for again in ("gpt-4o", "gpt-4o-2024-08-06"):
        twice = nexctl("estimate", prompt, "-m", "gpt-4o", "-m", again, "--on", "openai",
                       "-o", "json").data  # fmt: skip
        for field in ("requests", "input_tokens", "output_tokens", "charge", "batch_charge"):
            assert only(twice)[field] == once[field]


def test_a_book_without_models_prices_nothing(nexctl: Nexctl, prompt: Path) -> None:
    for more in ((), ("--max-cost", "1")):
        ran = nexctl("estimate", prompt, "--on", "tokenok", "--all-models", *more)
        assert ran.exit == 2
        assert "tokenok has no models" in ran.err


# --- what is read --------------------------------------------------------------------------------


def test_folders_globs_stdin_and_batch_files(nexctl: Nexctl, tmp_path: Path) -> None:
    folder = tmp_path / "prompts"
    (folder / "deep").mkdir(parents=True)
    (folder / "a.md").write_text("one")
    (folder / "deep" / "b.txt").write_text("two")
    (folder / "c.py").write_text("not a prompt")
    (folder / "d.json").write_text(json.dumps(CHAT))
    batch = {"custom_id": "1", "method": "POST", "url": "/v1/chat/completions", "body": CHAT}
    (folder / "e.jsonl").write_text(f"{json.dumps(batch)}\n{json.dumps(CHAT)}\n")
    data = nexctl("estimate", folder, "-o", "json").data
    assert {Path(row["path"]).name: row["requests"] for row in data["files"]} == {
        "a.md": 1, "b.txt": 1, "d.json": 1, "e.jsonl": 2,
    }  # fmt: skip
    assert {row["model"] for row in data["estimates"]} == {"nex-pro", "gpt-4o"}
    piped = only(nexctl("estimate", "-", "-o", "json", stdin="one").data)
    assert piped["input_tokens"] == 1
    large = {**CHAT, "messages": [{"role": "user", "content": "word " * 250_000}]}
    for request in (CHAT, large):
        piped = only(nexctl("estimate", "-", "-o", "json", stdin=json.dumps(request)).data)
        assert piped["model"] == "gpt-4o"


def test_a_request_counts_its_framing(nexctl: Nexctl, tmp_path: Path) -> None:
    file = tmp_path / "chat.json"
    file.write_text(json.dumps(CHAT))
    row = only(nexctl("estimate", file, "-o", "json").data)
    assert row["input_tokens"] == 3 + 1 + 1 + 3  # message, role, content, reply
    text = only(nexctl("estimate", "-", "-m", "gpt-4o", "--chat", "-o", "json", stdin="Hello").data)
    assert text["input_tokens"] == 8


def test_special_token_text_counts_as_text(nexctl: Nexctl) -> None:
    row = only(nexctl("estimate", "-", "-m", "gpt-4o", "-o", "json", stdin="<|endoftext|>").data)
    assert row["input_tokens"] > 1


def test_an_empty_file_is_zero_with_a_note_and_nothing_else_is_an_error(
    nexctl: Nexctl, prompt: Path, tmp_path: Path
) -> None:
    empty = tmp_path / "empty.md"
    empty.touch()
    ran = nexctl("estimate", prompt, empty, "-o", "json")
    assert ran.exit == 0
    assert "empty.md is empty" in ran.err
    assert {row["input_tokens"] for row in ran.data["files"]} >= {0}
    alone = nexctl("estimate", empty)
    assert alone.exit == 2
    assert alone.out == ""
    assert nexctl("estimate", "-").exit == 2


# --- gates ---------------------------------------------------------------------------------------


def test_the_gate_compares_expected_then_the_request_s_high_then_input_only(
    nexctl: Nexctl, prompt: Path, tmp_path: Path
) -> None:
    def gate(*arguments: Any) -> tuple[int, dict[str, Any]]:
        ran = nexctl("estimate", *arguments, "-o", "json")
        return ran.exit, ran.data["gate"]

    code, answer = gate(prompt, "--max-cost", "1", "--output-tokens", "10")
    assert (code, answer["passed"], answer["rule"]) == (0, True, "expected")
    chat = tmp_path / "chat.json"
    chat.write_text(json.dumps(CHAT))
    code, answer = gate(chat, "--max-cost", "0.0001")
    assert (code, answer["passed"], answer["rule"]) == (9, False, "high")
    code, answer = gate(prompt, "--max-cost", "0")
    assert (code, answer["passed"], answer["rule"]) == (9, False, "input only")
    assert set(answer) >= {"passed", "compared", "limit", "rule"}


def test_a_gate_that_meets_something_unpriced_is_a_usage_error(
    nexctl: Nexctl, prompt: Path
) -> None:
    ran = nexctl("estimate", prompt, "-m", "gpt-4o", "--on", "openai", "--on", "nexrelay",
                 "--max-cost", "1")  # fmt: skip
    assert ran.exit == 2
    assert "no known price: NexRelay has no model 'gpt-4o'" in ran.err


def test_batch_chooses_what_the_gate_compares(nexctl: Nexctl, tmp_path: Path) -> None:
    file = write_tokens(tmp_path / "p.txt", 10_000)  # 0.001 sync, 0.0007 in a batch
    assert nexctl("estimate", file, "--max-cost", "0.0008").exit == 9
    assert nexctl("estimate", file, "--max-cost", "0.0008", "--batch").exit == 0


# --- faults: one clear line, the right exit code, no traceback ------------------------------------


def bad_files(folder: Path) -> dict[str, tuple[Path, str]]:
    made = {
        "binary.md": (b"ab\0cd", "offset 2"),
        "latin.md": (b"caf\xe9", "offset 3"),
        "broken.json": (b'{"messages":\n[}', "broken.json:2"),
        "broken.jsonl": (b'{"prompt": "x"}\n{oops\n', "broken.jsonl:2"),
        "other.jsonl": (b'{"text": "x"}\n', "other.jsonl:1"),
        "deep.jsonl": (b'{"messages": ' + b"[" * 200_000 + b"\n", "deep.jsonl:1"),
        "types.json": (b'{"model": "gpt-4o", "messages": "hello"}', "messages"),
        "n.json": (json.dumps({**CHAT, "n": -1}).encode(), "n"),
        "max.json": (json.dumps({**CHAT, "max_tokens": -5}).encode(), "max_tokens"),
        "bool.json": (json.dumps({**CHAT, "max_tokens": True}).encode(), "max_tokens"),
        "model.json": (json.dumps({**CHAT, "model": "nex-prp"}).encode(), "nex-prp"),
    }
    found = {}
    for name, (raw, said) in made.items():
        (folder / name).write_bytes(raw)
        found[name] = (folder / name, said)
    return found


@pytest.mark.parametrize(
    "name",
    ["binary.md", "latin.md", "broken.json", "broken.jsonl", "other.jsonl", "deep.jsonl",
     "types.json", "n.json", "max.json", "bool.json", "model.json"],
)  # fmt: skip
def test_a_bad_file_is_one_clear_line(nexctl: Nexctl, tmp_path: Path, name: str) -> None:
    file, said = bad_files(tmp_path)[name]
    ran = nexctl("estimate", file)
    assert ran.exit == 2, ran
    assert ran.out == ""
    assert said in ran.err
    assert "Traceback" not in ran.err
    assert ran.err.startswith("error: ")
    assert len(ran.err.splitlines()) <= 2


@pytest.mark.parametrize(
    ("arguments", "exit_code", "said"),
    [
        (["missing.md"], 2, "missing.md"),
        (["prompt.md", "-m", "gpt-4q"], 2, "gpt-4o"),
        (["prompt.md", "--on", "nextokn"], 2, "nextoken"),
        (["prompt.md", "--max-cost", "NaN"], 2, "--max-cost"),
        (["prompt.md", "--max-cost", "-1"], 2, "negative"),
        (["prompt.md", "--max-cost", "1e3"], 2, "--max-cost"),
        (["prompt.md", "--output-tokens", "-5"], 2, "--output-tokens"),
        (["prompt.md", "--cached", "99999"], 2, "input"),
        (["prompt.md", "--cached", "120%"], 2, "--cached"),
        (["prompt.md", "--tier", "gold"], 2, "tier"),
        (["prompt.md", "--plan", "nope"], 2, "plan"),
        (["prompt.md", "--on", "deeptoken", "--plan", "pro"], 2, "plan"),
        (["prompt.md", "--volume", "5/week"], 2, "--volume"),
        (["prompt.md", "--frobnicate"], 2, "--frobnicate"),
        (["nothing-*.md"], 2, "nothing-"),
    ],
)
def test_wrong_words_are_refused(
    nexctl: Nexctl, prompt: Path, arguments: list[str], exit_code: int, said: str
) -> None:
    ran = nexctl("estimate", *arguments)
    assert ran.exit == exit_code, ran
    assert said in ran.err, ran
    assert "Traceback" not in ran.err


def test_an_unknown_model_names_the_books_that_price_it(nexctl: Nexctl, prompt: Path) -> None:
    ran = nexctl("estimate", prompt, "-m", "gpt-5.4")
    assert ran.exit == 2
    assert "openai" in ran.err


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_a_file_without_permission(nexctl: Nexctl, prompt: Path) -> None:
    prompt.chmod(0)
    assert nexctl("estimate", prompt).exit == 2


def test_cached_may_exceed_input_where_the_book_counts_it_beside(
    nexctl: Nexctl, prompt: Path
) -> None:
    ran = nexctl("estimate", prompt, "--on", "nexrelay", "--cached", "99999", "-o", "json")
    assert ran.exit == 0


def test_errors_are_json_where_output_is(nexctl: Nexctl) -> None:
    ran = nexctl("estimate", "missing.md", "-o", "json")
    assert ran.out == ""
    assert ran.error["exit"] == 2
    assert "missing.md" in ran.error["message"]


def test_formats_for_scripts(nexctl: Nexctl, prompt: Path) -> None:
    csv = nexctl("estimate", prompt, "-o", "csv").out
    assert csv.startswith("gateway,model,price_book,currency,")
    assert csv.count("\r\n") == 2
    assert nexctl("estimate", prompt, "-o", "name").out == "nex-pro\n"
    assert json.loads(nexctl("estimate", prompt, "-o", "jsonl").out)["model"] == "nex-pro"


def test_nothing_is_written_on_disk(nexctl: Nexctl, prompt: Path, own_home: Path) -> None:
    nexctl("estimate", prompt)
    left = [path for path in own_home.rglob("*") if path.is_file() and "complete" not in str(path)]
    assert left == []
