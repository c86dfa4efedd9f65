"""A price book, its models and plans: thin views of the literal that was compiled from TOML."""

from __future__ import annotations

import re
import time
from functools import lru_cache
from typing import Any, NamedTuple

from nexctl.errors import UnpricedError, UsageError

Source = tuple[str, "str | None", "str | None"]

# What a vendor hangs on a model's name to date a snapshot: `-20250514`, `-2025-04-16`, `@...`.
_SNAPSHOT = re.compile(r"(?:[-@:]?(?:latest|\d{4}-?\d{2}-?\d{2}|\d{2}-\d{2,4}|\d{3,8}))?", re.ASCII)
_NOWHERE: Source = ("page", None, None)


class Rate(NamedTuple):
    """Price of one meter: `price` (decimal text, or N/D where it does not end) for `per` `unit`s.

    state is number, unpublished, varies, not_applicable or unsupported; only a number has a price.
    `words` say how a derived rate came about, or what the page prints instead of a number.
    """

    state: str
    price: str | None = None
    per: int = 1
    unit: str = "token"
    words: str | None = None


class Sourced:
    """A table of the book that knows where each of its values comes from."""

    __slots__ = ("book", "data")

    def __init__(self, book: Book, data: dict[str, Any]) -> None:
        self.book = book
        self.data = data

    def said(self, key: str) -> Source:
        """Return (tag, address or None, words or None) of the value at `key`.

        tag is page, docs, reading, ours or data; the address is a URL.
        """
        return self.book.source_in(self.data.get("said"), key)

    @property
    def notes(self) -> tuple[str, ...]:
        """Notes that stand beside these values."""
        return tuple(self.data.get("notes", ()))


class Model(Sourced):
    """One priced model of a book. Contexts and maxima are tokens, None where unpublished."""

    __slots__ = ("id",)

    def __init__(self, book: Book, data: dict[str, Any]) -> None:
        super().__init__(book, data)
        self.id: str = data["id"]

    @property
    def aliases(self) -> tuple[str, ...]:
        """Other names of the model."""
        return tuple(self.data.get("aliases", ()))

    @property
    def kind(self) -> str:
        """chat, embedding, class, image, audio, rerank or other."""
        return str(self.data.get("kind", "chat"))

    @property
    def provider(self) -> str | None:
        """Whose model it is."""
        provider: str | None = self.data.get("provider")
        return provider

    @property
    def context(self) -> int | None:
        """Context window in tokens."""
        context: int | None = self.data.get("context")
        return context

    @property
    def max_output(self) -> int | None:
        """Most output tokens of one request."""
        most: int | None = self.data.get("max_output")
        return most

    @property
    def capabilities(self) -> tuple[str, ...]:
        """stream, tools, vision, embeddings, as the page prints them."""
        return tuple(self.data.get("capabilities", ()))

    @property
    def tags(self) -> tuple[str, ...]:
        """The book's tags."""
        return tuple(self.data.get("tags", ()))

    @property
    def tokenizer(self) -> dict[str, Any] | None:
        """What the book says about counting: {"name", "method", "error", "source"}, or None."""
        found: dict[str, Any] | None = self.data.get("tokenizer")
        return found

    @property
    def status(self) -> str | None:
        """example, deprecated, preview, or None."""
        status: str | None = self.data.get("status")
        return status

    @property
    def reference(self) -> tuple[str, str] | None:
        """(book, model) of the vendor's own list price among the reference books, if known."""
        found = self.data.get("reference")
        return (found["book"], found["model"]) if found else None

    @property
    def markup(self) -> dict[str, str | None]:
        """{"stated": share of the upstream price as decimal text or None, "included": yes...}."""
        stated = self.data.get("markup", {}).get("stated")
        included = self.book.rule("markup_included") if stated else None
        return {"stated": stated, "included": included}

    @property
    def periods(self) -> tuple[dict[str, Any], ...]:
        """The model's price periods, oldest first, as literals (see the format's description)."""
        return tuple(self.data["periods"])

    @property
    def lifetimes(self) -> tuple[str, ...]:
        """How long a cache may keep what is written to it, beside the usual, like "1h"."""
        names = {name for period in self.periods for name in period.get("variants", ())}
        return tuple(
            sorted(
                name.removeprefix("cache_")
                for name in names
                if name.startswith("cache_") and not name.endswith("_batch")
            )
        )

    @property
    def rates(self) -> dict[str, Rate]:
        """Rates by meter today: standard, lowest context tier."""
        return self.rates_at(None)

    def rates_at(self, at: str | None) -> dict[str, Rate]:
        """Rates by meter in force at an ISO instant (None: today); {} where none is then."""
        try:
            period = self.period(at)
        except UsageError:
            return {}
        return {name: Rate(*rate) for name, rate in period["rates"].items()}

    def period(self, at: str | None) -> dict[str, Any]:
        """Return the price period in force at an ISO instant, today's for None.

        Of periods that hold only some hours of the day the one without hours is meant. Raises
        UsageError (`before_first_price`, `after_last_price`) where no period covers the instant.
        """
        rows = [row for row in self.data["periods"] if "hours" not in row]
        if len(rows) == 1 and "from" not in rows[0] and "to" not in rows[0]:
            return dict(rows[0])
        at = at or today()
        for row in rows:
            if covers(row, at):
                return dict(row)
        first, end = rows[0].get("from"), rows[-1].get("to")
        ended = end is not None and end <= at
        raise UsageError(
            f"{self.book.id} has no price for {self.id} at {at}",
            hint=f"its prices ended at {end}" if ended else f"its prices begin at {first}",
            code="after_last_price" if ended else "before_first_price",
        )

    def rate_source(self, meter: str) -> Source:
        """Return (tag, address, words) of one rate."""
        spoken = self.data.get("rates_said")
        if spoken and (meter in spoken or "*" in spoken):
            return self.book.source_in(spoken, meter)
        return self.said("rates")

    def __repr__(self) -> str:
        return f"Model({self.book.id}/{self.id})"


