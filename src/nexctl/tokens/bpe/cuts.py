"""Places where text may be cut so that the parts' counts add up to the count of the whole.

Every pattern of the three vocabularies takes one piece after another from the left, and looks ahead
only at white space. A place between two characters is a cut when no piece can contain both, and the
piece that ends there would end there too if the text did. The cuts used:

1. a line feed | anything but white space and '/'. No piece goes on from a line feed to anything
   but white space; o200k_base alone lets '/' follow. A run of white space that ends in a line feed
   is taken up to it by `\\s*[\\r\\n]+`, and no differently where the text ends.
2. a letter | neither letter, mark, number nor apostrophe. Pieces that contain letters end with the
   letters and marks, but for a contraction, which begins with an apostrophe.
3. a letter | an ASCII digit; an ASCII digit | neither number nor mark. Numbers stand alone.
4. ASCII punctuation | a space or tab. What may follow punctuation is line feeds and '/'.

NFC (qwen2.5): all cuts are also between characters of which the second never joins with what is
before it and has no combining class; so both sides are normalised apart as they are together. The
letters of 2 and 3 are ones that NFC leaves as they are.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

# Letters that are letters in every version of Unicode and that NFC leaves alone: ASCII, Cyrillic
# and Greek in part, Hiragana and Katakana, Han, Hangul syllables.
_LETTER = (
    "A-Za-z\u0391-\u03a1\u03a3-\u03a9\u03b1-\u03c9\u0410-\u044f\u05d0-\u05ea\u0627-\u063a"
    "\u0641-\u064a\u0905-\u0939\u0e01-\u0e2e\u3041-\u3096\u30a1-\u30fa\u3400-\u4dbf\u4e00-\u9fff"
    "\uac00-\ud7a3"
)
_APART = (
    " \\t\\n\\r!-&(-/:-@\\[-`{-~\u3001-\u3003\u3008-\u3011\u2013\u2014\u2018-\u201e\u2026"
    "\uff01-\uff0f\uff1a-\uff20"
)


@lru_cache(maxsize=1)
def _pattern() -> re.Pattern[str]:
    return re.compile(
        r"\n(?=[^\s/])"
        rf"|[{_LETTER}](?=[{_APART}0-9])"
        rf"|[0-9](?=[{_APART}'A-Za-z])"
        r"|[!-/:-@\[-`{-~](?=[ \t])"
    )


def find(text: str, start: int, end: int | None = None) -> int:
    """The first cut in text[start:end], as an index into `text`; -1 where there is none."""
    found = _pattern().search(text, start, len(text) if end is None else end)
    # A look-ahead does not see beyond `end`, so a cut is never the end itself.
    return found.end() if found else -1


def blocks(text: str, size: int) -> Iterator[str]:
    """`text` in consecutive parts of about `size` characters, longer where no cut comes."""
    start = 0
    while len(text) - start > size:
        cut = find(text, start + size)
        if cut < 0:
            break
        yield text[start:cut]
        start = cut
    yield text[start:]


def inside(text: str, start: int, at: int) -> bool:
    """Whether one piece of `text` goes on across `at`, and both sides are pieces if cut there.

    `start` is where the piece, or the part of it that was cut before, begins. True for a place
    between two small letters, two letters without case, or two capitals of a row of them that
    begins there or after another kind of ASCII; and in a row of equal signs, none of them an
    apostrophe or '/'. (Before a row of capitals, o200k_base may go back to a letter without case.)
    """
    before, after, then = text[at - 1 : at], text[at : at + 1], text[at + 1 : at + 2]
    if _small(before) and _small(after):
        # Not within a contraction.
        return text[at - 2 : at - 1] != "'"
    if _caseless(before) and _caseless(after):
        return True
    if _capital(before) and _capital(after):
        first = start + len(text[start:at].rstrip(_CAPITALS))
        return at - first > 2 and (first == start or text[first - 1].isascii())
    return before == after == then and before in _SIGNS


_CAPITALS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_SIGNS = frozenset('!"#$%&()*+,-.:;<=>?@[\\]^_`{|}~')


def _small(character: str) -> bool:
    return "a" <= character <= "z"


def _capital(character: str) -> bool:
    return "A" <= character <= "Z"


def _caseless(character: str) -> bool:
    return (
        "\u4e00" <= character <= "\u9fff"
        or "\u3041" <= character <= "\u3096"
        or "\uac00" <= character <= "\ud7a3"
    )
