"""The configuration file: typed keys, checked with file and line, written whole or not at all.

`config.toml` holds a few settings and the profiles:

    default_profile = "work"
    output = "json"

    [profiles.work]
    driver = "nexctl"
    base_url = "https://gateway.example.com"
    book = "nextoken"

Precedence of every value: option, `NEXCTL_*` variable, this file, built-in default. Where there is
no file nothing is parsed and nothing is made. Secrets never stand here.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, NamedTuple

from nexctl.errors import ConfigError, NexctlError, UsageError
from nexctl.files import open_own
from nexctl.settings import paths

MAX_BYTES = 1_000_000
_PUNCTUATION = str.maketrans("", "", "._-")
_OFF = ("", "0", "false", "no", "off")


class Key(NamedTuple):
    """What a setting is: kind ("text", "choice", "seconds", "switch", "url"), help, default."""

    kind: str
    help: str
    default: Any = None
    env: str | None = None
    choices: tuple[str, ...] = ()


KEYS: dict[str, Key] = {
    "default_profile": Key("text", "Profile used where none is named.", "local", "NEXCTL_PROFILE"),
    "output": Key(
        "choice",
        "Output format of every command.",
        None,
        "NEXCTL_OUTPUT",
        ("table", "json", "jsonl", "csv", "tsv", "name"),
    ),
    "color": Key("choice", "Colour.", "auto", None, ("auto", "always", "never")),
    "timeout": Key("seconds", "Longest wait for a gateway.", 60, "NEXCTL_TIMEOUT"),
    "no_input": Key("switch", "Never ask anything.", False, "NEXCTL_NO_INPUT"),
    "plain": Key("switch", "Text to be read aloud: no pictures.", False, "NEXCTL_PLAIN"),
    "model": Key("text", "Model used where neither command nor profile names one."),
    "books": Key("text", "Folder of your own price books."),
}

PROFILE_KEYS: dict[str, Key] = {
    "driver": Key("text", "Kind of gateway.", choices=("embedded", "nexctl", "openai")),
    "base_url": Key("url", "Address of the gateway."),
    "book": Key("text", "Price book: an id or a path ending in .toml."),
    "plan": Key("text", "Plan of the price book."),
    "tier": Key("text", "Billing tier of the price book."),
    "model": Key("text", "Model used where none is named."),
    "calibration": Key("text", "Calibration file for expected output."),
    "org": Key("text", "Organisation to act for, by id or slug."),
}


class Setting(NamedTuple):
    """One effective value and where it comes from."""

    key: str
    value: Any
    origin: str


class Config:
    """The settings as read. `exists` tells whether there is a file at all."""

    def __init__(
        self, path: str, values: dict[str, Any], *, exists: bool, environ: Mapping[str, str]
    ) -> None:
        self.path = path
        self.values = values
        self.exists = exists
        self._environ = environ

    def get(self, key: str) -> Any:
        """The effective value of a top-level setting; None where it is unset."""
        return self.setting(key).value

    def setting(self, key: str) -> Setting:
        """The effective value of `key` with its origin; dotted keys reach into profiles."""
        known = _known(key)
        if known.env is not None:
            text = self._environ.get(known.env)
            if text:
                return Setting(key, _from_text(key, known, text, what=known.env), known.env)
        value = self._stored(key)
        if value is not None:
            return Setting(key, value, self.path)
        return Setting(key, known.default, "default")

    def settings(self) -> tuple[Setting, ...]:
        """Every top-level setting, then every value of every profile in the file."""
        found = [self.setting(key) for key in KEYS]
        for name, profile in sorted(self.profiles.items()):
            found.extend(Setting(f"profiles.{name}.{k}", v, self.path) for k, v in profile.items())
        return tuple(found)

    @property
    def profiles(self) -> dict[str, dict[str, Any]]:
        """The profiles in the file, by name."""
        profiles: dict[str, dict[str, Any]] = self.values.get("profiles", {})
        return profiles

    def _stored(self, key: str) -> Any:
        parts = split_key(key)
        node: Any = self.values
        for part in parts:
            node = node.get(part) if isinstance(node, dict) else None
        return node


def load(environ: Mapping[str, str] | None = None) -> Config:
    """Read the configuration. ConfigError (exit 78) names the file and line of what is wrong."""
    env = os.environ if environ is None else environ
    path = paths.config_file(env)
    try:
        with open_own(path) as stream:
            raw = stream.read(MAX_BYTES + 1)
    except (FileNotFoundError, NotADirectoryError):
        return Config(path, {}, exists=False, environ=env)
    except OSError as error:
        raise ConfigError(
            f"{path}: {error.strerror}", hint="make it a file that you can read"
        ) from error
    return Config(path, parse(raw, path), exists=True, environ=env)


def parse(raw: bytes, path: str) -> dict[str, Any]:
    """The checked content of a configuration file; `path` is named in errors."""
    if len(raw) > MAX_BYTES:
        raise _fault(
            path,
            1,
            f"larger than {MAX_BYTES:,} bytes",
            "it holds settings and profiles alone: make it shorter, or remove it",
        )
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise _fault(path, line, "not UTF-8") from error
    import tomllib

    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        message, line = _located(str(error), text)
        raise _fault(path, line, message) from error
    except RecursionError as error:
        raise _fault(path, 1, "nested too deeply") from error
    _check(values, text, path)
    return values


def save(values: dict[str, Any], environ: Mapping[str, str] | None = None) -> str:
    """Write `values` as the configuration file (0600, atomic) and return its path.

    A file that is a symbolic link keeps being one; what it points to is replaced.
    """
    import tomli_w

    from nexctl.files import atomic_write, private_folder

    path = os.path.realpath(paths.config_file(environ))
    text = tomli_w.dumps(values)
    _check(values, text, path)
    private_folder(os.path.dirname(path))
    with atomic_write(path, mode=0o600) as stream:
        stream.write(text)
    return path


def change(
    how: Callable[[dict[str, Any]], dict[str, Any]], environ: Mapping[str, str] | None = None
) -> str:
    """Save what `how` makes of the settings in the file; of two at once neither is lost."""
    from nexctl.files import locked_folder, private_folder

    path = os.path.realpath(paths.config_file(environ))
    with locked_folder(private_folder(os.path.dirname(path))):
        return save(how(load(environ).values), environ)


def with_value(values: Mapping[str, Any], key: str, text: str | None) -> dict[str, Any]:
    """A copy of `values` with `key` set to the value of `text`; None takes the key out."""
    known = _known(key)
    parts = split_key(key)
    changed: dict[str, Any] = dict(values)
    node = changed
    for part in parts[:-1]:
        node[part] = dict(node.get(part, {}))
        node = node[part]
    if text is None:
        node.pop(parts[-1], None)
    else:
        node[parts[-1]] = _from_text(key, known, text, what=key)
    return changed


def split_key(key: str) -> tuple[str, ...]:
    """`profiles.NAME.KEY` in its three parts (NAME may hold dots), any other key in one."""
    if key.startswith("profiles."):
        name, _, last = key.removeprefix("profiles.").rpartition(".")
        if name:
            return ("profiles", name, last)
    return (key,)


def is_profile_name(name: str) -> bool:
    """Letters, digits, dot, dash and underscore, at most 64, beginning with a letter or digit."""
    return (
        0 < len(name) <= 64
        and name.isascii()
        and name[0].isalnum()
        and name.translate(_PUNCTUATION).isalnum()
    )


def _known(key: str) -> Key:
    parts = split_key(key)
    table = PROFILE_KEYS if len(parts) == 3 else KEYS
    if parts[-1] not in table or (len(parts) == 3 and not is_profile_name(parts[1])):
        names = [f"profiles.{parts[1]}.{name}" for name in table] if len(parts) == 3 else table
        raise UsageError(
            f"no such setting: {key}",
            hint=_near(key, names) or f"settings are {', '.join(KEYS)}, profiles.NAME.KEY",
            code="unknown_setting",
        )
    return table[parts[-1]]


def _from_text(key: str, known: Key, text: str, *, what: str) -> Any:
    """The typed value of `text` as given by a variable or on the command line."""
    value: Any = text
    if known.kind == "switch":
        lowered = text.lower()
        if lowered not in (*_OFF, "1", "true", "yes", "on"):
            raise UsageError(
                f"{what}: {text!r} is neither true nor false", hint="write true or false"
            )
        value = lowered not in _OFF
    elif known.kind == "seconds":
        try:
            if not text.isascii() or "_" in text:
                raise ValueError(text)
            value = float(text) if "." in text else int(text)
        except ValueError:
            raise UsageError(
                f"{what}: {text!r} is not a number of seconds", hint="write it like 30 or 2.5"
            ) from None
    # A text with choices is written as one of them; whoever needs it says what was read is none.
    fault = _wrong(known._replace(kind="choice") if known.choices else known, value)
    if fault is not None:
        raise UsageError(f"{what}: {fault}")
    return value


def _wrong(known: Key, value: Any) -> str | None:
    """What is wrong with a value of this kind, None where nothing is."""
    if known.kind == "switch":
        return None if isinstance(value, bool) else "must be true or false"
    if known.kind == "seconds":
        number = isinstance(value, int | float) and not isinstance(value, bool)
        return None if number and 0 < value <= 86_400 else "must be seconds between 0 and 86400"
    if not isinstance(value, str) or not value or not value.isprintable():
        return "must be a text"
    if known.kind == "choice" and value not in known.choices:
        return f"{value!r} is not one of {', '.join(known.choices)}"
    if known.kind == "url":
        from nexctl.settings.profiles import address_fault

        return address_fault(value)
    return None


def _check(values: Mapping[str, Any], text: str, path: str) -> None:
    for key, value in values.items():
        if key != "profiles":
            _check_one(KEYS, (key,), value, text, path)
            continue
        if not isinstance(value, dict):
            raise _fault(path, line_of(text, (key,)), "'profiles' must be tables [profiles.NAME]")
        for name, profile in value.items():
            where = ("profiles", name)
            if not is_profile_name(name):
                raise _fault(path, line_of(text, where), f"{name!r} is not a profile name")
            if not isinstance(profile, dict):
                raise _fault(path, line_of(text, where), f"write it as a table [profiles.{name}]")
            for field, inner in profile.items():
                _check_one(PROFILE_KEYS, (*where, field), inner, text, path)


def _check_one(
    table: Mapping[str, Key], parts: tuple[str, ...], value: Any, text: str, path: str
) -> None:
    name = parts[-1]
    if name not in table:
        hint = _near(name, table) or f"known here: {', '.join(table)}"
        raise _fault(path, line_of(text, parts), f"unknown key {name!r}", hint)
    fault = _wrong(table[name], value)
    if fault is not None:
        raise _fault(path, line_of(text, parts), f"{name}: {fault}")


def _fault(path: str, line: int, message: str, hint: str | None = None) -> NexctlError:
    return ConfigError(
        f"{path}:{line}: {message}",
        hint=hint or "correct that line, or run 'nexctl config edit'",
        details={"file": path, "line": line},
    )


def _near(word: str, known: Any) -> str | None:
    from difflib import get_close_matches

    found = get_close_matches(word, list(known), n=3)
    return f"did you mean {' or '.join(found)}?" if found else None


def _located(message: str, text: str) -> tuple[str, int]:
    """A parser's message without its position, and the line that the position names."""
    found = re.search(r" \(at (?:line (\d+), column \d+|end of document)\)$", message)
    if found is None:
        return message, 1
    line = int(found[1]) if found[1] else max(1, len(text.splitlines()))
    return message[: found.start()].lower(), line


