"""What a refusal means: by its code first, its status second.

The same status means different things on different gateways: exhausted credit is 402 here and 429
there, a budget is 403, 422 or 429, and retrying either is wrong. So codes decide where they are
known, in the spellings that gateways document; a status decides only where no code is.
Sources: the error pages of NexToken, NexRelay, DeepToken (two generations) and nexu; LiteLLM,
OpenRouter, new-api, OpenAI and Anthropic for the gateways that imitate them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from nexctl import errors
from nexctl.errors import NexctlError
from nexctl.safety import redaction, retry
from nexctl.safety.http import Reply
from nexctl.wire.refusals import QUOTA, REFUSALS, UPSTREAM

LONGEST_MESSAGE = 400

# Other gateways' words -> the contract's.
SYNONYMS = {
    # money: never tried again
    "insufficient_credits": "insufficient_balance",
    "insufficient_funds": "insufficient_balance",
    "insufficient_quota": "insufficient_balance",
    "insufficient_user_quota": "insufficient_balance",
    "pre_consume_token_quota_failed": "insufficient_balance",
    "wallet_empty": "insufficient_balance",
    "org_wallet_empty": "insufficient_balance",
    "payment_required": "insufficient_balance",
    "credit_balance_too_low": "insufficient_balance",
    "billing": "insufficient_balance",
    "billing_not_active": "insufficient_balance",
    "no_balance": "insufficient_balance",
    "budget_limit_exceeded": "budget_exceeded",
    "key_limit_exceeded": "budget_exceeded",
    "usage_limit_exceeded": "budget_exceeded",
    "usage_limit_reached": "budget_exceeded",
    "billing_hard_limit_reached": "budget_exceeded",
    "spending_limit_exceeded": "budget_exceeded",
    "spend_limit_exceeded": "budget_exceeded",
    "monthly_limit_exceeded": "budget_exceeded",
    "quota_limit_exceeded": "allowance_exceeded",
    # rates
    "rate_limit": "rate_limited",
    "rate_limit_exceeded": "rate_limited",
    "too_many_requests": "rate_limited",
    "concurrency_limit_exceeded": "rate_limited",
    "requests_per_minute_exceeded": "rate_limited",
    # who
    "missing_api_key": "invalid_api_key",
    "forbidden_api_key": "invalid_api_key",
    "authentication": "invalid_api_key",
    "invalid_token": "invalid_api_key",
    "token_expired": "invalid_api_key",
    "unauthorized": "invalid_api_key",
    "unauthenticated": "invalid_api_key",
    "permission": "not_permitted",
    "permission_denied": "not_permitted",
    "access_denied": "not_permitted",
    "forbidden": "not_permitted",
    "model_access_denied": "model_not_allowed",
    # what was asked
    "invalid_model": "model_not_found",
    "unknown_model": "model_not_found",
    "invalid_json": "invalid_request",
    "bad_request": "invalid_request",
    "request_too_large": "payload_too_large",
    "context_window_exceeded": "context_length_exceeded",
    # theirs
    "no_available_channel": "upstream_unavailable",
    "upstream": "upstream_error",
    "server": "internal_error",
    "overloaded": "overloaded",
    "service_unavailable": "overloaded",
}
# Types that decide where the code says nothing (OpenAI's, Anthropic's and LiteLLM's).
TYPES = frozenset(
    (
        "insufficient_quota",
        "budget_exceeded",
        "billing_error",
        "rate_limit_error",
        "authentication_error",
        "permission_error",
        "overloaded_error",
    )
)
BY_STATUS = {
    401: errors.EXIT_AUTH,
    402: errors.EXIT_MONEY,
    403: errors.EXIT_AUTH,
    404: errors.EXIT_NOT_FOUND,
    405: errors.EXIT_FAILURE,
    408: errors.EXIT_NETWORK,
    409: errors.EXIT_FAILURE,
    410: errors.EXIT_NOT_FOUND,
    421: errors.EXIT_AUTH,
    425: errors.EXIT_NETWORK,
    429: errors.EXIT_RATE,
}
HINTS = {
    "invalid_api_key": "'nexctl auth status' shows the key, 'nexctl auth login' stores another",
    "not_permitted": "it needs another kind of key; 'nexctl auth status' shows which this is",
    "model_not_allowed": "'nexctl models list' shows what this key may use",
    "model_not_found": "'nexctl models list' shows what there is",
    "ip_not_allowed": "the key's allow-list names the addresses that may use it",
    "plan_limit": "'nexctl wallet show' and the price book's plans say what is included",
    "insufficient_balance": "'nexctl wallet topup AMOUNT' adds money",
    "budget_exceeded": "'nexctl budgets list' shows every budget",
    "allowance_exceeded": "'nexctl budgets list' shows every allowance",
    "wallet_frozen": "ask the gateway's operator",
    "request_in_progress": "wait, then run the same command again",
    "already_billed": "'nexctl usage show REQUEST' shows what it was charged",
    "idempotency_conflict": "use a new --idempotency-key for another request",
    "price_not_accepted": "'nexctl admin prices diff FILE' shows the hash for --accept",
    "not_found": "check the id; the command 'list' of the same group shows what there is",
    "code_not_found": "check the code for a slip",
    "upstream_error": "try again, or another model",
    "upstream_unavailable": "try again later, or another model",
    "upstream_timeout": "try again, or another model",
    "topup_below_minimum": "'nexctl wallet packs' shows the limits",
    "payment_method_unavailable": "'nexctl wallet packs' shows the ways to pay",
    "context_length_exceeded": "shorten the prompt or ask for less output",
    "max_output_exceeded": "ask for less output",
    "customer_suspended": "ask the gateway's operator",
    "provider_not_allowed": "'nexctl models list' shows what else there is; the operator decides",
    "approver_is_submitter": "another operator has to approve it",
    "host_not_allowed": "'nexctl gateway serve --allowed-host NAME' serves it under that name",
    "invalid_signature": "the endpoint's secret and the clock have to be the sender's",
    "name_taken": "choose another name, or use what is there (keys: --if-not-exists)",
    "state_conflict": "look at its state first",
    "not_refundable": "'nexctl admin payments list' shows what is left of it",
    "code_used": "it gives once: ask for another code; 'nexctl wallet grants' shows what was given",
    "payment_mismatch": "the payment has to be of the order's amount and currency",
    "not_offered": "'nexctl gateway status' shows what this gateway is",
    "invalid_request": "correct what it names; '--help' says what may be given",
    "unsupported_parameter": "leave that parameter out",
    "unsupported_capability": "'nexctl models list' says what each model can; choose another",
    "unpriced": "choose a model that has a price: 'nexctl models list'",
    "wider_than_parent": "'nexctl keys show PARENT' shows its limits",
    "payload_too_large": "send less at once",
    "unsupported_media_type": "send Content-Type: application/json, not compressed",
    "rate_limited": "try again later",
    "request_timeout": "try again, or give it longer with --timeout",
    "upstream_refused": "look at the request, or choose another model",
    "internal_error": "try again later; if it stays, tell the gateway's operator",
    "ledger_unavailable": "try again later; 'nexctl gateway status' tells its operator why",
    "overloaded": "try again later",
    "method_not_allowed": "nexctl and the gateway may be of different versions",
}

# How credits come into a wallet, where a gateway says that there is more than buying them.
_WAYS = {
    "topup": HINTS["insufficient_balance"],
    "claim": "'nexctl wallet grants' shows what can be claimed",
}
# A command that is for more than calls.
_ELSEWHERE = re.compile(r"'nexctl (?!auth |models |doctor')")
_TAG = re.compile(r"^\s*\[code=([a-z_]{3,64})\]\s*")
_WORD = re.compile(r"[a-z][a-z0-9_]{2,63}")
_DETAILS = (
    *("kind", "layer", "id", "name", "remaining", "amount", "currency", "meter"),
    *("resets_at", "limit", "plan", "usage", "window", "ways"),
)


class Refused(NexctlError):
    """The gateway said no. `details` hold status, code, layer, reset time, request id, as known."""

    def __init__(
        self,
        message: str,
        *,
        code: str,
        exit: int,
        status: int,
        hint: str | None = None,
        details: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(message, hint=hint, code=code, exit=exit, details=details)
        self.status = status


class Parts(NamedTuple):
    """An error body, whatever its shape: the contract's code (None: not known), words, details."""

    code: str | None
    stated: str | None
    message: str | None
    param: str | None
    details: Mapping[str, Any]


