"""A comparison in a checkout that somebody hostile prepared: nothing runs, nothing leaks."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import tracemalloc
from pathlib import Path

import pytest

from nexctl.errors import UsageError
from nexctl.estimate.revisions import changes
from nexctl.estimate.trees import is_lfs_pointer

pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="needs git")

POINTER = (
    "version https://git-lfs.github.com/spec/v1\n"
    "oid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393\nsize 12345\n"
)


def git(*arguments: str, cwd: str = ".", stdin: bytes = b"") -> str:
    done = subprocess.run(
        ["git", "-c", "user.name=a", "-c", "user.email=a@example.com", *arguments],
        cwd=cwd,
        check=True,
        capture_output=True,
        input=stdin,
    )
    return os.fsdecode(done.stdout).strip()


def put(name: str, text: str = "x\n") -> None:
    Path(name).parent.mkdir(parents=True, exist_ok=True)
    Path(name).write_text(text)


def commit() -> str:
    git("add", "-A")
    git("commit", "-qm", "change", "--allow-empty")
    return git("rev-parse", "HEAD")


@pytest.fixture
def repo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "repo"
    folder.mkdir()
    monkeypatch.chdir(folder)
    git("init", "-q", "-b", "main")
    put("p/a.md", "a\n")
    put("p/b.md", "b\n")
    commit()
    return folder


def status(spec: str | None = None, *paths: str) -> dict[str, str]:
    with changes(spec, paths) as found:
        for change in found.files:
            change.before()
            change.after()
        return {c.path: c.status for c in found.files if c.status != "unchanged"}


def refusal(spec: str | None = None, *paths: str) -> str:
    with pytest.raises(UsageError) as caught:
        status(spec, *paths)
    assert caught.value.exit == 2
    return caught.value.message


# ---- nothing runs


def test_no_program_of_the_repository_is_started(repo: Path) -> None:
    ran = repo.parent / "ran"
    evil = repo.parent / "evil.sh"
    evil.write_text(f"#!/bin/sh\necho \"$0 $*\" >> '{ran}'\ncat\n")
    evil.chmod(0o755)
    put(".gitattributes", "*.md filter=evil diff=evil merge=evil\n")
    put("p/a.md", "committed\n")
    base = commit()
    hooks = repo.parent / "hooks"
    hooks.mkdir()
    for hook in (
        "post-index-change",
        "fsmonitor-watchman",
        "reference-transaction",
        "post-checkout",
    ):
        shutil.copy(evil, hooks / hook)
        shutil.copy(evil, repo / ".git" / "hooks" / hook)
    for name in (
        "core.fsmonitor",
        "core.pager",
        "core.editor",
        "core.sshCommand",
        "core.askPass",
        "core.gitProxy",
        "core.alternateRefsCommand",
        "diff.external",
        "diff.evil.command",
        "diff.evil.textconv",
        "filter.evil.clean",
        "filter.evil.smudge",
        "filter.evil.process",
        "merge.evil.driver",
        "gpg.program",
        "credential.helper",
        "uploadpack.packObjectsHook",
        "pager.ls-files",
        "pager.rev-parse",
        "interactive.diffFilter",
        "sequence.editor",
    ):
        git("config", name, str(evil))
    git("config", "core.hooksPath", str(hooks))
    for command in ("ls-files", "ls-tree", "rev-parse", "cat-file", "merge-base", "check-ignore"):
        git("config", f"alias.{command}", f"!{evil}")
    git("config", "core.untrackedCache", "true")
    put("p/a.md", "on disk\n")
    put("p/new.md", "new\n")
    put(".gitignore", "new.md\n")  # the rules of the base are asked as well
    ran.unlink(missing_ok=True)
    assert status() == {"p/a.md": "changed", "p/new.md": "added"}
    assert status(f"{base}~1...{base}") == {"p/a.md": "changed"}
    assert not ran.exists()
    # The traps are real: git as it comes falls into them.
    subprocess.run(["git", "diff", "--no-color"], capture_output=True, check=False)
    assert ran.exists()


def test_a_partial_clone_fetches_nothing(repo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    git("config", "uploadpack.allowFilter", "true")
    put("p/a.md", "second\n")
    commit()
    git("clone", "-q", "--no-checkout", "--filter=blob:none", f"file://{repo}", "../partial")
    monkeypatch.chdir(repo.parent / "partial")
    ran = repo.parent / "ran"
    evil = repo.parent / "evil.sh"
    evil.write_text(f"#!/bin/sh\ntouch '{ran}'\n")
    evil.chmod(0o755)
    git("config", "remote.origin.url", f"ext::{evil}")
    git("config", "protocol.ext.allow", "always")
    assert "is not in this clone" in refusal("HEAD~1..HEAD")
    assert not ran.exists()
    subprocess.run(["git", "cat-file", "-p", "HEAD:p/a.md"], capture_output=True, check=False)
    assert ran.exists()  # the trap is real


def test_a_git_that_the_checkout_brings_along_is_not_run(
    repo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put("git", "#!/bin/sh\ntouch ran\n")
    os.chmod("git", 0o755)
    monkeypatch.setenv("PATH", os.pathsep.join([".", "", os.environ["PATH"]]))
    assert status() == {}
    assert not Path("ran").exists()


def test_the_environment_does_not_redirect_git(
    repo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put("p/a.md", "changed\n")
    evil = tmp_path / "evil.sh"
    evil.write_text(f"#!/bin/sh\ntouch '{tmp_path}/ran'\n")
    evil.chmod(0o755)
    for name in (
        "GIT_DIR",
        "GIT_WORK_TREE",
        "GIT_INDEX_FILE",
        "GIT_OBJECT_DIRECTORY",
        "GIT_COMMON_DIR",
        "GIT_NAMESPACE",
        "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    ):
        monkeypatch.setenv(name, "/nonexistent")
    for name in ("GIT_EXTERNAL_DIFF", "GIT_PAGER", "GIT_SSH_COMMAND", "GIT_PROXY_COMMAND"):
        monkeypatch.setenv(name, str(evil))
    monkeypatch.setenv("GIT_CONFIG_PARAMETERS", "'core.fsmonitor'='/bin/false'")
    monkeypatch.setenv("GIT_TRACE", str(tmp_path / "trace"))
    assert status() == {"p/a.md": "changed"}
    assert not (tmp_path / "ran").exists()
    assert not (tmp_path / "trace").exists()


def test_a_configured_work_tree_elsewhere_is_not_followed(repo: Path) -> None:
    elsewhere = repo.parent / "elsewhere"
    (elsewhere / "p").mkdir(parents=True)
    (elsewhere / "p" / "a.md").write_text("secret\n")
    git("config", "core.worktree", str(elsewhere))
    put("p/new.md")
    assert status() == {"p/new.md": "added"}


def test_a_folder_that_looks_like_a_repository_is_not_taken_for_one(repo: Path) -> None:
    git("init", "-q", "--bare", "p/fake")
    os.chdir("p/fake")
    assert status("HEAD") == {}


def test_a_checkout_of_another_user_is_refused_with_the_remedy(repo: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root may give files away")
    for path in (repo, repo / ".git"):
        os.chown(path, 65534, 65534)
    with pytest.raises(UsageError) as caught:
        status()
    assert "belongs to another user" in caught.value.message
    assert caught.value.hint == f"if you do: git config --global --add safe.directory {repo}"


# ---- names


def test_hostile_names_are_compared_like_any_other(repo: Path) -> None:
    names = [
        "-x.md",
        "--exec=sh.md",
        ":(top)y.md",
        ":!z.md",
        "line\nbreak.md",
        'q"uote.md',
        "t\tab.md",
        "\x1b[31mred.md",
        "*.md",
        "$(touch ran).md",
        "é.md",
        "caf\udce9.md",
        " .md",
        "\\n.md",
    ]
    for name in names:
        put(f"p/{name}")
    expected = {f"p/{name}": "added" for name in names}
    assert status() == expected
    base = git("rev-parse", "HEAD")
    commit()
    assert status(f"{base}...HEAD") == expected
    os.chdir("p")
    assert status(base, "-x.md") == {"p/-x.md": "added"}
    assert status(base, ":(top)y.md") == {"p/:(top)y.md": "added"}
    assert status(base, "caf\udce9.md") == {"p/caf\udce9.md": "added"}
    with changes(base, ["caf\udce9.md"]) as found:
        assert found.files[0].display == r"p/caf\xe9.md"
    assert status(base, "*.md") == expected  # a name before a pattern, and a pattern too


@pytest.mark.parametrize("name", ["..", ".git", ".GIT", "."])
def test_a_forged_tree_with_a_path_that_leaves_is_refused(repo: Path, name: str) -> None:
    blob = git("rev-parse", "HEAD:p/a.md")
    inner = git("mktree", stdin=f"100644 blob {blob}\tevil.md\n".encode())
    raw = f"40000 {name}\0".encode() + bytes.fromhex(inner)
    tree = git("hash-object", "-t", "tree", "-w", "--literally", "--stdin", stdin=raw)
    forged = git("commit-tree", tree, "-m", "forged")
    assert "a path that no checkout may hold" in refusal(f"HEAD..{forged}")


# ---- links


@pytest.mark.parametrize("target", ["/etc/passwd", "../../outside.md", "../p/../../x", "/"])
@pytest.mark.parametrize("name", ["p/link.md", "p/folder"])
def test_a_link_that_leaves_the_checkout_fails(repo: Path, target: str, name: str) -> None:
    Path("../outside.md").write_text("secret")
    os.symlink(target, name)
    expected = f"{name} in the working tree: the symbolic link leaves the checkout"
    assert refusal() == expected
    assert status(None, "p/a.md") == {}
    commit()
    assert refusal("HEAD~1...HEAD") == expected.replace("the working tree", "HEAD")
    if name.endswith(".md"):
        assert refusal(None, name)


def test_a_link_named_explicitly_fails_whatever_its_suffix(repo: Path) -> None:
    os.symlink("/etc/passwd", "p/passwd")
    assert "leaves the checkout" in refusal(None, "p/passwd")


def test_an_old_link_that_is_no_prompt_is_only_a_note(repo: Path) -> None:
    os.symlink("/usr/bin", "bin")
    commit()
    with changes("HEAD") as found:
        assert found.notes == ("bin: not compared: the symbolic link leaves the checkout",)


def test_links_in_circles_or_to_nothing_fail(repo: Path) -> None:
    os.symlink("x.md", "p/x.md")
    assert refusal() == "p/x.md in the working tree: the symbolic link leads in circles"
    os.unlink("p/x.md")
    os.symlink("gone", "p/x.md")
    assert refusal() == "p/x.md in the working tree: the symbolic link does not lead to a file"
    os.unlink("p/x.md")
    os.symlink("../p", "p/x.md")
    assert refusal() == "p/x.md in the working tree: the symbolic link does not lead to a file"


def test_a_link_inside_stands_for_its_file_and_is_counted_once(repo: Path) -> None:
    put("shared/base.text", "one\n")
    os.symlink("../shared/base.text", "p/link.md")
    os.symlink("a.md", "p/again.md")
    assert status() == {"p/link.md": "added"}
    commit()
    put("shared/base.text", "two\n")
    with changes() as found:
        (change,) = [c for c in found.files if c.status != "unchanged"]
        assert (change.path, change.before(), change.after()) == ("p/link.md", b"one\n", b"two\n")
    commit()
    assert status("HEAD~1..HEAD") == {"p/link.md": "changed"}


def test_a_file_that_became_a_link_says_where_it_is_counted(repo: Path) -> None:
    os.unlink("p/b.md")
    os.symlink("a.md", "p/b.md")
    with changes() as found:
        (change,) = [c for c in found.files if c.status != "unchanged"]
    assert (change.status, change.note) == (
        "removed",
        "now a symbolic link to p/a.md, counted there",
    )


def test_a_folder_that_became_a_link_outside_is_not_read_through(repo: Path) -> None:
    shutil.rmtree("p")
    outside = repo.parent / "outside"
    outside.mkdir()
    (outside / "a.md").write_text("secret\n")
    os.symlink("../outside", "p")
    assert refusal() == "p in the working tree: the symbolic link leaves the checkout"
    assert "leaves the checkout" in refusal(None, "p/a.md")


def test_a_file_swapped_for_a_link_after_the_look_is_not_read(repo: Path) -> None:
    put("p/a.md", "changed\n")
    with changes() as found:
        change = next(c for c in found.files if c.path == "p/a.md")
        os.rename("p", "q")
        os.symlink("q", "p")
        with pytest.raises(UsageError):
            change.after()


# ---- what is not text


def test_pipes_and_sockets_in_place_of_a_prompt_fail(repo: Path) -> None:
    os.unlink("p/a.md")
    os.mkfifo("p/a.md")
    assert refusal() == "p/a.md: a pipe, socket or device, not a file"
    assert refusal("HEAD", "p/a.md") == "p/a.md: a pipe, socket or device, not a file"
    assert status(None, "p/b.md") == {}
    os.mkfifo("p/new.md")
    assert refusal(None, "p/new.md") == "p/new.md: a pipe, socket or device, not a file"


def test_a_device_in_place_of_a_prompt_fails(repo: Path) -> None:
    os.unlink("p/a.md")
    try:
        os.mknod("p/a.md", stat.S_IFCHR | 0o666, os.makedev(1, 5))  # /dev/zero
    except PermissionError:
        pytest.skip("only root may make a device")
    assert refusal() == "p/a.md: a pipe, socket or device, not a file"


def test_lfs_pointers_fail_on_either_side(repo: Path) -> None:
    put("p/a.md", POINTER)
    assert refusal() == "p/a.md in the working tree: a Git LFS pointer, not the text"
    commit()
    assert refusal("HEAD~1...HEAD") == "p/a.md in HEAD: a Git LFS pointer, not the text"
    put("p/a.md", "the text\n")
    assert refusal() == "p/a.md in HEAD: a Git LFS pointer, not the text"
    assert status(None, "p/b.md") == {}


def test_a_text_about_lfs_is_no_pointer() -> None:
    assert is_lfs_pointer(POINTER.encode())
    assert not is_lfs_pointer(("See: " + POINTER).encode())
    assert not is_lfs_pointer((POINTER + "x" * 1024).encode())


def test_submodules(repo: Path) -> None:
    module = repo.parent / "module"
    module.mkdir()
    git("init", "-q", cwd=str(module))
    (module / "m.md").write_text("m\n")
    git("add", ".", cwd=str(module))
    git("commit", "-qm", "x", cwd=str(module))
    git("-c", "protocol.file.allow=always", "submodule", "add", "-q", str(module), "vendor/sub")
    assert refusal().startswith("vendor/sub: the submodule changed")
    assert status(None, "p") == {}
    assert refusal(None, "vendor").startswith("vendor/sub: the submodule changed")
    commit()
    assert refusal("HEAD~1...HEAD").startswith("vendor/sub: the submodule changed")
    with changes("HEAD") as found:
        assert found.notes == ("vendor/sub: not compared: a submodule",)
    assert refusal("HEAD", "vendor/sub/m.md") == (
        "vendor/sub/m.md: neither in HEAD nor in the working tree"
    )


def test_a_repository_inside_is_a_note(repo: Path) -> None:
    git("init", "-q", "inner")
    put("inner/x.md")
    with changes() as found:
        assert found.notes == ("inner: not compared: a repository of its own",)


# ---- sizes


def test_a_file_above_the_limit_fails_with_its_name(repo: Path) -> None:
    put("p/a.md", "x" * 1001)
    with changes(limit=1000) as found:
        change = found.files[0]
        assert change.before() == b"a\n"
        with pytest.raises(UsageError) as caught:
            change.after()
    assert caught.value.message == "p/a.md in the working tree: larger than 1000 bytes"
    commit()
    with changes("HEAD~1..HEAD", limit=1000) as found:
        with pytest.raises(UsageError) as caught:
            found.files[0].after()
        assert caught.value.code == "too_large"
        # The reader of contents starts again after a refusal.
        assert found.files[0].before() == b"a\n"
        assert found.files[1].after() == b"b\n"
    with changes("HEAD~1..HEAD", limit=1001) as found:
        assert found.files[0].after() == b"x" * 1001


def test_a_huge_file_costs_no_memory(repo: Path) -> None:
    with open("p/huge.md", "wb") as stream:
        stream.truncate(200 * 1024 * 1024)
    with changes() as found:
        change = next(c for c in found.files if c.status == "added")
        tracemalloc.start()
        try:
            with pytest.raises(UsageError):
                change.after()
            assert tracemalloc.get_traced_memory()[1] < 4 * 1024 * 1024
        finally:
            tracemalloc.stop()


def test_many_contents_come_through_one_process(
    repo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for i in range(200):
        put(f"m/{i}.md", f"{i}\n" * i)
    commit()
    started = []
    original = subprocess.Popen

    class Counting(original):  # type: ignore[type-arg,misc]
        def __init__(self, *args: object, **kwargs: object) -> None:
            started.append(args)
            super().__init__(*args, **kwargs)  # type: ignore[call-overload]

    monkeypatch.setattr(subprocess, "Popen", Counting)
    with changes("HEAD~1..HEAD", ["m"]) as found:
        started.clear()
        assert {c.path: c.after() for c in found.files} == {
            f"m/{i}.md": (f"{i}\n" * i).encode() for i in range(200)
        }
        assert len(started) == 1
