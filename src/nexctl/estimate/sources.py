"""Which files an estimate reads: paths, folders, globs and `-`, in a stable order, each once.

A named file is always read, whatever its suffix. In a folder the prompt suffixes count, without
what git ignores. Nothing is left out in silence: a path that cannot be read is an error, and what
a folder holds but an estimate does not read (links that leave it, pipes) is a note.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from nexctl.errors import UsageError

KINDS = {
    ".md": "text",
    ".txt": "text",
    ".prompt": "text",
    ".j2": "text",
    ".json": "json",
    ".jsonl": "jsonl",
}
SUFFIXES = tuple(KINDS)

_STDIN = frozenset({"-", "/dev/stdin", "/dev/fd/0", "/proc/self/fd/0"})
_MAGIC = frozenset("*?[")


class Source(NamedTuple):
    """One thing to read.

    `path` opens it (`-` when `is_stdin`), `display` names it in output and always encodes as
    UTF-8; `kind` is text, json, jsonl, or auto where only the content can tell; `size` is in
    bytes, None for standard input and pipes.
    """

    path: str
    display: str
    kind: str
    size: int | None
    is_stdin: bool = False


class Sources(NamedTuple):
    """What to read, in order, and what a person should know about the rest."""

    files: tuple[Source, ...]
    notes: tuple[str, ...] = ()


def kind_of(name: str) -> str:
    """Return text, json or jsonl by the suffix of a file name, else auto."""
    return KINDS.get(os.path.splitext(name)[1].lower(), "auto")


def is_prompt(name: str) -> bool:
    """Whether a file found in a folder is read: by its suffix, in any case."""
    return name.lower().endswith(SUFFIXES)


def display_name(path: str) -> str:
    r"""Return `path` fit for any output; bytes that are not UTF-8 show as `\xNN`."""
    if path.isascii():
        return path
    try:
        return path.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    except UnicodeEncodeError:  # no file name spells these
        return path.encode("utf-8", "backslashreplace").decode("ascii", "backslashreplace")


def find(paths: Sequence[str]) -> Sources:
    """Expand what was typed into the files to read.

    Raises UsageError (exit 2) for a path that is missing, unreadable or neither a file, a folder
    nor a named pipe, for a folder without prompts, and for a glob that matches nothing.
    """
    if len(paths) == 1:  # the everyday case costs one stat
        only = paths[0]
        if only not in _STDIN:
            status = _stat(only)
            if status is not None and stat.S_ISREG(status.st_mode):
                return Sources((_named(only, status),))
    if not paths:
        raise UsageError(
            "nothing to read: no path was given",
            hint="name a file or a folder, or - for standard input",
            code="no_input",
        )
    notes = Notes()
    return Sources(tuple(_once(_expand_all(paths, notes))), notes.lines())


class Notes:
    """Collects names under reasons, so that a thousand odd files make one line."""

    def __init__(self) -> None:
        self._names: dict[str, list[str]] = {}

    def add(self, reason: str, path: str) -> None:
        """Say `reason` of one more path."""
        self._names.setdefault(reason, []).append(display_name(path))

    def lines(self) -> tuple[str, ...]:
        """Return one line a reason."""
        return tuple(
            f"{names[0]}{f' and {len(names) - 1} more' if len(names) > 1 else ''}: {reason}"
            for reason, names in self._names.items()
        )


def _once(found: Iterator[Source]) -> Iterator[Source]:
    seen: set[str] = set()
    for source in found:
        key = "-" if source.is_stdin else os.path.realpath(source.path)
        if key not in seen:
            seen.add(key)
            yield source


def _expand_all(paths: Sequence[str], notes: Notes) -> Iterator[Source]:
    for path in paths:
        if path in _STDIN:
            yield Source("-", "-", "auto", None, is_stdin=True)
            continue
        status = _stat(path)
        if status is None:
            yield from _glob(path, notes)
        elif stat.S_ISDIR(status.st_mode):
            yield from _folder(path, notes)
        else:
            yield _named(path, status)


def _stat(path: str) -> os.stat_result | None:
    """Return the status of what `path` leads to; None for a glob that the shell left alone."""
    try:
        return os.stat(path)
    except FileNotFoundError:
        if path and not os.path.lexists(path):
            if _MAGIC.isdisjoint(path):
                raise _missing(path) from None
            return None
        what = "a symbolic link to nothing" if path else "an empty path"
        raise UsageError(f"{display_name(path)}: {what}".lstrip(": "), code="no_file") from None
    except (OSError, ValueError) as error:
        raise unreadable(path, error) from None


def _missing(path: str) -> UsageError:
    from difflib import get_close_matches

    folder, name = os.path.split(path)
    try:
        near = get_close_matches(name, os.listdir(folder or os.curdir), n=1)
    except OSError:
        near = []
    hint = "check the path; - reads standard input"
    if near:
        hint = f"did you mean {display_name(os.path.join(folder, near[0]))}?"
    return UsageError(f"{display_name(path)}: no such file or folder", hint=hint, code="no_file")


def unreadable(path: str, error: OSError | ValueError) -> UsageError:
    """Return the one line for a path that the system does not let us read."""
    reason = getattr(error, "strerror", None) or str(error)
    if isinstance(error, PermissionError):
        reason = "permission denied"
    return UsageError(f"{display_name(path)}: {reason[:1].lower()}{reason[1:]}", code="unreadable")


def refuse_device(path: str, mode: int) -> None:
    """UsageError for a device or a socket: it may wait for ever, or never end."""
    if not (stat.S_ISREG(mode) or stat.S_ISFIFO(mode) or stat.S_ISDIR(mode)):
        what = "a socket" if stat.S_ISSOCK(mode) else "a device"
        raise UsageError(
            f"{display_name(path)}: {what}, not a file",
            hint="name a file, or pipe its text in with -",
            code="not_a_file",
        )


def _named(path: str, status: os.stat_result) -> Source:
    mode = status.st_mode
    # A pipe that somebody names is meant: the shell's <(command) is one.
    if stat.S_ISFIFO(mode):
        return Source(path, display_name(path), kind_of(path), None)
    refuse_device(path, mode)
    if not os.access(path, os.R_OK):
        raise UsageError(f"{display_name(path)}: permission denied", code="unreadable")
    return Source(path, display_name(path), kind_of(path), status.st_size)


# ---- folders


def _folder(folder: str, notes: Notes) -> Iterator[Source]:
    base = "" if folder.rstrip("/") == os.curdir else folder
    real = os.path.realpath(folder)
    found = False
    for name in sorted(_listing(folder, real, notes), key=lambda n: n.split("/")):
        source = _found(base, name, real, notes)
        if source is not None:
            found = True
            yield source
    if not found:
        raise UsageError(
            f"{display_name(folder)}: no prompts in this folder",
            hint=f"it is searched for {' '.join(SUFFIXES)}, without what git ignores; "
            "a file that is named is always read",
            code="no_prompts",
        )


def _found(base: str, name: str, real: str, notes: Notes) -> Source | None:
    """Return the source for one entry of a folder, or None with a note where it is not read."""
    path = os.path.join(base, *name.split("/"))
    try:
        status = os.lstat(path)
        if stat.S_ISLNK(status.st_mode):
            target = os.path.realpath(path)
            if target != real and not target.startswith(os.path.join(real, "")):
                if is_prompt(name) or os.path.isdir(target):
                    notes.add("not read: the symbolic link leaves the folder", path)
                return None
            if not is_prompt(name):
                return None
            status = os.stat(path)
    except FileNotFoundError:
        # Tracked by git but deleted, or a link to nothing.
        if os.path.islink(path):
            notes.add("not read: the symbolic link leads nowhere", path)
        return None
    except OSError as error:
        if os.path.islink(path):
            notes.add("not read: the symbolic link leads nowhere", path)
            return None
        raise unreadable(path, error) from None
    if not is_prompt(name) or stat.S_ISDIR(status.st_mode):
        return None
    if not stat.S_ISREG(status.st_mode):
        notes.add("not read: not a regular file", path)
        return None
    return _named(path, status)


def _listing(folder: str, real: str, notes: Notes) -> Iterator[str]:
    """Yield what is in `folder` as names relative to it, `/` between their parts."""
    from nexctl.safety import git

    root = git.find_root(real)
    if root is None:
        yield from _walk(folder, "", notes)
        return
    try:
        yield from _tracked_or_new(folder, real, root, notes)
    except git.GitMissing:
        notes.add("git is not installed, so what it ignores was not left out", folder)
        yield from _walk(folder, "", notes, nested=False)
    except git.GitFailed as refused:
        notes.add(f"{refused.message}; what git ignores was not left out", folder)
        yield from _walk(folder, "", notes, nested=False)


def _tracked_or_new(folder: str, real: str, root: str, notes: Notes) -> Iterator[str]:
    from nexctl.safety import git

    inside = os.path.relpath(real, root).replace(os.sep, "/")
    prefix = "" if inside == os.curdir else inside + "/"
    output, warnings = git.run(
        root, "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", inside
    )
    for line in warnings.splitlines():
        if "could not open directory" in line:
            raise UsageError(
                f"{display_name(folder)}: {line.removeprefix('warning: ')}", code="unreadable"
            )
    for name in dict.fromkeys(git.names(output)):
        if not name.startswith(prefix):
            continue
        name = name[len(prefix) :]
        # A repository inside this one (a submodule, or merely a clone) has rules of its own.
        if name.endswith("/") or _is_folder(os.path.join(folder, name)):
            name = name.rstrip("/")
            inner = os.path.join(folder, name)
            if name and os.path.lexists(os.path.join(inner, ".git")):
                inner_names = _listing(inner, os.path.realpath(inner), notes)
                yield from (f"{name}/{inner_name}" for inner_name in inner_names)
            continue
        yield name


def _is_folder(path: str) -> bool:
    try:
        return stat.S_ISDIR(os.lstat(path).st_mode)
    except OSError:
        return False


def _walk(folder: str, prefix: str, notes: Notes, *, nested: bool = True) -> Iterator[str]:
    """Yield files and links below `folder`, links not followed, `.git` left out.

    `nested`: a repository met on the way is listed by its own ignore rules.
    """
    waiting = [(folder, prefix)]
    while waiting:
        path, prefix = waiting.pop()
        try:
            with os.scandir(path) as entries:
                listed = [(entry.name, entry.is_dir(follow_symlinks=False)) for entry in entries]
        except OSError as error:
            raise unreadable(path, error) from None
        for name, is_folder in listed:
            inner = os.path.join(path, name)
            if not is_folder:
                yield prefix + name
            elif name == ".git":
                continue
            elif nested and os.path.lexists(os.path.join(inner, ".git")):
                for inner_name in _listing(inner, os.path.realpath(inner), notes):
                    yield f"{prefix}{name}/{inner_name}"
            else:
                waiting.append((inner, f"{prefix}{name}/"))


# ---- globs


def is_glob(path: str) -> bool:
    """Whether `path` holds a character that a shell would have expanded."""
    return not _MAGIC.isdisjoint(path)


class Glob:
    """A shell pattern: `*` `?` `[...]` inside a part, `**` for any number of parts.

    As in a shell, a name that begins with a dot is matched only by a part that does so too.
    """

    def __init__(self, pattern: str) -> None:
        self.parts = [part for part in pattern.split("/") if part]

    def start(self) -> frozenset[int]:
        """Return the state before any part of a name was read."""
        return self._skip({0})

    def step(self, state: frozenset[int], part: str, *, deep: bool = True) -> frozenset[int]:
        """Return the state after one more part; empty when no name below can match.

        With `deep` off, `**` does not run through this part (a link: it could lead in circles).
        """
        from fnmatch import fnmatchcase

        after: set[int] = set()
        for i in state:
            if i == len(self.parts):
                continue
            wanted = self.parts[i]
            if part.startswith(".") and not wanted.startswith("."):
                continue
            if wanted == "**":
                if deep:
                    after.add(i)
            elif fnmatchcase(part, wanted):
                after.add(i + 1)
        return self._skip(after)

    def done(self, state: frozenset[int]) -> bool:
        """Whether a name that ends here matches."""
        return len(self.parts) in state

    def match(self, name: str) -> bool:
        """Whether the relative `name` matches as a whole."""
        state = self.start()
        for part in name.split("/"):
            state = self.step(state, part)
        return self.done(state)

    def _skip(self, state: set[int]) -> frozenset[int]:
        for i in sorted(state):
            while i < len(self.parts) and self.parts[i] == "**":
                i += 1
                state.add(i)
        return frozenset(state)


def _glob(pattern: str, notes: Notes) -> Iterator[Source]:
    parts = pattern.replace(os.sep, "/").split("/")
    fixed = next(i for i, part in enumerate(parts) if is_glob(part))
    top = "/".join(parts[:fixed]) + ("/" if fixed else "")
    found = False
    for path, is_folder in sorted(_glob_walk(top, Glob("/".join(parts[fixed:])))):
        if is_folder:
            found = True
            yield from _folder(path, notes)
            continue
        status = os.stat(path)
        if not stat.S_ISREG(status.st_mode):
            notes.add("not read: not a regular file", path)
            continue
        found = True
        yield _named(path, status)
    if not found:
        raise UsageError(
            f"{display_name(pattern)}: no file matches",
            hint="quotes keep the shell from expanding a pattern; nexctl then does it itself",
            code="no_file",
        )


def _glob_walk(top: str, glob: Glob) -> Iterator[tuple[str, bool]]:
    """Yield (path, is folder) of all that matches below `top`; a folder under `**` is walked."""
    recursive = "**" in glob.parts
    waiting = [(top, glob.start())]
    while waiting:
        folder, state = waiting.pop()
        try:
            with os.scandir(folder or os.curdir) as entries:
                listed = [(e.name, e.is_dir(), e.is_symlink()) for e in entries]
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError as error:
            raise unreadable(folder, error) from None
        for name, is_folder, is_link in listed:
            after = glob.step(state, name, deep=not (is_link and is_folder))
            if not after:
                continue
            path = folder + name
            if is_folder:
                if glob.done(after) and not recursive:
                    yield path, True
                else:
                    waiting.append((path + "/", after))
            elif glob.done(after) and os.path.exists(path):
                yield path, False
