"""Which files an estimate reads."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from nexctl.errors import UsageError
from nexctl.estimate.sources import Glob, display_name, find

needs_git = pytest.mark.skipif(shutil.which("git") is None, reason="needs git")


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working folder that lies in no repository."""
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


def put(*names: str) -> None:
    for name in names:
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_text("x")


def displayed(*paths: str) -> list[str]:
    return [source.display for source in find(paths).files]


def refusal(*paths: str) -> str:
    with pytest.raises(UsageError) as caught:
        find(paths)
    assert caught.value.exit == 2
    return caught.value.message


def git(*arguments: str, cwd: str = ".") -> None:
    subprocess.run(
        ["git", "-c", "user.name=a", "-c", "user.email=a@example.com", *arguments],
        cwd=cwd,
        check=True,
        capture_output=True,
    )


def test_a_named_file_is_read_whatever_its_suffix(here: Path) -> None:
    put("notes.rst", "a.md", "b.json", "c.jsonl", "D.JSONL", "e.prompt", "f.j2", "g")
    kinds = {s.path: s.kind for s in find(sorted(os.listdir())).files}
    assert kinds == {
        "notes.rst": "auto",
        "a.md": "text",
        "b.json": "json",
        "c.jsonl": "jsonl",
        "D.JSONL": "jsonl",
        "e.prompt": "text",
        "f.j2": "text",
        "g": "auto",
    }


def test_the_size_is_in_bytes(here: Path) -> None:
    Path("a.md").write_text("é" * 10)
    (source,) = find(["a.md"]).files
    assert source == ("a.md", "a.md", "text", 20, False)


def test_a_folder_gives_its_prompts_in_a_stable_order(here: Path) -> None:
    put(
        "p/b.md",
        "p/a/z.txt",
        "p/a.md",
        "p/code.py",
        "p/.hidden/x.md",
        "p/.git/config.md",
        "p/UP.MD",
    )
    expected = ["p/.hidden/x.md", "p/UP.MD", "p/a/z.txt", "p/a.md", "p/b.md"]
    assert displayed("p") == expected
    assert displayed("p/") == expected
    os.chdir("p")
    assert displayed(".") == [name.removeprefix("p/") for name in expected]


def test_each_file_is_read_once(here: Path) -> None:
    put("p/a.md", "p/b.md")
    os.symlink("a.md", "p/z.md")
    assert displayed("p/b.md", "p", "./p/a.md", "p/z.md", "-", "-") == ["p/b.md", "p/a.md", "-"]


def test_standard_input_by_any_of_its_names(here: Path) -> None:
    for name in ("-", "/dev/stdin", "/dev/fd/0"):
        assert find([name]).files == (("-", "-", "auto", None, True),)


def test_nothing_named_is_refused(here: Path) -> None:
    assert "no path" in refusal()


def test_a_missing_file_names_its_neighbour(here: Path) -> None:
    put("prompts/system.md")
    with pytest.raises(UsageError) as caught:
        find(["prompts/sytem.md"])
    assert caught.value.message == "prompts/sytem.md: no such file or folder"
    assert caught.value.hint == "did you mean prompts/system.md?"
    assert refusal("gone/away.md") == "gone/away.md: no such file or folder"


def test_odd_paths_are_one_clear_line(here: Path) -> None:
    put("a.md")
    os.symlink("nowhere", "dangling.md")
    os.symlink("loop.md", "loop.md")
    assert refusal("") == "an empty path"
    assert refusal("a.md/b.md") == "a.md/b.md: not a directory"
    assert refusal("dangling.md") == "dangling.md: a symbolic link to nothing"
    assert refusal("loop.md") == "loop.md: too many levels of symbolic links"
    assert refusal("x" * 5000).endswith(": file name too long")
    assert refusal("a\0b").endswith(": embedded null byte")
    assert refusal("a\ud800b")


def test_a_folder_without_prompts_is_refused(here: Path) -> None:
    put("p/code.py", "a.md")
    os.mkdir("empty")
    assert refusal("p") == "p: no prompts in this folder"
    assert refusal("a.md", "empty") == "empty: no prompts in this folder"


