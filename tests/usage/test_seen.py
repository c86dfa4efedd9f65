"""Lists of usage that overlap: each request is counted once, and nothing else is left out."""

from __future__ import annotations

import random
from typing import Any

import pytest

from nexctl.usage import seen
from nexctl.usage.reading import Row


def row(number: int, **given: Any) -> Row:
    at = f"2026-10-{1 + number // 100:02d}T10:00:{number % 60:02d}Z"
    return Row(**{"created_at": at, "request_id": f"r{number}", "customer_id": "c", **given})


@pytest.mark.parametrize("chunk", [1, 7, 1 << 18])
def test_each_request_is_passed_on_once(monkeypatch: pytest.MonkeyPatch, chunk: int) -> None:
    monkeypatch.setattr(seen, "ROWS_A_CHUNK", chunk)
    apart = seen.Seen()
    spans, told, before = ((0, 300), (250, 500), (100, 600), (0, 600)), [], set()
    for low, high in spans:
        numbers = list(range(low, high))
        random.Random(low).shuffle(numbers)
        found = [one.request_id for one in apart.new(map(row, numbers))]
        assert found == [f"r{n}" for n in numbers if n not in before]
        before.update(numbers)
        told.append(apart.again)
    assert told == [0, 50, 400, 600]


def test_what_is_not_the_same_stays() -> None:
    apart = seen.Seen()
    first = [row(1, charge="0.5"), row(1, charge="0.5"), row(2, request_id=None)]
    assert list(apart.new(first)) == first, "one list may hold a request twice: it was billed twice"
    others = [
        row(1, charge="-0.5"),
        row(1, customer_id="d"),
        row(1, created_at="2026-10-01T10:00:02Z"),
        row(2, request_id=None),
    ]
    assert list(apart.new([*others, row(1, charge="0.50")])) == others
    assert apart.again == 1
