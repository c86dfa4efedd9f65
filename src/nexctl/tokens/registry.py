"""Which tokenizer counts a model, how sure that is, and the counter that does it.

The map is families.toml (compiled to families_data.py). A model that it does not know is refused:
counting it with some other model's tokenizer would print a number that looks exact.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, NamedTuple, Protocol

from nexctl.errors import UsageError
from nexctl.tokens.families_data import CHATS, MODELS, NAMES, STARTS, TOKENIZERS

EXACT = "exact"
ESTIMATED = "estimated"
METHODS = (EXACT, "vendor-declared", "reconstructed", ESTIMATED)


class Choice(NamedTuple):
    """How the text of one model is counted. Picklable, so that processes can share it.

    `tokenizer` names the count that is printed ("deepseek_v3", also where it is only estimated).
    `error` is None for an exact count, else {"low_percent", "high_percent"}: how far the true
    count may lie from the printed one. `engine` is what counts, `scale` (numerator, denominator)
    what its count is multiplied with. `chat`, `tools`, `image` name the rules of framing. `extra`
    is the line that installs what would make the count better, None where nothing is missing.
    """

    tokenizer: str
    method: str
    error: Mapping[str, str | int] | None
    source: str
    exact: bool
    extra: str | None = None
    notes: tuple[str, ...] = ()
    engine: str = ""
    scale: tuple[int, int] = (1, 1)
    chat: str = "guess"
    tools: str = "template"
    image: str = "guess"
    model: str | None = None


class Engine(Protocol):
    """What counts text. Special-token text counts as text."""

    def count(self, text: str) -> int:
        """Number of tokens."""


class Counter:
    """A choice made ready to count; `count` is the engine's own method, at no extra call."""

    __slots__ = ("choice", "count", "engine")

    def __init__(self, choice: Choice, engine: Engine) -> None:
        self.choice = choice
        self.engine = engine
        self.count: Callable[[str], int] = engine.count
        if choice.scale[0] != choice.scale[1]:
            inner = engine.count
            self.count = lambda text: self.scaled(inner(text))

    def scaled(self, total: int) -> int:
        """The count that is printed for a sum of `count_part`s."""
        top, bottom = self.choice.scale
        return total if top == bottom else (total * top * 2 + bottom) // (bottom * 2)

    def count_part(self, text: str, first: bool, last: bool) -> int:
        """Tokens of one part of a text that was cut where `find_cut` says, not scaled yet."""
        parts = getattr(self.engine, "count_part", None)
        if parts is None:
            return self.engine.count(text)
        tokens: int = parts(text, first, last)
        return tokens

    def find_cut(self, text: str, start: int, end: int | None = None) -> int:
        """The first place in text[start:end] where parts add up to the whole; -1 for none."""
        finder = getattr(self.engine, "find_cut", None)
        if finder is None:
            from nexctl.tokens.bpe import cuts as finder_module

            finder = finder_module.find
        place: int = finder(text, start, end)
        return place

    @property
    def has_pieces(self) -> bool:
        """Whether tokens have ids and bytes here (a vocabulary counts, and counts this model)."""
        return self.choice.scale == (1, 1) and hasattr(self.engine, "encode")

    def encode(self, text: str) -> list[int]:
        """Token ids of `text`; UsageError where the count comes without ids."""
        ids: list[int] = self._vocabulary().encode(text)
        return ids

    def pieces(self, text: str) -> list[bytes]:
        """The bytes of each token; UsageError where the count comes without ids."""
        vocabulary = self._vocabulary()
        return [vocabulary.token_bytes(token) for token in vocabulary.encode(text)]

    def _vocabulary(self) -> Any:
        if not self.has_pieces or not hasattr(self.engine, "token_bytes"):
            raise UsageError(
                f"{self.choice.tokenizer} is counted without token ids here ({self.choice.method})",
                hint=self.choice.extra or "leave out --ids and --pieces, or name another model",
                code="no_token_ids",
            )
        return self.engine