def test_a_named_pipe_is_read_and_a_found_one_is_not(here: Path) -> None:
    put("p/a.md")
    os.mkfifo("p/pipe.md")
    assert find(["p/pipe.md"]).files == (("p/pipe.md", "p/pipe.md", "text", None, False),)
    found = find(["p"])
    assert [s.path for s in found.files] == ["p/a.md"]
    assert found.notes == ("p/pipe.md: not read: not a regular file",)
    globbed = find(["p/*.m?"])
    assert [s.path for s in globbed.files] == ["p/a.md"]
    assert globbed.notes == found.notes


def test_a_process_substitution_is_read(here: Path) -> None:
    reading, writing = os.pipe()
    try:
        (source,) = find([f"/dev/fd/{reading}"]).files
        assert (source.kind, source.size) == ("auto", None)
    finally:
        os.close(reading)
        os.close(writing)


def test_devices_and_sockets_are_refused(here: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("s.md")
        assert refusal("s.md") == "s.md: a socket, not a file"
    assert refusal("/dev/null") == "/dev/null: a device, not a file"


def test_links_in_a_folder(here: Path) -> None:
    put("outside/secret.md", "p/sub/a.md")
    os.symlink(os.path.abspath("outside/secret.md"), "p/out.md")
    os.symlink("../outside", "p/outdir")
    os.symlink("gone.md", "p/gone.md.md")
    os.symlink("self.md", "p/self.md")
    os.symlink("..", "p/sub/up")
    os.symlink("sub/a.md", "p/in.md")
    os.symlink("/bin/sh", "p/sh")
    found = find(["p"])
    # The link sorts first and is the name under which the one file is read.
    assert [s.path for s in found.files] == ["p/in.md"]
    assert sorted(found.notes) == [
        "p/gone.md.md and 1 more: not read: the symbolic link leads nowhere",
        "p/out.md and 1 more: not read: the symbolic link leaves the folder",
    ]


def test_a_linked_folder_that_is_named_is_read(here: Path) -> None:
    put("real/a.md")
    os.symlink("real", "link")
    assert displayed("link") == ["link/a.md"]
    assert displayed("real", "link") == ["real/a.md"]


def test_names_that_are_not_utf8_are_read_and_shown(here: Path) -> None:
    os.mkdir("p")
    with open(b"p/caf\xe9.md", "wb") as stream:
        stream.write(b"x")
    (source,) = find(["p"]).files
    assert source.display == r"p/caf\xe9.md"
    source.display.encode()
    assert Path(source.path).read_text() == "x"
    assert displayed("p/caf?.md") == [r"p/caf\xe9.md"]
    assert display_name("日本.md") == "日本.md"


def test_no_permission_is_one_clear_line(here: Path) -> None:
    # root may read everything, so it asks as somebody else.
    script = (
        "import os, sys; from nexctl.errors import UsageError\n"
        "from nexctl.estimate.sources import find\n"
        "import nexctl.safety.git, difflib, fnmatch\n"
        "if os.geteuid() == 0: os.setuid(65534)\n"
        "for path in sys.argv[1:]:\n"
        "    try: find([path])\n"
        "    except UsageError as e: print(e.message)\n"
        "    else: print('read')\n"
    )
    put("p/a.md", "q/sub/b.md", "ok.md")
    parent = here
    while parent != parent.parent and os.stat(parent).st_uid == os.geteuid():
        parent.chmod(0o755)
        parent = parent.parent
    os.chmod("p/a.md", 0)
    os.chmod("q/sub", 0)
    try:
        done = subprocess.run(
            [sys.executable, "-c", script, "ok.md", "p/a.md", "p", "q", "q/sub/b.md", "**/*.md"],
            capture_output=True,
            text=True,
            check=False,
        )
    finally:
        os.chmod("q/sub", 0o755)
    assert done.stderr == ""
    assert done.stdout.splitlines() == [
        "read",
        "p/a.md: permission denied",
        "p/a.md: permission denied",
        "q/sub: permission denied",
        "q/sub/b.md: permission denied",
        "q/sub/: permission denied",
    ]


# ---- globs


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("*.md", ["a.md"]),
        ("p/*.md", ["p/b.md"]),
        ("**/*.md", ["a.md", "p/b.md", "p/q/c.md"]),
        ("p/**/*.md", ["p/b.md", "p/q/c.md"]),
        ("p/**", ["p/b.md", "p/d.py", "p/q/c.md"]),
        ("?.md", ["a.md"]),
        ("p/[bd].*", ["p/b.md", "p/d.py"]),
        ("p/[!b].*", ["p/d.py"]),
        ("*/q", ["p/q/c.md"]),
        ("./p/*.md", ["./p/b.md"]),
        (".h/*.md", [".h/e.md"]),
        (".?/*.md", [".h/e.md"]),
    ],
)
def test_a_glob_that_the_shell_left_alone_is_expanded(
    here: Path, pattern: str, expected: list[str]
) -> None:
    put("a.md", "p/b.md", "p/d.py", "p/q/c.md", ".h/e.md")
    assert displayed(pattern) == expected


