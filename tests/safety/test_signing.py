"""Standard Webhooks: what the specification signs verifies here, and nothing else does."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nexctl.errors import UsageError
from nexctl.safety import signing
from nexctl.safety.signing import SignatureError, headers, key_of, new_secret, sign, verify

# The vector of the specification's reference libraries:
# https://github.com/standard-webhooks/standard-webhooks/blob/main/libraries/python/tests/test_webhooks.py
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
EVENT, AT, BODY = "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}'
SIGNATURE = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="

other_secret = "whsec_" + base64.b64encode(b"another secret of 32 bytes, here").decode()


def sent(**changed: str) -> dict[str, str]:
    found = {"webhook-id": EVENT, "webhook-timestamp": str(AT), "webhook-signature": SIGNATURE}
    return found | {name.replace("_", "-"): value for name, value in changed.items()}


def test_the_vector_of_the_specification_is_signed_and_verified() -> None:
    assert sign(SECRET, EVENT, AT, BODY) == SIGNATURE
    assert headers(SECRET, EVENT, AT, BODY) == sent()
    assert verify(SECRET, sent(), BODY, now=AT) == EVENT


def test_the_prefix_of_a_secret_may_be_missing() -> None:
    assert verify(SECRET.removeprefix("whsec_"), sent(), BODY, now=AT) == EVENT


def test_names_of_headers_are_read_in_any_case_and_as_pairs() -> None:
    pairs = [(name.title(), value) for name, value in sent().items()]
    assert verify(SECRET, pairs, BODY, now=AT) == EVENT


@pytest.mark.parametrize("offset", [-300, -1, 0, 1, 300])
def test_the_window_is_open_on_both_sides(offset: int) -> None:
    assert verify(SECRET, sent(), BODY, now=AT + offset) == EVENT


@pytest.mark.parametrize("offset", [-(10**9), -301, 301, 86_400, 10**9])
def test_an_old_event_and_one_from_the_future_are_refused(offset: int) -> None:
    with pytest.raises(SignatureError, match="too old or from the future"):
        verify(SECRET, sent(), BODY, now=AT + offset)


@pytest.mark.parametrize("tolerance", [0, -1, 86_401])
def test_the_window_cannot_be_left_out(tolerance: int) -> None:
    with pytest.raises(ValueError, match="window"):
        verify(SECRET, sent(), BODY, now=AT, tolerance=tolerance)
    with pytest.raises(TypeError):
        verify(SECRET, sent(), BODY)  # type: ignore[call-arg]


@pytest.mark.parametrize("name", ["webhook-id", "webhook-timestamp", "webhook-signature"])
def test_each_header_is_needed_once(name: str) -> None:
    less = sent()
    del less[name]
    with pytest.raises(SignatureError, match=name):
        verify(SECRET, less, BODY, now=AT)
    twice = [*sent().items(), (name.upper(), sent()[name])]
    with pytest.raises(SignatureError, match="two"):
        verify(SECRET, twice, BODY, now=AT)


@pytest.mark.parametrize(
    "wrong",
    [
        {"webhook_timestamp": "soon"},
        {"webhook_timestamp": f" {AT}"},
        {"webhook_timestamp": f"{AT}.0"},
        {"webhook_timestamp": f"-{AT}"},
        {"webhook_timestamp": "１６１４２６５３３０"},
        {"webhook_timestamp": "9" * 400},
        {"webhook_id": "msg\n"},
        {"webhook_id": "msg.1"},
        {"webhook_id": "m" * 257},
        {"webhook_id": "msg_other"},
        {"webhook_signature": SIGNATURE.replace("v1,", "v2,")},
        {"webhook_signature": SIGNATURE.replace("v1,", "v1a,")},
        {"webhook_signature": SIGNATURE.removeprefix("v1,")},
        {"webhook_signature": "v1," + "A" * 43 + "="},
        {"webhook_signature": "v1,"},
        {"webhook_signature": "v1,\u00e9\udcff"},
        {"webhook_signature": SIGNATURE + "x"},
        {"webhook_signature": SIGNATURE.replace(" ", ",")[:-1]},
        {"webhook_signature": " ".join(["v1,x"] * 40 + [SIGNATURE])},
    ],
)
def test_malformed_and_foreign_headers_are_refused(wrong: dict[str, str]) -> None:
    with pytest.raises(SignatureError):
        verify(SECRET, sent(**wrong), BODY, now=AT)


def test_one_good_signature_among_several_is_enough() -> None:
    several = f"v1,bm90IHRoaXMgb25l v2,xyz {SIGNATURE} v1a,abc"
    assert verify(SECRET, sent(webhook_signature=several), BODY, now=AT) == EVENT


def test_while_a_secret_is_rotated_both_are_signed_with_and_either_verifies() -> None:
    both = sign([other_secret, SECRET], EVENT, AT, BODY)
    assert both.split(" ")[1] == SIGNATURE
    for known in (SECRET, other_secret, [new_secret(), other_secret]):
        assert verify(known, sent(webhook_signature=both), BODY, now=AT) == EVENT
    with pytest.raises(SignatureError):
        verify([], sent(), BODY, now=AT)
    with pytest.raises(UsageError):
        sign([], EVENT, AT, BODY)


def test_json_that_was_read_and_written_again_is_another_body() -> None:
    again = json.dumps(json.loads(BODY), separators=(",", ":")).encode()
    with pytest.raises(SignatureError):
        verify(SECRET, sent(), again, now=AT)


@pytest.mark.parametrize(
    "secret",
    ["", "whsec_", "whsec_!!!!", "whsec_c2hvcnQ=", "whsec_" + "é" * 40, "whsec_" + "A" * 400],
)
def test_a_weak_or_broken_secret_is_refused(secret: str) -> None:
    with pytest.raises(UsageError):
        sign(secret, EVENT, AT, BODY)
    with pytest.raises(UsageError):
        verify(secret, sent(), BODY, now=AT)


def test_a_secret_never_stands_in_an_error() -> None:
    for attempt in (
        lambda: verify(SECRET, sent(webhook_id="other"), BODY, now=AT),
        lambda: key_of(SECRET[:-3]),
        lambda: sign(SECRET, "a b", AT, BODY),
    ):
        with pytest.raises((SignatureError, UsageError)) as caught:
            attempt()
        assert SECRET[6:20] not in f"{caught.value!r} {caught.value} {caught.value.hint}"


def test_new_secrets_differ_and_have_256_bits() -> None:
    assert len({new_secret() for _ in range(50)}) == 50
    assert len(key_of(new_secret())) == 32


ids = st.text(
    st.characters(min_codepoint=33, max_codepoint=126, exclude_characters="."), min_size=1
)
times = st.integers(min_value=0, max_value=10**11)


@given(ids, times, st.binary(max_size=200), st.integers(min_value=-300, max_value=300))
def test_what_is_signed_verifies(event: str, at: int, body: bytes, offset: int) -> None:
    assert verify(SECRET, headers(SECRET, event, at, body), body, now=at + offset) == event


def one_byte_changed(body: bytes, place: int) -> bytes:
    place %= len(body)
    return body[:place] + bytes([body[place] ^ 1]) + body[place + 1 :]


@given(ids, times, st.binary(min_size=1, max_size=80), st.integers(min_value=0))
def test_one_changed_byte_is_found(event: str, at: int, body: bytes, place: int) -> None:
    sealed = headers(SECRET, event, at, body)
    changes: tuple[Callable[[], str], ...] = (
        lambda: verify(SECRET, sealed, one_byte_changed(body, place), now=at),
        lambda: verify(SECRET, sealed, body + b"\n", now=at),
        lambda: verify(SECRET, {**sealed, "webhook-id": event + "x"}, body, now=at),
        lambda: verify(SECRET, {**sealed, "webhook-timestamp": str(at + 1)}, body, now=at),
        lambda: verify(other_secret, sealed, body, now=at),
    )
    for change in changes:
        with pytest.raises(SignatureError):
            change()


@given(st.text(max_size=40), st.text(max_size=40), st.text(max_size=80), st.binary(max_size=20))
def test_any_headers_end_in_an_answer_or_a_refusal(
    event: str, at: str, signature: str, body: bytes
) -> None:
    received = {"webhook-id": event, "webhook-timestamp": at, "webhook-signature": signature}
    with pytest.raises(SignatureError):
        verify(SECRET, received, body, now=AT)


def test_the_comparison_is_the_constant_time_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every candidate is compared, also after one has fitted, and by `hmac.compare_digest`."""
    asked: list[bytes] = []
    real = signing.hmac.compare_digest

    def watched(one: bytes, two: bytes) -> bool:
        asked.append(two)
        return real(one, two)

    monkeypatch.setattr(signing.hmac, "compare_digest", watched)
    verify([SECRET, other_secret], sent(webhook_signature=f"{SIGNATURE} v1,eA=="), BODY, now=AT)
    assert len(asked) == 4
