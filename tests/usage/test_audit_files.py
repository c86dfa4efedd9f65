"""What the audit makes of files: malformed ones by line, cells over lines, prices by date."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks.usage_data import Shape, rows, write
from nexctl.errors import UsageError
from nexctl.usage.audit.prices import Shelf
from nexctl.usage.audit.report import Report
from nexctl.usage.audit.run import Task, audit
from nexctl.usage.columns import NAMES

ROW = {
    "created_at": "2026-11-26T12:00:00Z",
    "request_id": "r1",
    "model_served": "nex-pro",
    "status": "ok",
    "input_tokens": 1_000,
    "output_tokens": 100,
    "charge": "0.00014",
    "currency": "USD",
    "price_book": "nextoken@2026-11-20",
}


def jsonl(path: Path, *records: dict[str, Any]) -> Path:
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    return path


def audited(path: Path, book: str | None = None, **more: Any) -> Report:
    return audit(Task(str(path), path.name, Shelf(book), **more))


def rules(report: Report) -> list[str]:
    return [one.rule for one in report.findings]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"charge": "1e-13"}, "charge"),
        ({"charge": "1_000"}, "charge"),
        ({"charge": 0.00014}, "charge"),
        ({"charge": "NaN"}, "charge"),
        ({"input_tokens": -5}, "input_tokens"),
        ({"input_tokens": "many"}, "int"),
        ({"created_at": None}, "created_at"),
        ({"balance_after": "+5"}, "balance_after"),
    ],
)
def test_a_malformed_row_is_refused_by_its_line(
    tmp_path: Path, change: dict[str, Any], says: str
) -> None:
    path = jsonl(tmp_path / "usage.jsonl", *[ROW] * 2, {**ROW, **change}, ROW)
    with pytest.raises(UsageError, match="line 3") as refused:
        audited(path)
    assert says in refused.value.message
    assert refused.value.exit == 2


def test_what_is_no_json_is_refused_by_its_line(tmp_path: Path) -> None:
    path = jsonl(tmp_path / "usage.jsonl", ROW, ROW)
    path.write_text(path.read_text() + "\n{not json\n")
    with pytest.raises(UsageError, match="line 4"):
        audited(path)


@pytest.mark.parametrize("cell", ["x", "-3", "1_0"])
def test_a_malformed_cell_is_refused_by_its_line(tmp_path: Path, cell: str) -> None:
    made = write(tmp_path / "usage.csv", Shape(50))
    lines = made.path.read_text().splitlines()
    cells = next(csv.reader([lines[20]]))
    cells[NAMES.index("input_tokens")] = cell
    lines[20] = ",".join('"' + one.replace('"', '""') + '"' for one in cells)
    made.path.write_text("\r\n".join(lines) + "\r\n")
    with pytest.raises(UsageError, match="line 21"):
        audited(made.path)


@pytest.mark.parametrize("missing", ["charge", "created_at"])
def test_a_list_without_what_every_row_needs_is_refused(tmp_path: Path, missing: str) -> None:
    path = tmp_path / "usage.csv"
    names = [name for name in ("created_at", "charge", "model_served") if name != missing]
    path.write_text(",".join(names) + "\r\nx,y\r\n")
    with pytest.raises(UsageError, match=f"no column '{missing}'"):
        audited(path)


@pytest.mark.parametrize("cell", ["", "26.11.2026 12:00", "2026-13-01T00:00:00Z", "yesterday"])
def test_what_is_no_time_is_refused_by_its_line(tmp_path: Path, cell: str) -> None:
    path = tmp_path / "usage.csv"
    lines = ["created_at,charge,model_served", "2026-11-26T12:00:00Z,0,nex-pro", f"{cell},0,x"]
    path.write_text("\n".join(lines) + "\n")
    with pytest.raises(UsageError, match="line 3: created_at"):
        audited(path)
    path = jsonl(tmp_path / "usage.jsonl", ROW, {**ROW, "created_at": cell})
    with pytest.raises(UsageError, match="line 2: created_at"):
        audited(path)


def test_the_day_of_a_price_is_that_of_utc(tmp_path: Path) -> None:
    # o3 costs 2 and 8 per million since 2025-06-10, before that 10 and 40.
    row = {**ROW, "model_served": "o3", "created_at": "2025-06-09T23:30:00-05:00"}
    new = jsonl(tmp_path / "new.jsonl", {**row, "charge": "0.0028"})
    assert audited(new, "openai").clean
    row["created_at"] = "2025-06-10T03:30:00+08:00"
    old = jsonl(tmp_path / "old.jsonl", {**row, "charge": "0.014"})
    assert audited(old, "openai").clean


def test_a_count_beyond_all_measure_is_refused_by_its_line(tmp_path: Path) -> None:
    path = tmp_path / "usage.csv"
    path.write_text(
        "created_at,charge,model_served,input_tokens,output_tokens\n"
        "2026-11-26T12:00:00Z,0.1,nex-pro,99999999999999999999999,1\n"
    )
    with pytest.raises(UsageError, match="is not a whole number"):
        audited(path)


def test_a_cell_may_go_over_lines_wherever_the_file_is_cut(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nexctl.usage.readers.blocks.cut.__defaults__", (700,))
    path = tmp_path / "usage.csv"
    with path.open("w", newline="") as stream:
        put = csv.writer(stream)
        put.writerow(NAMES)
        for row, _ in rows(Shape(200, "nextoken")):
            row["key_name"] = 'a "key"\nover\nlines, with more'
            cells = {**row, "labels": json.dumps(row["labels"])}
            cells["semantic_cache_hit"] = "true" if row["semantic_cache_hit"] else "false"
            put.writerow([cells.get(name) for name in NAMES])
    report = audited(path)
    assert (report.rows, report.clean) == (200, True)


@pytest.mark.parametrize(
    "text", ["{a}\n\n{b}\n{c}", "{over}\n{b}\n{c}", "{a}\n{b}\n\n{c}", "\n{a}\r\n{b}\n{c}"]
)
def test_a_finding_names_its_own_row_whatever_stands_between_the_rows(
    tmp_path: Path, text: str
) -> None:
    """As many line ends as rows: the last row lacks its own, another one makes up for it."""
    cells = "2026-11-26T12:00:00Z,nex-pro,1000,100,USD"
    made = {name: f"{cells},0.00014,{name}" for name in "ab"}
    lines = text.format(**made, c=f"{cells},0.00015,c", over=f'{cells},0.00014,"o\nver"')
    path = tmp_path / "usage.csv"
    head = "created_at,model_served,input_tokens,output_tokens,currency,charge,request_id\n"
    path.write_bytes((head + lines).encode())
    (finding,) = audited(path, "nextoken").findings
    assert (finding.row, finding.request_id, finding.billed) == (3, "c", 150_000_000)


@pytest.mark.parametrize("cell", ["WAHR", "1", "yes"])
def test_what_is_neither_true_nor_false_is_refused_by_its_line(tmp_path: Path, cell: str) -> None:
    """A hit costs a twentieth: billed in full, it must not pass for no hit."""
    path = tmp_path / "usage.csv"
    names = "created_at,model_served,input_tokens,output_tokens,charge,currency,semantic_cache_hit"
    line = "2026-11-26T12:00:00Z,nex-pro,1000,100,0.00014,USD"
    path.write_text(f"{names}\n{line},\n{line},FALSE\n")
    assert audited(path, "nextoken").clean
    path.write_text(f"{names}\n{line},\n{line},{cell}\n")
    with pytest.raises(UsageError, match=f"line 3: '{cell}' is neither true nor false"):
        audited(path, "nextoken")


def test_all_three_styles_of_a_csv_are_audited_alike(tmp_path: Path) -> None:
    from nexctl.usage.styles import STYLES

    for style in STYLES.values():
        path = tmp_path / f"{style.name}.csv"
        with path.open("w", newline="", encoding="utf-8-sig" if style.bom else "utf-8") as stream:
            put = csv.writer(stream, delimiter=style.delimiter)
            put.writerow(NAMES)
            for row, _ in rows(Shape(100, "nextoken", faults=("rate",), each=1)):
                cells = {**row, "labels": "{}"}
                cells["semantic_cache_hit"] = "true" if row["semantic_cache_hit"] else "false"
                for name in ("charge", "balance_delta", "balance_after"):
                    cells[name] = str(row[name]).replace(".", style.decimal)
                for name in ("request_id", "customer_id", "model_served", "model_requested"):
                    cells[name] = style.guarded(row[name])
                put.writerow([cells.get(name) for name in NAMES])
        report = audited(path)
        assert (report.rows, rules(report)) == (100, ["rate"]), style.name


def test_the_price_in_force_then_is_taken(tmp_path: Path) -> None:
    # o3 was 10 and 40 per million until 2025-06-10, and 2 and 8 since.
    def at(day: str, charge: str) -> dict[str, Any]:
        row = {"request_id": day, "created_at": f"{day}T12:00:00Z", "model_served": "o3"}
        return {**ROW, **row, "charge": charge}

    old, new = at("2025-06-01", "0.014"), at("2025-07-01", "0.0028")
    assert audited(jsonl(tmp_path / "a.jsonl", old, new), "openai").clean
    swapped = audited(
        jsonl(tmp_path / "b.jsonl", at("2025-06-01", "0.0028"), at("2025-07-01", "0.014")), "openai"
    )
    assert rules(swapped) == ["rate", "rate"]
    assert all("prices in force on" in one.explanation for one in swapped.findings)


def test_a_row_billed_twice_is_expected_at_nothing_whatever_else_it_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its other finding is taken back, also where that was only counted; not one that it has not.

    o3 was 10 and 40 per million until 2025-06-10 in UTC, whatever the day where the row was made.
    """
    dear = [
        {**ROW, "request_id": f"r{n}", "model_served": "o3", "charge": "0.00317"} for n in "123"
    ]
    right = {**ROW, "request_id": "r4", "model_served": "o3", "charge": "0.014"}
    right["created_at"] = "2025-06-10T03:30:00+08:00"
    drawn = {**dear[0], "balance_delta": "-1"}
    path = jsonl(tmp_path / "usage.jsonl", *dear, right, drawn, dear[2], right)
    for most in (2_000, 1):
        monkeypatch.setattr("nexctl.usage.audit.check.MOST_FINDINGS", most)
        report = audited(path, "openai")
        assert report.counts == {"rate": 3, "duplicate": 3, "balance": 1}
        (total,) = report.totals
        # 0.0028 three times, and 0.014.
        assert (total.billed, total.expected) == (43_850_000_000, 22_400_000_000)


