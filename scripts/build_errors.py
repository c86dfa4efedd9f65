#!/usr/bin/env python3
"""Write the catalogue of errors from the code: docs/reference/errors.md.

Usage: build_errors.py [--check]   `--check` writes nothing and fails where the page would change.

What a gateway refuses comes from `nexctl.wire.refusals` and the hints beside it; what nexctl itself
refuses is read from the source: every place where an error class is called with a `code`, and every
class with one of its own. A value that is put into a message is shown as `…`.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import generated

from nexctl import errors
from nexctl.gateways.refused import HINTS
from nexctl.wire.refusals import REFUSALS

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "src/nexctl"
PAGE = ROOT / "docs/reference/errors.md"
EXITS = {name: value for name, value in vars(errors).items() if name.startswith("EXIT_")}
MOST = 3
# Texts that the module under the eye has given a name, such as `hint`.
NAMED: dict[str, str] = {}


class Kind(NamedTuple):
    """An error class: what its instances have where they are not told otherwise.

    `message` and `hint` are set where its own `__init__` makes them.
    """

    name: str
    code: str
    status: int
    doc: str
    message: str = ""
    hint: str = ""
    own: bool = False


class Row(NamedTuple):
    """One place that raises. `status` is the exit code."""

    code: str
    status: int
    message: str
    hint: str


Known = dict[tuple[str, str], Kind]


def modules() -> dict[str, ast.Module]:
    """Every module of the package, parsed."""
    found = {}
    for path in sorted(SOURCE.rglob("*.py")):
        parts = path.relative_to(SOURCE.parent).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        found[name] = ast.parse(path.read_text(encoding="utf-8"))
    return found


def spelled(node: ast.expr | None) -> str:
    """A text in the source as a reader meets it; "" where it is not one."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        parts = (str(part.value) if isinstance(part, ast.Constant) else "…" for part in node.values)
        return "".join(parts)
    if isinstance(node, ast.Name):
        return NAMED.get(node.id, "")
    if isinstance(node, ast.Call) and len(node.args) == 2 and ast.unparse(node.func)[-4:] == ".get":
        return spelled(node.args[1])
    if isinstance(node, ast.IfExp):
        return spelled(node.body) or spelled(node.orelse)
    if isinstance(node, ast.BoolOp):
        return next((text for value in node.values if (text := spelled(value))), "")
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        return (spelled(node.left) or "…") + (spelled(node.right) or "…")
    return ""


def exit_of(node: ast.expr | None) -> int | None:
    """An exit code in the source: a number or one of the named ones."""
    if isinstance(node, ast.Constant) and isinstance(node.value, int):
        return node.value
    name = node.id if isinstance(node, ast.Name) else getattr(node, "attr", "")
    return EXITS.get(name)


class Source:
    """The package's modules with what each imports, and the error classes among them."""

    def __init__(self) -> None:
        self.trees = modules()
        self.imports = {name: imports(tree) for name, tree in self.trees.items()}
        root = Kind("NexctlError", "failure", errors.EXIT_FAILURE, "")
        self.kinds: Known = {("nexctl.errors", root.name): root}
        waiting = [
            (module, node)
            for module, tree in self.trees.items()
            for node in tree.body
            if isinstance(node, ast.ClassDef)
        ]
        count = 0
        while count != len(self.kinds):
            count = len(self.kinds)
            for module, node in waiting:
                self._add(module, node)

    def _add(self, module: str, node: ast.ClassDef) -> None:
        if (module, node.name) in self.kinds:
            return
        base = next((b for x in node.bases if (b := self.resolved(x, module))), None)
        if base is None:
            return
        kind = base._replace(name=node.name, doc=doc_of(node))
        for line in node.body:
            if isinstance(line, ast.Assign) and isinstance(line.targets[0], ast.Name):
                if line.targets[0].id == "code":
                    kind = kind._replace(code=spelled(line.value) or kind.code)
                elif line.targets[0].id == "exit":
                    kind = kind._replace(status=exit_of(line.value) or kind.status)
            elif isinstance(line, ast.FunctionDef) and line.name == "__init__":
                kind = made_in(kind, line)
        self.kinds[module, node.name] = kind

    def resolved(self, node: ast.expr, module: str) -> Kind | None:
        """The error class that an expression names in a module."""
        names = self.imports[module]
        if isinstance(node, ast.Name):
            return self.kinds.get((module, node.id)) or self.kinds.get(names.get(node.id, ("", "")))
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            source, name = names.get(node.value.id, ("", ""))
            return self.kinds.get((f"{source}.{name}", node.attr))
        return None

    def rows(self) -> Iterator[Row]:
        """Every place that calls an error class with something of its own to say."""
        for module, tree in self.trees.items():
            whole = named_in(tree.body)
            for function in (None, *functions_of(tree)):
                said = [
                    (kind, node)
                    for node in calls_of(tree if function is None else function)
                    if (kind := self.resolved(node.func, module)) is not None
                ]
                if not said:
                    continue
                NAMED.clear()
                NAMED.update(whole)
                if function is not None:
                    NAMED.update(named_in([function]))
                for kind, node in said:
                    yield from said_by(kind, node)


