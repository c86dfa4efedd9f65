"""git as a reader of bytes: plumbing commands only, deaf to what a hostile checkout configures.

A repository's own configuration can name programs to run (file-system monitor, hooks, text
converters, content filters, diff drivers, credential helpers, transports, aliases). The commands
that pass through here start none of them: they are builtins that need no such help, every switch
that could still wake one is overridden on the command line, which wins over the repository's
file, and nothing may use the network, lazy fetches of a partial clone included. Variables that
redirect git are dropped from the environment: the checkout is found from a folder, and only so.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterable, Sequence
from typing import IO

from nexctl.errors import UsageError

TIMEOUT_SECONDS = 120

_OVERRIDES = (
    "core.fsmonitor=false",
    f"core.hooksPath={os.devnull}",
    f"core.attributesFile={os.devnull}",
    "core.untrackedCache=false",
    "core.sshCommand=false",
    "core.warnAmbiguousRefs=true",
    "credential.helper=",
    "protocol.allow=never",
    "submodule.recurse=false",
    # A folder that only looks like a repository must not be taken for one.
    "safe.bareRepository=explicit",
)


class GitMissing(UsageError):
    """There is no git on PATH (exit 2)."""

    code = "git_missing"

    def __init__(self) -> None:
        super().__init__("git is not installed, or not on PATH", hint="install git, then try again")


class GitFailed(UsageError):
    """git said no. `stderr` is what it printed, in English; message and hint are for a person."""

    code = "git_failed"

    def __init__(self, command: str, status: int, stderr: str, root: str) -> None:
        lines = [x.strip() for x in stderr.splitlines() if x.strip()] or [f"exit status {status}"]
        said = next((x for x in lines if x.startswith(("fatal:", "error:"))), lines[0])
        said = said.removeprefix("fatal: ").removeprefix("error: ")
        hint = f"run the same in {root} with git itself; 'git fsck' proves the repository"
        if "dubious ownership" in stderr:
            said = "this checkout belongs to another user, and git does not trust it"
            hint = f"if you do: git config --global --add safe.directory {root}"
        super().__init__(f"git {command}: {said}", hint=hint)
        self.status = status
        self.stderr = stderr


def find_root(start: str) -> str | None:
    """Return the real path of the checkout that `start` (a folder) lies in, or None.

    The nearest folder upwards that holds `.git` (a folder, or a file in worktrees and submodules).
    Asks the file system alone, so it costs no process and believes no configuration.
    """
    folder = os.path.realpath(start)
    while True:
        if os.path.lexists(os.path.join(folder, ".git")):
            return folder
        parent = os.path.dirname(folder)
        if parent == folder:
            return None
        folder = parent


def program() -> str:
    """Return the path of git. Only absolute folders of PATH count: never the checkout itself."""
    name = "git.exe" if os.name == "nt" else "git"
    for folder in os.environ.get("PATH", os.defpath).split(os.pathsep):
        path = os.path.join(folder, name)
        if os.path.isabs(folder) and os.path.isfile(path) and os.access(path, os.X_OK):
            return path
    raise GitMissing


def environment(root: str) -> dict[str, str]:
    """Return the environment for a git that works in the checkout at `root` and nowhere else."""
    kept = {k: v for k, v in os.environ.items() if not k.upper().startswith("GIT_")}
    # Replacement objects and grafts would show another history than the one that is there. The
    # work tree is named because the repository's `core.worktree` could name any folder.
    kept.update(
        LC_ALL="C",
        GIT_WORK_TREE=root,
        GIT_CEILING_DIRECTORIES=os.path.dirname(root),
        GIT_CONFIG_NOSYSTEM="1",
        GIT_OPTIONAL_LOCKS="0",
        GIT_NO_REPLACE_OBJECTS="1",
        GIT_GRAFT_FILE=os.devnull,
        GIT_NO_LAZY_FETCH="1",
        GIT_ALLOW_PROTOCOL="none",
        GIT_TERMINAL_PROMPT="0",
        GIT_ATTR_NOSYSTEM="1",
    )
    return kept


def command_line(arguments: Sequence[str]) -> list[str]:
    """Return the full command for `arguments` (a plumbing command first)."""
    line = [program(), "--no-pager", "--no-optional-locks"]
    if arguments[0] != "check-ignore":  # it knows no such thing: see `ignored`
        line.append("--literal-pathspecs")
    for override in _OVERRIDES:
        line += ("-c", override)
    return [*line, *arguments]


def run(
    root: str, *arguments: str, stdin: bytes = b"", accept: Sequence[int] = (0,)
) -> tuple[bytes, str]:
    """Run a plumbing command in the checkout at `root`; return its output and its warnings.

    Raises GitMissing, and GitFailed when its status is not in `accept` or it takes too long.
    """
    try:
        done = subprocess.run(
            command_line(arguments),
            cwd=root,
            env=environment(root),
            input=stdin,
            capture_output=True,
            timeout=TIMEOUT_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise GitFailed(
            arguments[0], -1, f"fatal: no answer within {TIMEOUT_SECONDS} s", root
        ) from None
    except OSError as error:
        raise GitFailed(arguments[0], -1, f"fatal: {error.strerror or error}", root) from None
    stderr = done.stderr.decode("utf-8", "replace")
    if done.returncode not in accept:
        raise GitFailed(arguments[0], done.returncode, stderr, root)
    return done.stdout, stderr


def names(output: bytes) -> list[str]:
    """Split NUL-terminated output into strings as `os.fsdecode` spells them."""
    return [os.fsdecode(name) for name in output.split(b"\0") if name]


def ignored(root: str, paths: Iterable[str]) -> dict[str, str]:
    """Return those of `paths` that rules hide, tracked or not -> the rule file that decides.

    `.gitignore` files are named relative to `root`, as the paths are.
    """
    # The prefix keeps a name that begins with a colon from being read as a pattern.
    asked = b"".join(b"./" + os.fsencode(path) + b"\0" for path in paths)
    said, _ = run(
        root,
        *("check-ignore", "-z", "--stdin", "--verbose", "--no-index"),
        stdin=asked,
        accept=(0, 1),
    )
    fields = [os.fsdecode(field) for field in said.split(b"\0")]
    return {
        path.removeprefix("./"): rules
        for rules, pattern, path in zip(fields[0::4], fields[2::4], fields[3::4], strict=False)
        if not pattern.startswith("!")
    }


class Blobs:
    """Contents of objects by id, through one `git cat-file --batch`: raw bytes, nothing applied.

    A context manager; the process starts with the first question and ends with `close`.
    """

    def __init__(self, root: str) -> None:
        self.root = root
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Blobs:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def read(self, oid: str, limit: int) -> bytes | None:
        """Return the object's bytes, or None where it is larger than `limit` bytes.

        Raises GitFailed for an object that is not there (a shallow or partial clone).
        """
        ask, answer = self._pipes()
        try:
            ask.write(oid.encode("ascii") + b"\n")
            ask.flush()
            header = answer.readline().split()
        except BrokenPipeError:
            header = []
        if len(header) != 3 or header[1] != b"blob":
            self.close()
            what = "is not a file" if len(header) == 3 else "is not in this clone"
            raise GitFailed("cat-file", 1, f"fatal: object {oid} {what}", self.root)
        size = int(header[2])
        if size > limit:
            self.close()  # cheaper than reading past it
            return None
        data = answer.read(size + 1)
        if len(data) != size + 1:
            self.close()
            raise GitFailed("cat-file", 1, f"fatal: object {oid} ended early", self.root)
        return data[:-1]

    def _pipes(self) -> tuple[IO[bytes], IO[bytes]]:
        if self._process is None:
            self._process = subprocess.Popen(
                command_line(["cat-file", "--batch"]),
                cwd=self.root,
                env=environment(self.root),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
            )
        ask, answer = self._process.stdin, self._process.stdout
        if ask is None or answer is None:
            raise GitFailed("cat-file", -1, "fatal: no pipe to it", self.root)
        return ask, answer

    def close(self) -> None:
        """End the process. Another `read` would start a new one."""
        process, self._process = self._process, None
        if process is None:
            return
        process.kill()
        process.communicate()
