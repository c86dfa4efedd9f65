"""Secrets taken out of everything that is printed, logged or raised.

Two nets: the spelling of keys that this program and the gateways use, and the exact values that a
caller names. Neither is an excuse to put a body or a header where it need not be.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any

MASK = "***"
SHORTEST_SECRET = 8
_NOT_IN_A_SENTENCE = r"(?:(?<=[^\w\s])|(?<=[Bb]earer ))"
SECRET_HEADERS = frozenset(
    (
        "authorization",
        "proxy-authorization",
        "x-api-key",
        "api-key",
        "x-goog-api-key",
        "cookie",
        "set-cookie",
        "webhook-signature",
        "stripe-signature",
    )
)
# Our own keys, those of the five gateways (NexToken's dashboard spells them with dashes), the
# vendors' behind them, and webhook secrets. A prefix alone (as in help text) is no secret.
_KEY = (
    r"(?<![A-Za-z0-9])"
    r"(?P<kind>nxt[_-](?:sk|sub|mk|op)[_-](?:(?:prod|test|dev|sub|live)[_-])?"
    r"|sk_(?:live|test)_|rk_(?:live|test)_|sk-(?:ant-|or-|proj-|svcacct-|admin-)?"
    r"|dtk_|dt-|nxk_|whsec_|gsk_|xai-|AIza|ghp_|github_pat_|hf_)"
    r"[A-Za-z0-9_\-+/=.]{6,}"
)
_BEARER = r"(?P<scheme>\b(?:[Bb]earer|[Bb]asic|BEARER|BASIC)\s+)(?!\*)[^\s\"',;<>]{6,}"
_USERINFO = r"(?P<url>\b[a-z][a-z0-9+.-]*://)[^\s/@:]*:[^\s/@]*@"
_QUERY = (
    r"(?P<name>[?&](?:api[_-]?key|key|token|access_token|secret|signature|password|code)=)"
    r"[^\s&#\"']+"
)


@lru_cache(maxsize=1)
def _secrets() -> re.Pattern[str]:
    return re.compile("|".join((_KEY, _BEARER, _USERINFO, _QUERY)))


def redact(text: str, known: Iterable[str] = ()) -> str:
    """`text` with keys, bearers, passwords in addresses and the `known` values masked.

    A key keeps the prefix that tells its kind ("nxt_sk_***"); everything else becomes "***".
    A known value is masked wherever it stands; one as short as a word only where it is no part of
    a longer one, and one of letters alone not as a word among words: "x", "none" and "wrong" are
    typed where no key is asked for.
    """
    for value in sorted(known, key=len, reverse=True):
        if len(value) >= SHORTEST_SECRET:
            text = text.replace(value, MASK)
        elif value:
            before = _NOT_IN_A_SENTENCE if value.isalpha() else r"(?<!\w)"
            text = re.sub(rf"{before}{re.escape(value)}(?!\w)", MASK, text)

    def put(match: re.Match[str]) -> str:
        kept = match["kind"] or match["scheme"] or match["url"] or match["name"] or ""
        return kept + MASK + ("@" if match["url"] else "")

    return _secrets().sub(put, text)


def everywhere(value: Any, known: Iterable[str] = ()) -> Any:
    """`value` of a JSON document with every text in it redacted."""
    known = tuple(known)
    if isinstance(value, str):
        return redact(value, known)
    if isinstance(value, dict):
        return {name: everywhere(inner, known) for name, inner in value.items()}
    if isinstance(value, list):
        return [everywhere(inner, known) for inner in value]
    return value


def headers(pairs: Mapping[str, str], known: Iterable[str] = ()) -> dict[str, str]:
    """Headers fit to be shown: those that carry secrets masked whole, the others redacted."""
    known = tuple(known)
    return {
        name: MASK if name.lower() in SECRET_HEADERS else redact(value, known)
        for name, value in pairs.items()
    }


class LogFilter:
    """For `logging.Handler.addFilter` and `logging.Logger.addFilter`: the record is redacted.

    The message is put together first, for a secret may stand in an argument; a traceback is
    rendered here, so that what it quotes is redacted too.
    """

    def __init__(self, known: Iterable[str] = ()) -> None:
        self.known = tuple(known)

    def filter(self, record: Any) -> bool:
        """Always True: nothing is dropped."""
        record.msg = redact(str(record.getMessage()), self.known)
        record.args = ()
        if record.exc_info and record.exc_info[0] is not None:
            import traceback

            record.exc_text = redact("".join(traceback.format_exception(*record.exc_info)).rstrip())
            record.exc_info = None
        return True
