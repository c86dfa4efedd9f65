"""NFC as the reference for Qwen has it: the `tokenizers` library, whose tables are Unicode 9's.

Python's tables are newer (14 in Python 3.11, and they grow). NFC of a character never changes once
it is assigned, so only characters assigned since can differ. The reference leaves those where they
are: they have no combining class there, take part in no composition, and so nothing moves or joins
across them. The text between them is normalised by Python.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import groupby

UNSETTLED = 8


def normalize(text: str, class_of: Callable[[int], int]) -> str:
    """`text` in the reference's NFC; `class_of` gives the class byte of a code point."""
    from unicodedata import normalize as nfc

    normal = nfc("NFC", text)
    if normal == text:
        # Any part of a normalised text is normalised, so also those between unsettled characters.
        return text
    unsettled = {
        character
        for character in set(text)
        if character >= "\u0300" and class_of(ord(character)) & UNSETTLED
    }
    if not unsettled:
        return normal
    return "".join(
        "".join(run) if apart else nfc("NFC", "".join(run))
        for apart, run in groupby(text, unsettled.__contains__)
    )
