"""What Claude's tokenizer does to a text before it reads it, and the classes of its characters."""

from __future__ import annotations

import os
import re
from functools import lru_cache

_FOLDER = os.path.dirname(os.path.abspath(__file__))

# ASCII in one pass: control characters vanish, NUL is a space, and every digit becomes 0, since a
# run of digits costs by its length alone (each group of up to three is one piece).
_ASCII = (
    dict.fromkeys((*range(1, 9), *range(11, 32), 127))
    | {0: " "}
    | {ord(digit): "0" for digit in "123456789"}
)
_ODD_ASCII = re.compile("[\x00-\x08\x0b-\x1f\x7f1-9]")
# Patterns are compiled when a text needs them: English pays for none.
_LONE = "[\ud800-\udfff]"
_CONTROL = "[\x01-\x08\x0b-\x1f\x7f\x80-\x9f]"
_PRIVATE = "[\ue000-\uf8ff]"
_SPACES = "[\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f]"
# A text without any of these needs none of the steps after composition.
_ODD = (
    "[\x00-\x08\x0b-\x1f\x7f-\xa0\u0e4d\u1680\u2000-\u200a\u2018\u2019\u201c\u201d"
    "\u2028\u2029\u202f\u205f\ue000-\uf8ff]"
)
_QUOTES = (("\u2018", "'"), ("\u2019", "'"), ("\u201c", '"'), ("\u201d", '"'))


class Normal:
    """Text -> normal text. Only v3 folds the four curly quotes."""

    __slots__ = ("_fold_quotes",)

    def __init__(self, *, fold_quotes: bool) -> None:
        self._fold_quotes = fold_quotes

    def __call__(self, text: str) -> str:
        """The normal form of `text`."""
        if text.isascii():
            if len(text) < 256 and not _ODD_ASCII.search(text):
                return text
            return text.translate(_ASCII)
        from unicodedata import normalize

        text = normalize("NFC", _ordered(re.sub(_LONE, "\ufffd", text)))
        if not re.search(_ODD, text):
            return text
        text = re.sub(_CONTROL, "", text).replace("\x00", " ")
        # Thai SARA AM composes; NFC leaves it, being a compatibility character.
        text = text.replace("\u0e4d\u0e32", "\u0e33")
        text = re.sub(_PRIVATE, "", text)
        if self._fold_quotes:
            for curly, straight in _QUOTES:
                text = text.replace(curly, straight)
        return re.sub(_SPACES, " ", text)


# Marks whose own class is 0 and whose decomposition is of marks alone.
_DOUBLE_MARKS = "\u0f73\u0f75\u0f81"
_MANY_MARKS = 500


def _ordered(text: str) -> str:
    """`text` with very long runs of combining marks in canonical order.

    Composition sorts each run by insertion, so a megabyte of marks would take hours; sorting first
    changes nothing about the result.
    """
    from unicodedata import combining, normalize

    def is_mark(place: int) -> bool:
        return combining(text[place]) > 0 or text[place] in _DOUBLE_MARKS

    parts: list[str] = []
    done = 0
    # A run this long covers one of the places looked at.
    for place in range(_MANY_MARKS - 1, len(text), _MANY_MARKS):
        if place < done or not is_mark(place):
            continue
        start = end = place
        while start > done and is_mark(start - 1):
            start -= 1
        while end < len(text) and is_mark(end):
            end += 1
        if end - start >= _MANY_MARKS:
            marks = "".join([normalize("NFD", char) for char in text[start:end]])
            parts += text[done:start], "".join(sorted(marks, key=combining))
            done = end
    return "".join(parts) + text[done:] if parts else text


@lru_cache(maxsize=1)
def classes() -> str:
    """The class letter of every BMP character, indexable by its code.

    w letter, s mark that needs a base, d ASCII digit, a Arabic digit, p punctuation, m punctuation
    of other scripts, k and o other digits and numbers, v variation selector, h a character that
    stands alone (ideographs, Hangul); white space is itself (U+3000 as z). Beyond the BMP all is h.
    """
    with open(os.path.join(_FOLDER, "classes.bin"), encoding="ascii") as stream:
        runs = re.findall(r"([a-z])(\d+)", stream.read())
    white = {"b": " ", "t": "\t", "n": "\n"}
    return "".join([white.get(letter, letter) * int(count) for letter, count in runs])


def wordy_class(char: str) -> str:
    """ "w" or "s" for a character of a word, "" for any other."""
    if char.isascii():
        return "w" if char.isalpha() else ""
    code = ord(char)
    if code < 0x10000:
        letter = classes()[code]
        if letter in "ws":
            return letter
    return ""


def wordy_ranges() -> str:
    """The characters of words as the inside of a regular expression's brackets."""
    return "".join(
        f"{chr(run.start())}-{chr(run.end() - 1)}" for run in re.finditer("[ws]+", classes())
    )
