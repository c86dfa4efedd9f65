"""Keys are made once, secrets shown once, and a sheet of keys loses none."""

from __future__ import annotations

import contextlib
import csv
import errno
import os
import stat
from pathlib import Path
from typing import Any

import pytest
from gateway_kit import MemoryTransport, breaks, refuses, says
from hypothesis import given
from hypothesis import strategies as st

from nexctl.account import bulk, keys, terms
from nexctl.errors import NexctlError, UsageError
from nexctl.gateways.port import Gateway
from nexctl.gateways.refused import Refused
from nexctl.wire.keys import BudgetTerms, Key, KeyCreate

SECRET = "nxt_sk_abcdefgh0123456789"
AT = "2026-11-21T00:00:00Z"


def key(**more: Any) -> dict[str, Any]:
    return {
        "id": "key_1",
        "name": "ci",
        "prefix": "nxt_sk_abcd",
        "state": "active",
        "created_at": AT,
        **more,
    }


def budget(amount: str, window: str = "month") -> dict[str, Any]:
    return {"amount": amount, "currency": "USD", "window": window, "spent": "3"}


CI = KeyCreate(name="ci", budget=BudgetTerms(amount="20"))


def test_a_new_key_is_made_in_one_call(gateway: Gateway, wire: MemoryTransport) -> None:
    wire.expect("POST", "/v1/keys", says(200, key(secret=SECRET, created=True)))
    made = keys.make(gateway, CI)
    assert (made.created, keys.secret_of(made)) == (True, SECRET)
    assert keys.public(made) == {
        "id": "key_1", "name": "ci", "prefix": "nxt_sk_abcd", "state": "active", "created_at": AT,
        "expires_at": None, "budget": None, "models": None, "ip_allowlist": None, "rpm": None,
        "parent_id": None, "labels": {}, "secret": SECRET, "created": True,
    }  # fmt: skip


def test_a_taken_name_is_refused_unless_an_existing_key_will_do(
    gateway: Gateway, wire: MemoryTransport
) -> None:
    wire.expect("POST", "/v1/keys", refuses(409, "name_taken"))
    with pytest.raises(Refused) as caught:
        keys.make(gateway, CI)
    assert caught.value.exit == 1


def existing(wire: MemoryTransport, **more: Any) -> None:
    wire.expect("POST", "/v1/keys", refuses(409, "name_taken"))
    wire.expect("GET", "/v1/keys?name=ci", says(200, {"data": [key(**more)]}))


def test_an_existing_key_with_the_same_settings_is_as_good(
    gateway: Gateway, wire: MemoryTransport
) -> None:
    existing(wire, budget=budget("20.00"))
    made = keys.make(gateway, CI, if_not_exists=True)
    assert (made.created, made.secret, made.key.id) == (False, None, "key_1")
    assert keys.public(made)["created"] is False
    with pytest.raises(NexctlError) as caught:
        keys.secret_of(made)
    assert caught.value.exit == 1
    assert "nexctl keys rotate key_1" in (caught.value.hint or "")


@pytest.mark.parametrize(
    ("found", "names"),
    [
        ({}, ["budget"]),
        ({"budget": budget("21")}, ["budget"]),
        ({"budget": budget("20", "lifetime")}, ["budget"]),
        ({"budget": budget("20"), "models": ["m"]}, ["models"]),
        ({"budget": budget("20"), "rpm": 5, "labels": {"a": "b"}}, ["labels", "rpm"]),
        ({"budget": budget("20"), "state": "revoked"}, ["state"]),
        ({"budget": budget("20"), "expires_at": AT}, ["expires_at"]),
        ({"budget": budget("20"), "parent_id": "key_0"}, ["parent_id"]),
        ({"budget": budget("20"), "ip_allowlist": ["10.0.0.0/8"]}, ["ip_allowlist"]),
    ],
)
def test_other_settings_are_named(
    gateway: Gateway, wire: MemoryTransport, found: dict[str, Any], names: list[str]
) -> None:
    existing(wire, **found)
    with pytest.raises(NexctlError) as caught:
        keys.make(gateway, CI, if_not_exists=True)
    assert caught.value.exit == 1
    assert sorted(caught.value.details["differs"]) == names
    assert all(name in caught.value.message for name in names)


def test_settings_are_compared_by_meaning() -> None:
    wanted = KeyCreate(
        name="ci", models=["b", "a"], expires_at="2027-01-01T00:00:00Z",
        budget=BudgetTerms(amount="020.50"),
    )  # fmt: skip
    found = Key(
        id="k", name="ci", prefix="p", state="active", created_at=AT, models=["a", "b"],
        expires_at="2027-01-01T00:00:00.000Z",
    )  # fmt: skip
    assert set(keys.differences(wanted, found)) == {"budget"}
    lasting = KeyCreate(name="ci", models=["a", "b"], expires_in_seconds=90 * 86_400)
    assert keys.differences(lasting, found) == {}
    assert set(keys.differences(lasting, Key(
        id="k", name="ci", prefix="p", state="active", created_at=AT, models=["a", "b"],
    ))) == {"expires_at"}  # fmt: skip


