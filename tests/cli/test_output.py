"""One result, every format: the envelope, sheets, tables, and what is colour and what is not."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

import pytest

from nexctl.cli.context import App
from nexctl.cli.render import (
    Column,
    Screen,
    Table,
    View,
    display_width,
    emit,
    error_json,
    json_text,
)
from nexctl.errors import NexctlError, UsageError

ROWS = [
    ("nex-pro", 1200, "0.000144", None),
    ('odd "name", with\ncomma', 7, "-0.5", True),
    ("=cmd()", 0, "0", False),
]
TABLE = Table(("model", Column("tokens", right=True), Column("charge", right=True), "exact"), ROWS)
VIEW = View(
    [{"model": m, "tokens": t, "charge": c, "exact": e} for m, t, c, e in ROWS],
    table=TABLE,
    names=[row[0] for row in ROWS],
)


def shown(view: View, kind: str | None = None, **double: Any) -> str:
    app = App.double(environ=double.pop("env", {"HOME": "/nonexistent"}), **double)
    app.output = kind
    emit(app, view)
    return app.out.getvalue()  # type: ignore[union-attr]


def test_json_is_one_document_with_a_schema() -> None:
    document = json.loads(shown(VIEW, "json"))
    assert set(document) == {"schema", "data"}
    assert document["schema"] == 1
    assert document["data"][0] == {
        "model": "nex-pro",
        "tokens": 1200,
        "charge": "0.000144",
        "exact": None,
    }


def test_an_empty_list_is_an_empty_array() -> None:
    assert json.loads(shown(View([], table=Table(("a",), [])), "json"))["data"] == []
    assert shown(View([], table=Table(("a",), [])), "jsonl") == ""
    assert shown(View([], table=Table(("a",), []))) == ""


@pytest.mark.parametrize("plain", ["", "1"])
def test_an_empty_list_on_a_terminal_is_said_in_words(plain: str) -> None:
    empty = View([], table=Table(("a",), iter(())))
    environ = {"HOME": "/nonexistent", "NEXCTL_PLAIN": plain}
    app = App.double(environ=environ, tty=True)
    app.command = "nexctl keys list"
    emit(app, empty)
    assert app.out.getvalue() == ""  # type: ignore[union-attr]
    assert app.err.getvalue() == "nexctl keys list: nothing to show\n"  # type: ignore[union-attr]
    app = App.double(environ=environ)
    app.output = "table"
    emit(app, empty)
    assert app.err.getvalue() == ""  # type: ignore[union-attr]


def test_jsonl_is_a_record_a_line_without_an_envelope() -> None:
    lines = shown(VIEW, "jsonl").splitlines()
    assert [json.loads(line)["model"] for line in lines] == [row[0] for row in ROWS]


def test_csv_is_read_back_by_any_reader() -> None:
    rows = list(csv.reader(io.StringIO(shown(VIEW, "csv"), newline="")))
    assert rows[0] == ["model", "tokens", "charge", "exact"]
    assert rows[1] == ["nex-pro", "1200", "0.000144", ""]
    assert rows[2] == ['odd "name", with\ncomma', "7", "-0.5", "true"]
    assert "\r\n" in shown(VIEW, "csv")


def test_a_formula_is_guarded_in_sheets_and_a_number_is_not() -> None:
    assert "'=cmd()" in shown(VIEW, "csv")
    assert "'=cmd()" in shown(VIEW, "tsv")
    assert "'-0.5" not in shown(VIEW, "csv")
    assert "'=cmd()" not in shown(VIEW, "json")


def test_a_list_in_a_pipe_is_tsv_without_header_and_in_full() -> None:
    long = "m" * 300
    lines = shown(View([], table=Table(("model", "n"), [(long, 1), ("b\tc", None)]))).split("\n")
    assert lines == [f"{long}\t1", "b\\tc\t", ""]
    asked = shown(View([], table=Table(("model", "n"), [(long, 1)])), "tsv")
    assert asked.startswith("model\tn\n"), "asked for, it has its header"


def test_a_list_on_a_terminal_is_a_table_that_fits(monkeypatch: pytest.MonkeyPatch) -> None:
    env = {"COLUMNS": "40", "HOME": "/nonexistent", "NO_COLOR": "1"}
    text = shown(
        View([], table=Table(("model", Column("n", right=True)), [("m" * 300, 12345)])),
        tty=True,
        env=env,
    )
    assert max(len(line) for line in text.splitlines()) <= 40
    assert text.splitlines()[0].startswith("MODEL")
    assert "…" in text
    assert "12345" in text, "numbers are never cut"


def test_columns_line_up_under_wide_characters() -> None:
    rows = [("模型", "1"), ("ab", "22")]
    lines = shown(View([], table=Table(("m", Column("n", right=True)), rows)), "table").splitlines()
    assert len({display_width(line) for line in lines}) == 1


def test_names_are_one_a_line_and_a_result_without_any_says_so() -> None:
    assert shown(View([], names=["a", "b"]), "name") == "a\nb\n"
    with pytest.raises(UsageError, match="no ids"):
        shown(View([]), "name")


def report(screen: Screen) -> None:
    screen.line(("NexToken", "bold"), "  ", ("free", "dim green"))
    screen.table(Table(("a", Column("b", right=True)), [("x", "1")]))


def test_a_report_has_the_same_text_with_and_without_colour() -> None:
    import re

    plain = shown(View({}, text=report))
    coloured = shown(View({}, text=report), env={"FORCE_COLOR": "1", "HOME": "/nonexistent"})
    assert "\x1b[" not in plain
    assert "\x1b[1m" in coloured
    assert re.sub(r"\x1b\[[0-9;]*m", "", coloured) == plain
    assert plain.startswith("NexToken  free\n")


def test_strings_from_files_cannot_steer_a_terminal() -> None:
    evil = "a\x1b]0;owned\x07b\x1b[2J\u202ec\u200b\x9b31m"
    for view, kind in (
        (View({}, text=lambda screen: screen.line(evil)), None),
        (View([], table=Table(("a",), [(evil,)])), "table"),
        (View([], table=Table(("a",), [(evil,)])), "tsv"),
        (View([], names=[evil]), "name"),
        (View({"a": evil}), "json"),
    ):
        text = shown(view, kind)
        assert not {"\x1b", "\x07", "\x9b"} & set(text), kind
        if kind != "tsv":
            assert not {"\u202e", "\u200b"} & set(text), kind
    assert json.loads(json_text({"a": evil}))["a"] == evil, "JSON keeps the value by escapes"


def test_json_keeps_other_scripts_readable_and_odd_file_names_valid() -> None:
    assert json_text("提示😀") == '"提示😀"'
    assert json.loads(json_text("\udc80\U000e0001")) == "\udc80\U000e0001"
    json_text("\udc80").encode("utf-8")
    with pytest.raises(ValueError, match="JSON compliant"):
        json_text(float("nan"))


def test_bars_are_in_eighths_and_plain_where_the_terminal_is() -> None:
    screen = Screen(width=80, color=False, terminal=True)
    assert screen.bar(1, 1, 10) == "█" * 10
    assert screen.bar(1, 2, 10) == "█" * 5
    assert screen.bar(1, 10_000, 10) == "▏", "something is never nothing"
    assert screen.bar(0, 10, 10) == ""
    assert screen.bar(5, 0, 10) == ""
    assert Screen(width=80, color=False, terminal=True, unicode=False).bar(1, 2, 10) == "#####"


def test_errors_as_json_keep_their_own_fields() -> None:
    error = NexctlError("m", hint="h", code="c", exit=7, details={"file": "f", "code": "x"})
    assert json.loads(error_json(error)) == {
        "schema": 1,
        "error": {"file": "f", "code": "c", "message": "m", "hint": "h", "exit": 7},
    }


def test_the_output_setting_and_variable_choose_the_format(nexctl: Any) -> None:
    assert nexctl("config", "path", env={"NEXCTL_OUTPUT": "json"}).out.startswith('{"schema":1')
    assert nexctl("config", "set", "output", "csv").code == 0
    assert nexctl("config", "path").out.startswith("path\r\n")
    assert not nexctl("config", "path", "-o", "table").out.startswith("path")
    done = nexctl("config", "path", env={"NEXCTL_OUTPUT": "xml"})
    assert (done.code, done.out) == (2, "")
    assert "NEXCTL_OUTPUT" in done.err


COLOURS = [
    # flag, environment, terminal -> coloured
    (None, {}, False, False),
    (None, {}, True, True),
    (None, {"NO_COLOR": "1"}, True, False),
    (None, {"NO_COLOR": ""}, True, True),
    (None, {"FORCE_COLOR": "1"}, False, True),
    (None, {"FORCE_COLOR": "0"}, False, False),
    (None, {"CLICOLOR_FORCE": "1"}, False, True),
    (None, {"CLICOLOR_FORCE": "0"}, False, False),
    (None, {"NO_COLOR": "1", "FORCE_COLOR": "1"}, True, False),
    (None, {"TERM": "dumb"}, True, False),
    (None, {"TERM": "dumb", "FORCE_COLOR": "1"}, True, True),
    (None, {"GITHUB_ACTIONS": "true", "CI": "true"}, False, False),
    (None, {"GITHUB_ACTIONS": "true", "NO_COLOR": "1"}, True, False),
    (True, {"NO_COLOR": "1"}, False, True),
    (True, {"TERM": "dumb"}, False, True),
    (False, {"FORCE_COLOR": "1"}, True, False),
]


@pytest.mark.parametrize(("flag", "env", "tty", "coloured"), COLOURS)
def test_colour_is_decided_in_the_documented_order(
    flag: bool | None, env: dict[str, str], tty: bool, coloured: bool
) -> None:
    app = App.double(environ={"HOME": "/nonexistent", **env}, tty=tty)
    app.color = flag
    assert app.wants_color("out") is coloured
    assert app.wants_color("err") is coloured
    assert ("\x1b" in shown_with(app)) is coloured, "no style without colour, bold included"


def shown_with(app: App) -> str:
    emit(app, View({}, text=report))
    return app.out.getvalue()  # type: ignore[union-attr]


def test_each_stream_is_looked_at_by_itself() -> None:
    app = App.double(environ={"HOME": "/nonexistent"})
    app._tty = {"out": False, "err": True, "stdin": False}
    assert (app.wants_color("out"), app.wants_color("err")) == (False, True)


def test_the_color_setting_stands_below_the_environment(nexctl: Any) -> None:
    assert nexctl("config", "set", "color", "always").code == 0
    assert "\x1b" in nexctl("nonsense").err
    assert "\x1b" not in nexctl("nonsense", env={"NO_COLOR": "1"}).err
    assert "\x1b" not in nexctl("config", "path", "--nonsense", "--no-color").err


def test_width_is_80_where_nobody_looks() -> None:
    assert App.double(environ={"COLUMNS": "200"}).width() == 80
    assert App.double(environ={"COLUMNS": "200"}, tty=True).width() == 200
    assert App.double(environ={"COLUMNS": "nonsense"}, tty=True).width() == 80


def test_progress_is_drawn_on_a_terminal_only_and_goes_away() -> None:
    for tty, quiet, seen in ((True, False, True), (True, True, False), (False, False, False)):
        app = App.double(environ={"HOME": "/nonexistent"}, tty=tty)
        app.quiet = quiet
        with app.progress("counted", total=3, unit="files") as step:
            step(2)
        text = app.err.getvalue()  # type: ignore[union-attr]
        assert ("counted 2 of 3 files" in text) is seen
        assert text.endswith("\r\x1b[K") is seen
        assert app.out.getvalue() == ""  # type: ignore[union-attr]


def test_a_command_emits_one_result() -> None:
    app = App.double(environ={"HOME": "/nonexistent"})
    app.emit(View({}, text=report))
    with pytest.raises(RuntimeError, match="one result"):
        app.emit(View({}, text=report))
