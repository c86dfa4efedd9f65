"""Usage that other gateways wrote, as rows with nexctl's columns.

    found = recognised("logs.json")          # None: nexctl's own export
    for row in found.rows(): ...

Known by their fields: new-api and one-api logs, LiteLLM spend logs, OpenRouter activity; any CSV or
JSONL by a map. Each as a JSON document, JSONL or CSV. Fields as those projects name them.
"""

from __future__ import annotations

import csv
import datetime
import io
import json
import os
import re
import stat
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from functools import partial
from typing import Any, NamedTuple

from nexctl.errors import UsageError
from nexctl.usage.reading import (
    BOM,
    MAX_LINE_BYTES,
    Inside,
    Row,
    open_export,
    says_jsonl,
    text_of,
)

# A document of JSON is read whole; more than this has to be JSONL.
MOST_DOCUMENT = 512 * 1024 * 1024
MAPPED = "a mapped file"
_PICO = Decimal("0.000000000001")
_NUMBER = re.compile(r"[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]{1,3})?", re.ASCII)
# Digits of a Unix time of today, and how many of its units are a second. 20261031 is a day, and
# 20261031120000 is none of these.
_UNIX = {10: 1, 13: 1000}

Record = Mapping[str, Any]


class Foreign(NamedTuple):
    """A recognised file. `step` is a rounding of its money in pico, `grain` request or day.

    `groups`: its tiers are names of price groups, of which a book need not know any. `inside`: its
    counts are known to hold cached tokens in input and reasoning in output, for every provider.
    """

    path: str
    kind: str
    grain: str
    step: int | None
    says: tuple[str, ...]
    convert: Callable[[Record], Row | None]
    groups: bool = False
    inside: bool = False

    def rows(self) -> Iterator[Row]:
        """Its records; UsageError naming the line, or the record's number in a document."""
        for place, record in records(self.path):
            try:
                row = self.convert(record)
            except (
                ArithmeticError,
                AttributeError,
                KeyError,
                OSError,
                TypeError,
                ValueError,
            ) as error:
                raise UsageError(
                    f"{os.path.basename(self.path)}, {place}: {_plain(error)}",
                    hint="numbers stand plainly: 1234.50, without signs of thousands or of "
                    "currency; a line of totals is no record"
                    if self.kind == MAPPED
                    else f"it was taken for {self.kind}; --map names the columns of another file",
                    code="malformed",
                ) from None
            if row is not None:
                yield row


def any_rows(path: str) -> tuple[Iterator[Row], Foreign | None]:
    """The records of a file, and what it is where it is no export of nexctl's own."""
    found = recognised(path)
    return (open_export(path).rows(), None) if found is None else (found.rows(), found)


def recognised(path: str, mapped: Mapping[str, str] | None = None) -> Foreign | None:
    """What a file is by the fields of its first record; None where it has nexctl's own."""
    with opened(path) as stream:
        head = stream.read(1 << 16)
    if head[:4] == b"PAR1" or (not head and says_jsonl(path)):
        return None
    first = next((record for _, record in records(path)), None)
    if mapped:
        from nexctl.usage.readers import mapped as mapping

        if first is not None:
            mapping.check_map(mapped, first, path)
            mapping.check_header(mapped, path, head)
        # Where semicolons part the cells, as Excel writes them, the comma is the decimal sign.
        comma = (
            head.removeprefix(BOM).lstrip()[:1] not in (b"[", b"{") and delimiter_of(head) == ";"
        )
        convert = partial(mapping.row_of, mapped=mapped, commas=mapping.Commas() if comma else None)
        return Foreign(path, MAPPED, "request", None, (), convert)
    if first is None and head.removeprefix(BOM).lstrip()[:1] in (b"[", b"{"):
        return Foreign(path, "an empty list", "request", None, (), lambda _: None)
    if first is None or "charge" in first:
        return None
    names = set(first)
    if {"quota", "model_name"} <= names:
        says: tuple[str, ...] = (
            "quota is read as USD / 500000, as new-api keeps it",
            "a group that the book has, as a price group or a billing tier, is priced by it, any "
            "other at list price",
        )
        return Foreign(path, "new-api logs", "request", 2_000_000, says, _new_api, True, True)
    if "spend" in names and names & {"request_id", "startTime"}:
        says = ("spend is read at 12 decimals, for it is written as a binary fraction",)
        return Foreign(path, "LiteLLM spend logs", "request", 1, says, _litellm, inside=True)
    if {"date", "model", "usage"} <= names:
        return Foreign(path, "OpenRouter activity", "day", None, (), _openrouter, inside=True)
    return None


