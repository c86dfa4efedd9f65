"""Routing: a customer's own rules, the operator's routes, and which models are served."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, field

from nexctl.wire.base import UNSET, Answer, Id, Name, Request, UnsetType

ModelName = Annotated[str, Meta(min_length=1, max_length=128)]
Tokens = Annotated[int, Meta(ge=0, le=100_000_000)]
Models = Annotated[list[ModelName], Meta(min_length=1, max_length=16)]


class When(Request):
    """Conditions that all must hold; none at all holds always.

    `model` is the name in the request (`auto` where it has none), `label` a NAME=VALUE of the key
    or of the request's metadata.
    """

    model: ModelName | None = None
    tools: bool | None = None
    vision: bool | None = None
    stream: bool | None = None
    min_input_tokens: Tokens | None = None
    max_input_tokens: Tokens | None = None
    label: Annotated[str, Meta(pattern=r"^[^=]{1,64}=.{0,512}\Z")] | None = None


class Rule(Request, kw_only=True):
    """Where `when` holds, the models of `use` answer: the first that can, the others after it."""

    name: Name
    use: Models
    when: When | None = None


class RoutingSet(Request):
    """What is given replaces what is there; the first rule that fits counts.

    `semantic_cache` false ends the use of kept answers and takes away those that are kept.
    """

    rules: Annotated[list[Rule], Meta(max_length=100)] | None = None
    semantic_cache: bool | None = None


class ShownWhen(Answer, omit_defaults=True):
    """The conditions of a rule."""

    model: str | None = None
    tools: bool | None = None
    vision: bool | None = None
    stream: bool | None = None
    min_input_tokens: int | None = None
    max_input_tokens: int | None = None
    label: str | None = None


class ShownRule(Answer):
    """One rule, in its place."""

    name: str
    use: list[str]
    when: ShownWhen


class Routing(Answer):
    """A customer's rules. `default_route` is the plan's, `offered` what the plan lets it set."""

    rules: list[ShownRule]
    semantic_cache: bool | None = None
    default_route: list[str] = field(default_factory=list)
    fallback: bool = True
    offered: bool = True


class RouteSet(Request):
    """A name that requests use, and the models tried for it in order.

    The name `auto` is the default route; a model's own name puts others behind it.
    """

    models: Models
    fallback: bool = True


class RouteShown(Answer):
    """One of the operator's routes. `source` is operator, or the plan of the book."""

    name: str
    models: list[str]
    fallback: bool = True
    source: str = "operator"


class RoutePage(Answer):
    """All routes: the operator's, then the book's default ones by plan."""

    data: list[RouteShown]
    next_cursor: str | None = None


class ModelUpdate(Request):
    """Whether a model is served, and the names it has beside the book's."""

    enabled: bool | UnsetType = UNSET
    aliases: Annotated[list[Id], Meta(max_length=50)] | UnsetType = UNSET


class ServedModel(Answer):
    """One model of the book as the operator serves it, with the providers that would be asked."""

    id: str
    enabled: bool
    aliases: list[str] = field(default_factory=list)
    own_aliases: list[str] = field(default_factory=list)
    kind: str | None = None
    priced: bool = True
    providers: list[str] = field(default_factory=list)


class ServedPage(Answer):
    """All models of the book."""

    data: list[ServedModel]
    next_cursor: str | None = None
