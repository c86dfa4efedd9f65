"""Prompts by the id of their request, and a calibration applied to their counts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from nexctl.errors import UsageError
from nexctl.estimate.ask import Ask
from nexctl.estimate.estimator import Estimator
from nexctl.estimate.joined import PromptCounter, prompts
from nexctl.estimate.quote import quote
from nexctl.estimate.sources import find
from nexctl.pricing import books
from nexctl.tokens import calibration, registry

HELLO = {"messages": [{"role": "user", "content": "Hello there, how are you today"}]}


def ids(folder: Path) -> dict[str | None, str]:
    return {p.request_id: Path(p.path).name for p in prompts(find((str(folder),)).files)}


def test_an_id_is_a_field_of_the_line_or_its_body_else_the_files_name(tmp_path: Path) -> None:
    batch = {"custom_id": "1", "body": {**HELLO, "request_id": "in-the-body"}}
    lines = [
        {**HELLO, "request_id": "its-own", "id": "not this"},
        {**HELLO, "id": "second-best"},
        batch,
    ]
    (tmp_path / "sent.jsonl").write_text("\n".join(map(json.dumps, lines)) + "\n\n")
    (tmp_path / "req-text.md").write_text("Hello")
    (tmp_path / "req-alone.json").write_text(json.dumps(HELLO))
    (tmp_path / "named.json").write_text(json.dumps({**HELLO, "request_id": "from-inside"}))
    (tmp_path / "empty.md").write_text("")
    assert ids(tmp_path) == {
        "its-own": "sent.jsonl",
        "second-best": "sent.jsonl",
        "in-the-body": "sent.jsonl",
        "req-text": "req-text.md",
        "req-alone": "req-alone.json",
        "from-inside": "named.json",
    }


def test_a_line_without_an_id_has_none(tmp_path: Path) -> None:
    (tmp_path / "sent.jsonl").write_text(json.dumps(HELLO) + "\n")
    assert ids(tmp_path) == {None: "sent.jsonl"}


@pytest.mark.parametrize("content", ["{", "[1]\n", '{"a": 1}\n', "\x00"])
def test_a_broken_file_is_named(tmp_path: Path, content: str) -> None:
    (tmp_path / "sent.jsonl").write_text(content)
    with pytest.raises(UsageError, match=r"sent\.jsonl"):
        ids(tmp_path)


def test_a_prompt_counts_what_an_estimate_counts(tmp_path: Path) -> None:
    (tmp_path / "r1.json").write_text(json.dumps({**HELLO, "request_id": "r1"}))
    sources = find((str(tmp_path),)).files
    model = books.load("nextoken").find("nex-reasoning")
    count = PromptCounter().count(next(prompts(sources)), "nex-reasoning", model)
    assert not isinstance(count, str)
    answer = quote(Ask(books=("nextoken",), models=("nex-reasoning",)), sources)
    assert answer.rows[0]["input_tokens"] == count.tokens
    assert (count.exact, count.script) == (False, "latin")


def calibrated(path: Path, model: str, ratio: str = "2", output: int | None = 50) -> str:
    row = books.load("nextoken").find(model)
    choice = registry.choose(row.id, provider=row.provider, declared=row.tokenizer)
    file = path / "calibration.json"
    file.write_text(
        json.dumps(
            {
                "format": 1,
                "ratios": [
                    {
                        "model": model,
                        "script": "latin",
                        "counter": calibration.counter_of(choice),
                        "ratio": ratio,
                        "error": {"low_percent": "-1", "high_percent": "1"},
                    }
                ],
                "outputs": [] if output is None else [{"model": model, "median": output}],
            }
        )
    )
    return str(file)


def row_of(request: dict[str, Any], **ask: Any) -> dict[str, Any]:
    from nexctl.estimate.quote import summed

    estimator = Estimator(Ask(books=("nextoken",), **ask))
    estimator.add_request("p", request)
    return summed(estimator, []).rows[0]


def test_a_calibration_touches_the_count_its_error_and_expected(tmp_path: Path) -> None:
    path = calibrated(tmp_path, "nex-reasoning")
    plain = row_of(HELLO, models=("nex-reasoning",))
    found = row_of(HELLO, models=("nex-reasoning",), calibration=path)
    assert "raw_input_tokens" not in plain
    assert found["raw_input_tokens"] == plain["input_tokens"]
    assert found["input_tokens"] == 2 * plain["input_tokens"]
    assert (found["count"]["method"], found["count"]["exact"]) == ("calibrated", False)
    assert found["count"]["error"] == {"low_percent": "-1", "high_percent": "1"}
    assert plain["output_tokens"]["expected"] is None
    assert found["output_tokens"]["expected"] == 50
    assert found["charge"]["low"] != plain["charge"]["low"]


def test_what_was_asked_for_goes_before_the_typical_output(tmp_path: Path) -> None:
    path = calibrated(tmp_path, "nex-reasoning")
    asked = row_of(HELLO, models=("nex-reasoning",), calibration=path, output_tokens=7)
    assert asked["output_tokens"]["expected"] == 7
    most = row_of({**HELLO, "max_tokens": 20, "n": 2}, models=("nex-reasoning",), calibration=path)
    assert most["output_tokens"] == {"low": 0, "expected": 40, "high": 40}


def test_an_exact_count_is_never_touched(tmp_path: Path) -> None:
    row = books.load("openai").find("gpt-4o")
    choice = registry.choose(row.id, provider=row.provider, declared=row.tokenizer)
    assert choice.exact
    path = Path(calibrated(tmp_path, "gpt-4o"))
    estimator = Estimator(Ask(books=("nextoken",), models=("gpt-4o",), calibration=str(path)))
    estimator.add_text("p", "Hello there, how are you today")
    bare = Estimator(Ask(books=("nextoken",), models=("gpt-4o",)))
    bare.add_text("p", "Hello there, how are you today")
    (one,), (other,) = estimator.lanes.values(), bare.lanes.values()
    assert (one.input_tokens, one.method) == (other.input_tokens, "exact")
    assert one.output.expected == 50


def test_another_script_or_another_counter_is_counted_as_without_it(tmp_path: Path) -> None:
    path = calibrated(tmp_path, "nex-reasoning", output=None)
    chinese = {"messages": [{"role": "user", "content": "请把下面的文字翻译成英文"}]}
    found = row_of(chinese, models=("nex-reasoning",), calibration=path)
    assert found["count"]["method"] == "estimated"
    assert any("nothing for this model and script" in note for note in found["notes"])
    file = json.loads(Path(path).read_text())
    file["ratios"][0]["counter"] = "other|other|1/1"
    Path(path).write_text(json.dumps(file))
    stale = row_of(HELLO, models=("nex-reasoning",), calibration=path)
    assert stale["count"]["method"] == "estimated"
    assert any("another tokenizer" in note for note in stale["notes"])


def test_sums_of_worker_processes_carry_the_raw_count(tmp_path: Path) -> None:
    ask = Ask(
        books=("nextoken",),
        models=("nex-reasoning",),
        calibration=calibrated(tmp_path, "nex-reasoning"),
    )
    whole, part = Estimator(ask), Estimator(ask)
    whole.add_request("p", HELLO)
    part.add_request("p", HELLO)
    whole.merge(part.take())
    (lane,) = whole.lanes.values()
    assert (lane.requests, lane.input_tokens) == (2, 2 * lane.raw_tokens)
