"""The two sides of a comparison, read alike: the tree of a commit, and the working tree.

Contents come raw: blobs as git stores them, files as they lie on the disk, with no conversion of
line endings and no filter. Nothing outside the checkout is ever opened, whatever links say.
"""

from __future__ import annotations

import errno
import os
import stat
import tempfile
from collections.abc import Iterable, Iterator
from typing import NamedTuple, Protocol

from nexctl.errors import UsageError
from nexctl.estimate.sources import display_name, is_prompt, unreadable
from nexctl.safety import git

MAX_LINKS = 40
_CHUNK = 1 << 20
_LFS_HEADS = (
    b"version https://git-lfs.github.com/spec/",
    b"version https://hawser.github.com/spec/",
)
_FILE, _LINK, _MODULE = "file", "link", "module"
_MODES = {"100644": _FILE, "100755": _FILE, "100664": _FILE, "120000": _LINK, "160000": _MODULE}


class Entry(NamedTuple):
    """What stands at a path: file, link, module (a submodule), folder or other (pipe, device).

    `oid` is git's id of the content, None where only the disk has it.
    """

    kind: str
    oid: str | None


class Tree(Protocol):
    """One side. Paths are relative to the checkout, `/` between their parts."""

    label: str

    def names(self) -> Iterable[str]:
        """Every path of this side, in no particular order, submodules included."""
        ...

    def entry(self, path: str) -> Entry | None:
        """What stands at `path`, links not followed; None where nothing does."""
        ...

    def oid(self, path: str) -> str:
        """The id that git gives the content of the file or link at `path`."""
        ...

    def read(self, path: str, limit: int) -> bytes:
        """The bytes of the file, or the target of the link, at `path`.

        Raises UsageError where there are more than `limit` of them or they cannot be read.
        """
        ...


def is_lfs_pointer(data: bytes) -> bool:
    """Whether `data` is what Git LFS stores in place of a file."""
    return len(data) < 1024 and data.startswith(_LFS_HEADS) and b"\noid " in data


def too_large(path: str, label: str, limit: int) -> UsageError:
    """Return the one line for a file above the limit (in bytes)."""
    return UsageError(
        f"{display_name(path)} in {label}: larger than {limit} bytes",
        hint="name the PATHs to compare without it",
        code="too_large",
    )


class Leaves(Exception):
    """A link leads out of the checkout, in circles or nowhere. The text says which."""


def resolve(tree: Tree, path: str) -> str:
    """Follow the links on the way to `path` inside `tree`; return the path of what is there.

    Raises Leaves. A link to an absolute path leaves, even where it would come back.
    """
    waiting = path.split("/")[::-1]
    done: list[str] = []
    hops = 0
    while waiting:
        part = waiting.pop()
        if part in ("", "."):
            continue
        if part == "..":
            if not done:
                raise Leaves("leaves the checkout")
            done.pop()
            continue
        done.append(part)
        here = "/".join(done)
        found = tree.entry(here)
        if found is None or found.kind != _LINK:
            continue
        hops += 1
        if hops > MAX_LINKS:
            raise Leaves("leads in circles")
        target = os.fsdecode(tree.read(here, 1 << 16))
        if os.path.isabs(target) or "\0" in target:
            raise Leaves("leaves the checkout")
        done.pop()
        waiting.extend(target.split("/")[::-1])
    return "/".join(done)


class CommitTree:
    """The tree of a commit, listed once; contents through one shared reader of blobs."""

    def __init__(self, root: str, commit: str, label: str, blobs: git.Blobs) -> None:
        self.label = label
        self._blobs = blobs
        self._entries: dict[str, Entry] = {}
        listing, _ = git.run(root, "ls-tree", "-r", "-z", "--full-tree", commit)
        for line in listing.split(b"\0"):
            if not line:
                continue
            facts, _, name = line.partition(b"\t")
            mode, _, oid = facts.decode("ascii").split(" ")
            path = os.fsdecode(name)
            # git never writes such a tree, but an object can be forged to hold one.
            if any(part.lower() in ("", ".", "..", ".git") for part in path.split("/")):
                raise UsageError(
                    f"{display_name(path)} in {label}: a path that no checkout may hold",
                    hint="git fsck shows what is wrong with this repository",
                    code="hostile_path",
                )
            self._entries[path] = Entry(_MODES.get(mode, "other"), oid)

    def names(self) -> Iterable[str]:
        """Every path of the commit."""
        return self._entries

    def entry(self, path: str) -> Entry | None:
        """What stands at `path`; None for a folder too, which git does not store."""
        return self._entries.get(path)

    def oid(self, path: str) -> str:
        """The blob's id."""
        return self._entries[path].oid or ""

    def read(self, path: str, limit: int) -> bytes:
        """The blob's raw bytes."""
        try:
            data = self._blobs.read(self.oid(path), limit)
        except git.GitFailed as failed:
            raise UsageError(
                f"{display_name(path)} in {self.label}: {failed.message}",
                hint="a partial clone lacks contents, and nothing is fetched here: "
                "clone without --filter",
                code="unreadable",
            ) from None
        if data is None:
            raise too_large(path, self.label, limit)
        return data


