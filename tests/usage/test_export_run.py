"""An export holds every record once, in order, with a manifest that adds up; or there is none."""

from __future__ import annotations

import hashlib
import json
import os
import random
import signal
import stat
import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from nexctl.errors import NexctlError, UsageError
from nexctl.usage.export.journal import Part
from nexctl.usage.export.pages import BadPage
from nexctl.usage.export.run import to_file
from nexctl.usage.export.window import Filters, Window
from nexctl.usage.reading import rows
from tests.usage.export_kit import OCTOBER, Book, Recorded, ask, book_of


def exported(path: Path) -> list[Any]:
    return list(rows(str(path)))


def left_over(folder: Path) -> list[str]:
    return sorted(name for name in os.listdir(folder) if name.startswith("."))


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_the_file_holds_every_record_and_its_manifest_adds_up(tmp_path: Path) -> None:
    book, target = book_of(), tmp_path / "october.csv"
    manifest = to_file(ask(), Recorded(book), str(target))
    found = exported(target)
    assert [row.sequence for row in found] == [r["sequence"] for r in book.records]
    assert [row.key_name for row in found] == [r["key_name"] for r in book.records]
    assert [row.labels for row in found] == [r["labels"] for r in book.records]
    total = sum(Decimal(r["charge"]) for r in book.records)
    assert Decimal(manifest["sums"]["USD"]) == total
    assert manifest == json.loads((tmp_path / "october.csv.manifest.json").read_text())
    assert manifest["sha256"] == digest(target)
    assert manifest["bytes"] == target.stat().st_size
    assert (manifest["first_sequence"], manifest["last_sequence"]) == (2, book.sequence)
    assert manifest["rows"] == len(book.records) == 26
    assert manifest["other_entries"]["sequences"] == [[1, 1], [9, 9]]
    assert manifest["other_entries"]["by_kind"]["topup"] == {"count": 1, "amount": "100"}
    balance = manifest["balance"]
    assert balance["matches"] is True
    assert (balance["opening"], balance["credits"]) == ("0", "105.5")
    assert Decimal(balance["closing"]) == book.balance
    assert manifest["closed"] is True
    assert left_over(tmp_path) == []


def test_sums_have_no_needless_zeros(tmp_path: Path) -> None:
    """Refunds of parts, whose nanos come to whole cents together; charges that come to 0.001."""
    book = Book()
    book.entry("topup", "100", "2026-10-01T00:00:00Z")
    for part in ("11.420265958", "11.420265957", "10.489468085"):
        book.entry("refund", f"-{part}", "2026-10-02T00:00:00Z")
    book.use("0.000000999")
    book.use("0.000999001")
    manifest = to_file(ask(totals=True), Recorded(book), str(tmp_path / "u.csv"))
    assert manifest["other_entries"]["by_kind"]["refund"] == {"count": 3, "amount": "-33.33"}
    balance = manifest["balance"]
    assert (balance["other_debits"], balance["usage"], balance["closing"]) == (
        "33.33",
        "0.001",
        "66.669",
    )
    assert manifest["sums"] == {"USD": "0.001"}


def test_a_total_of_records_with_an_unknown_charge_is_unknown(tmp_path: Path) -> None:
    """What a foreign gateway leaves open is no 0; the part that is known stands beside it."""
    book = Book()
    for charge in ("0.5", None, "0.25", None, None):
        book.use("0.5" if charge is None else charge, balance_delta=None, balance_after=None)
        book.records[-1]["charge"] = charge
    book.records[-1] |= {"model_served": "nex-coder", "currency": None}
    book.use("0.1", model_served="nex-mini")
    manifest = to_file(ask(totals=True, whole=False), Recorded(book), str(tmp_path / "u.csv"))
    assert (manifest["sums"], manifest["unknown_charges"]) == ({"USD": "0.85"}, 3)
    shown = [
        (row["model"], row["charge"], row["known_charge"], row["unknown_charges"])
        for row in manifest["totals"]
    ]
    assert shown == [
        ("nex-mini", "0.1", "0.1", 0),
        ("nex-pro", None, "0.75", 2),
        ("nex-coder", None, "0", 1),
    ]


def test_file_and_manifest_are_private(tmp_path: Path) -> None:
    target = tmp_path / "u.csv"
    to_file(ask(), Recorded(book_of()), str(target))
    for name in ("u.csv", "u.csv.manifest.json"):
        assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o600