def test_an_absolute_glob(here: Path) -> None:
    put("p/b.md")
    assert displayed(f"{here}/p/*.md") == [f"{here}/p/b.md"]


def test_a_glob_that_matches_nothing_is_refused(here: Path) -> None:
    put("a.txt")
    assert refusal("*.md") == "*.md: no file matches"
    assert refusal("gone/**/*.md") == "gone/**/*.md: no file matches"
    assert refusal("[") == "[: no file matches"


def test_a_file_named_like_a_glob_is_that_file(here: Path) -> None:
    put("[draft].md", "d.md")
    assert displayed("[draft].md") == ["[draft].md"]


def test_a_glob_does_not_run_in_circles(here: Path) -> None:
    put("p/a.md")
    os.symlink(".", "p/loop")
    assert displayed("**/*.md") == ["p/a.md"]
    assert displayed("p/*/a.md") == ["p/loop/a.md"]  # one level, as a shell does


def test_glob_parts() -> None:
    assert Glob("**/books/*.toml").match("books/a.toml")
    assert Glob("**/books/*.toml").match("x/y/books/a.toml")
    assert not Glob("**/books/*.toml").match("x/books/y/a.toml")
    assert not Glob("*").match("a/b")
    assert not Glob("*").match(".a")
    assert Glob("**").match("a/b")


# ---- git


@pytest.fixture
def repo(here: Path) -> Path:
    git("init", "-q")
    return here


@needs_git
def test_what_git_ignores_is_left_out_of_a_folder(repo: Path) -> None:
    put("p/a.md", "p/new.md", "p/build/x.md", "p/tracked.md", "node_modules/n.md", "q/x.tmp.md")
    Path(".gitignore").write_text("build/\nnode_modules/\ntracked.md\n")
    Path("q/.gitignore").write_text("*.tmp.md\n")
    git("add", "p/a.md")
    git("add", "-f", "p/tracked.md")
    assert displayed(".") == ["p/a.md", "p/new.md", "p/tracked.md"]
    assert displayed("p") == ["p/a.md", "p/new.md", "p/tracked.md"]
    os.chdir("p")
    assert displayed("../p") == ["../p/a.md", "../p/new.md", "../p/tracked.md"]
    # Naming a file or spelling a pattern wins over the ignore rules.
    assert displayed("build/x.md") == ["build/x.md"]
    assert displayed("build/*") == ["build/x.md"]
    assert refusal("build") == "build: no prompts in this folder"


@needs_git
def test_a_deleted_tracked_file_is_no_error(repo: Path) -> None:
    put("a.md", "b.md")
    git("add", ".")
    os.unlink("b.md")
    assert displayed(".") == ["a.md"]


@needs_git
def test_repositories_inside_keep_their_own_rules(here: Path) -> None:
    for folder in ("outer/inner", "outer/sub"):
        put(f"{folder}/a.md", f"{folder}/skip.md")
        Path(folder, ".gitignore").write_text("skip.md\n")
        git("init", "-q", cwd=folder)
    put("outer/o.md")
    assert displayed("outer") == ["outer/inner/a.md", "outer/o.md", "outer/sub/a.md"]
    git("add", ".", cwd="outer/sub")
    git("commit", "-qm", "x", cwd="outer/sub")
    git("init", "-q", cwd="outer")
    git("add", "sub", cwd="outer")  # a gitlink
    assert displayed("outer") == ["outer/inner/a.md", "outer/o.md", "outer/sub/a.md"]


