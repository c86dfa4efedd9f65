"""Strings that came from a file or a server, made fit for a terminal or a Markdown comment.

Both functions take any `str`, lone surrogates included (that is how Python spells a file name
that is not UTF-8), and never raise. JSON output needs neither: its escapes are its own guard.
"""

from __future__ import annotations

import re
from functools import lru_cache

REPLACEMENT = "\ufffd"

# Default_Ignorable_Code_Point of Unicode 16 (DerivedCoreProperties.txt): it holds the bidirectional
# controls, the zero-width characters, the fillers, the tags and the variation selectors. The
# interlinear annotation marks U+FFF9..FFFB are added: they hide text as well.
_INVISIBLE = (
    "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e"
    "\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb"
    "\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
)
# Each alternative begins with a character that the last one would remove alone, and no body may
# run over another control character: so nothing can be put together from the pieces that stay,
# and the time is linear whatever the input.
_UNSAFE = (
    "(?P<gone>"
    r"(?:\x1b\[|\x9b)[0-?]*+[ -/]*+[@-~]"  # CSI
    r"|(?:\x1b[\]PX^_]|[\x90\x98\x9d-\x9f])[^\x00-\x08\x0b-\x1f\x7f-\x9f]*+(?:\x07|\x1b\\|\x9c)"
    r"|\x1b[ -/]*+[0-~]"  # two-character and charset escapes
    rf"|[{_INVISIBLE}]"
    r"|[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f])"
    r"|(?P<broken>[\ud800-\udfff])"
    # What is left moves the cursor like a line break or a tab, on a screen or in an editor.
    r"|(?P<space>\r\n|[\t\n\x0b\x0c\r\x85\u2028\u2029])"
)


@lru_cache(maxsize=1)
def _unsafe() -> re.Pattern[str]:
    return re.compile(_UNSAFE)


def clean(s: str, keep_newlines: bool = False) -> str:
    """Return `s` without anything that could steer a terminal or look like what it is not.

    Removed: escape sequences (CSI, OSC, DCS and their kin, with their content where they end),
    C0 and C1 controls, DEL, bidirectional controls, zero-width and other invisible characters.
    A line break or a tab becomes one space, or with `keep_newlines` stays (CR LF becomes LF).
    A lone surrogate becomes U+FFFD.
    """
    if s.isascii() and s.isprintable():
        return s

    def put(match: re.Match[str]) -> str:
        kind = match.lastgroup
        if kind == "gone":
            return ""
        if kind == "broken":
            return REPLACEMENT
        if keep_newlines:
            if match[0] in {"\n", "\r\n"}:
                return "\n"
            if match[0] == "\t":
                return "\t"
        return " "

    return _unsafe().sub(put, s)


# Parsers differ in how they read a backslash before the pipe that ends a cell, so neither is left
# in the text; a dollar sign could begin a formula.
_ENTITIES = {
    "&": "&amp;",
    "<": "&lt;",
    ">": "&gt;",
    '"': "&quot;",
    "$": "&#36;",
    "\\": "&#92;",
    "|": "&#124;",
}
# An invisible break, as an entity so that it is seen in the source. GitHub looks for mentions,
# references and addresses in the rendered text, where a backslash no longer stands.
_BREAK = "&#8203;"
_MARKDOWN = (
    r"(?P<entity>[&<>\"$\\|])"
    r"|(?P<ping>[@#])"
    r"|(?P<colon>:(?=//|[\w+-]+:))"  # an address, an emoji's name
    r"|(?P<word>(?:www(?=\.))|(?:gh(?=-[0-9])))"
    r"|(?P<mark>[`*_{}\[\]()~!^])"
    r"|(?P<start>\A(?:[-+=]|[0-9]+[.)]))"
)


@lru_cache(maxsize=1)
def _special() -> re.Pattern[str]:
    return re.compile(_MARKDOWN, re.IGNORECASE)


def markdown(s: str) -> str:
    """Return `s` as one line of GitHub-flavoured Markdown that shows as the plain text it is.

    Fit for a table cell, a paragraph or the inside of `<code>`: no pipe, backtick, tag, entity,
    link, emphasis, heading, list or rule is left active, and nothing becomes a mention, a
    reference to an issue, an emoji or an address to click. `clean` is applied first.
    """

    def put(match: re.Match[str]) -> str:
        text, kind = match[0], match.lastgroup
        if kind == "entity":
            return _ENTITIES[text]
        if kind == "ping":
            return ("\\#" if text == "#" else text) + _BREAK
        if kind in {"colon", "word"}:
            return text + _BREAK
        return text[:-1] + "\\" + text[-1]

    return _special().sub(put, clean(s).strip())
