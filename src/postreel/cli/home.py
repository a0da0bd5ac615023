"""`postreel init`: a home with its settings and keys."""

from __future__ import annotations

import os
from pathlib import Path

import typer

from postreel.app import opened
from postreel.cli.shared import Shell, shell_of
from postreel.errors import SettingsError
from postreel.settings import FILE_NAME, SANDBOX_BASE_URL, Settings, checked_settings, written_settings

WRITTEN = (
    "sandbox",
    "records",
    "events",
    "models",
    "transport",
    "sender_name",
    "sender_address",
    "postal_address",
    "base_url",
    "watch_url",
    "brand",
    "language",
    "timezone",
)
SANDBOX = {
    "sender_name": "Postreel Sandbox",
    "sender_address": "picks@postreel.example",
    "postal_address": "Postreel Sandbox, 1 Example Street, Exampleton",
    "base_url": SANDBOX_BASE_URL,
    "watch_url": f"{SANDBOX_BASE_URL}/watch/{{title_id}}",
    "brand": "Postreel",
}


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command("init")(init)


def init(
    context: typer.Context,
    sandbox: bool = typer.Option(
        False, help="For fictitious or test people only; mail goes to a local maildir."
    ),
    sender_name: str = typer.Option("", help="The name that mails come from."),
    sender_address: str = typer.Option("", help="The address that mails come from."),
    postal_address: str = typer.Option("", help="A postal address, in the footer of every mail."),
    base_url: str = typer.Option("", help="Where members reach the pages, https://…"),
    watch_url: str = typer.Option("", help="Where a title opens, with {title_id} in it."),
    brand: str = typer.Option("", help="The service's name as members know it."),
    language: str = typer.Option("en", help="The service's language."),
    timezone: str = typer.Option("UTC", help="The service's time zone."),
    transport: str = typer.Option("maildir:outbox/", help="maildir:FOLDER or smtp://host:587?tls=require."),
) -> None:
    """Set up a home folder: settings, keys, an empty store."""
    shell = shell_of(context)
    given = {
        "sender_name": sender_name,
        "sender_address": sender_address,
        "postal_address": postal_address,
        "base_url": base_url,
        "watch_url": watch_url,
        "brand": brand,
    }
    values = {key: value for key, value in given.items() if value}
    if sandbox:
        values = SANDBOX | values
    else:
        values |= _asked(shell, values)
    new_home(shell.home, sandbox=sandbox, language=language, timezone=timezone, transport=transport, **values)
    facts = {"home": str(shell.home), "sandbox": sandbox}
    next_step = "postreel import movielens, csv, events or netflix PATH --simulate-grants …"
    if not sandbox:
        next_step = "postreel import members FILE, and postreel mail dkim-record for your DNS"
    shell.answer(facts, f"{shell.home} is ready. Next: {next_step}")


def new_home(home: Path, **values: object) -> Settings:
    """Write the settings of a new home and open it once, so that its keys and its store are there.

    Raises:
        SettingsError: the home was set up before, or a value cannot be used.
    """
    if (home / FILE_NAME).exists():
        raise SettingsError(f"{home} is set up already; edit {home / FILE_NAME} to change it")
    settings = checked_settings(home=home, **values)
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    opened(settings)
    text = written_settings(settings, WRITTEN)
    with os.fdopen(os.open(home / FILE_NAME, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
    return settings


def _asked(shell: Shell, given: dict[str, str]) -> dict[str, str]:
    questions = {
        "brand": "The service's name, as members know it",
        "sender_name": "The name that mails come from",
        "sender_address": "The address that mails come from",
        "postal_address": "A postal address, for the footer of every mail",
        "base_url": "Where members reach the pages (https://…)",
        "watch_url": "Where a title opens, with {title_id} in it (https://…)",
    }
    missing = [key for key in questions if key not in given]
    if missing and (shell.is_json or not os.isatty(0)):
        raise SettingsError(f"tell --{missing[0].replace('_', '-')}; or use --sandbox to try things out")
    return {key: typer.prompt(questions[key], err=True) for key in missing}
