"""Typer's side of what `base` declares: options, commands and groups that read what was typed."""

# ruff: noqa: D102  (Typer's own methods, filled in)
from __future__ import annotations

import gc
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from nexctl.cli.base import Declared, flag, general_options
from nexctl.cli.kit import (
    Context,
    Exit,
    HelpFormatter,
    Parameter,
    ParamType,
    TyperArgument,
    TyperCommand,
    TyperGroup,
    TyperOption,
)
from nexctl.errors import NexctlError, UsageError

if TYPE_CHECKING:
    from nexctl.cli.base import Spec
    from nexctl.cli.context import App

_GC_THRESHOLD = 50_000


class _Value(ParamType):
    """Checks one value against choices or by a function; names the option in the error."""

    name = "text"

    def __init__(self, declared: Declared) -> None:
        self.declared = declared

    def convert(self, value: Any, param: Parameter | None, ctx: Context | None) -> Any:
        declared = self.declared
        if not isinstance(value, str):
            return value
        spelled = declared.spelled
        if declared.choices and value not in declared.choices:
            raise UsageError(
                f"{spelled}: {value!r} is not one of {', '.join(declared.choices)}",
                hint=near(value, declared.choices),
            )
        if declared.value is None:
            # In a script that is a variable without a value: as if the option were not there, a
            # key's budget would be everybody's, and an order under no key be made twice.
            if not value:
                raise UsageError(
                    f"{spelled}: it is empty", hint="give it a value, or leave it out altogether"
                )
            return value
        try:
            return declared.value(value)
        except ValueError as error:
            raise UsageError(f"{spelled}: {error}") from error
        except NexctlError as error:
            if not error.message.startswith(f"{spelled}:"):
                error.message = f"{spelled}: {error.message}"
            raise


class Option(TyperOption):
    """A Typer option that remembers its declaration."""

    declared: Declared


class Argument(TyperArgument):
    """A Typer argument shown the way it is written: `[PATH...]`, `MODEL`."""

    declared: Declared

    def make_metavar(self, ctx: Context, *, usage: bool = False) -> str:
        return self.declared.spelled

    def get_help_record(self, ctx: Context) -> tuple[str, str] | None:
        return self.make_metavar(ctx), self.help or ""


def near(word: str, known: Iterable[str]) -> str | None:
    """A hint with the names that look like `word`, None where none does."""
    from difflib import get_close_matches

    found = get_close_matches(word, list(known), n=3)
    return f"did you mean {' or '.join(found)}?" if found else None


def _make(declared: Declared) -> Option | Argument:
    parameter: Option | Argument
    if declared.kind == "argument":
        parameter = Argument(
            param_decls=[declared.name],
            type=_Value(declared),
            required=declared.required,
            nargs=-1 if declared.many else 1,
            metavar=declared.metavar or declared.name.upper(),
            help=declared.help,
        )
    elif declared.kind == "flag":
        parameter = Option(
            param_decls=[declared.name, *declared.decls],
            is_flag=True,
            default=declared.default,
            help=declared.help,
            hidden=declared.hidden,
        )
    else:
        parameter = Option(
            param_decls=[declared.name, *declared.decls],
            type=_Value(declared),
            multiple=declared.many,
            required=declared.required,
            default=declared.default,
            metavar=declared.metavar or declared.name.replace("_", "-").upper(),
            help=declared.help,
            hidden=declared.hidden,
        )
    parameter.declared = declared
    return parameter


def _answering(short: str, long: str, help: str, answer: Callable[[Context], str]) -> Option:
    """An option that prints an answer and ends the program, before anything else is looked at."""

    def show(ctx: Context, param: Parameter, value: Any) -> None:
        if value and not ctx.resilient_parsing:
            ctx.obj.write(answer(ctx))
            raise Exit(0)

    option = Option(
        param_decls=[short, long],
        is_flag=True,
        expose_value=False,
        is_eager=True,
        callback=show,
        help=help,
    )
    option.declared = flag(short, long, help=help)
    return option


def _help_option() -> Option:
    return _answering("-h", "--help", "Show this help.", lambda ctx: ctx.get_help() + "\n")


