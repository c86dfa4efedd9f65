"""A request's body from what was typed, and its faults in the words that were typed."""

from __future__ import annotations

from typing import Any

from nexctl.account import terms
from nexctl.errors import UsageError

# Fields of a request that are called otherwise where they are typed.
_TYPED = {
    "addresses": "ip",
    "aliases": "alias",
    "base_url": "url",
    "credit": "credit_rate",
    "customer_id": "customer",
    "discount_percent": "discount",
    "ends": "to",
    "expires_at": "expires",
    "expires_in_seconds": "expires",
    "ip_allowlist": "ip",
    "key": "key_file",
    "kinds": "event",
    "member_id": "member",
    "parent_id": "parent",
    "promo_code": "promo",
    "providers_denied": "deny_provider",
    "starts": "from",
}


def converted(given: dict[str, Any], body: Any) -> Any:
    """A request's body from what was typed. UsageError names the parameter that is not right."""
    import msgspec

    try:
        return msgspec.convert(given, body)
    except msgspec.ValidationError as error:
        field, said = terms.fault(error)
        raise UsageError(f"{_spelled(field)}: {said}" if field else said) from None


def _spelled(field: str) -> str:
    """A field by the option or argument of the command that fills it; its own name without one."""
    from nexctl.cli.kit import get_current_context

    names = (field, field.removesuffix("s"), _TYPED.get(field))
    context = get_current_context(silent=True)
    own = [parameter.declared for parameter in getattr(context and context.command, "own", ())]
    found = next((declared.spelled for declared in own if declared.name in names), None)
    return found or field.replace("_", " ")
