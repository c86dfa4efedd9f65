"""The settings' tests run commands in this process, as those of the command line do."""

from __future__ import annotations

import importlib.util
from pathlib import Path

_spec = importlib.util.spec_from_file_location(
    "cli_conftest", Path(__file__).resolve().parents[1] / "cli/conftest.py"
)
assert _spec is not None
assert _spec.loader is not None
_module = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_module)

nexctl = _module.nexctl
