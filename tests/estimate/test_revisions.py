"""Which prompts differ between two revisions."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from nexctl.errors import UsageError
from nexctl.estimate.revisions import changes, split_arguments

pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="needs git")


def git(*arguments: str, cwd: str = ".") -> str:
    done = subprocess.run(
        ["git", "-c", "user.name=a", "-c", "user.email=a@example.com", *arguments],
        cwd=cwd,
        check=True,
        capture_output=True,
    )
    return os.fsdecode(done.stdout).strip()


def put(name: str, text: str = "x\n") -> None:
    Path(name).parent.mkdir(parents=True, exist_ok=True)
    Path(name).write_text(text)


def commit(message: str = "change") -> str:
    git("add", "-A")
    git("commit", "-qm", message, "--allow-empty")
    return git("rev-parse", "HEAD")


@pytest.fixture
def repo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout with one commit: p/a.md, p/b.md and code.py, on branch `main`."""
    folder = tmp_path / "repo"
    folder.mkdir()
    monkeypatch.chdir(folder)
    git("init", "-q", "-b", "main")
    put("p/a.md", "a\n")
    put("p/b.md", "b\n")
    put("code.py", "pass\n")
    commit("first")
    return folder


def status(spec: str | None = None, *paths: str, all: bool = False) -> dict[str, str]:
    with changes(spec, paths) as found:
        return {c.path: c.status for c in found.files if all or c.status != "unchanged"}


def contents(
    spec: str | None = None, paths: Sequence[str] = ()
) -> dict[str, tuple[bytes | None, bytes | None]]:
    with changes(spec, paths) as found:
        return {c.path: (c.before(), c.after()) for c in found.files if c.status != "unchanged"}


def refusal(spec: str | None = None, *paths: str) -> UsageError:
    with pytest.raises(UsageError) as caught:
        contents(spec, paths)
    assert caught.value.exit == 2
    assert "\n" not in caught.value.message
    return caught.value


# ---- what changed


def test_the_working_tree_is_staged_unstaged_and_new_files(repo: Path) -> None:
    put("p/a.md", "a staged\n")
    git("add", "p/a.md")
    put("p/a.md", "a on disk\n")
    os.unlink("p/b.md")
    put("p/new.md", "new\n")
    put("p/note.rst", "not a prompt\n")
    assert contents() == {
        "p/a.md": (b"a\n", b"a on disk\n"),
        "p/b.md": (b"b\n", None),
        "p/new.md": (None, b"new\n"),
    }
    assert status("HEAD") == status()


def test_unchanged_files_are_listed_too(repo: Path) -> None:
    assert status(all=True) == {"p/a.md": "unchanged", "p/b.md": "unchanged"}
    put("p/a.md", "other")
    put("p/a.md", "a\n")  # same bytes, newer time
    assert status() == {}
    with changes("HEAD") as found:
        assert [(c.before(), c.after()) for c in found.files] == [(b"a\n",) * 2, (b"b\n",) * 2]


def test_three_dots_compare_with_the_merge_base_and_two_with_the_end(repo: Path) -> None:
    git("checkout", "-qb", "topic")
    put("p/a.md", "a topic\n")
    topic = commit()
    git("checkout", "-q", "main")
    put("p/b.md", "b main\n")
    main = commit()
    assert status("main...topic") == {"p/a.md": "changed"}
    assert status("main..topic") == {"p/a.md": "changed", "p/b.md": "changed"}
    assert status("topic...") == {"p/b.md": "changed"}
    assert status("topic..") == status(f"{topic[:10]}..{main}")
    assert contents("topic", ["p/a.md"]) == {"p/a.md": (b"a topic\n", b"a\n")}
    put("p/a.md", "not committed\n")
    assert status("main...topic") == {"p/a.md": "changed"}
    with changes("main...topic") as found:
        assert found.base.oid == git("merge-base", "main", "topic")
        assert found.head is not None
        assert found.head.oid == topic


