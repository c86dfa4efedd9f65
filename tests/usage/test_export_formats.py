"""Every format read back by somebody else's reader has the same sums and the same names."""

from __future__ import annotations

import csv
import json
import shutil
import subprocess
import sys
import zipfile
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from nexctl.errors import UsageError
from nexctl.usage.columns import NAMES
from nexctl.usage.export import converted
from nexctl.usage.export.focus import FOCUS
from nexctl.usage.export.run import to_file
from nexctl.usage.export.window import zone_of
from nexctl.usage.reading import open_export
from nexctl.usage.styles import STYLES
from tests.usage.export_kit import NASTY, Recorded, ask, book_of

TOTAL = sum(Decimal(record["charge"]) for record in book_of().records)
KEYS = [record["key_name"] for record in book_of().records]


def made(folder: Path, name: str, **more: Any) -> Path:
    target = folder / name
    to_file(ask(**more), Recorded(book_of()), str(target))
    return target


def table(path: Path, style: str) -> list[dict[str, str]]:
    with path.open(encoding="utf-8-sig", newline="") as stream:
        return list(csv.DictReader(stream, delimiter=STYLES[style].delimiter))


@pytest.mark.parametrize("style", list(STYLES))
def test_csv_by_the_standard_library(tmp_path: Path, style: str) -> None:
    found = table(made(tmp_path, "u.csv", style=style), style)
    comma = STYLES[style].decimal
    assert sum(Decimal(row["charge"].replace(comma, ".")) for row in found) == TOTAL
    names = [row["key_name"] for row in found]
    assert [STYLES[style].unguarded(name) for name in names] == KEYS
    # Nothing that a spreadsheet runs begins a cell of text; numbers are never guarded.
    for row in found:
        assert not row["key_name"].startswith(tuple("=+-@\t\r\n"))
        assert not row["project"].startswith(tuple("=+-@\t\r\n"))
    assert any(row["charge"] == f"-12{comma}50" for row in found)
    assert any(row["balance_delta"] == f"12{comma}5" for row in found)


@pytest.mark.parametrize(
    ("kind", "style"), [*(("csv", s) for s in STYLES), ("jsonl", "rfc4180"), ("parquet", "rfc4180")]
)
def test_our_own_reader_undoes_everything(tmp_path: Path, style: str, kind: str) -> None:
    if kind == "parquet":
        pytest.importorskip("duckdb")
    path = made(tmp_path, f"u.{kind}", kind=kind, style=style)
    export = open_export(str(path))
    assert (export.kind, export.columns) == (kind, NAMES)
    assert export.manifest is not None
    found = list(export.rows())
    assert [row.key_name for row in found] == KEYS
    assert sum(Decimal(row.charge or "") for row in found) == TOTAL
    records = book_of().records
    for row, record in zip(found, records, strict=True):
        for name in NAMES:
            value = record.get(name)
            if name in ("charge", "balance_delta") and kind == "parquet":
                assert Decimal(getattr(row, name)) == Decimal(value)
            else:
                assert getattr(row, name) == value, name


def test_duckdb_reads_csv_jsonl_and_parquet(tmp_path: Path) -> None:
    duckdb = pytest.importorskip("duckdb")
    sources = {
        "csv": "read_csv('{}', all_varchar=true)",
        "jsonl": "read_json('{}', columns={{charge: 'VARCHAR', key_name: 'VARCHAR'}})",
        "parquet": "read_parquet('{}')",
    }
    for kind, source in sources.items():
        path = made(tmp_path, f"u.{kind}", kind=kind)
        ((total, count),) = duckdb.sql(
            f"SELECT sum(CAST(charge AS DECIMAL(38,12))), count(*) FROM {source.format(path)}"
        ).fetchall()
        assert (total, count) == (TOTAL, len(KEYS)), kind
    names = duckdb.sql(f"SELECT key_name FROM '{tmp_path}/u.parquet'").fetchall()
    assert [name for (name,) in names] == KEYS
    kinds = dict(
        duckdb.sql(f"SELECT name, type FROM parquet_schema('{tmp_path}/u.parquet')").fetchall()
    )
    # 38 digits: decimal128.
    assert kinds["charge"] == "FIXED_LEN_BYTE_ARRAY"