def test_the_fields_of_a_manifest_are_an_api(tmp_path: Path) -> None:
    manifest = to_file(ask(totals=True), Recorded(book_of()), str(tmp_path / "u.csv"))
    assert set(manifest) == {
        *("schema", "tool", "file", "format", "csv_style", "sha256", "bytes", "gateway"),
        *("customer_id", "window", "timezone", "filters", "unfiltered", "closed", "rows", "sums"),
        *("unknown_charges", "first_sequence", "last_sequence", "after_sequence", "covered_to"),
        *(
            "repeated_rows",
            "price_books",
            "other_entries",
            "balance",
            "continues",
            "exported_at",
            "totals",
        ),
    }


def test_a_repeated_request_id_stays_for_the_audit(tmp_path: Path) -> None:
    to_file(ask(), Recorded(book_of()), str(tmp_path / "u.csv"))
    ids = [row.request_id for row in exported(tmp_path / "u.csv")]
    assert ids.count("req-3") == 2


def test_a_record_that_comes_again_is_written_once(tmp_path: Path) -> None:
    """A page that begins with the last record of the one before."""
    book = book_of()
    seen: list[Any] = []

    def overlap(asked: int, page: dict[str, Any]) -> dict[str, Any]:
        again = seen[-1:]
        seen.extend(page["data"])
        return {**page, "data": again + page["data"]}

    manifest = to_file(ask(), Recorded(book, spoil=overlap), str(tmp_path / "u.csv"))
    assert manifest["rows"] == len(book.records)
    assert manifest["repeated_rows"] > 0
    assert len({row.sequence for row in exported(tmp_path / "u.csv")}) == len(book.records)


def same_cursor(asked: int, page: dict[str, Any]) -> dict[str, Any]:
    return {**page, "next_cursor": "5"}


def backwards(asked: int, page: dict[str, Any]) -> dict[str, Any]:
    return {**page, "data": page["data"][::-1]}


def skips(asked: int, page: dict[str, Any]) -> dict[str, Any] | None:
    """The third page leaves a record out, once."""
    return {**page, "data": page["data"][1:]} if asked == 3 else None


def ends_early(asked: int, page: dict[str, Any]) -> dict[str, Any] | None:
    return {**page, "next_cursor": None} if asked == 3 else None


def formula(asked: int, page: dict[str, Any]) -> dict[str, Any]:
    return {**page, "data": [{**row, "charge": "=1+1"} for row in page["data"]]}


def exponent(asked: int, page: dict[str, Any]) -> dict[str, Any]:
    return {**page, "data": [{**row, "balance_after": "1E5"} for row in page["data"]]}


def rate(asked: int, page: dict[str, Any]) -> dict[str, Any]:
    return {**page, "data": [{**row, "rate_input": "@x"} for row in page["data"]]}


def no_time(asked: int, page: dict[str, Any]) -> dict[str, Any]:
    return {**page, "data": [{**row, "created_at": "=now()"} for row in page["data"]]}


def shape(asked: int, page: dict[str, Any]) -> dict[str, Any]:
    return {"data": [{"sequence": "one"}]}


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (same_cursor, "comes back to where it was"),
        (backwards, "order of their sequence"),
        (skips, "left out the record with sequence 11"),
        (ends_early, "ended before the last record"),
        (formula, "charge is not a plain number"),
        (exponent, "balance_after is not a plain number"),
        (rate, "rate_input is not a plain number"),
        (no_time, "has no time"),
        (shape, "Expected"),
    ],
)
def test_a_page_that_cannot_be_right_stops_with_the_old_file_in_place(
    tmp_path: Path, spoil: Any, said: str
) -> None:
    target = tmp_path / "u.csv"
    target.write_text("old")
    with pytest.raises(BadPage, match=said) as found:
        to_file(ask(), Recorded(book_of(), spoil=spoil), str(target))
    assert found.value.exit == 7
    assert target.read_text() == "old"
    assert not (tmp_path / "u.csv.manifest.json").exists()


def test_a_lost_record_is_told_from_a_top_up_without_a_window_too(tmp_path: Path) -> None:
    with pytest.raises(BadPage, match="left out the record"):
        to_file(ask(window=Window()), Recorded(book_of(), spoil=skips), str(tmp_path / "u.csv"))


def test_usage_of_other_windows_between_is_accounted_for(tmp_path: Path) -> None:
    book = Book()
    book.entry("topup", "10", "2026-10-01T00:00:00Z")
    for number in range(12):
        book.use(at="2026-10-31T23:59:59Z" if number % 3 else "2026-11-01T00:00:01Z")
    book.records = [r for r in book.records if r["created_at"] < str(OCTOBER.end)]
    manifest = to_file(ask(), Recorded(book), str(tmp_path / "u.csv"))
    assert manifest["balance"]["matches"] is True
    assert manifest["other_entries"]["by_kind"]["usage"]["count"] > 0
    assert Decimal(manifest["balance"]["usage"]) == Decimal("0.000123") * 8


