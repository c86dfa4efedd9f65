"""Counts by words: a text is cut into words and the gaps between them, each priced once.

In the reconstruction a text becomes a stream in which words and some gaps carry markers for their
start, end and case, and the count is the smallest number of vocabulary pieces that tile the stream.
No piece reaches across a word's edge (the data's generator proves it), so words and gaps can be
counted one by one and remembered. See gaps.py for what a gap costs, tiling.py for the tiling.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from nexctl.tokens.claude.gaps import END, START, WORD, Gaps
from nexctl.tokens.claude.normal import Normal, classes, wordy_class, wordy_ranges
from nexctl.tokens.claude.tiling import CAPS, SHIFT, Tiling, word_end, word_start
from nexctl.tokens.claude.words import mark_case

# A word with the single space that the next word absorbs; else a gap, with a contraction's letters
# where it ends in an apostrophe ("it's" is one word boundary, not two). `X` are the symbols that
# count as letters but close a word as punctuation does.
_UNIT = (
    "[{w}]+(?: (?=[{w}]))?|[^{w}]+(?:(?<=')(?<![\u24b6-\u24e9\ua7cb\u1c89\u1c8a]')"
    "(?:ll|re|ve|[stdm])(?![{w}]))?"
)
# Where a long text may be cut: after a word, before a gap that is no apostrophe.
_CUT = "[{w}](?=[^{w}'])"
_WINDOW = 1 << 16

# Where a text may be cut before it is normalised: a word and a gap after it that composes with
# nothing, two ideographs or Hangul syllables, a Chinese stop and what follows it, a line and a
# word.
_PARTS = (
    "[A-Za-z\u0410-\u044f\u05d0-\u05ea\u0627-\u063a\u0641-\u064a\u0905-\u0939\u0e01-\u0e2e]"
    "(?=[\t\n -&(-@[-`{-~])"
    "|[\u4e00-\u9fff\uac00-\ud7a3](?=[\u4e00-\u9fff\uac00-\ud7a3])"
    "|[\u3001\u3002\uff0c\uff01\uff1f](?=[\u3041-\u3096\u30a1-\u30fa\u4e00-\u9fff])"
    "|\n(?=[A-Za-z])"
)

# `_UNIT` over class letters: compiling every letter of Unicode takes longer than a short text.
_SHORT = 1 << 15
_SHADOW_UNIT = re.compile("[ws]+(?: (?=[ws]))?|[^ws]+")
_CLOSERS = re.compile("[\u24b6-\u24e9\ua7cb\u1c89\u1c8a]")
_CONTRACTION = re.compile("ll|re|ve|[stdm]")
_ASCII = "A-Za-z"

# What is remembered: enough for any language's working vocabulary, bounded for any input.
_MEMORY = 200_000
_LONGEST_REMEMBERED = 64


class _Costs(dict[str, int]):
    """Unit -> tokens; a miss is computed."""

    __slots__ = ("claude",)

    def __init__(self, claude: Claude) -> None:
        self.claude = claude

    def __missing__(self, unit: str) -> int:
        cost = self.claude.unit(unit)
        if len(unit) <= _LONGEST_REMEMBERED:
            if len(self) >= _MEMORY:
                self.clear()
            self[unit] = cost
        return cost


class Claude:
    """One family's counter. Special-token text counts as text; any str is counted."""

    def __init__(
        self, pieces: str, *, fold_quotes: bool, capitals: int | None, frame_is_space: bool
    ) -> None:
        self._normal = Normal(fold_quotes=fold_quotes)
        self._tiling = Tiling(pieces)
        self._gaps = Gaps(self._tiling, frame_is_space=frame_is_space)
        self._capitals = capitals
        self._frame_is_space = frame_is_space
        self._costs = _Costs(self)
        self._edges: dict[tuple[str, int, int], int] = {}
        self._ascii = re.compile(_UNIT.format(w=_ASCII)), re.compile(_CUT.format(w=_ASCII))
        self._short_seen = 0
        self._parts: re.Pattern[str] | None = None
        self._wide: tuple[re.Pattern[str], re.Pattern[str]] | None = None

    def count(self, text: str) -> int:
        """Tokens of `text` as the content of one message, without the frame; "" is 0."""
        return self.count_part(text, True, True) if text else 0

    def count_part(self, text: str, first: bool, last: bool) -> int:
        """Tokens of one part of a text that was cut where `find_cut` says."""
        body = self._normal(text)
        total = 0
        if last:
            whole = len(body)
            body = body.rstrip("\n")
            total = self._tail(whole - len(body))
        if first and self._frame_is_space:
            # The frame's last marker is a space: it takes the place of a single leading one.
            if text[:1] == " " and body[:1] == " " and body[1:2] != " ":
                body = body[1:]
            if not body:
                return total + 1
        return total + self._body(body, first) if body else total

    def find_cut(self, text: str, start: int, end: int | None = None) -> int:
        """The first place in text[start:end] where a text may be cut in parts; -1 for none."""
        if self._parts is None:
            self._parts = re.compile(_PARTS)
        found = self._parts.search(text, start, len(text) if end is None else end)
        return found.end() if found else -1

    def _body(self, body: str, first: bool) -> int:
        if len(body) <= _WINDOW and body.isascii():
            return self._sum(self._ascii[0].findall(body), first, True)
        total = 0
        for found, last in self._units(body):
            total += self._sum(found, first, last)
            first = False
        return total

    def _sum(self, found: list[str], first: bool, last: bool) -> int:
        """Tokens of consecutive units; at the ends of the text stand gaps of another price."""
        total = 0
        left = START if first and not wordy_class(found[0][0]) else WORD
        if last and not wordy_class(found[-1][-1]):
            total += self._edge(found.pop(), WORD if found else left, END)
            left = left if found else WORD
        if left == START:
            total += self._edge(found.pop(0), START, WORD)
        return total + sum(map(self._costs.__getitem__, found))

    def _edge(self, gap: str, left: int, right: int) -> int:
        key = (gap, left, right)
        cost = self._edges.get(key)
        if cost is None:
            cost = self._gaps.cost(gap, left, END) if right == END else self._gap(gap, left)
            if len(gap) <= _LONGEST_REMEMBERED and len(self._edges) < _MEMORY:
                self._edges[key] = cost
        return cost

    def unit(self, unit: str) -> int:
        """Tokens of one word or of one gap between words."""
        if unit[-1] == " " and wordy_class(unit[0]):
            unit = unit[:-1]
        if wordy_class(unit[0]):
            return self._tiling.cost(self._marked(unit))
        return self._gap(unit, WORD)

    def _gap(self, gap: str, left: int) -> int:
        if not wordy_class(gap[-1]):
            return self._gaps.cost(gap, left, WORD)
        quote = gap.rindex("'")
        return self._gaps.contraction(gap[:quote], gap[quote + 1 :], left, self._costs)

    def _marked(self, word: str) -> str:
        """A word in the stream: its case markers, its start, its letters, its end."""
        if word.isascii():
            if word.islower():
                return word_start + word + word_end
            marked = mark_case(word, self._capitals)
        elif wordy_class(word[0]) == "s":
            # A mark with no base before it opens the word, so no letter of it can be its capital.
            return word_start + word + word_end
        else:
            marked = mark_case(word, self._capitals)
        if marked[0] in (SHIFT, CAPS):
            return marked[0] + word_start + marked[1:] + word_end
        return word_start + marked + word_end

    def _units(self, body: str) -> Iterator[tuple[list[str], bool]]:
        """Words and gaps in order, in lists of bounded size: (list, whether it is the last)."""
        if body.isascii():
            units, cut = self._ascii
        elif self._wide is None and self._short_seen < _SHORT and len(body) < _SHORT:
            self._short_seen += len(body)
            yield _short_units(body), True
            return
        else:
            if self._wide is None:
                wordy = wordy_ranges()
                self._wide = re.compile(_UNIT.format(w=wordy)), re.compile(_CUT.format(w=wordy))
            units, cut = self._wide
        for window, last in _windows(body, cut):
            yield units.findall(window), last

    def _tail(self, newlines: int) -> int:
        """What trailing newlines cost beyond the frame's own token, which may span into them."""
        if not newlines:
            return 0
        return self._tiling.cost("\n" * (newlines + 2)) - 1


def _windows(body: str, cut: re.Pattern[str]) -> Iterator[tuple[str, bool]]:
    """`body` in parts of bounded length, cut where no unit is: (part, whether it is the last)."""
    start = 0
    while len(body) - start > 2 * _WINDOW:
        found = cut.search(body, start + _WINDOW)
        if found is None:
            break
        yield body[start : found.end()], False
        start = found.end()
    yield body[start:] if start else body, True


def _short_units(body: str) -> list[str]:
    """What `_UNIT` finds in `body`."""
    shadow = body.translate(classes())
    units: list[str] = []
    place, size = 0, len(body)
    while place < size:
        found = _SHADOW_UNIT.match(shadow, place)
        end = found.end() if found else size  # the two alternatives take any character
        if body[end - 1] == "'" and end < size:
            letters = _CONTRACTION.match(body, end)
            if letters and shadow[letters.end() : letters.end() + 1] not in ("w", "s"):
                alone = end - place == 1
                if not (alone and place and _CLOSERS.match(body, place - 1)):
                    end = letters.end()
        units.append(body[place:end])
        place = end
    return units
