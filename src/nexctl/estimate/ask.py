"""What a caller wants to know: which books and models, how much output, how much of it cached."""

from __future__ import annotations

import re
from typing import NamedTuple

from nexctl.errors import UsageError

# A month of a volume stated by the day: the field's habit, printed beside the result.
DAYS_PER_MONTH = 30

_CACHED = re.compile(r"([0-9]{1,12})(?:\.([0-9]{1,4}))?(%?)", re.ASCII)
_VOLUME = re.compile(r"([0-9]{1,12})\s*/\s*(day|month)", re.ASCII)


class Cached(NamedTuple):
    """How much of each request is read from a cache: a number of tokens, or parts per million."""

    tokens: int | None
    millionths: int | None

    def of(self, input_tokens: int) -> int:
        """Return the cached tokens of a request that counts `input_tokens` (a share is floored)."""
        if self.tokens is not None:
            return self.tokens
        return input_tokens * (self.millionths or 0) // 1_000_000


class Volume(NamedTuple):
    """How often the same prompts are sent."""

    times: int
    per: str

    @property
    def per_month(self) -> int:
        """Sends in a month; a day counts 30 times."""
        return self.times * DAYS_PER_MONTH if self.per == "day" else self.times


class Ask(NamedTuple):
    """Everything an estimate depends on besides the prompts. Plain values: workers get a copy.

    `books` are names or paths for the pricing room, `models` empty means each request's own (for
    text the book's default, or `default_model`). `max_cost` is an amount in units of 10**-12.
    `calibration` is the path of a file, read only where there is one.
    """

    books: tuple[str, ...]
    models: tuple[str, ...] = ()
    all_models: bool = False
    default_model: str | None = None
    books_folder: str | None = None
    output_tokens: int | None = None
    cached: Cached | None = None
    batch: bool = False
    byok: bool = False
    tier: str | None = None
    plan: str | None = None
    chat: bool = False
    volume: Volume | None = None
    max_cost: int | None = None
    calibration: str | None = None


def parse_cached(text: str) -> Cached:
    """Read `--cached`: a number of tokens (`1024`) or a share of the input (`80%`, `12.5%`)."""
    match = _CACHED.fullmatch(text.strip())
    if match is None or (match[2] and not match[3]):
        raise UsageError(
            f"--cached: {text!r} is neither a number of tokens nor a percentage",
            hint="write --cached 1024 or --cached 80%",
            code="bad_cached",
        )
    whole, fraction, percent = match.groups()
    if not percent:
        return Cached(int(whole), None)
    millionths = int(whole + (fraction or "").ljust(4, "0"))
    if millionths > 1_000_000:
        raise UsageError(
            f"--cached: {text} is more than the whole input",
            hint="a share is between 0% and 100%",
            code="bad_cached",
        )
    return Cached(None, millionths)


def parse_volume(text: str) -> Volume:
    """Read `--volume`: `N/day` or `N/month`, N a whole number of sends."""
    match = _VOLUME.fullmatch(text.strip())
    if match is None:
        raise UsageError(
            f"--volume: {text!r} is not a number of sends per day or month",
            hint="write --volume 500/day or --volume 20000/month",
            code="bad_volume",
        )
    return Volume(int(match[1]), match[2])