def test_polars_reads_csv_jsonl_and_parquet(tmp_path: Path) -> None:
    polars = pytest.importorskip("polars", reason="polars is not installed")
    pytest.importorskip("duckdb")
    text = dict.fromkeys(NAMES, polars.String)
    found = polars.read_csv(made(tmp_path, "u.csv"), schema_overrides=text)
    assert sum(map(Decimal, found["charge"])) == TOTAL
    found = polars.read_ndjson(made(tmp_path, "u.jsonl", kind="jsonl"), infer_schema_length=None)
    assert sum(map(Decimal, found["charge"])) == TOTAL
    assert list(found["key_name"]) == KEYS
    found = polars.read_parquet(made(tmp_path, "u.parquet", kind="parquet"))
    assert found["charge"].sum() == TOTAL
    assert list(found["key_name"]) == KEYS


def sheet_cells(path: Path) -> str:
    with zipfile.ZipFile(path) as book:
        return book.read("xl/worksheets/sheet1.xml").decode()


def test_xlsx_has_no_formula_and_its_refunds_are_numbers(tmp_path: Path) -> None:
    pytest.importorskip("xlsxwriter")
    cells = sheet_cells(made(tmp_path, "u.xlsx", kind="xlsx"))
    assert "<f>" not in cells
    assert "<v>-12.50</v>" in cells
    assert "HYPERLINK" in cells
    assert "123456789012345678" in cells


def test_an_amount_of_more_digits_than_a_cell_holds_is_text_in_xlsx(tmp_path: Path) -> None:
    pytest.importorskip("xlsxwriter")
    book = book_of(3)
    book.entry("topup", "123456789", "2026-10-03T00:00:00Z")
    book.use("0.000000001")
    target = tmp_path / "u.xlsx"
    to_file(ask(kind="xlsx"), Recorded(book), str(target))
    assert f"<t>{book.records[-1]['balance_after']}</t>" in sheet_cells(target)


def test_more_records_than_xlsx_holds_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("xlsxwriter")
    monkeypatch.setattr(converted, "XLSX_ROWS", 10)
    with pytest.raises(UsageError, match="XLSX holds 10 records"):
        made(tmp_path, "u.xlsx", kind="xlsx")
    assert not (tmp_path / "u.xlsx").exists()


def test_focus_rows_add_up_to_each_request_and_to_the_total(tmp_path: Path) -> None:
    found = table(made(tmp_path, "u.focus.csv", kind="focus"), "rfc4180")
    assert tuple(found[0]) == FOCUS
    assert sum(Decimal(row["EffectiveCost"]) for row in found) == TOTAL
    by_request: dict[str, Decimal] = {}
    for row in found:
        number = row["x_Sequence"]
        by_request[number] = by_request.get(number, Decimal(0)) + Decimal(row["EffectiveCost"])
        assert row["ChargeCategory"] == "Usage"
        assert row["BilledCost"] == "0"
        assert row["ChargePeriodStart"] < row["ChargePeriodEnd"]
        assert (row["BillingPeriodStart"], row["BillingPeriodEnd"]) == (
            "2026-10-01T00:00:00Z", "2026-11-01T00:00:00Z",
        )  # fmt: skip
        assert "E" not in row["PricingQuantity"]
    for record in book_of().records:
        assert by_request[str(record["sequence"])] == Decimal(record["charge"])


def test_focus_has_a_row_for_each_meter_where_the_rates_explain_the_charge(tmp_path: Path) -> None:
    book = book_of(1)
    # 830 input at 0.10 and 100 output at 0.40 per million.
    book.use("0.000123")
    target = tmp_path / "u.csv"
    to_file(ask(kind="focus"), Recorded(book), str(target))
    rows = [row for row in table(target, "rfc4180") if row["x_Sequence"] == "3"]
    told = [(r["SkuMeter"], r["ConsumedQuantity"], r["EffectiveCost"]) for r in rows]
    assert told == [("input", "830", "0.000083"), ("output", "100", "0.00004")]
    assert rows[0]["ListUnitPrice"] == "0.1"


