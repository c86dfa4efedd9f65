"""`nexctl usage`: what was billed."""

from __future__ import annotations

from nexctl.cli.usage_calibrate import calibrate

COMMANDS = (calibrate,)