def test_a_name_that_is_gone_again_keeps_its_refusal(
    gateway: Gateway, wire: MemoryTransport
) -> None:
    wire.expect("POST", "/v1/keys", refuses(409, "name_taken"))
    wire.expect("GET", "/v1/keys?name=ci", says(200, {"data": []}))
    with pytest.raises(Refused) as caught:
        keys.make(gateway, CI, if_not_exists=True)
    assert caught.value.code == "name_taken"


def test_a_secret_lost_on_the_way_is_replaced_at_once(
    gateway: Gateway, wire: MemoryTransport
) -> None:
    """The first try made the key, its answer was lost; the repetition may not show the secret."""
    wire.expect("POST", "/v1/keys", breaks(), says(200, key(secret=None, replayed=True)))
    wire.expect("POST", "/v1/keys/key_1/rotate", says(200, key(secret=SECRET)))
    assert keys.secret_of(keys.make(gateway, CI)) == SECRET
    assert wire.body() == {"overlap_seconds": 0}


def test_a_repetition_that_the_caller_asked_for_rotates_nothing(
    gateway: Gateway, wire: MemoryTransport
) -> None:
    wire.expect("POST", "/v1/keys", says(200, key(secret=None, replayed=True)))
    made = keys.make(gateway, CI, idempotency_key="mine")
    with pytest.raises(NexctlError):
        keys.secret_of(made)


def test_a_secret_is_written_for_its_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    os.umask(0)
    keys.write_secret(str(path), SECRET)
    assert path.read_text() == SECRET + "\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_file_holds_a_key_when_its_one_line_begins_as_the_secret(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    found = Key(id="k", name="ci", prefix="nxt_sk_abcd", state="active", created_at=AT)
    assert not keys.file_holds(str(path), found)
    for text, holds in ((SECRET, True), (SECRET + "\n", True), ("", False), ("other", False),
                        (f"{SECRET}\n{SECRET}", False)):  # fmt: skip
        path.write_text(text)
        assert keys.file_holds(str(path), found) is holds
    path.write_text(SECRET)
    link = tmp_path / "link"
    link.symlink_to(path)
    assert not keys.file_holds(str(link), found)
    assert not keys.file_holds(str(path), Key(id="k", name="c", prefix="", state="", created_at=AT))


def test_a_key_is_found_by_id_and_by_name(gateway: Gateway, wire: MemoryTransport) -> None:
    wire.expect("GET", "/v1/keys/key_1", says(200, key()))
    assert keys.find(gateway, "key_1").name == "ci"
    wire.expect("GET", "/v1/keys/ci", refuses(404, "not_found"))
    wire.expect("GET", "/v1/keys?name=ci", says(200, {"data": [key()]}))
    assert keys.find(gateway, "ci").id == "key_1"
    wire.expect("GET", "/v1/keys/nobody", refuses(404, "not_found"))
    wire.expect("GET", "/v1/keys?name=nobody", says(200, {"data": []}))
    with pytest.raises(Refused) as caught:
        keys.find(gateway, "nobody")
    assert caught.value.exit == 3


def test_old_keys_are_revoked_one_by_one(gateway: Gateway, wire: MemoryTransport) -> None:
    old, new = "2026-01-01T00:00:00Z", "2026-11-20T00:00:00Z"
    wire.expect("GET", "/v1/keys", says(200, {"data": [
        key(id="a", created_at=old), key(id="b", created_at=new),
        key(id="c", created_at=old, state="revoked"),
        key(id="d", created_at=old, kind="management_key"), key(id="e", created_at=old),
        key(id="f", created_at=old),
    ]}))  # fmt: skip
    chosen = list(keys.older_than(gateway, 90 * 86_400, 1_795_219_200))  # 2026-11-21
    assert [k.id for k in chosen] == ["a", "e", "f"]
    wire.expect("POST", "/v1/keys/a/revoke", says(200, key(id="a", state="revoked")))
    wire.expect("POST", "/v1/keys/e/revoke", refuses(404, "not_found"))
    wire.expect("POST", "/v1/keys/f/revoke", refuses(403, "not_permitted"))
    told: list[str] = []
    ended, failed = keys.revoke_all(gateway, chosen, done=lambda k: told.append(k.id))
    assert [k.id for k in ended] == told == ["a", "e"]
    assert [(k.id, error.exit) for k, error in failed] == [("f", 4)]


# ------------------------------------------------------------------ terms