def test_focus_tells_credits_in_money_and_as_they_are(tmp_path: Path) -> None:
    """1,000,000 credits of nexrelay are 1 USD."""
    book = book_of(0)
    rates = {"input": {"price": "1", "per": 1, "factor": "1"}}
    rates["output"] = rates["input"]
    book.use("930", currency="credits", price_book="nexrelay@2026-11-20", rates=rates)
    book.use("930", currency="tokens", price_book="nobodys@2026-11-20", rates=rates)
    target = tmp_path / "u.csv"
    to_file(ask(kind="focus"), Recorded(book), str(target))
    told = [
        (
            row["BillingCurrency"],
            row["EffectiveCost"],
            row["ListUnitPrice"],
            row["PricingCurrency"],
            row["PricingCurrencyEffectiveCost"],
            row["PricingCurrencyListUnitPrice"],
        )
        for row in table(target, "rfc4180")
        if row["x_Meter"] == "input"
    ]
    assert told == [
        ("USD", "0.00083", "0.000001", "credits", "830", "1"),
        # What a credit is worth where nobody tells it is not made up.
        ("tokens", "830", "1", "tokens", "830", "1"),
    ]


def test_local_time_stands_beside_utc_and_no_hour_comes_twice(tmp_path: Path) -> None:
    book = book_of(0)
    book.use(at="2026-10-25T00:30:00Z")
    book.use(at="2026-10-25T01:30:00.25Z")
    zone = zone_of("Europe/Berlin")
    for kind in ("csv", "jsonl"):
        target = tmp_path / f"u.{kind}"
        manifest = to_file(ask(kind=kind, zone=zone), Recorded(book), str(target))
        assert manifest["timezone"] == "Europe/Berlin"
        rows = (
            table(target, "rfc4180")
            if kind == "csv"
            else [json.loads(line) for line in target.read_text().splitlines()]
        )
        assert [row["created_at_local"] for row in rows] == [
            "2026-10-25T02:30:00+02:00",
            "2026-10-25T02:30:00.25+01:00",
        ]
        assert rows[0]["created_at"] == "2026-10-25T00:30:00Z"
        assert len(list(open_export(str(target)).rows())) == 2


def test_a_zone_that_nobody_knows_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match="is not known here"):
        zone_of("Mars/Olympus")


WITHOUT = """
import sys
sys.modules[{module!r}] = None
from nexctl.errors import MissingExtra
from nexctl.usage.export import converted
try:
    converted.require({kind!r})
except (MissingExtra, ValueError) as error:
    print(type(error).__name__, getattr(error, "hint", ""))
"""


@pytest.mark.parametrize(("kind", "module"), [("parquet", "duckdb"), ("xlsx", "xlsxwriter")])
def test_a_missing_extra_is_one_line_before_the_first_page(kind: str, module: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT.format(kind=kind, module=module)],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout == "MissingExtra pip install 'nexctl[analytics]'\n"


@pytest.mark.slow
@pytest.mark.parametrize("name", ["u.csv", "u.xlsx"])
def test_libreoffice_reads_the_same_sums(tmp_path: Path, name: str) -> None:
    office = shutil.which("soffice") or shutil.which("libreoffice")
    if office is None:
        pytest.skip("LibreOffice is not installed")
    path = made(tmp_path, name, kind=name[2:])
    out = tmp_path / "out"
    subprocess.run(
        [office, "--headless", f"-env:UserInstallation=file://{tmp_path}/profile", "--convert-to",
         "csv:Text - txt - csv (StarCalc):44,34,76,1,,0,false,true,false", "--outdir", out, path],
        check=True, capture_output=True, timeout=180,
    )  # fmt: skip
    with (out / "u.csv").open(encoding="utf-8", newline="") as stream:
        found = list(csv.DictReader(stream))
    assert sum(Decimal(row["charge"]) for row in found) == TOTAL
    assert any("HYPERLINK" in row["key_name"] for row in found)


def test_awkward_names_are_all_there() -> None:
    assert set(NASTY) <= set(KEYS)