class Leaf(TyperCommand):
    """A command at the end of a path: its own options first, then the general ones."""

    def __init__(self, spec: Spec) -> None:
        general = general_options(changes=spec.changes, markdown=spec.markdown, acts=spec.acts)
        own = [_make(declared) for declared in spec.params]
        super().__init__(
            spec.name,
            params=[*own, *(_make(declared) for declared in general)],
            help=spec.run.__doc__,
            short_help=spec.help,
            hidden=spec.hidden,
            rich_markup_mode=None,
        )
        self.spec = spec
        self.own = own

    def get_help_option(self, ctx: Context) -> Option:
        if self._help_option is None:
            self._help_option = _help_option()
        return self._help_option  # type: ignore[return-value]

    def parse_args(self, ctx: Context, args: list[str]) -> list[str]:
        ctx.obj.command = ctx.command_path
        return super().parse_args(ctx, args)

    def format_options(self, ctx: Context, formatter: HelpFormatter) -> None:
        if self.spec.examples:
            with formatter.section("Examples"):
                for example in self.spec.examples:
                    formatter.write(f"  {example}\n")
        own = [parameter for parameter in self.own if not parameter.hidden]
        arguments = [p for p in own if isinstance(p, Argument)]
        options = [p for p in own if isinstance(p, Option)]
        general = [p for p in self.get_params(ctx) if isinstance(p, Option) and p not in options]
        for title, parameters in (
            ("Arguments", arguments),
            ("Options", options),
            ("General options", [p for p in general if not p.hidden]),
        ):
            records = [record for p in parameters if (record := p.get_help_record(ctx))]
            if records:
                with formatter.section(title):
                    formatter.write_dl(records)

    def invoke(self, ctx: Context) -> None:
        app: App = ctx.obj
        values = ctx.params
        app.profile_name = values.pop("profile")
        app.output = values.pop("output")
        app.quiet = values.pop("quiet")
        app.verbose = values.pop("verbose")
        app.debug = values.pop("debug")
        app.no_input = values.pop("no_input")
        app.timeout = values.pop("timeout")
        app.color = values.pop("color")
        if self.spec.acts:
            app.org = values.pop("org")
        app.yes = values.pop("yes", False)
        app.dry_run = values.pop("dry_run", False)
        # Collection was off while modules were imported. What they made stays for good, so it is
        # never looked through again; the command itself may make garbage.
        gc.freeze()
        gc.set_threshold(_GC_THRESHOLD)
        gc.enable()
        view = self.spec.run(app, **values)
        if view is not None:
            app.emit(view)


class BareGroup(UsageError):
    """A group without a command: its help, on standard error, and exit 2."""

    code = "missing_command"

    def __init__(self, path: str, help: str) -> None:
        super().__init__(f"{path}: a command is missing", hint=f"see '{path} --help'")
        self.help = help


class Group(TyperGroup):
    """Commands under one name. Members are declared only; the one that is called gets built."""

    def __init__(self, name: str, members: Iterable[Any], *, help: str) -> None:
        super().__init__(name=name, help=help, rich_markup_mode=None)
        self.members = {member.name: member for member in members}
        for member in self.members.values():
            for alias in (member.name, *member.aliases):
                self.commands[alias] = TyperCommand(
                    alias,
                    short_help=member.help,
                    hidden=member.hidden or alias != member.name,
                    rich_markup_mode=None,
                )

    def get_help_option(self, ctx: Context) -> Option:
        if self._help_option is None:
            self._help_option = _help_option()
        return self._help_option  # type: ignore[return-value]

    def add_version(self, version: str) -> None:
        """Give the root its -V/--version (the usual spelling is answered before any import)."""
        option = _answering(
            "-V", "--version", "Show the version.", lambda ctx: f"nexctl {version}\n"
        )
        self.params.append(option)

    def member(self, name: str) -> Any:
        """The declared member called `name`, by its own name or an alias; None if there is none."""
        found = self.members.get(name)
        if found is not None:
            return found
        return next((m for m in self.members.values() if name in m.aliases), None)

    def parse_args(self, ctx: Context, args: list[str]) -> list[str]:
        if not args:
            raise BareGroup(ctx.command_path, self.get_help(ctx))
        return super().parse_args(ctx, args)

    def resolve_command(
        self, ctx: Context, args: list[str]
    ) -> tuple[str | None, Any, list[str]]:  # fmt: skip
        member = self.member(args[0])
        if member is None:
            path = ctx.command_path
            visible = [member.name for member in self.members.values() if not member.hidden]
            raise UsageError(
                f"no such command: {path} {args[0]}",
                hint=near(args[0], visible) or f"'{path} --help' lists the commands",
                code="unknown_command",
            )
        return member.name, member.build(), args[1:]

    def format_commands(self, ctx: Context, formatter: HelpFormatter) -> None:
        rows = [(m.name, m.help) for m in self.members.values() if not m.hidden]
        with formatter.section("Commands"):
            formatter.write_dl(rows)
