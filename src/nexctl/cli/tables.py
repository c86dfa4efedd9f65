"""Tables of text: columns that line up, and what gives way where a terminal is narrow.

A table that does not fit gives way in this order, until it does:

    1. times lose their seconds
    2. a column in which nothing is known goes
    3. columns that are spare go, the most spare first, and are named below the table
    4. texts are cut to twelve columns, ids and numbers never; a last column of prose wraps
    5. columns go from the right, and are named too; then texts are cut to eight

In a pipe nothing is cut and nothing goes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

# Below these a text says nothing any more.
SHORT = 12
SHORTEST = 8
# A column of ids that does not stand first is the first to be spared.
_SPARE_ID = 9
_FEWEST = 3
# So many blanks make a sentence; prose is not squeezed below PROSE columns.
SENTENCE = 4
PROSE = 20


class Column:
    """One column of a table: its field name in sheets, and how a terminal shows it.

    name     the field name, as in JSON
    heading  the terminal's heading, by default the name in capitals
    right    aligned to the right and never cut short (numbers, money)
    show     value -> text for the terminal; sheets always carry the value itself
    spare    0 stays; the highest is left out first where a terminal is narrow
    """

    __slots__ = ("heading", "name", "right", "show", "spare")

    def __init__(
        self,
        name: str,
        heading: str | None = None,
        *,
        right: bool = False,
        show: Callable[[Any], str] | None = None,
        spare: int = 0,
    ) -> None:
        self.name = name
        self.heading = name.replace("_", " ").upper() if heading is None else heading
        self.right = right
        self.show = show
        self.spare = spare

    @property
    def whole(self) -> bool:
        """Whether its cells are of no use when they are cut: numbers, times, ids to type again."""
        return self.right or self.name == "id" or self.name.endswith(("_id", "_at"))


class Table:
    """Columns and rows. A plain string stands for `Column(name)`; rows may be an iterator."""

    __slots__ = ("columns", "rows")

    def __init__(self, columns: Iterable[Column | str], rows: Iterable[Sequence[Any]]) -> None:
        self.columns = tuple(Column(c) if isinstance(c, str) else c for c in columns)
        self.rows = rows


class Grid:
    """The cells of a table as text, and which columns gave way.

    columns  what is still shown
    cells    one list a row, as wide as `columns`
    gone     headings of the columns that were left out although something was known in them
    """

    def __init__(self, columns: Sequence[Column], cells: list[list[str]], ellipsis: str) -> None:
        self.columns = list(columns)
        self.cells = cells
        self.gone: list[str] = []
        self._ellipsis = ellipsis
        self._widths = self._natural()

    def fit(self, room: int) -> None:
        """Give way, in the order of this module's page, until the table is `room` wide."""
        if self._width() <= room:
            return
        if not any(column.heading for column in self.columns):
            self._squeeze(room, SHORTEST)
            return
        for row in self.cells:
            row[:] = [minute(cell) for cell in row]
        self._widths = self._natural()
        self._drop_unknown(room)
        self._drop_spare(room)
        self._squeeze(room, SHORT)
        while self._width() > room and len(self.columns) > _FEWEST:
            self._drop(len(self.columns) - 1)
            self._widths = self._natural()
            self._squeeze(room, SHORT)
        self._squeeze(room, SHORTEST)

    def lines(self) -> tuple[str, list[str]]:
        """(the line of headings, the lines of rows)."""
        head = self._join([column.heading for column in self.columns])
        lines = []
        for row in self.cells:
            *most, last = row
            pieces = self._wrapped(last)
            lines.append(self._join([*most, pieces[0]]))
            lines += [self._join([*("" for _ in most), piece]) for piece in pieces[1:]]
        return head, lines

    def _natural(self) -> list[int]:
        return [
            max([display_width(column.heading), *(display_width(row[i]) for row in self.cells)])
            for i, column in enumerate(self.columns)
        ]

    def _width(self) -> int:
        return sum(self._widths) + 2 * (len(self._widths) - 1)

    def _drop(self, place: int) -> None:
        column = self.columns.pop(place)
        known = any(row[place] not in ("", "-") for row in self.cells)
        for row in self.cells:
            del row[place]
        del self._widths[place]
        if known and column.heading:
            self.gone.insert(0, column.heading.lower())

    def _drop_unknown(self, room: int) -> None:
        for place in range(len(self.columns) - 1, 0, -1):
            if self._width() <= room or len(self.columns) <= _FEWEST:
                return
            if self.cells and all(row[place] in ("", "-") for row in self.cells):
                self._drop(place)

    def _drop_spare(self, room: int) -> None:
        """Keep as many spare columns as fit, those first that are least spare."""
        if self._width() <= room:
            return
        spare = {
            i: column.spare or (_SPARE_ID if i and column.name.endswith("_id") else 0)
            for i, column in enumerate(self.columns)
        }
        left = room + 2 - sum(self._widths[i] + 2 for i, rank in spare.items() if not rank)
        for i in sorted(spare, key=lambda i: spare[i]):
            if spare[i] and self._widths[i] + 2 <= left:
                left -= self._widths[i] + 2
                spare[i] = 0
        for i in sorted(spare, reverse=True):
            if spare[i]:
                self._drop(i)

    def _is_prose(self) -> bool:
        """Whether the last column is text to read: without a heading, or sentences."""
        last = self.columns[-1]
        if last.whole or len(self.columns) < 2:
            return False
        return not last.heading or any(row[-1].count(" ") >= SENTENCE for row in self.cells)

    def _squeeze(self, room: int, least: int) -> None:
        """Take from the widest text until the table fits, leaving each at least `least`."""
        if self._is_prose() and self._width() > room:
            beside = self._width() - self._widths[-1]
            self._widths[-1] = max(PROSE, min(self._widths[-1], room - beside))
        while self._width() > room:
            texts = [
                i
                for i, column in enumerate(self.columns)
                if not column.whole and self._widths[i] > least
            ]
            if not texts:
                return
            self._widths[max(texts, key=lambda i: self._widths[i])] -= 1

    def _wrapped(self, text: str) -> list[str]:
        """Prose goes on below itself; everything else is one piece."""
        width = self._widths[-1]
        if display_width(text) <= width or not self._is_prose():
            return [text]
        return wrapped(text, width) or [text]

    def _join(self, cells: Sequence[str]) -> str:
        return "  ".join(
            self._padded(cell, width, column)
            for cell, width, column in zip(cells, self._widths, self.columns, strict=True)
        ).rstrip(" ")

    def _padded(self, cell: str, width: int, column: Column) -> str:
        taken = display_width(cell)
        if taken > width and not (column is self.columns[-1] and self._is_prose()):
            while cell and display_width(cell) > width - len(self._ellipsis):
                cell = cell[:-1]
            cell += self._ellipsis
            taken = display_width(cell)
        pad = " " * (width - taken)
        return pad + cell if column.right else cell + pad


