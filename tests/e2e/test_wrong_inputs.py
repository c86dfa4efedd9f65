"""What a new user gets wrong: each in two plain lines, what happened and what to do, and no trace.

The words are looked at here because a person reads them; scripts go by codes (docs/reference).
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
from pathlib import Path

import pytest

from tests.e2e.conftest import PROGRAM, Nexctl

REMOTE = {"NEXCTL_DRIVER": "nexctl", "NEXCTL_API_KEY": "abc"}
CALLS = {**REMOTE, "NEXCTL_DRIVER": "openai", "NEXCTL_BASE_URL": "http://127.0.0.1:9"}
# (command line, environment, exit, in the error line, in the hint)
WRONG: list[tuple[str, dict[str, str], int, str, str]] = [
    ("estimate nosuch.md", {}, 2, "nosuch.md: no such file", "check the path"),
    ("estimate promt.md", {}, 2, "promt.md: no such file", "did you mean prompt.md?"),
    ("estimate /dev/null", {}, 2, "a device, not a file", "name a file"),
    ("batch check /dev/zero", {}, 2, "a device, not a file", "name a file"),
    ("batch run /dev/zero", {}, 2, "a device, not a file", "name a file"),
    (
        "batch make --template prompt.md --rows /dev/zero -m nex-pro",
        *({}, 2, "a device, not a file", "name a file"),
    ),
    ("estimate bad.md", {}, 2, "not UTF-8: byte 0xff at offset 0", "iconv"),
    ("estimate bad.json", {}, 2, "bad.json:1: broken JSON", "one document"),
    ("estimate cut.json", {}, 2, "Unterminated string starting at column 14", "one document"),
    ("estimate digits.json", {}, 2, "a number has too many digits", "one document"),
    ("estimate wide.md", {}, 2, "a binary file: NUL byte at offset 3", "iconv -f utf-16"),
    ("chat half.json", {}, 2, "half a character", "go in pairs"),
    ("keys create --name a\udcff", {}, 2, "the command line is not UTF-8", "type it in UTF-8"),
    ("keys show a\udcff", {}, 2, "the command line is not UTF-8", "type it in UTF-8"),
    ("usage list --model a\udcff", {}, 2, "the command line is not UTF-8", "type it in UTF-8"),
    ("estimate empty", {}, 2, "no prompts in this folder", "named is always read"),
    ("estimate prompt.md -m gpt4o", {}, 2, "has no model 'gpt4o'", "did you mean gpt-4o"),
    ("estimate prompt.md --on nowhere", {}, 2, "no price book 'nowhere'", "books: nextoken"),
    ("estimate prompt.md --on ./no.toml", {}, 2, "./no.toml", "check the path"),
    ("estimate prompt.md --on ./bad.toml", {}, 78, "bad.toml:2: not TOML", "prices validate"),
    (
        "estimate prompt.md",
        {"NEXCTL_DRIVER": "openai", "NEXCTL_BASE_URL": "http://127.0.0.1:9"},
        *(78, "names no price book", "NEXCTL_BOOK=BOOK"),
    ),
    ("estimate prompt.md --max-cost abc", {}, 2, "--max-cost: 'abc'", "write it like 12"),
    ("estimate prompt.md --volume 5", {}, 2, "--volume: '5'", "500/day"),
    ("estimat prompt.md", {}, 2, "no such command: nexctl estimat", "did you mean estimate?"),
    ("estimate --modell x", {}, 2, "no such option: --modell", "--model"),
    ("wallet show extra", {}, 2, "one argument too many: extra", "wallet show --help"),
    ("wallet topup -5", {}, 2, "no such option: -5", "where -5 is a value, write --"),
    ("wallet topup 0", {}, 2, "below the minimum", "wallet packs"),
    ("wallet topup 5 --method barter", {}, 2, "way to pay is not available", "wallet packs"),
    ("wallet show -p nobody", {}, 2, "no such profile: nobody", "profiles here: local"),
    ("wallet show", {"NEXCTL_API_KEY": "wrong"}, 4, "missing, wrong or expired", "auth status"),
    ("wallet show", {"NEXCTL_TIMEOUT": "soon"}, 2, "not a number of seconds", "30 or 2.5"),
    ("wallet show", {"NEXCTL_OUTPUT": "xml"}, 2, "'xml' is not an output format", "use one of"),
    ("wallet show", {"NEXCTL_CONFIG_DIR": "prompt.md"}, 1, "not a directory", "a folder is needed"),
    ("wallet show", {"NEXCTL_PLAIN": "maybe"}, 0, "", ""),
    ("config get plain", {"NEXCTL_PLAIN": "maybe"}, 2, "neither true nor false", "write true"),
    ("config set timeout soon", {}, 2, "not a number of seconds", "30 or 2.5"),
    ("config set nosuch 1", {}, 2, "no such setting: nosuch", "settings are"),
    ("help nosuch", {}, 2, "no help on: nosuch", "topics:"),
    ("keys show nobody", {}, 3, "there is no such key", "'list'"),
    ("keys create --name x --ip 300.1.1.1", {}, 2, "--ip: '300.1.1.1' is not", "10.0.0.0/24"),
    ("keys create --name x --budget 5/decade", {}, 2, "'decade' is no window", "20/month"),
    ("keys create --name x --expires soon", {}, 2, "not a length of time", "90d"),
    ("keys create --name x --label search", {}, 2, "is not NAME=VALUE", "team=search"),
    (
        "keys create --name x --label a=1 --label a=2",
        {},
        2,
        "'a' is given twice",
        "one of them out",
    ),
    ("keys create --name x --member 'a b'", {}, 2, "--member: not in the form", "--help"),
    ("admin providers add p --option a=1 --option a=2", {}, 2, "'a' is given twice", "out"),
    ("admin providers add p --serves a=b --serves a=c", {}, 2, "'a' is given twice", "out"),
    ("usage audit x.csv --map charge=A,charge=B", {}, 2, "charge is mapped twice", "out"),
    ("orgs create 'no slug'", {}, 2, "SLUG: not in the form", "orgs create --help"),
    ("members add 'a b' --org acme", {}, 2, "CUSTOMER: not in the form", "members add --help"),
    ("admin customers create ''", {}, 2, "NAME: it is empty", "give it a value"),
    ("admin models set m --alias 'a b'", {}, 2, "--alias: not in the form", "models set --help"),
    ("wallet auto-topup show --wallet 'a b'", {}, 2, "wallet: not in the form", "correct what"),
    ("wallet topup 5 --pack 'a b'", {}, 2, "--pack: not in the form", "wallet topup --help"),
    (f"wallet topup 5 --promo {'a' * 65}", {}, 2, "--promo: too long", "wallet topup --help"),
    ("wallet submit x --transaction a", {}, 2, "--transaction: too short", "submit --help"),
    ("wallet ledger --from soon", {}, 2, "--from: not in the form", "wallet ledger --help"),
    ("keys create --name x --write -", {}, 2, "--write: a file is written here", "./- is one"),
    ("statement --entries -", {}, 2, "--entries: a file is written here", "name one"),
    ("gateway backup -", {}, 2, "FILE: a file is written here", "name one"),
    ("prices whatif --usage -", {}, 2, "standard input: the file is empty", "--help"),
    ("profile add x --driver nosuch", {}, 2, "--driver: 'nosuch' is not one of", "add --help"),
    ("config set profiles.x.driver nosuch", {}, 2, "'nosuch' is not one of embedded", "--help"),
    ("gateway init ''", {}, 2, "[NAME]: it is empty", "give it a value"),
    ("keys create --name ''", {}, 2, "--name: it is empty", "leave it out altogether"),
    ("budgets set 5/month --key ''", {}, 2, "--key: it is empty", "leave it out altogether"),
    ("wallet topup 5 --idempotency-key ''", {}, 2, "--idempotency-key: it is empty", "give it"),
    ("keys rotate x --check ''", {}, 2, "--check: it is empty", "give it a value"),
    ("estimate ''", {}, 2, "[PATH...|-]: it is empty", "give it a value"),
    (f"estimate prompt.md --volume {'n' * 9000}", {}, 2, "nnn ... nnn", "500/day"),
    (f"keys create --name {'n' * 200}", {}, 2, "--name: too long: at most 100", "--help"),
    ("keys revoke management", {}, 10, "Nobody is there to confirm it", "pass --yes"),
    ("budgets remove bud_none --yes", {}, 3, "there is no budget 'bud_none'", "budgets list"),
    ("budgets set much", {}, 2, "'much' is not a plain decimal number", "write it like 12"),
    ("statement --month 2026-99", {}, 2, "--month: '2026-99' is not a month", "2026-10"),
    ("usage export x.csv --month 2026-13", {}, 2, "is not a month", "2026-10"),
    ("usage export no/x.csv", {}, 2, "there is no such folder", "make it first"),
    ("usage export x.foo", {}, 2, "its suffix names no format", ".csv"),
    ("usage audit prompt.md", {}, 2, "this is no export of usage", "usage export"),
    ("usage audit nosuch.csv", {}, 2, "nosuch.csv", "check the path"),
    ("usage show req_none", {}, 3, "no such usage record", "'list'"),
    ("admin reconcile --month 0001-01", {}, 2, "a month is YYYY-MM", "--month 2026-11"),
    ("admin codes create 0% --promo -y", {}, 2, "must be more than 0", "'--help'"),
    ("gateway restore nosuch.db", {}, 2, "nosuch.db: no such file", "gateway backup"),
    ("gateway serve --tls-cert no.pem", {}, 2, "--tls-cert: no.pem", "name a PEM file"),
    ("gateway serve --tls-cert prompt.md", {}, 2, "no certificate", "PEM"),
    ("gateway serve --port 99999", {}, 2, "99999 is more than 65535", "serve --help"),
    ("gateway serve --host 0.0.0.0", {}, 2, "unprotected", "--tls-cert"),
    ("gateway init x --book nosuch", {}, 2, "no price book 'nosuch'", "books: nextoken"),
    ("gateway init x --plan nosuch", {}, 2, "no plan 'nosuch'", "plans: developer"),
    ("gateway backup no/x.db", {}, 1, "no such file or directory", "check the path"),
    ("chat nosuch.md", {}, 2, "nosuch.md: no such file", ""),
    ("chat prompt.md -m nosuch", {}, 2, "there is no such model", "models list"),
    ("batch run nosuch.jsonl", {}, 2, "nosuch.jsonl", "check the path"),
    ("batch status bat_none", {}, 3, "there is no job 'bat_none' here", "batch list"),
    ("diff", {}, 2, "not in a git repository", "nexctl estimate"),
    ("auth login", {}, 2, "no key was given", "--key-file"),
    ("auth login --key-file prompt.md", {}, 2, "is not a key", "the key alone"),
    ("models list", {**REMOTE, "NEXCTL_BASE_URL": "http://127.0.0.1:9"}, 7, "refused", "runs"),
    ("admin keys list", CALLS, 1, "does not offer an operator's commands", "nexctl doctor"),
    (
        "models list",
        {**REMOTE, "NEXCTL_BASE_URL": "http://10.1.1.1"},
        78,
        "this machine only",
        "https",
    ),
    ("models list", {**REMOTE, "NEXCTL_BASE_URL": "gateway"}, 78, "must be an address", "https"),
]


@pytest.mark.parametrize(
    ("words", "env", "code", "said", "hint"),
    WRONG,
    ids=[f"{w[0]}|{w[3]}"[:60].encode("ascii", "replace").decode() for w in WRONG],
)
def test_two_plain_lines(
    nexctl: Nexctl, tmp_path: Path, words: str, env: dict[str, str], code: int, said: str, hint: str
) -> None:
    import shlex

    (tmp_path / "prompt.md").write_text("Say hello to the customer.\n")
    (tmp_path / "bad.md").write_bytes(b"\xff\xfe")
    (tmp_path / "bad.json").write_text("{bad\n")
    (tmp_path / "cut.json").write_text('{"messages": "Hi')
    (tmp_path / "digits.json").write_text(f'{{"max_tokens": {"9" * 5000}}}')
    (tmp_path / "wide.md").write_text("Hello", "utf-16")
    said_half = {"role": "user", "content": "half \ud800"}
    (tmp_path / "half.json").write_text(json.dumps({"messages": [said_half]}))
    (tmp_path / "bad.toml").write_text("x = [\n")
    (tmp_path / "empty").mkdir()
    if words.startswith(("gateway restore", "gateway backup")):
        assert nexctl("wallet", "show", NEXCTL_KEYRING="0").exit == 0
    done = nexctl(*shlex.split(words), NEXCTL_KEYRING="0", **env)
    assert done.exit == code, done
    lines = [line for line in done.err.splitlines() if line.startswith(("error:", "hint:"))]
    if code == 0:
        assert lines == []
        return
    assert [line.split(":")[0] for line in lines] == ["error", "hint"], done
    assert done.err.splitlines()[-2:] == lines, "they come last"
    assert said in lines[0]
    assert hint in lines[1]
    for word in ("Errno", "Traceback", "`", "regex", "NoneType", "[SSL"):
        assert word not in done.err


@pytest.mark.parametrize("given", ["A B", "1X", "", "sk-live-abcdefghijkl", "sk_live_abcdefghijkl"])
@pytest.mark.parametrize(
    "words",
    [
        "gateway init lab --upstream http://127.0.0.1:9/v1 --upstream-key-env",
        "gateway init lab --payments stripe --stripe-key-env",
        "gateway init lab --payments stripe --stripe-secret-env",
        "admin providers add main --url https://api.example.com/v1 --key-env",
    ],
)
def test_a_key_typed_for_the_name_of_its_variable_is_refused_and_not_shown(
    nexctl: Nexctl, words: str, given: str
) -> None:
    done = nexctl(*words.split(), given, NEXCTL_KEYRING="0")
    error, hint = done.err.splitlines()
    assert done.exit == 2
    assert error == f"error: {words.split()[-1]}: this is no name of an environment variable"
    assert "never the secret" in hint
    assert not Path(os.environ["HOME"], ".local").exists(), "nothing was made"


def sized_home(tmp_path: Path, options: str) -> Path:
    """A home on a file system of its own; skipped where none can be mounted."""
    home = tmp_path / "sized"
    home.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", options, "none", str(home)], capture_output=True, check=False
    )
    if done.returncode:
        pytest.skip("no file system can be mounted here")
    return home


@pytest.mark.parametrize(
    ("options", "words", "said", "hint"),
    [
        ("ro", "wallet show", "read-only file system", "make it writable"),
        ("ro", "config set output json", "read-only file system", "make it writable"),
        ("size=64k", "wallet show", "the disk is full", "free some space"),
    ],
)
def test_a_home_that_takes_nothing(
    nexctl: Nexctl, tmp_path: Path, options: str, words: str, said: str, hint: str
) -> None:
    home = sized_home(tmp_path, options)
    try:
        for _ in range(2):
            done = nexctl(*words.split(), HOME=str(home), NEXCTL_KEYRING="0")
            assert done.exit == 1, done
            error, advice = done.err.splitlines()[-2:]
            assert said in error
            assert hint in advice
        (tmp_path / "prompt.md").write_text("Hello\n")
        assert nexctl("estimate", "prompt.md", HOME=str(home)).exit == 0, "prices need no home"
    finally:
        subprocess.run(["umount", str(home)], check=True)


def test_a_disk_that_has_become_full(nexctl: Nexctl, tmp_path: Path) -> None:
    """Not even reading does then: the ledger's log has no room for its index."""
    home = sized_home(tmp_path, "size=3m")
    try:
        assert nexctl("wallet", "show", HOME=str(home), NEXCTL_KEYRING="0").exit == 0
        with contextlib.suppress(OSError), (home / "filling").open("wb", buffering=0) as filling:
            while True:
                filling.write(b"x" * 1024)
        for words in (
            *("wallet show", "gateway verify", "keys create --name x"),
            *("wallet topup 50", "chat -m nex-auto -"),  # these run on a loop of their own
        ):
            done = nexctl(*words.split(), stdin="x", HOME=str(home), NEXCTL_KEYRING="0")
            assert done.exit == 1, done
            assert "the disk is full" in done.err.splitlines()[-2], done
        filled = (home / "filling").stat().st_size
        os.truncate(home / "filling", filled - 64 * 1024)  # the log can be opened, not written
        for words in ("wallet topup 50", "chat -m nex-auto -"):
            done = nexctl(*words.split(), stdin="x", HOME=str(home), NEXCTL_KEYRING="0")
            assert done.exit == 1, done
            assert "local: the disk is full" in done.err.splitlines()[-2], done
            assert "hint: free some space" in done.err.splitlines()[-1], done
        assert "--idempotency-key" in nexctl("wallet", "topup", "5", HOME=str(home)).err
        (home / "filling").unlink()
        assert nexctl("gateway", "verify", HOME=str(home), NEXCTL_KEYRING="0").exit == 0
    finally:
        subprocess.run(["umount", str(home)], check=True)


