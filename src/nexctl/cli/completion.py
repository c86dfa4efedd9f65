"""`nexctl completion`: the scripts that complete nexctl in a shell."""

from __future__ import annotations

from nexctl.cli.base import App, Spec, command
from nexctl.cli.render import Table, View

_WHERE = {
    "bash": "~/.local/share/bash-completion/completions/nexctl",
    "zsh": "a folder of $fpath, as _nexctl",
    "fish": "~/.config/fish/completions/nexctl.fish",
}


def _printer(shell: str) -> Spec:
    def run(app: App) -> View:
        app.needs_config = False
        from nexctl.cli.completion_spec import SPEC
        from nexctl.cli.shells import SCRIPTS

        script = SCRIPTS[shell](SPEC)
        if app.is_terminal("out") and app.format == "auto":
            app.note(f"note: save this as {_WHERE[shell]}")
        return View(
            {"shell": shell, "script": script},
            text=lambda screen: screen.verbatim(script),
            table=Table(("shell", "script"), [(shell, script)]),
            names=[shell],
        )

    run.__doc__ = f"""Print the completion script for {shell}.

    It completes without starting nexctl. Save it as {_WHERE[shell]}.
    """
    return command(name=shell, examples=(f"nexctl completion {shell}",))(run)


COMMANDS = tuple(_printer(shell) for shell in _WHERE)