def test_a_row_billed_twice_is_no_part_of_what_the_whole_file_reads_otherwise(
    tmp_path: Path,
) -> None:
    """NexRelay counts cached tokens beside input, this list counts them inside."""
    row = {**ROW, "model_served": "gpt-5.2", "currency": "credits", "price_book": "nexrelay"}
    row |= {"cached_input_tokens": 500, "charge": "650"}  # 500 + 100 + 50; the book: 1,150
    rows = [{**row, "request_id": f"r{n}"} for n in range(5)]
    report = audited(jsonl(tmp_path / "usage.jsonl", *rows, rows[2]))
    assert report.counts == {"reading": 1, "duplicate": 1}
    (total,) = report.totals
    assert (total.billed, total.expected) == (6 * 650 * 10**12, 5 * 1_150 * 10**12)
    assert report.findings[0].billed == 5 * 650 * 10**12


def test_a_row_billed_twice_is_no_part_of_a_drift(tmp_path: Path) -> None:
    dear = [{**ROW, "request_id": f"r{n}", "charge": "0.00017"} for n in range(14)]
    report = audited(jsonl(tmp_path / "usage.jsonl", *dear, dear[3]))
    assert report.counts == {"drift": 1, "duplicate": 1}
    drift, twice = report.findings
    assert (drift.billed, twice.billed) == (14 * 170_000_000, 170_000_000)
    assert report.totals[0].expected == 14 * 140_000_000


