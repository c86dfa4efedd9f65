"""What a batch job has begun, on disk before it is done, so that a crash loses nothing.

One SQLite file in the state folder, readable by its owner alone (WAL, synchronous=FULL). A shard
goes planned -> uploading -> uploaded -> creating -> created -> ended -> collected; the state that
announces a step is committed before the step. It holds no secret and no prompt: the lines lie
beside it, in the job's own folder.
"""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
from collections.abc import Iterator
from typing import Any, NamedTuple

from nexctl.errors import EXIT_NOT_FOUND, EXIT_PENDING, ConfigError, NexctlError
from nexctl.files import private_folder

FOLDER = "batches"
DATABASE = "journal.db"
VERSION = 1

PLANNED, UPLOADING, UPLOADED = "planned", "uploading", "uploaded"
CREATING, CREATED, ENDED, COLLECTED = "creating", "created", "ended", "collected"
STEPS = (PLANNED, UPLOADING, UPLOADED, CREATING, CREATED, ENDED, COLLECTED)

_SCHEMA = """
CREATE TABLE job (
  id TEXT PRIMARY KEY,
  profile TEXT NOT NULL,
  origin TEXT NOT NULL,
  gateway TEXT NOT NULL,
  driver TEXT NOT NULL,
  name TEXT NOT NULL,
  sha256 TEXT NOT NULL,
  requests INTEGER NOT NULL,
  verbatim INTEGER NOT NULL,
  mixed INTEGER NOT NULL,
  created_at TEXT NOT NULL,
  max_cost TEXT,
  parent TEXT REFERENCES job(id),
  confirmed INTEGER NOT NULL DEFAULT 0,
  planned INTEGER NOT NULL DEFAULT 0,
  cancelled INTEGER NOT NULL DEFAULT 0,
  quote TEXT,
  outcome TEXT,
  results TEXT
) STRICT;
CREATE TABLE shard (
  job TEXT NOT NULL REFERENCES job(id),
  number INTEGER NOT NULL,
  url TEXT NOT NULL,
  model TEXT NOT NULL,
  requests INTEGER NOT NULL,
  bytes INTEGER NOT NULL,
  tokens INTEGER NOT NULL,
  sha256 TEXT NOT NULL,
  state TEXT NOT NULL,
  file_id TEXT,
  batch_id TEXT,
  status TEXT,
  completed INTEGER,
  failed INTEGER,
  output_file_id TEXT,
  error_file_id TEXT,
  ends_at TEXT,
  fault TEXT,
  PRIMARY KEY (job, number)
) STRICT;
"""


class Job(NamedTuple):
    """One batch job: a file for one gateway. `outcome` are the counts of a collected job."""

    id: str
    profile: str
    origin: str
    gateway: str
    driver: str
    name: str
    sha256: str
    requests: int
    verbatim: int
    mixed: int
    created_at: str
    max_cost: str | None = None
    parent: str | None = None
    confirmed: int = 0
    planned: int = 0
    cancelled: int = 0
    quote: str | None = None
    outcome: str | None = None
    results: str | None = None

    @property
    def quoted(self) -> dict[str, Any] | None:
        """The quote's documented fields."""
        return json.loads(self.quote) if self.quote else None

    @property
    def found(self) -> dict[str, Any] | None:
        """What became of it: counts and charge, None before it was collected."""
        return json.loads(self.outcome) if self.outcome else None

    def refuse_unplanned(self) -> None:
        """NexctlError (exit 8) where it was cut short before its batches were planned.

        It has no lines yet, so nothing can be said to have become of them.
        """
        if not self.planned:
            again = f"retry {self.parent}" if self.parent else "submit FILE, with the same file"
            raise NexctlError(
                f"{self.id} was cut short before anything was sent",
                hint=f"send it again: nexctl batch {again}",
                code="still_pending",
                exit=EXIT_PENDING,
            )


class ShardRow(NamedTuple):
    """One batch of a job, and how far it is."""

    job: str
    number: int
    url: str
    model: str
    requests: int
    bytes: int
    tokens: int
    sha256: str
    state: str = PLANNED
    file_id: str | None = None
    batch_id: str | None = None
    status: str | None = None
    completed: int | None = None
    failed: int | None = None
    output_file_id: str | None = None
    error_file_id: str | None = None
    ends_at: str | None = None
    fault: str | None = None

    @property
    def name(self) -> str:
        """The name of its file at the gateway: the same in every run."""
        return f"nexctl-{self.job}-{self.number:05d}.jsonl"

    def reached(self, state: str) -> bool:
        """Whether it is as far as `state`."""
        return STEPS.index(self.state) >= STEPS.index(state)


class Busy(NexctlError):
    """Another process works on the job (exit 8)."""

    code = "job_busy"
    exit = EXIT_PENDING