def test_what_answers_without_tls_and_what_is_no_gateway(nexctl: Nexctl) -> None:
    import http.server
    import threading

    class Other(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_error(404)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    other = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Other)
    port = other.server_address[1]
    threading.Thread(target=other.serve_forever, args=(0.02,), daemon=True).start()
    try:
        done = nexctl("models", "list", NEXCTL_BASE_URL=f"https://127.0.0.1:{port}", **REMOTE)
        assert (done.exit, done.err.splitlines()) == (
            7,
            [
                f"error: https://127.0.0.1:{port}: what answers there does not speak TLS",
                "hint: check the port; a gateway on this machine may be at http://",
            ],
        )
        done = nexctl("models", "list", NEXCTL_BASE_URL=f"http://127.0.0.1:{port}", **REMOTE)
        assert "it answered 404 without saying why" in done.err
        assert "nexctl doctor" in done.err.splitlines()[-1]
        done = nexctl("gateway", "serve", "--port", str(port))
        assert done.exit == 1
        assert "choose another --port" in done.err
    finally:
        other.shutdown()
        other.server_close()


def test_a_key_that_was_lost_with_the_store_of_an_embedded_gateway(nexctl: Nexctl) -> None:
    assert nexctl("wallet", "show", NEXCTL_KEYRING="0").exit == 0
    home = Path(os.environ["HOME"])
    (home / ".local/state/nexctl/secrets.json").unlink()
    done = nexctl("wallet", "show", NEXCTL_KEYRING="0")
    assert done.exit == 4
    assert "it was kept when the gateway was made" in done.err.splitlines()[-1]


def test_ctrl_c_at_a_question_is_130_and_does_nothing(tmp_path: Path) -> None:
    pexpect = pytest.importorskip("pexpect", reason="needs pexpect")
    child = pexpect.spawn(
        str(PROGRAM), ["keys", "revoke", "management"], encoding="utf-8", cwd=str(tmp_path),
        timeout=60, env={**os.environ, "NEXCTL_KEYRING": "0"},
    )  # fmt: skip
    child.expect_exact("[y/N] ")
    child.sendintr()
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 130
    assert "Traceback" not in child.before
    done = subprocess.run(
        [PROGRAM, "wallet", "show", "-q"], env={**os.environ, "NEXCTL_KEYRING": "0"},
        capture_output=True, check=False, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, "the key still works"
