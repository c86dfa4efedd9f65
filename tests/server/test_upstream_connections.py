"""Connections to an upstream: reused, never for another's answer, and bounded."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import pytest

from nexctl.server.providers import connections
from nexctl.server.providers.addresses import place_of
from nexctl.server.providers.connections import MOST_AHEAD, Connection, Connections
from nexctl.server.providers.port import Fault

HEAD = b"HTTP/1.1 200 OK\r\n"
HELLO = HEAD + b"content-length: 5\r\n\r\nhello"


class Far:
    """A raw server in threads. `says` answers each request; `made` counts its connections."""

    def __init__(self, says: Callable[[socket.socket, int], bool | None]) -> None:
        self.says, self.made, self.asked = says, 0, 0
        self.heard: list[bytes] = []
        self.sockets: list[socket.socket] = []
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = self._listening.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                one, _ = self._listening.accept()
            except OSError:
                return
            self.made += 1
            self.sockets.append(one)
            threading.Thread(target=self._talk, args=(one,), daemon=True).start()

    def _talk(self, one: socket.socket) -> None:
        rest = b""
        with one:
            while True:
                while b"\r\n\r\n" not in rest or not rest.endswith(b"{}"):
                    try:
                        more = one.recv(65536)
                    except OSError:
                        return
                    if not more:
                        return
                    rest += more
                self.heard.append(rest)
                rest = b""
                self.asked += 1
                try:
                    if self.says(one, self.asked) is False:
                        return
                except OSError:  # who asked is gone
                    return

    def close(self) -> None:
        with contextlib.suppress(OSError):  # a close alone leaves the thread in its accept
            self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        for one in self.sockets:
            one.close()


@pytest.fixture
def far() -> Iterator[Callable[..., Far]]:
    made: list[Far] = []

    def make(says: Callable[[socket.socket, int], bool | None] | bytes) -> Far:
        if isinstance(says, bytes):
            raw = says
            made.append(Far(lambda one, _: one.sendall(raw)))
        else:
            made.append(Far(says))
        return made[-1]

    yield make
    for one in made:
        one.close()


def to(far: Far, *headers: tuple[str, str]) -> Connections:
    place = place_of(f"http://127.0.0.1:{far.port}/v1", allow_private=True, local=True)
    return Connections(place, list(headers), allow_private=True)


async def asked(kept: Connections, seconds: float | None = 5) -> bytes:
    async with asyncio.timeout(5):
        answer = await kept.post("/chat/completions", b"{}")
        try:
            return b"".join([piece async for piece in answer.pieces(seconds)])
        finally:
            answer.release()


def run(work: Coroutine[Any, Any, Any]) -> Any:
    return asyncio.run(work)


def test_a_request_as_it_is_sent(far: Callable[..., Far]) -> None:
    there = far(HELLO)
    run(asked(to(there, ("authorization", "Bearer sk-a"))))
    assert there.heard == [
        b"POST /v1/chat/completions HTTP/1.1\r\nhost: 127.0.0.1:%d\r\n"
        b"authorization: Bearer sk-a\r\ncontent-length: 2\r\n\r\n{}" % there.port
    ]


def test_one_after_another_goes_over_one_connection(far: Callable[..., Far]) -> None:
    there = far(HELLO)

    async def work() -> None:
        kept = to(there)
        for _ in range(5):
            assert await asked(kept) == b"hello"
        await asyncio.gather(*(asked(kept) for _ in range(4)))
        await asyncio.gather(*(asked(kept) for _ in range(4)))

    run(work())
    assert there.made == 4


@pytest.mark.parametrize(
    "raw",
    [
        HELLO,
        HEAD + b"transfer-encoding: chunked\r\n\r\n2\r\nhe\r\n3;x=1\r\nllo\r\n0\r\na: b\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n" + HELLO,
    ],
)
def test_shapes_of_an_answer_after_which_the_connection_is_kept(
    far: Callable[..., Far], raw: bytes
) -> None:
    def slowly(one: socket.socket, _: int) -> None:
        for place in range(0, len(raw), 7):
            one.sendall(raw[place : place + 7])

    there = far(slowly)

    async def work() -> None:
        kept = to(there)
        assert [await asked(kept) for _ in range(3)] == [b"hello"] * 3

    run(work())
    assert there.made == 1


@pytest.mark.parametrize(
    "raw",
    [
        HEAD + b"\r\nhello",
        b"HTTP/1.0 200 OK\r\ncontent-length: 5\r\n\r\nhello",
        HEAD + b"connection: close\r\ncontent-length: 5\r\n\r\nhello",
    ],
)
def test_shapes_of_an_answer_after_which_it_is_not(far: Callable[..., Far], raw: bytes) -> None:
    def says(one: socket.socket, _: int) -> bool:
        one.sendall(raw)
        return False

    there = far(says)

    async def work() -> None:
        kept = to(there)
        assert [await asked(kept) for _ in range(3)] == [b"hello"] * 3

    run(work())
    assert there.made == 3


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"HTTP/1.1 200",
        b"nonsense\r\n\r\n",
        HEAD + b"content-length: 9\r\n\r\nhello",
        HEAD + b"content-length: 5\r\ncontent-length: 6\r\n\r\nhello!",
        HEAD + b"content-length: -1\r\n\r\nhello",
        HEAD + b"transfer-encoding: chunked\r\n\r\n5\r\nhello\r\n",
        HEAD + b"transfer-encoding: chunked\r\n\r\nZZ\r\nhello\r\n0\r\n\r\n",
        HEAD + b"x: " + b"a" * 200_000 + b"\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\n\r\n",
    ],
)
def test_what_is_no_whole_answer_is_a_fault(far: Callable[..., Far], raw: bytes) -> None:
    def says(one: socket.socket, number: int) -> bool:
        one.sendall(raw if number == 1 else HELLO)
        return number > 1

    there = far(says)

    async def work() -> None:
        kept = to(there)
        with pytest.raises(Fault) as fault:
            await asked(kept)
        assert fault.value.code == "upstream_error"
        assert await asked(kept) == b"hello"

    run(work())
    assert there.made == 2


def test_a_reset_ends_no_answer(far: Callable[..., Far]) -> None:
    def says(one: socket.socket, _: int) -> bool:
        one.sendall(HEAD + b"\r\nhello")
        time.sleep(0.1)
        one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        return False

    with pytest.raises(Fault) as fault:
        run(asked(to(far(says))))
    assert fault.value.code == "upstream_error"


def test_a_connection_that_was_closed_while_idle_is_not_used(far: Callable[..., Far]) -> None:
    def says(one: socket.socket, _: int) -> bool:
        one.sendall(HELLO)
        return False

    there = far(says)

    async def work() -> None:
        kept = to(there)
        await asked(kept)
        await asyncio.sleep(0.1)  # the loop sees it
        assert not kept._idle
        await asked(kept)
        time.sleep(0.1)  # it has no time to
        assert len(kept._idle) == 1
        assert await asked(kept) == b"hello"

    run(work())
    assert there.made == 3


def test_one_that_lay_for_long_is_not_used(
    far: Callable[..., Far], monkeypatch: pytest.MonkeyPatch
) -> None:
    there = far(HELLO)

    async def work() -> None:
        kept = to(there)
        await asked(kept)
        monkeypatch.setattr(connections, "IDLE_SECONDS", 0.0)
        await asked(kept)

    run(work())
    assert there.made == 2


def test_what_nobody_uses_any_more_is_closed(
    far: Callable[..., Far], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A provider that was changed leaves its connections to nobody."""
    monkeypatch.setattr(connections, "IDLE_SECONDS", 0.05)
    there = far(HELLO)

    async def work() -> None:
        await asyncio.gather(*(asked(to(there)) for _ in range(3)))
        until = time.monotonic() + 5
        while any(one.fileno() != -1 for one in there.sockets):  # until the other end has seen it
            assert time.monotonic() < until
            await asyncio.sleep(0.02)

    run(work())
    assert there.made == 3


