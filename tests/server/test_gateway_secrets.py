"""Canaries: a key, a provider's secret, a webhook secret, a prompt and an answer appear nowhere."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import Any

import pytest
from server_kit import Rig

from nexctl.server.payments import sandbox
from nexctl.server.sealing import MasterKey, SealBroken
from tests import places as kept_on

PROMPT = "canary-prompt-8f1e"
ANSWER = "canary-answer-77c2"
PROVIDER = "sk-canary-provider-4411"


def files(folder: str) -> dict[str, bytes]:
    found = {}
    for place, _, names in os.walk(folder):
        for name in names:
            path = os.path.join(place, name)
            found[path] = Path(path).read_bytes()
    return found


def test_secrets_are_nowhere(
    rig: Rig, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.DEBUG)
    key = rig.key("canary")
    body = {"id": "up", "kind": "openai", "base_url": "https://api.example.com", "key": PROVIDER}
    body["enabled"] = False
    rig.ask("POST", "/admin/v1/providers", body, key=rig.operator)
    code = rig.ask("POST", "/admin/v1/codes", {"amount": "1"}, key=rig.operator)
    code_text = code.body["data"][0]["code"]
    rig.ask("POST", "/v1/wallet/redeem", {"code": code_text}, headers={"idempotency-key": "i"})
    rotated = rig.ask(
        "POST", f"/v1/keys/{rig.key_id('canary')}/rotate", {}, headers={"idempotency-key": "r"}
    ).body["secret"]
    fields: dict[str, Any] = {
        "messages": [{"role": "user", "content": PROMPT}],
        "metadata": {"echo.answer": ANSWER},
    }
    answers = [rig.chat(key, **fields, request_id="one").body, *rig.events(rotated, **fields)]
    assert ANSWER in repr(answers)
    assert PROMPT not in repr(answers)
    for told in ("500", "timeout", "refused"):
        rig.chat(key, **{**fields, "metadata": {"echo.fail": told}})
    errors = [
        rig.chat(key, **fields, request_id="one").body,
        rig.chat(key, **fields, request_id="one", max_tokens=3).body,
        rig.chat(key, messages=[{"role": "user", "content": PROMPT, PROMPT: 1}]).body,
        rig.chat(key, messages=PROMPT).body,
        rig.chat(key, **{**fields, "tool_choice": PROMPT}).body,
        rig.chat(key, model=PROMPT).body,
        rig.raw("POST", "/v1/chat/completions", b'{"a": "' + PROMPT.encode(), key=key).body,
        rig.raw("GET", f"/v1/{PROMPT}", key=key).body,
        rig.raw("GET", "/v1/me", key=key + "x").body,
    ]
    monkeypatch.setattr(
        "nexctl.server.inference.holding.settle", lambda *a, **k: 1 / len(PROMPT[:0])
    )
    errors.append(rig.chat(key, **fields).body)
    assert errors[-1]["error"]["code"] == "internal_error"
    webhook = rig.house.read(sandbox.secret)
    secrets = {
        "key": key,
        "rotated": rotated,
        "management": rig.management,
        "operator": rig.operator,
        "provider": PROVIDER,
        "webhook": webhook.removeprefix("whsec_"),
        "code": code_text,
        "answer": ANSWER,
        "master": rig.secrets["master"],
    }
    told = [
        str(error) for error in errors if error["error"].get("param") != f"messages[0].{PROMPT}"
    ]
    places = {
        "errors": repr(told).encode(),
        "log": caplog.text.encode(),
        "alarms": repr(rig.house.alarms).encode(),
        "health": repr(rig.ask("GET", "/admin/v1/health", key=rig.operator).body).encode(),
    }
    from nexctl.server.ledger import backup

    copy = tmp_path / "backup.sqlite"
    backup.backup(rig.house.ledger, str(copy))
    rig.close()
    places.update(files(os.path.dirname(rig.place)))
    places["backup"] = copy.read_bytes()
    assert kept_on.moved() or any(path.endswith("ledger.sqlite") for path in places)
    for what, secret in {**secrets, "prompt": PROMPT}.items():
        for place, content in places.items():
            assert secret.encode() not in content, (what, place)
    if not kept_on.moved():
        for path in files(os.path.dirname(rig.place)):
            assert os.stat(path).st_mode & 0o077 == 0, path
        assert os.stat(os.path.dirname(rig.place)).st_mode & 0o077 == 0


def test_a_seal_opens_with_its_key_alone() -> None:
    one, other = MasterKey(b"1" * 32), MasterKey(b"2" * 32)
    for text in (b"", b"a secret", b"secret" * 100):
        sealed = one.seal(text)
        assert one.unseal(sealed) == text
        assert len(text) < 8 or text not in sealed
        assert one.seal(text) != sealed
        with pytest.raises(SealBroken):
            other.unseal(sealed)
        for place in (0, 5, len(sealed) // 2, len(sealed) - 1):
            changed = bytearray(sealed)
            changed[place] ^= 1
            with pytest.raises(SealBroken):
                one.unseal(bytes(changed))
    for short in (b"", b"x", b"x" * 40):
        with pytest.raises(SealBroken):
            one.unseal(short)
    assert "1" * 8 not in repr(one)


def test_a_gateway_needs_its_master_key(rig: Rig) -> None:
    from nexctl.errors import ConfigError
    from nexctl.server import bootstrap

    rig.close()
    kept = dict(rig.secrets)
    del rig.secrets["master"]
    with pytest.raises(ConfigError, match="master key"):
        bootstrap.open_house(rig.place, rig.secrets)
    rig.secrets.update(kept)
    with pytest.raises(ConfigError, match="there is a gateway"):
        bootstrap.create(rig.place, rig.secrets, book=rig_book())
    assert rig.wallet()["balance"] == "30"


def rig_book() -> Any:
    from nexctl.pricing import books

    return books.load("nextoken")
