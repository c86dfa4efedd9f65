"""One fixture for both databases: every test of the ledger runs on SQLite and on PostgreSQL."""

from __future__ import annotations

import glob
import os
import shutil
import socket
import subprocess
import tempfile
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from nexctl.server.ledger.clock import Clock
from nexctl.server.ledger.main import Ledger, open_ledger
from tests.server.ledger.kit import KEY, Hands, Wall

BINARIES = sorted(glob.glob("/usr/lib/postgresql/*/bin")) or [
    os.path.dirname(found) for found in [shutil.which("initdb")] if found
]


class Server:
    """A throw-away PostgreSQL on loopback."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.data = folder, folder / "data"
        self.binaries = BINARIES[-1]
        if os.getuid() == 0:
            shutil.chown(folder, "postgres", "postgres")
        self._as_postgres("initdb", "-D", str(self.data), "-A", "trust", "-U", "postgres")
        for tries in range(5, 0, -1):
            with socket.socket() as probe:
                probe.bind(("127.0.0.1", 0))
                self.port = probe.getsockname()[1]
            try:
                self.start()
                break
            except subprocess.CalledProcessError:  # somebody else may have taken the port
                if tries == 1:
                    raise

    def _as_postgres(self, program: str, *arguments: str) -> None:
        user = {"user": "postgres", "group": "postgres"} if os.getuid() == 0 else {}
        with (self.folder / f"{program}.out").open("ab") as output:
            subprocess.run(
                [f"{self.binaries}/{program}", *arguments],
                check=True,
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                extra_groups=[] if user else None,
                **user,
            )

    def start(self) -> None:
        options = (
            f"-p {self.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={self.folder}"
            " -c fsync=off -c max_connections=60 -c deadlock_timeout=50ms"
            " -c dynamic_shared_memory_type=mmap"
        )
        log = str(self.folder / "log")
        self._as_postgres("pg_ctl", "-D", str(self.data), "-o", options, "-l", log, "-w", "start")

    def stop(self, mode: str = "fast") -> None:
        self._as_postgres("pg_ctl", "-D", str(self.data), "-m", mode, "-w", "stop")

    def url(self, name: str) -> str:
        return f"postgresql://postgres@127.0.0.1:{self.port}/{name}"

    def fresh(self) -> str:
        import psycopg

        name = f"t{uuid.uuid4().hex[:12]}"
        with psycopg.connect(self.url("postgres"), autocommit=True) as raw:
            raw.execute(f"CREATE DATABASE {name} TEMPLATE template0")
        return self.url(name)


def need_postgresql() -> None:
    if not BINARIES:
        pytest.skip("needs postgresql")
    pytest.importorskip("psycopg", reason="needs psycopg")


@pytest.fixture(scope="session")
def postgres() -> Iterator[Server]:
    """Not under pytest's own folder: the server's user must get there."""
    need_postgresql()
    with tempfile.TemporaryDirectory(prefix="nexctl-postgres-", ignore_cleanup_errors=True) as name:
        server = Server(Path(name))
        yield server
        server.stop("immediate")


@pytest.fixture(params=["sqlite", "postgres"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where a fresh database may be made: a path, or a URL."""
    if request.param == "sqlite":
        return str(tmp_path / "gateway.db")
    server: Server = request.getfixturevalue("postgres")
    return server.fresh()


@pytest.fixture
def wall() -> Wall:
    return Wall()


Opener = Callable[..., Ledger]


@pytest.fixture
def opening(place: str, wall: Wall) -> Iterator[Opener]:
    """Open the same database as often as a test wants: each time another process, in effect."""
    opened: list[Ledger] = []

    def opener(**named: object) -> Ledger:
        clock = Clock(wall.wall, wall.steady)
        given = {"create": True, "anchor_key": KEY, "clock": clock, **named}
        ledger = open_ledger(place, **given)  # type: ignore[arg-type]
        opened.append(ledger)
        return ledger

    yield opener
    for ledger in opened:
        ledger.close()


@pytest.fixture
def ledger(opening: Opener) -> Ledger:
    return opening()


@pytest.fixture
def hands(ledger: Ledger, wall: Wall) -> Hands:
    """A customer with 100 in the wallet, and short names for what a test does."""
    return Hands(ledger, wall)
