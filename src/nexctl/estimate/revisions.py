"""Which prompts a change touches: two git revisions, or one and the working tree, side by side.

It runs in checkouts that somebody hostile may have made (a pull request in CI). So git is asked by
plumbing alone (`safety.git`), contents are raw (`trees`), and what cannot be read for certain is
an error that names it, never a file left out:

- a link inside the checkout stands for the file it leads to; where that file is compared anyway,
  the link is not counted a second time. A link that leaves the checkout fails.
- a submodule that changed, a Git LFS pointer, a pipe, socket or device fails.
- a rename is a removed and an added file, each with a note.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from nexctl.errors import UsageError
from nexctl.estimate.refs import Revision, find_checkout, resolve_spec, split_arguments
from nexctl.estimate.sources import Glob, Notes, display_name, is_glob, is_prompt
from nexctl.estimate.trees import (
    CommitTree,
    Leaves,
    Tree,
    WorkTree,
    identity,
    is_lfs_pointer,
    resolve,
)
from nexctl.safety import git

__all__ = ["MAX_BYTES", "Change", "Changes", "PolicyChange", "changes", "split_arguments"]

MAX_BYTES = 64 * 1024 * 1024


_LINKS = "a link has to lead to a file of the same checkout; or name the PATHs without it"


class Change:
    """One prompt on both sides.

    `path` is relative to the checkout; `display` is the same, fit for output. `status` is added,
    removed, changed or unchanged. Contents are read when asked for and not kept.
    """

    __slots__ = ("_after", "_before", "display", "note", "path", "status")

    def __init__(
        self,
        path: str,
        status: str,
        before: Callable[[], bytes] | None,
        after: Callable[[], bytes] | None,
    ) -> None:
        self.path = path
        self.display = display_name(path)
        self.status = status
        self.note: str | None = None
        self._before = before
        self._after = after

    def before(self) -> bytes | None:
        """The content at the base, None for an added file. Raises UsageError if unreadable."""
        return self._before() if self._before else None

    def after(self) -> bytes | None:
        """The content at the head, None for a removed file. Raises UsageError if unreadable."""
        return self._after() if self._after else None

    def __repr__(self) -> str:
        return f"Change({self.status} {self.display})"


class PolicyChange(NamedTuple):
    """A file that decides how prompts are priced and differs between the two sides."""

    path: str
    status: str


class Changes:
    """The outcome of `changes`. A context manager: it holds one git process that reads contents."""

    def __init__(
        self, root: str, base: Revision, head: Revision | None, blobs: git.Blobs, limit: int
    ) -> None:
        self.root = root
        self.base = base
        self.head = head  # None: the working tree
        self.files: tuple[Change, ...] = ()
        self.policy_changes: tuple[PolicyChange, ...] = ()
        self.notes: tuple[str, ...] = ()
        self._limit = limit
        self._blobs = blobs
        self._before = CommitTree(root, base.oid, display_name(base.spec), blobs)
        self._after: Tree = (
            CommitTree(root, head.oid, display_name(head.spec), blobs)
            if head
            else WorkTree(root, self._before, base.oid, blobs)
        )

    def __enter__(self) -> Changes:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the git process. Contents asked for later start another."""
        self._blobs.close()

    def read_base(self, path: str) -> bytes | None:
        """Return any file's content at the base (a configuration, a price book), None if absent.

        `path` is relative to the checkout. Raises UsageError for what is not a plain file there.
        """
        wanted = os.path.normpath(path).replace(os.sep, "/")
        if self._before.entry(wanted) is None:
            return None
        return _content(self._before, wanted, self._limit)

    def list_base(self, patterns: Iterable[str]) -> tuple[str, ...]:
        """Return the files and links of the base that match one of the patterns, sorted."""
        globs = [Glob(pattern) for pattern in patterns]
        return tuple(sorted(p for p in self._before.names() if any(g.match(p) for g in globs)))

    def changed_policy_files(self, patterns: Iterable[str]) -> tuple[PolicyChange, ...]:
        """Return what differs among the files that match (`nexctl.toml`, `**/.gitignore`).

        Patterns are relative to the checkout; `**` stands for any number of folders. In the
        working tree a pattern without wildcards finds its file even if git ignores it.
        """
        wanted = tuple(patterns)
        globs = [Glob(pattern) for pattern in wanted]
        names = {*self._before.names(), *self._after.names()}
        found = {name for name in names if any(g.match(name) for g in globs)}
        found.update(pattern for pattern in wanted if not is_glob(pattern))
        changed = []
        for path in sorted(found):
            before, after = identity(self._before, path), identity(self._after, path)
            if before != after:
                changed.append(PolicyChange(display_name(path), _status(before, after)))
        return tuple(changed)


def _status(before: object, after: object) -> str:
    if before is None:
        return "added"
    if after is None:
        return "removed"
    return "unchanged" if before == after else "changed"


