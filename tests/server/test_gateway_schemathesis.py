"""Calls made from the OpenAPI file at random: no 5xx, every error in the envelope, no hold left."""

from __future__ import annotations

from typing import Any

from hypothesis import HealthCheck, settings
from schemathesis_kit import SCHEMA, check
from served_kit import Served


@SCHEMA.parametrize()
@settings(max_examples=4, deadline=None, suppress_health_check=list(HealthCheck))
def test_a_few_calls_of_each_route(fuzzed: Served, case: Any) -> None:
    check(fuzzed, case)


def test_no_hold_is_left(fuzzed: Served) -> None:
    fuzzed.settled()
