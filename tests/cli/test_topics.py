"""What the topics promise holds: exit codes, variables, the catalogue of errors."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from nexctl import errors
from nexctl.cli.context import App
from nexctl.cli.topics import ENVIRONMENT, EXIT_CODES, TOPICS
from nexctl.errors import UsageError

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTED = {name for names, _ in ENVIRONMENT for name in names}
# Read by the program for a shell that asks it for candidates; no setting of anybody's.
INTERNAL = {"_NEXCTL_COMPLETE"}


def sources(folder: str) -> str:
    files = sorted((ROOT / folder).rglob("*.py"))
    skipped = ("completion_spec.py", "topics.py")
    return "\n".join(path.read_text() for path in files if path.name not in skipped)


def test_every_variable_that_is_read_is_documented_and_the_other_way_round() -> None:
    text = sources("src/nexctl")
    read = set(re.findall(r"\"(_?NEXCTL_[A-Z_]+)\"", text)) - INTERNAL
    read |= {f"NEXCTL_MAIL{suffix}" for suffix in re.findall(r"\{VARIABLE\}(_[A-Z]+)", text)}
    documented = {name for name in DOCUMENTED if name.startswith("NEXCTL_")}
    assert read == documented
    others = DOCUMENTED - documented - {"HTTPS_PROXY", "NO_PROXY"}
    assert {name for name in others if f'"{name}"' not in text} == set()
    assert "getproxies" in text, "HTTPS_PROXY and NO_PROXY are read by urllib's rules"


def test_every_variable_stands_in_a_test() -> None:
    text = sources("tests")
    own = {name for name in DOCUMENTED if name.startswith("NEXCTL_")}
    assert {name for name in own if name not in text} == set()


def test_the_topics_fit_eighty_columns_and_are_on_the_manual_page() -> None:
    page = (ROOT / "man/nexctl.1").read_text()
    for name, text in TOPICS.items():
        assert [line for line in text.splitlines() if len(line) > 80] == []
        assert f".SH {name.upper()}" in page


def test_every_exit_code_is_explained() -> None:
    listed = {int(found) for found in re.findall(r"^ {1,4}(\d+)  ", EXIT_CODES, re.M)}
    assert listed == {v for name, v in vars(errors).items() if name.startswith("EXIT_")}


# -------------------------------------------------------------------- variables at work


def data(done: Any) -> Any:
    assert done.code == 0, done.err
    return json.loads(done.out)["data"]


def test_a_profile_of_variables_alone(nexctl: Any) -> None:
    env = {
        "NEXCTL_BASE_URL": "https://gateway.example.com",
        "NEXCTL_DRIVER": "nexctl",
        "NEXCTL_BOOK": "nextoken",
        "NEXCTL_PLAN": "business",
        "NEXCTL_MODEL": "nex-reasoning",
    }
    status = data(nexctl("auth", "status", "--offline", "-o", "json", env=env | {
        "NEXCTL_API_KEY": "nxt_sk_a", "NEXCTL_OPERATOR_KEY": "nxt_op_b",
    }))  # fmt: skip
    assert (status["profile"], status["driver"]) == ("environment", "nexctl")
    assert status["origin"] == "https://gateway.example.com:443"
    assert [row["source"] for row in status["keys"]] == ["NEXCTL_API_KEY", "NEXCTL_OPERATOR_KEY"]
    found = data(nexctl("estimate", "-", "-o", "json", stdin="hello", env=env))
    estimate = found["estimates"][0]
    assert (estimate["gateway"], estimate["model"]) == ("nextoken", "nex-reasoning")


@pytest.mark.parametrize(
    ("variable", "value", "key", "wanted"),
    [
        ("NEXCTL_PROFILE", "local", "default_profile", "local"),
        ("NEXCTL_OUTPUT", "json", "output", "json"),
        ("NEXCTL_TIMEOUT", "2.5", "timeout", 2.5),
        ("NEXCTL_NO_INPUT", "1", "no_input", True),
    ],
)
def test_a_variable_stands_over_the_file(
    variable: str, value: str, key: str, wanted: object, nexctl: Any, own_home: Path
) -> None:
    file = own_home / ".config/nexctl/config.toml"
    file.parent.mkdir(parents=True)
    file.write_text('output = "csv"\ntimeout = 9\nno_input = false\n')
    rows = data(nexctl("config", "list", "-o", "json", env={variable: value}))
    row = next(row for row in rows if row["key"] == key)
    assert (row["value"], row["origin"]) == (wanted, variable)


def test_one_folder_for_everything(nexctl: Any, tmp_path: Path) -> None:
    env = {"NEXCTL_CONFIG_DIR": str(tmp_path / "all")}
    assert nexctl("profile", "add", "x", "--book", "nextoken", env=env).code == 0
    assert (tmp_path / "all/config.toml").exists()
    assert (tmp_path / "all/cache/complete/profiles").exists()


def test_the_key_store_can_be_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    from nexctl.settings.profiles import BUILT_IN
    from nexctl.settings.secrets import SecretStore

    asked: list[str] = []
    monkeypatch.setattr("nexctl.settings.secrets._import_keyring", lambda: asked.append("keyring"))
    environ = {"DBUS_SESSION_BUS_ADDRESS": "unix:path=/nowhere", "HOME": "/nowhere"}
    SecretStore(environ | {"NEXCTL_KEYRING": "0"}, warn=lambda _: None).get(BUILT_IN)
    assert asked == []
    SecretStore(environ, warn=lambda _: None).get(BUILT_IN)
    assert asked == ["keyring"]


def test_what_goes_away_is_said_once_and_is_an_error_where_that_is_asked_for() -> None:
    app = App.double(environ={})
    app.deprecated("--old", "--new")
    app.deprecated("--old", "--new")
    said = "deprecated: --old is going away; use --new instead\n"
    assert app.err is not None
    assert app.err.getvalue() == said  # type: ignore[attr-defined]
    quiet = App.double(environ={})
    quiet.quiet = True
    quiet.deprecated("--old", "--new")
    assert quiet.err is not None
    assert quiet.err.getvalue() == ""  # type: ignore[attr-defined]
    with pytest.raises(UsageError) as caught:
        App.double(environ={"NEXCTL_DEPRECATION_ERRORS": "1"}).deprecated("--old", "--new")
    assert (caught.value.code, caught.value.hint) == ("deprecated", "use --new instead")


# -------------------------------------------------------------------- the catalogue of errors


def catalogued() -> set[tuple[str, int]]:
    text = (ROOT / "docs/reference/errors.md").read_text()
    refusals = re.findall(r"^\| `(\w+)` \| \d{3} \| (\d+) \|", text, re.M)
    own = re.findall(r"^\| `([\w…]+)` \| (\d{1,3}) \| (?!\d)", text, re.M)
    return {(code, int(status)) for code, status in [*refusals, *own]}


@pytest.mark.parametrize(
    "argv",
    [
        ("estimate", "missing.md"),
        ("estimate", "-m", "no-such-model", "-"),
        ("estimate", "--max-cost", "-1", "-"),
        ("prices", "show", "x", "--on", "nowhere"),
        ("keys", "show", "nobody"),
        ("keys", "create", "--name", "x", "--budget", "much"),
        ("keys", "revoke", "management"),
        ("doctor", "-p", "nobody"),
        ("chat", "-", "-m", "no-such-model"),
        ("nonsense",),
        ("keys",),
        ("help", "nonsense"),
        ("usage", "show", "req_nobody"),
        ("batch", "status"),
        ("completion", "install"),
    ],
)
def test_an_error_that_happens_is_in_the_catalogue(argv: tuple[str, ...], nexctl: Any) -> None:
    done = nexctl(*argv, "-o", "json", stdin="hello", env={"SHELL": "/bin/csh"})
    assert done.code != 0
    error = json.loads(done.err.splitlines()[-1])["error"]
    assert (error["code"], error["exit"]) in catalogued()
    assert error["exit"] == done.code
    assert error["hint"], "what to do next"


# What to do is worked out where these happen: near names, the report that was printed. The last
# four are classes that a place with its own words always fills in.
WORKED_OUT = {"audit_findings", "model_not_found", "unknown_model", "git_failed", "git_missing"}
GENERAL = {"config", "failure", "network", "usage"}
# Of the server: the log tells its operator, a caller only meets `internal_error`.
SERVER = {"internal_error", "ledger_broken"}


def test_every_error_of_the_catalogue_says_what_to_do() -> None:
    text = (ROOT / "docs/reference/errors.md").read_text()
    rows = re.findall(r"^\| `([\w…]+)` \|.*\|([^|]*)\|$", text, re.M)
    assert len(rows) > 150
    silent = {code for code, hint in rows if not hint.strip()}
    assert silent <= WORKED_OUT | GENERAL | SERVER


def test_every_refusal_of_the_contract_is_in_the_catalogue() -> None:
    from nexctl.wire.refusals import REFUSALS

    assert {(r.code, r.exit) for r in REFUSALS.values()} <= catalogued()