def choose(
    model_id: str | None,
    provider: str | None = None,
    declared: Mapping[str, Any] | None = None,
) -> Choice:
    """The tokenizer of `model_id`; `declared`, what a price book says of it, wins over the map.

    `declared` has name and method, may have error {"low_percent", "high_percent"} and source.
    UsageError (unknown_tokenizer) for a model or a tokenizer name that nothing here knows.
    """
    if declared:
        return _declared(model_id, declared)
    if not model_id:
        raise UsageError("no model named, so no tokenizer either", code="unknown_tokenizer")
    return _chosen(model_id, provider)


def counter(choice: Choice, bulk: bool = False) -> Counter:
    """What counts `choice`: small inputs start at once, `bulk` takes the fastest proven engine."""
    return Counter(choice, _engine(choice.engine or choice.tokenizer, bulk))


def tokenizer(name: str) -> Choice:
    """The tokenizer of that name itself, for text of no particular model.

    As sure as it is for the models that it is known best for: no vocabulary of Claude is published.
    """
    if name not in TOKENIZERS:
        raise UsageError(
            f"no tokenizer is called {name!r}",
            hint="known ones: " + ", ".join(sorted(TOKENIZERS)),
            code="unknown_tokenizer",
        )
    rows = [row for row in MODELS if row["tokenizer"] == name]
    method = min((row["method"] for row in rows), key=METHODS.index, default=EXACT)
    bands = [band for row in rows if row["method"] == method and (band := _band(row))]
    widest = None
    if bands:
        widest = {
            "low_percent": min((band["low_percent"] for band in bands), key=float),
            "high_percent": max((band["high_percent"] for band in bands), key=float),
        }
    return _declared(None, {"name": name, "method": method, "error": widest})


@lru_cache(maxsize=4096)
def _chosen(model_id: str, provider: str | None) -> Choice:
    row = find(model_id)
    if row is None:
        whose = f" of {provider}" if provider else ""
        raise UsageError(
            f"no tokenizer is known for the model '{model_id}'{whose}",
            hint="price it as a model whose tokenizer is known (-m), or give the model a tokenizer "
            'in its price book: tokenizer = {name = "o200k_base", method = "estimated", '
            'error = {low_percent = "-30", high_percent = "50"}}',
            code="unknown_tokenizer",
        )
    choice = _built(row["tokenizer"], row["method"], _band(row), row["source"], row, model_id)
    if "note" in row:
        choice = choice._replace(notes=(row["note"], *choice.notes))
    return choice


def find(model_id: str) -> dict[str, Any] | None:
    """The row of the map for a model's name in any gateway's spelling; None where there is none."""
    for name in _spellings(model_id):
        for end in range(len(name), 1, -1):
            start = name[:end]
            if start in NAMES and _ends(name[end:]):
                return MODELS[NAMES[start]]
            if start in STARTS:
                return MODELS[STARTS[start]]
    return None


def _ends(rest: str) -> bool:
    """Whether `rest` may follow a model's name without making it another model.

    A size, a date or a variant may; a bare further version number (one or two digits) may not.
    """
    if not rest:
        return True
    if rest[0] not in "-:@":
        return False
    digits = len(rest[1:]) - len(rest[1:].lstrip("0123456789"))
    return rest[0] != "-" or digits not in (1, 2) or rest[1 + digits : 2 + digits].isalpha()


def _spellings(model_id: str) -> list[str]:
    """A model id without the prefixes that gateways and clouds put before it."""
    name = model_id.strip().lower()
    if name.startswith("ft:"):
        name = name[3:]
    name = name.rsplit("/", 1)[-1].replace(" ", "-")
    names = [name]
    # Clouds write region.vendor.model; a version's dot is followed by a digit.
    head, dot, rest = name.partition(".")
    while dot and head.replace("-", "").isalpha() and rest[:1].isalpha():
        names.append(rest)
        head, dot, rest = rest.partition(".")
    return names


