"""Counting and pricing for one book: made once a model, used for every request.

The count is `tokens`', the charge is `pricing`'s: the same figures that `nexctl estimate` prints.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from msgspec import Struct

from nexctl.pricing import as_input, engine
from nexctl.pricing.book import today
from nexctl.records import Usage
from nexctl.server.ledger.types import Snapshot
from nexctl.server.refusing import Refuse
from nexctl.tokens import framing, registry

if TYPE_CHECKING:
    from nexctl.pricing.book import Model
    from nexctl.server.house import House
    from nexctl.wire.chat import ChatUsage

T = TypeVar("T")

# Bodies up to this many bytes are counted on the event loop: it takes less than a thread's turn.
AT_ONCE = 8 * 1024
# From here on the engines that take longer to load are worth it.
BULK_FROM = 64 * 1024
# How far a provider's input count may lie from ours.
FACTOR, SLACK = 4, 50


class Priced(NamedTuple):
    """A model's compiled prices, the snapshot that debits keep, and whether it has no output."""

    pricer: engine.Pricer
    snapshot: Snapshot
    silent: bool

    def charge(self, usage: Usage) -> tuple[int, Usage]:
        """The exact charge in units, and the usage that it follows from.

        A cached or written part that the book has no price for is charged as plain input.
        """
        charge, charged = as_input.charge(self.pricer, usage)
        return charge.units, charged

    def most(self, usage: Usage) -> int:
        """The most that such usage may be charged: its rates are known, so it is the charge."""
        return self.pricer.charge(usage).units


class Count(Struct, frozen=True):
    """Input tokens: our count, and the most that the true count may be by its stated error."""

    tokens: int
    most: int
    method: str
    error: Mapping[str, Any] | None
    notes: tuple[str, ...]
    tokenizer: str


class Meters:
    """Counters and pricers by model."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._priced: dict[tuple[str, str, bool, str], Priced] = {}
        self._day = ""
        self._choices: dict[tuple[str, str], registry.Choice] = {}
        self._counters: dict[tuple[int, bool], registry.Counter] = {}

    def priced(
        self,
        model: Model,
        condition: str = "",
        *,
        batch: bool = False,
        probe: Usage | None = None,
    ) -> Priced:
        """The model's prices today, with `batch` those of a batch's line.

        `condition` is "semantic_hit" or "byok", as the price engine names them; `probe` is what
        must be priced where it is not input and output. Refused where there is no number to charge
        by.
        """
        day = today()
        if day != self._day:
            self._priced.clear()
            self._day = day
        # A request keeps the book that it found its model in, though another one comes in force.
        key = (model.book.sha256, model.id, batch, condition)
        found = self._priced.get(key)
        if found is None:
            conditions: dict[str, Any] = {condition: True} if condition else {}
            pricer = engine.pricer(model.book, model, at=day, batch=batch, **conditions)
            if not pricer.known:
                raise Refuse("unpriced", "only a range of prices is published for this model")
            output = model.rates.get("output")
            silent = output is not None and output.state == "not_applicable"
            pricer.charge(probe or Usage(input=1, output=0 if silent else 1))
            found = Priced(pricer, self._house.ledger.snapshot(pricer.snapshot()), silent)
            self._priced[key] = found
        return found

    def choice(self, model: Model, name: str) -> registry.Choice:
        """How the model is counted; a class row is counted as the model that was asked for."""
        counted = name if model.kind == "class" else model.id
        # By the book too: another one may come in force that declares another tokenizer.
        key = (model.book.sha256, counted)
        found = self._choices.get(key)
        if found is None:
            found = registry.choose(counted, provider=model.provider, declared=model.tokenizer)
            self._choices[key] = found
        return found

    def counter(self, choice: registry.Choice, bulk: bool = False) -> registry.Counter:
        """What counts text; loaded when first needed."""
        # By identity: the choices are kept here, one for each model.
        key = (id(choice), bulk)
        found = self._counters.get(key)
        if found is None:
            found = self._counters[key] = registry.counter(choice, bulk=bulk)
        return found

    async def count(
        self, model: Model, name: str, plain: Mapping[str, Any], size: int, endpoint: str
    ) -> Count:
        """Count a request's input; a large one off the event loop and not for ever."""
        return await self.off_loop(lambda: self.counted(model, name, plain, size, endpoint), size)

    def counted(
        self, model: Model, name: str, plain: Mapping[str, Any], size: int, endpoint: str
    ) -> Count:
        """The same, here and now."""
        choice = self.choice(model, name)
        counter = self.counter(choice, size >= BULK_FROM)
        found = framing.count_request(choice, plain, counter, endpoint)
        return Count(
            found.input_tokens,
            _most(found.input_tokens, found.error),
            found.method,
            found.error,
            found.notes,
            choice.tokenizer,
        )

    async def off_loop(self, work: Callable[[], T], size: int) -> T:
        """Run work on `size` bytes here, or in a thread where served and large."""
        options = self._house.options
        if not options.served or size <= AT_ONCE:
            return work()
        import asyncio

        try:
            async with asyncio.timeout(options.counting_seconds):
                return await asyncio.to_thread(work)
        except TimeoutError:
            raise Refuse(
                "payload_too_large", "the request cannot be counted in reasonable time"
            ) from None

    def text_count(self, choice: registry.Choice, text: str) -> int:
        """Tokens of an answer."""
        return self.counter(choice, len(text) >= BULK_FROM).count(text)

    def cut(self, choice: registry.Choice, text: str, most: int) -> str:
        """The beginning of a text with at most so many tokens."""
        counter = self.counter(choice)
        # A token is rarely longer than this many characters; it only speeds up the search.
        low, high = 0, min(len(text), most * 32)
        if counter.count(text[:high]) <= most:
            return text[:high]
        while high - low > 1:
            middle = (low + high) // 2
            if counter.count(text[:middle]) <= most:
                low = middle
            else:
                high = middle
        return text[:low]


