"""Whatever is printed, logged or raised: keys in it are masked, and the rest stays readable."""

from __future__ import annotations

import io
import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nexctl.safety import redaction
from nexctl.safety.redaction import LogFilter, redact


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("key nxt_sk_AbCdEf0123456789 used", "key nxt_sk_*** used"),
        ("nxt_sub_AbCdEf0123456789", "nxt_sub_***"),
        ("nxt_mk_AbCdEf0123456789", "nxt_mk_***"),
        ("nxt_op_AbCdEf0123456789", "nxt_op_***"),
        ("nxt-sk-prod-AbCdEf012345", "nxt-sk-prod-***"),
        ("nxt-sk-sub-AbCdEf012345", "nxt-sk-sub-***"),
        ("sk-proj-AbC_dEf-0123456789", "sk-proj-***"),
        ("sk-ant-api03-AbCdEf", "sk-ant-***"),
        ("sk-AbCdEf0123456789", "sk-***"),
        ("sk_live_AbCdEf0123456789", "sk_live_***"),
        ("dtk_AbCdEf0123456789", "dtk_***"),
        ("nxk_AbCdEf0123456789", "nxk_***"),
        ("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_***"),
        ("whsec_ab+/cd==ef", "whsec_***"),
        ("Authorization: Bearer abc.def-ghi", "Authorization: Bearer ***"),
        ("authorization: bearer some.other.token", "authorization: bearer ***"),
        ("Basic dXNlcjpwYXNz", "Basic ***"),
        ("http://me:hunter2@proxy:8080/x", "http://***@proxy:8080/x"),
        ("GET /v1?api_key=hunter2&x=1", "GET /v1?api_key=***&x=1"),
        ("GET /v1?x=1&token=hunter2", "GET /v1?x=1&token=***"),
        ('{"secret":"nxt_sk_AbCdEf0123456789"}', '{"secret":"nxt_sk_***"}'),
        ("'nxt_sk_AbCdEf0123456789',", "'nxt_sk_***',"),
    ],
)
def test_secrets_are_masked_and_their_kind_stays(text: str, shown: str) -> None:
    assert redact(text) == shown


@pytest.mark.parametrize(
    "text",
    [
        "keys begin with nxt_sk_ or nxt_sub_",
        "task-management and risk-assessment",
        "disk-utilisation-report",
        "https://gateway.example.com/v1/models?limit=5",
        "the bearer of this",
        "model gpt-4o-mini, request order-17:line-3",
    ],
)
def test_what_is_no_secret_stays(text: str) -> None:
    assert redact(text) == text


def test_known_values_are_masked_whatever_they_look_like() -> None:
    assert redact("a hunter2 b hunter2longer", ["hunter2", "hunter2longer"]) == "a *** b ***"
    assert redact("nothing", ["", "x"]) == "nothing"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("the connection is closed", "the connection is closed"),
        ("key 'se' and key=se.", "key '***' and key=***."),
        ("/v1/se/se?x=se&se", "/v1/***/***?x=***&***"),
        ("sesame, müse, se_1", "sesame, müse, se_1"),
        ("se among words, se, Bearer se", "se among words, se, Bearer ***"),
    ],
)
def test_a_short_known_value_is_masked_as_a_whole_and_leaves_words_whole(
    text: str, shown: str
) -> None:
    assert redact(text, ["se"]) == shown
    assert redact("a7, 'a7' and a77", ["a7"]) == "***, '***' and a77"


def test_headers_that_carry_secrets_are_masked_whole() -> None:
    shown = redaction.headers(
        {
            "Authorization": "odd spelling",
            "X-API-Key": "1",
            "Set-Cookie": "a=b",
            "X-Id": "sk-abcdefgh",
        }
    )
    assert shown == {
        "Authorization": "***",
        "X-API-Key": "***",
        "Set-Cookie": "***",
        "X-Id": "sk-***",
    }


@given(
    st.sampled_from(["nxt_sk_", "nxt_op_", "dtk_", "whsec_", "sk-", "nxt-sk-dev-"]),
    st.from_regex(r"[A-Za-z0-9]{16,40}", fullmatch=True),
    st.text(st.characters(exclude_categories=["L", "N"]), max_size=10),
    st.text(max_size=10),
)
def test_no_key_survives_wherever_it_stands(
    prefix: str, body: str, before: str, after: str
) -> None:
    text = before + prefix + body + after
    assert body not in redact(text)
    assert redact(redact(text)) == redact(text)


def test_a_log_record_is_redacted_with_its_arguments_and_traceback() -> None:
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.addFilter(LogFilter(["hunter2"]))
    logger = logging.Logger("test")
    logger.addHandler(handler)
    try:
        raise RuntimeError("refused nxt_sk_AbCdEf0123456789")
    except RuntimeError:
        logger.exception("sent %s with %s", "hunter2", {"k": "dtk_AbCdEf0123456789"})
    told = stream.getvalue()
    assert "sent *** with {'k': 'dtk_***'}" in told
    assert "RuntimeError: refused nxt_sk_***" in told
    assert "AbCdEf" not in told


def test_a_long_text_takes_linear_time() -> None:
    for text in ("sk-" * 200_000, "a" * 1_000_000, "http://" * 100_000, "Bearer " * 100_000):
        redact(text)
