"""The results of a job: every line of the input once, in its order, in constant memory.

What a retry brought stands in the place of what failed before. Nothing is written before every
batch is verified.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

import msgspec

from nexctl.batch import collect
from nexctl.batch import journal as steps
from nexctl.batch.collect import STATUSES, SUCCEEDED, Row
from nexctl.batch.journal import Job, Journal
from nexctl.batch.prepare import ORDER, ORDER_BYTES, lines_path
from nexctl.errors import EXIT_PENDING, CheckFailed, NexctlError, UsageError
from nexctl.files import atomic_write
from nexctl.money import NANO, parse_units, text_of
from nexctl.safety.sheets import csv_row

KINDS = {".jsonl": "jsonl", ".csv": "csv"}
COLUMNS = (
    "custom_id",
    "status",
    "status_code",
    "error_code",
    "error_message",
    "model",
    "finish_reason",
    "input_tokens",
    "cached_input_tokens",
    "output_tokens",
    "charge",
    "currency",
    "content",
    "answers",
)


class Totals:
    """What became of the lines, and what they were charged where every line says so."""

    def __init__(self) -> None:
        self.counts = dict.fromkeys(STATUSES, 0)
        self.input_tokens = self.output_tokens = 0
        self.retryable = self.for_money = 0
        self._charge: int | None = 0
        self._currency: str | None = None
        self._told = False

    def add(self, row: Row) -> None:
        """Count one line."""
        self.counts[row.status] += 1
        if row.status != SUCCEEDED:
            self.retryable += collect.is_retryable(row)
            self.for_money += collect.is_for_money(row)
        body = collect.body_of(row.response)
        if not isinstance(body, dict):
            return
        usage = body.get("usage")
        if isinstance(usage, dict):
            self.input_tokens += _whole(usage.get("prompt_tokens"), usage.get("input_tokens"))
            self.output_tokens += _whole(usage.get("completion_tokens"), usage.get("output_tokens"))
        self._charged(row, body.get("nex"))

    def _charged(self, row: Row, nex: Any) -> None:
        charge = nex.get("charge") if isinstance(nex, dict) else None
        if charge is None:
            # A line that was answered and says no charge: the sum is not known.
            self._charge = None if row.status == SUCCEEDED else self._charge
            return
        try:
            units = parse_units(charge, NANO)
        except UsageError:
            self._charge = None
            return
        self._told = True
        currency = nex.get("currency")
        if self._currency not in (None, currency):
            self._charge = None
        self._currency = currency
        self._charge = None if self._charge is None else self._charge + units

    @property
    def total(self) -> int:
        """All lines."""
        return sum(self.counts.values())

    @property
    def state(self) -> str:
        """One word for the whole: completed only where every line succeeded."""
        succeeded = self.counts[SUCCEEDED]
        if succeeded == self.total:
            return "completed"
        if succeeded:
            return "partial"
        ended = [name for name in STATUSES[1:] if self.counts[name]]
        return ended[0] if len(ended) == 1 else "failed"

    def as_json(self) -> dict[str, Any]:
        """Counts, tokens and charge, as the journal keeps them."""
        known = self._charge is not None and (self._told or not self.counts[SUCCEEDED])
        return {
            "state": self.state,
            "counts": {"total": self.total, **self.counts},
            "input_tokens": self.input_tokens,
            "output_tokens": self.output_tokens,
            "charge": text_of(self._charge or 0) if known else None,
            "currency": self._currency if known else None,
            "retryable": self.retryable,
            "for_money": self.for_money,
        }


class Pair(NamedTuple):
    """A line as it was sent, and what became of it."""

    line: bytes
    row: Row


def kind_of(path: str) -> str:
    """The format of a results file by its suffix. UsageError (exit 2) for another one."""
    suffix = os.path.splitext(path)[1].lower()
    if suffix not in KINDS:
        raise UsageError(
            f"--out: {path}: results are written as .jsonl or .csv", hint="choose one of the two"
        )
    return KINDS[suffix]


def check_place(path: str) -> str:
    """The format, after making sure that the file can be written, before anything is spent.

    Only results are replaced: the requests themselves, or another file, may be named by a slip.
    """
    kind = kind_of(path)
    folder = os.path.dirname(os.path.abspath(path))
    begins = _beginning(path)
    if begins is None or not os.access(folder, os.W_OK | os.X_OK):
        raise UsageError(
            f"--out: {path} cannot be written", hint="name a file in a folder of yours"
        )
    if begins and not _BEGINS[kind].match(begins):
        raise UsageError(
            f"--out: {path} holds something else than results and is not replaced",
            hint="remove it, or name another file",
            code="exists",
        )
    return kind


_BEGINS = {
    "csv": re.compile(rb"custom_id,status,"),
    "jsonl": re.compile(rb'\{"custom_id":"(?:[^"\\]|\\.)*+","status":"'),
}
_ENOUGH = 64 * 1024


def _beginning(path: str) -> bytes | None:
    """The first bytes of a file, b"" where there is none, None where it is no file to be read."""
    if not os.path.lexists(path):
        return b""
    if not os.path.isfile(path):
        return None
    try:
        with open(path, "rb") as stream:
            return stream.read(_ENOUGH)
    except OSError:
        return None


def default_place(path: str) -> str:
    """FILE with `.results.jsonl` in the place of its suffix."""
    return os.path.splitext(path)[0] + ".results.jsonl"


def refuse_unfetched(journal: Journal, job: Job) -> None:
    """NexctlError (exit 8) where a batch of the job is still under way."""
    for shard in journal.shards(job.id):
        if shard.state != steps.COLLECTED and not (
            job.cancelled and not shard.reached(steps.CREATING)
        ):
            raise NexctlError(
                f"{job.id} is not finished: batch {shard.number} is {shard.status or shard.state}",
                hint=f"nexctl batch wait {job.id}",
                code="still_pending",
                exit=EXIT_PENDING,
            )


def pairs(journal: Journal, job: Job) -> Iterator[Pair]:
    """Every line of the input with its result, in input order; retries stand in their place."""
    found = _own(journal, job)
    for child in journal.children(job.id):
        if child.outcome is not None:
            found = _over(found, rows(journal, child))
    return found


def rows(journal: Journal, job: Job) -> Iterator[Row]:
    """The results alone."""
    return (pair.row for pair in pairs(journal, job))


def totals(journal: Journal, job: Job) -> Totals:
    """Count everything."""
    found = Totals()
    for row in rows(journal, job):
        found.add(row)
    return found


def write(journal: Journal, job: Job, path: str) -> Totals:
    """Write RESULTS whole or not at all, and count it in the same pass."""
    kind = check_place(path)
    found = Totals()
    encode = msgspec.json.Encoder().encode
    with atomic_write(path, mode=0o600, binary=True) as out:
        if kind == "csv":
            out.write(csv_row(COLUMNS).encode())
        for row in rows(journal, job):
            found.add(row)
            out.write(encode(row) + b"\n" if kind == "jsonl" else sheet_row(row).encode())
    return found


def judge(job_id: str, outcome: dict[str, Any]) -> None:
    """CheckFailed (exit 9) where not every line succeeded, with what to do next."""
    if outcome["state"] == "completed":
        return
    counts = outcome["counts"]
    parts = [f"{counts[name]:,} {name}" for name in STATUSES if counts[name]]
    hint = "no failed line may be sent again as it is; correct it and run it as a new file"
    if outcome["for_money"]:
        hint = f"add money, then nexctl batch retry {job_id}"
    elif outcome["retryable"]:
        hint = f"nexctl batch retry {job_id} sends {outcome['retryable']:,} of them again"
    raise CheckFailed(
        f"{job_id} is {outcome['state']}: of {counts['total']:,} lines {', '.join(parts)}",
        hint=hint,
        code=f"batch_{outcome['state']}",
        details={"id": job_id, "counts": counts},
    )


def sheet_row(row: Row) -> str:
    """One line of the CSV, guarded against formulas: of several answers the first, and how many."""
    body = collect.body_of(row.response)
    body = body if isinstance(body, dict) else {}
    usage, nex = _object(body.get("usage")), _object(body.get("nex"))
    details = _object(usage.get("prompt_tokens_details") or usage.get("input_tokens_details"))
    choices = body.get("choices")
    choice = _first(choices)
    return csv_row(
        (
            row.custom_id,
            row.status,
            collect.status_code(row.response) or None,
            None if row.status == SUCCEEDED else collect.refusal_code(row),
            None if row.status == SUCCEEDED else _message(row, body),
            _cell(body.get("model")),
            _cell(choice.get("finish_reason")),
            _cell(usage.get("prompt_tokens", usage.get("input_tokens"))),
            _cell(details.get("cached_tokens")),
            _cell(usage.get("completion_tokens", usage.get("output_tokens"))),
            _cell(nex.get("charge")),
            _cell(nex.get("currency")),
            _content(body, choice),
            len(choices) if isinstance(choices, list) else None,
        )
    )


def _own(journal: Journal, job: Job) -> Iterator[Pair]:
    if not job.mixed:
        for shard in journal.shards(job.id):
            yield from _of_shard(journal, job, shard.number)
        return
    open_: dict[int, Iterator[Pair]] = {
        shard.number: _of_shard(journal, job, shard.number) for shard in journal.shards(job.id)
    }
    with open(journal.path_of(job.id, ORDER), "rb") as order:
        while number := order.read(ORDER_BYTES):
            yield next(open_[int.from_bytes(number, "big")])


def _of_shard(journal: Journal, job: Job, number: int) -> Iterator[Pair]:
    """The lines of one batch with their rows; one that was never sent has cancelled ones."""
    decode = msgspec.json.Decoder(Row).decode
    path = collect.rows_path(journal, job.id, number)
    sent = lines_path(journal, job.id, number)
    with contextlib.ExitStack() as stack:
        found: Iterator[Row]
        if os.path.exists(path):
            found = map(decode, stack.enter_context(open(path, "rb")))
        else:
            found = (_unsent(given) for given in collect.given_ids(journal, job, number))
        if not os.path.exists(sent):
            # Every line succeeded, so nothing is kept to be sent again.
            yield from (Pair(b"", row) for row in found)
            return
        lines = stack.enter_context(open(sent, "rb"))
        written = (line for line in lines if not line.isspace())
        for line, row in zip(written, found, strict=True):
            yield Pair(line, row)


def _unsent(given: str) -> Row:
    error = msgspec.json.encode({"code": "cancelled", "message": "it was cancelled before sending"})
    return Row(given, collect.CANCELLED, error=msgspec.Raw(error))


def _over(below: Iterator[Pair], above: Iterator[Row]) -> Iterator[Pair]:
    """Put later rows, a part of the same lines in the same order, in the place of earlier ones."""
    waiting = next(above, None)
    for pair in below:
        if waiting is not None and waiting.custom_id == pair.row.custom_id:
            row, waiting = waiting, next(above, None)
            # A line that succeeded is never sent again; were it, the first answer would stand.
            yield pair if pair.row.status == SUCCEEDED else Pair(pair.line, row)
        else:
            yield pair
    if waiting is not None:
        raise AssertionError("a retry holds lines that its job does not")


def _whole(*values: object) -> int:
    return next((value for value in values if type(value) is int and value >= 0), 0)


def _object(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _first(choices: object) -> dict[str, Any]:
    if isinstance(choices, list) and choices and isinstance(choices[0], dict):
        return choices[0]
    return {}


def _content(body: dict[str, Any], choice: dict[str, Any]) -> str | None:
    message = choice.get("message")
    if isinstance(message, dict):
        content = message.get("content")
        return content if isinstance(content, str) else None
    text = choice.get("text", body.get("output_text"))
    return text if isinstance(text, str) else None


def _message(row: Row, body: dict[str, Any]) -> str | None:
    with contextlib.suppress(msgspec.DecodeError):
        found = msgspec.json.decode(row.error)
        if isinstance(found, dict) and isinstance(found.get("message"), str):
            return str(found["message"])
    inner = body.get("error")
    message = inner.get("message") if isinstance(inner, dict) else None
    return message if isinstance(message, str) else None


def _cell(value: object) -> str | int | bool | None:
    if value is None or isinstance(value, str | int | bool):
        return value
    return json.dumps(value)