def canonical(word: object) -> str | None:
    """The contract's code for a word of any gateway; None where it is not known."""
    if not isinstance(word, str):
        return None
    lowered = word.strip().lower().replace("-", "_").replace(" ", "_")
    for spelling in (lowered, lowered.removesuffix("_error")):
        if spelling in REFUSALS:
            return spelling
        if spelling in SYNONYMS:
            return SYNONYMS[spelling]
    return None


def parts_of(body: bytes) -> Parts:
    """Read an error body leniently: the envelope, OpenAI's, a bare message, FastAPI's detail."""
    import msgspec

    try:
        decoded = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        decoded = None
    found: Any = decoded.get("error", decoded) if isinstance(decoded, dict) else decoded
    if isinstance(found, str):
        found = {"message": found}
    if not isinstance(found, dict):
        return Parts(None, None, None, None, {})
    message = next(
        (found[name] for name in ("message", "detail", "msg") if isinstance(found.get(name), str)),
        _validation(found.get("detail")),
    )
    details = found.get("details")
    stated = found.get("code")
    # A book may restate a code; what it means in the contract then stands beside it.
    meant = details.get("contract_code") if isinstance(details, dict) else None
    code = canonical(meant) or canonical(stated)
    if code is None and message is not None and (tag := _TAG.match(message)):
        stated = tag[1]
        code = canonical(stated)
    # A type is a coarse word ("quota", "invalid_request_error"): only some of them decide.
    kind = found.get("type")
    if code is None and isinstance(kind, str) and kind in TYPES:
        stated = kind
        code = canonical(kind)
    return Parts(
        code,
        stated if isinstance(stated, str) and _WORD.fullmatch(stated) else None,
        message,
        found["param"] if isinstance(found.get("param"), str) else None,
        details if isinstance(details, dict) else {},
    )


