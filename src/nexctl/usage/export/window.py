"""Which records an export is of: a half-open window of reservations in UTC, and filters."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

from nexctl.errors import UsageError

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

_MONTH = re.compile(r"([0-9]{4})-(0[1-9]|1[0-2])", re.ASCII)
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)
_INSTANT = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?Z", re.ASCII
)


class Window(NamedTuple):
    """RFC 3339 UTC texts, `start` inclusive, `end` not; None is open."""

    start: str | None = None
    end: str | None = None

    @property
    def text(self) -> str:
        """How a report names it."""
        if self.start is None and self.end is None:
            return "all records"
        return f"{self.start or 'the beginning'} to {self.end or 'now'} (UTC, end excluded)"


def window_of(month: str | None, start: str | None, end: str | None) -> Window:
    """The window that --month, or --from and --to, ask for. UsageError (exit 2) for nonsense."""
    if month is not None:
        if start is not None or end is not None:
            raise UsageError("--month goes with neither --from nor --to", hint="use one of them")
        found = _MONTH.fullmatch(month)
        if found is None or found[1] == "0000":
            raise UsageError(f"--month: {month!r} is not a month", hint="write it like 2026-10")
        year, number = int(found[1]), int(found[2])
        after = (year + 1, 1) if number == 12 else (year, number + 1)
        return Window(f"{month}-01T00:00:00Z", f"{after[0]:04d}-{after[1]:02d}-01T00:00:00Z")
    window = Window(_instant("--from", start), _instant("--to", end))
    if window.start and window.end and order_of(window.start) >= order_of(window.end):
        raise UsageError("--from is not before --to", hint="the end is excluded")
    return window


def _instant(flag: str, text: str | None) -> str | None:
    """A day stands for its first instant."""
    if text is None:
        return None
    whole = f"{text}T00:00:00Z" if _DAY.fullmatch(text) else text
    from datetime import datetime

    try:
        if _INSTANT.fullmatch(whole) is None:
            raise ValueError(text)
        datetime.strptime(whole[:19], "%Y-%m-%dT%H:%M:%S")
    except ValueError:
        raise UsageError(
            f"{flag}: {text!r} is not a time",
            hint="write it like 2026-10-01 or 2026-10-01T08:00:00Z (UTC)",
        ) from None
    return whole


def order_of(instant: str) -> str:
    """A text that sorts as its RFC 3339 UTC instant does, whatever its decimals."""
    whole, _, fraction = instant.removesuffix("Z").partition(".")
    return f"{whole}.{fraction.ljust(9, '0')}"


class Filters(NamedTuple):
    """Which records of the window; None takes all. `label` is (name, value)."""

    key: str | None = None
    model: str | None = None
    project: str | None = None
    label: tuple[str, str] | None = None
    status: str | None = None
    wallet: str | None = None

    @property
    def any(self) -> bool:
        """Whether some records of the window are left out; a wallet has a book of its own."""
        return any(value is not None for value in self._replace(wallet=None))

    def given(self) -> dict[str, Any]:
        """The filters in force, as a manifest names them."""
        found = {name: value for name, value in self._asdict().items() if value is not None}
        if self.label is not None:
            found["label"] = "=".join(self.label)
        return found


def label_of(text: str | None) -> tuple[str, str] | None:
    """`team=search` as name and value."""
    if text is None:
        return None
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise UsageError(f"--label: {text!r} has no value", hint="write it like team=search")
    return name, value


class Zone:
    """Local time of instants, for columns beside UTC."""

    def __init__(self, name: str, info: ZoneInfo) -> None:
        self.name = name
        self._info = info
        self._minutes = lru_cache(maxsize=4096)(self._minute)

    def local(self, instant: str) -> str:
        """RFC 3339 in this zone, with its offset: no hour is named twice when clocks go back."""
        local, offset = self._minutes(instant[:16])
        return f"{local}{instant[16:-1]}{offset}"

    def _minute(self, minute: str) -> tuple[str, str]:
        from datetime import UTC, datetime

        at = datetime.strptime(minute, "%Y-%m-%dT%H:%M").replace(tzinfo=UTC).astimezone(self._info)
        text = at.isoformat(timespec="minutes")
        return text[:16], text[16:]


def zone_of(name: str | None) -> Zone | None:
    """A time zone by its IANA name. UsageError (exit 2) where this machine knows none such."""
    if name is None:
        return None
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

    try:
        return Zone(name, ZoneInfo(name))
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise UsageError(
            f"--timezone: {name!r} is not known here",
            hint="use an IANA name like Asia/Singapore; 'pip install tzdata' brings them all",
        ) from None
