"""One line of a batch file: every fault that it has, by code, line and field."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nexctl.estimate.batch_lines import (
    LONGEST_ID,
    Rules,
    Sameness,
    check_line,
    check_value,
    is_legal_id,
)

# How busy the machine is proves nothing.
BUSY = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])

GOOD: dict[str, Any] = {
    "custom_id": "a-1",
    "method": "POST",
    "url": "/v1/chat/completions",
    "body": {
        "model": "nex-pro",
        "messages": [{"role": "user", "content": "hi"}],
        "max_completion_tokens": 16,
    },
}
ANTHROPIC = Rules(id_pattern=r"[a-zA-Z0-9_-]{1,64}", longest_id=64)


def line_with(**changes: Any) -> bytes:
    value = {**GOOD, **changes}
    return json.dumps({key: item for key, item in value.items() if item is not ...}).encode()


def body_with(**changes: Any) -> bytes:
    body = {**GOOD["body"], **changes}
    return line_with(body={key: item for key, item in body.items() if item is not ...})


def codes(raw: bytes, rules: Rules | None = None) -> list[str]:
    return [fault.code for fault in check_line(raw, 7, rules or Rules()).faults]


def test_a_good_line_has_no_fault_and_its_parts_are_told() -> None:
    found = check_line(line_with(), 3, Rules())
    assert found.faults == ()
    assert (found.line, found.custom_id, found.url, found.model) == (
        3,
        "a-1",
        "/v1/chat/completions",
        "nex-pro",
    )


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        (b"{", "invalid_json_line"),
        (b"[1]", "invalid_json_line"),
        (b"null", "invalid_json_line"),
        (b'{"a": NaN}', "invalid_json_line"),
        (b"{} {}", "invalid_json_line"),
        (b"[" * 100_000, "invalid_json_line"),
        (b'{"custom_id": "\xff"}', "invalid_utf8"),
        (line_with(custom_id=...), "missing_key"),
        (line_with(custom_id=""), "invalid_custom_id"),
        (line_with(custom_id=5), "invalid_custom_id"),
        (line_with(custom_id="x" * (LONGEST_ID + 1)), "invalid_custom_id"),
        (b'{"custom_id": "\\ud800"}', "invalid_json_line"),
        (line_with(method=...), "missing_key"),
        (line_with(method="GET"), "invalid_method"),
        (line_with(url=...), "missing_key"),
        (line_with(url="v1/chat"), "invalid_url"),
        (line_with(url=3), "invalid_url"),
        (line_with(body=...), "missing_key"),
        (line_with(body=[]), "invalid_body"),
        (line_with(extra=1), "unknown_key"),
        (body_with(stream=True), "stream_not_allowed"),
        (body_with(model=...), "missing_key"),
        (body_with(model=""), "invalid_model"),
        (body_with(max_completion_tokens=...), "max_tokens_missing"),
        (body_with(max_completion_tokens=0), "invalid_max_tokens"),
        (body_with(max_completion_tokens=True), "invalid_max_tokens"),
        (body_with(max_completion_tokens="9"), "invalid_max_tokens"),
    ],
)  # fmt: skip
def test_each_fault_has_its_code_and_line(raw: bytes, code: str) -> None:
    faults = check_line(raw, 7, Rules()).faults
    assert code in [fault.code for fault in faults]
    assert all(fault.line == 7 for fault in faults)


def test_all_faults_of_a_line_are_found_not_only_the_first() -> None:
    raw = line_with(method="GET", url="x", custom_id=1, body={"stream": True})
    assert codes(raw) == [
        "invalid_custom_id",
        "invalid_method",
        "invalid_url",
        "stream_not_allowed",
        "max_tokens_missing",
        "missing_key",
    ]


def test_an_endpoint_outside_the_targets_list_is_a_fault() -> None:
    assert codes(line_with(), Rules(endpoints=("/v1/embeddings",))) == ["invalid_url"]
    assert codes(line_with(), Rules(endpoints=("/v1/chat/completions",))) == []


def test_embeddings_have_no_output_to_limit() -> None:
    assert codes(line_with(url="/v1/embeddings", body={"model": "m", "input": "x"})) == []


def test_a_missing_maximum_is_no_fault_where_the_target_does_without() -> None:
    assert codes(body_with(max_completion_tokens=...), Rules(needs_max_output=False)) == []


def test_a_line_over_the_limit_is_refused_by_its_size() -> None:
    assert codes(line_with(), Rules(max_line_bytes=10)) == ["line_too_large"]


def test_an_id_is_legal_only_as_a_whole() -> None:
    assert is_legal_id("a_B-9", ANTHROPIC)
    for bad in ("", "a b", "a.b", "x" * 65, "a\n", "é"):
        assert not is_legal_id(bad, ANTHROPIC)
    assert codes(line_with(custom_id="a b"), ANTHROPIC) == ["invalid_custom_id"]


def test_a_file_has_one_endpoint_and_one_model_unless_it_is_split() -> None:
    other = check_line(
        line_with(url="/v1/embeddings", body={"model": "e", "input": "x"}), 2, Rules()
    )
    same = Sameness()
    assert same.faults(check_line(line_with(), 1, Rules())) == ()
    assert [fault.code for fault in same.faults(other)] == ["url_mismatch", "model_mismatch"]
    split = Sameness(split=True)
    assert split.faults(check_line(line_with(), 1, Rules())) == ()
    assert split.faults(other) == ()


@BUSY
@given(st.binary(max_size=200))
def test_no_bytes_break_the_check(raw: bytes) -> None:
    assert check_line(raw, 1, Rules()).faults


plain_values = st.sampled_from((None, True, 3, "", "POST", "/v1/embeddings", [], [1], {}))


@BUSY
@given(
    st.dictionaries(
        st.sampled_from(("custom_id", "method", "url", "body", "more")),
        plain_values | st.builds(lambda model: {"model": model}, plain_values),
        max_size=5,
    )
)
def test_whatever_the_values_are_a_line_is_good_only_with_all_parts(value: dict[str, Any]) -> None:
    found = check_line(json.dumps(value).encode(), 1, Rules())
    if not found.faults:
        assert None not in (found.custom_id, found.url, found.model)


def test_half_a_character_is_no_id_even_where_the_reader_lets_it_through() -> None:
    value = {**GOOD, "custom_id": "\ud800"}
    assert [fault.code for fault in check_value(value, 1, Rules()).faults] == ["invalid_custom_id"]
