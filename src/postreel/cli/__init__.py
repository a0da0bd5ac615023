"""The `postreel` command: parses arguments, calls a flow, prints.

Public: `app` (the Typer application), `main`.
"""

from postreel.cli.main import app, main

__all__ = ["app", "main"]