def test_a_balance_that_does_not_add_up_is_said_with_its_place(tmp_path: Path) -> None:
    book = book_of()
    book.records[9]["balance_after"] = "1"
    manifest = to_file(ask(), Recorded(book), str(tmp_path / "u.csv"))
    assert manifest["balance"]["matches"] is True  # inside a page only its end is compared
    book.records[11]["balance_after"] = "1"
    manifest = to_file(ask(), Recorded(book), str(tmp_path / "u.csv"))
    assert manifest["balance"]["matches"] is False
    assert "the gateway says 1" in manifest["balance"]["difference"]


def test_filters_and_gateways_without_a_ledger_have_no_balance(tmp_path: Path) -> None:
    for more in ({"filters": Filters(model="nex-pro")}, {"whole": False}):
        manifest = to_file(ask(**more), Recorded(book_of()), str(tmp_path / "u.csv"))
        assert (manifest["balance"], manifest["unfiltered"]) == (None, False)
    manifest = to_file(ask(), Recorded(book_of(), ledger=False), str(tmp_path / "u.csv"))
    assert (manifest["balance"], manifest["unfiltered"]) == (None, True)


def test_an_empty_window_is_a_file_with_names_alone(tmp_path: Path) -> None:
    manifest = to_file(ask(), Recorded(Book()), str(tmp_path / "u.csv"))
    assert (manifest["rows"], manifest["sums"]) == (0, {})
    assert exported(tmp_path / "u.csv") == []


def test_two_exports_to_one_target_do_not_mix(tmp_path: Path) -> None:
    part = Part(str(tmp_path / "u.csv"), ask().identity())
    part.open(resume=False)
    with pytest.raises(NexctlError, match="another export writes"):
        to_file(ask(), Recorded(book_of()), str(tmp_path / "u.csv"))
    part.close()


# interrupted -------------------------------------------------------------------------------------


class Cut(Exception):
    """Stands for anything that ends a process in the middle."""


@pytest.mark.parametrize("kind", ["csv", "jsonl", "focus", "xlsx", "parquet"])
@pytest.mark.parametrize("stop", [1, 2, 4, 6])
def test_an_interrupted_export_goes_on_to_the_same_bytes(
    tmp_path: Path, kind: str, stop: int
) -> None:
    if kind == "parquet":
        pytest.importorskip("duckdb")
    if kind == "xlsx":
        pytest.importorskip("xlsxwriter")
    whole, target = tmp_path / f"whole.{kind}", tmp_path / f"u.{kind}"
    to_file(ask(kind=kind), Recorded(book_of()), str(whole))

    def cut(asked: int, page: dict[str, Any]) -> None:
        if asked > stop:
            raise Cut

    with pytest.raises(Cut):
        to_file(ask(kind=kind), Recorded(book_of(), spoil=cut), str(target))
    assert not target.exists()
    source = Recorded(book_of())
    manifest = to_file(ask(kind=kind), source, str(target), resume=True)
    assert digest(target) == digest(whole) == manifest["sha256"]
    assert manifest["balance"]["matches"] is True
    assert source.asked <= 7 - stop + 2  # what was read is not asked for again
    assert left_over(tmp_path) == []


@pytest.mark.parametrize("seed", range(12))
def test_bytes_behind_the_last_checkpoint_are_cut_off(tmp_path: Path, seed: int) -> None:
    """As a kill between the data and the line that speaks of it leaves them."""
    chance = random.Random(seed)
    whole, target = tmp_path / "whole.csv", tmp_path / "u.csv"
    to_file(ask(), Recorded(book_of()), str(whole))

    def cut(asked: int, page: dict[str, Any]) -> None:
        if asked == 5:
            raise Cut

    with pytest.raises(Cut):
        to_file(ask(), Recorded(book_of(), spoil=cut), str(target))
    part, journal = tmp_path / ".u.csv.part", tmp_path / ".u.csv.part.journal"
    data, lines = part.read_bytes(), journal.read_bytes()
    part.write_bytes(data[: chance.randrange(len(data))] if seed % 2 else data + b"half a li")
    if seed % 3 == 0:
        journal.write_bytes(lines[: chance.randrange(len(lines))])
    if seed % 4 == 1:
        part.write_bytes(bytes(len(data)))
    to_file(ask(), Recorded(book_of()), str(target), resume=True)
    assert digest(target) == digest(whole)


def test_another_window_is_not_continued(tmp_path: Path) -> None:
    def cut(asked: int, page: dict[str, Any]) -> None:
        if asked == 3:
            raise Cut

    target = str(tmp_path / "u.csv")
    with pytest.raises(Cut):
        to_file(ask(), Recorded(book_of(), spoil=cut), target)
    with pytest.raises(UsageError, match="another export"):
        to_file(ask(window=Window()), Recorded(book_of()), target, resume=True)
    # Without --resume it begins anew.
    assert to_file(ask(window=Window()), Recorded(book_of()), target)["rows"] == 26


