"""Store a provider key of your own at a gateway, send one request with it, and take it away.

Usage: own_provider_key.py URL KEY-FILE     KEY-FILE holds a management key of the gateway.
"""

import json
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

url, key = sys.argv[1], Path(sys.argv[2]).read_text().strip()


def ask(method: str, path: str, body: object = None) -> dict[str, object]:
    """One call; a gateway that is still starting is waited for."""
    request = urllib.request.Request(
        url + path,
        method=method,
        data=None if body is None else json.dumps(body).encode(),
        headers={"Authorization": f"Bearer {key}", "Content-Type": "application/json"},
    )
    for attempt in range(100):
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            sys.exit(f"{error.code}: {error.read().decode()}")
        except urllib.error.URLError:
            if attempt == 99:
                raise
            time.sleep(0.1)
    raise AssertionError


stored = ask("PUT", "/v1/provider-keys", {"provider": "echo", "key": "sk-of-my-own-1234567890"})
print(f"stored for {stored['provider']}, ends in {stored['hint']}")
message = {"role": "user", "content": "Say hello."}
answer = ask("POST", "/v1/chat/completions", {"model": "gpt-5.4-mini", "messages": [message]})
nex = answer["nex"]
own = nex["own_key"]
print(
    f"charge {nex['charge']} {nex['currency']}, fee of the provider {own['fee']} {own['currency']}"
)
ask("DELETE", "/v1/provider-keys/echo")
print("removed")