def display_width(text: str) -> int:
    """Columns that printable `text` takes on a terminal: wide East Asian characters take two."""
    if text.isascii():
        return len(text)
    from unicodedata import combining, east_asian_width

    return sum(0 if combining(c) else 2 if east_asian_width(c) in "WF" else 1 for c in text)


def minute(cell: str) -> str:
    """A time without its seconds, `2026-12-01 00:00Z`; any other text as it is."""
    if len(cell) < 19 or cell[4] != "-" or cell[13] != ":" or not cell[:4].isdigit():
        return cell
    if cell[10] == "T" and cell.endswith("Z"):
        return f"{cell[:10]} {cell[11:16]}Z"
    return cell[:16] if len(cell) == 19 and cell[10] == " " else cell


def wrapped(text: str, width: int) -> list[str]:
    """`text` in lines of `width` columns, broken at blanks; a longer word stays whole."""
    lines: list[str] = []
    line = ""
    for word in text.split(" "):
        longer = f"{line} {word}" if line else word
        if line and display_width(longer) > width:
            lines.append(line)
            line = word
        else:
            line = longer
    return [*lines, line] if line else lines


def spoken(columns: Sequence[Column], cells: Iterable[Sequence[str]]) -> list[str]:
    """One sentence a row, for who listens: `model gpt-4o, tokens 10, charge $0.0001`."""
    lines = []
    for row in cells:
        said = []
        for column, cell in zip(columns, row, strict=True):
            text = "unknown" if cell == "-" else cell.strip()
            if text:
                said.append(f"{column.heading.lower()} {text}" if column.heading else text)
        lines.append(", ".join(said) if any(c.heading for c in columns) else " ".join(said))
    return lines
