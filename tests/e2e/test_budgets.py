"""`nexctl budgets`: limits by key and for the customer."""

from __future__ import annotations

from tests.e2e.conftest import Nexctl


def test_budgets_are_set_changed_listed_and_removed(nexctl: Nexctl) -> None:
    assert nexctl("budgets", "list", "-o", "json").data == []
    nexctl("keys", "create", "--name", "ci", "-q")
    own = nexctl("budgets", "set", "20/month", "--key", "ci", "-o", "json").data
    assert (own["scope"], own["amount"], own["remaining"]) == ("key", "20", "20")
    said = nexctl("budgets", "set", "200/month").out
    assert said.splitlines()[0].endswith("is $200.0000 a month in profile local")
    changed = nexctl("budgets", "set", "30/month", "--key", "ci", "-o", "json").data
    assert (changed["id"], changed["amount"]) == (own["id"], "30")
    assert len(nexctl("budgets", "list", "-o", "name").out.split()) == 2
    assert nexctl("budgets", "list", "--key", "ci", "-o", "name").out.strip() == own["id"]
    gone = nexctl("budgets", "remove", own["id"], "--yes", "-o", "json")
    assert (gone.exit, gone.data["removed"]) == (0, True)
    assert len(nexctl("budgets", "list", "-o", "name").out.split()) == 1


def test_what_is_spent_stays_counted_when_a_budget_changes(nexctl: Nexctl) -> None:
    nexctl("budgets", "set", "20/month")
    nexctl("chat", "-m", "nex-pro", stdin="hello")
    spent = nexctl("budgets", "list", "-o", "json").data[0]["spent"]
    assert spent != "0"
    assert nexctl("budgets", "set", "30/month", "-o", "json").data["spent"] == spent


def test_amounts_and_windows_are_checked(nexctl: Nexctl) -> None:
    for text in ("x", "-5", "5/week", "1e9", "nan", "5.5.5/month"):
        assert nexctl("budgets", "set", "--", text).exit == 2, text
