"""`postreel import SOURCE PATH`."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from pathlib import Path

import typer

from postreel.app import App
from postreel.cli.shared import shell_of
from postreel.errors import InputError
from postreel.flows import ingest
from postreel.flows.ingest import Taken
from postreel.flows.refresh import refresh_habits
from postreel.purposes import purpose_named


class Source(StrEnum):
    """Where an import comes from."""

    members = "members"
    catalogue = "catalogue"
    events = "events"
    movielens = "movielens"
    netflix = "netflix"
    csv = "csv"


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command("import")(import_)


def import_(
    context: typer.Context,
    source: Source = typer.Argument(help="members, catalogue, events, movielens, netflix or csv."),
    path: Path = typer.Argument(help="A file; for movielens a folder."),
    simulate_grants: str = typer.Option("", help="Purposes to grant, by comma; in a sandbox only."),
    member: str = typer.Option("", help="netflix: whose history it is, an address."),
    profile: str | None = typer.Option(None, help="netflix: the profile to take."),
    dates: str | None = typer.Option(None, help="netflix: dmy, mdy or ymd where the dates leave it open."),
) -> None:
    """Import a file. Bad rows go to a refused file; importing a file again adds nothing."""
    shell = shell_of(context)
    app = shell.app
    purposes = [purpose_named(key.strip()).key for key in simulate_grants.split(",") if key.strip()]
    if purposes and not app.settings.sandbox:
        raise InputError("grants are simulated in a sandbox only; make one with `postreel init --sandbox`")
    now = app.clock.now()
    shell.err.print(f"reading {path} …", style="dim")
    taken = _taken(app, source, path, now, purposes, member, profile, dates)
    ingest.write_refused(taken, shell.home / "refused", now)
    if source not in (Source.members, Source.catalogue):
        with shell.progress("working out habits", None) as step:
            refresh_habits(app.gate, step)
    shell.answer(taken.facts(), _words(taken))
    if taken.read and not taken.kept and not taken.known and len(taken.refusals) == taken.read:
        raise typer.Exit(2)


def _taken(
    app: App,
    source: Source,
    path: Path,
    now: datetime,
    purposes: list[str],
    member: str,
    profile: str | None,
    dates: str | None,
) -> Taken:
    gate = app.gate
    match source:
        case Source.members:
            return ingest.import_members(gate, path, now, purposes)
        case Source.catalogue:
            return ingest.import_catalogue(gate, path)
        case Source.events:
            return ingest.import_events(gate, path, now, purposes)
        case Source.movielens:
            return ingest.import_movielens(gate, path, now, purposes)
        case Source.csv:
            return ingest.import_viewings(gate, path, now, purposes)
        case Source.netflix:
            if not member:
                raise InputError("say whose history it is: --member ADDRESS")
            return ingest.import_netflix(
                gate, path, now, member, profile=profile, dates=dates, grants=purposes
            )


def _words(taken: Taken) -> str:
    parts = [f"{taken.read:,} rows read, {taken.kept:,} kept"]
    if taken.known:
        parts.append(f"{taken.known:,} were here already")
    parts += [f"{count:,} withheld for want of {purpose}" for purpose, count in taken.withheld.items()]
    parts += [f"{count:,} left out ({reason})" for reason, count in taken.left_out.items()]
    if taken.refusals:
        first = taken.refusals[0]
        parts.append(
            f"{len(taken.refusals):,} refused (line {first.line}: {first.reason}); see {taken.refused_file}"
        )
    advice = "Next: postreel train" if taken.kept else "Nothing new."
    if taken.withheld and not taken.kept:
        advice = "A grant covers what is viewed while it stands. Next: postreel consent show MEMBER"
    if taken.source == "catalogue":
        advice = "Next: postreel import members FILE, or import events FILE"
    if taken.source == "members":
        advice = "Next: postreel import events FILE, or postreel serve and POST /v1/events"
    return "; ".join(parts) + ".\n" + advice