@pytest.mark.parametrize("late", [0, 0.05])
def test_what_nobody_asked_for_answers_nobody(far: Callable[..., Far], late: float) -> None:
    def says(one: socket.socket, number: int) -> None:
        one.sendall(HELLO + (HELLO.replace(b"hello", b"OTHER") if not late else b""))
        if late:
            time.sleep(late)
            one.sendall(HELLO.replace(b"hello", b"OTHER"))

    there = far(says)

    async def work() -> None:
        kept = to(there)
        for _ in range(3):
            assert await asked(kept) == b"hello"
            await asyncio.sleep(late * 3)

    run(work())
    assert there.made == 3


def test_silence_is_bounded_and_leaves_nothing_behind(far: Callable[..., Far]) -> None:
    there = far(HEAD + b"content-length: 9\r\n\r\nhello")

    async def work() -> None:
        kept = to(there)
        with pytest.raises(TimeoutError):
            await asked(kept, 0.05)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await asked(kept)
        assert not kept._idle

    run(work())


def test_what_is_read_slowly_is_not_taken_in_at_once(far: Callable[..., Far]) -> None:
    whole = 64 * MOST_AHEAD

    def says(one: socket.socket, _: int) -> None:
        one.sendall(HEAD + b"content-length: %d\r\n\r\n" % whole + bytes(whole))

    there = far(says)

    async def work() -> None:
        kept = to(there)
        answer = await kept.post("/x", b"{}")
        await asyncio.sleep(0.3)
        assert answer._ahead < 4 * MOST_AHEAD
        size = 0
        async for piece in answer.pieces(5):
            size += len(piece)
        assert size == whole
        answer.release()
        assert await kept.post("/x", b"{}") is answer

    run(work())


