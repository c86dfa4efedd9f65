"""What is shipped: the wheel and all that belongs into it, the same bytes twice, its bill."""

from __future__ import annotations

import email
import hashlib
import importlib.util
import json
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

from nexctl._version import __version__

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = Path(sys.executable).with_name("nexctl")


def script(name: str) -> Any:
    """A module of scripts/."""
    spec = importlib.util.spec_from_file_location(name, ROOT / f"scripts/{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def build(folder: Path) -> Path:
    """The wheel, built from the checkout."""
    pytest.importorskip("build", reason="needs build")
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "-o", str(folder), str(ROOT)],
        check=True, capture_output=True, timeout=300,
        env={**os.environ, "SOURCE_DATE_EPOCH": "1700000000"},
    )  # fmt: skip
    (wheel,) = folder.glob("*.whl")
    return wheel


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("wheel"))


def test_the_wheel_has_every_module_and_every_data_file(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    wanted = {
        str(path.relative_to(ROOT / "src"))
        for path in (ROOT / "src/nexctl").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert wanted - names == set()
    assert {suffix for name in wanted if (suffix := Path(name).suffix)} >= {
        ".py", ".toml", ".sql", ".bin", ".bpe", ".typed",
    } - {".typed"}  # fmt: skip
    assert "nexctl/py.typed" in names
    assert not [name for name in names if name.endswith((".pth", ".pyc"))]


def test_the_wheel_has_manual_pages_completions_and_licences(wheel: Path) -> None:
    archive = zipfile.ZipFile(wheel)
    data = f"nexctl-{__version__}.data/data/share"
    shared = {
        f"{data}/bash-completion/completions/nexctl": ROOT / "completions/nexctl.bash",
        f"{data}/zsh/site-functions/_nexctl": ROOT / "completions/_nexctl",
        f"{data}/fish/vendor_completions.d/nexctl.fish": ROOT / "completions/nexctl.fish",
        f"{data}/nexctl/nexctl.ps1": ROOT / "completions/nexctl.ps1",
        **{f"{data}/man/man1/{page.name}": page for page in (ROOT / "man").glob("*.1")},
        **{
            f"nexctl-{__version__}.dist-info/licenses/{name}": ROOT / name
            for name in ("LICENSE", "NOTICE")
        },
        f"nexctl-{__version__}.dist-info/sboms/sbom.cdx.json": ROOT / "sbom.cdx.json",
    }
    assert len(shared) > 30
    for name, path in shared.items():
        assert archive.read(name) == path.read_bytes(), name


def test_the_wheel_says_what_it_is(wheel: Path) -> None:
    archive = zipfile.ZipFile(wheel)
    facts = email.message_from_bytes(archive.read(f"nexctl-{__version__}.dist-info/METADATA"))
    assert (facts["Name"], facts["Version"]) == ("nexctl", __version__)
    assert facts["License-Expression"] == "MIT"
    assert set(facts.get_all("Provides-Extra") or []) == {
        "tokenizers", "serve", "analytics", "pdf", "all",
    }  # fmt: skip
    entry = archive.read(f"nexctl-{__version__}.dist-info/entry_points.txt").decode()
    assert "nexctl = nexctl.__main__:main" in entry


def test_two_builds_are_the_same_bytes(wheel: Path, tmp_path: Path) -> None:
    again = build(tmp_path)
    digests = [hashlib.sha256(path.read_bytes()).hexdigest() for path in (wheel, again)]
    assert digests[0] == digests[1]


# -------------------------------------------------------------------- the bill of materials


def test_the_bill_names_every_locked_package_with_its_digests() -> None:
    lock = (ROOT / "requirements/base.txt").read_text()
    locked = dict(re.findall(r"^([a-z0-9._-]+)==(\S+)", lock, re.M))
    bill = json.loads((ROOT / "sbom.cdx.json").read_text())
    assert (bill["bomFormat"], bill["specVersion"]) == ("CycloneDX", "1.6")
    assert re.fullmatch(r"urn:uuid:[0-9a-f-]{36}", bill["serialNumber"])
    components = {one["name"]: one for one in bill["components"]}
    assert {name: one["version"] for name, one in components.items()} == locked
    for one in components.values():
        assert one["purl"] == f"pkg:pypi/{one['name']}@{one['version']}"
        assert all(len(h["content"]) == 64 for h in one["externalReferences"][0]["hashes"])
        assert one["externalReferences"][0]["hashes"]
    digests = [
        h["content"] for c in components.values() for h in c["externalReferences"][0]["hashes"]
    ]
    assert len(digests) == lock.count("--hash=sha256:")
    needed = set(bill["dependencies"][0]["dependsOn"])
    project = (ROOT / "pyproject.toml").read_text()
    direct = re.findall(r'^    "([a-z-]+)>=', project, re.M)
    assert direct
    assert {f"pkg:pypi/{name}@{locked[name]}" for name in direct} <= needed
    assert components["hatchling"]["scope"] == "excluded"


# -------------------------------------------------------------------- the container file


def steps() -> list[tuple[str, str]]:
    """(instruction, argument) of the container file, continued lines joined."""
    text = re.sub(r"^#.*\n", "", (ROOT / "Containerfile").read_text(), flags=re.M)
    lines = re.sub(r"\\\n\s*", "", text).splitlines()
    return [tuple(line.split(None, 1)) for line in lines if line.strip()]  # type: ignore[misc]


def test_the_container_file_names_what_is_there() -> None:
    allowed = {
        line[1:] for line in (ROOT / ".containerignore").read_text().splitlines() if line[:1] == "!"
    }
    for verb, argument in steps():
        if verb != "COPY" or argument.startswith("--from"):
            continue
        for source in shlex.split(argument)[:-1]:
            assert (ROOT / source).exists(), source
            assert Path(source).parts[0] in allowed, f"{source} is left out of the context"


def test_the_container_installs_by_hash_and_runs_as_nobody_in_particular() -> None:
    found = steps()
    installs = [a for v, a in found if v == "RUN" for a in a.split("&&") if "pip install" in a]
    assert installs
    for one in installs:
        assert "--require-hashes -r requirements/" in one or one.strip().endswith(
            "--no-deps --no-build-isolation ."
        )
    assert "uid 10001" in next(a for v, a in found if v == "RUN" and "useradd" in a)
    order = [verb for verb, _ in found]
    assert order.index("USER") < order.index("ENTRYPOINT")
    assert dict(found)["USER"] == "nexctl"
    assert dict(found)["VOLUME"] == "/data"
    assert "NEXCTL_CONFIG_DIR=/data" in dict(found)["ENV"]


def test_the_lock_of_the_container_is_whole() -> None:
    text = (ROOT / "requirements/serve.txt").read_text()
    serve = dict(re.findall(r"^([a-z0-9._-]+)==(\S+)", text, re.M))
    base = dict(
        re.findall(r"^([a-z0-9._-]+)==(\S+)", (ROOT / "requirements/base.txt").read_text(), re.M)
    )
    assert base.items() <= serve.items(), "one version of a package in every lock"
    assert {"uvloop", "httptools", "psycopg", "psycopg-binary", "psycopg-pool", "hatchling"} <= set(
        serve
    )
    for block in re.split(r"\n(?=\S)", text.strip()):
        assert "--hash=sha256:" in block, block


def test_the_health_check_of_the_container_works_on_a_served_gateway(own_home: Path) -> None:
    """The image is not built here; what it runs is: the served gateway and the check."""
    subprocess.run(
        [PROGRAM, "gateway", "init", "shop", "--payments", "manual", "--use"],
        check=True, capture_output=True, timeout=60,
    )  # fmt: skip
    comment = re.search(
        r"gateway serve (--host.*?)\n# The last", (ROOT / "Containerfile").read_text(), re.S
    )
    assert comment is not None
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    options = shlex.split(comment[1].replace("\\\n#", " "))
    serving = subprocess.Popen(
        [PROGRAM, "gateway", "serve", *options, "--port", str(port)],
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert serving.stderr is not None
        assert "is served at https://gw.example.com" in serving.stderr.readline()
        check = json.loads(dict(steps())["HEALTHCHECK"].split("CMD ", 1)[1])
        code = check[2].replace(":8787/", f":{port}/")
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=False
        )
        assert done.returncode == 0, done.stderr
        serving.send_signal(signal.SIGTERM)
        serving.wait(40)
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, timeout=30, check=False
        )
        assert done.returncode != 0, "nobody answers any more"
    finally:
        serving.kill()
        serving.wait(10)
        if serving.stderr is not None:
            serving.stderr.close()


# -------------------------------------------------------------------- the changelog


def test_the_fragments_of_the_changelog_are_in_order(capsys: pytest.CaptureFixture[str]) -> None:
    changelog = script("changelog")
    assert changelog.main(["--check"]) == 0
    assert changelog.main([]) == 0
    assert capsys.readouterr().out.startswith("## Unreleased\n")


def test_a_release_moves_the_fragments(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    changelog = script("changelog")
    folder = tmp_path / "changelog.d"
    folder.mkdir()
    log = tmp_path / "CHANGELOG.md"
    log.write_text(f"# Changelog\n\n{changelog.MARK}\n## 0.1.0 (2026-01-01)\n")
    monkeypatch.setattr(changelog, "FOLDER", folder)
    monkeypatch.setattr(changelog, "LOG", log)
    (folder / "README.md").write_text("how\n")
    (folder / "doctor.added.md").write_text("`doctor` checks\neverything.\n")
    (folder / "old.removed.md").write_text("The option `--old`.\n")
    assert changelog.main(["0.2.0", "2026-12-01"]) == 0
    assert log.read_text() == (
        f"# Changelog\n\n{changelog.MARK}\n## 0.2.0 (2026-12-01)\n\n### Removed\n\n"
        "- The option `--old`.\n\n### Added\n\n- `doctor` checks everything.\n\n"
        "## 0.1.0 (2026-01-01)\n"
    )
    assert [path.name for path in folder.iterdir()] == ["README.md"]
    (folder / "x.news.md").write_text("What.\n")
    assert changelog.main(["--check"]) == 1
