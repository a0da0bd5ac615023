"""The root of the commands, and how they end."""

from __future__ import annotations

import sys

import typer
from rich.console import Console

from postreel.cli import campaigns, consents, demo, home, imports, members, models, serving
from postreel.cli.shared import Shell
from postreel.errors import ConsentError, InputError, PostreelError, SettingsError
from postreel.settings import home_named

app = typer.Typer(
    name="postreel",
    help="From what members watch to mail that they asked for.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


@app.callback()
def root(
    context: typer.Context,
    home_folder: str | None = typer.Option(None, "--home", help="The home folder; else POSTREEL_HOME."),
    as_json: bool = typer.Option(False, "--json", help="One JSON value on stdout, and nothing else there."),
) -> None:
    """From what members watch to mail that they asked for."""
    context.obj = Shell(home_named(home_folder), as_json)


for room in (home, demo, imports, members, consents, models, campaigns, serving):
    room.add_to(app)


def main() -> None:
    """Run the command line; errors raised on purpose become one line and an exit code."""
    # --json and --home may stand after the command as well: people put them there.
    words = sys.argv[1:]
    front: list[str] = []
    if "--json" in words:
        words.remove("--json")
        front.append("--json")
    for word in list(words):
        if word == "--home" and words.index(word) + 1 < len(words):
            at = words.index(word)
            front += words[at : at + 2]
            del words[at : at + 2]
        elif word.startswith("--home="):
            words.remove(word)
            front.append(word)
    sys.argv[1:] = front + words
    try:
        app()
    except PostreelError as fault:
        Console(stderr=True).print(f"postreel: {fault}", style="red", markup=False, soft_wrap=True)
        is_use = isinstance(fault, InputError | SettingsError | ConsentError)
        raise SystemExit(2 if is_use else 1) from None
    except OSError as fault:
        # A folder that may not be written to, a full disk: the words of the system say it, a traceback hides it.
        place = f"{fault.filename}: " if fault.filename else ""
        said = f"postreel: {place}{fault.strerror or fault}"
        Console(stderr=True).print(said, style="red", markup=False, soft_wrap=True)
        raise SystemExit(1) from None
