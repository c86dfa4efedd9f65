"""What gives way where a terminal is too narrow for a table, and what never does."""

from __future__ import annotations

import pytest

from nexctl.cli.render import Column, Screen, Table
from nexctl.cli.tables import display_width, minute, wrapped

ID = "bud_d04ycm26n0m1hw9eyjkkdhx9"
COLUMNS = (
    Column("name"),
    Column("amount", right=True),
    Column("resets_at", "RESETS"),
    Column("models"),
    Column("note", spare=1),
    Column("scope_id"),
    Column("id", spare=2),
)
ROWS = [
    ("a name that is rather long", "0.00438152", "2026-12-01T00:00:00Z", None, "short", ID, ID),
    ("b", "19.99561848", "2026-12-01T00:00:00.123456Z", None, None, ID, ID),
]


def drawn(width: int, columns: object = COLUMNS, rows: object = ROWS, **how: bool) -> list[str]:
    screen = Screen(width=width, color=False, terminal=how.pop("terminal", True), **how)
    screen.table(Table(columns, rows))  # type: ignore[arg-type]
    return screen.text().splitlines()


def test_where_there_is_room_nothing_gives_way() -> None:
    lines = drawn(200)
    assert lines[0].split() == ["NAME", "AMOUNT", "RESETS", "MODELS", "NOTE", "SCOPE", "ID", "ID"]
    assert "2026-12-01T00:00:00.123456Z" in lines[2]
    assert len(lines) == 3


def test_in_a_pipe_nothing_is_cut_however_wide_it_is() -> None:
    assert drawn(20, terminal=False) == drawn(200, terminal=False)


def test_first_seconds_go_then_what_is_unknown_then_what_is_spare() -> None:
    lines = drawn(100)
    assert "RESETS             NOTE   ID" in lines[0], "models knew nothing, scope_id is most spare"
    assert "2026-12-01 00:00Z" in lines[1]
    assert lines[-1].startswith("left out here: scope id (")
    narrow = drawn(70)
    assert narrow[0].split() == ["NAME", "AMOUNT", "RESETS", "NOTE"]
    assert "left out here: scope id, id (" in narrow[3]


@pytest.mark.parametrize("width", range(40, 130, 3))
def test_it_fits_and_numbers_times_and_ids_are_never_cut(width: int) -> None:
    lines = drawn(width)
    assert max(map(display_width, lines)) <= width
    text = "\n".join(lines)
    assert "0.00438152" in text
    assert "19.99561848" in text
    for line in lines:
        for word in line.split():
            assert not word.startswith("bud_") or word == ID


def test_a_table_without_spare_columns_loses_them_from_the_right_and_says_so() -> None:
    columns = [f"column{i}" for i in range(9)]
    lines = drawn(60, columns, [[f"{i}" * 12 for i in range(9)]])
    assert max(map(len, lines)) <= 60
    assert lines[1].startswith("000000000000  111111111111")
    said = " ".join(lines[2:])
    assert "column4" in said or "column5" in said
    assert "column8" in said


def test_a_last_text_without_heading_goes_on_below_itself() -> None:
    rows = [("spendable", "bound by the wallet and by a few other words that are long")]
    lines = drawn(40, (Column("", ""), Column("", "")), rows)
    assert lines == [
        "spendable  bound by the wallet and by a",
        "           few other words that are long",
    ]


def test_sentences_in_a_last_column_go_on_below_themselves_too() -> None:
    rows = [("chain", "each entry's hash follows from the one before, without a gap")]
    lines = drawn(44, ("check", "proves"), rows)
    assert lines[0] == "CHECK  PROVES"
    assert len(lines) > 2
    assert " ".join(" ".join(lines[1:]).split()) == "chain " + rows[0][1]


def test_a_long_line_breaks_at_blanks_on_a_terminal_only() -> None:
    words = "nextoken · price book nextoken@2026-11-20 · profile local · customer me"
    for terminal, lines in ((True, 2), (False, 1)):
        screen = Screen(width=60, color=True, terminal=terminal)
        screen.line("  ", (words, "bold"), " end")
        text = screen.text()
        assert text.count("\n") == lines
        assert "\n    \x1b[1m" in text or not terminal, "indented below its beginning, still bold"
        plain = text.replace("\x1b[1m", "").replace("\x1b[0m", "")
        assert " ".join(plain.split()) == f"{words} end"


def test_a_word_that_is_too_long_stays_whole() -> None:
    assert wrapped("see /a/very/long/path now", 8) == ["see", "/a/very/long/path", "now"]
    assert wrapped("", 8) == []


def test_only_times_lose_their_seconds() -> None:
    assert minute("2026-11-26T19:57:31.577506Z") == "2026-11-26 19:57Z"
    assert minute("2026-11-26 19:57:31") == "2026-11-26 19:57"
    for other in ("2026-11-26", "a text of twenty: or more", "2026-11-26T19:57:31+02:00", ""):
        assert minute(other) == other


def test_read_aloud_a_row_is_a_sentence() -> None:
    lines = drawn(60, plain=True)
    assert lines[0].startswith("name a name that is rather long, amount 0.00438152, resets")
    joined = " ".join(line.strip() for line in lines)
    assert f"models unknown, note short, scope id {ID}, id {ID}" in joined
    assert drawn(60, (Column("", ""), Column("", "")), [("balance", "$1")], plain=True) == [
        "balance $1"
    ]


def test_a_gauge_shows_its_whole_length() -> None:
    screen = Screen(width=80, color=False, terminal=True)
    assert "".join(screen.gauge(43, 100, 10)) == "████▎·····"
    assert "".join(screen.gauge(0, 100, 4)) == "····"
    assert "".join(screen.gauge(200, 100, 4)) == "████", "over is full"
    ascii_only = Screen(width=80, color=False, terminal=True, unicode=False)
    assert "".join(ascii_only.gauge(43, 100, 10)) == "####......"