def _declared(model_id: str | None, declared: Mapping[str, Any]) -> Choice:
    name = declared.get("name")
    method = declared.get("method", ESTIMATED)
    if not isinstance(name, str) or name not in TOKENIZERS:
        raise UsageError(
            f"the price book names a tokenizer that is not known: {name!r}",
            hint="known ones: " + ", ".join(sorted(TOKENIZERS)),
            code="unknown_tokenizer",
        )
    if method not in METHODS:
        raise UsageError(
            f"the price book gives its tokenizer the method {method!r}",
            hint="one of " + ", ".join(METHODS),
            code="unknown_tokenizer",
        )
    error = declared.get("error")
    row = find(model_id) if model_id else None
    rules = {"chat": _CHAT_OF.get(name, "guess")}
    if method == ESTIMATED:
        rules = {"chat": "guess"}
    if row is not None:
        rules = {key: row[key] for key in ("chat", "tools", "image") if key in row}
    for key in ("chat", "tools", "image"):
        if isinstance(declared.get(key), str):
            rules[key] = declared[key]
    source = declared.get("source")
    return _built(
        name,
        method,
        dict(error) if isinstance(error, Mapping) else None,
        source if isinstance(source, str) else TOKENIZERS[name]["source"],
        rules,
        model_id,
    )


# The template that goes with a vocabulary when a book names the vocabulary alone.
_CHAT_OF = {row["tokenizer"]: row["chat"] for row in MODELS if row["chat"] != "none"} | {
    "o200k_base": "openai-2024",
    "cl100k_base": "openai",
}


def _built(
    name: str,
    method: str,
    error: Mapping[str, Any] | None,
    source: str,
    rules: Mapping[str, Any],
    model: str | None,
) -> Choice:
    row = TOKENIZERS[name]
    if method == ESTIMATED and error is None:
        # A guess without a band of its own gets one that spans the known families: Japanese in a
        # vocabulary made for it, code in Claude's.
        error = {"low_percent": "-50", "high_percent": "105"}
    if method == EXACT:
        error = None
    chat = rules.get("chat", "guess")
    choice = Choice(
        tokenizer=name,
        method=method,
        error=error,
        source=source,
        exact=method == EXACT,
        engine=name,
        chat=chat if chat in CHATS else "guess",
        tools=rules.get("tools", "template"),
        image=rules.get("image", "guess"),
        model=model,
    )
    if row["carrier"] != "none" and not _missing(tuple(row.get("needs", ()))):
        return choice
    install = row.get("install")
    note = f"{name} is estimated from {row['like']}"
    note += f"; exact with: {install}" if install else "; no package that is read here carries it"
    notes: tuple[str, ...] = (note,)
    if "rare" in row:
        notes += (
            f"{name}: text in Indic scripts, Thai, Hebrew and the like may cost up to "
            f"{row['rare']} times this estimate",
        )
    return choice._replace(
        method=ESTIMATED,
        error=_compounded(row, error or {}),
        exact=False,
        extra=install,
        notes=notes,
        engine=row["like"],
        scale=_fraction(row["scale"]),
    )


def _compounded(one: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, str]:
    """The band of an estimate (`one`) of what itself lies within `other`, in whole per cents."""
    band = {}
    for key, away in (("low_percent", -1), ("high_percent", 1)):
        factor = (100 + float(one[key])) * (100 + float(other.get(key, 0))) / 100
        band[key] = str(away * -int(-away * (factor - 100) // 1))
    return band


def _band(row: Mapping[str, Any]) -> dict[str, str] | None:
    if "low_percent" not in row:
        return None
    return {"low_percent": row["low_percent"], "high_percent": row["high_percent"]}


def _fraction(text: str) -> tuple[int, int]:
    whole, _, part = text.partition(".")
    return int(whole + part), int(10 ** len(part))


@lru_cache(maxsize=64)
def _missing(packages: tuple[str, ...]) -> bool:
    if not packages:
        return False
    from importlib.util import find_spec

    return any(find_spec(package) is None for package in packages)


@lru_cache(maxsize=64)
def _engine(name: str, bulk: bool) -> Engine:
    row = TOKENIZERS[name]
    carrier = row["carrier"]
    if carrier == "table":
        table = row.get("table", name)
        if bulk:
            from nexctl.tokens.bpe import bulk as engines

            fast: Engine = engines.engine(table)
            return fast
        from nexctl.tokens.bpe import table as tables

        small: Engine = tables.open_table(table)
        return small
    if carrier == "claude":
        from nexctl.tokens import claude

        return claude.engine(name)
    from nexctl.tokens import carriers

    return carriers.engine(name)