class WorkTree:
    """The files as they lie in the checkout: tracked ones, and new ones that git does not ignore.

    Which new files are ignored is read from `base`, so that a change cannot hide a file by a rule
    that it brings along. Rules that no commit holds count as they are: those of the user, of
    `.git/info/exclude`, and of a `.gitignore` that is ignored itself.
    """

    label = "the working tree"

    def __init__(self, root: str, base: CommitTree, base_oid: str, blobs: git.Blobs) -> None:
        self.root = root
        self._blobs = blobs
        self._hash = "sha256" if len(base_oid) == 64 else "sha1"
        self._folders: dict[str, bool] = {"": True}
        self._modules: dict[str, str] = {}
        self._absent: dict[str, Entry] = {}  # left out by a sparse checkout: as the index has them
        self._names = dict.fromkeys(self._tracked())
        self._names.update(dict.fromkeys(self._new(base)))

    def names(self) -> Iterable[str]:
        """Tracked and new paths; some may be gone from the disk."""
        return self._names

    def entry(self, path: str) -> Entry | None:
        """What lies at `path`, links not followed, none of its folders a link either."""
        try:
            if not self._is_inside(os.path.dirname(path)):
                return None
            mode = os.lstat(os.path.join(self.root, path)).st_mode
        except (FileNotFoundError, NotADirectoryError):
            return self._absent.get(path)
        except (OSError, ValueError) as error:
            raise unreadable(path, error) from None
        if stat.S_ISREG(mode):
            return Entry(_FILE, None)
        if stat.S_ISLNK(mode):
            return Entry(_LINK, None)
        if stat.S_ISDIR(mode):
            module = self._modules.get(path)
            return Entry("folder", None) if module is None else Entry(_MODULE, module)
        return Entry("other", None)

    def oid(self, path: str) -> str:
        """The id that git would give the bytes at `path` as they are."""
        if path in self._absent:
            return self._absent[path].oid or ""
        import hashlib

        digest = hashlib.new(self._hash, usedforsecurity=False)
        found = self.entry(path)
        if found is not None and found.kind == _LINK:
            target = self.read(path, 1 << 16)
            digest.update(b"blob %d\0" % len(target) + target)
            return digest.hexdigest()
        with _Opened(self.root, path) as handle:
            digest.update(b"blob %d\0" % os.fstat(handle).st_size)
            while part := _read(handle, path, _CHUNK):
                digest.update(part)
        return digest.hexdigest()

    def read(self, path: str, limit: int) -> bytes:
        """The file's bytes, or the link's target."""
        if path in self._absent:
            data = self._blobs.read(self._absent[path].oid or "", limit)
            if data is None:
                raise too_large(path, self.label, limit)
            return data
        found = self.entry(path)
        if found is not None and found.kind == _LINK:
            return os.fsencode(os.readlink(os.path.join(self.root, path)))
        with _Opened(self.root, path) as handle:
            if os.fstat(handle).st_size > limit:
                raise too_large(path, self.label, limit)
            parts, left = [], limit + 1  # it may still grow
            while left and (part := _read(handle, path, min(_CHUNK, left))):
                parts.append(part)
                left -= len(part)
        if not left:
            raise too_large(path, self.label, limit)
        return b"".join(parts)

    def _is_inside(self, folder: str) -> bool:
        known = self._folders.get(folder)
        if known is None:
            known = self._is_inside(os.path.dirname(folder)) and stat.S_ISDIR(
                os.lstat(os.path.join(self.root, folder)).st_mode
            )
            self._folders[folder] = known
        return known

    def _tracked(self) -> Iterator[str]:
        listing, _ = git.run(self.root, "ls-files", "-z", "--cached", "--stage", "-t")
        for line in listing.split(b"\0"):
            if not line:
                continue
            facts, _, name = line.partition(b"\t")
            tag, mode, oid, _ = facts.decode("ascii").split(" ")
            path = os.fsdecode(name)
            if mode == "160000":
                self._modules[path] = oid
            if tag == "S" and not os.path.lexists(os.path.join(self.root, path)):
                self._absent[path] = Entry(_MODES.get(mode, "other"), oid)
            yield path

    # ---- ignore rules of the base

    def _new(self, base: CommitTree) -> Iterator[str]:
        others = self._others()
        changed = self._changed_rules(base, others)
        if changed:
            others += self._hidden_by(changed)
            hidden = self._hidden_at(base, others)
            others = [path for path in others if path not in hidden]
        for path in others:
            yield path.rstrip("/")  # another repository, shown as a folder

    def _others(self, *more: str) -> list[str]:
        listing, warnings = git.run(
            self.root, "ls-files", "-z", "--others", "--exclude-standard", *more
        )
        for line in warnings.splitlines():
            if "could not open directory" in line:
                raise UsageError(line.removeprefix("warning: "), code="unreadable")
        return git.names(listing)

    def _changed_rules(self, base: CommitTree, others: list[str]) -> set[str]:
        rules = {p for p in base.names() if _is_rules(p)}
        rules |= {p for p in self._names if _is_rules(p)} | {p for p in others if _is_rules(p)}
        return {path for path in rules if identity(base, path) != identity(self, path)}

    def _hidden_by(self, rules: set[str]) -> list[str]:
        """New prompts that only these rule files hide."""
        hidden = [path for path in self._others("--ignored") if is_prompt(path)]
        return [
            path for path, decides in git.ignored(self.root, hidden).items() if decides in rules
        ]

    def _hidden_at(self, base: CommitTree, paths: list[str]) -> set[str]:
        """Those of `paths` that the rules of `base` hide, asked of an empty repository."""
        with tempfile.TemporaryDirectory() as folder:
            for name in ("objects", "refs"):
                os.makedirs(os.path.join(folder, ".git", name))
            with open(os.path.join(folder, ".git", "HEAD"), "w", encoding="ascii") as head:
                head.write("ref: refs/heads/none\n")
            for path in base.names():
                found = base.entry(path)
                if _is_rules(path) and found is not None and found.kind == _FILE:
                    target = os.path.join(folder, path)
                    os.makedirs(os.path.dirname(target), exist_ok=True)
                    with open(target, "wb") as rules:
                        rules.write(base.read(path, 1 << 20))
            return set(git.ignored(os.path.realpath(folder), paths))


