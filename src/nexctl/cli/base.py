'''How a command is declared: parameters as data, one function, one result.

A command file reads like its help text::

    from nexctl.cli.base import App, argument, command, flag, option, whole
    from nexctl.cli.render import Column, Table, View

    @command(
        argument("paths", many=True, metavar="[PATH...|-]", suggest="files", help="Prompts."),
        option("-m", "--model", many=True, suggest="models", help="Model to price; repeatable."),
        option("--output-tokens", value=whole(), metavar="N", help="Expected output tokens."),
        flag("--batch", help="Sort and gate by the batch price."),
        examples=("nexctl estimate prompt.md",),
    )
    def estimate(app, paths, model, output_tokens, batch):
        """What the prompts would cost.

        A paragraph or two of explanation.
        """
        quote = work(Options(...))                       # frozen result; nothing printed
        return View(
            lambda: quote.data(),                        # -o json
            text=lambda screen: write(quote, screen),    # a report; leave out for a list
            table=lambda: Table(("gateway", "model", Column("charge", right=True)), rows(quote)),
            names=lambda: (row.model for row in quote.rows),
        )

- The function's parameters are named like the options (`--output-tokens` -> `output_tokens`).
  Values: text or None; `many` gives a tuple; a flag gives a bool; `value=` converts and checks.
- The first parameter is the `App` (`nexctl.cli.context`): settings, clock, notes, prompts. The
  general options (-p, -o, -q, -v, --debug, --no-input, --timeout, --color) are added to every
  command and found there: `app.profile`, `app.note(...)`, `app.quiet`, `app.timeout`.
  `changes=True` adds -y/--yes and -n/--dry-run: `app.confirm(...)`, `app.dry_run`. `acts=True` adds
  --org, the organisation that the command acts for: `connect.gateway` sends it.
- What is returned is emitted. A command that must print and then fail (a gate) calls
  `app.emit(view)` itself and raises `CheckFailed` after it.
- Errors are `nexctl.errors.NexctlError`s; a command catches nothing to print it.
- A group's file lists its commands in `COMMANDS`; `nexctl.cli.tree` names the file and one line of
  help. Options are built only for the command that runs.
'''

from __future__ import annotations

import gc
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from nexctl.cli.context import App
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
from nexctl.cli.render import FORMATS, View
from nexctl.errors import NexctlError, UsageError

__all__ = ["App", "View", "argument", "command", "flag", "option", "seconds", "whole"]

HELP_WIDTH = 80
_GC_THRESHOLD = 50_000

# -------------------------------------------------------------------- declaring


class Declared:
    """One declared parameter. `choices` are enforced; `suggest` only feeds completion.

    suggest  what completion offers: "files", "folders", "profiles", "books", "models", "keys",
             "batches", "settings", "topics"; several in one string, with blanks between
    """

    __slots__ = (
        "choices",
        "decls",
        "default",
        "help",
        "hidden",
        "kind",
        "many",
        "metavar",
        "required",
        "suggest",
        "value",
    )

    def __init__(
        self,
        kind: str,
        decls: Sequence[str],
        *,
        help: str,
        metavar: str | None = None,
        many: bool = False,
        required: bool = False,
        default: Any = None,
        choices: Sequence[str] = (),
        suggest: str = "",
        value: Callable[[str], Any] | None = None,
        hidden: bool = False,
    ) -> None:
        self.kind = kind
        self.decls = tuple(decls)
        self.help = help
        self.metavar = metavar
        self.many = many
        self.required = required
        self.default = default
        self.choices = tuple(choices)
        self.suggest = suggest
        self.value = value
        self.hidden = hidden

    @property
    def name(self) -> str:
        """The Python name: of the longest spelling, without dashes."""
        spelling = max((d.split("/")[0].strip() for d in self.decls), key=len)
        return spelling.lstrip("-").replace("-", "_")


def option(
    *decls: str,
    help: str,
    metavar: str | None = None,
    many: bool = False,
    required: bool = False,
    default: Any = None,
    choices: Sequence[str] = (),
    suggest: str = "",
    value: Callable[[str], Any] | None = None,
    hidden: bool = False,
) -> Declared:
    """An option with a value, like `option("-m", "--model", many=True, help="...")`."""
    return Declared(
        "option",
        decls,
        help=help,
        metavar=metavar,
        many=many,
        required=required,
        default=default,
        choices=choices,
        suggest=suggest,
        value=value,
        hidden=hidden,
    )


def flag(*decls: str, help: str, default: bool | None = False, hidden: bool = False) -> Declared:
    """An option without a value; `--color/--no-color` declares both ways (None = not given)."""
    return Declared("flag", decls, help=help, default=default, hidden=hidden)


def argument(
    name: str,
    *,
    help: str,
    metavar: str | None = None,
    many: bool = False,
    required: bool = False,
    choices: Sequence[str] = (),
    suggest: str = "",
    value: Callable[[str], Any] | None = None,
) -> Declared:
    """A positional argument; `many` takes all that are left."""
    return Declared(
        "argument",
        (name,),
        help=help,
        metavar=metavar,
        many=many,
        required=required,
        choices=choices,
        suggest=suggest,
        value=value,
    )


