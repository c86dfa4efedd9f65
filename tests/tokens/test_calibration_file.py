"""The calibration file, and which script a text is in."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nexctl.errors import ConfigError, UsageError
from nexctl.tokens import calibration, registry

CHOICE = registry.tokenizer("o200k_base")
RATIO = {
    "model": "m",
    "script": "latin",
    "counter": calibration.counter_of(CHOICE),
    "ratio": "1.5",
    "error": {"low_percent": "-2", "high_percent": "3.5"},
}


def written(path: Path, **given: Any) -> str:
    file = path / "c.json"
    file.write_text(json.dumps({"format": 1, "ratios": [RATIO], "outputs": [], **given}))
    return str(file)


@pytest.mark.parametrize(
    ("text", "script"),
    [
        ("", "latin"),
        ("Hello, summarise this (please).", "latin"),
        ("Résumé: naïve café — “quoted” 😀", "latin"),
        ("请把下面的文字翻译成英文", "cjk"),
        ("Translate: 今日はいい天気ですね、散歩に行きましょう", "cjk"),
        ("오늘 날씨가 좋네요", "cjk"),
        ("Привет, как дела сегодня", "other"),
        ('def f(x): return {"a": [x, 1], "b": (x + 1)}', "code"),
        ("for (int i = 0; i < n; i++) { sum += a[i]; }", "code"),
    ],
)
def test_a_text_has_one_script(text: str, script: str) -> None:
    assert calibration.script_of(text) == script


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(st.text())
def test_every_text_has_a_script(text: str) -> None:
    assert calibration.script_of(text) in calibration.SCRIPTS


def test_a_requests_text_is_found_and_its_images_are_not() -> None:
    request = {
        "messages": [
            {"role": "system", "content": "one"},
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "two"},
                    {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}},
                ],
            },
        ]
    }
    assert calibration.text_of(request) == "one\ntwo"
    assert calibration.text_of({"input": "x" * 100_000}) == "x" * calibration.SAMPLE


def test_a_ratio_holds_for_its_model_script_and_counter_only(tmp_path: Path) -> None:
    file = calibration.load(written(tmp_path))
    found = file.ratio("m", "latin", CHOICE)
    assert found is not None
    assert (found.of(100), found.of(1), found.of(0)) == (150, 2, 0)
    assert file.ratio("m", "cjk", CHOICE) is file.ratio("n", "latin", CHOICE) is None
    other = registry.tokenizer("cl100k_base")
    assert file.ratio("m", "latin", other) is None
    assert file.stale("m", "latin", other)
    assert not file.stale("m", "latin", CHOICE)


@pytest.mark.parametrize(
    "change",
    [
        {"format": 2},
        {"ratios": {}},
        {"ratios": [1]},
        {"ratios": [{**RATIO, "ratio": "1e3"}]},
        {"ratios": [{**RATIO, "ratio": "0"}]},
        {"ratios": [{**RATIO, "ratio": 1.5}]},
        {"ratios": [{**RATIO, "ratio": "21"}]},
        {"ratios": [{**RATIO, "script": "klingon"}]},
        {"ratios": [{**RATIO, "error": None}]},
        {"ratios": [{**RATIO, "error": {"low_percent": "-2", "high_percent": "NaN"}}]},
        {"outputs": [{"model": "m", "median": -1}]},
        {"outputs": [{"model": "m", "median": True}]},
    ],
)
def test_a_malformed_file_is_a_bad_configuration(tmp_path: Path, change: dict[str, Any]) -> None:
    with pytest.raises(ConfigError) as caught:
        calibration.load(written(tmp_path, **change))
    assert (caught.value.exit, caught.value.code) == (78, "bad_calibration")


@pytest.mark.parametrize("content", [b"", b"[]", b"\xff", b"[" * 100_000, b"null"])
def test_what_is_no_calibration_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "c.json"
    path.write_bytes(content)
    with pytest.raises(ConfigError):
        calibration.load(str(path))
    with pytest.raises(UsageError):
        calibration.load(str(tmp_path / "absent.json"))
