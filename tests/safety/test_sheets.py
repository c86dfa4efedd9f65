"""A sheet that leaves holds no formula that nobody wrote, and can be read back to the letter."""

from __future__ import annotations

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nexctl.safety.sheets import (
    csv_row,
    guard,
    is_number,
    tsv_row,
    unguard,
)

cells = st.text(st.sampled_from("'=+-@\t\r\n ＝＋－＠\ufeff\u200b\xa0a1.,;\"\\\x00")) | st.text()


@given(cells)
def test_unguard_undoes_guard(cell: str) -> None:
    assert unguard(guard(cell)) == cell
    assert unguard(guard(guard(cell))) == guard(cell)


@given(cells)
def test_no_guarded_text_begins_like_a_formula(cell: str) -> None:
    written = guard(cell)
    first = written.lstrip(" \xa0\ufeff\u200b\x00\t\r\n")[:1]
    assert is_number(written) or first not in set("=+-@＝＋－＠")


@pytest.mark.parametrize(
    "formula",
    [
        "=1+1",
        "+1",
        "-cmd",
        "@SUM(A1)",
        "\t=1",
        "\r=1",
        "\n=1",
        "＝1",
        "－1",
        " =1",
        "\ufeff=1",
        "-1+2",
        "--1",
        "-1e5",
        "+15551234",
        "-١",
        "'=1",
    ],
)
def test_a_formula_gets_a_quote(formula: str) -> None:
    assert guard(formula) == "'" + formula


@pytest.mark.parametrize(
    "cell", ["-5", "-0.25", "0", "12.50", "", "a=b", "'quoted'", "it's", "x-1"]
)
def test_numbers_and_harmless_text_stay_as_they_are(cell: str) -> None:
    assert guard(cell) == cell
    assert unguard(cell) == cell


@pytest.mark.parametrize(
    "cell", ["", "-", "1.", ".5", "1.2.3", "1_000", "٣", "1e3", "NaN", "--1", "1 "]
)
def test_what_is_not_a_plain_number_is_text(cell: str) -> None:
    assert not is_number(cell)


def test_csv_follows_rfc_4180() -> None:
    rows = (["name", "charge"], ["a,b", "-0.5"], ['say "hi"', None], ["two\nlines", True], [7])
    assert "".join(map(csv_row, rows)) == (
        'name,charge\r\n"a,b",-0.5\r\n"say ""hi""",\r\n"two\nlines",true\r\n7\r\n'
    )


@given(st.lists(st.lists(st.text(st.characters(exclude_categories=("Cc", "Cs"))), min_size=1)))
def test_a_csv_reader_gets_every_cell_back(rows: list[list[str]]) -> None:
    text = "".join(map(csv_row, rows))
    read = csv.reader(io.StringIO(text, newline=""), strict=True)
    assert [[unguard(c) for c in row] for row in read] == rows


def test_a_semicolon_cell_is_quoted_so_that_no_locale_splits_it() -> None:
    assert csv_row(["a;=1", "b"]) == '"a;=1",b\r\n'
    assert csv_row(["a", "b,c"], delimiter=";") == 'a;"b,c"\r\n'


def test_an_escape_sequence_in_a_cell_cannot_steer_the_terminal() -> None:
    assert csv_row(["\x1b[31m\x9b\udcff"]) == "\ufffd[31m\ufffd\ufffd\r\n"
    assert tsv_row(["\x1b[31m\x9b\udcff"]) == "\\x1b[31m\\x9b\ufffd\n"


def untsv(line: str) -> list[str]:
    """Read a line of TSV back, as the writer's docstring says it is written."""

    def cell(text: str) -> str:
        out, rest = [], iter(text)
        for c in rest:
            if c != "\\":
                out.append(c)
                continue
            kind = next(rest)
            if kind == "x":
                out.append(chr(int(next(rest) + next(rest), 16)))
            else:
                out.append({"t": "\t", "n": "\n", "r": "\r", "\\": "\\"}[kind])
        return unguard("".join(out))

    assert line.endswith("\n")
    return [cell(c) for c in line[:-1].split("\t")]


@given(st.lists(cells | st.text("\\tnrx0\t\n\x1b"), min_size=1))
def test_a_tsv_line_is_one_line_and_reads_back(row: list[str]) -> None:
    line = tsv_row(row)
    assert line.count("\n") == 1
    assert untsv(line) == row


def test_tsv_numbers_and_unknowns() -> None:
    rows = (["a", "b"], [None, 3], [False, "-1.5"])
    assert "".join(map(tsv_row, rows)) == "a\tb\n\t3\nfalse\t-1.5\n"
