"""The application context: one object that owns the streams, the clock and what is made lazily.

A command gets it as its first argument and touches nothing else of the process: not `sys.stdout`,
not `os.environ`, not the time. `App.double()` is the same object with everything off, for tests.
"""

from __future__ import annotations

import io
import os
import sys
import time
from collections.abc import Callable, Mapping
from typing import IO, TYPE_CHECKING, TextIO

from nexctl.errors import ConfirmationNeeded, NexctlError, UsageError

if TYPE_CHECKING:
    from nexctl.cli.progress import Progress
    from nexctl.cli.render import View
    from nexctl.settings.config import Config
    from nexctl.settings.profiles import Profile
    from nexctl.settings.secrets import SecretStore

PLAIN_WIDTH = 80
_OFF = ("", "0", "false", "no", "off")


class App:
    """Everything a command may use of the world.

    out, err, stdin      text streams, None where the process was started with them closed
    environ              the environment, read here only
    color, output, ...   the general options of this invocation as given (None = not given)
    profile, config      settings, read when first asked for
    """

    def __init__(
        self,
        *,
        environ: Mapping[str, str] | None = None,
        stdin: TextIO | None = None,
        out: TextIO | None = None,
        err: TextIO | None = None,
        now: Callable[[], float] = time.time,
    ) -> None:
        self.environ: Mapping[str, str] = os.environ if environ is None else environ
        self.stdin = stdin
        self.out = out
        self.err = err
        self.now = now
        self.argv: list[str] = []
        self.command = "nexctl"
        # General options, set by the command class before the command runs.
        self.profile_name: str | None = None
        self.output: str | None = None
        self.quiet = False
        self.verbose = False
        self.debug = False
        self.no_input = False
        self.timeout: float | None = None
        self.org: str | None = None
        self.color: bool | None = None
        self.yes = False
        self.dry_run = False
        # A command that explains or mends the configuration runs where it is broken.
        self.needs_config = True
        self._tty: dict[str, bool] = {}
        self._config: Config | None = None
        self._profile: Profile | None = None
        self._secrets: SecretStore | None = None
        self._emitted = False
        # While what was made is shown only once and nobody has it yet: why not -> the error.
        self.at_stake: Callable[[str], NexctlError] | None = None
        self._deprecated: set[str] = set()
        self._progress: Progress | None = None

    @classmethod
    def process(cls) -> App:
        """The context of this process: its own streams and environment."""
        return cls(stdin=sys.stdin, out=sys.stdout, err=sys.stderr)

    @classmethod
    def double(
        cls,
        *,
        environ: Mapping[str, str] | None = None,
        stdin: str | bytes = "",
        tty: bool = False,
        now: Callable[[], float] = lambda: 0.0,
    ) -> App:
        """A context for tests: text buffers for streams, all terminals or none of them."""
        raw = stdin.encode() if isinstance(stdin, str) else stdin
        app = cls(
            environ=os.environ if environ is None else environ,
            stdin=io.TextIOWrapper(io.BytesIO(raw), encoding="utf-8"),
            out=io.StringIO(newline=""),
            err=io.StringIO(newline=""),
            now=now,
        )
        app._tty = {"stdin": tty, "out": tty, "err": tty}
        return app

    # ---------------------------------------------------------------- what the streams are

    def is_terminal(self, stream: str) -> bool:
        """Whether "stdin", "out" or "err" is a terminal. A closed stream is none."""
        known = self._tty.get(stream)
        if known is None:
            handle: TextIO | None = getattr(self, stream)
            try:
                known = handle is not None and handle.isatty()
            except (OSError, ValueError):
                known = False
            self._tty[stream] = known
        return known

    def wants_color(self, stream: str) -> bool:
        """Whether text for "out" or "err" is coloured.

        Order: --color/--no-color, NO_COLOR, FORCE_COLOR or CLICOLOR_FORCE, TERM=dumb, the `color`
        setting, and last whether that very stream is a terminal. Nothing else forces it: not
        GITHUB_ACTIONS, not CI.
        Sources: https://no-color.org, https://force-color.org, https://bixense.com/clicolors/
        """
        if self.color is not None:
            return self.color
        if self.environ.get("NO_COLOR"):
            return False
        for name in ("FORCE_COLOR", "CLICOLOR_FORCE"):
            if self.environ.get(name, "") not in ("", "0"):
                return True
        if self.environ.get("TERM") == "dumb":
            return False
        setting = self.config.get("color") if self._has_config() else None
        if setting in ("always", "never"):
            return bool(setting == "always")
        return self.is_terminal(stream)

    def width(self, stream: str = "out") -> int:
        """Columns of a terminal; 80 for everything else, so that text in a pipe is stable."""
        if not self.is_terminal(stream):
            return PLAIN_WIDTH
        columns = self.environ.get("COLUMNS", "")
        if columns.isascii() and columns.isdigit() and 0 < int(columns[:5]) < 10_000:
            return int(columns)
        try:
            return os.get_terminal_size(getattr(self, stream).fileno()).columns or PLAIN_WIDTH
        except (OSError, ValueError, AttributeError):
            return PLAIN_WIDTH

    def has_unicode(self, stream: str) -> bool:
        """Whether "out" or "err" shows more than ASCII: not where the locale is said to be C."""
        for name in ("LC_ALL", "LC_CTYPE", "LANG"):
            value = self.environ.get(name)
            if value:
                if value in ("C", "POSIX"):
                    return False
                break
        encoding = getattr(getattr(self, stream), "encoding", None) or "utf-8"
        return bool(encoding.lower().startswith("utf"))

    @property
    def is_plain(self) -> bool:
        """Whether what is printed is read aloud: NEXCTL_PLAIN, the `plain` setting."""
        try:
            return bool(self.config.get("plain"))
        except NexctlError:
            return False

    # ---------------------------------------------------------------- what settings say

    def _has_config(self) -> bool:
        """Whether there is a configuration that can be read; a broken one says no here."""
        try:
            return self.config.exists
        except NexctlError:
            return False

    @property
    def config(self) -> Config:
        """The configuration file, read once. ConfigError (exit 78) where it is wrong."""
        if self._config is None:
            from nexctl.settings.config import load

            self._config = load(self.environ)
        return self._config

    @property
    def profile(self) -> Profile:
        """The profile in force: --profile, environment, configuration, else `local`."""
        if self._profile is None:
            from nexctl.settings.profiles import active

            self._profile = active(self.profile_name, config=self.config, environ=self.environ)
        return self._profile

    def how_to_name_book(self) -> str:
        """What a person types so that the profile in force names a price book."""
        if self.profile.origin == "environment":
            return "set NEXCTL_BOOK=BOOK beside NEXCTL_BASE_URL"
        return f"nexctl config set profiles.{self.profile.name}.book BOOK"

    @property
    def books_folder(self) -> str | None:
        """Folders of price books, one a line: what the profile's gateway serves, the user's own."""
        folders = [self.served_folder, self.own_books_folder]
        return "\n".join(folder for folder in folders if folder is not None) or None

    @property
    def served_folder(self) -> str | None:
        """Where `prices update` keeps what the profile's gateway serves; None before it did."""
        import contextlib

        from nexctl.errors import ConfigError
        from nexctl.settings.paths import state_dir

        with contextlib.suppress(ConfigError):
            folder = os.path.join(state_dir(self.environ), "prices", self.profile.name, "")
            if os.path.isdir(folder):
                return folder
        return None

    @property
    def own_books_folder(self) -> str | None:
        """Folder of the user's own price books: the `books` setting, else the usual one if made."""
        chosen: str | None = self.config.get("books")
        if chosen is not None:
            return os.path.join(os.path.dirname(self.config.path), os.path.expanduser(chosen))
        from nexctl.settings.paths import books_dir

        usual = books_dir(self.environ)
        return usual if os.path.isdir(usual) else None

    @property
    def secrets(self) -> SecretStore:
        """The key store, opened when first asked for."""
        if self._secrets is None:
            from nexctl.settings.secrets import SecretStore

            self._secrets = SecretStore(self.environ, warn=self.warn)
        return self._secrets

    @property
    def longest_wait(self) -> float:
        """Seconds to wait for a gateway: --timeout, NEXCTL_TIMEOUT, the `timeout` setting."""
        chosen = self.config.get("timeout") if self.timeout is None else self.timeout
        return float(chosen)

    @property
    def format(self) -> str:
        """The output format in force, "auto" where nobody chose one."""
        from nexctl.cli.render import chosen_format

        return chosen_format(self)

    # ---------------------------------------------------------------- saying

    def emit(self, view: View) -> None:
        """Print the one result of this command on standard output, in the format asked for."""
        from nexctl.cli.render import emit

        if self._emitted:
            raise RuntimeError("a command emits one result")
        self._emitted = True
        self.clear_progress()
        emit(self, view)

    def write(self, text: str) -> None:
        """Write to standard output. A closed or full one is an error, a gone reader is silent."""
        if self.out is None:
            raise self._unwritten(output_closed())
        try:
            self.out.write(text)
        except UnicodeEncodeError:
            encoding = self.out.encoding or "ascii"
            self.out.write(text.encode(encoding, "backslashreplace").decode(encoding))
        except BrokenPipeError:
            raise
        except OSError as error:
            raise self._unwritten(cannot_write(error)) from error

    def flush(self) -> None:
        """Bring what was written to its reader; the same errors as `write`."""
        if self.out is None:
            return
        try:
            self.out.flush()
        except BrokenPipeError:
            raise
        except OSError as error:
            raise self._unwritten(cannot_write(error)) from error
        if self._emitted:
            self.at_stake = None

    def _unwritten(self, error: NexctlError) -> NexctlError:
        """The error of an output that fails: what is lost by it weighs more than the reason."""
        return error if self.at_stake is None else self.at_stake(error.message)

    def note(self, text: str) -> None:
        """A notice on standard error, left out with --quiet."""
        if not self.quiet:
            self.say(text)

    def detail(self, text: str) -> None:
        """A notice on standard error that only --verbose shows."""
        if self.verbose:
            self.say(text)

    def warn(self, text: str) -> None:
        """A warning on standard error, shown with --quiet too."""
        self.say(f"warning: {text}")

    def deprecated(self, what: str, instead: str) -> None:
        """Something that still works and is going away: said once a run, not with --quiet.

        UsageError (exit 2) with NEXCTL_DEPRECATION_ERRORS=1, so that scripts learn of it in CI.
        """
        if self.environ.get("NEXCTL_DEPRECATION_ERRORS", "").lower() not in _OFF:
            raise UsageError(
                f"{what} is going away", hint=f"use {instead} instead", code="deprecated"
            )
        if what not in self._deprecated:
            self._deprecated.add(what)
            self.note(f"deprecated: {what} is going away; use {instead} instead")

    def say(self, text: str) -> None:
        """One line on standard error, cleaned of control characters. Never fails."""
        from nexctl.cli.render import cleaned, in_ascii

        self.clear_progress()
        line = cleaned(text)
        if not self.has_unicode("err"):
            line = in_ascii(line)
        self.write_error(f"{line}\n")

    def write_error(self, text: str) -> None:
        """Write text to standard error as it is. A closed or broken one is not worth a failure."""
        if self.err is None:
            return
        try:
            self.err.write(text)
            self.err.flush()
        except UnicodeEncodeError:
            encoding = self.err.encoding or "ascii"
            self.err.write(text.encode(encoding, "backslashreplace").decode(encoding))
        except (OSError, ValueError):
            self.err = None

    def progress(self, label: str, total: int | None = None, unit: str = "") -> Progress:
        """A progress line on standard error: only on a terminal, never with --quiet.

        Use it as `with app.progress("counting", total=n, unit="files") as step: step(1)`.
        """
        from nexctl.cli.progress import Progress

        self._progress = Progress(self, label, total, unit)
        return self._progress

    def clear_progress(self) -> None:
        """Take the progress line away, if there is one, before something else is said."""
        if self._progress is not None:
            self._progress.clear()

    # ---------------------------------------------------------------- asking

    def can_ask(self) -> bool:
        """Whether somebody is there to answer: terminals in and out, and no wish for silence."""
        if self.no_input or self.environ.get("NEXCTL_NO_INPUT", "").lower() not in _OFF:
            return False
        if self.environ.get("CI", "").lower() not in _OFF:
            return False
        if self._has_config() and self.config.get("no_input"):
            return False
        return self.is_terminal("stdin") and self.is_terminal("err")

    def confirm(self, question: str, *, flag: str = "--yes") -> None:
        """Ask before something that costs or destroys; return where the answer is yes.

        With --yes nothing is asked. ConfirmationNeeded (exit 10) names `flag` where nobody can
        answer; a no is exit 1 with nothing done.
        """
        if self.yes:
            return
        if not self.can_ask():
            raise ConfirmationNeeded(
                f"{question} Nobody is there to confirm it.", hint=f"pass {flag} to go ahead"
            )
        from nexctl.cli.render import cleaned

        self.write_error(f"{cleaned(question)} [y/N] ")
        if self.read_answer().strip().lower() not in ("y", "yes"):
            raise NexctlError(
                "not confirmed, nothing was done",
                hint=f"answer y, or pass {flag}",
                code="cancelled",
            )

    def ask(self, question: str, *, flag: str) -> str:
        """Ask for one line of text; exit 10 naming `flag` where nobody can answer."""
        if not self.can_ask():
            raise ConfirmationNeeded(f"{question}: nobody is there to ask", hint=f"pass {flag}")
        from nexctl.cli.render import cleaned

        self.write_error(f"{cleaned(question)}: ")
        return self.read_answer().strip()

    def ask_secret(self, question: str, *, hint: str) -> str:
        """Ask for a secret without showing it; exit 10 with `hint` where nobody can answer."""
        if not self.can_ask():
            raise ConfirmationNeeded(f"{question}: nobody is there to ask", hint=hint)
        import getpass

        return getpass.getpass(f"{question}: ", stream=self.err)

    def read_answer(self) -> str:
        """One line of standard input; the end of input is an interrupt."""
        line = "" if self.stdin is None else self.stdin.readline()
        if not line:
            raise KeyboardInterrupt
        return line

    @property
    def stdin_buffer(self) -> IO[bytes] | None:
        """Standard input as bytes (for `-`); None where it is closed."""
        buffer: IO[bytes] | None = getattr(self.stdin, "buffer", None)
        return buffer


def output_closed() -> NexctlError:
    """The error of a process that was started without a standard output."""
    return NexctlError(
        "standard output is closed",
        hint="run it without '>&-', or send the output to /dev/null",
        code="output",
    )


def cannot_write(error: OSError) -> NexctlError:
    """The error of a full disk or a device that takes nothing."""
    return NexctlError(
        f"cannot write to standard output: {error.strerror or error}",
        hint="make room or send the output elsewhere",
        code="output",
    )