@lru_cache(maxsize=1)
def _patterns() -> tuple[re.Pattern[str], re.Pattern[str], re.Pattern[str]]:
    """A table's head, an assignment, and one part of a dotted key; compiled for a fault only."""
    bare = r"""(?:[A-Za-z0-9_-]+|"[^"\n]*"|'[^'\n]*')"""
    dotted = rf"{bare}(?:\s*\.\s*{bare})*"
    return (
        re.compile(rf"^\s*\[\[?\s*({dotted})\s*\]"),
        re.compile(rf"^\s*({dotted})\s*="),
        re.compile(bare),
    )


def line_of(text: str, key: tuple[str, ...]) -> int:
    """The 1-based line where `key` is set; that of its table where it stands inline; else 1."""
    head, assign, part = _patterns()

    def parts(dotted: str) -> tuple[str, ...]:
        return tuple(found.strip("\"'") for found in part.findall(dotted))

    table: tuple[str, ...] = ()
    best, best_length = 1, 0
    for number, line in enumerate(text.splitlines(), 1):
        if found := head.match(line):
            table = full = parts(found[1])
        elif found := assign.match(line):
            full = (*table, *parts(found[1]))
        else:
            continue
        if full == key:
            return number
        if full == key[: len(full)] and len(full) > best_length:
            best, best_length = number, len(full)
    return best