def _most(tokens: int, error: Mapping[str, Any] | None) -> int:
    """The upper bound of the true count."""
    if not error:
        return tokens
    slack: int = error.get("tokens", 0)
    return tokens + max(0, _share(tokens, error["high_percent"])) + slack


def _least(tokens: int, error: Mapping[str, Any] | None) -> int:
    """The lower bound: an image at an address may be far smaller than the largest one."""
    if not error:
        return tokens
    slack: int = error.get("tokens", 0)
    return max(0, tokens + min(0, _share(tokens, error["low_percent"])) - slack)


def _share(tokens: int, percent: Any) -> int:
    """So many per cent of the tokens, rounded up."""
    whole, _, part = str(percent).partition(".")
    return -(-tokens * int(whole + part) // int(100 * 10 ** len(part)))


class Checked(Struct, frozen=True):
    """Usage fit to be charged. `by` is upstream or gateway, `wrong` what did not hold."""

    usage: Usage
    shown: ChatUsage
    by: str
    wrong: tuple[str, ...]


def checked(
    house: House,
    said: ChatUsage | None,
    *,
    counted: int,
    most_output: int,
    size: int,
    output: Callable[[], int],
    error: Callable[[], Mapping[str, Any] | None],
) -> Checked:
    """Hold a provider's numbers against ours: 0 <= cached <= input near our count, output <= sent.

    What does not hold is replaced by our own count; so is a zero for what was sent or delivered,
    which is what a provider says that did not count. `size` is the answer's length in bytes, which
    no token count exceeds; `output` counts the answer, and `error` says how far the true count may
    lie from ours by its own word, which the band lies around: both are called only at need.
    """
    from nexctl.wire.chat import ChatUsage, CompletionDetails, PromptDetails

    wrong: list[str] = []
    if said is None:
        into, out = counted, min(output(), most_output)
        cached = reasoning = 0
        wrong.append("usage is missing")
        by = "gateway"
    else:
        by = "upstream"
        into, out = said.prompt_tokens, said.completion_tokens
        prompt, completion = said.prompt_tokens_details, said.completion_tokens_details
        cached = prompt.cached_tokens if prompt else 0
        reasoning = completion.reasoning_tokens if completion else 0
        least = max(counted // FACTOR - SLACK, min(counted, 1))
        if 0 < into < least:
            least = max(_least(counted, error()) // FACTOR - SLACK, 1)
        if not least <= into <= counted * FACTOR + SLACK:
            wrong.append(f"input {_shown(into)} against {counted} counted")
            into = counted
        if not 0 <= cached <= into:
            wrong.append(f"cached {_shown(cached)} of {into} input")
            cached = 0
        if not 0 <= out <= most_output:
            wrong.append(f"output {_shown(out)} of {most_output} allowed")
            out = most_output if out > 0 else min(output(), most_output)
        elif size > (out and out * FACTOR + SLACK) and out < max(
            (ours := min(output(), most_output)) // FACTOR - SLACK, min(ours, 1)
        ):
            wrong.append(f"output {out} against {ours} counted")
            out = ours
        if not 0 <= reasoning <= out:
            wrong.append(f"reasoning {_shown(reasoning)} of {out} output")
            reasoning = 0
    if wrong and said is not None:
        by = "gateway"
    shown = ChatUsage(
        prompt_tokens=into,
        completion_tokens=out,
        total_tokens=into + out,
        prompt_tokens_details=PromptDetails(cached_tokens=cached) if cached else None,
        completion_tokens_details=CompletionDetails(reasoning_tokens=reasoning)
        if reasoning
        else None,
    )
    book = house.book
    usage = Usage(
        input=into if book.input_includes_cached else into - cached,
        cached_input=cached,
        output=out if book.output_includes_reasoning else out - reasoning,
        reasoning=reasoning,
    )
    return Checked(usage, shown, by, tuple(wrong))


def _shown(number: int) -> str:
    return str(number) if -(10**12) < number < 10**12 else "a huge number"


def rates_of(snapshot: Mapping[str, Any], usage: Mapping[str, int]) -> dict[str, Any]:
    """The rates of a price snapshot that a request met: meter -> {price, per, factor}."""
    form = snapshot["forms"][0]
    chosen = form[0]
    total = usage.get("input", 0)
    for row in form[1:]:
        if total >= row["from"]:
            chosen = row
    rates: dict[str, Any] = chosen["rates"]
    return rates


def per_million(rate: Mapping[str, Any] | None) -> str | None:
    """A rate's price for 1,000,000 of its meter: a plain decimal, to twelve places where it does
    not end (`rates` of the record has it as a ratio).
    """
    if rate is None:
        return None
    from nexctl.pricing.exact import decimal_text, ratio_of

    top, bottom = ratio_of(str(rate["price"]))
    return decimal_text(top * 1_000_000, bottom * int(rate["per"]))


__all__ = [
    "Checked",
    "Count",
    "Meters",
    "Priced",
    "checked",
    "per_million",
    "rates_of",
]