def changes(
    spec: str | None = None,
    paths: Sequence[str] = (),
    *,
    cwd: str = ".",
    policy: Iterable[str] = (),
    limit: int = MAX_BYTES,
) -> Changes:
    """Compare the prompts of two revisions.

    `spec`: None = HEAD against the working tree; `BASE` = it against the working tree;
    `BASE...HEAD` = what HEAD changed since the two parted (the merge base); `BASE..HEAD` = the two
    ends; an empty side is HEAD. The working tree is what lies on the disk: staged, unstaged and
    new files alike, without new files that the base's ignore rules leave out.
    `paths` (relative to `cwd`, a folder): files of any suffix, folders, globs; none = every prompt
    of the checkout. `policy`: patterns for `changed_policy_files`. `limit`: bytes a file.

    The caller closes the answer (`with changes(...) as found:`). Raises UsageError (exit 2).
    """
    root = find_checkout(cwd)
    base, head = resolve_spec(root, spec)
    blobs = git.Blobs(root)
    try:
        found = Changes(root, base, head, blobs, limit)
        found.policy_changes = found.changed_policy_files(policy)
        _compare(found, _Selection(root, cwd, paths))
    except BaseException:
        blobs.close()
        raise
    return found


# ---- which files


class _Selection:
    """The PATHs that the caller named, relative to the checkout; none = every prompt."""

    def __init__(self, root: str, cwd: str, paths: Sequence[str]) -> None:
        self.named: list[tuple[str, str, Glob | None]] = []
        here = os.path.realpath(cwd)
        for path in paths:
            inside = os.path.relpath(os.path.normpath(os.path.join(here, path)), root)
            if _is_outside(inside):
                # The way there may lead through a link, as /tmp does on some systems.
                folder, name = os.path.split(os.path.join(here, path))
                inside = os.path.relpath(os.path.join(os.path.realpath(folder), name), root)
            if not path or _is_outside(inside):
                raise UsageError(
                    f"{display_name(path)}: outside the repository",
                    hint="name PATHs below the repository's own folder",
                    code="outside_repository",
                )
            inside = inside.replace(os.sep, "/")
            glob = Glob(inside) if is_glob(inside) else None
            self.named.append((path, "" if inside == "." else inside, glob))

    def takes(self, path: str) -> bool:
        """Whether the file at `path` is compared."""
        if not self.named:
            return is_prompt(path)
        return any(
            path == inside
            or (is_prompt(path) and _below(path, inside))
            or (glob is not None and glob.match(path))
            for _, inside, glob in self.named
        )

    def covers(self, path: str) -> bool:
        """Whether a folder, link or submodule at `path` lies in or above what is compared."""
        if not self.named:
            return True
        return any(
            path == inside
            or _below(path, inside)
            or _below(inside, path)
            or (glob is not None and glob.match(path))
            for _, inside, glob in self.named
        )

    def check(self, before: Tree, after: Tree) -> None:
        """Raise UsageError for a PATH that neither side has."""
        names = [*before.names(), *after.names()]
        for typed, inside, glob in self.named:
            if not any(
                name == inside or _below(name, inside) or (glob is not None and glob.match(name))
                for name in names
            ):
                module = next((n for n in names if _below(inside, n)), None)
                hint = f"{display_name(module)} is a submodule" if module else None
                entry = after.entry(inside)
                if entry is not None and entry.kind == "other":
                    raise _not_file(inside)
                raise UsageError(
                    f"{display_name(typed)}: neither in {before.label} nor in {after.label}",
                    hint=hint,
                    code="no_file",
                )


def _is_outside(inside: str) -> bool:
    return inside == os.pardir or inside.startswith(os.pardir + os.sep) or os.path.isabs(inside)


def _below(path: str, folder: str) -> bool:
    return not folder or path.startswith(folder + "/")


# ---- the comparison