def functions_of(tree: ast.Module) -> Iterator[ast.FunctionDef]:
    """The functions and methods of a module; one inside another belongs to the outer one."""
    for node in tree.body:
        if isinstance(node, ast.FunctionDef):
            yield node
        elif isinstance(node, ast.ClassDef):
            yield from (line for line in node.body if isinstance(line, ast.FunctionDef))


def calls_of(node: ast.Module | ast.FunctionDef) -> Iterator[ast.Call]:
    """Every call in a function, or in a module outside of its functions."""
    inside = set(functions_of(node)) if isinstance(node, ast.Module) else set()
    waiting: list[ast.AST] = [node]
    while waiting:
        one = waiting.pop()
        if isinstance(one, ast.Call):
            yield one
        children = [child for child in ast.iter_child_nodes(one) if child not in inside]
        waiting += reversed(children)


def named_in(lines: Sequence[ast.stmt]) -> dict[str, str]:
    """Texts that get a name on these lines, or inside the one function; the last counts."""
    inside = ast.walk(lines[0]) if isinstance(lines[0], ast.FunctionDef) else iter(lines)
    return {
        node.targets[0].id: text
        for node in inside
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
        if (text := spelled(node.value))
    }


def imports(tree: ast.Module) -> dict[str, tuple[str, str]]:
    """Names that a module imports: name -> (module, name there)."""
    return {
        alias.asname or alias.name: (node.module, alias.name)
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module
        for alias in node.names
    }


def doc_of(node: ast.ClassDef) -> str:
    """The first paragraph of a class's docstring, without its exit code."""
    text = " ".join((ast.get_docstring(node) or "").split("\n\n")[0].split())
    return re.sub(r" \(exit \d+\)", "", text)


def made_in(kind: Kind, init: ast.FunctionDef) -> Kind:
    """A class whose own `__init__` words the message: what it passes on."""
    if [word.arg for word in init.args.args[1:2]] == ["message"]:
        return kind
    for node in ast.walk(init):
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "super().__init__":
            given = {word.arg: word.value for word in node.keywords}
            message = spelled(node.args[0]) if node.args else ""
            return kind._replace(message=message, hint=spelled(given.get("hint")), own=True)
    return kind


# Classes whose own code is the general one of an exit code: their messages are too many to list.
GENERAL = ("NexctlError", "UsageError", "ConfigError")


def said_by(kind: Kind, call: ast.Call) -> Iterator[Row]:
    """What one call of an error class says."""
    if kind.own:
        yield Row(kind.code, kind.status, kind.message or kind.doc, kind.hint)
        return
    given = {word.arg: word.value for word in call.keywords}
    code = spelled(given["code"]) if "code" in given else kind.code
    status = exit_of(given["exit"]) if "exit" in given else kind.status
    if not code or status is None or (code == kind.code and kind.name in GENERAL):
        return
    yield Row(code, status, spelled(call.args[0]) if call.args else "", spelled(given.get("hint")))


def catalogue(source: Source) -> Iterator[tuple[str, int, str, str]]:
    """One line a code and exit: what may be said, what to do."""
    grouped: dict[tuple[str, int], tuple[list[str], list[str]]] = {}
    found = list(source.rows())
    told = {row.code for row in found if row.message}
    for kind in source.kinds.values():
        messages, _ = grouped.setdefault((kind.code, kind.status), ([], []))
        if (kind.name in GENERAL or kind.code not in told) and kind.doc:
            messages.append(kind.doc)
    for row in found:
        messages, hints = grouped.setdefault((row.code, row.status), ([], []))
        if row.message and row.message not in messages:
            messages.append(row.message)
        if row.hint and row.hint not in hints:
            hints.append(row.hint)
    for (code, status), (messages, hints) in sorted(grouped.items()):
        yield code, status, "; ".join(messages[:MOST]), "; ".join(hints[:MOST])


def cell(text: str) -> str:
    """Text as one cell of a table."""
    return text.replace("|", "\\|").replace("<", "&lt;").replace("\n", " ")


def page() -> str:
    """The whole page."""
    lines = [
        "<!-- Generated by scripts/build_errors.py: do not edit. -->",
        "# Errors",
        "",
        "An error is one line of what happened and one of what to do next, on standard error. With",
        '`-o json` it is `{"schema": 1, "error": {"code", "message", "hint", "exit"}}` and what',
        "else is known. Codes and exit codes are stable, the words are not; what the numbers mean:",
        "`nexctl help exit-codes`. Where `…` stands, the program puts what it is about.",
        "",
        "## What a gateway refuses",
        "",
        "Other gateways' words for the same are translated into these. *Again* means that the same",
        "request may succeed later without anybody doing anything.",
        "",
        "| code | HTTP | exit | again | what happened | what to do |",
        "|---|---|---|---|---|---|",
    ]
    for refusal in REFUSALS.values():
        hint = cell(HINTS.get(refusal.code, ""))
        again = "yes" if refusal.retry else ""
        lines.append(
            f"| `{refusal.code}` | {refusal.status} | {refusal.exit} | {again} "
            f"| {cell(refusal.message)} | {hint} |"
        )
    lines += [
        "",
        "## What nexctl says itself",
        "",
        "| code | exit | what happened | what to do |",
        "|---|---|---|---|",
    ]
    for code, status, message, hint in catalogue(Source()):
        lines.append(f"| `{code}` | {status} | {cell(message)} | {cell(hint)} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(generated.main(lambda: {PAGE: page()}, sys.argv[1:], __file__, __doc__))