def _is_rules(path: str) -> bool:
    return path == ".gitignore" or path.endswith("/.gitignore")


def identity(tree: Tree, path: str) -> tuple[str, str] | None:
    """Return the kind and content id at `path` (equal on both sides = unchanged), or None."""
    found = tree.entry(path)
    if found is None or found.kind == "folder":
        return None
    return found.kind, tree.oid(path) if found.kind in (_FILE, _LINK) else found.oid or ""


class _Opened:
    """A descriptor of a regular file below `root`, no folder on the way being a link."""

    def __init__(self, root: str, path: str) -> None:
        self._root = root
        self._path = path
        self._handle = -1

    def __enter__(self) -> int:
        try:
            self._handle = _open_inside(self._root, self._path)
        except OSError as error:
            raise unreadable(self._path, error) from None
        if not stat.S_ISREG(os.fstat(self._handle).st_mode):
            os.close(self._handle)
            raise UsageError(
                f"{display_name(self._path)}: not a regular file",
                hint="name the PATHs to compare without it",
                code="not_a_file",
            )
        return self._handle

    def __exit__(self, *_: object) -> None:
        os.close(self._handle)


def _read(handle: int, path: str, size: int) -> bytes:
    try:
        return os.read(handle, size)
    except OSError as error:
        raise unreadable(path, error) from None


def _open_inside(root: str, path: str) -> int:
    # Not blocking: the file may have become a pipe since it was looked at.
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    if os.open not in os.supports_dir_fd:
        whole = os.path.join(root, path)
        if os.path.realpath(whole) != os.path.normpath(whole):
            raise OSError(errno.ELOOP, "a symbolic link on the way")
        return os.open(whole, flags | getattr(os, "O_BINARY", 0))
    *folders, name = path.split("/")
    handle = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
    try:
        for part in folders:
            inner = os.open(part, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=handle)
            os.close(handle)
            handle = inner
        return os.open(name, flags, dir_fd=handle)
    finally:
        os.close(handle)
