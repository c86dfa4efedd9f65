"""`nexctl routes`: your own rules for which model answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nexctl.cli import connect
from nexctl.cli.base import App, argument, command, flag, option, whole
from nexctl.cli.bodies import converted
from nexctl.cli.changes import Planned, done, dry
from nexctl.cli.render import Screen, Table, View
from nexctl.errors import EXIT_NOT_FOUND, NexctlError

if TYPE_CHECKING:
    from nexctl.wire.routing import Routing

CONDITIONS = (
    *("model", "tools", "vision", "stream", "min_input_tokens", "max_input_tokens", "label"),
)
MODELS = argument(
    "models",
    metavar="MODEL...",
    many=True,
    required=True,
    suggest="models",
    help="Models in the order of trying.",
)
_NAME = argument("name", metavar="NAME", required=True, help="The rule's name.")


@command(examples=("nexctl routes show", "nexctl routes show -o json"))
def show(app: App) -> View:
    """Your rules in order, the plan's default route, and whether answers are kept."""
    with connect.gateway(app) as gateway:
        return _shown(app, gateway.routing.show())


def _shown(app: App, found: Routing, said: str | None = None) -> View:
    rows = [(number, rule.name, _when(rule.when), " -> ".join(rule.use))
            for number, rule in enumerate(found.rules, 1)]  # fmt: skip
    table = Table(("place", "name", "when", "use"), rows)

    def write(screen: Screen) -> None:
        if said is not None:
            screen.line((said, "bold"))
        if found.rules:
            screen.table(table)
        else:
            screen.line("no rules of your own")
        if found.default_route:
            screen.line(f"default route: {' -> '.join(found.default_route)}")
        if found.semantic_cache is not None:
            screen.line(f"answers are kept: {'yes' if found.semantic_cache else 'no'}")
        if not found.offered:
            screen.line("the plan includes no rules of your own")
        if not found.fallback:
            screen.line("the plan includes no fallback: only the first model is tried")

    return View(
        {
            "rules": [
                {"name": rule.name, "when": _plain(rule.when), "use": rule.use}
                for rule in found.rules
            ],
            "default_route": found.default_route,
            "semantic_cache": found.semantic_cache,
            "fallback": found.fallback,
            "offered": found.offered,
            "profile": app.profile.name,
        },
        text=write,
        table=table,
        names=[rule.name for rule in found.rules],
    )


def _plain(when: Any) -> dict[str, Any]:
    return {
        name: getattr(when, name) for name in CONDITIONS if getattr(when, name, None) is not None
    }


def _when(when: Any) -> str:
    given = _plain(when)
    return ", ".join(
        f"{name}={str(value).lower() if isinstance(value, bool) else value}"
        for name, value in given.items()
    )


@command(
    _NAME,
    MODELS,
    option("--for-model", metavar="M", suggest="models", help="Only requests for M (or auto)."),
    flag("--tools/--no-tools", default=None, help="Only requests with tools, or without."),
    flag("--vision/--no-vision", default=None, help="Only requests with images, or without."),
    option("--min-input", metavar="N", value=whole(), help="Only from N input tokens on."),
    option("--max-input", metavar="N", value=whole(), help="Only up to N input tokens."),
    option("--label", metavar="K=V", help="Only requests with this label."),
    flag("--first", help="Put it before the others; default: behind them."),
    name="set",
    changes=True,
    examples=(
        "nexctl routes set long gemini-2.5-flash --min-input 30000",
        "nexctl routes set cheap nex-pro gpt-4o-mini --for-model gpt-4o --label team=tests",
    ),
)
def set_(
    app: App,
    name: str,
    models: tuple[str, ...],
    for_model: str | None,
    tools: bool | None,
    vision: bool | None,
    min_input: int | None,
    max_input: int | None,
    label: str | None,
    first: bool,
) -> View:
    """Set a rule: where all its conditions hold its models answer, the first one that can.

    Rules are looked at in order, the first that fits counts. One of that name keeps its place.
    """
    from nexctl.wire.routing import Rule

    when = {
        "model": for_model,
        "tools": tools,
        "vision": vision,
        "min_input_tokens": min_input,
        "max_input_tokens": max_input,
        "label": label,
    }
    given = {key: value for key, value in when.items() if value is not None}
    rule = converted({"name": name, "use": list(models), "when": given}, Rule)

    def place(rules: list[Any]) -> list[Any]:
        names = [one.name for one in rules]
        if name in names and not first:
            rules[names.index(name)] = rule
            return rules
        rest = [one for one in rules if one.name != name]
        return [rule, *rest] if first else [*rest, rule]

    return _changed(app, place, f"rule {name} is set")


@command(_NAME, changes=True, examples=("nexctl routes remove long",))
def remove(app: App, name: str) -> View:
    """Take a rule away."""

    def place(rules: list[Any]) -> list[Any]:
        rest = [one for one in rules if one.name != name]
        if len(rest) == len(rules):
            raise NexctlError(
                f"there is no rule {name!r}",
                hint="'nexctl routes show' lists them",
                code="not_found",
                exit=EXIT_NOT_FOUND,
            )
        return rest

    return _changed(app, place, f"rule {name} is removed")


def _changed(app: App, place: Any, said: str) -> View:
    """Read the rules, change them, write all of them."""
    from nexctl.wire.base import plain
    from nexctl.wire.routing import RoutingSet, Rule

    with connect.gateway(app) as gateway:
        there = [
            converted({"name": rule.name, "use": rule.use, "when": _plain(rule.when)}, Rule)
            for rule in gateway.routing.show().rules
        ]
        body = RoutingSet(rules=place(there))
        if app.dry_run:
            return dry(app, Planned("routing.set", body=converted(plain(body), RoutingSet)))
        found = gateway.routing.set(body)
    return _shown(app, found, done(app, said))


@command(
    argument("state", metavar="on|off", required=True, choices=("on", "off"), help="on or off."),
    changes=True,
    examples=("nexctl routes cache off",),
)
def cache(app: App, state: str) -> View:
    """Let answers to near-duplicate prompts be kept and used again, or not.

    Off takes away those that are kept. One request opts out by "semantic_cache": false.
    """
    from nexctl.wire.routing import RoutingSet

    body = RoutingSet(semantic_cache=state == "on")
    if app.dry_run:
        return dry(app, Planned("routing.set", body=body))
    with connect.gateway(app) as gateway:
        if state == "off":
            app.confirm(f"Forget the answers that are kept, profile {app.profile.name}?")
        found = gateway.routing.set(body)
    return _shown(app, found, done(app, f"keeping answers is {state}"))


COMMANDS = (show, set_, remove, cache)