def _validation(detail: object) -> str | None:
    """FastAPI's list of what does not validate, its first entry in words: `body.model: missing`."""
    first = detail[0] if isinstance(detail, list) and detail else None
    if not isinstance(first, dict) or not isinstance(first.get("msg"), str):
        return None
    place = first.get("loc")
    where = ".".join(str(part) for part in place) if isinstance(place, list) else ""
    return f"{where}: {first['msg']}" if where else first["msg"]


def exit_of(code: str | None, status: int, category: str = "") -> int:
    """The exit code of a refusal, by its code, else by its category, else by its status."""
    if code is not None:
        return REFUSALS[code].exit
    if category == QUOTA:
        return errors.EXIT_MONEY
    if status in BY_STATUS:
        return BY_STATUS[status]
    return errors.EXIT_NETWORK if status >= 500 else errors.EXIT_USAGE


def judge(reply: Reply) -> bool | None:
    """Whether the same call may succeed by itself; None leaves it to the status.

    Money never does, whatever its status; a request that is still running does, though a 409.
    """
    parts = parts_of(reply.read())
    if parts.code is not None:
        return REFUSALS[parts.code].retry and parts.details.get("kind") != errors.DISK_FULL
    # What lies upstream was tried again by the gateway itself.
    return False if category_of(reply.headers) in (QUOTA, UPSTREAM) else None


def category_of(headers: Mapping[str, str]) -> str:
    """The kind of error that a header names, in either generation's spelling; "" where none is."""
    return headers.get("x-gateway-error-category", "").strip().lower().removesuffix("_error")