class Plan(Sourced):
    """One plan: limits by name (a number, "unlimited", "custom" or "unpublished"), features."""

    __slots__ = ("id",)

    def __init__(self, book: Book, data: dict[str, Any]) -> None:
        super().__init__(book, data)
        self.id: str = data["id"]

    @property
    def title(self) -> str:
        """What people call it."""
        return str(self.data.get("title", self.id))

    @property
    def limits(self) -> dict[str, int | str]:
        """rpm, context, max_output, keys, sub_keys, concurrency ... where the page has them."""
        return _values(self.data.get("limits", {}))

    @property
    def features(self) -> dict[str, Any]:
        """Feature name -> true, false or the page's word."""
        return _values(self.data.get("features", {}))

    @property
    def service(self) -> dict[str, Any]:
        """sla, support, response_time: the page's words."""
        return _values(self.data.get("service", {}))

    @property
    def budgets(self) -> tuple[dict[str, Any], ...]:
        """Budget records of the plan: name, scope, window, unit, meters, models, amount, hard."""
        return tuple(self.data.get("budgets", ()))

    @property
    def route(self) -> tuple[str, ...]:
        """Model ids in the order of the plan's default route."""
        return tuple(self.data.get("route", ()))

    @property
    def credits(self) -> dict[str, Any] | None:
        """{"amount", "every", "unit"} of credits that come with the plan."""
        found: dict[str, Any] | None = self.data.get("credits")
        return found

    def limit(self, name: str) -> int | None:
        """Return a limit as a number, None where it is unlimited, custom or unpublished."""
        value = self.limits.get(name)
        return value if isinstance(value, int) else None

    def __repr__(self) -> str:
        return f"Plan({self.book.id}/{self.id})"


