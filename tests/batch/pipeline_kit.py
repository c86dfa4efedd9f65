"""What the tests of batches share: a file of lines, a job on a gateway over HTTP, its results."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from faulty_gateway import FaultyGateway

from nexctl.batch import limits, pipeline, results
from nexctl.batch.follow import Follower, Pace
from nexctl.batch.journal import Job, Journal
from nexctl.batch.pipeline import Wanted
from nexctl.batch.prepare import Where
from nexctl.batch.remote import GatewayRemote
from nexctl.batch.scan import Terms
from nexctl.batch.shards import limits_of
from nexctl.batch.submit import Queue
from nexctl.estimate.ask import Ask
from nexctl.gateways.drivers import network, open_gateway
from nexctl.safety.http import Key

MODEL = "gpt-4o-mini"
ASK = Ask(books=("openai",), batch=True)


def line(custom_id: str, content: str = "say something", **more: Any) -> dict[str, Any]:
    body = {"model": MODEL, "messages": [{"role": "user", "content": content}], "max_tokens": 20}
    return {"custom_id": custom_id, "method": "POST", "url": "/v1/chat/completions",
            "body": {**body, **more}}  # fmt: skip


def write_lines(path: Path, count: int = 10, **more: Any) -> Path:
    """A file of good lines, `line-0` and so on."""
    with path.open("w") as stream:
        for at in range(count):
            stream.write(json.dumps(line(f"line-{at}", f"say {at}", **more)) + "\n")
    return path


class Bench:
    """One journal, one gateway, no real waiting."""

    def __init__(self, folder: Path, gateway: FaultyGateway, **terms: Any) -> None:
        self.folder = folder
        self.gateway = gateway
        self.journal = Journal(str(folder / "state"))
        self.notes: list[str] = []
        self.slept: list[float] = []
        self.requests = terms.pop("requests", None)
        self.queue = terms.pop("queue", None)
        self.target = terms.pop("target", limits.of("openai"))
        self.terms = Terms(self.target, ask=ASK, **terms)
        self.remote = self.opened("sk-test")
        self.where = Where("work", gateway.url, "openai", "openai")

    def opened(self, key: str) -> GatewayRemote:
        carrier = network(self.gateway.url)
        opened = open_gateway(
            "openai", carrier, Key(key, carrier.origin), "work", sleep=lambda _: None
        )
        return GatewayRemote(opened)

    def wanted(self, path: Path, **more: Any) -> Wanted:
        bounds = limits_of(self.target, requests=self.requests, queue_tokens=self.queue)
        return Wanted(str(path), path.name, self.terms, bounds, **more)

    def planned(self, path: Path, **more: Any) -> Job:
        wanted = self.wanted(path, **more)
        identity = pipeline.identify(self.journal, self.where, wanted)
        if identity.job is not None and identity.job.planned:
            return identity.job
        found, quote = pipeline.price(wanted)
        return pipeline.plan(
            self.journal, self.where, wanted, identity, found, quote,
            created_at="2026-11-26T00:00:00Z", max_cost=None,
        )  # fmt: skip

    def follower(self, job: Job, **more: Any) -> Follower:
        return Follower(
            self.journal, job, self.remote,
            queue=Queue(self.queue), pace=Pace(0, 0), sleep=self.slept.append,
            note=self.notes.append, **more,
        )  # fmt: skip

    def run(self, path: Path, **more: Any) -> dict[str, Any]:
        """All of it; the outcome. What is raised on the way is raised."""
        job = self.planned(path)
        self.follower(job, **more).until_ended()
        pipeline.finish(self.journal, self.journal.show(job.id))
        return self.outcome(job)

    def outcome(self, job: Job) -> dict[str, Any]:
        found = self.journal.show(job.id).found
        assert found is not None
        return found

    def rows(self, job: Job) -> list[dict[str, Any]]:
        path = self.folder / "results.jsonl"
        results.write(self.journal, self.journal.show(job.id), str(path))
        return [json.loads(raw) for raw in path.read_text().splitlines()]


def counts(outcome: dict[str, Any]) -> dict[str, int]:
    """The counts that are not zero, without the total."""
    return {k: v for k, v in outcome["counts"].items() if v and k != "total"}
