"""Every refusal of the contract: code, status, whose fault, exit code, and what it says.

The table is the default; a price book may restate a status and code for its own gateway. Messages
name what happened without naming what the caller sent.
"""

from __future__ import annotations

from typing import NamedTuple

from nexctl import errors

PLATFORM, UPSTREAM, QUOTA, USER = TYPES = ("platform", "upstream", "quota", "user")


class Refusal(NamedTuple):
    """One refusal. `status` is HTTP's, `exit` what the command line ends with.

    `retry` says that the same request may succeed later without anybody doing anything.
    """

    code: str
    status: int
    type: str
    exit: int
    message: str
    retry: bool = False


_ALL = (
    # who
    Refusal("invalid_api_key", 401, USER, errors.EXIT_AUTH, "the key is missing, wrong or expired"),
    Refusal("invalid_signature", 401, USER, errors.EXIT_AUTH, "the signature is not valid"),
    Refusal("not_permitted", 403, USER, errors.EXIT_AUTH, "this key may not do that"),
    Refusal("model_not_allowed", 403, USER, errors.EXIT_AUTH, "this key may not use that model"),
    Refusal("ip_not_allowed", 403, USER, errors.EXIT_AUTH, "this key may not be used from here"),
    Refusal("plan_limit", 403, QUOTA, errors.EXIT_AUTH, "the plan does not include that"),
    Refusal("provider_not_allowed", 403, USER, errors.EXIT_AUTH, "that provider is not allowed"),
    Refusal("customer_suspended", 403, USER, errors.EXIT_AUTH, "the customer is suspended"),
    Refusal(
        "approver_is_submitter",
        *(403, USER, errors.EXIT_AUTH),
        "who submitted a payment cannot approve it",
    ),
    Refusal("host_not_allowed", 421, USER, errors.EXIT_AUTH, "this host name is not served here"),
    # what was asked
    Refusal("invalid_request", 400, USER, errors.EXIT_USAGE, "the request is malformed"),
    Refusal(
        "unsupported_parameter",
        *(400, USER, errors.EXIT_USAGE),
        "a parameter is not priced here, so it is not passed on",
    ),
    Refusal(
        "unsupported_capability",
        *(400, USER, errors.EXIT_USAGE),
        "the model lacks a capability that the request needs",
    ),
    Refusal(
        "context_length_exceeded",
        *(400, USER, errors.EXIT_USAGE),
        "input and output do not fit the context",
    ),
    Refusal(
        "max_output_exceeded",
        *(400, USER, errors.EXIT_USAGE),
        "more output was asked for than is allowed",
    ),
    Refusal("unpriced", 400, PLATFORM, errors.EXIT_USAGE, "there is no price for that"),
    Refusal(
        "wider_than_parent",
        *(400, USER, errors.EXIT_USAGE),
        "a sub-key cannot have more than its parent",
    ),
    Refusal("topup_below_minimum", 400, USER, errors.EXIT_USAGE, "the amount is below the minimum"),
    Refusal(
        "payment_method_unavailable",
        *(400, USER, errors.EXIT_USAGE),
        "that way to pay is not available",
    ),
    Refusal("payload_too_large", 413, USER, errors.EXIT_USAGE, "the body is too large"),
    Refusal(
        "unsupported_media_type", 415, USER, errors.EXIT_USAGE, "send JSON in UTF-8, uncompressed"
    ),
    Refusal("model_not_found", 404, USER, errors.EXIT_USAGE, "there is no such model"),
    Refusal("not_found", 404, USER, errors.EXIT_NOT_FOUND, "there is no such object"),
    Refusal("code_not_found", 404, USER, errors.EXIT_NOT_FOUND, "there is no such code"),
    Refusal("not_offered", 404, PLATFORM, errors.EXIT_FAILURE, "this gateway does not offer that"),
    Refusal("method_not_allowed", 405, USER, errors.EXIT_FAILURE, "that method is not served here"),
    # what stands in the way
    Refusal(
        "request_in_progress",
        *(409, USER, errors.EXIT_PENDING),
        "a request with this id is still running",
        True,
    ),
    Refusal(
        "already_billed",
        409,
        USER,
        errors.EXIT_FAILURE,
        "a request with this id is done and billed",
    ),
    Refusal(
        "idempotency_conflict",
        *(422, USER, errors.EXIT_USAGE),
        "this id or Idempotency-Key was used with another body",
    ),
    Refusal("name_taken", 409, USER, errors.EXIT_FAILURE, "the name is in use"),
    Refusal(
        "state_conflict", 409, USER, errors.EXIT_FAILURE, "its state does not allow that any more"
    ),
    Refusal(
        "price_not_accepted",
        *(409, USER, errors.EXIT_CHECK),
        "such a change of prices must be accepted by its hash",
    ),
    Refusal(
        "not_refundable", 409, USER, errors.EXIT_FAILURE, "that much cannot be refunded any more"
    ),
    Refusal("code_used", 409, USER, errors.EXIT_FAILURE, "the code was redeemed or has expired"),
    Refusal(
        "payment_mismatch",
        *(422, USER, errors.EXIT_FAILURE),
        "amount or currency are not those of the order",
    ),
    # money
    Refusal(
        "insufficient_balance", 402, QUOTA, errors.EXIT_MONEY, "the wallet does not cover this"
    ),
    Refusal("budget_exceeded", 403, QUOTA, errors.EXIT_MONEY, "a budget does not cover this"),
    Refusal("allowance_exceeded", 403, QUOTA, errors.EXIT_MONEY, "an allowance is used up"),
    Refusal(
        "wallet_frozen", 403, QUOTA, errors.EXIT_MONEY, "the wallet is frozen until it is reviewed"
    ),
    # rates
    Refusal("rate_limited", 429, QUOTA, errors.EXIT_RATE, "too many requests", True),
    # ours and theirs
    Refusal("request_timeout", 408, USER, errors.EXIT_NETWORK, "the request took too long", True),
    Refusal(
        "upstream_error",
        *(502, UPSTREAM, errors.EXIT_NETWORK),
        "the provider failed; nothing is billed",
        True,
    ),
    Refusal(
        "upstream_refused",
        *(502, UPSTREAM, errors.EXIT_NETWORK),
        "the provider refused the request; nothing is billed",
    ),
    Refusal(
        "upstream_unavailable",
        *(502, UPSTREAM, errors.EXIT_NETWORK),
        "no provider for this model is reachable; nothing is billed",
        True,
    ),
    Refusal(
        "upstream_timeout",
        *(504, UPSTREAM, errors.EXIT_NETWORK),
        "the provider took too long; nothing is billed",
        True,
    ),
    Refusal("internal_error", 500, PLATFORM, errors.EXIT_NETWORK, "the gateway failed", True),
    Refusal(
        "ledger_unavailable",
        *(503, PLATFORM, errors.EXIT_NETWORK),
        "the ledger cannot be written now",
        True,
    ),
    Refusal("overloaded", 503, PLATFORM, errors.EXIT_NETWORK, "the gateway is busy", True),
)

REFUSALS: dict[str, Refusal] = {refusal.code: refusal for refusal in _ALL}
