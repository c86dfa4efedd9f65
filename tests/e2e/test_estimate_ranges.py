"""Where only a range of prices is known: by the hour, or by what input and output cost together."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.conftest import Nexctl

# (book, model, tokens of input and output -> what they cost at the dearest end)
SPLIT = ("nexu", "mimo-v2-pro")
HOURS = ("deepseek", "deepseek-chat")


@pytest.fixture
def prompt(tmp_path: Path) -> Path:
    file = tmp_path / "prompt.txt"
    file.write_text(" a" * 2000)
    return file


@pytest.mark.parametrize(
    ("book", "model", "output", "dearest", "rule"),
    [
        # 400 credits a million, were all of it the input's: 2,000 x 400 / 1,000,000.
        (*SPLIT, "500", "0.8", "high"),
        (*SPLIT, None, "0.8", "input only"),
    ],
)
def test_a_gate_passes_a_range_only_where_its_dearest_end_does(
    nexctl: Nexctl, prompt: Path, book: str, model: str, output: str | None, dearest: str, rule: str
) -> None:
    said = () if output is None else ("--output-tokens", output)
    common = ("estimate", prompt, "--on", book, "-m", model, *said, "-o", "json", "--max-cost")
    passed = nexctl(*common, dearest)
    assert passed.exit == 0
    assert passed.data["gate"]["compared"] == dearest
    assert passed.data["gate"]["rule"] == rule
    assert nexctl(*common, "0.79").exit == 9


def test_by_the_hour_the_peak_is_compared_and_said(nexctl: Nexctl, prompt: Path) -> None:
    book, model = HOURS
    common = ("estimate", prompt, "--on", book, "-m", model, "--output-tokens", "500")
    row = nexctl(*common, "-o", "json").data["estimates"][0]
    low, high = row["charge"]["low"], row["charge"]["high"]
    assert float(low) < float(high)
    assert any("hour" in note for note in row["notes"])
    assert not any("splits" in note for note in row["notes"])
    assert nexctl(*common, "--max-cost", low).exit == 9
    assert nexctl(*common, "--max-cost", high).exit == 0


@pytest.mark.parametrize(("book", "model"), [SPLIT, HOURS])
def test_the_low_end_of_a_range_is_not_called_the_input(
    nexctl: Nexctl, prompt: Path, book: str, model: str
) -> None:
    for said in ((), ("--output-tokens", "500")):
        shown = nexctl("estimate", prompt, "--on", book, "-m", model, *said).out
        assert "AT LEAST" in shown
        assert "INPUT ONLY" not in shown
        assert "low and high are" in shown
