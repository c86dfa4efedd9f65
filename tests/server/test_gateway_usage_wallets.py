"""Usage of a customer with several wallets: all of it, or one book."""

from __future__ import annotations

from typing import Any

from server_kit import Rig
from test_gateway_money_in import deliver, order


def two_wallets(rig: Rig) -> tuple[str, str]:
    """Three requests on the first wallet, two on another; the other's id and its key."""
    team = rig.key("team")
    made = rig.ask("POST", "/v1/wallets", {"name": "team", "keys": [rig.key_id("team")]})
    wallet = str(made.body["id"])
    deliver(rig, order(rig, wallet=wallet)["id"])
    for key in (None, None, team, None, team):
        assert rig.chat(key).status == 200
    return wallet, team


def listed(rig: Rig, query: str = "", limit: int = 2) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    cursor = ""
    while True:
        page = rig.ask("GET", f"/v1/usage?limit={limit}{query}{cursor}").body
        rows += page["data"]
        if page["next_cursor"] is None:
            return rows
        cursor = f"&cursor={page['next_cursor']}"


def test_records_of_every_wallet_come_once_wallet_after_wallet(rig: Rig) -> None:
    wallet, _ = two_wallets(rig)
    for limit in (1, 2, 3, 100):
        rows = listed(rig, limit=limit)
        assert len({row["request_id"] for row in rows}) == len(rows) == 5
        assert [row["key_name"] == "team" for row in rows] == [False] * 3 + [True] * 2
    ids = [row["request_id"] for row in rows]
    paid = [rig.ask("GET", f"/v1/usage/{name}").body["wallet"] for name in ids]
    assert paid == [rig.made.customer] * 3 + [wallet] * 2


def test_one_wallet_is_one_book(rig: Rig) -> None:
    wallet, _ = two_wallets(rig)
    rows = listed(rig, f"&wallet={wallet}")
    assert [row["key_name"] for row in rows] == ["team", "team"]
    assert len(listed(rig, f"&wallet={rig.made.customer}")) == 3
    entries = rig.ask("GET", f"/v1/wallet/ledger?wallet={wallet}").body["data"]
    assert {row["sequence"] for row in rows} < {row["sequence"] for row in entries}
    other = rig.customer("other")
    assert rig.ask("GET", f"/v1/usage?wallet={wallet}", key=other).status == 404


def test_sums_are_over_every_wallet(rig: Rig) -> None:
    wallet, team = two_wallets(rig)
    assert rig.ask("GET", "/v1/usage/summary").body["total"]["requests"] == 5
    assert rig.ask("GET", f"/v1/usage/summary?wallet={wallet}").body["total"]["requests"] == 2
    assert rig.ask("GET", "/v1/usage", key=team).body["data"][0]["key_name"] == "team"


def test_a_cursor_of_another_wallet_is_none(rig: Rig) -> None:
    for cursor in ("nobody:1", "x", "1:x", ":", "a:1:2"):
        assert rig.ask("GET", f"/v1/usage?cursor={cursor}").code == "invalid_request", cursor