@pytest.mark.parametrize(
    ("text", "amount", "window"),
    [("20/month", "20", "month"), ("20", "20", "month"), ("0.50/lifetime", "0.5", "lifetime"),
     (" 7 / month ", "7", "month"), ("0/month", "0", "month"), ("5/total", "5", "lifetime")],
)  # fmt: skip
def test_budgets_are_read_as_people_write_them(text: str, amount: str, window: str) -> None:
    found = terms.parse_budget(text)
    assert (found.amount, found.window) == (amount, window)


@pytest.mark.parametrize(
    "text",
    [
        *("", "/month", "x/month", "20/week", "-5/month", "1e3", "1_000", "٢٠/month"),
        *("20/month/x", "NaN/month", "1" * 13, "5 USD"),
    ],
)
def test_what_is_no_budget_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        terms.parse_budget(text)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90d", 7_776_000), ("24h", 86_400), ("30m", 1800), ("30min", 1800), ("2w", 1_209_600),
     ("45s", 45), (" 1 D ", 86_400)],
)  # fmt: skip
def test_ages_are_read_with_their_unit(text: str, seconds: int) -> None:
    assert terms.parse_age(text, what="--expires") == seconds


@pytest.mark.parametrize("text", ["", "0", "0d", "90", "-1d", "1.5h", "1y", "9999999d", "١d", "d"])
def test_what_is_no_age_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        terms.parse_age(text, what="--expires")


def test_no_overlap_at_all_may_be_asked_for() -> None:
    assert terms.parse_age("0", what="--overlap", smallest=0) == 0


def test_labels_are_pairs() -> None:
    assert terms.parse_label("team = search = x") == ("team", "search = x")
    for wrong in ("team", "=x", "", "n" * 65 + "=x"):
        with pytest.raises(UsageError):
            terms.parse_label(wrong)


def test_a_label_with_two_values_is_refused_and_one_given_twice_is_one() -> None:
    assert terms.parse_labels(["a=1", "b=2", "a = 1"]) == {"a": "1", "b": "2"}
    with pytest.raises(UsageError, match="'a' is given twice, as '1' and '2'"):
        terms.parse_labels(["a=1", "a=2"])


# ------------------------------------------------------------------ sheets


SHEET = """\
name,budget,models,ip,rpm,expires,parent,labels
ci,20/month,nex-pro nex-auto,10.0.0.0/8;::1,60,90d,,team=search;env=prod
'=app,,,,,,key_9,

bot,5/lifetime,,,,,,
"""


def test_a_sheet_is_read_whole_with_every_column() -> None:
    rows = bulk.parse(SHEET, "keys.csv")
    assert [(row.line, row.wanted.name) for row in rows] == [(2, "ci"), (3, "=app"), (5, "bot")]
    ci = rows[0].wanted
    assert (ci.models, ci.ip_allowlist) == (["nex-pro", "nex-auto"], ["10.0.0.0/8", "::1"])
    assert (ci.rpm, ci.expires_in_seconds) == (60, 7_776_000)
    assert ci.labels == {"team": "search", "env": "prod"}
    assert rows[1].wanted.parent_id == "key_9"


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("", ":1:"),
        ("name\n", "no keys"),
        ("budget\n5\n", ":1:"),
        ("name,colour\na,b\n", ":1:"),
        ("name,name\na,b\n", ":1:"),
        ("name,budget\nci,5/week\n", ":2:"),
        ("name,ip\nci,10.0.0.0/33\n", ":2:"),
        ("name,rpm\nci,-1\n", ":2:"),
        ("name,rpm\nci,0\n", ":2:"),
        ("name,rpm\nci,1e3\n", ":2:"),
        ("name,expires\nci,90\n", ":2:"),
        ("name,labels\nci,x\n", ":2:"),
        ("name,models\nci,bad|id\n", ":2:"),
        ("name\nci\nbot\nci\n", ":4:"),
        ("name\nci,5\n", ":2:"),
        ('name\n"ci\n', ":2:"),
        ("name,budget\n,5\n", ":2:"),
        ("name\n" + "x" * 101 + "\n", ":2:"),
    ],
)
def test_every_fault_has_its_line_and_nothing_is_made(
    gateway: Gateway, text: str, place: str
) -> None:
    with pytest.raises(UsageError) as caught:
        bulk.parse(text, "keys.csv")
    assert place in caught.value.message
    assert caught.value.exit == 2


def test_all_faults_are_listed_for_scripts() -> None:
    with pytest.raises(UsageError) as caught:
        bulk.parse("name,rpm\na,x\nb,y\nc,1\n", "keys.csv")
    assert "(and 1 more)" in caught.value.message
    assert len(caught.value.details["faults"]) == 2


