"""What stands between two words: digits, punctuation, white space, ideographs, other numbers.

A run of a gap takes a start or end marker only where it borders a space, and a single space between
an end and a start marker is not written: it is what the two markers mean.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from nexctl.tokens.claude.normal import classes
from nexctl.tokens.claude.tiling import Tiling, word_end, word_start

# What a gap borders: a word, the start or the end of the message.
WORD, START, END = range(3)

# Runs over the class letters of normal.classes(). Ideographs with single spaces between them write
# no markers, so they are one run; a variation selector belongs to what it follows.
_LETTER = r"[^ \t\nzdapmkovws]"
_RUN = re.compile(
    rf"p+|d+(?![da])|{_LETTER}+(?: {_LETTER}+)*(?!v)| +|\n+|\t+|z+"
    r"|m[mv]*|[ko][kov]*|[da]+|[^ \t\nzdapmkows]+"
)


class Gaps:
    """The cost of gaps in one vocabulary."""

    def __init__(self, tiling: Tiling, *, frame_is_space: bool) -> None:
        self._tiling = tiling
        self._frame_is_space = frame_is_space
        self._classes = classes()
        self._known: dict[str, int] = {}

    def cost(self, gap: str, left: int, right: int) -> int:
        """Tokens of `gap` between `left` (WORD, START) and `right` (WORD, END)."""
        return self._run(gap, gap.translate(self._classes), left, right)

    def contraction(self, before: str, letters: str, left: int, words: Mapping[str, int]) -> int:
        """Tokens of `before` + "'" + `letters`, the letters being one of the English contractions.

        The apostrophe opens the word in place of its start marker, unless it belongs to a longer
        run of punctuation or follows a run that closes itself.
        """
        shadow = before.translate(self._classes)
        if shadow and self._closes(shadow):
            return self.cost(before + "'", left, WORD) + words[letters]
        cost = self._tile("'" + letters + word_end)
        if before:
            return cost + self._run(before, shadow, left, None)
        return cost + (left == START and self._frame_is_space)

    def _closes(self, shadow: str) -> bool:
        """Whether the last run would write an end marker, or take the apostrophe into itself."""
        last = _RUN.findall(shadow)[-1]
        if last[-1] in "pmv":
            return True
        if last[-1] == "a":
            return True
        return last[-1] in "ko" and len(set(last)) == 1

    def _run(self, gap: str, shadow: str, left: int, right: int | None) -> int:
        total = 0
        pending = ""
        closed = left == WORD  # whether what stands before wrote an end marker
        frame = left == START and self._frame_is_space
        size = len(shadow)
        for found in _RUN.finditer(shadow):
            start, end = found.span()
            kind = shadow[start]
            if kind in " \t\nz":
                total += self._flush(pending)
                pending = ""
                if start == 0 and frame and kind != " ":
                    total += 1
                absorbed = False
                if kind == " " and end - start == 1 and closed:
                    absorbed = self._opens(gap, shadow, end, right)
                if not absorbed:
                    total += self._tile(gap[start:end])
                closed = False
                continue
            space_before = start > 0 and shadow[start - 1] == " "
            space_after = end < size and shadow[end] == " " and shadow[end + 1 : end + 2] != " "
            opens = space_before and self._starts(gap, shadow, start, end, right)
            if start == 0 and frame:
                # The frame ends in a start marker: a word-opening apostrophe makes it a space.
                if self._is_quote(gap, start, end, right):
                    total += 1
                else:
                    opens = True
            closed = space_after and self._ends(shadow, start, end)
            if kind == "d" and "a" not in shadow[start:end]:
                total += self._flush(pending) + (end - start + 2) // 3 + opens
                pending = ""
            elif kind in "pmkoda":
                if opens:
                    total += self._flush(pending)
                    pending = word_start
                pending += gap[start:end]
                if closed:
                    total += self._flush(pending + word_end)
                    pending = ""
            else:
                total += self._flush(pending) + opens + closed
                total += sum(map(self._tiling.chars.__getitem__, gap[start:end]))
                pending = ""
        return total + self._flush(pending)

    def _opens(self, gap: str, shadow: str, start: int, right: int | None) -> bool:
        """Whether what begins at `start`, right after a single space, writes a start marker."""
        if start == len(shadow):
            return right == WORD
        found = _RUN.match(shadow, start)
        if found is None or found.group()[0] in " \t\nz":
            return False
        return self._starts(gap, shadow, start, found.end(), right)

    def _starts(self, gap: str, shadow: str, start: int, end: int, right: int | None) -> bool:
        kind = shadow[start]
        if kind == "p":
            return not self._is_quote(gap, start, end, right)
        if kind in "mva":
            return True
        return kind in "ko" and shadow.count(kind, start, end) == end - start

    def _ends(self, shadow: str, start: int, end: int) -> bool:
        last = shadow[end - 1]
        if last in "pmva":
            return True
        return last in "ko" and shadow.count(last, start, end) == end - start

    def _is_quote(self, gap: str, start: int, end: int, right: int | None) -> bool:
        """A lone apostrophe right before a word belongs to that word's opening."""
        return right == WORD and end == len(gap) and gap[start:end] == "'"

    def _flush(self, marked: str) -> int:
        return self._tile(marked) if marked else 0

    def _tile(self, marked: str) -> int:
        cost = self._known.get(marked)
        if cost is None:
            cost = self._tiling.cost(marked)
            if len(marked) <= 64 and len(self._known) < 100_000:
                self._known[marked] = cost
        return cost