# --- records -------------------------------------------------------------------------------------


def records(path: str) -> Iterator[tuple[str, Record]]:
    """(place, record) of a JSON document, JSONL or CSV. Numbers of JSON stay text."""
    with opened(path) as stream:
        head = stream.read(1 << 16).removeprefix(BOM).lstrip()
    if not head:
        raise UsageError(f"{path}: the file is empty", code="malformed")
    text_of(head, path)
    if head[:1] == b"[" or (head[:1] == b"{" and not _is_line(path)):
        yield from _document(path)
    elif head[:1] == b"{":
        yield from _lines(path)
    else:
        yield from _cells(path, head)


def opened(path: str) -> io.BufferedReader:
    """The file as bytes. UsageError where it cannot be read, or only once as a pipe is."""
    try:
        stream = open(path, "rb")  # noqa: SIM115
        if not stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
            stream.close()
            raise UsageError(
                f"{path}: it is a pipe or a device, which is read only once",
                hint="write it into a file first, and name that",
            )
        return stream
    except OSError as error:
        raise UsageError(
            f"{path}: {error.strerror or error}",
            hint="check the path; 'nexctl usage export FILE' writes one",
        ) from None


def _is_line(path: str) -> bool:
    """Whether the first line alone is a record (JSONL), not a document or the beginning of one."""
    with opened(path) as stream:
        # Looked at whole, however long: an API answers in one line, and a record may be as long.
        lines = (line for _, line in _byte_lines(stream, path))
        first = next(line for line in lines if line.removeprefix(BOM).strip())
        alone = not any(line.strip() for line in lines)
    try:
        found = json.loads(first.decode("utf-8-sig"))
    except ValueError:
        return alone
    except RecursionError:
        return True
    if not isinstance(found, dict) or isinstance(found.get("data"), list | dict):
        return not isinstance(found, dict)
    return not (alone and any(isinstance(found.get(name), list) for name in ("items", "logs")))


def _loads(text: str | bytes) -> Any:
    return json.loads(text, parse_float=str, parse_constant=_no_number)


def _no_number(text: str) -> Any:
    raise ValueError(f"{text} is no number")