@given(st.text(max_size=60))
def test_any_text_is_a_sheet_or_a_usage_error(text: str) -> None:
    with contextlib.suppress(UsageError):
        assert bulk.parse("name,budget\n" + text, "keys.csv")


def test_a_sheet_that_is_no_text_or_no_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "keys.csv"
    with pytest.raises(UsageError, match="No such file"):
        bulk.read(str(path))
    path.write_bytes(b"name\nci\n\xff\n")
    with pytest.raises(UsageError, match=":3: not UTF-8"):
        bulk.read(str(path))
    path.write_bytes(b"\xef\xbb\xbfname\r\nci\r\n")
    assert bulk.read(str(path))[0].wanted.name == "ci"


def results(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as stream:
        return list(csv.DictReader(stream))


def test_each_secret_is_on_disk_before_the_next_key_is_made(
    gateway: Gateway, wire: MemoryTransport, tmp_path: Path
) -> None:
    """The connection is lost at the third key; the same command goes on from there."""
    out = tmp_path / "made.csv"
    rows = bulk.parse("name\n'=a\nb\nc\nd\n", "keys.csv")
    made = [says(200, key(id=n, name=n, secret=SECRET + n)) for n in "acd"]
    wire.expect("POST", "/v1/keys", made[0], refuses(400, "invalid_request"), *[breaks()] * 4)
    with pytest.raises(NexctlError) as caught:
        bulk.make(gateway, rows, str(out))
    assert caught.value.exit == 7
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    assert [(row["name"], row["secret"]) for row in results(out)] == [
        ("'=a", SECRET + "a"),
        ("b", ""),
    ]
    wire.expect("POST", "/v1/keys", refuses(403, "plan_limit"))
    with pytest.raises(Refused):
        bulk.make(gateway, rows, str(out))
    wire.expect("POST", "/v1/keys", refuses(400, "invalid_request"), *made[1:])
    answers = bulk.make(gateway, rows, str(out))
    assert [a.row.wanted.name for a in answers] == ["b", "c", "d"]
    assert [a.row.wanted.name for a in bulk.failed(answers)] == ["b"]
    assert [row["name"] for row in results(out) if row["secret"]] == ["'=a", "c", "d"]


def test_a_result_that_is_something_else_is_left_alone(gateway: Gateway, tmp_path: Path) -> None:
    out = tmp_path / "notes.txt"
    out.write_text("my notes\n")
    with pytest.raises(UsageError):
        bulk.make(gateway, bulk.parse("name\na\n", "k.csv"), str(out))
    assert out.read_text() == "my notes\n"


def test_a_row_that_a_crash_or_an_editor_left_open_is_ended_before_the_next(
    gateway: Gateway, wire: MemoryTransport, tmp_path: Path
) -> None:
    out = tmp_path / "made.csv"
    head = "name,id,prefix,secret,created,error\r\n"
    for tail, made in (
        (f"a,key_a,nxt_sk_a,{SECRET}a,true,", ["b"]),
        ("a,key_a,nxt", ["a", "b"]),
        ('a,"key_a,nx', ["a", "b"]),
    ):
        out.write_text(head + tail, newline="")
        answers = [says(200, key(id=n, name=n, secret=SECRET + n)) for n in made]
        wire.expect("POST", "/v1/keys", *answers)
        done = bulk.make(gateway, bulk.parse("name\na\nb\n", "k.csv"), str(out))
        assert [one.row.wanted.name for one in done] == made
        assert [row["name"] for row in results(out) if row["secret"]] == ["a", "b"]


def test_a_full_disk_names_the_key_that_it_lost_and_leaves_no_half_row(
    gateway: Gateway, wire: MemoryTransport, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "made.csv"
    answers = [says(200, key(id=n, name=n, secret=SECRET + n)) for n in "ab"]
    wire.expect("POST", "/v1/keys", *answers)
    write = os.write

    def full(handle: int, raw: bytes) -> int:
        if bytes(raw).startswith(b"b,"):
            write(handle, bytes(raw)[:5])
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return write(handle, raw)

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(NexctlError, match=r"key b \(b\) is made, but its secret is lost") as caught:
        bulk.make(gateway, bulk.parse("name\na\nb\n", "k.csv"), str(out))
    assert (caught.value.code, caught.value.exit) == ("secret_lost", 1)
    assert "nexctl keys rotate b" in (caught.value.hint or "")
    assert out.read_text().splitlines()[1:] == [f"a,a,nxt_sk_abcd,{SECRET}a,true,"]


def test_a_result_is_never_written_through_a_link(gateway: Gateway, tmp_path: Path) -> None:
    target = tmp_path / "target"
    link = tmp_path / "link"
    link.symlink_to(target)
    with pytest.raises((OSError, NexctlError)):
        bulk.make(gateway, bulk.parse("name\na\n", "k.csv"), str(link))
    assert not target.exists()
