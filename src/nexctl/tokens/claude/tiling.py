"""The smallest number of vocabulary pieces that tile a marked stream."""

from __future__ import annotations

import os
import re

_FOLDER = os.path.dirname(os.path.abspath(__file__))

# Markers of the stream; normalisation removes these characters from text.
word_start, word_end, SHIFT, CAPS = "\x02", "\x03", "\x04", "\x05"

# Beyond this length the general way would cost too much memory and time.
_LONG = 400
_SAME = r"(?s:(.)\1{299,})"


class _Chars(dict[str, int]):
    """Character -> tokens of that character alone."""

    __slots__ = ("prefixes",)

    def __init__(self, prefixes: frozenset[bytes]) -> None:
        self.prefixes = prefixes

    def __missing__(self, char: str) -> int:
        cost = self[char] = self._bytes(char.encode("utf-8", "replace"))
        return cost

    def _bytes(self, data: bytes) -> int:
        best = [0] * (len(data) + 1)
        for end in range(1, len(data) + 1):
            best[end] = min(
                best[start] + 1
                for start in range(end)
                if end - start == 1 or data[start:end] in self.prefixes
            )
        return best[-1]


class Tiling:
    """One vocabulary. A character that no piece covers costs the tiling of its UTF-8 bytes."""

    def __init__(self, name: str) -> None:
        with open(os.path.join(_FOLDER, name), "rb") as stream:
            longest, singles, pieces, prefixes = stream.read().decode("utf-8").split("\x1e")
        self.longest = int(longest)
        self.pieces = frozenset(pieces.split("\x1f"))  # of two characters and more
        self.chars = _Chars(frozenset(map(bytes.fromhex, prefixes.split("\x1f"))))
        self.chars.update(dict.fromkeys(singles, 1))
        self._prefixes: frozenset[str] | None = None
        self._runs: dict[str, int] = {}

    def cost(self, stream: str) -> int:
        """Tokens of `stream`, a part of the marked stream that nothing joins on either side."""
        pieces = self.pieces
        if stream in pieces:
            return 1
        if len(stream) > _LONG:
            return self._long(stream)
        chars, longest = self.chars, self.longest
        best = [0]
        for end in range(1, len(stream) + 1):
            least = best[end - 1] + chars[stream[end - 1]]
            for start in range(max(0, end - longest), end - 1):
                if best[start] + 1 < least and stream[start:end] in pieces:
                    least = best[start] + 1
            best.append(least)
        return best[-1]

    def _long(self, stream: str) -> int:
        shorter, total = self._shortened(stream)
        if self._prefixes is None:
            self._prefixes = frozenset(
                piece[:end] for piece in self.pieces for end in range(1, len(piece) + 1)
            )
        pieces, prefixes, chars = self.pieces, self._prefixes, self.chars
        far = len(shorter) * 8
        # ahead[k] = fewest tokens up to k characters after the one looked at, as far as pieces go.
        ahead = [0] + [far] * self.longest
        for start, char in enumerate(shorter):
            here = ahead.pop(0)
            ahead.append(far)
            ahead[0] = min(ahead[0], here + chars[char])
            end = start + 2
            while (piece := shorter[start:end]) in prefixes and end <= len(shorter):
                if here + 1 < ahead[end - start - 1] and piece in pieces:
                    ahead[end - start - 1] = here + 1
                end += 1
        return total + ahead[0]

    def _shortened(self, stream: str) -> tuple[str, int]:
        """`stream` with its longest runs of one character cut short, and what the cuts cost.

        With pieces of at most n of the character, a tiling of fewest pieces needs fewer than n that
        are shorter than n (any n of them hold a group whose length is a multiple of n). So beyond
        n * n characters, and what pieces from outside may take, each further n cost one.
        """
        total = 0

        def shorten(found: re.Match[str]) -> str:
            nonlocal total
            char, length = found[1], found.end() - found.start()
            most = self._run(char)
            times = (length - most * most - 2 * self.longest) // most
            if times <= 0:
                return found[0]
            total += times * (1 if most > 1 else self.chars[char])
            return char * (length - times * most)

        return re.sub(_SAME, shorten, stream), total

    def _run(self, char: str) -> int:
        """The longest piece that is this character alone, repeated."""
        known = self._runs.get(char)
        if known is None:
            known = self._runs[char] = max(
                [1, *(size for size in range(2, self.longest + 1) if char * size in self.pieces)]
            )
        return known
