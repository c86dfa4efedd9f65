"""The route table is complete and honest: everything that is made from it relies on that."""

from __future__ import annotations

import re
import subprocess
import sys

import msgspec
import pytest

from nexctl.wire import base, refusals, routes
from nexctl.wire.routes import BY_NAME, CALLERS, NOBODY, ROUTES, Route, refusals_of, type_named

WRITES = [route for route in ROUTES if route.writes]


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.name)
def test_every_type_that_a_route_names_can_be_read_and_written(route: Route) -> None:
    for name in (route.request, route.query, route.response, route.streaming):
        if name is not None:
            body = type_named(name)
            assert issubclass(body, msgspec.Struct)
            msgspec.json.Decoder(body)
    assert (route.response is None) == (route.media != "application/json")


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.name)
def test_requests_refuse_and_answers_ignore_what_they_do_not_know(route: Route) -> None:
    for name in (route.request, route.query):
        if name is not None and not route.raw:
            assert issubclass(type_named(name), base.Request)
            assert type_named(name).__struct_config__.forbid_unknown_fields
    for name in (route.response, route.streaming):
        if name is not None:
            assert not type_named(name).__struct_config__.forbid_unknown_fields


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.name)
def test_every_route_says_who_may_call_it(route: Route) -> None:
    assert route.callers
    assert route.callers.issubset(CALLERS)
    assert (NOBODY in route.callers) != bool(route.callers - {NOBODY})
    operators = {caller for caller in route.callers if caller.startswith("operator:")}
    # Support stops what goes wrong and sends again what was not heard; it gives nothing.
    support = route.name.startswith(("customer_keys.", "deliveries.", "customers.suspend"))
    allowed = {"operator:support"} if support else set()
    if route.path.startswith("/admin/"):
        assert operators == route.callers
        assert "operator:owner" in operators
        assert not (route.writes and "operator:read_only" in operators)
        assert not (route.writes and "operator:support" in operators - allowed)
    elif operators:
        assert route.name == "me.show"


@pytest.mark.parametrize("route", WRITES, ids=lambda route: route.name)
def test_only_inference_and_what_providers_send_go_without_an_idempotency_key(
    route: Route,
) -> None:
    inference = route.body_limit == routes.PROMPT
    assert route.idempotent == (not inference and NOBODY not in route.callers)


def test_a_route_that_leaves_open_who_may_call_it_does_not_load() -> None:
    nobody_said = BY_NAME["keys.list"]._replace(callers=frozenset())
    with pytest.raises(ValueError, match=r"keys\.list: who may call"):
        routes._checked((nobody_said,))
    unknown = BY_NAME["keys.list"]._replace(callers=frozenset({"root"}))
    with pytest.raises(ValueError, match="who may call"):
        routes._checked((unknown,))
    both = BY_NAME["keys.list"]._replace(callers=frozenset({NOBODY, "key"}))
    with pytest.raises(ValueError, match="either no key"):
        routes._checked((both,))
    with pytest.raises(ValueError, match="twice"):
        routes._checked((BY_NAME["keys.list"], BY_NAME["keys.list"]))


def test_fixed_paths_stand_before_those_with_a_parameter() -> None:
    """A router takes the first that fits, so `/v1/usage/summary` is not the record "summary"."""
    for number, route in enumerate(ROUTES):
        pattern = re.sub(r"\{\w+:path\}", ".+", route.path)
        pattern = re.sub(r"\{\w+\}", "[^/]+", pattern)
        hidden = [
            later.path
            for later in ROUTES[number + 1 :]
            if later.method == route.method and re.fullmatch(pattern, later.path)
        ]
        assert not hidden, f"{route.path} hides {hidden}"


@pytest.mark.parametrize("refusal", refusals.REFUSALS.values(), ids=lambda refusal: refusal.code)
def test_every_refusal_has_a_place_in_the_contract(refusal: refusals.Refusal) -> None:
    assert refusal.type in refusals.TYPES
    assert 400 <= refusal.status < 600
    assert refusal.exit in range(1, 11)
    assert re.fullmatch("[a-z_]+", refusal.code)
    if refusal.status == 402 or refusal.code in ("budget_exceeded", "allowance_exceeded"):
        assert (refusal.exit, refusal.retry) == (5, False)
    if refusal.status == 429:
        assert (refusal.exit, refusal.retry) == (6, True)
    if refusal.status >= 500:
        assert refusal.exit == 7


def test_the_refusals_of_the_contract_have_its_status_and_exit_codes() -> None:
    """Source: the table of refusals in the gateway contract."""
    contract = {
        "invalid_api_key": (401, 4),
        "model_not_allowed": (403, 4),
        "ip_not_allowed": (403, 4),
        "plan_limit": (403, 4),
        "provider_not_allowed": (403, 4),
        "unsupported_capability": (400, 2),
        "model_not_found": (404, 2),
        "invalid_request": (400, 2),
        "insufficient_balance": (402, 5),
        "budget_exceeded": (403, 5),
        "allowance_exceeded": (403, 5),
        "rate_limited": (429, 6),
        "context_length_exceeded": (400, 2),
        "max_output_exceeded": (400, 2),
        "topup_below_minimum": (400, 2),
        "request_in_progress": (409, 8),
        "already_billed": (409, 1),
        "idempotency_conflict": (422, 2),
        "upstream_error": (502, 7),
        "upstream_timeout": (504, 7),
    }
    found = {
        code: (refusals.REFUSALS[code].status, refusals.REFUSALS[code].exit) for code in contract
    }
    assert found == contract


def test_a_chat_can_be_refused_in_every_way_that_the_contract_lists() -> None:
    codes = {refusal.code for refusal in refusals_of(BY_NAME["chat.create"])}
    assert codes >= {
        "invalid_api_key",
        "model_not_allowed",
        "ip_not_allowed",
        "plan_limit",
        "provider_not_allowed",
        "unsupported_capability",
        "model_not_found",
        "invalid_request",
        "insufficient_balance",
        "budget_exceeded",
        "allowance_exceeded",
        "rate_limited",
        "context_length_exceeded",
        "max_output_exceeded",
        "already_billed",
        "request_in_progress",
        "idempotency_conflict",
        "upstream_error",
        "upstream_timeout",
        "payload_too_large",
    }


def test_the_table_is_data_and_imports_neither_types_nor_msgspec() -> None:
    code = "import sys, nexctl.wire.routes; print('msgspec' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