class Journal:
    """The jobs under a state folder. One process works on a job at a time (`working`)."""

    def __init__(self, state_folder: str) -> None:
        self.folder = os.path.join(state_folder, FOLDER)
        private_folder(state_folder)
        private_folder(self.folder)
        self.path = os.path.join(self.folder, DATABASE)
        # Made private before SQLite opens it: its side files take their mode from it.
        flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0)
        try:
            os.close(os.open(self.path, flags, 0o600))
            self._db = sqlite3.connect(self.path, timeout=30, isolation_level=None)
            self._begin()
        except (OSError, sqlite3.Error) as error:
            raise ConfigError(
                f"{self.path}: not a journal of batches: {error}",
                hint="look at it; without it, jobs are found again at the gateway",
                code="journal",
            ) from error

    def close(self) -> None:
        """Let go of the file."""
        self._db.close()

    def _begin(self) -> None:
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=FULL")
        self._db.execute("PRAGMA foreign_keys=ON")
        with self.transaction():
            (version,) = self._db.execute("PRAGMA user_version").fetchone()
            if version == 0:
                for statement in _SCHEMA.split(";"):
                    self._db.execute(statement)
                self._db.execute(f"PRAGMA user_version={VERSION}")
            elif version != VERSION:
                raise sqlite3.DatabaseError(f"version {version} is not {VERSION}")

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing, on disk when it returns. NexctlError (exit 1) where it cannot be."""
        try:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")
        except sqlite3.OperationalError as error:
            raise NexctlError(
                f"{self.path}: {error}",
                hint="make room, then run the same command again: it goes on where it stands",
                code="journal",
            ) from error

    @contextlib.contextmanager
    def working(self, job_id: str) -> Iterator[None]:
        """Keep other processes off a job; they are told (exit 8)."""
        path = os.path.join(self.job_folder(job_id), ".lock")
        handle = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o600)
        try:
            try:
                import fcntl

                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except ImportError:
                pass
            except OSError:
                raise Busy(
                    f"another process is working on {job_id}",
                    hint=f"nexctl batch status {job_id}",
                ) from None
            yield
        finally:
            os.close(handle)

    def job_folder(self, job_id: str) -> str:
        """The folder of a job's lines and downloads."""
        return private_folder(os.path.join(self.folder, job_id))

    def path_of(self, job_id: str, name: str) -> str:
        """A file in a job's folder."""
        return os.path.join(self.job_folder(job_id), name)

    # jobs ------------------------------------------------------------------------------------

    def add(self, job: Job) -> None:
        """A new job, before anything of it is done."""
        with self.transaction():
            self._insert("job", job)

    def plan(self, job_id: str, shards: list[ShardRow], quote: str | None) -> None:
        """Its batches, once their files are on disk; from here on they never change."""
        with self.transaction():
            for shard in shards:
                self._insert("shard", shard)
            self._db.execute("UPDATE job SET planned=1, quote=? WHERE id=?", (quote, job_id))

    def change(self, job_id: str, **values: Any) -> Job:
        """Set fields of a job."""
        self._update("job", values, "id=?", (job_id,))
        return self.show(job_id)

    def find(self, job_id: str) -> Job | None:
        """A job by its id."""
        row = self._db.execute("SELECT * FROM job WHERE id=?", (job_id,)).fetchone()
        return Job(*row) if row is not None else None

    def show(self, job_id: str) -> Job:
        """A job by its id or the beginning of one. NexctlError (exit 3) where there is none."""
        rows = self._db.execute(
            "SELECT * FROM job WHERE substr(id, 1, ?) = ?", (len(job_id), job_id)
        ).fetchall()
        exact = [row for row in rows if row[0] == job_id] or rows
        if len(exact) != 1 or len(job_id) < 5:
            several = f"{len(exact)} jobs begin with" if len(exact) > 1 else "there is no job"
            raise NexctlError(
                f"{several} {job_id!r} here",
                hint="nexctl batch list",
                code="unknown_job",
                exit=EXIT_NOT_FOUND,
            )
        return Job(*exact[0])

    def jobs(self) -> list[Job]:
        """Every job, newest first."""
        rows = self._db.execute("SELECT * FROM job ORDER BY created_at DESC, id")
        return [Job(*row) for row in rows]

    def children(self, job_id: str) -> list[Job]:
        """The retries of a job, oldest first."""
        rows = self._db.execute(
            "SELECT * FROM job WHERE parent=? ORDER BY created_at, rowid", (job_id,)
        )
        return [Job(*row) for row in rows]

    # shards ----------------------------------------------------------------------------------

    def shards(self, job_id: str) -> list[ShardRow]:
        """The batches of a job, in order."""
        rows = self._db.execute("SELECT * FROM shard WHERE job=? ORDER BY number", (job_id,))
        return [ShardRow(*row) for row in rows]

    def step(self, shard: ShardRow, state: str, **values: Any) -> ShardRow:
        """Announce or record a step of one batch; on disk when it returns."""
        values = {"state": state, **values}
        self._update("shard", values, "job=? AND number=?", (shard.job, shard.number))
        return shard._replace(**values)

    def _insert(self, table: str, row: Any) -> None:
        marks = ",".join("?" * len(row))
        self._db.execute(f"INSERT INTO {table} VALUES ({marks})", row)  # noqa: S608

    def _update(
        self, table: str, values: dict[str, Any], where: str, keys: tuple[Any, ...]
    ) -> None:
        names = ",".join(f"{name}=?" for name in values)
        with self.transaction():
            self._db.execute(
                f"UPDATE {table} SET {names} WHERE {where}",  # noqa: S608
                (*values.values(), *keys),
            )
