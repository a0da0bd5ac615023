"""What all commands share: the home they work in, how they print, how errors become exit codes.

Exit 0: done. 1: a check failed. 2: wrong use, or nothing usable. With `--json` one JSON value goes to stdout and
nothing else; progress and words go to stderr.
"""

from __future__ import annotations

import getpass
import json
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import typer
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table

from postreel.app import App, opened
from postreel.settings import read_settings


@dataclass(frozen=True)
class Shell:
    """The home that a command works in, and how it prints."""

    home: Path
    is_json: bool

    @cached_property
    def out(self) -> Console:
        """What the command answers."""
        return Console(soft_wrap=True)

    @cached_property
    def err(self) -> Console:
        """Progress and words beside the answer."""
        return Console(stderr=True)

    @cached_property
    def app(self) -> App:
        """The opened installation."""
        return opened(read_settings(self.home), who=f"{getpass.getuser()} at the command line")

    def answer(self, facts: Any, words: str | Table | None = None) -> None:
        """Print the answer: JSON where asked for, else words."""
        if self.is_json:
            typer.echo(json.dumps(facts, ensure_ascii=False, default=str))
        elif words is not None:
            self.out.print(words)

    def say(self, words: str) -> None:
        """Print words to people, not to programs."""
        if not self.is_json:
            self.out.print(words)

    @contextmanager
    def progress(self, what: str, total: int | None) -> Generator[Any, None, None]:
        """A bar with rate and time left, on stderr; gives the function that moves it on."""
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
        )
        with Progress(*columns, console=self.err, transient=True, disable=self.is_json) as bar:
            task = bar.add_task(what, total=total)
            yield partial(bar.advance, task)


def plain_table(*columns: str, numbers: tuple[str, ...] = ()) -> Table:
    """A table without boxes; the named columns are set to the right."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        # An id or an address that is cut cannot be copied: it goes on in the next line instead.
        table.add_column(column, justify="right" if column in numbers else "left", overflow="fold")
    return table


def shell_of(context: typer.Context) -> Shell:
    """The shell that the root command made."""
    found = context.find_object(Shell)
    assert found is not None  # noqa: S101 - the root callback always makes one
    return found