@needs_git
def test_hostile_names_in_a_repository(repo: Path) -> None:
    names = ["-x.md", ":(top)y.md", "line\nbreak.md", 'q"uote.md', "\x1b[31mred.md", "*.md", "é.md"]
    put(*names)
    git("add", "--", "./-x.md", "./line\nbreak.md")
    assert sorted(s.path for s in find(["."]).files) == sorted(names)
    folder = ":(exclude)p"
    put(f"{folder}/a.md")
    assert displayed(folder) == [f"{folder}/a.md"]


@needs_git
def test_a_hostile_repository_runs_nothing(repo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put("p/a.md", "p/b.md")
    git("add", ".")
    script = repo / "evil.sh"
    script.write_text(f"#!/bin/sh\ntouch '{repo}/ran'\n")
    script.chmod(0o755)
    for name in (
        "core.fsmonitor",
        "core.pager",
        "alias.ls-files",
        "core.sshCommand",
        "filter.evil.clean",
        "filter.evil.smudge",
        "diff.external",
        "core.editor",
    ):
        git("config", name, ("!" if name.startswith("alias") else "") + str(script))
    hooks = repo / "hooks"
    hooks.mkdir()
    for hook in ("post-index-change", "fsmonitor-watchman"):
        shutil.copy(script, hooks / hook)
    git("config", "core.hooksPath", str(hooks))
    Path(".gitattributes").write_text("* filter=evil diff=evil\n")
    Path("p/a.md").write_text("changed")
    if (repo / "ran").exists():
        (repo / "ran").unlink()
    assert displayed("p") == ["p/a.md", "p/b.md"]
    assert not (repo / "ran").exists()
    # The trap is real: git as it comes does run it.
    subprocess.run(["git", "status"], check=False, capture_output=True)
    assert (repo / "ran").exists()


@needs_git
def test_git_variables_of_the_environment_do_not_redirect(
    repo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put("a.md", "skip.md")
    Path(".gitignore").write_text("skip.md\n")
    for name in ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_COMMON_DIR"):
        monkeypatch.setenv(name, "/nonexistent")
    monkeypatch.setenv("GIT_CONFIG_COUNT", "1")
    monkeypatch.setenv("GIT_CONFIG_KEY_0", "core.bare")
    monkeypatch.setenv("GIT_CONFIG_VALUE_0", "true")
    assert displayed(".") == ["a.md"]


@needs_git
def test_a_configured_work_tree_elsewhere_is_not_followed(repo: Path, tmp_path: Path) -> None:
    put("a.md", "skip.md")
    Path(".gitignore").write_text("skip.md\n")
    git("config", "core.worktree", str(tmp_path))
    found = find(["."])
    assert [s.path for s in found.files] == ["a.md"]
    git("config", "core.worktree", "/usr")
    assert find(["."]) == found
    assert found.notes == ()


@needs_git
def test_a_repository_that_git_refuses_is_walked_with_a_note(here: Path) -> None:
    put("a.md", "skip.md")
    Path(".gitignore").write_text("skip.md\n")
    os.mkdir(".git")
    found = find(["."])
    assert [s.path for s in found.files] == ["a.md", "skip.md"]
    (note,) = found.notes
    assert "what git ignores was not left out" in note


def test_without_git_a_repository_is_walked_with_a_note(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put("a.md")
    os.mkdir(".git")
    script = here / "git"
    script.write_text("#!/bin/sh\ntouch ran\n")
    script.chmod(0o755)
    # A git of the checkout itself is never run, not even through a relative folder of PATH.
    monkeypatch.setenv("PATH", ".:")
    found = find(["."])
    assert [s.path for s in found.files] == ["a.md"]
    assert found.notes == (".: git is not installed, so what it ignores was not left out",)
    assert not (here / "ran").exists()


def test_a_single_file_costs_no_process_and_no_import(here: Path) -> None:
    put("p.md")
    code = (
        "import sys, nexctl.estimate.sources as s; before = set(sys.modules)\n"
        "s.find(['p.md'])\n"
        "print(sorted(set(sys.modules) - before), 'subprocess' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[] False\n"
