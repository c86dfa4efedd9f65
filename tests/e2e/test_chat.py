"""`nexctl chat`: the answer on standard output, the quote beside the real charge on the other."""

from __future__ import annotations

import json
import signal
import subprocess
from pathlib import Path

from tests.e2e.conftest import PROGRAM, Nexctl


def test_the_answer_alone_is_on_standard_output(nexctl: Nexctl) -> None:
    nexctl("keys", "list")
    done = nexctl("chat", "-m", "nex-pro", stdin="hello there")
    assert (done.exit, done.out) == (0, "hello there\n")
    for word in ("quote $", "charge $", " in, ", "nex-pro", "request ", "profile local"):
        assert word in done.err
    assert nexctl("chat", "-m", "nex-pro", "-q", stdin="hello there").err == ""


def test_streamed_and_whole_answers_are_the_same(nexctl: Nexctl) -> None:
    nexctl("routes", "cache", "off", "--yes")
    prompt = "one two three " * 300
    streamed = nexctl("chat", "-m", "nex-pro", stdin=prompt)
    whole = nexctl("chat", "-m", "nex-pro", "--no-stream", stdin=prompt)
    assert streamed.out == whole.out
    charges = [ran.err.partition("charge ")[2].split(" ")[0] for ran in (streamed, whole)]
    assert charges[0] == charges[1]


def test_the_charge_is_what_the_estimate_says_for_the_same_tokens(
    nexctl: Nexctl, tmp_path: Path
) -> None:
    (tmp_path / "p.md").write_text("Tell me about the sea, and about ships.\n")
    done = nexctl("chat", "p.md", "-m", "nex-pro", "-o", "json").data
    usage = done["usage"]
    estimated = nexctl(
        *("estimate", "p.md", "-m", "nex-pro", "--chat", "-o", "json"),
        *("--output-tokens", str(usage["completion_tokens"])),
    ).data["estimates"][0]
    assert estimated["input_tokens"] == usage["prompt_tokens"]
    assert estimated["charge"]["expected"] == done["charge"]
    entry = nexctl("wallet", "ledger", "--kind", "usage", "-o", "json").data[0]
    assert entry["amount"] == f"-{done['charge']}"


def test_a_request_file_is_sent_as_it_is(nexctl: Nexctl, tmp_path: Path) -> None:
    request = {
        "model": "gpt-4o-mini",
        "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"}],
        "stream": True,
    }
    (tmp_path / "r.json").write_text(json.dumps(request))
    done = nexctl("chat", "r.json", "-o", "json").data
    assert (done["model"], done["text"]) == ("gpt-4o-mini", "Hi")
    assert nexctl("chat", "r.json", "-m", "nex-pro", "-o", "json").data["model"] == "nex-pro"


def test_without_a_model_the_book_has_one(nexctl: Nexctl) -> None:
    assert nexctl("chat", "-o", "json", stdin="hi").data["model"] == "nex-pro"


def test_what_cannot_be_sent_is_said(nexctl: Nexctl, tmp_path: Path) -> None:
    (tmp_path / "bad.json").write_text("{")
    (tmp_path / "other.json").write_text("[1]")
    (tmp_path / "unknown.json").write_text('{"messages": [], "wings": 2}')
    (tmp_path / "binary.md").write_bytes(b"a\x00b")
    for name in ("bad.json", "other.json", "unknown.json", "binary.md", "missing.md", "."):
        done = nexctl("chat", name)
        assert done.exit == 2, (name, done)
        assert done.out == ""
    assert nexctl("chat", stdin="  \n").exit == 2
    assert nexctl("chat", stdin=b"\xff\xfe").exit == 2


def test_requests_are_told_from_text_as_an_estimate_tells_them(
    nexctl: Nexctl, tmp_path: Path
) -> None:
    request = {"model": "nex-pro", "messages": [{"role": "user", "content": "say it"}]}
    raw = json.dumps(request)
    assert nexctl("chat", stdin=raw).out == "say it\n"
    assert nexctl("chat", "-", stdin=raw).out == "say it\n"
    line = {"custom_id": "a", "method": "POST", "url": "/v1/chat/completions", "body": request}
    (tmp_path / "batch.jsonl").write_text(f"{json.dumps(line)}\n" * 2)
    for done in (
        nexctl("chat", "batch.jsonl"),
        nexctl("chat", stdin=f"{raw}\n{raw}\n"),
        nexctl("chat", stdin=json.dumps(line)),
    ):
        assert (done.exit, done.out) == (2, "")
    assert "batch run" in nexctl("chat", "batch.jsonl").err
    # A name that says text is believed, and JSON that is no request is text.
    (tmp_path / "as.txt").write_text(raw)
    assert nexctl("chat", "as.txt").out == raw + "\n"
    assert nexctl("chat", stdin='{"a": 1}').out == '{"a": 1}\n'


def test_a_wrong_field_of_a_request_is_spelled_as_it_stands(nexctl: Nexctl, tmp_path: Path) -> None:
    (tmp_path / "r.json").write_text(
        '{"messages": [{"role": "user", "content": "x"}], "max_tokens": -5}'
    )
    assert "max_tokens: " in nexctl("chat", "r.json").err


def test_an_answer_cannot_steer_the_terminal(nexctl: Nexctl) -> None:
    evil = "a\x1b[31mred\x1b]0;title\x07 \u202e b\nnext"
    for more in ((), ("--no-stream",)):
        done = nexctl("chat", "-m", "nex-pro", *more, stdin=evil)
        assert done.exit == 0
        assert done.out == "ared  b\nnext\n"
    kept = nexctl("chat", "-m", "nex-pro", "-o", "json", stdin=evil)
    assert kept.data["text"] == evil
    assert "\x1b" not in kept.out


def test_a_broken_stream_is_7_with_what_came(nexctl: Nexctl) -> None:
    nexctl("admin", "providers", "set", "echo", "--option", "break=2")
    done = nexctl("chat", "-m", "nex-pro", stdin="word " * 100)
    assert done.exit == 7
    assert done.out.startswith("word ")
    assert done.out.endswith("\n")
    billed = nexctl("usage", "list", "-o", "json").data[0]
    assert f"charge ${billed['charge']} · " in done.err
    assert f"partial answer · request {billed['request_id']}" in done.err
    held = nexctl("wallet", "show", "-o", "json").data
    assert held["held"] == "0"
    assert held["balance"] != "30"


def test_ctrl_c_in_a_stream_names_the_request(nexctl: Nexctl, tmp_path: Path) -> None:
    nexctl("admin", "providers", "set", "echo", "--option", "pause=0.05")
    (tmp_path / "p.txt").write_text("word " * 100)
    process = subprocess.Popen(
        [str(PROGRAM), "chat", "p.txt", "-m", "nex-pro"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        bufsize=0,
    )
    assert process.stdout is not None
    assert process.stdout.read(4) == b"word"
    process.send_signal(signal.SIGINT)
    out, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert out.endswith(b"\n")
    assert b"interrupted: it may be charged: 'nexctl usage show nexctl-" in said
