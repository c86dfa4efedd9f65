"""A gateway as operator and customers meet it: the installed program, and a served socket."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests import places
from tests.e2e.conftest import PROGRAM, Ran

if TYPE_CHECKING:
    from nexctl.server.house import House

NAME = "shop"


class Given(dict[str, str]):
    """Secrets that are known already."""

    def set(self, name: str, value: str) -> None:
        self[name] = value


def said(text: str) -> list[dict[str, Any]]:
    """The messages of a request: one, by the user."""
    return [{"role": "user", "content": text}]


class Shop:
    """One gateway in a home of its own, made by `gateway init`.

    Calling it runs the program for its profile; `url` is where it is served once `serve` was
    called, and `sdk` the official OpenAI SDK speaking to it there.
    """

    def __init__(self, home: Path, book: str, *more: str) -> None:
        home.mkdir(parents=True, exist_ok=True)
        self.home, self.book = home, book
        self._served: subprocess.Popen[str] | None = None
        self.url = ""
        chosen = places.option()
        self.folder = home / ".local/state/nexctl/gateways" / NAME
        self.place = chosen[-1] if chosen else str(self.folder / "gateway.db")
        made = self("gateway", "init", NAME, "--book", book, "--use", *chosen, *more)
        assert made.exit == 0, made

    def __call__(self, *arguments: str | Path, stdin: str | bytes = b"", **environ: str) -> Ran:
        """Run the installed program."""
        known = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("NEXCTL_", "XDG_"))
        }
        done = subprocess.run(
            [str(PROGRAM), *map(str, arguments)],
            input=stdin.encode() if isinstance(stdin, str) else stdin,
            capture_output=True,
            cwd=self.home,
            env={**known, "HOME": str(self.home), "COLUMNS": "80", **environ},
            timeout=120,
            check=False,
        )
        return Ran(done)

    def data(self, *arguments: str | Path, **more: Any) -> Any:
        """The `data` of a command that must succeed."""
        done = self(*arguments, "-o", "json", **more)
        assert done.exit == 0, done
        return done.data

    def refused(self, *arguments: str | Path, **more: Any) -> tuple[int, str]:
        """Exit code and error code of a command that must fail, and print nothing."""
        done = self(*arguments, "-o", "json", **more)
        assert done.exit != 0, done
        assert done.out == "", done
        return done.exit, str(self.error(done)["code"])

    @staticmethod
    def error(done: Ran) -> dict[str, Any]:
        """The error object: the last line of standard error, notices may stand before it."""
        return dict(json.loads(done.err.splitlines()[-1])["error"])

    def chat(self, request: dict[str, Any], *more: str, **environ: str) -> Ran:
        """Send one chat request as it is."""
        (self.home / "request.json").write_text(json.dumps(request))
        return self("chat", "request.json", "--no-stream", "-o", "json", *more, **environ)

    def buy(self, *terms: str) -> dict[str, Any]:
        """Order credits and pay with the sandbox's play money."""
        order: dict[str, Any] = self.data("wallet", "topup", *terms)
        assert self("gateway", "pay", order["id"]).exit == 0
        return order

    def give(self, credits: str) -> None:
        """Credits from the operator, by a code."""
        code = self("admin", "codes", "create", credits, "--yes", "-q").out.strip()
        assert self("wallet", "redeem", stdin=code).exit == 0

    def wallet(self) -> dict[str, Any]:
        return dict(self.data("wallet", "show"))

    def balance(self) -> Decimal:
        return Decimal(self.wallet()["balance"])

    def record(self, request_id: str) -> dict[str, Any]:
        """One usage record, as `usage show` prints it."""
        return dict(self.data("usage", "show", request_id))

    def verified(self) -> None:
        """The ledger proves itself."""
        done = self("gateway", "verify", "-o", "json")
        assert (done.exit, done.data["violations"]) == (0, []), done

    def key(self, name: str, *more: str) -> str:
        """A new key's secret."""
        done = self("keys", "create", "--name", name, "-q", *more)
        assert done.exit == 0, done
        return done.out.strip()

    def serve(self, *more: str) -> str:
        """Serve it on a free port of this machine; its address. `more` are options of `serve`."""
        if self._served is None:
            self._served = subprocess.Popen(
                [str(PROGRAM), "gateway", "serve", "-p", NAME, "--port", "0", *more],
                stderr=subprocess.PIPE,
                text=True,
                cwd=self.home,
                env={**os.environ, "HOME": str(self.home)},
            )
            assert self._served.stderr is not None
            said = self._served.stderr.readline()
            found = re.search(r"http://127\.0\.0\.1:\d+", said)
            assert found is not None, said
            self.url = found[0]
        return self.url

    def sdk(self, key: str) -> Any:
        """The official OpenAI SDK with this key; it never tries again by itself."""
        import openai

        return openai.OpenAI(base_url=f"{self.serve()}/v1", api_key=key, max_retries=0)

    def post(self, key: str, path: str, body: Any) -> tuple[int, Any]:
        """One call that the SDK has no method for: status and decoded body."""
        import httpx

        got = httpx.post(
            f"{self.serve()}{path}",
            json=body,
            headers={"authorization": f"Bearer {key}"},
            timeout=30,
        )
        return got.status_code, got.json()

    def later(self, days: int) -> dict[str, str]:
        """The environment of a command on a machine whose clock is so many days ahead."""
        folder = self.home / f"clock-{days}"
        folder.mkdir(exist_ok=True)
        (folder / "sitecustomize.py").write_text(
            "import time\n"
            f"SECONDS = {days * 86_400}\n"
            "seconds, nanoseconds = time.time, time.time_ns\n"
            "time.time = lambda: seconds() + SECONDS\n"
            "time.time_ns = lambda: nanoseconds() + SECONDS * 10**9\n"
        )
        return {"PYTHONPATH": str(folder)}

    @contextlib.contextmanager
    def inside(self) -> Iterator[House]:
        """The gateway's own house, over the same database and master key, to sign in its name."""
        from nexctl.server import bootstrap
        from nexctl.server.house import Options

        kept = {"master": (self.folder / "master.key").read_text().strip()}
        app = bootstrap.gateway(self.place, Given(kept), Options())
        try:
            yield app.house
        finally:
            app.close()

    def close(self) -> None:
        if self._served is not None:
            self._served.send_signal(signal.SIGTERM)
            self._served.wait(40)
            assert self._served.stderr is not None
            self._served.stderr.close()