class Book:
    """The dated prices and rules of one gateway. Dates are ISO text, None where open."""

    __slots__ = ("_models", "_names", "data", "file", "head")

    def __init__(self, data: dict[str, Any], file: str | None = None) -> None:
        self.data = data
        self.head: dict[str, Any] = data["book"]
        self.file = file
        self._models: dict[str, Model] | None = None
        self._names: dict[str, str] | None = None

    @property
    def id(self) -> str:
        """Short name of the book."""
        return str(self.head["id"])

    @property
    def title(self) -> str:
        """What people call it."""
        return str(self.head["title"])

    @property
    def kind(self) -> str:
        """gateway, or upstream for a vendor's own list prices."""
        return str(self.head.get("kind", "gateway"))

    @property
    def unit(self) -> str:
        """Currency or credit unit of every charge, e.g. USD or credits."""
        return str(self.head["unit"])

    @property
    def scale(self) -> int:
        """Decimal places of the ledger's unit: a charge counts 10**-scale of `unit`."""
        return int(self.head["scale"])

    @property
    def is_credit(self) -> bool:
        """Whether charges are in credits, not in a currency."""
        return self.head.get("unit_kind") == "credit"

    @property
    def credit_value(self) -> tuple[str, str, str] | None:
        """(amount, currency, credits) as in `1 USD for 1000000`; None where unpublished."""
        credit = self.head.get("credit", {})
        return (credit["amount"], credit["currency"], credit["per"]) if "amount" in credit else None

    @property
    def rounding(self) -> tuple[int, str, str]:
        """(places, mode, request or component); default: the scale, half_even, request."""
        row = self.head.get("rounding", {})
        places = row.get("places", self.scale)
        return places, row.get("mode", "half_even"), row.get("per", "request")

    @property
    def valid_from(self) -> str | None:
        """First day in force, None where open."""
        start: str | None = self.head.get("valid_from")
        return start

    @property
    def valid_to(self) -> str | None:
        """First day no longer in force, None where open."""
        end: str | None = self.head.get("valid_to")
        return end

    @property
    def retrieved(self) -> str:
        """Day on which the source was read."""
        return str(self.head["retrieved"])

    @property
    def version(self) -> str:
        """`ID@VALID_FROM`, or `ID@RETRIEVED` where that is open."""
        return f"{self.id}@{self.valid_from or self.retrieved}"

    @property
    def sha256(self) -> str:
        """SHA-256 of the TOML text that the book was compiled from."""
        return str(self.data["sha256"])

    @property
    def source(self) -> str | None:
        """Address of the page, or of the data set."""
        source: str | None = self.head.get("source")
        return source

    @property
    def default_model(self) -> str | None:
        """Id of the model used where none is named."""
        name: str | None = self.head.get("default_model")
        return name

    @property
    def estimate_notes(self) -> tuple[str, ...]:
        """What whoever sees an estimate on this book should know."""
        return tuple(self.head.get("estimate_notes", ()))

    @property
    def notes(self) -> tuple[str, ...]:
        """Notes on the whole book."""
        return tuple(self.head.get("notes", ()))

    @property
    def conflicts(self) -> tuple[dict[str, Any], ...]:
        """Published statements that disagree: {"about", "says": (...), "taken"}."""
        return tuple(self.data.get("conflicts", ()))

    def rule(self, name: str, default: Any = None) -> Any:
        """Return the value of a rule (`tier_basis`, `markup_included`, ...), else `default`."""
        row = self.data.get("rules", {}).get(name)
        return row["value"] if row else default

    def rules(self) -> dict[str, tuple[Any, tuple[Any, ...], Source]]:
        """Every rule: name -> (value, other readings, source)."""
        rows = self.data.get("rules", {})
        return {
            name: (row["value"], row.get("other", ()), self.source_in(row.get("said"), "value"))
            for name, row in rows.items()
            if name not in ("said", "notes")
        }

    @property
    def input_includes_cached(self) -> bool:
        """Whether input counts cached tokens too."""
        return bool(self.rule("input_includes_cached", True))

    @property
    def input_includes_cache_write(self) -> bool:
        """Whether input counts tokens written to the cache too."""
        return bool(self.rule("input_includes_cache_write", self.input_includes_cached))

    @property
    def output_includes_reasoning(self) -> bool:
        """Whether output counts reasoning tokens too."""
        return bool(self.rule("output_includes_reasoning", True))

    @property
    def models(self) -> dict[str, Model]:
        """Model id -> Model, in the book's order."""
        if self._models is None:
            self._models = {row["id"]: Model(self, row) for row in self.data["models"]}
        return self._models

    def find(self, name: str) -> Model:
        """Return the model that `name` (id, alias, listed class member, dated snapshot) means.

        Raises UsageError, code `unknown_model`, with near names and the books that do price it;
        UnpricedError where the book publishes no price at all.
        """
        models = self.models
        if name in models:
            return models[name]
        if not models:
            raise UnpricedError(
                f"{self.title} publishes no prices",
                hint="name another book with --on, or write its prices into a book of your own",
                details={"book": self.id, "model": name[:100], "state": "unpublished"},
            )
        found = self._resolve(name)
        if found is not None:
            return models[found]
        from nexctl.pricing import books

        raise books.unknown_model(self, name)

    def _resolve(self, name: str) -> str | None:
        names, low = self.names(), name.lower()
        if low in names:
            return names[low]
        best = ""
        for key in names:
            if (
                key.endswith("*")
                and len(key) > len(best)
                and low.startswith(key[:-1])
                and _SNAPSHOT.fullmatch(low, len(key) - 1)
            ):
                best = key
        return names.get(best)

    def names(self) -> dict[str, str]:
        """Every name in lower case -> model id; a name ending in `*` takes dated snapshots."""
        if self._names is None:
            names: dict[str, str] = {}
            for row in self.data["models"]:
                for name in (row["id"], *row.get("aliases", ()), *row.get("match", ())):
                    names.setdefault(name.lower(), row["id"])
                for name in row.get("prefixes", ()):
                    names.setdefault(name.lower() + "*", row["id"])
            self._names = names
        return self._names

    @property
    def plans(self) -> dict[str, Plan]:
        """Plan id -> Plan, in the page's order."""
        return {row["id"]: Plan(self, row) for row in self.data.get("plans", ())}

    def plan(self, name: str) -> Plan:
        """Return a plan that the customer may name; UsageError where there is none such.

        A book whose plan follows from recharges, or that has no plans, refuses any name.
        """
        plans = self.plans
        if not plans:
            raise UsageError(f"{self.title} has no plans", hint="leave --plan out", code="no_plans")
        if self.rule("plan_source") == "highest_recharge":
            raise UsageError(
                f"on {self.title} the plan follows from the highest recharge, it is not chosen",
                hint="leave --plan out",
                code="plan_not_chosen",
            )
        if name.lower() not in plans:
            from nexctl.pricing.shape import near

            raise UsageError(
                f"{self.title} has no plan {name!r}{near(name, plans)}",
                hint=f"plans: {', '.join(plans)}",
                code="unknown_plan",
            )
        return plans[name.lower()]

    def section(self, name: str) -> Sourced:
        """Return another part of the book: topup, loyalty, tax, refusals, routes, terms, ..."""
        return Sourced(self, self.data.get(name, {}))

    def source_in(self, spoken: dict[str, Source] | None, key: str) -> Source:
        """Resolve one source with its address; the book's own where nothing else is said."""
        row = (spoken or {}).get(key) or (spoken or {}).get("*")
        row = row or self.head.get("said", {}).get("*") or _NOWHERE
        tag, address, words = row
        return tag, self.data.get("addresses", {}).get(address) if address else None, words

    def __repr__(self) -> str:
        return f"Book({self.version})"


def today() -> str:
    """Today's date in UTC as ISO text: a book may already hold prices that begin later."""
    return _date(int(time.time()) // 86_400)


@lru_cache(maxsize=4)
def _date(day: int) -> str:
    """The date of a day since 1970-01-01."""
    return time.strftime("%Y-%m-%d", time.gmtime(day * 86_400))


def covers(row: dict[str, Any], at: str) -> bool:
    """Whether a half-open period {"from", "to"} (None = open) holds an ISO instant."""
    start, end = row.get("from"), row.get("to")
    return (start is None or start <= at) and (end is None or at < end)


def _values(table: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in table.items() if key not in ("said", "notes")}
