"""What an export wrote is read back as it was: every style, every awkward text."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from nexctl.errors import UsageError
from nexctl.usage.columns import NAMES
from nexctl.usage.reading import Row, open_export, rows
from nexctl.usage.styles import STYLES

CELLS = st.text(st.sampled_from("'=+-@\t\r\n 0123456789eE.,;:/%abc\"é😀＝\u200b"), max_size=12)


@pytest.mark.parametrize("style", STYLES.values(), ids=lambda style: style.name)
@given(cell=CELLS)
@example(cell="'123")
@example(cell="''1e5")
@example(cell="=HYPERLINK(1)")
@example(cell="2026-10-01")
def test_the_guard_of_a_style_is_undone_exactly(style, cell: str) -> None:
    assert style.unguarded(style.guarded(cell)) == cell


@pytest.mark.parametrize("style", ["excel", "excel-de"])
@pytest.mark.parametrize("cell", ["123456789012345678", "1E5", "2026-10-01", "12,50", "-3"])
def test_excel_gets_no_text_that_it_would_turn_into_a_number(style: str, cell: str) -> None:
    assert STYLES[style].guarded(cell) == "'" + cell


def test_a_row_has_the_columns_of_an_export() -> None:
    assert Row.__struct_fields__ == NAMES


def test_a_file_that_lacks_columns_is_read_and_they_are_unknown(tmp_path: Path) -> None:
    file = tmp_path / "some.csv"
    file.write_text("request_id,extra,charge\r\n'=1+1,x,-12.50\r\n,y,\r\n")
    first, second = rows(str(file))
    assert (first.request_id, first.charge, first.sequence) == ("=1+1", "-12.50", None)
    assert (second.request_id, second.charge) == (None, None)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a,b\n1,2\n", "names none of its columns"),
        ("", "names none of its columns"),
        ("request_id,sequence\nx,one\n", "line 2: 'one' is not a whole number"),
        ("request_id,sequence\nx\n", "line 2: it has 1 cells, not 2"),
        ('request_id,sequence\n"x,1\n', "unexpected end of data"),
        ('{"request_id": 5}\n', "line 1"),
        ('{"request_id": "x"\n', "line 1"),
    ],
)
def test_what_is_no_export_is_refused_with_its_place(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "bad.csv"
    file.write_text(text)
    with pytest.raises(UsageError, match=said) as found:
        list(rows(str(file)))
    assert found.value.exit == 2


def test_a_missing_file_is_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="No such file"):
        open_export(str(tmp_path / "none.csv"))


@pytest.mark.parametrize(
    ("counts", "charge", "read"),
    [
        ("1000::double", "0.00000000015::double", (1000, "0.00000000015")),
        ("1000", "12.50::decimal(38, 12)", (1000, "12.5")),
        ("NULL::double", "20::double", (None, "20")),
        ("10.5::double", "1::double", "line 1: '10.5' is not a whole number"),
    ],
)
def test_a_parquet_of_another_program_is_read_or_refused(
    tmp_path: Path, counts: str, charge: str, read: tuple[int | None, str] | str
) -> None:
    """Tables hold counts as doubles where some are missing, and small amounts with an exponent."""
    duckdb = pytest.importorskip("duckdb")
    file = str(tmp_path / "u.parquet")
    duckdb.sql(f"SELECT {counts} AS input_tokens, {charge} AS charge").write_parquet(file)
    if isinstance(read, str):
        with pytest.raises(UsageError, match=read):
            list(rows(file))
    else:
        (row,) = rows(file)
        assert (row.input_tokens, row.charge) == read
