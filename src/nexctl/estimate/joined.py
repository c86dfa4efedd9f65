"""Prompts that were sent, by the id of their request: what a calibration learns from.

The id of a request is its `request_id`, else its `id`: of the object on the line or in the file,
of a batch line or of its body. A file with a single request and no id, and a text, is named by its
file name without the suffix. A text counts as one user message.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from nexctl.errors import NexctlError, UsageError
from nexctl.estimate import readers
from nexctl.estimate.sources import Source
from nexctl.pricing.book import Model
from nexctl.tokens import calibration, framing, registry

IDS = ("request_id", "id")


class Prompt(NamedTuple):
    """One prompt: a request or a text. `request_id` is None where it has none."""

    path: str
    line: int | None
    request_id: str | None
    body: Mapping[str, Any] | str


class Count(NamedTuple):
    """What a prompt counts for one model, and how that was found."""

    tokens: int
    exact: bool
    counter: str
    tokenizer: str
    script: str
    answers: int


def prompts(sources: Sequence[Source]) -> Iterator[Prompt]:
    """Every prompt of files. UsageError naming the file where one cannot be read."""
    for source in sources:
        try:
            if source.kind == "jsonl":
                yield from _lines(source)
            else:
                with open(source.path, "rb") as stream:
                    raw = stream.read(readers.MAX_DOCUMENT_BYTES + 1)
                yield from _document(source, readers.decode(raw, source.display))
        except OSError as error:
            raise UsageError(
                f"{source.display}: cannot be read: {error.strerror}",
                hint="check the path",
                code="unreadable",
            ) from None


class PromptCounter:
    """Counts prompts for the models that they were billed as."""

    def __init__(self) -> None:
        self._counters: dict[str, registry.Counter] = {}

    def count(self, prompt: Prompt, name: str, model: Model | None) -> Count | str:
        """The count of a prompt as model `name` (a book's `model` says how), or why there is none.

        The same count that an estimate makes.
        """
        try:
            if model is None:
                choice = registry.choose(name)
            else:
                counted = name if model.kind == "class" else model.id
                choice = registry.choose(counted, provider=model.provider, declared=model.tokenizer)
            counter = self._counter(choice)
            if isinstance(prompt.body, str):
                text, answers = prompt.body, 1
                found = framing.frame_text(choice, counter.count(text))
            else:
                text, answers = calibration.text_of(prompt.body), framing.answers_of(prompt.body)
                found = framing.count_request(choice, prompt.body, counter)
        except NexctlError as error:
            return error.message
        exact = choice.exact and found.method == registry.EXACT
        script = calibration.script_of(text)
        counted_by = calibration.counter_of(choice)
        return Count(found.input_tokens, exact, counted_by, choice.tokenizer, script, answers)

    def _counter(self, choice: registry.Choice) -> registry.Counter:
        key = calibration.counter_of(choice)
        found = self._counters.get(key)
        if found is None:
            found = self._counters[key] = registry.counter(choice, bulk=True)
        return found


def _lines(source: Source) -> Iterator[Prompt]:
    with open(source.path, "rb") as stream:
        for number, raw in enumerate(stream, 1):
            if raw.isspace():
                continue
            value = readers.parse(readers.decode(raw, source.display), source.display, number)
            yield _request(source, value, number)


def _document(source: Source, text: str) -> Iterator[Prompt]:
    stem = os.path.splitext(os.path.basename(source.path))[0]
    if not text.strip():
        return
    if source.kind == "json":
        value = readers.parse(text, source.display)
        if isinstance(value, Mapping) and isinstance(value.get("items"), list):
            value = value["items"]
        if isinstance(value, list):
            for item in value:
                yield _request(source, item, None)
            return
        found = _request(source, value, None)
        yield found if found.request_id is not None else found._replace(request_id=stem)
        return
    yield Prompt(source.display, None, stem, text)


def _request(source: Source, value: Any, line: int | None) -> Prompt:
    place = f"{source.display}:{line}" if line else source.display
    body = readers.unwrap(value, place)
    found = None
    for holder in (value, body):
        for name in IDS:
            if found is None and isinstance(holder.get(name), str) and holder[name]:
                found = holder[name]
    return Prompt(source.display, line, found, body)
