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

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from nexctl.errors import ConfigError, NexctlError, UsageError

if TYPE_CHECKING:
    from nexctl.cli.context import App

FORMATS = ("table", "json", "jsonl", "csv", "tsv", "name")
SCHEMA = 1

_STYLES = {"bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33", "cyan": "36"}
_BLOCKS = " ▏▎▍▌▋▊▉"

Part = str | tuple[str, str]


class Column:
    """One column of a table: its field name in sheets, and how a terminal shows it.

    name     the field name, as in JSON
    heading  the terminal's heading, by default the name in capitals
    right    aligned to the right and never cut short (numbers, money)
    show     value -> text for the terminal; sheets always carry the value itself
    """

    __slots__ = ("heading", "name", "right", "show")

    def __init__(
        self,
        name: str,
        heading: str | None = None,
        *,
        right: bool = False,
        show: Callable[[Any], str] | None = None,
    ) -> None:
        self.name = name
        self.heading = name.replace("_", " ").upper() if heading is None else heading
        self.right = right
        self.show = show


class Table:
    """Columns and rows. A plain string stands for `Column(name)`; rows may be an iterator."""

    __slots__ = ("columns", "rows")

    def __init__(self, columns: Iterable[Column | str], rows: Iterable[Sequence[Any]]) -> None:
        self.columns = tuple(Column(c) if isinstance(c, str) else c for c in columns)
        self.rows = rows


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
    terminal  whether a person looks at it (bars are worth drawing)
    """

    def __init__(self, *, width: int, color: bool, terminal: bool, unicode: bool = True) -> None:
        self.width = width
        self.color = color
        self.terminal = terminal
        self._unicode = unicode
        self._lines: list[str] = []

    def line(self, *parts: Part) -> None:
        """Add one line. A part is a text, or (text, style) with styles like "bold" or "dim red"."""
        self._lines.append("".join(self._paint(part) for part in parts).rstrip(" "))

    def verbatim(self, text: str) -> None:
        """Add a text of nexctl's own as it is, line by line (a script, a help page)."""
        self._lines.extend(text.splitlines())

    def blank(self) -> None:
        """Add an empty line."""
        self._lines.append("")

    def table(self, table: Table, *, indent: int = 0) -> None:
        """Add a table; text columns are cut where a terminal is too narrow, numbers never."""
        self._lines.extend(_table_lines(self, table, indent))

    def bar(self, part: int, whole: int, columns: int = 20) -> str:
        """A bar of `part/whole` (0 <= part <= whole) of `columns`, in eighths of a column."""
        if whole <= 0 or part <= 0:
            return ""
        eighths = max(1, min(part, whole) * columns * 8 // whole)
        if not self._unicode:
            return "#" * max(1, eighths // 8)
        return "█" * (eighths // 8) + _BLOCKS[eighths % 8].strip(" ")

    def marks(self) -> tuple[str, str, str]:
        """What a line chart is drawn with: its points, what rises or falls, what goes on."""
        return ("●", "│", "─") if self._unicode else ("*", "|", "-")

    def text(self) -> str:
        """Everything written so far, each line ended."""
        return "".join(f"{line}\n" for line in self._lines)

    def _paint(self, part: Part) -> str:
        if isinstance(part, str):
            return cleaned(part)
        text, style = part
        return paint(cleaned(text), style) if self.color else cleaned(text)


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
    encoding = (getattr(app.out, "encoding", None) or "utf-8").lower()
    return Screen(
        width=app.width("out"),
        color=app.wants_color("out"),
        terminal=app.is_terminal("out"),
        unicode=encoding.startswith("utf"),
    )


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
        screen.table(_table(app, view))
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


def display_width(text: str) -> int:
    """Columns that printable `text` takes on a terminal: wide East Asian characters take two."""
    if text.isascii():
        return len(text)
    from unicodedata import combining, east_asian_width

    return sum(0 if combining(c) else 2 if east_asian_width(c) in "WF" else 1 for c in text)


def _table_lines(screen: Screen, table: Table, indent: int) -> list[str]:
    columns = table.columns
    cells = [[_shown(column, value) for column, value in zip(columns, row, strict=True)]
             for row in table.rows]  # fmt: skip
    widths = [
        max([display_width(column.heading), *(display_width(row[i]) for row in cells)])
        for i, column in enumerate(columns)
    ]
    if screen.terminal:
        _squeeze(widths, columns, screen.width - indent)
    margin = " " * indent
    head = margin + _join([column.heading for column in columns], widths, columns)
    lines = [paint(head, "bold") if screen.color else head] if head.strip() else []
    lines.extend(margin + _join(row, widths, columns) for row in cells)
    return lines


def _shown(column: Column, value: Any) -> str:
    if value is None:
        return "-"
    if column.show is not None:
        return cleaned(column.show(value))
    if isinstance(value, bool):
        return "true" if value else "false"
    return cleaned(str(_flat(value)))


def _squeeze(widths: list[int], columns: Sequence[Column], room: int) -> None:
    """Take columns from the widest text column until the table fits, leaving each at least 8."""
    while sum(widths) + 2 * (len(widths) - 1) > room:
        text = [i for i, column in enumerate(columns) if not column.right and widths[i] > 8]
        if not text:
            return
        widths[max(text, key=lambda i: widths[i])] -= 1


def _join(cells: Sequence[str], widths: Sequence[int], columns: Sequence[Column]) -> str:
    return "  ".join(
        _fit(cell, width, column.right)
        for cell, width, column in zip(cells, widths, columns, strict=True)
    ).rstrip(" ")


def _fit(cell: str, width: int, right: bool) -> str:
    taken = display_width(cell)
    if taken > width:
        while cell and display_width(cell) > width - 1:
            cell = cell[:-1]
        cell += "…"
        taken = display_width(cell)
    pad = " " * (width - taken)
    return pad + cell if right else cell + pad


# -------------------------------------------------------------------- errors


def error_text(error: NexctlError, *, color: bool) -> str:
    """Two lines: what happened, what to do next."""
    label = paint("error:", "bold red") if color else "error:"
    text = f"{label} {cleaned(error.message)}\n"
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