def test_before_the_first_price_it_is_assumed_and_said(tmp_path: Path) -> None:
    early = {**ROW, "request_id": "r0", "created_at": "2026-10-01T00:00:00Z"}
    report = audited(jsonl(tmp_path / "usage.jsonl", early, ROW))
    assert report.clean
    assert report.books[0]["price_assumed"] == 1
    assert any("price assumed" in said for said in report.says)


def test_a_routing_model_is_charged_by_its_own_row(tmp_path: Path) -> None:
    row = {**ROW, "model_requested": "nex-auto", "model_served": "nex-pro", "charge": "0.00042"}
    assert audited(jsonl(tmp_path / "usage.jsonl", row)).clean


def test_what_is_unknown_is_never_zero(tmp_path: Path) -> None:
    unknown = {**ROW, "model_served": "no-such-model"}
    silent = {**ROW, "input_tokens": None, "output_tokens": None}
    report = audited(jsonl(tmp_path / "usage.jsonl", unknown, silent))
    assert rules(report) == ["unpriced", "usage_missing"]
    assert [one.expected for one in report.findings] == [None, None]
    assert report.totals[0].unknown == report.totals[0].billed
    # A failed call that costs nothing needs no price.
    free = {**unknown, "status": "error", "charge": "0"}
    assert audited(jsonl(tmp_path / "usage.jsonl", free)).clean


