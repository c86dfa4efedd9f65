"""How a word's capitals stand in the stream: a case marker and small letters, or as they are."""

from __future__ import annotations

from nexctl.tokens.claude.tiling import CAPS, SHIFT

# Letters of Unicode 16 whose case the models know and older Pythons do not.
_SMALL_OF = {"\u1c89": "\u1c8a", "\ua7cb": "\u0264"}
_NEW = frozenset(_SMALL_OF) | frozenset(_SMALL_OF.values())
_CAPITAL_THETA = "\u03f4"  # a capital to Unicode, caseless to the models
_DOTTED_I = "\u0130"
_SHARP_S = "\u1e9e"


def mark_case(word: str, capitals: int | None) -> str:
    """CAPS or SHIFT and the word in small letters, or the word itself.

    A marker stands for a whole word only: all capitals (`capitals` letters or more; None where the
    family has no such marker), or one capital at the head. Anything else keeps its letters.
    """
    if _SHARP_S in word:
        return word
    if _DOTTED_I in word:
        return _dotted(word)
    if capitals is not None and len(word) >= capitals and _all_capitals(word):
        # Greek: a final sigma is written as any other.
        return CAPS + _small(word).replace("\u03c2", "\u03c3")
    head = word[0]
    if _small(head) == head or not _is_capital(head) or any(map(_is_capital, word[1:])):
        return word
    return SHIFT + _small(word)


def _dotted(word: str) -> str:
    """The dotted capital I stays as it is and hides no marker, except at the head."""
    head, tail = word[0], word[1:]
    if (
        head == _DOTTED_I
        or not _is_capital(head)
        or any(_is_capital(char) for char in tail if char != _DOTTED_I)
    ):
        return word
    return SHIFT + _small(head) + "".join([c if c == _DOTTED_I else _small(c) for c in tail])


def _all_capitals(word: str) -> bool:
    """Only capitals that have a small form; digits' letters (Roman numerals) may stand between."""
    if word.isascii():
        return word.isupper()
    from unicodedata import category

    capital = False
    for char in word:
        if _is_capital(char):
            if _small(char) == char:
                return False
            capital = True
        elif _is_small(char) or char in _NEW or category(char)[0] in "LM":
            return False
    return capital


def _small(text: str) -> str:
    if text.isascii():
        return text.lower()
    return "".join([c if c == _CAPITAL_THETA else _SMALL_OF.get(c, c.lower()) for c in text])


def _is_capital(char: str) -> bool:
    if char.isascii():
        return char.isupper()
    if char == _CAPITAL_THETA:
        return False
    return char in _SMALL_OF or (char.isupper() and char.lower() != char)


def _is_small(char: str) -> bool:
    return char in ("\u1c8a", "\u0264") or char.islower()
