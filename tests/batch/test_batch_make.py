"""Batch files from a sheet: memory is bounded whatever the sheet holds."""

from __future__ import annotations

import io
from itertools import chain, repeat

import pytest

from nexctl.batch import make
from nexctl.errors import UsageError

RECIPE = make.Recipe("say {{text}}", "m")


class _Endless(io.StringIO):
    """A sheet whose text never ends; it fails a reader that takes more than it may hold."""

    def __init__(self, head: str, piece: str) -> None:
        super().__init__()
        self._waiting, self._pieces = "", chain([head], repeat(piece))

    def readline(self, size: int | None = -1, /) -> str:
        most = -1 if size is None else size
        while "\n" not in self._waiting and (most < 0 or len(self._waiting) < most):
            self._waiting += next(self._pieces)
            assert len(self._waiting) <= 2 * make.MOST_ROW
        end = self._waiting.find("\n") + 1 or most
        line, self._waiting = self._waiting[:end], self._waiting[end:]
        return line


@pytest.mark.parametrize(
    ("head", "piece", "place"),
    [
        ("text\n", "a" * 2**20, 2),
        ("text\n", "a," * 2**19, 2),
        ("", "a," * 2**19, 1),
        ('text\n"', "b" * (2**20 - 1) + "\n", 17),
    ],
)
def test_a_row_without_an_end_is_refused_before_it_fills_the_memory(
    head: str, piece: str, place: int
) -> None:
    with pytest.raises(UsageError, match=rf"s\.csv:{place}: a row of more than 16,777,216"):
        list(make.lines(RECIPE, _Endless(head, piece), "s.csv"))


def test_rows_are_bounded_each_and_not_together() -> None:
    rows = "text\n" + 9 * (2**21 * "a" + "\n")
    assert len(list(make.lines(RECIPE, io.StringIO(rows), "s.csv"))) == 9
