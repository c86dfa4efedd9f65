"""The fields of `-o json`, pinned: more may be added, none goes or is renamed."""

from __future__ import annotations

from typing import Any

import pytest

from tests.e2e.conftest import Nexctl

ORDER = {
    "id", "state", "method", "amount", "currency", "credits", "subtotal", "tax", "fee", "bonus",
    "total", "pay_to", "checkout_url", "expires_at",
}  # fmt: skip
KEY = {
    "id", "name", "prefix", "state", "kind", "created_at", "expires_at", "budget", "models",
    "ip_allowlist", "rpm", "parent_id", "labels", "last_used_at", "revoked_at", "rotation",
}  # fmt: skip
SECRET = {
    "id", "name", "created", "secret", "prefix", "created_at", "expires_at", "budget", "models",
    "ip_allowlist", "rpm", "parent_id", "labels", "profile", "written_to",
}  # fmt: skip
BUDGET = {
    "id", "scope", "scope_id", "scope_name", "window", "meter", "kind", "amount", "currency",
    "spent", "held", "remaining", "resets_at",
}  # fmt: skip
PAYMENT = {"id", "state", "customer_id", "customer_name", "total", "currency", "credits"}

CONTRACT: dict[tuple[str, ...], set[str]] = {
    ("keys", "create", "--name", "new"): SECRET,
    ("keys", "rotate", "ci"): SECRET | {"old_ends_at", "finish"},
    ("keys", "list"): KEY,
    ("keys", "show", "ci"): KEY | {"profile"},
    ("keys", "update", "ci", "--rpm", "9"): KEY | {"profile"},
    ("keys", "disable", "ci"): KEY | {"profile"},
    ("keys", "revoke", "ci", "--yes"): KEY | {"profile"},
    ("wallet", "show"): {
        "currency", "balance", "held", "spendable", "binding", "layers", "notes", "profile",
    },
    ("wallet", "topup", "5"): ORDER | {"sandbox", "profile"},
    ("recharge", "5"): ORDER | {"sandbox", "profile"},
    ("wallet", "topups"): ORDER,
    ("wallet", "packs"): {"data", "packs", "currency", "minimum", "maximum", "default_method"},
    ("wallet", "ledger"): {
        "sequence", "created_at", "kind", "amount", "currency", "balance_after", "reference",
        "key_id", "description", "reverses",
    },
    ("budgets", "list"): BUDGET,
    ("budgets", "set", "9/month"): BUDGET | {"profile"},
    ("models", "list"): {
        "id", "kind", "aliases", "context", "max_output", "capabilities", "currency", "rates",
    },
    ("models", "show", "nex-pro"): {"id", "kind", "aliases", "context", "max_output", "rates"},
    ("chat", "-m", "nex-pro"): {
        "request_id", "model", "text", "refusal", "tool_calls", "finish_reason", "usage", "charge",
        "currency", "quote", "nex", "profile",
    },
    ("gateway", "status"): {
        "profile", "gateway", "price_book", "place", "status", "checks", "version", "ours",
    },
    ("gateway", "verify"): {"profile", "clean", "proved", "violations", "skipped"},
    ("gateway", "backup", "b.db"): {"profile", "path", "rows", "dry_run"},
    ("gateway", "init", "shop"): {
        "profile", "place", "book", "plan", "payments", "upstream", "customer_id", "keys",
        "dry_run",
    },
    ("gateway", "migrate", "--yes"): {"profile", "from", "to", "backup", "dry_run"},
    ("gateway", "resume", "--yes"): {"profile", "resumed", "dry_run"},
    ("admin", "customers", "list"): {
        "id", "name", "state", "created_at", "plan", "email", "external_id", "labels", "currency",
        "balance", "held",
    },
    ("admin", "customers", "create", "acme"): {
        "id", "name", "state", "key_id", "prefix", "secret", "profile", "written_to",
    },
    ("admin", "payments", "list"): PAYMENT,
    ("admin", "providers", "list"): {
        "id", "kind", "enabled", "priority", "base_url", "key_source", "models", "options",
    },
    ("admin", "codes", "list"): {
        "id", "prefix", "state", "amount", "currency", "created_at", "expires_at",
        "credits_expire_at", "redeemed_by", "redeemed_at", "note",
    },
    ("admin", "codes", "create", "5", "--yes"): {"id", "code", "amount", "currency"},
    ("auth", "status"): {"profile", "profile_origin", "driver", "origin", "made", "keys"},
    ("auth", "logout", "--yes"): {"profile", "origin", "kinds", "removed", "dry_run"},
}  # fmt: skip


@pytest.mark.parametrize("argv", CONTRACT, ids=lambda argv: "-".join(argv))
def test_field_names_are_an_api(nexctl: Nexctl, argv: tuple[str, ...]) -> None:
    for before in (
        ("keys", "create", "--name", "ci", "--budget", "5/month", "-q"),
        ("wallet", "topup", "50", "-q"),
        ("admin", "codes", "create", "5", "--yes", "-q"),
    ):
        assert nexctl(*before).exit == 0
    done = nexctl(*argv, "-o", "json", stdin="hello")
    assert done.exit == 0, done
    data: Any = done.data
    rows = data if isinstance(data, list) else [data]
    assert rows
    for row in rows:
        assert set(row) >= CONTRACT[argv], set(CONTRACT[argv]) - set(row)


# Ids alone would lose a secret: that is refused.
WITH_SECRETS = ("keys create", "keys rotate", "admin customers create", "admin codes create")
PLAIN = [argv for argv in CONTRACT if not " ".join(argv).startswith(WITH_SECRETS)]


@pytest.mark.slow
@pytest.mark.parametrize("output", ["table", "json", "jsonl", "csv", "tsv", "name"])
@pytest.mark.parametrize("argv", PLAIN, ids=lambda argv: "-".join(argv[:3]))
def test_every_command_prints_in_every_format(
    nexctl: Nexctl, argv: tuple[str, ...], output: str
) -> None:
    nexctl("keys", "create", "--name", "ci", "--budget", "5/month", "-q")
    done = nexctl(*argv, "-o", output, stdin="hello")
    assert done.exit == 0, done
    assert "Traceback" not in done.err


@pytest.mark.parametrize("command", WITH_SECRETS)
def test_ids_alone_would_lose_a_secret(nexctl: Nexctl, command: str) -> None:
    nexctl("keys", "create", "--name", "ci", "-q")
    more = {"keys create": ("--name", "n"), "keys rotate": ("ci",)}.get(command, ("5",))
    done = nexctl(*command.split(), *more, "--yes", "-o", "name")
    assert (done.exit, done.out) == (2, "")
