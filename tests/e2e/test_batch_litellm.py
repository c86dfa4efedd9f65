"""`nexctl batch run` against a real LiteLLM proxy, unchanged.

Slow: it needs a proxy that runs already, with a model `gpt-4o-mini` and files and batches
configured: `NEXCTL_TEST_LITELLM` is its address, `NEXCTL_TEST_LITELLM_KEY` a key for it.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from tests.e2e.conftest import Nexctl

ADDRESS = os.environ.get("NEXCTL_TEST_LITELLM")
KEY = os.environ.get("NEXCTL_TEST_LITELLM_KEY", "")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(ADDRESS is None, reason="NEXCTL_TEST_LITELLM names no proxy"),
]


def test_run_works_unchanged_and_the_same_command_sends_nothing_more(
    nexctl: Nexctl, tmp_path: Path
) -> None:
    where = {
        "NEXCTL_BASE_URL": ADDRESS or "",
        "NEXCTL_DRIVER": "openai",
        "NEXCTL_API_KEY": KEY,
        "NEXCTL_BOOK": "openai",
    }
    (tmp_path / "prompt.md").write_text("Say {{text}}")
    # New words each time: the proxy outlives the test, and the same file is the same job.
    stamp = os.urandom(8).hex()
    (tmp_path / "rows.csv").write_text("text\n" + "".join(f"{n} {stamp}\n" for n in range(25)))
    made = nexctl(
        *("batch", "make", "--template", "prompt.md", "--rows", "rows.csv", "-m", "gpt-4o-mini"),
        *("--max-tokens", "20", "--out", "r.jsonl"),
    )
    assert made.exit == 0, made
    run = ("batch", "run", "r.jsonl", "--max-requests", "10", "--max-cost", "0.01", "-qy",
           "--poll", "0.5", "-o", "json")  # fmt: skip
    done = nexctl(*run, **where)
    assert done.exit == 0, done
    assert (done.data["state"], done.data["counts"]["succeeded"]) == ("completed", 25)
    batches = [shard["batch_id"] for shard in done.data["shards"]]
    assert len(set(batches)) == 3
    rows = [json.loads(raw) for raw in (tmp_path / "r.results.jsonl").read_text().splitlines()]
    assert [row["custom_id"] for row in rows] == [f"row-{n}" for n in range(1, 26)]
    again = nexctl(*run, **where)
    assert [shard["batch_id"] for shard in again.data["shards"]] == batches
    # A journal that was lost finds the same batches at the proxy.
    elsewhere = nexctl(*run, **where, NEXCTL_CONFIG_DIR=str(tmp_path / "another-home"))
    assert elsewhere.exit == 0, elsewhere
    assert [shard["batch_id"] for shard in elsewhere.data["shards"]] == batches