def test_a_rename_is_a_removal_and_an_addition_with_notes(repo: Path) -> None:
    git("mv", "p/a.md", "p/c.md")
    with changes() as found:
        notes = {c.path: (c.status, c.note) for c in found.files if c.status != "unchanged"}
    assert notes == {
        "p/a.md": ("removed", "renamed to p/c.md"),
        "p/c.md": ("added", "renamed from p/a.md"),
    }


def test_paths_narrow_what_is_compared(repo: Path) -> None:
    for name in ("p/a.md", "p/b.md", "q/c.md", "code.py", "[x].md"):
        put(name, "changed\n")
    assert status(None, "p") == {"p/a.md": "changed", "p/b.md": "changed"}
    assert status(None, "p/", "q") == {"p/a.md": "changed", "p/b.md": "changed", "q/c.md": "added"}
    assert status(None, "code.py") == {"code.py": "changed"}
    assert status(None, "p/a*") == {"p/a.md": "changed"}
    assert status(None, "**/[bc].md") == {"p/b.md": "changed", "q/c.md": "added"}
    assert status(None, "[x].md") == {"[x].md": "added"}
    assert set(status(None, ".")) == {"p/a.md", "p/b.md", "q/c.md", "[x].md"}
    os.chdir("p")
    assert status(None, "a.md") == {"p/a.md": "changed"}
    assert status(None, "../q", str(repo / "p/b.md")) == {"p/b.md": "changed", "q/c.md": "added"}
    assert len(status()) == 4  # without PATHs the whole checkout, wherever one stands


def test_a_path_of_neither_side_is_refused(repo: Path) -> None:
    os.unlink("p/a.md")
    assert status(None, "p/a.md") == {"p/a.md": "removed"}
    assert refusal(None, "gone.md").message == "gone.md: neither in HEAD nor in the working tree"
    assert refusal("HEAD..HEAD", "gone").message == "gone: neither in HEAD nor in HEAD"
    assert refusal(None, "../other").message == "../other: outside the repository"
    assert refusal(None, "/etc/passwd").code == "outside_repository"


def test_sparse_checkouts_have_not_removed_what_they_leave_out(repo: Path) -> None:
    git("update-index", "--skip-worktree", "p/b.md")
    os.unlink("p/b.md")
    assert status(all=True) == {"p/a.md": "unchanged", "p/b.md": "unchanged"}
    with changes() as found:
        assert found.files[1].after() == b"b\n"


def test_contents_are_raw_whatever_conversion_git_is_told_to_do(repo: Path) -> None:
    git("config", "core.autocrlf", "true")
    put(".gitattributes", "*.md text eol=crlf working-tree-encoding=UTF-16\n")
    Path("p/a.md").write_bytes(b"a\r\n")
    assert contents()["p/a.md"] == (b"a\n", b"a\r\n")


def test_sha256_repositories(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "new").mkdir()
    monkeypatch.chdir(tmp_path / "new")
    git("init", "-q", "--object-format=sha256")
    put("a.md")
    put("b.md")
    commit()
    put("b.md", "other")
    assert status(all=True) == {"a.md": "unchanged", "b.md": "changed"}


# ---- ignore rules of the base


def test_new_files_that_the_base_ignores_are_left_out(repo: Path) -> None:
    put(".gitignore", "build/\n")
    put(".git/info/exclude", "mine.md\n")
    commit()
    put("build/x.md")
    put("mine.md")
    put("cache/.gitignore", "*\n")  # ignores itself: no commit ever holds it
    put("cache/y.md")
    assert status() == {}


def test_a_change_cannot_hide_a_new_file_by_its_own_rule(repo: Path) -> None:
    put(".gitignore", "build/\n")
    commit()
    put("build/x.md")
    put("p/new.md")
    put("q/new.md")
    put("cache/.gitignore", "*\n")
    put("cache/y.md")
    put(".gitignore", "build/\np/new.md\n")
    put("q/.gitignore", "new.md\n:*\n")
    put("q/:(exclude)x.md")
    with changes(policy=["**/.gitignore"]) as found:
        assert {c.path for c in found.files if c.status == "added"} == {
            "p/new.md",
            "q/new.md",
            "q/:(exclude)x.md",
        }
        assert found.policy_changes == ((".gitignore", "changed"), ("q/.gitignore", "added"))


