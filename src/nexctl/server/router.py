"""The router, made from the route table: exact paths first, then those with parameters."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct

from nexctl.wire.routes import ROUTES, Route


class Found(Struct, frozen=True):
    """What a path leads to: the routes by method, and the values of its parameters."""

    routes: dict[str, Route]
    values: tuple[str, ...]


class Router:
    """Finds a route by path and method. A parameter is one segment, `{id:path}` is the rest."""

    def __init__(self, routes: Iterable[Route] = ROUTES) -> None:
        self._exact: dict[str, dict[str, Route]] = {}
        self._patterns: dict[int, list[tuple[tuple[str | None, ...], dict[str, Route]]]] = {}
        self._rests: list[tuple[str, dict[str, Route]]] = []
        for route in routes:
            self._add(route)

    def _add(self, route: Route) -> None:
        if "{" not in route.path:
            self._exact.setdefault(route.path, {})[route.method] = route
        elif route.path.endswith(":path}"):
            head = route.path[: route.path.index("{")]
            self._of(self._rests, head)[route.method] = route
        else:
            parts = tuple(_wanted(part) for part in route.path.split("/"))
            self._of(self._patterns.setdefault(len(parts), []), parts)[route.method] = route

    @staticmethod
    def _of(known: list[tuple[object, dict[str, Route]]] | list, key: object) -> dict[str, Route]:  # type: ignore[type-arg]
        for there, methods in known:
            if there == key:
                found: dict[str, Route] = methods
                return found
        methods = {}
        known.append((key, methods))
        return methods

    def find(self, path: str) -> Found | None:
        """The routes of a decoded path; None where there is none. Empty parameters fit nothing."""
        exact = self._exact.get(path)
        if exact is not None:
            return Found(exact, ())
        parts = path.split("/")
        for pattern, methods in self._patterns.get(len(parts), ()):
            pairs = tuple(zip(pattern, parts, strict=True))
            if all(_fits(want, have) for want, have in pairs):
                values = tuple(
                    have if want is None else have[: 1 - len(want)]
                    for want, have in pairs
                    if want is None or want.startswith("*")
                )
                if all(values):
                    return Found(methods, values)
        for head, methods in self._rests:
            if path.startswith(head) and len(path) > len(head):
                return Found(methods, (path[len(head) :],))
        return None


def _wanted(part: str) -> str | None:
    """None for a parameter, `*.suffix` for one with an ending, else the text itself."""
    if not part.startswith("{"):
        return part
    ending = part.partition("}")[2]
    return f"*{ending}" if ending else None


def _fits(want: str | None, have: str) -> bool:
    if want is None:
        return True
    return have.endswith(want[1:]) if want.startswith("*") else want == have
