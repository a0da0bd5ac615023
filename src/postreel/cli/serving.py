"""`postreel serve`, and the jobs behind answers."""

from __future__ import annotations

import typer

from postreel.cli.shared import shell_of
from postreel.web.api import api_key
from postreel.web.serve import check_port, serve_home


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("serve")(serve)
    app.command("jobs")(jobs)
    app.command("api-key")(show_key)


def serve(
    context: typer.Context,
    port: int | None = typer.Option(None, help="The port; else the setting's."),
) -> None:
    """Serve the pages, the HTTP API and, in a sandbox, the console."""
    shell = shell_of(context)
    settings = shell.app.settings
    chosen = port or settings.port
    check_port(settings.host, chosen)
    shell.say(f"Serving on http://{settings.host}:{chosen} (stop with Ctrl-C)")
    serve_home(shell.home, settings.host, chosen)


def jobs(context: typer.Context) -> None:
    """Carry open withdrawals and erasures through, and turn the spool into Parquet."""
    shell = shell_of(context)
    count = shell.app.gate.run_jobs()
    rows = shell.app.gate.compact()
    shell.answer({"jobs": count, "compacted": rows}, f"{count} jobs done, {rows:,} events filed.")


def show_key(context: typer.Context) -> None:
    """Show the key that requests of the HTTP API carry. Whoever has it can add members and events."""
    shell = shell_of(context)
    key = api_key(shell.app)
    shell.answer({"key": key}, key)