def test_only_so_many_are_kept(far: Callable[..., Far], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "MOST_IDLE", 2)

    async def work() -> None:
        kept = to(far(HELLO))
        await asyncio.gather(*(asked(kept) for _ in range(5)))
        assert len(kept._idle) == 2
        kept.close()
        assert not kept._idle

    run(work())


def test_nobody_there_is_unavailable(far: Callable[..., Far]) -> None:
    there = far(HELLO)
    there.close()
    with pytest.raises(Fault) as fault:
        run(asked(to(there)))
    assert fault.value.code == "upstream_unavailable"


def test_a_name_of_a_private_address_is_not_called(far: Callable[..., Far]) -> None:
    there = far(HELLO)
    place = place_of(f"https://localhost:{there.port}/v1", allow_private=True, local=True)
    with pytest.raises(Fault) as fault:
        run(asked(Connections(place, [], allow_private=False)))
    assert fault.value.code == "upstream_unavailable"
    assert there.made == 0


@pytest.mark.parametrize("key", ["a\r\nx: y", "a\0", "a\n"])
def test_a_key_that_fits_no_header_is_not_sent(far: Callable[..., Far], key: str) -> None:
    there = far(HELLO)
    with pytest.raises(Fault) as fault:
        run(asked(to(there, ("authorization", f"Bearer {key}"))))
    assert fault.value.code == "upstream_error"
    assert key not in str(fault.value)
    assert there.heard == []


def test_only_trusted_certificates_are_talked_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if shutil.which("openssl") is None:
        pytest.skip("needs openssl")
    certificate, secret = tmp_path / "c.pem", tmp_path / "k.pem"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt"),
            *("ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj", "/CN=localhost"),
            *("-addext", "subjectAltName=DNS:localhost", "-keyout", secret, "-out", certificate),
        ],
        check=True,
        capture_output=True,
    )
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, secret)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while not reader.at_eof():
            try:
                await reader.readuntil(b"{}")
            except asyncio.IncompleteReadError:
                break
            writer.write(HELLO)
        writer.close()

    async def work() -> tuple[bytes, bytes]:
        server = await asyncio.start_server(serve, "localhost", 0, ssl=context)
        port = server.sockets[0].getsockname()[1]
        place = place_of(f"https://localhost:{port}/v1", allow_private=True, local=True)
        kept = Connections(place, [], allow_private=True)
        try:
            return await asked(kept), await asked(kept)
        finally:
            kept.close()
            server.close()

    connections._trusting.cache_clear()
    with pytest.raises(Fault) as fault:
        run(work())
    assert (fault.value.code, fault.value.why) == (
        "upstream_unavailable",
        "SSLCertVerificationError",
    )
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    connections._trusting.cache_clear()
    assert run(work()) == (b"hello", b"hello")
    connections._trusting.cache_clear()


