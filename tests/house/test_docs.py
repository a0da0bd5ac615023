"""The reference names every command, option and setting, and names none that is not there."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
import typer

from postreel.cli import app
from postreel.settings import Settings

REFERENCE = Path(__file__).resolve().parents[2] / "docs" / "reference"


def commands(command: click.Command, path: tuple[str, ...] = ()) -> Iterator[tuple[str, click.Command]]:
    """Every command that can be typed, with its whole name."""
    inner = getattr(command, "commands", None)  # a group has commands of its own
    if inner is None:
        yield " ".join(path), command
        return
    for name, sub in inner.items():
        if not sub.hidden:
            yield from commands(sub, (*path, name))


COMMANDS = dict(commands(typer.main.get_command(app)))


def setting_names() -> list[str]:
    """Every environment variable that is read."""
    prefix = Settings.model_config.get("env_prefix", "POSTREEL_")
    return [f"{prefix}{name}".upper() for name in Settings.model_fields]


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_the_reference_names_every_command_and_its_options(name: str):
    page = (REFERENCE / "cli.md").read_text("utf-8")
    assert re.search(rf"`(postreel )?{re.escape(name)}(?=[` ])", page), (
        f"docs/reference/cli.md lacks `{name}`"
    )
    for parameter in COMMANDS[name].params:
        longs = [option for option in parameter.opts if option.startswith("--") and option != "--help"]
        assert not longs or any(option in page for option in longs), f"cli.md lacks {longs} of `{name}`"


@pytest.mark.parametrize("name", setting_names())
def test_the_reference_names_every_setting(name: str):
    page = (REFERENCE / "settings.md").read_text("utf-8")
    assert f"`{name}`" in page, f"docs/reference/settings.md lacks `{name}`"


def test_the_reference_names_no_setting_that_is_not_read():
    page = (REFERENCE / "settings.md").read_text("utf-8")
    # POSTREEL_REQUIRE_ALL and POSTREEL_CHROMIUM are read by the tests alone.
    known = {*setting_names(), "POSTREEL_REQUIRE_ALL", "POSTREEL_CHROMIUM"}
    assert set(re.findall(r"\bPOSTREEL_[A-Z0-9_]+", page)) <= known


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_every_command_says_what_it_does(name: str):
    assert COMMANDS[name].help, f"`{name}` has no docstring"