def test_credits_are_compared_in_money_where_the_book_gives_their_value(tmp_path: Path) -> None:
    row = {
        **ROW,
        "model_served": "gpt-5.2",
        "input_tokens": 100_000,
        "cached_input_tokens": 50_000,
        "output_tokens": 20_000,
        "charge": "0.125",
        "price_book": None,
    }
    assert audited(jsonl(tmp_path / "usage.jsonl", row), "nexrelay").clean
    euros = audited(jsonl(tmp_path / "usage.jsonl", {**row, "currency": "EUR"}), "nexrelay")
    assert rules(euros) == ["unpriced"]


OTHER = {**ROW, "output_tokens": 200, "charge": "0.00018"}
OWN = {"customer_id": "cus_1"}


def test_a_request_id_billed_again_with_other_counts_is_told_and_not_accused(
    tmp_path: Path,
) -> None:
    rows = [{**row, **OWN} for row in (ROW, OTHER, ROW)]
    report = audited(jsonl(tmp_path / "c.jsonl", *rows))
    assert [(one.rule, one.severity, one.row, one.expected) for one in report.findings] == [
        ("duplicate", "warning", 2, None),
        ("duplicate", "error", 3, 0),
    ]
    assert report.findings[0].billed == 180_000_000
    assert "row 1" in report.findings[0].explanation
    # Both may be owed: nothing is taken off for what is only suspected.
    (total,) = report.totals
    assert (total.billed, total.expected, total.unknown) == (460_000_000, 320_000_000, 0)


@pytest.mark.parametrize(
    "rows",
    [
        pytest.param([ROW, {**OTHER, "customer_id": "somebody-else"}], id="another customer"),
        pytest.param(
            [
                {**ROW, "output_tokens": 0, "charge": "0.0001"},
                {**ROW, "input_tokens": 0, "charge": "0.00004"},
            ],
            id="a line for each meter",
        ),
        pytest.param([ROW, {**ROW, "charge": "-0.00014"}, OTHER], id="corrected"),
        pytest.param([{**ROW, "status": "error", "charge": "0"}, OTHER], id="tried again"),
        pytest.param([{**ROW, "requests": 7}, {**OTHER, "requests": 2}], id="sums of requests"),
        pytest.param([ROW, {**OTHER, "endpoint": "/v1/responses"}], id="another endpoint"),
        pytest.param(
            [
                {**ROW, "batch_id": "b1", "charge": "0.000098"},
                {**OTHER, "batch_id": "b1", "charge": "0.000126"},
            ],
            id="lines of a batch",
        ),
    ],
)
def test_rows_of_one_request_id_that_may_stand_together_are_no_finding(
    tmp_path: Path, rows: list[dict[str, Any]]
) -> None:
    rows = [{**OWN, **row} for row in rows]
    assert audited(jsonl(tmp_path / "a.jsonl", *rows)).clean


def test_ids_that_repeat_in_a_list_without_customers_may_be_of_two(tmp_path: Path) -> None:
    assert audited(jsonl(tmp_path / "a.jsonl", ROW, OTHER)).clean


def test_a_duplicate_is_told_instead_of_what_else_is_in_the_row(tmp_path: Path) -> None:
    dear = {**ROW, "charge": "0.00099"}
    report = audited(jsonl(tmp_path / "usage.jsonl", dear, dear))
    assert rules(report) == ["rate", "duplicate"]
    assert report.totals[0].expected == 140_000_000


def test_only_the_lines_of_one_batch(tmp_path: Path) -> None:
    line = {**ROW, "batch_id": "b1", "charge": "0.000098", "balance_delta": "-0.000098"}
    odd = {**line, "request_id": "r2", "charge": "0.00014", "balance_delta": "-0.00014"}
    report = audited(jsonl(tmp_path / "usage.jsonl", ROW, line, odd), batch_id="b1")
    assert (report.rows, rules(report)) == (2, ["multiplier"])
    assert report.batch is not None
    assert (report.batch["billed"], report.batch["debited"]) == ("0.000238", "0.000238")


def test_an_empty_list_is_clean(tmp_path: Path) -> None:
    path = tmp_path / "usage.csv"
    path.write_text(",".join(NAMES) + "\r\n")
    report = audited(path)
    assert (report.rows, report.clean, report.totals) == (0, True, ())


