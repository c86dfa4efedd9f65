"""How each vocabulary cuts text into pieces, with `re` and without `\\p{...}`.

The patterns of the three vocabularies ask only for classes of characters. So they run on a shadow
of the text in which every character beyond ASCII is replaced by one that stands for its class;
matches have the same places in both. The classes come with the vocabulary (Unicode 16), because
Python's own differ from one version to the next.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from itertools import accumulate, chain

# Stand-ins by class number: other, Lu+Lt, Ll, Lm+Lo, M, N, white space.
STAND_INS = "\x83Aa\x80\x810\t"
# The long s is the one character beyond ASCII that (?i) joins with a letter of the contractions.
LONG_S = 0x17F

_UPPER = r"[A-Z\x80\x81]"
_LOWER = r"[a-z\x80\x81]"
_ENDING = r"'(?:[sStTmMdD]|[rR][eE]|[vV][eE]|[lL][lL])"
_PREFIX = r"[^\r\nA-Za-z0-9\x80]"
_OTHER = r"[^\sA-Za-z0-9\x80]"

# https://github.com/openai/tiktoken/blob/main/tiktoken_ext/openai_public.py
_O200K_REST = rf"|[0-9]{{1,3}}+| ?{_OTHER}++[\r\n/]*+|\s*[\r\n]+|\s+(?!\S)|\s+"
_O200K = (
    rf"{_PREFIX}?{_UPPER}*{_LOWER}+(?:{_ENDING})?|{_PREFIX}?{_UPPER}+{_LOWER}*(?:{_ENDING})?"
    + _O200K_REST
)
# For ASCII alone the two word branches of o200k_base fall into one.
_O200K_ASCII = rf"{_PREFIX}?(?:[A-Z]*[a-z]++|[A-Z]++)(?:{_ENDING})?" + _O200K_REST
_CL100K = (
    rf"{_ENDING}|{_PREFIX}?+[A-Za-z\x80]++|[0-9]{{1,3}}+| ?{_OTHER}++[\r\n]*+"
    r"|\s++\Z|\s*[\r\n]|\s+(?!\S)|\s"
)
# https://huggingface.co/Qwen/Qwen2.5-7B-Instruct/blob/main/tokenizer.json
_QWEN = (
    rf"{_ENDING}|{_PREFIX}?[A-Za-z\x80]++|[0-9]| ?{_OTHER}++[\r\n]*+"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)
_PATTERNS = {
    "o200k_base": (_O200K, _O200K_ASCII),
    "cl100k_base": (_CL100K, _CL100K),
    "qwen2.5": (_QWEN, _QWEN),
}


@lru_cache(maxsize=8)
def finder(name: str, ascii_only: bool) -> Callable[[str], list[str]]:
    """What cuts a shadow (or ASCII text itself) of vocabulary `name` into consecutive pieces."""
    # ASCII: \s is then what Unicode calls white space, without the separators U+001C to U+001F.
    return re.compile(_PATTERNS[name][ascii_only], re.ASCII).findall


class Shadow(dict[int, str]):
    """Maps a code point to its stand-in, filled as characters are met; for `str.translate`."""

    __slots__ = ("_class_of",)

    def __init__(self, class_of: Callable[[int], int]) -> None:
        super().__init__(zip(range(128), map(chr, range(128)), strict=True))
        self[LONG_S] = "s"
        self._class_of = class_of

    def __missing__(self, code: int) -> str:
        stand_in = self[code] = STAND_INS[self._class_of(code) & 7]
        return stand_in


def pieces(name: str, text: str, shadow: Shadow) -> list[str]:
    """The pieces of `text`, which together are the whole text."""
    if text.isascii():
        return finder(name, True)(text)
    found = finder(name, False)(text.translate(shadow))
    ends = list(accumulate(map(len, found)))
    return list(map(text.__getitem__, map(slice, chain((0,), ends), ends)))
