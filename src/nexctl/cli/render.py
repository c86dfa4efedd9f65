"""The renderer: the only place that turns a result into output.

A command builds one frozen result and hands over a `View` of it: JSON data, a report text or a
table, names. Which of them is printed follows from `-o`:

    auto     a report: its text. A list: a table on a terminal, else TSV without header
    table    the same as a terminal shows
    json     {"schema": 1, "data": ...}, one document
    jsonl    one record a line, without the envelope
    csv tsv  the table's columns with a header line, every value in full
    name     the ids, one a line
    markdown only where a command offers it

Money arrives as decimal strings, unknown as None: null in JSON, an empty cell in a sheet, "-" in
a table.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

from nexctl.cli.tables import Column, Grid, Table, display_width, spoken, wrapped
from nexctl.errors import ConfigError, NexctlError, UsageError

if TYPE_CHECKING:
    from nexctl.cli.context import App

__all__ = [
    "FORMATS", "Column", "Screen", "Table", "View", "chosen_format", "cleaned", "display_width",
    "emit", "error_json", "error_text", "for_people", "in_ascii", "json_text", "paint",
    "screen_for",
]  # fmt: skip

FORMATS = ("table", "json", "jsonl", "csv", "tsv", "name")
SCHEMA = 1
# A value that somebody pasted is quoted in an error, but not the whole of it.
LONGEST_ERROR = 1000

# Yellow and cyan cannot be read on white, blue cannot on black: they are not here.
_STYLES = {"bold": "1", "dim": "2", "red": "31", "green": "32", "magenta": "35"}
_BLOCKS = " ▏▎▍▌▋▊▉"
_COLUMNS = " ▁▂▃▄▅▆▇█"
# What nexctl itself draws, for terminals that have ASCII only.
_ASCII = str.maketrans(
    {"·": "-", "…": "..", "→": "->", "±": "+/-", "€": "EUR ", "£": "GBP "}
)  # fmt: skip

Part = str | tuple[str, str]


class View:
    """What there is to show of one result. Everything but `data` may be left out.

    data      JSON-safe value, or a function that makes it (called for JSON only)
    text      function that writes the report on a Screen; a result with a text is a report
    table     Table or a function that makes it; lists, and the rows of -o csv / tsv
    names     ids for -o name
    lines     records for -o jsonl; by default the items of a list, else `data` itself
    markdown  function that gives the text of -o markdown
    """

    __slots__ = ("data", "lines", "markdown", "names", "table", "text")

    def __init__(
        self,
        data: Any,
        *,
        text: Callable[[Screen], None] | None = None,
        table: Table | Callable[[], Table] | None = None,
        names: Iterable[str] | Callable[[], Iterable[str]] | None = None,
        lines: Callable[[], Iterable[Any]] | None = None,
        markdown: Callable[[], str] | None = None,
    ) -> None:
        self.data = data
        self.text = text
        self.table = table
        self.names = names
        self.lines = lines
        self.markdown = markdown


class Screen:
    """Report text, line by line. With or without colour its characters are the same.

    width     columns that fit
    terminal  whether a person looks at it: what is too wide gives way
    unicode   whether it can show more than ASCII
    plain     whether it is read aloud: no pictures, tables as sentences
    pictures  whether bars, gauges and charts are worth drawing
    """

    def __init__(
        self,
        *,
        width: int,
        color: bool,
        terminal: bool,
        unicode: bool = True,
        plain: bool = False,
    ) -> None:
        self.width = width
        self.color = color
        self.terminal = terminal
        self.unicode = unicode
        self.plain = plain
        self.pictures = terminal and not plain
        self._lines: list[str] = []

    def line(self, *parts: Part) -> None:
        """Add one line; a terminal that is too narrow for it breaks it at blanks.

        A part is a text, or (text, style) with styles like "bold" or "dim red".
        """
        runs = [(cleaned(p), "") if isinstance(p, str) else (cleaned(p[0]), p[1]) for p in parts]
        if self.terminal and sum(display_width(text) for text, _ in runs) > self.width:
            self._lines.extend(self._painted(line) for line in _broken(runs, self.width))
        else:
            self._lines.append(self._painted(runs))

    def verbatim(self, text: str) -> None:
        """Add a text of nexctl's own as it is, line by line (a script, a help page)."""
        self._lines.extend(text.splitlines())

    def blank(self) -> None:
        """Add an empty line."""
        self._lines.append("")

    def table(self, table: Table, *, indent: int = 0) -> None:
        """Add a table; `nexctl.cli.tables` says what gives way where a terminal is narrow."""
        self._lines.extend(_table_lines(self, table, indent))

    def bar(self, part: int, whole: int, columns: int = 20) -> str:
        """A bar of `part/whole` (0 <= part <= whole) of `columns`, in eighths of a column."""
        if whole <= 0 or part <= 0:
            return ""
        eighths = max(1, min(part, whole) * columns * 8 // whole)
        if not self.unicode:
            return "#" * max(1, eighths // 8)
        return "█" * (eighths // 8) + _BLOCKS[eighths % 8].strip(" ")

    def gauge(self, part: int, whole: int, columns: int = 20) -> tuple[str, str]:
        """(the filled part of a gauge, the rest of it): a bar that shows its whole length too."""
        filled = self.bar(part, whole, columns)
        return filled, ("·" if self.unicode else ".") * (columns - len(filled))

    def column(self, part: int, whole: int, height: int, level: int) -> str:
        """What a column of `part/whole` shows `level` lines above its foot, of `height` lines."""
        if whole <= 0 or part <= 0:
            return " "
        eighths = max(1, min(part, whole) * height * 8 // whole) - level * 8
        if not self.unicode:
            return "#" if eighths >= 4 or (level == 0 and eighths > 0) else " "
        return _COLUMNS[max(0, min(8, eighths))]

    def text(self) -> str:
        """Everything written so far, each line ended."""
        text = "".join(f"{line}\n" for line in self._lines)
        return text if self.unicode else in_ascii(text)

    def _painted(self, runs: list[tuple[str, str]]) -> str:
        if self.color:
            return "".join(paint(text, style) for text, style in runs).rstrip(" ")
        return "".join(text for text, _ in runs).rstrip(" ")


def _broken(runs: list[tuple[str, str]], width: int) -> list[list[tuple[str, str]]]:
    """One line of (text, style) in several, broken at blanks and indented below its beginning."""
    whole = "".join(text for text, _ in runs)
    indent = " " * (len(whole) - len(whole.lstrip(" ")) + 2)
    pieces = wrapped(whole.lstrip(" "), max(20, width - len(indent)))
    styles = [style for text, style in runs for _ in text]
    lines, at = [], len(indent) - 2
    for number, piece in enumerate(pieces):
        line = [(indent if number else indent[2:], "")]
        for character, style in zip(piece, styles[at:], strict=False):
            if style == line[-1][1]:
                line[-1] = (line[-1][0] + character, style)
            else:
                line.append((character, style))
        lines.append(line)
        at += len(piece) + 1
    return lines


def in_ascii(text: str) -> str:
    """`text` with what nexctl draws in ASCII; words of others stay as they are."""
    return text if text.isascii() else text.translate(_ASCII)


def paint(text: str, style: str) -> str:
    """`text` between the terminal codes of `style` ("bold", "dim", a colour, or several)."""
    codes = ";".join(_STYLES[name] for name in style.split())
    return f"\x1b[{codes}m{text}\x1b[0m" if text and codes else text


def cleaned(text: str) -> str:
    """`text` fit for one line of a terminal: no control, escape, bidi or zero-width character."""
    if text.isascii() and text.isprintable():
        return text
    from nexctl.safety.text import clean

    return clean(text)


def screen_for(app: App) -> Screen:
    """A screen that fits standard output."""
    return Screen(
        width=app.width("out"),
        color=app.wants_color("out"),
        terminal=app.is_terminal("out"),
        unicode=app.has_unicode("out"),
        plain=app.is_plain,
    )


def for_people(app: App) -> bool:
    """Whether a list is looked at on a terminal: columns may be others than a sheet has."""
    return app.is_terminal("out") and chosen_format(app) in ("auto", "table")


# -------------------------------------------------------------------- choosing


def chosen_format(app: App) -> str:
    """The format in force: -o, NEXCTL_OUTPUT, the `output` setting, else "auto"."""
    if app.output is not None:
        return app.output
    chosen = app.environ.get("NEXCTL_OUTPUT")
    if chosen:
        if chosen not in FORMATS:
            raise UsageError(
                f"NEXCTL_OUTPUT: {chosen!r} is not an output format",
                hint=f"use one of {', '.join(FORMATS)}",
            )
        return chosen
    try:
        return str(app.config.get("output") or "auto")
    except ConfigError:
        if app.needs_config:
            raise
        return "auto"


def emit(app: App, view: View) -> None:
    """Print `view` on standard output in the format in force."""
    kind = chosen_format(app)
    writer = _WRITERS.get(kind, _write_auto)
    writer(app, view)
    app.flush()


def _write_auto(app: App, view: View) -> None:
    if view.text is None and not app.is_terminal("out"):
        _write_rows(app, _sheet_lines(_table(app, view), _tsv_line, header=False))
    else:
        _write_table(app, view)


def _write_table(app: App, view: View) -> None:
    screen = screen_for(app)
    if view.text is not None:
        view.text(screen)
    else:
        table = _table(app, view)
        rows = list(table.rows)
        if not rows and screen.terminal:
            # Headings above nothing leave open whether something is missing.
            app.note(f"{app.command}: nothing to show")
            return
        screen.table(Table(table.columns, rows))
    app.write(screen.text())


def _write_json(app: App, view: View) -> None:
    _utf8(app)
    data = view.data() if callable(view.data) else view.data
    app.write(json_text({"schema": SCHEMA, "data": data}, pretty=app.is_terminal("out")) + "\n")


def _write_jsonl(app: App, view: View) -> None:
    _utf8(app)
    if view.lines is not None:
        records: Iterable[Any] = view.lines()
    else:
        data = view.data() if callable(view.data) else view.data
        records = data if isinstance(data, list | tuple) else [data]
    _write_rows(app, (json_text(record) + "\n" for record in records))


def _write_csv(app: App, view: View) -> None:
    _write_rows(app, _sheet_lines(_table(app, view), _csv_line, header=True))


def _write_tsv(app: App, view: View) -> None:
    _write_rows(app, _sheet_lines(_table(app, view), _tsv_line, header=True))


def _write_name(app: App, view: View) -> None:
    if view.names is None:
        raise UsageError(f"{app.command} has no ids to print", hint="use -o json or -o csv")
    names = view.names() if callable(view.names) else view.names
    _write_rows(app, (f"{cleaned(name)}\n" for name in names))


def _write_markdown(app: App, view: View) -> None:
    if view.markdown is None:
        raise UsageError(f"{app.command} has no markdown output", hint="use -o table or -o json")
    app.write(view.markdown())


_WRITERS: dict[str, Callable[[App, View], None]] = {
    "table": _write_table,
    "json": _write_json,
    "jsonl": _write_jsonl,
    "csv": _write_csv,
    "tsv": _write_tsv,
    "name": _write_name,
    "markdown": _write_markdown,
}


def _table(app: App, view: View) -> Table:
    table = view.table() if callable(view.table) else view.table
    if table is None:
        raise UsageError(f"{app.command} has no rows to print", hint="use -o json")
    return table


def _write_rows(app: App, lines: Iterator[str]) -> None:
    """Write in pieces of some hundred lines: constant memory, few system calls."""
    piece: list[str] = []
    for line in lines:
        piece.append(line)
        if len(piece) == 512:
            app.write("".join(piece))
            piece.clear()
    app.write("".join(piece))


def _utf8(app: App) -> None:
    """JSON is UTF-8 whatever the locale says."""
    reconfigure = getattr(app.out, "reconfigure", None)
    if reconfigure is not None:
        reconfigure(encoding="utf-8")


# -------------------------------------------------------------------- JSON


def json_text(value: Any, *, pretty: bool = False) -> str:
    """`value` as JSON. Readable scripts stay readable; what could steer a terminal is escaped."""
    import json

    text = json.dumps(
        value,
        ensure_ascii=False,
        allow_nan=False,
        indent=2 if pretty else None,
        separators=(",", ": ") if pretty else (",", ":"),
    )
    if text.isprintable():
        return text
    return "".join(c if c == "\n" or c.isprintable() else _json_escape(c) for c in text)


def _json_escape(character: str) -> str:
    units = character.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[i]:02x}{units[i + 1]:02x}" for i in range(0, len(units), 2))


# -------------------------------------------------------------------- sheets


def _sheet_lines(
    table: Table, line: Callable[[Iterable[Any]], str], *, header: bool
) -> Iterator[str]:
    if header:
        yield line([column.name for column in table.columns])
    for row in table.rows:
        yield line([_flat(cell) for cell in row])


def _flat(value: Any) -> Any:
    """A cell as a sheet holds it: lists and objects become JSON."""
    return json_text(value) if isinstance(value, list | tuple | dict) else value


def _csv_line(cells: Iterable[Any]) -> str:
    from nexctl.safety.sheets import csv_row

    return csv_row(cells)


def _tsv_line(cells: Iterable[Any]) -> str:
    from nexctl.safety.sheets import tsv_row

    return tsv_row(cells)


# -------------------------------------------------------------------- tables


def _table_lines(screen: Screen, table: Table, indent: int) -> list[str]:
    columns, margin = table.columns, " " * indent
    cells = [[_shown(column, value) for column, value in zip(columns, row, strict=True)]
             for row in table.rows]  # fmt: skip
    if screen.plain:
        lines = spoken(columns, cells)
        if screen.terminal:
            lines = [piece for line in lines for piece in wrapped(line, screen.width - indent)]
        return [margin + line for line in lines]
    grid = Grid(columns, cells, "…" if screen.unicode else "..")
    if screen.terminal:
        grid.fit(screen.width - indent)
    heads, rows = grid.lines()
    head = margin + heads
    lines = [paint(head, "bold") if screen.color else head] if head.strip() else []
    lines.extend(margin + row for row in rows)
    if grid.gone:
        said = f"left out here: {', '.join(grid.gone)} (a wider terminal or -o csv shows more)"
        lines.extend(paint(line, "dim") if screen.color else line
                     for line in wrapped(said, screen.width))  # fmt: skip
    return lines


def _shown(column: Column, value: Any) -> str:
    if value is None:
        return "-"
    if column.show is not None:
        return cleaned(column.show(value))
    if isinstance(value, bool):
        return "true" if value else "false"
    return cleaned(str(_flat(value)))


# -------------------------------------------------------------------- errors


def error_text(error: NexctlError, *, color: bool) -> str:
    """Two lines: what happened, what to do next."""
    label = paint("error:", "bold red") if color else "error:"
    said = cleaned(error.message)
    if len(said) > LONGEST_ERROR:
        said = f"{said[: LONGEST_ERROR // 2]} ... {said[-LONGEST_ERROR // 2 :]}"
    text = f"{label} {said}\n"
    if error.hint:
        label = paint("hint:", "bold") if color else "hint:"
        text += f"{label} {cleaned(error.hint)}\n"
    return text


def error_json(error: NexctlError) -> str:
    """The machine-readable form of an error, one line."""
    return (
        json_text(
            {
                "schema": SCHEMA,
                "error": {
                    **error.details,
                    "code": error.code,
                    "message": error.message,
                    "hint": error.hint,
                    "exit": error.exit,
                },
            }
        )
        + "\n"
    )