def test_an_export_without_a_line_is_clean_where_its_manifest_says_what_it_is(
    tmp_path: Path,
) -> None:
    """JSONL has no header: an empty file tells nothing by itself."""
    path = tmp_path / "usage.jsonl"
    path.write_bytes(b"")
    with pytest.raises(UsageError, match="no export"):
        audited(path)
    beside = tmp_path / "usage.jsonl.manifest.json"
    beside.write_text(json.dumps({"schema": 1, "format": "jsonl", "unfiltered": True}))
    assert (audited(path).rows, audited(path).clean) == (0, True)


def agreed(charge: str, multiplier: str | None, tier: str = "enterprise") -> dict[str, Any]:
    return {**ROW, "tier": tier, "charge": charge, "multiplier": multiplier}


def test_an_agreed_tier_is_priced_by_the_percent_that_its_line_tells(tmp_path: Path) -> None:
    """The book says "negotiated": the multiplier has the percent, in a batch with the batch's."""
    path = tmp_path / "usage.jsonl"
    batch = {**agreed("0.0000882", "0.63"), "batch_id": "b1", "request_id": "r3"}
    jsonl(path, agreed("0.000126", "0.9"), {**agreed("0.0001365", None), "request_id": "r2"}, batch)
    report = audited(path)
    assert (report.findings, report.matched) == ((), 3)
    assert [says for says in report.says if "tier enterprise" in says] == [
        "2 rows at tier enterprise: the 10 % off are an agreement's, which no book tells; they are "
        "taken from the records' multiplier"
    ]


@pytest.mark.parametrize(
    ("charge", "multiplier"),
    [("0.000127", "0.9"), ("0.000126", "0.95"), ("0.00028", "2"), ("0.000126", "0")],
)
def test_an_agreed_tier_excuses_no_other_charge(
    tmp_path: Path, charge: str, multiplier: str
) -> None:
    report = audited(jsonl(tmp_path / "usage.jsonl", agreed(charge, multiplier)))
    assert len(report.findings) == 1
    assert report.findings[0].billed != report.findings[0].expected


def test_on_the_day_of_a_change_the_version_that_a_row_names_counts(tmp_path: Path) -> None:
    """And on no other day: a name is no way to be billed by prices that are over."""
    from nexctl.pricing import books
    from nexctl.usage.audit.prices import Shelf

    shipped = (Path(books.__file__).parent / "books" / "nextoken.toml").read_text()
    dated = shipped.replace(
        "retrieved = 2026-11-20", "valid_from = 2026-12-05\nretrieved = 2026-12-05", 1
    )
    assert dated != shipped
    folder = tmp_path / "books"
    folder.mkdir()
    (folder / "nextoken.toml").write_text(dated)
    shelf = Shelf(None, folder=str(folder))
    old, new = "nextoken@2026-11-20", "nextoken@2026-12-05"

    def priced(day: str, label: str | None) -> str:
        return shelf.at("nextoken", day, label)[0].version

    assert priced("2026-12-05", old) == old
    assert priced("2026-12-05", new) == new
    assert priced("2026-12-05", None) == new
    assert priced("2026-12-06", old) == new, "it was over by then"
    assert priced("2026-12-04", old) == old, "kept though the newest hides what is shipped"
    assert priced("2026-12-05", "nextoken@2020-01-01") == new, "nobody knows that version"
    assert Shelf("nextoken", folder=str(folder)).at("nextoken", "2026-12-05", old)[0].version == new


def test_of_two_versions_of_one_day_the_one_that_a_row_names_counts(tmp_path: Path) -> None:
    from nexctl.pricing import books
    from nexctl.usage.audit.prices import Shelf

    shipped = (Path(books.__file__).parent / "books" / "nextoken.toml").read_text()
    named = [f"nextoken@2026-12-05T{clock}Z" for clock in ("09:00:00", "14:03:05")]
    for name in named:
        start = f"valid_from = {name.partition('@')[2]}\nretrieved = 2026-12-05"
        dated = shipped.replace("retrieved = 2026-11-20", start, 1)
        (tmp_path / f"{name.replace(':', '')}.toml").write_text(dated)
    shelf = Shelf(None, folder=str(tmp_path))
    for name in named:
        assert shelf.at("nextoken", "2026-12-05", name)[0].version == name
        assert shelf.at("nextoken", "2026-12-06", name)[0].version == named[1]
