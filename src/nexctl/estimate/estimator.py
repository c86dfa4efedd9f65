"""Counts each prompt once per tokenizer and feeds the count to every lane that asks for it.

One estimator serves the estimate command, both sides of a diff and each worker of a bulk run.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from nexctl.errors import NexctlError, UnpricedError, UsageError
from nexctl.estimate.ask import Ask
from nexctl.estimate.lanes import METHODS, Demand, Lane
from nexctl.pricing import books
from nexctl.pricing.book import Book, Model
from nexctl.tokens import framing, registry

if TYPE_CHECKING:
    from nexctl.estimate.calibrated import Calibrated


class Missing(NamedTuple):
    """A model that one of several books does not have: a row without figures, sorted last."""

    book: Book
    model: str
    reason: str


class Route(NamedTuple):
    """Where a request goes: the lane that prices it, by the count of this tokenizer."""

    lane: Lane
    choice: registry.Choice


Group = tuple[registry.Choice, list[Lane]]


class FileCount:
    """What one file counts on one tokenizer."""

    def __init__(self, path: str, tokenizer: str) -> None:
        self.path = path
        self.tokenizer = tokenizer
        self.models: dict[str, None] = {}
        self.requests = 0
        self.input_tokens = 0
        self.exact = True

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
        # Whether every request so far stated the most output that it wants.
        self.high_is_asked = True
        self._groups: dict[str | None, list[Group]] = {}
        self._counters: dict[str, registry.Counter] = {}
        self.calibrated: Calibrated | None = None
        if ask.calibration is not None:
            from nexctl.estimate.calibrated import Calibrated

            self.calibrated = Calibrated(ask.calibration)

    def go_bulk(self) -> None:
        """Count with the fastest engines from here on: they take longer to load."""
        if not self.bulk:
            self.bulk = True
            self._counters.clear()

    def add_text(self, path: str, text: str) -> None:
        """Count plain text as one request (with `--chat`, as one user message)."""
        self._add_texts(path, lambda choice: self._counter(choice).count(text), text)

    def add_counted_text(self, path: str, tokens: Mapping[str, int], head: str = "") -> None:
        """Add text whose tokens were counted in blocks, by the keys of `text_choices`.

        `head` is its beginning, which tells a calibration its script.
        """
        self._add_texts(path, lambda choice: tokens[count_key(choice)], head)

    def add_empty(self, path: str) -> None:
        """Add a file that holds nothing: a row of zero tokens, and no request."""
        for choice, lanes in self._by_count(None):
            row = self._file(path, choice.tokenizer)
            row.models.update(dict.fromkeys(lane.model.id for lane in lanes))

    def text_choices(self) -> dict[str, registry.Choice]:
        """Return the tokenizers that plain text is to be counted with, by key."""
        return {count_key(choice): choice for choice, _ in self._by_count(None)}

    def add_request(self, path: str, request: Mapping[str, Any], line: int | None = None) -> None:
        """Count one request with its framing, tools and images; faults name file and line."""
        try:
            self._add_request(path, request)
        except NexctlError as error:
            if not error.message.startswith(path):
                place = f"{path}:{line}" if line else path
                error.message = f"{place}: {error.message}"
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
        seen: set[str] = set()
        for choice, lanes in self._by_count(model):
            count = framing.count_request(choice, request, self._counter(choice))
            demand = Demand(count.input_tokens, most, answers)
            method = _worse(choice.method, count.method)
            self._add_to_file(path, choice, lanes, count.input_tokens, method, seen)
            for lane in lanes:
                for note in count.notes:
                    lane.note(note)
                self._feed(lane, choice, method, count.error, demand, request)

    def _feed(
        self,
        lane: Lane,
        choice: registry.Choice,
        method: str,
        error: Mapping[str, str | int] | None,
        demand: Demand,
        prompt: Mapping[str, Any] | str,
    ) -> None:
        """Hand a count to a lane, calibrated where there is a calibration that holds for it."""
        if self.calibrated is not None:
            demand, method, error = self.calibrated.apply(
                lane, choice, method, error, demand, prompt
            )
        lane.counted_by(choice.tokenizer, method, error)
        lane.add(demand)

    def _add_texts(self, path: str, count: Callable[[registry.Choice], int], text: str) -> None:
        self.high_is_asked = False
        seen: set[str] = set()
        for choice, lanes in self._by_count(None):
            tokens, method, error = count(choice), choice.method, choice.error
            if self.ask.chat:
                framed = framing.frame_text(choice, tokens)
                tokens, error = framed.input_tokens, framed.error
                method = _worse(method, framed.method)
            self._add_to_file(path, choice, lanes, tokens, method, seen)
            for lane in lanes:
                for note in choice.notes:
                    lane.note(note)
                self._feed(lane, choice, method, error, Demand(tokens, None, 1), text)

    def _add_to_file(
        self,
        path: str,
        choice: registry.Choice,
        lanes: list[Lane],
        tokens: int,
        method: str,
        seen: set[str],
    ) -> None:
        """One row a file and tokenizer, however many models are counted by it."""
        row = self._file(path, choice.tokenizer)
        if choice.tokenizer not in seen:
            seen.add(choice.tokenizer)
            row.requests += 1
            row.input_tokens += tokens
        row.exact = row.exact and method == METHODS[0]
        for lane in lanes:
            row.models[lane.model.id] = None

    def _file(self, path: str, tokenizer: str) -> FileCount:
        key = (path, tokenizer)
        if key not in self.files:
            self.files[key] = FileCount(path, tokenizer)
        return self.files[key]

    def _lane(self, place: int, model: Model) -> Lane:
        lane = self.lanes.get((place, model.id))
        if lane is None:
            # Cached tokens are meant as the first book counts them; the others get the same
            # request counted their way.
            inside = self.books[0].input_includes_cached
            lane = Lane(self.ask, self.books[place], model, self.plans[place], cached_inside=inside)
            self.lanes[place, model.id] = lane
        return lane

    def _counter(self, choice: registry.Choice) -> registry.Counter:
        key = count_key(choice)
        counter = self._counters.get(key)
        if counter is None:
            counter = self._counters[key] = registry.counter(choice, bulk=self.bulk)
        return counter

    def _by_count(self, own: str | None) -> list[Group]:
        """Return the lanes of a request that names model `own`, gathered by what counts them."""
        key = None if self.ask.models or self.ask.all_models else own
        found = self._groups.get(key)
        if found is None:
            grouped: dict[str, Group] = {}
            for lane, choice in self._find_routes(key):
                grouped.setdefault(count_key(choice), (choice, []))[1].append(lane)
            found = self._groups[key] = list(grouped.values())
        return found

    def _find_routes(self, own: str | None) -> list[Route]:
        found: list[Route] = []
        lanes: set[int] = set()
        missing: dict[tuple[int, str], Missing] = {}
        fault: UsageError | None = None
        for place, book in enumerate(self.books):
            for name in self._names(book, own):
                try:
                    route = self._route(place, book.find(name), name)
                    # A model that is named twice, by an alias too, is asked for once.
                    if id(route.lane) not in lanes:
                        lanes.add(id(route.lane))
                        found.append(route)
                except UsageError as error:
                    fault = fault or error
                    missing[place, name] = Missing(book, name, error.message)
        if fault and (not found or (len(self.books) == 1 and not self.ask.all_models)):
            raise fault
        if not found:
            raise UnpricedError(
                f"nothing could be priced: {' and '.join(self.ask.books)} has no models",
                hint="choose another price book (--on); nexctl prices list shows what one has",
            )
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
        # A class row prices several models; the one that was asked for says how it is counted.
        counted = name if model.kind == "class" else model.id
        choice = registry.choose(counted, provider=model.provider, declared=model.tokenizer)
        lane = self._lane(place, model)
        if name in model.aliases:
            lane.note(f"{name} is an alias of {model.id}")
        return Route(lane, choice)


def count_key(choice: registry.Choice) -> str:
    """Name what a count depends on: two models with the same key are counted once."""
    top, bottom = choice.scale
    return (
        f"{choice.tokenizer}|{choice.engine}|{top}/{bottom}|{choice.method}"
        f"|{choice.chat}|{choice.tools}|{choice.image}"
    )


def _worse(one: str, other: str) -> str:
    return one if one == other else max(one, other, key=METHODS.index)
