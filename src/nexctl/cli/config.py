"""`nexctl config`: look at the settings and change them."""

from __future__ import annotations

from nexctl.cli.base import App, command
from nexctl.cli.render import Table, View
from nexctl.settings import paths


@command(examples=("nexctl config path", 'cat "$(nexctl config path)"'))
def path(app: App) -> View:
    """Where the configuration file is (it need not exist)."""
    file = paths.config_file(app.environ)
    return View(
        {"path": file},
        text=lambda screen: screen.line(file),
        table=Table(("path",), [(file,)]),
        names=[file],
    )


COMMANDS = (path,)