def test_a_change_that_drops_a_rule_does_not_bring_in_what_the_base_ignores(repo: Path) -> None:
    put(".gitignore", "build/\n")
    commit()
    put("build/x.md")
    os.unlink(".gitignore")
    assert status() == {}


# ---- policy files and other files of the base


def test_changes_of_policy_files_are_reported(repo: Path) -> None:
    put("nexctl.toml", "a = 1\n")
    put("books/one.toml")
    put("books/two.toml")
    commit()
    put("nexctl.toml", "a = 2\n")
    os.unlink("books/one.toml")
    put("books/new.toml")
    os.unlink("books/two.toml")
    os.symlink("new.toml", "books/two.toml")
    put(".gitignore", "hidden.toml\n")
    put("hidden.toml")
    with changes(policy=["nexctl.toml", "books/*.toml", "hidden.toml", "none.toml"]) as found:
        assert found.policy_changes == (
            ("books/new.toml", "added"),
            ("books/one.toml", "removed"),
            ("books/two.toml", "changed"),
            ("hidden.toml", "added"),
            ("nexctl.toml", "changed"),
        )
        assert found.read_base("nexctl.toml") == b"a = 1\n"
        assert found.read_base("./books/one.toml") == b"x\n"
        assert found.read_base("books/new.toml") is None
        assert found.list_base(["books/*.toml", "*.py"]) == (
            "books/one.toml",
            "books/two.toml",
            "code.py",
        )
    commit()
    with changes("HEAD~1..HEAD", ["p"], policy=["nexctl.toml"]) as found:
        assert found.policy_changes == (("nexctl.toml", "changed"),)
        assert found.changed_policy_files(["code.py"]) == ()


# ---- names of revisions


def test_unknown_revisions_name_the_likely_cause(repo: Path) -> None:
    error = refusal("origin/main...HEAD")
    assert error.message == "origin/main: no such revision"
    assert "fetch-depth: 0" in (error.hint or "")
    assert refusal("HEAD~5").code == "unknown_revision"
    assert refusal("0" * 40).code == "unknown_revision"
    assert refusal("HEAD:p").code == "unknown_revision"


@pytest.mark.parametrize(
    "spec", ["-x", "--output=/tmp/x", "HEAD...--exec", "", "HE\nAD", "\x1b[31m", "HEAD..-x", "a\0b"]
)
def test_what_could_be_an_option_is_no_revision(repo: Path, spec: str) -> None:
    assert refusal(spec).code == "bad_revision"


def test_a_branch_named_like_an_option_is_reached_by_its_full_name(repo: Path) -> None:
    git("update-ref", "refs/heads/-x", "HEAD")
    assert refusal("-x").code == "bad_revision"
    assert status("refs/heads/-x", all=True) == {"p/a.md": "unchanged", "p/b.md": "unchanged"}


def test_ambiguous_names_are_refused(repo: Path) -> None:
    git("config", "core.warnAmbiguousRefs", "false")
    git("tag", "both")
    git("branch", "both")
    error = refusal("both")
    assert (error.code, error.hint) == ("ambiguous", "write refs/heads/both or refs/tags/both")
    assert status("refs/tags/both") == {}


def test_a_branch_cannot_stand_for_another_commit_by_its_name(repo: Path) -> None:
    first = git("rev-parse", "HEAD")
    put("p/a.md", "second\n")
    second = commit()
    git("update-ref", f"refs/heads/{first}", second)
    assert status(f"{first}..{second}") == {"p/a.md": "changed"}


