"""`nexctl usage calibrate`, and estimates that use what it wrote."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.conftest import Nexctl

DATA = {
    "path", "written", "made_at", "joined", "ratios", "outputs", "exact_samples",
    "exact_samples_off", "profile",
}  # fmt: skip
TEXT = "the gateway counts each prompt before it is sent and says how sure it is of that"


def request(number: int) -> dict[str, object]:
    words = TEXT.split()
    text = " ".join(words[(number * 7 + i) % len(words)] for i in range(20 + number * 3))
    return {
        "model": "nex-reasoning",
        "request_id": f"req-{number}",
        "messages": [{"role": "user", "content": text}],
    }


@pytest.fixture
def sent(nexctl: Nexctl, tmp_path: Path) -> Path:
    """40 prompts, and their usage, billed at 1.3 times what an estimate counts."""
    folder = tmp_path / "sent"
    folder.mkdir()
    lines = [request(number) for number in range(40)]
    (folder / "all.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    rows = []
    for number, line in enumerate(lines):
        file = folder / f"{number}.json"
        file.write_text(json.dumps(line))
    counted = nexctl("estimate", *sorted(folder.glob("*.json")), "-o", "json").data["files"]
    for row in counted:
        number = Path(row["path"]).stem
        (folder / f"{number}.json").unlink()
        rows.append(
            {
                "created_at": "2026-11-01T10:00:00Z",
                "request_id": f"req-{number}",
                "model_served": "nex-reasoning",
                "status": "ok",
                "input_tokens": row["input_tokens"] * 13 // 10,
                "output_tokens": 80 + int(number),
                "price_book": "nextoken@2026-11-20",
            }
        )
    usage = tmp_path / "usage.jsonl"
    usage.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


def test_what_was_learned_is_written_and_used(nexctl: Nexctl, sent: Path, tmp_path: Path) -> None:
    made = nexctl(
        *("usage", "calibrate", "--prompts", sent, "--usage", tmp_path / "usage.jsonl"),
        *("--out", tmp_path / "c.json", "-o", "json"),
    )
    assert made.exit == 0, made
    assert set(made.data) == DATA
    assert made.data["joined"]["joined"] == 40
    (ratio,) = made.data["ratios"]
    assert (ratio["model"], ratio["script"], ratio["samples"]) == ("nex-reasoning", "latin", 40)
    assert ratio["ratio"].startswith("1.29")
    assert float(ratio["error"]["after_percent"]) < 2 < float(ratio["error"]["before_percent"])
    assert made.data["outputs"][0]["median"] in (99, 100)
    assert (tmp_path / "c.json").stat().st_mode & 0o777 == 0o600
    assert "gateway counts" not in (tmp_path / "c.json").read_text()

    plain = nexctl("estimate", sent, "-o", "json").data["estimates"][0]
    told = nexctl("estimate", sent, "--calibration", tmp_path / "c.json", "-o", "json")
    row = told.data["estimates"][0]
    assert row["count"]["method"] == "calibrated"
    assert row["raw_input_tokens"] == plain["input_tokens"]
    assert row["input_tokens"] * 100 // plain["input_tokens"] in (128, 129, 130)
    assert row["output_tokens"]["expected"] in (40 * 99, 40 * 100)


def test_a_profile_names_it_and_off_does_without(
    nexctl: Nexctl, sent: Path, tmp_path: Path
) -> None:
    usage = tmp_path / "usage.jsonl"
    done = nexctl("usage", "calibrate", "--prompts", sent, "--usage", usage)
    assert done.exit == 0
    assert "ERROR BEFORE" in done.out
    hint = next(line for line in done.err.splitlines() if line.startswith("use it: "))
    assert nexctl(*hint.removeprefix("use it: nexctl ").split()).exit == 0
    by_profile = nexctl("estimate", sent, "-o", "json").data["estimates"][0]
    assert by_profile["count"]["method"] == "calibrated"
    off = nexctl("estimate", sent, "--calibration", "off", "-o", "json").data["estimates"][0]
    assert off["count"]["method"] == "estimated"


def test_few_samples_say_so_and_write_nothing(nexctl: Nexctl, sent: Path, tmp_path: Path) -> None:
    usage = tmp_path / "usage.jsonl"
    usage.write_text("".join(usage.read_text().splitlines(keepends=True)[:19]))
    out = tmp_path / "c.json"
    done = nexctl("usage", "calibrate", "--prompts", sent, "--usage", usage, "--out", out)
    assert done.exit == 0
    assert "19 samples, 20 are needed" in done.out
    assert "nothing was learned" in done.err
    assert not out.exists()


def test_a_dry_run_writes_nothing(nexctl: Nexctl, sent: Path, tmp_path: Path) -> None:
    out = tmp_path / "c.json"
    done = nexctl(
        *("usage", "calibrate", "--prompts", sent, "--usage", tmp_path / "usage.jsonl"),
        *("--out", out, "-n"),
    )
    assert done.exit == 0
    assert not out.exists()


def test_the_gateways_own_records_are_joined(nexctl: Nexctl, tmp_path: Path) -> None:
    folder = tmp_path / "sent"
    folder.mkdir()
    (folder / "one.json").write_text(json.dumps(request(1)))
    done = nexctl("chat", folder / "one.json")
    assert done.exit == 0, done
    joined = nexctl("usage", "calibrate", "--prompts", folder, "-o", "json")
    assert joined.exit == 0, joined
    assert joined.data["joined"]["joined"] == 1
    assert joined.data["ratios"][0]["why"] == "1 samples, 20 are needed"
    assert joined.data["written"] is False


def test_nothing_to_join_is_exit_2(nexctl: Nexctl, tmp_path: Path, sent: Path) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "unknown.md").write_text("Hello")
    usage = tmp_path / "usage.jsonl"
    done = nexctl("usage", "calibrate", "--prompts", tmp_path / "other", "--usage", usage)
    assert (done.exit, done.out) == (2, "")
    assert "none of the 1 prompts is among the 40 billed records" in done.err
    assert nexctl("usage", "calibrate", "--prompts", "-", "--usage", usage).exit == 2
    assert nexctl("usage", "calibrate", "--prompts", tmp_path / "absent").exit == 2


def test_a_calibration_that_cannot_be_used_fails(nexctl: Nexctl, tmp_path: Path) -> None:
    (tmp_path / "p.md").write_text("Hello")
    (tmp_path / "c.json").write_text("{}")
    broken = nexctl("estimate", "p.md", "--calibration", "c.json")
    assert (broken.exit, broken.out) == (78, "")
    assert nexctl("estimate", "p.md", "--calibration", "absent.json").exit == 2


def test_an_estimate_without_a_calibration_loads_nothing_of_it(tmp_path: Path) -> None:
    (tmp_path / "p.md").write_text("Hello")
    code = (
        "import sys; sys.argv = ['nexctl', 'estimate', 'p.md']\n"
        "from nexctl.__main__ import main\n"
        "main()\n"
        "sys.stderr.write('\\n'.join(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    modules = set(done.stderr.split("\n"))
    assert "nexctl.estimate.quote" in modules
    assert not {name for name in modules if "calibrat" in name or name.startswith("nexctl.usage")}