def whole(minimum: int = 0, maximum: int = 10**15) -> Callable[[str], int]:
    """A checker for whole numbers in ASCII digits between the bounds, both allowed."""

    def check(text: str) -> int:
        digits = text[1:] if text.startswith("-") else text
        if not (digits.isascii() and digits.isdigit() and len(digits) <= 18):
            raise ValueError(f"{text!r} is not a whole number")
        number = int(text)
        if number < minimum:
            raise ValueError(f"{text} is less than {minimum}")
        if number > maximum:
            raise ValueError(f"{text} is more than {maximum}")
        return number

    return check


def seconds(text: str) -> float:
    """A checker for a time-out: seconds like 30 or 2.5, above zero and at most a day."""
    whole_part, _, fraction = text.partition(".")
    plain = (whole_part + fraction).isascii() and (whole_part + fraction).isdigit()
    if not (plain and whole_part and len(text) <= 12 and 0 < float(text) <= 86_400):
        raise ValueError(f"{text!r} is not a number of seconds between 0 and 86400")
    return float(text)


class Spec:
    """A declared command: what the decorator leaves in place of the function."""

    __slots__ = (
        *("acts", "aliases", "changes", "examples", "hidden", "markdown", "name", "params", "run"),
    )

    def __init__(
        self,
        run: Callable[..., View | None],
        params: Sequence[Declared],
        *,
        name: str,
        examples: Sequence[str],
        changes: bool,
        markdown: bool,
        hidden: bool,
        acts: bool,
    ) -> None:
        self.acts = acts
        self.run = run
        self.params = tuple(params)
        self.name = name
        self.examples = tuple(examples)
        self.changes = changes
        self.markdown = markdown
        self.hidden = hidden
        self.aliases: tuple[str, ...] = ()

    @property
    def help(self) -> str:
        """The first line of the function's docstring."""
        return (self.run.__doc__ or "").strip().partition("\n")[0]

    def build(self) -> Leaf:
        """The command itself, with its options made."""
        return Leaf(self)


def command(
    *params: Declared,
    name: str | None = None,
    examples: Sequence[str] = (),
    changes: bool = False,
    markdown: bool = False,
    hidden: bool = False,
    acts: bool = False,
) -> Callable[[Callable[..., View | None]], Spec]:
    """Declare a command; its name is the function's unless given, its help the docstring.

    changes   it changes something: adds -y/--yes and -n/--dry-run
    markdown  it offers -o markdown
    acts      it may act for an organisation: adds --org
    """

    def declare(run: Callable[..., View | None]) -> Spec:
        return Spec(
            run,
            params,
            name=name or run.__name__.rstrip("_").replace("_", "-"),
            examples=examples,
            changes=changes,
            markdown=markdown,
            hidden=hidden,
            acts=acts,
        )

    return declare


def general_options(*, changes: bool, markdown: bool, acts: bool = False) -> tuple[Declared, ...]:
    """The options that every command has after its own."""
    formats = (*FORMATS, "markdown") if markdown else FORMATS
    shared: tuple[Declared, ...] = (
        option("-p", "--profile", metavar="NAME", suggest="profiles", help="Profile to use."),
        option(
            "-o",
            "--output",
            metavar="FORMAT",
            choices=formats,
            help=f"Output format: {', '.join(formats)}.",
        ),
        flag("-q", "--quiet", help="No notes and no progress."),
        flag("-v", "--verbose", help="Say more on standard error."),
        flag("--debug", help="Show a traceback when something fails."),
        flag("--no-input", help="Never ask anything."),
        option("--timeout", metavar="SECONDS", value=seconds, help="Longest wait for a gateway."),
        flag("--color/--no-color", default=None, help="Colour always or never."),
    )
    if acts:
        acting = option("--org", metavar="ORG", help="Act for this organisation (id or slug).")
        shared = (acting, *shared)
    if not changes:
        return shared
    return (
        flag("-y", "--yes", help="Do it without asking."),
        flag("-n", "--dry-run", help="Show what would be done and do nothing."),
        *shared,
    )


# -------------------------------------------------------------------- Typer's side


class _Value(ParamType):
    """Checks one value against choices or by a function; names the option in the error."""

    name = "text"

    def __init__(self, declared: Declared) -> None:
        self.declared = declared

    def convert(self, value: Any, param: Parameter | None, ctx: Context | None) -> Any:
        declared = self.declared
        if not isinstance(value, str):
            return value
        spelled = declared.metavar if declared.kind == "argument" else max(declared.decls, key=len)
        if declared.choices and value not in declared.choices:
            raise UsageError(
                f"{spelled}: {value!r} is not one of {', '.join(declared.choices)}",
                hint=near(value, declared.choices),
            )
        if declared.value is None:
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
        return self.declared.metavar or (self.name or "").upper()

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


def _help_option() -> Option:
    def show(ctx: Context, param: Parameter, value: Any) -> None:
        if value and not ctx.resilient_parsing:
            ctx.obj.write(ctx.get_help() + "\n")
            raise Exit(0)

    parameter = Option(
        param_decls=["-h", "--help"],
        is_flag=True,
        expose_value=False,
        is_eager=True,
        callback=show,
        help="Show this help.",
    )
    parameter.declared = flag("-h", "--help", help="Show this help.")
    return parameter


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

        def show(ctx: Context, param: Parameter, value: Any) -> None:
            if value and not ctx.resilient_parsing:
                ctx.obj.write(f"nexctl {version}\n")
                raise Exit(0)

        option = Option(
            param_decls=["-V", "--version"],
            is_flag=True,
            expose_value=False,
            is_eager=True,
            callback=show,
            help="Show the version.",
        )
        option.declared = flag("-V", "--version", help="Show the version.")
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