def test_replaced_objects_are_not_believed(repo: Path) -> None:
    first = git("rev-parse", "HEAD")
    put("p/a.md", "second\n")
    second = commit()
    git("replace", first, second)
    assert status(f"{first}..{second}") == {"p/a.md": "changed"}


def test_detached_head_and_tags(repo: Path) -> None:
    git("tag", "-m", "annotated", "v1")
    put("p/a.md", "second\n")
    commit()
    git("checkout", "-q", "--detach")
    assert status("v1...HEAD") == {"p/a.md": "changed"}
    assert status("v1") == {"p/a.md": "changed"}


def test_no_commits_yet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "new").mkdir()
    monkeypatch.chdir(tmp_path / "new")
    git("init", "-q")
    put("a.md")
    assert refusal().code == "no_commits"
    assert refusal("main").code == "unknown_revision"


def test_outside_a_repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    error = refusal()
    assert error.message == "not in a git repository"
    os.mkdir(".git")
    assert refusal().code in {"git_failed", "no_repository"}


def test_a_bare_repository_is_refused(repo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    git("clone", "-q", "--bare", ".", "../bare")
    monkeypatch.chdir(repo.parent / "bare")
    assert refusal("main..main").code == "bare_repository"


def test_without_git(repo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    assert refusal().code == "git_missing"
    with pytest.raises(UsageError) as caught:
        split_arguments(["p"])
    assert caught.value.code == "git_missing"


def test_a_shallow_clone_without_the_merge_base(
    repo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    git("checkout", "-qb", "topic")
    put("p/a.md", "topic\n")
    commit()
    git("checkout", "-q", "main")
    put("p/b.md", "main\n")
    commit()
    git("clone", "-q", "--depth=1", "--no-single-branch", f"file://{repo}", "../shallow")
    monkeypatch.chdir(repo.parent / "shallow")
    error = refusal("origin/main...origin/topic")
    assert error.code == "no_merge_base"
    assert "fetch-depth: 0" in (error.hint or "")
    assert len(status("origin/main..origin/topic")) == 2
    assert "fetch-depth: 0" in (refusal("HEAD~1").hint or "")


def test_unrelated_histories(repo: Path) -> None:
    git("checkout", "-q", "--orphan", "other")
    commit()
    error = refusal("main...other")
    assert error.message == "main and other have no commit in common"


def test_worktrees_and_folders_below(repo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    git("worktree", "add", "-q", "../tree", "-b", "topic")
    put("../tree/p/a.md", "topic\n")
    monkeypatch.chdir(repo.parent / "tree" / "p")
    assert status() == {"p/a.md": "changed"}
    assert status(None, "a.md") == {"p/a.md": "changed"}
    with changes(cwd=str(repo)) as found:
        assert [c.status for c in found.files] == ["unchanged", "unchanged"]


# ---- arguments


def test_arguments_are_told_apart(repo: Path) -> None:
    assert split_arguments([]) == (None, ())
    assert split_arguments(["main...HEAD", "p"]) == ("main...HEAD", ("p",))
    assert split_arguments(["main"]) == ("main", ())
    assert split_arguments(["p", "code.py"]) == (None, ("p", "code.py"))
    assert split_arguments(["./p"]) == (None, ("./p",))
    assert split_arguments(["."]) == (None, (".",))
    assert split_arguments(["p/*.md"]) == (None, ("p/*.md",))
    assert split_arguments(["p/deleted.md"]) == (None, ("p/deleted.md",))
    assert split_arguments(["orign/main"]) == ("orign/main", ())
    git("branch", "v1.md")
    assert split_arguments(["v1.md"]) == ("v1.md", ())


def test_a_name_that_is_a_branch_and_a_file_is_refused(repo: Path) -> None:
    git("branch", "p")
    with pytest.raises(UsageError) as caught:
        split_arguments(["p"])
    assert caught.value.code == "ambiguous"
    assert "./p" in (caught.value.hint or "")
    assert split_arguments(["./p"]) == (None, ("./p",))
    assert split_arguments(["refs/heads/p"]) == ("refs/heads/p", ())