def refusal(reply: Reply, gateway: str, known: Iterable[str] = (), **more: bool) -> Refused:
    """The error for an answer of 400 and more; `more` as `refusal_of`."""
    return refusal_of(reply.read(), reply.status, reply.headers, gateway, known, **more)


def refusal_of(
    body: bytes,
    status: int,
    headers: Mapping[str, str],
    gateway: str,
    known: Iterable[str] = (),
    *,
    here: bool = False,
    calls_only: bool = False,
) -> Refused:
    """The error for an error body; `status` 0 where it came inside a stream.

    `known` are the secrets that were sent: a gateway may say them back, in any spelling of keys.
    `here` is a gateway in this process: its disk is the caller's own. `calls_only`: its driver
    knows models and calls alone, so no hint names another command.
    """
    known = tuple(known)
    parts = parts_of(body)
    if parts.message is not None:
        parts = parts._replace(message=redaction.redact(parts.message, known))
    code = parts.code or parts.stated or (f"http_{status}" if status else "stream_error")
    full = here and parts.details.get("kind") == errors.DISK_FULL
    ends = exit_of(parts.code, status or 502, category_of(headers))
    ends = errors.EXIT_FAILURE if full else ends
    details: dict[str, Any] = {"gateway": gateway, "status": status or None, "code": code}
    details.update({name: parts.details[name] for name in _DETAILS if name in parts.details})
    if parts.param is not None:
        details["param"] = parts.param
    if "x-request-id" in headers:
        details["request_id"] = headers["x-request-id"][:4096]
    details = redaction.everywhere(details, known)
    if "request_id" in details:
        details["request_id"] = details["request_id"][:128]
    wait = retry.retry_after(headers)
    if wait is not None:
        details["retry_after_seconds"] = -int(-wait // 1)
    return Refused(
        _message(gateway, parts, status, details),
        code=code,
        exit=ends,
        status=status,
        hint="free some space" if full else _hint(parts.code, ends, details, calls_only),
        details=details,
    )


def _message(gateway: str, parts: Parts, status: int, details: Mapping[str, Any]) -> str:
    said = parts.message
    if not said and parts.code is not None:
        said = REFUSALS[parts.code].message
    if not said:
        said = f"it answered {status} without saying why"
    if parts.code == "invalid_request" and parts.param and parts.param not in said:
        said = f"{parts.param}: {said}"
    text = redaction.redact(_TAG.sub("", said))[:LONGEST_MESSAGE].strip().rstrip(".")
    layer = details.get("layer")
    if isinstance(layer, str):
        name = details.get("name") or details.get("id")
        named = f"{layer} {name}" if isinstance(name, str) else layer
        left, unit = details.get("remaining"), details.get("currency")
        amount = f"{left} {unit}" if isinstance(unit, str) else left
        more = f", {redaction.redact(str(amount))[:80]} left" if isinstance(left, str) else ""
        text = f"{text} (binding: {redaction.redact(named)[:150]}{more})"
    return f"{gateway}: {text}"


def _hint(code: str | None, ends: int, details: Mapping[str, Any], calls_only: bool) -> str | None:
    resets, wait = details.get("resets_at"), details.get("retry_after_seconds")
    advice = HINTS.get(code or "")
    if advice is None and ends == errors.EXIT_MONEY:
        advice = HINTS["insufficient_balance"]
    ways = details.get("ways")
    if code == "insufficient_balance" and isinstance(ways, list):
        advice = "; ".join(text for way, text in _WAYS.items() if way in ways) or advice
    if calls_only and advice is not None and _ELSEWHERE.search(advice):
        own = "look at the gateway's own pages: nexctl sees no wallet, budgets or plan there"
        advice = "try again later" if ends == errors.EXIT_NETWORK else own
    if isinstance(resets, str):
        return f"it resets at {resets[:40]}" + (f"; {advice}" if advice else "")
    if ends == errors.EXIT_RATE:
        return f"try again in {wait} s" if wait is not None else "try again later"
    if advice is not None:
        return advice
    if ends == errors.EXIT_NETWORK:
        return "try again later"
    return "'nexctl doctor' looks at address, driver and key" if code is None else None