def _document(path: str) -> Iterator[tuple[str, Record]]:
    if os.path.getsize(path) > MOST_DOCUMENT:
        raise UsageError(
            f"{path}: a JSON document of more than {MOST_DOCUMENT >> 20} MiB is not read whole",
            hint="write one record on each line (jq -c '.data[]')",
        )
    with opened(path) as stream:
        raw = stream.read()
    try:
        found = _loads(raw.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{path}: {_plain(error)}", code="malformed") from None
    # {"data": [...]}, {"data": {"items": [...]}}, {"items": [...]} or the list alone.
    for _ in range(2):
        if isinstance(found, dict):
            found = found.get("data", found.get("items", found.get("logs")))
    if not isinstance(found, list):
        raise UsageError(
            f"{path}: there is no list of records in it",
            hint="'nexctl usage export' files, new-api logs, LiteLLM spend logs and OpenRouter "
            "activity are read",
            code="malformed",
        )
    for number, record in enumerate(found, 1):
        yield f"record {number}", _object(record, path, f"record {number}")


def _lines(path: str) -> Iterator[tuple[str, Record]]:
    with opened(path) as stream:
        for number, line in _byte_lines(stream, path):
            if not line.strip():
                continue
            try:
                found = _loads(line.decode("utf-8-sig"))
            except (ValueError, RecursionError) as error:
                raise UsageError(
                    f"{os.path.basename(path)}, line {number}: {_plain(error)}", code="malformed"
                ) from None
            yield f"line {number}", _object(found, path, f"line {number}")


def _object(found: Any, path: str, place: str) -> Record:
    if not isinstance(found, dict):
        raise UsageError(f"{os.path.basename(path)}, {place}: it is no object", code="malformed")
    return found


def _cells(path: str, head: bytes) -> Iterator[tuple[str, Record]]:
    delimiter = delimiter_of(head)
    with open(path, "rb") as stream:
        reader = csv.reader(text_lines(stream, path), delimiter=delimiter, strict=True)
        try:
            names = [name.strip() for name in next(reader, [])]
            for cells in reader:
                if not cells:
                    continue
                if len(cells) != len(names):
                    raise csv.Error(f"it has {len(cells)} cells, not {len(names)}")
                yield f"line {reader.line_num}", dict(zip(names, cells, strict=True))
        except (csv.Error, UnicodeDecodeError) as error:
            number = reader.line_num + isinstance(error, UnicodeDecodeError)
            raise UsageError(
                f"{os.path.basename(path)}, line {number}: {_plain(error)}",
                code="malformed",
            ) from None


def delimiter_of(head: bytes) -> str:
    """What parts the cells of a CSV, by its first line."""
    line = head.partition(b"\n")[0]
    return ";" if line.count(b";") > line.count(b",") else ","


def text_lines(stream: io.BufferedReader, path: str) -> Iterator[str]:
    """Lines with their ends; one of more than 64 MiB is refused before it fills the memory."""
    for number, line in _byte_lines(stream, path):
        yield line.decode("utf-8-sig" if number == 1 else "utf-8")


def _byte_lines(stream: io.BufferedReader, path: str) -> Iterator[tuple[int, bytes]]:
    for number, line in enumerate(iter(lambda: stream.readline(MAX_LINE_BYTES + 1), b""), 1):
        if len(line) > MAX_LINE_BYTES:
            raise UsageError(
                f"{os.path.basename(path)}, line {number}: it is longer than "
                f"{MAX_LINE_BYTES >> 20} MiB",
                hint="is this a list of usage?",
                code="malformed",
            )
        yield number, line


# --- values --------------------------------------------------------------------------------------


def _plain(error: Exception) -> str:
    if isinstance(error, KeyError):
        return f"{error.args[0]} is missing"
    if isinstance(error, UnicodeDecodeError):
        return "it is not written in UTF-8; save it so"
    if isinstance(error, csv.Error) and "new-line" in str(error):
        return "its lines end in CR alone; save it as CSV with LF or CRLF"
    return str(error)[:200] or type(error).__name__


def _number(value: Any) -> Decimal | None:
    """A number in ASCII digits, with an exponent where a binary fraction was printed."""
    text = str(value).strip()
    return Decimal(text) if _NUMBER.fullmatch(text) else None


def money(value: Any) -> str | None:
    """An amount as plain decimal text of at most 12 decimals; None where there is none."""
    if value is None or value == "":
        return None
    found = _number(value)
    if found is None or abs(found) >= 10**12:
        raise ValueError(f"{str(value)[:40]!r} is no amount")
    text = f"{found.quantize(_PICO) or Decimal(0):f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def whole(value: Any) -> int | None:
    """A count; None where there is none."""
    if value is None or value == "":
        return None
    found = _number(value)
    if found is None or not 0 <= found < 10**15 or found != found.to_integral_value():
        raise ValueError(f"{str(value)[:40]!r} is no count")
    return int(found)


def moment(value: Any) -> str:
    """A time as RFC 3339 UTC: from ISO text (naive is UTC), a date, Unix seconds or their 1000."""
    text = str(value).strip()
    if text.isascii() and text.isdigit() and len(text) in _UNIX:
        seconds = int(text) // _UNIX[len(text)]
        found = datetime.datetime.fromtimestamp(seconds, datetime.UTC)
    else:
        try:
            found = datetime.datetime.fromisoformat(text)
        except ValueError:
            raise ValueError(f"{text[:40]!r} is no time like 2026-10-31T12:00:00Z") from None
        if found.tzinfo is None:
            found = found.replace(tzinfo=datetime.UTC)
    return found.astimezone(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def inner(value: Any) -> dict[str, Any]:
    """An object that may be JSON text."""
    if isinstance(value, str) and value.strip():
        value = _loads(value)
    return value if isinstance(value, dict) else {}


# --- the formats ---------------------------------------------------------------------------------


def _new_api(record: Record) -> Row | None:
    """A log of new-api: type 2 is a charge, 5 an error, 6 a refund; others are no requests."""
    kind = str(record.get("type", "2"))
    if kind not in ("2", "5", "6"):
        return None
    other = inner(record.get("other"))
    quota = (whole(record["quota"]) or 0) * (-1 if kind == "6" else 1)
    ratio = money(other.get("model_ratio"))
    completion = money(other.get("completion_ratio"))
    into = None if ratio is None else Decimal(ratio) * 2
    out = None if into is None or completion is None else into * Decimal(completion)
    mixed = other.get("audio_input") or other.get("audio_output")
    prompt = None if mixed else whole(record.get("prompt_tokens"))
    cached, written = whole(other.get("cache_tokens")), whole(other.get("cache_creation_tokens"))
    if other.get("claude") and prompt is not None:
        # Only of Claude's own format the prompt is what no cache held.
        prompt += (cached or 0) + (written or 0)
    return Inside(
        created_at=moment(record["created_at"]),
        request_id=record.get("request_id") or None,
        gateway="new-api",
        key_name=record.get("token_name") or None,
        customer_id=str(record.get("username") or record.get("user_id") or "") or None,
        model_requested=record["model_name"],
        model_served=record["model_name"],
        status="error" if kind == "5" else "ok",
        input_tokens=prompt,
        output_tokens=None if mixed else whole(record.get("completion_tokens")),
        cached_input_tokens=None if mixed else cached,
        cache_write_tokens=None if mixed else written,
        rate_input=money(into),
        rate_output=money(out),
        multiplier=money(other.get("group_ratio")),
        tier=str(record.get("group") or other.get("group") or "").lower() or None,
        charge=money(Decimal(quota) * 2 / 10**6),  # not money: exact Decimal, six decimals
        currency="USD",
    )


def _litellm(record: Record) -> Row | None:
    """A spend log of LiteLLM. What its own cache answered used nothing."""
    details = inner(record.get("metadata"))
    used = details.get("usage_object") or details.get("additional_usage_values") or {}
    prompt = used.get("prompt_tokens_details") or {}
    completion = used.get("completion_tokens_details") or {}
    failed = str(record.get("status") or details.get("status") or "success") == "failure"
    kept = str(record.get("cache_hit") or "").lower() == "true"
    cached = used.get("cache_read_input_tokens")
    images = completion.get("image_tokens")
    mixed = prompt.get("audio_tokens") or completion.get("audio_tokens") or images

    def counted(value: Any) -> int | None:
        # No column tells tokens of sound and of pictures from text, and they have other prices.
        return 0 if kept else None if mixed else whole(value)

    return Inside(
        created_at=moment(record["startTime"]),
        request_id=record.get("request_id") or None,
        gateway="LiteLLM",
        customer_id=record.get("user") or None,
        key_id=record.get("api_key") or None,
        endpoint=record.get("call_type") or None,
        model_requested=record.get("model_group") or record.get("model") or None,
        model_served=record.get("model") or None,
        provider=record.get("custom_llm_provider") or None,
        status="error" if failed else "ok",
        requests=0 if kept else 1,
        input_tokens=counted(record.get("prompt_tokens")),
        output_tokens=counted(record.get("completion_tokens")),
        cached_input_tokens=counted(cached or prompt.get("cached_tokens")),
        cache_write_tokens=counted(used.get("cache_creation_input_tokens")),
        reasoning_tokens=counted(completion.get("reasoning_tokens")),
        charge=money(record["spend"]),
        currency="USD",
    )


def _openrouter(record: Record) -> Row | None:
    """One day of one model and provider."""
    return Inside(
        created_at=moment(record["date"]),
        gateway="OpenRouter",
        endpoint=record.get("endpoint_id") or None,
        model_requested=record["model"],
        model_served=record.get("model_permaslug") or record["model"],
        provider=record.get("provider_name") or None,
        status="ok",
        requests=whole(record.get("requests")),
        input_tokens=whole(record.get("prompt_tokens")),
        output_tokens=whole(record.get("completion_tokens")),
        reasoning_tokens=whole(record.get("reasoning_tokens")),
        cached_input_tokens=whole(record.get("cached_tokens")),
        charge=money(record["usage"]),
        currency="USD",
    )