class _Side:
    """What is compared of one tree: the path as selected -> (where the content is, its id)."""

    def __init__(self, tree: Tree, names: Iterable[str], chosen: _Selection) -> None:
        self.tree = tree
        self.files: dict[str, tuple[str, str]] = {}
        self.modules: dict[str, str] = {}
        self.links: dict[str, str] = {}  # not compared themselves: target
        self.counted_as: dict[str, str] = {}
        self.repositories: list[str] = []
        pending: list[str] = []
        for path in names:
            entry = tree.entry(path)
            if entry is None:
                continue
            taken = chosen.takes(path)
            if entry.kind == "file" and taken:
                self.files[path] = (path, tree.oid(path))
            elif entry.kind == "link" and taken:
                pending.append(path)
            elif entry.kind == "link" and chosen.covers(path):
                self.links[path] = os.fsdecode(tree.read(path, 1 << 16))
            elif entry.kind == "module" and chosen.covers(path):
                self.modules[path] = entry.oid or ""
            elif entry.kind == "folder" and chosen.covers(path):
                self.repositories.append(path)
            elif entry.kind == "other" and taken:
                raise _not_file(path)
        for path in pending:
            self._follow(path)

    def _follow(self, path: str) -> None:
        shown = f"{display_name(path)} in {self.tree.label}"
        try:
            target = resolve(self.tree, path)
        except Leaves as why:
            raise UsageError(
                f"{shown}: the symbolic link {why}", hint=_LINKS, code="hostile_link"
            ) from None
        entry = self.tree.entry(target)
        if entry is None or entry.kind != "file":
            raise UsageError(
                f"{shown}: the symbolic link does not lead to a file",
                hint=_LINKS,
                code="hostile_link",
            )
        if target in self.files:
            self.counted_as[path] = target
        else:
            self.files[path] = (target, self.tree.oid(target))

    def leaves(self, path: str) -> str | None:
        """Say what is wrong with a link that is not compared itself, None if it stays inside."""
        try:
            resolve(self.tree, path)
        except Leaves as why:
            return str(why)
        return None


def _not_file(path: str) -> UsageError:
    return UsageError(
        f"{display_name(path)}: a pipe, socket or device, not a file",
        hint="name the PATHs to compare without it",
        code="not_a_file",
    )


def _compare(found: Changes, chosen: _Selection) -> None:
    before_tree, after_tree, limit = found._before, found._after, found._limit
    chosen.check(before_tree, after_tree)
    before = _Side(before_tree, sorted(before_tree.names()), chosen)
    after = _Side(after_tree, sorted(after_tree.names()), chosen)
    notes = Notes()
    _check_modules(before, after, notes)
    _check_links(before, after, notes)
    for path in after.repositories:
        notes.add("not compared: a repository of its own", path)
    files = []
    for path in sorted({*before.files, *after.files}):
        old, new = before.files.get(path), after.files.get(path)
        files.append(
            Change(
                path,
                _status(old and old[1], new and new[1]),
                _reader(before_tree, old, path, limit),
                _reader(after_tree, new, path, limit),
            )
        )
    _note_moves(files, before, after)
    found.files = tuple(files)
    found.notes = notes.lines()


def _reader(
    tree: Tree, place: tuple[str, str] | None, path: str, limit: int
) -> Callable[[], bytes] | None:
    if place is None:
        return None
    target = place[0]
    return lambda: _content(tree, target, limit, path)


def _content(tree: Tree, path: str, limit: int, shown: str | None = None) -> bytes:
    entry = tree.entry(path)
    if entry is None or entry.kind != "file":
        raise UsageError(
            f"{display_name(shown or path)} in {tree.label}: not a plain file",
            hint="name the PATHs to compare without it",
            code="not_a_file",
        )
    data = tree.read(path, limit)
    if is_lfs_pointer(data):
        raise UsageError(
            f"{display_name(shown or path)} in {tree.label}: a Git LFS pointer, not the text",
            hint="keep prompts out of Git LFS, or name the PATHs to compare without it",
            code="lfs_pointer",
        )
    return data


def _check_modules(before: _Side, after: _Side, notes: Notes) -> None:
    for path in sorted({*before.modules, *after.modules}):
        if before.modules.get(path) != after.modules.get(path):
            raise UsageError(
                f"{display_name(path)}: the submodule changed, and what is in it is not compared",
                hint="name the PATHs to compare without it, and run nexctl diff inside it",
                code="submodule",
            )
        notes.add("not compared: a submodule", path)


def _check_links(before: _Side, after: _Side, notes: Notes) -> None:
    """A link to a folder could hide prompts behind it: a new one must not leave the checkout."""
    for path, target in after.links.items():
        why = after.leaves(path)
        if why is None:
            continue
        if before.links.get(path) != target:
            raise UsageError(
                f"{display_name(path)} in {after.tree.label}: the symbolic link {why}",
                hint=_LINKS,
                code="hostile_link",
            )
        notes.add(f"not compared: the symbolic link {why}", path)


def _note_moves(files: list[Change], before: _Side, after: _Side) -> None:
    gone = {before.files[c.path][1]: c for c in files if c.status == "removed"}
    for change in files:
        if change.status == "added":
            source = gone.pop(after.files[change.path][1], None)
            if source is not None:
                change.note = f"renamed from {source.display}"
                source.note = f"renamed to {change.display}"
        if change.status == "removed" and change.path in after.counted_as:
            target = display_name(after.counted_as[change.path])
            change.note = f"now a symbolic link to {target}, counted there"
        elif change.status == "added" and change.path in before.counted_as:
            target = display_name(before.counted_as[change.path])
            change.note = f"was a symbolic link to {target}, counted there"
