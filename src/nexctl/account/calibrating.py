"""Joining prompts that are kept here to what a gateway billed for them, and learning from it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from nexctl.errors import NexctlError, UsageError
from nexctl.estimate.joined import PromptCounter, prompts
from nexctl.estimate.sources import Source
from nexctl.pricing import books
from nexctl.pricing.book import Book, Model
from nexctl.usage import whatif_rows as recorded
from nexctl.usage.calibration import Billed, Join, Learned, Sample, learn
from nexctl.usage.whatif_rows import Readings

FAILED = "the request failed"
CACHED = "it was answered from the semantic cache"


class Result(NamedTuple):
    """What was learned, and how the prompts were joined. `skipped` has reasons and counts."""

    learned: Learned
    prompts: int
    without_id: int
    repeated: int
    rows: int
    joined: int
    unbilled: int
    skipped: dict[str, int]


class Models:
    """The models that records name, as their price books know them."""

    def __init__(self, book: Book | None, folder: str | None) -> None:
        self._book = book
        self._folder = folder
        self._books: dict[str, Book | None] = {}
        self._found: dict[tuple[str | None, str], Model | None] = {}

    def of(self, price_book: str | None, name: str) -> Model | None:
        """A record's model, None where no book at hand has it."""
        key = (price_book, name)
        if key not in self._found:
            self._found[key] = self._find(price_book, name)
        return self._found[key]

    def _find(self, price_book: str | None, name: str) -> Model | None:
        for book in (self._load((price_book or "").partition("@")[0]), self._book):
            try:
                if book is not None:
                    return book.find(name)
            except UsageError:
                continue
        return None

    def _load(self, name: str) -> Book | None:
        if name and name not in self._books:
            try:
                self._books[name] = books.load(name, folder=self._folder)
            except NexctlError:
                self._books[name] = None
        return self._books.get(name)


def calibrate(
    sources: Sequence[Source],
    rows: Callable[[], Iterable[Any]],
    *,
    book: Book | None = None,
    folder: str | None = None,
    step: Callable[[int], None] = lambda _: None,
) -> Result:
    """Learn from the prompts in `sources` and the usage records that `rows` gives.

    The prompts are read twice, once for their ids: only records of those are kept. `book` is for
    records that name none. UsageError where nothing could be joined.
    """
    wanted: set[str] = set()
    repeated: set[str] = set()
    total = nameless = 0
    for prompt in prompts(sources):
        total += 1
        if prompt.request_id is None:
            nameless += 1
        elif prompt.request_id in wanted:
            repeated.add(prompt.request_id)
        else:
            wanted.add(prompt.request_id)
    if not wanted:
        raise UsageError(
            f"none of the {total} prompts has a request id",
            hint='name files REQUEST_ID.md, or keep "request_id" in the JSON of each request',
            code="no_request_ids",
        )
    models = Models(book, folder)
    readings = Readings(book, folder)
    join = Join(wanted - repeated)
    kept: dict[str, Model | None] = {}
    for row in rows():
        step(1)
        name = row.model_served or row.model_requested
        if row.request_id in wanted and name is not None:
            kept[name] = models.of(row.price_book, name)
        join.add(row.request_id, _billed(row, readings, name))
    if not join.found:
        raise UsageError(
            f"none of the {total} prompts is among the {join.rows} billed records",
            hint="file names and request_id fields must be those of the gateway's records",
            code="nothing_joined",
        )
    skipped = dict(join.skipped)
    learned = learn(_samples(sources, join, kept, skipped))
    return Result(
        learned,
        total,
        nameless,
        len(repeated) + len(join.ambiguous),
        join.rows,
        len(join.found) - len(join.ambiguous),
        len(wanted - repeated) - len(join.found) - sum(join.skipped.values()),
        skipped,
    )


def _billed(row: Any, readings: Readings, name: str | None) -> Billed | str:
    if recorded.failed(row):
        return FAILED
    if row.semantic_cache_hit:
        return CACHED
    if name is None:
        return "its model is missing"
    counted = recorded.counted(row, readings.of(row))
    if isinstance(counted, str):
        return counted
    output = counted.output if row.output_tokens is not None and row.status == "ok" else None
    return Billed(name, counted.input, output, row.status)


def _samples(
    sources: Sequence[Source], join: Join, kept: dict[str, Model | None], skipped: dict[str, int]
) -> Iterator[Sample]:
    counter = PromptCounter()
    for prompt in prompts(sources):
        request_id = prompt.request_id
        billed = join.of(request_id) if request_id is not None else None
        if billed is None or request_id is None:
            continue
        model = kept.get(billed.model)
        count = counter.count(prompt, billed.model, model)
        if isinstance(count, str):
            skipped[count] = skipped.get(count, 0) + 1
            continue
        yield Sample(
            request_id,
            model.id if model is not None else billed.model,
            count.script,
            count.counter,
            count.tokenizer,
            count.exact,
            count.tokens,
            billed.input_tokens,
            billed.output_tokens,
            count.answers,
        )