def test_a_connection_belongs_to_one_request_at_a_time(far: Callable[..., Far]) -> None:
    """What one is still reading is nobody else's connection."""
    there = far(HELLO)

    async def work() -> None:
        kept = to(there)
        first: Connection = await kept.post("/x", b"{}")
        second = await kept.post("/x", b"{}")
        assert first is not second
        first.release()
        second.release()
        assert there.made == 2

    run(work())


def test_one_that_was_answered_before_it_had_read_is_not_used() -> None:
    """It may never read: whatever came after would wait behind what lies unsent."""

    made = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal made
        made += 1
        head = await reader.readuntil(b"\r\n\r\n")
        writer.write(HELLO)
        if b"content-length: 2\r\n" not in head:
            await asyncio.sleep(30)
        writer.close()

    async def work() -> None:
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        there = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
        kept = Connections(place_of(there, allow_private=True, local=True), [], allow_private=True)
        answer = await kept.post("/x", bytes(32 << 20))
        assert [piece async for piece in answer.pieces(5)] == [b"hello"]
        answer.release()
        assert await asked(kept) == b"hello"
        server.close()

    run(work())
    assert made == 2


def test_the_address_that_answered_is_asked_first(
    far: Callable[..., Far], monkeypatch: pytest.MonkeyPatch
) -> None:
    there = far(HEAD + b"connection: close\r\ncontent-length: 5\r\n\r\nhello")
    tried: list[str] = []
    connect = asyncio.BaseEventLoop.create_connection

    async def dead_but_one(self: Any, made: Any, host: str, *args: Any, **named: Any) -> Any:
        tried.append(host)
        if host != "127.0.0.1":
            raise TimeoutError
        return await connect(self, made, host, *args, **named)

    monkeypatch.setattr(asyncio.BaseEventLoop, "create_connection", dead_but_one)
    names = ["127.0.0.8", "127.0.0.9", "127.0.0.1"]
    monkeypatch.setattr(
        socket, "getaddrinfo", lambda *_, **__: [(2, 1, 6, "", (name, 1)) for name in names]
    )

    async def work() -> None:
        kept = to(there)
        for _ in range(2):
            assert await asked(kept) == b"hello"

    run(work())
    assert tried == [*names, "127.0.0.1"]


def test_certificates_that_cannot_be_read_leave_it_unavailable(
    far: Callable[..., Far], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Nothing was sent, so nothing may be held for it: such as where no file can be opened."""
    monkeypatch.setattr("certifi.where", lambda: str(tmp_path / "none"))
    connections._trusting.cache_clear()
    place = place_of(f"https://localhost:{far(HELLO).port}/v1", allow_private=True, local=True)
    with pytest.raises(Fault) as fault:
        run(asked(Connections(place, [], allow_private=True)))
    assert (fault.value.code, fault.value.why) == ("upstream_unavailable", "FileNotFoundError")


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("https://a.example/v1", "a.example"),
        ("https://a.example:443/v1", "a.example"),
        ("https://a.example:80/v1", "a.example:80"),
        ("http://a.example:443/v1", "a.example:443"),
        ("http://[::1]:8080/v1", "[::1]:8080"),
    ],
)
def test_the_host_has_its_port_where_it_is_not_the_usual_one(url: str, host: str) -> None:
    kept = Connections(place_of(url, allow_private=True, local=True), [], allow_private=True)
    assert kept._headers == [("host", host)]
