"""The same as test_gateway_schemathesis.py, with many more calls of each route."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from schemathesis_kit import SCHEMA, check
from served_kit import Served

pytestmark = pytest.mark.slow


@SCHEMA.parametrize()
@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
def test_many_calls_of_each_route(fuzzed: Served, case: Any) -> None:
    check(fuzzed, case)
