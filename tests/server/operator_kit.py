"""A shop for tests: a gateway whose prices the operator makes from costs."""

from __future__ import annotations

from typing import Any

from tests.server.server_kit import Got, Rig

CREDIT = {"amount": "1", "currency": "USD", "per": "100"}


def operate(rig: Rig, method: str, path: str, body: Any = None) -> Got:
    """A call of the owner."""
    return rig.ask(method, f"/admin/v1{path}", body, key=rig.operator)


def base(rig: Rig) -> str:
    """The hash of the version in force."""
    rows = operate(rig, "GET", "/prices").body["data"]
    return str(next(row["hash"] for row in rows if row["state"] == "in_force"))


def put(rig: Rig, models: dict[str, dict[str, str]], **more: Any) -> Got:
    """Prices per million of some models, accepted whatever they change."""
    rows = [{"id": name, "rates": rates} for name, rates in models.items()]
    body = {"base": base(rig), "models": rows, **more}
    if "accept" not in more:
        seen = operate(rig, "POST", "/prices", {**body, "preview": True})
        assert seen.status == 200, seen
        if seen.body["needs_accept"]:
            body["accept"] = seen.body["accept"]
    return operate(rig, "POST", "/prices", body)


def costs(rig: Rig, provider: str = "echo", **body: Any) -> Got:
    return operate(rig, "PUT", f"/providers/{provider}/costs", body or {"book": "openai"})


def sheet(**rates: str) -> str:
    """An own cost book in TOML with one model, in USD."""
    lines = [f'{meter} = "{price}"' for meter, price in rates.items()]
    head = 'format = 1\n[book]\nid = "costs"\ntitle = "Costs"\nunit = "USD"\nscale = 9\n'
    return (
        head
        + 'retrieved = 2026-11-20\nsaid = "data"\n[[models]]\nid = "nex-pro"\n[models.rates]\n'
        + "\n".join(lines)
        + "\n"
    )


def costed(rig: Rig) -> list[dict[str, Any]]:
    """Every usage record with its cost."""
    return list(operate(rig, "GET", "/usage").body["data"])
