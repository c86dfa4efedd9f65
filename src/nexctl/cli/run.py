"""Run one command line and turn whatever happens into text and an exit code: the one ladder."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Sequence

from nexctl.cli.base import HELP_WIDTH
from nexctl.cli.context import App
from nexctl.cli.kit import Abort, ClickException, Exit, NoSuchOption, UsageError
from nexctl.cli.leaf import BareGroup
from nexctl.cli.tree import root
from nexctl.errors import (
    EXIT_FAILURE,
    EXIT_INTERRUPTED,
    EXIT_OK,
    EXIT_PIPE,
    EXIT_USAGE,
    NexctlError,
)


def run(argv: Sequence[str], app: App | None = None) -> int:
    """Run `argv` (without the program's name) and return the exit code. Never raises."""
    app = App.process() if app is None else app
    app.argv = list(argv)
    why = "nothing was printed"
    try:
        code = _guarded(app)
    except BrokenPipeError:
        _silence_stdout(app)
        code, why = EXIT_PIPE, "nobody reads standard output"
    except KeyboardInterrupt:
        app.write_error("\n")
        code, why = EXIT_INTERRUPTED, "interrupted"
    if app.at_stake is not None:
        _tell(app, app.at_stake(why))
    return code


def _guarded(app: App) -> int:
    try:
        code = _dispatch(app)
        app.flush()
        return code
    except BareGroup as error:
        if wants_json(app):
            return report(app, error)
        app.write_error(error.help + "\n")
        return error.exit
    except NexctlError as error:
        return report(app, error)
    except ClickException as error:
        return report(app, _from_parser(error))
    except Abort:
        raise KeyboardInterrupt from None
    except BrokenPipeError:
        raise
    except OSError as error:
        return report(app, _from_system(error), error)
    except UnicodeEncodeError as error:
        return report(app, _from_text(error, app.argv), error)
    except Exception as error:  # noqa: BLE001 - the last rung: a person never meets a traceback
        return report(app, _internal(error), error)


def _dispatch(app: App) -> int:
    group = root()
    try:
        with group.make_context(
            "nexctl", list(app.argv), obj=app, terminal_width=HELP_WIDTH
        ) as context:
            group.invoke(context)
    except Exit as done:
        return done.exit_code
    return EXIT_OK


def report(app: App, error: NexctlError, cause: BaseException | None = None) -> int:
    """Write the error on standard error, as JSON where that was asked for; return its exit code."""
    app.clear_progress()
    if error.hint is None and error.exit == EXIT_USAGE:
        error.hint = f"see '{app.command} --help'"
    if app.debug or "--debug" in app.argv:
        import traceback

        from nexctl.safety.redaction import redact
        from nexctl.safety.text import clean

        # Its last line is the message as it came, from a server perhaps.
        told = redact("".join(traceback.format_exception(cause or error)))
        app.write_error(clean(told, keep_newlines=True))
    _tell(app, error)
    if error.code == "secret_lost":
        app.at_stake = None
    _drop_output(app)
    return error.exit


def _tell(app: App, error: NexctlError) -> None:
    from nexctl.cli.render import error_json, error_text

    if wants_json(app):
        app.write_error(error_json(error))
    else:
        app.write_error(error_text(error, color=_color(app)))


def wants_json(app: App) -> bool:
    """Whether errors are to be JSON: -o json or jsonl, even where parsing never got so far."""
    chosen = app.output or _output_in(app.argv) or app.environ.get("NEXCTL_OUTPUT")
    if chosen is None:
        try:
            chosen = app.format
        except Exception:  # noqa: BLE001 - whatever is broken, the first error is still told
            return False
    return chosen in ("json", "jsonl")


def _output_in(argv: Sequence[str]) -> str | None:
    """The value of the last -o/--output in an unparsed command line."""
    found = None
    for word, following in zip(argv, [*argv[1:], ""], strict=True):
        if word == "--":
            break
        if word in ("-o", "--output"):
            found = following
        elif word.startswith("--output="):
            found = word.partition("=")[2]
        elif word.startswith("-o") and not word.startswith("--"):
            found = word[2:].removeprefix("=")
    return found


def _color(app: App) -> bool:
    if app.color is None and "--no-color" in app.argv:
        return False
    try:
        return app.wants_color("err")
    except Exception:  # noqa: BLE001 - as above
        return False


def _from_parser(error: ClickException) -> NexctlError:
    """A parser's complaint in the words of every other error."""
    context = getattr(error, "ctx", None)
    path = context.command_path if context is not None else "nexctl"
    message = error.format_message().rstrip(".")
    hint = f"see '{path} --help'"
    if "unexpected extra argument" in message:
        message = f"one argument too many: {message.rpartition('(')[2].rstrip(')')}"
    if isinstance(error, NoSuchOption):
        message = f"no such option: {error.option_name}"
        if error.possibilities:
            hint = f"did you mean {' or '.join(sorted(error.possibilities))}?"
        elif context is not None and context.parent is None:
            hint = "options go after the command: nexctl COMMAND --option"
        elif error.option_name[1:].replace(".", "").isdigit():
            hint = f"where {error.option_name} is a value, write -- before it"
    message = message[:1].lower() + message[1:]
    code = EXIT_USAGE if isinstance(error, UsageError) else EXIT_FAILURE
    return NexctlError(message, hint=hint, code="usage", exit=code)


def _from_system(error: OSError) -> NexctlError:
    """A system call's failure that no room expected: the file and the reason."""
    reason = error.strerror or str(error) or type(error).__name__
    where = f"{os.fsdecode(error.filename)}: " if isinstance(error.filename, str | bytes) else ""
    hint = _SYSTEM_HINTS.get(error.errno or 0, "run it again with --debug to see where")
    return NexctlError(f"{where}{reason[:1].lower()}{reason[1:]}", hint=hint, code="system")


def _from_text(error: UnicodeEncodeError, argv: Sequence[str]) -> NexctlError:
    """Half a character, which no request carries: a byte that is not UTF-8, or \\ud800 in JSON."""
    if not "\ud800" <= error.object[error.start] <= "\udfff":
        return _internal(error)
    for word in argv:
        if any("\ud800" <= character <= "\udfff" for character in word):
            return NexctlError(
                f"the command line is not UTF-8: {word[:40]!r}",
                hint="type it in UTF-8: 'locale' shows what the terminal uses",
                code="not_unicode",
                exit=EXIT_USAGE,
            )
    return NexctlError(
        f"half a character (a lone surrogate, {error.object[error.start]!r}) cannot be sent",
        hint="correct the text: \\ud800 to \\udfff go in pairs",
        code="not_unicode",
        exit=EXIT_USAGE,
    )


_NOT_WRITABLE = "make it writable, or name a folder of yours: NEXCTL_CONFIG_DIR=FOLDER"
_SYSTEM_HINTS = {
    errno.ENOENT: "check the path",
    errno.ENOTDIR: "a folder is needed there: check the path",
    errno.EISDIR: "a file is needed there: name one",
    errno.EACCES: _NOT_WRITABLE,
    errno.EPERM: _NOT_WRITABLE,
    errno.EROFS: _NOT_WRITABLE,
    errno.ENOSPC: "make room on that disk, then run it again",
    errno.EDQUOT: "make room below your disk quota, then run it again",
    errno.EMFILE: "allow more open files: ulimit -n 1024",
    errno.ENAMETOOLONG: "choose a shorter name",
}


def _internal(error: Exception) -> NexctlError:
    """One line for a defect: what kind and where, never the values that were in play."""
    place = ""
    trace = error.__traceback__
    while trace is not None:
        module = trace.tb_frame.f_globals.get("__name__", "")
        if str(module).startswith("nexctl"):
            place = f" in {module}, line {trace.tb_lineno}"
        trace = trace.tb_next
    return NexctlError(
        f"internal error: {type(error).__name__}{place}",
        hint="this is a defect: report it with the command and what --debug adds",
        code="internal",
    )


def _silence_stdout(app: App) -> None:
    """The reader is gone: let what is still buffered vanish instead of failing at exit."""
    if app.out is not None and app.out is sys.stdout:
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, app.out.fileno())
        os.close(null)


def _drop_output(app: App) -> None:
    """After a failure the interpreter must not fail again on what could not be written."""
    try:
        app.flush()
    except BrokenPipeError:
        _silence_stdout(app)
    except NexctlError:
        _silence_stdout(app)