KILLED = """
import sys, time
from nexctl.usage.export.run import to_file
from tests.usage.export_kit import Recorded, ask, book_of

def slow(asked, page):
    print(asked, flush=True)
    time.sleep(0.002)

to_file(ask(), Recorded(book_of(400), spoil=slow), sys.argv[1], resume=True)
print("done", flush=True)
"""


def test_killed_at_random_points_it_ends_with_the_same_sha256(tmp_path: Path) -> None:
    """SIGKILL, again and again, whatever it was just doing; each run resumes the one before."""
    assert killed_again_and_again(tmp_path, seed=7, pages=(5, 30)) >= 3


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_killed_thirty_times_and_more_it_ends_with_the_same_sha256(
    tmp_path: Path, seed: int
) -> None:
    assert killed_again_and_again(tmp_path, seed=seed, pages=(1, 6)) >= 30


def killed_again_and_again(tmp_path: Path, *, seed: int, pages: tuple[int, int]) -> int:
    """How often it was killed until it had ended."""
    whole, target = tmp_path / "whole.csv", tmp_path / "u.csv"
    to_file(ask(), Recorded(book_of(400)), str(whole))
    chance, kills = random.Random(seed), 0
    while not target.exists():
        program = subprocess.Popen(
            [sys.executable, "-c", KILLED, str(target)], stdout=subprocess.PIPE, text=True
        )
        assert program.stdout is not None
        for _ in range(chance.randrange(*pages)):
            if program.stdout.readline() in ("", "done\n"):
                break
        program.send_signal(signal.SIGKILL)
        program.communicate()
        kills += 1
        assert kills < 400
    assert digest(target) == digest(whole)
    if (tmp_path / ".u.csv.part.journal").exists():
        to_file(ask(), Recorded(book_of(400)), str(target), resume=True)
        assert digest(target) == digest(whole)
    manifest = json.loads((tmp_path / "u.csv.manifest.json").read_text())
    assert (manifest["sha256"], manifest["rows"]) == (digest(whole), 401)
    return kills


FULL = """
import resource, signal, sys
from nexctl.errors import NexctlError
from nexctl.usage.export.run import to_file
from tests.usage.export_kit import Recorded, ask, book_of

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
try:
    to_file(ask(), Recorded(book_of()), sys.argv[1])
except NexctlError as error:
    print(error.exit, error.message, error.hint)
"""


def test_a_disk_that_takes_no_more_is_a_clear_stop(tmp_path: Path) -> None:
    target, whole = tmp_path / "u.csv", tmp_path / "whole.csv"
    target.write_text("old")
    done = subprocess.run(
        [sys.executable, "-c", FULL, str(target)], capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith(f"1 cannot write {target}: ")
    assert "--resume" in done.stdout
    assert target.read_text() == "old"
    to_file(ask(), Recorded(book_of()), str(target), resume=True)
    to_file(ask(), Recorded(book_of()), str(whole))
    assert digest(target) == digest(whole)


# continued ---------------------------------------------------------------------------------------


def test_later_exports_hold_what_came_since_and_their_balances_join(tmp_path: Path) -> None:
    book = book_of()
    seen: list[int] = []
    after, opening = None, None
    for number in range(4):
        more = ask(window=Window(), after=after, opening=opening)
        target = tmp_path / f"u{number}.csv"
        manifest = to_file(more, Recorded(book, closed=False), str(target))
        assert manifest["balance"]["matches"] is True
        assert opening in (None, manifest["balance"]["opening"])
        seen += [row.sequence for row in exported(target)]
        after, opening = manifest["covered_to"], manifest["balance"]["closing"]
        book.entry("topup", "1", "2026-10-03T00:00:00Z")
        for _ in range(5):
            book.use()
    assert seen == [r["sequence"] for r in book.records[:-5]]


def test_the_last_export_of_a_window_that_has_closed_says_so(tmp_path: Path) -> None:
    book = book_of()
    more = ask(after=book.sequence, opening="1")
    manifest = to_file(more, Recorded(book), str(tmp_path / "u.csv"))
    assert (manifest["rows"], manifest["closed"]) == (0, True)
    assert (tmp_path / "u.csv").exists()


def test_nothing_new_is_no_file(tmp_path: Path) -> None:
    book = book_of()
    more = ask(window=Window(), after=book.sequence, opening="1")
    manifest = to_file(more, Recorded(book, closed=False), str(tmp_path / "u.csv"))
    assert manifest["skipped"] is True
    assert os.listdir(tmp_path) == []
