"""Names of revisions, and what can be wrong with them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import NamedTuple

from nexctl.errors import UsageError
from nexctl.estimate.sources import display_name, is_glob, is_prompt
from nexctl.safety import git

_FETCH_DEPTH = "in CI, fetch the whole history first (actions/checkout: fetch-depth: 0)"


class Revision(NamedTuple):
    """A commit: what the caller called it, and its full id."""

    spec: str
    oid: str


def split_arguments(arguments: Sequence[str], cwd: str = ".") -> tuple[str | None, tuple[str, ...]]:
    """Tell `[BASE[...HEAD]] [PATH...]` apart: (spec or None, paths).

    The first argument is a path where something of that name lies there and no revision has it,
    or where it is a glob. A name that is both is refused, as git does.
    """
    if not arguments:
        return None, ()
    first, rest = arguments[0], tuple(arguments[1:])
    exists = os.path.lexists(os.path.join(cwd, first)) if first else False
    if not exists:
        # `^` and `~` are a revision's; a deleted prompt is named by a folder or a suffix.
        looks_like_path = ".." not in first and (is_glob(first) or is_prompt(first))
        if looks_like_path and not _is_revision(cwd, first):
            return None, (first, *rest)
        return first, rest
    if first.startswith("-") or first in (".", "..") or not _is_revision(cwd, first):
        return None, (first, *rest)
    raise UsageError(
        f"{display_name(first)}: both a revision and a file",
        hint=f"for the file write ./{display_name(first)}; "
        f"for the branch refs/heads/{display_name(first)}",
        code="ambiguous",
    )


def find_checkout(cwd: str) -> str:
    """Return the real path of the checkout that `cwd` lies in. Raises UsageError."""
    root = git.find_root(cwd)
    if root is not None:
        return root
    bare = all(os.path.exists(os.path.join(cwd, name)) for name in ("HEAD", "objects", "refs"))
    if bare:
        raise UsageError(
            "a bare repository: there are no files to compare",
            hint="run this in a checkout (git worktree add makes one)",
            code="bare_repository",
        )
    raise UsageError(
        "not in a git repository",
        hint="nexctl diff compares git revisions; nexctl estimate prices files as they are",
        code="no_repository",
    )


def _is_revision(cwd: str, spec: str) -> bool:
    root = git.find_root(cwd)
    if root is None:
        return False
    try:
        for side in _sides(spec)[:2]:
            _commit(root, side)
    except git.GitMissing:
        raise
    except UsageError as error:
        return error.code == "ambiguous"
    return True


def _sides(spec: str) -> tuple[str, str, str]:
    """Split a spec into base, head and the dots between them (empty: no head)."""
    for dots in ("...", ".."):
        base, found, head = spec.partition(dots)
        if found:
            return base or "HEAD", head or "HEAD", dots
    return spec, spec, ""


def resolve_spec(root: str, spec: str | None) -> tuple[Revision, Revision | None]:
    """Return the two ends that `spec` names (see `revisions.changes`); no head = the working tree.

    Raises UsageError for a name that is unknown, ambiguous or could be taken for an option.
    """
    if spec is None:
        return Revision("HEAD", _commit(root, "HEAD")), None
    base, head, dots = _sides(spec)
    base_oid = _commit(root, base)
    if not dots:
        return Revision(base, base_oid), None
    head_oid = _commit(root, head)
    if dots == "...":
        base_oid = _merge_base(root, (base, base_oid), (head, head_oid))
    return Revision(base, base_oid), Revision(head, head_oid)


def _commit(root: str, spec: str) -> str:
    shown = display_name(spec)
    if not spec or spec.startswith("-") or not spec.isprintable():
        raise UsageError(
            f"{shown!r} is not the name of a revision",
            hint="name a branch, a tag or a commit, like origin/main or HEAD~1",
            code="bad_revision",
        )
    try:
        answer, warnings = git.run(
            root, "rev-parse", "--verify", "--end-of-options", spec + "^{commit}"
        )
    except git.GitFailed as failed:
        raise _unknown(root, spec, failed) from None
    if "is ambiguous" in warnings and answer[: len(spec)].decode() != spec:
        raise UsageError(
            f"{shown}: more than one revision has this name",
            hint=f"write refs/heads/{shown} or refs/tags/{shown}",
            code="ambiguous",
        )
    return answer.decode("ascii").strip()


def _unknown(root: str, spec: str, failed: git.GitFailed) -> UsageError:
    shown = display_name(spec)
    if "is ambiguous" in failed.stderr:
        return UsageError(
            f"{shown}: more than one object begins like this",
            hint="write more digits of it",
            code="ambiguous",
        )
    if "single revision" not in failed.stderr and "unknown revision" not in failed.stderr:
        return failed if "fatal: not a git" in failed.stderr else _not_commit(shown, failed)
    if spec == "HEAD":
        return UsageError(
            "this repository has no commits yet: there is nothing to compare with",
            hint="nexctl estimate prices files as they are",
            code="no_commits",
        )
    hint = _FETCH_DEPTH
    if not _is_shallow(root):
        hint = f"git fetch brings the branches of the remote; {hint}"
    return UsageError(f"{shown}: no such revision", hint=hint, code="unknown_revision")


def _not_commit(shown: str, failed: git.GitFailed) -> UsageError:
    if "dubious ownership" in failed.stderr:
        return failed
    return UsageError(f"{shown}: not a commit", hint=failed.message, code="unknown_revision")


def _is_shallow(root: str) -> bool:
    return git.run(root, "rev-parse", "--is-shallow-repository")[0].strip() == b"true"


def _merge_base(root: str, base: tuple[str, str], head: tuple[str, str]) -> str:
    answer, _ = git.run(root, "merge-base", base[1], head[1], accept=(0, 1))
    if answer:
        return answer.decode("ascii").strip()
    names = f"{display_name(base[0])} and {display_name(head[0])}"
    if _is_shallow(root):
        raise UsageError(
            f"{names}: this shallow clone lacks the commit where they parted",
            hint=_FETCH_DEPTH,
            code="no_merge_base",
        )
    raise UsageError(
        f"{names} have no commit in common",
        hint="write two dots, BASE..HEAD, to compare the two ends",
        code="no_merge_base",
    )
