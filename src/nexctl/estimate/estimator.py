"""Counts each prompt once per tokenizer and feeds the count to every lane that asks for it.

One estimator serves the estimate command, both sides of a diff and each worker of a bulk run.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from nexctl.errors import NexctlError, UsageError
from nexctl.estimate.ask import Ask
from nexctl.estimate.lanes import METHODS, Demand, Lane
from nexctl.pricing import books
from nexctl.pricing.books import Book, Model
from nexctl.tokens import framing, registry


class Missing(NamedTuple):
    """A model that one of several books does not have: a row without figures, sorted last."""

    book: Book
    model: str
    reason: str


class Route(NamedTuple):
    """Where a request goes: the lane that prices it, by the count of this tokenizer."""

    lane: Lane
    choice: registry.Choice


class FileCount:
    """What one file counts on one tokenizer."""

    def __init__(self, path: str, tokenizer: str) -> None:
        self.path = path
        self.tokenizer = tokenizer
        self.models: dict[str, None] = {}
        self.requests = 0
        self.input_tokens = 0
        self.exact = True

    def add(self, tokens: int, exact: bool) -> None:
        """Count one request in."""
        self.requests += 1
        self.input_tokens += tokens
        self.exact = self.exact and exact

    def take(self) -> tuple[list[str], int, int, bool]:
        """Return the sums as plain values."""
        return list(self.models), self.requests, self.input_tokens, self.exact

    def merge(self, taken: tuple[list[str], int, int, bool]) -> None:
        """Add what another process took from the same file."""
        models, requests, tokens, exact = taken
        self.models.update(dict.fromkeys(models))
        self.requests += requests
        self.input_tokens += tokens
        self.exact = self.exact and exact


class Estimator:
    """Add prompts by `add_text`, `add_counted_text`, `add_request`; read `lanes` and `files`."""

    def __init__(self, ask: Ask, *, bulk: bool = False) -> None:
        self.ask = ask
        self.bulk = bulk
        self.books = tuple(books.load(name, folder=ask.books_folder) for name in ask.books)
        self.plans = tuple(book.plan(ask.plan) if ask.plan else None for book in self.books)
        self.lanes: dict[tuple[int, str], Lane] = {}
        self.missing: dict[tuple[int, str], Missing] = {}
        self.files: dict[tuple[str, str], FileCount] = {}
        self.high_is_asked = True
        self._routes: dict[str | None, list[Route]] = {}
        self._counters: dict[str, Any] = {}

    def add_text(self, path: str, text: str) -> None:
        """Count plain text as one request (with `--chat`, as one user message)."""
        for choice, lanes in self._by_tokenizer(None):
            self._add_text_count(path, choice, lanes, self._counter(choice).count(text))

    def add_counted_text(self, path: str, tokens: Mapping[str, int]) -> None:
        """Add text whose tokens were counted in blocks, by tokenizer name."""
        for choice, lanes in self._by_tokenizer(None):
            self._add_text_count(path, choice, lanes, tokens[choice.tokenizer])

    def tokenizers_of_text(self) -> list[registry.Choice]:
        """Return the tokenizers that plain text is to be counted with."""
        return [choice for choice, _ in self._by_tokenizer(None)]

    def add_request(self, path: str, request: Mapping[str, Any], line: int | None = None) -> None:
        """Count one request with its framing, tools and images; faults name file and line."""
        try:
            self._add_request(path, request)
        except NexctlError as error:
            if not error.message.startswith(path):
                error.message = f"{path}:{line}: {error.message}" if line else f"{path}: {error}"
            raise

    def take(self) -> dict[str, Any]:
        """Return everything summed so far as plain values for `merge`, and begin anew."""
        taken = {
            "lanes": {key: lane.take() for key, lane in self.lanes.items()},
            "missing": {key: row.reason for key, row in self.missing.items()},
            "files": [(path, name, row.take()) for (path, name), row in self.files.items()],
            "high_is_asked": self.high_is_asked,
        }
        self.files = {}
        self.high_is_asked = True
        return taken

    def merge(self, taken: Mapping[str, Any]) -> None:
        """Add what another estimator with the same Ask took."""
        for (place, model), totals in taken["lanes"].items():
            self._lane(place, self.books[place].models[model]).merge(totals)
        for (place, model), reason in taken["missing"].items():
            self.missing[place, model] = Missing(self.books[place], model, reason)
        for path, tokenizer, totals in taken["files"]:
            self._file(path, tokenizer).merge(totals)
        self.high_is_asked = self.high_is_asked and taken["high_is_asked"]

    def _add_request(self, path: str, request: Mapping[str, Any]) -> None:
        model = framing.model_of(request)
        most = framing.max_output_of(request)
        answers = framing.answers_of(request)
        if most is None:
            self.high_is_asked = False
        for choice, lanes in self._by_tokenizer(model):
            count = framing.count_request(choice, request, self._counter(choice))
            demand = Demand(count.input_tokens, most, answers)
            exact = choice.exact and count.method == "exact"
            row = self._file(path, choice.tokenizer)
            row.add(count.input_tokens, exact)
            for lane in lanes:
                row.models[lane.model.id] = None
                lane.counted_by(choice.tokenizer, _worse(choice.method, count.method), count.error)
                for note in count.notes:
                    lane.note(note)
                lane.add(demand)

    def _add_text_count(
        self, path: str, choice: registry.Choice, lanes: list[Lane], tokens: int
    ) -> None:
        method, error = choice.method, choice.error
        if self.ask.chat:
            framed = framing.frame_text(choice, tokens)
            tokens = framed.input_tokens
            method, error = _worse(method, framed.method), framed.error
        self.high_is_asked = False
        row = self._file(path, choice.tokenizer)
        row.add(tokens, choice.exact)
        for lane in lanes:
            row.models[lane.model.id] = None
            lane.counted_by(choice.tokenizer, method, error)
            for note in choice.notes:
                lane.note(note)
            lane.add(Demand(tokens, None, 1))

    def _file(self, path: str, tokenizer: str) -> FileCount:
        key = (path, tokenizer)
        if key not in self.files:
            self.files[key] = FileCount(path, tokenizer)
        return self.files[key]

    def _lane(self, place: int, model: Model) -> Lane:
        lane = self.lanes.get((place, model.id))
        if lane is None:
            lane = Lane(self.ask, self.books[place], model, self.plans[place])
            self.lanes[place, model.id] = lane
        return lane

    def _counter(self, choice: registry.Choice) -> Any:
        counter = self._counters.get(choice.tokenizer)
        if counter is None:
            counter = self._counters[choice.tokenizer] = registry.counter(choice, bulk=self.bulk)
        return counter

    def _by_tokenizer(self, model: str | None) -> list[tuple[registry.Choice, list[Lane]]]:
        grouped: dict[str, tuple[registry.Choice, list[Lane]]] = {}
        for lane, choice in self.routes(model):
            grouped.setdefault(choice.tokenizer, (choice, []))[1].append(lane)
        return list(grouped.values())

    def routes(self, model: str | None) -> list[Route]:
        """Return where a request that names `model` (None: names none) is priced."""
        key = None if self.ask.models or self.ask.all_models else model
        if key not in self._routes:
            self._routes[key] = self._find_routes(key)
        return self._routes[key]

    def _find_routes(self, own: str | None) -> list[Route]:
        found: list[Route] = []
        missing: dict[tuple[int, str], Missing] = {}
        fault: UsageError | None = None
        for place, book in enumerate(self.books):
            for name in self._names(book, own):
                try:
                    model = book.find(name)
                except UsageError as error:
                    fault = fault or error
                    missing[place, name] = Missing(book, name, error.message)
                    continue
                found.append(self._route(place, model, name))
        if fault and (not found or len(self.books) == 1):
            raise fault
        self.missing.update(missing)
        return found

    def _names(self, book: Book, own: str | None) -> tuple[str, ...]:
        if self.ask.all_models:
            return tuple(book.models)
        if self.ask.models:
            return self.ask.models
        name = own or self.ask.default_model or book.default_model
        if name is None:
            raise UsageError(
                f"{book.id} has no default model",
                hint=f"choose one with -m; nexctl prices list --on {book.id} shows them",
                code="no_model",
            )
        return (name,)

    def _route(self, place: int, model: Model, name: str) -> Route:
        choice = registry.choose(model.id, provider=model.provider, declared=model.tokenizer)
        lane = self._lane(place, model)
        if name in model.aliases:
            lane.note(f"{name} is an alias of {model.id}")
        return Route(lane, choice)


def _worse(one: str, other: str) -> str:
    return max(one, other, key=METHODS.index)
