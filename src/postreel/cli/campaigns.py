"""`postreel campaign …` and `postreel mail …`."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import typer

from postreel.cli.shared import Shell, plain_table, shell_of
from postreel.errors import InputError
from postreel.flows.preview import previewed
from postreel.flows.refresh import refresh_habits
from postreel.flows.send import Sent, interrupted, kind_named, plan_campaign, report_of, send_campaign
from postreel.purposes import Service

rooms = typer.Typer(no_args_is_help=True, help="Mailings: preview, send, report.", rich_markup_mode=None)
mail = typer.Typer(no_args_is_help=True, help="What mails need from the outside.", rich_markup_mode=None)


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    app.add_typer(rooms, name="campaign")
    app.add_typer(mail, name="mail")


@rooms.command("list")
def list_(context: typer.Context) -> None:
    """All campaigns."""
    shell = shell_of(context)
    found = [c for c in shell.app.gate.campaigns() if c.kind != Service.key]
    table = plain_table("campaign", "kind", "state", "planned at")
    for c in found:
        table.add_row(c.campaign, c.kind, c.state, f"{c.created_at:%Y-%m-%d %H:%M}")
    shell.answer(
        [
            {"campaign": c.campaign, "kind": c.kind, "state": c.state, "created_at": c.created_at.isoformat()}
            for c in found
        ],
        table,
    )


@rooms.command("preview")
def preview(
    context: typer.Context,
    kind: str = typer.Argument(help="A kind of mail: picks."),
    member: str = typer.Option(help="An address or an id."),
    out: Path = typer.Option(help="The folder to write to."),
) -> None:
    """Compose one member's mail without sending it. Written where the member sees it."""
    shell = shell_of(context)
    app = shell.app
    who = app.gate.find(member)
    found = previewed(app.gate, kind_named(kind), who, app.kit, app.clock, "postreel campaign preview")
    out.mkdir(parents=True, exist_ok=True)
    files = {"html": found.page, "text": found.text.encode(), "eml": found.raw}
    paths = {name: out / f"{kind}.{'txt' if name == 'text' else name}" for name in files}
    for name, path in paths.items():
        path.write_bytes(files[name])
    shots = _screenshots(paths["html"], out)
    facts = {"subject": found.subject, **{k: str(p) for k, p in paths.items()}, "screenshots": shots}
    shell.answer(facts, "\n".join([found.subject, *map(str, paths.values()), *shots]))


def _screenshots(page: Path, out: Path) -> list[str]:
    """Pictures of the page, wide and narrow, where a Chromium is at hand; else none."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if chromium is None:
        return []
    import subprocess

    made: list[str] = []
    for width in (800, 375):
        path = out / f"{page.stem}-{width}.png"
        words = [
            chromium,
            "--headless",
            "--disable-gpu",
            "--hide-scrollbars",
            "--no-sandbox",
            "--no-first-run",
        ]
        words += ["--disable-background-networking", f"--window-size={width},1600", f"--screenshot={path}"]
        words.append(page.absolute().as_uri())
        # The words are ours and the program was found on the path; nothing a member wrote is among them.
        done = subprocess.run(words, capture_output=True, timeout=60, check=False)  # noqa: S603
        if done.returncode == 0 and path.exists():
            made.append(str(path))
    return made


@rooms.command("send")
def send(
    context: typer.Context,
    kind: str = typer.Argument(help="A kind of mail: picks."),
    name: str = typer.Option(
        "", help="The campaign's name; one that exists is carried on. Without: see below."
    ),
    dry_run: bool = typer.Option(False, "--dry-run", help="Say who would get it, and send nothing."),
) -> None:
    """Send a mailing to everybody who asked for it.

    A mailing of this kind that was interrupted is carried on where it stood, so that running the same command
    again after a crash writes to nobody twice. Otherwise a new one begins.
    """
    shell = shell_of(context)
    app = shell.app
    purpose = kind_named(kind)
    refresh_habits(app.gate)
    unfinished = None if name else interrupted(app.gate, purpose)
    if unfinished is not None:
        shell.err.print(f"carrying on with {unfinished.campaign}, which was interrupted", style="dim")
    chosen = name or (unfinished.campaign if unfinished else f"{kind}-{app.clock.now():%Y%m%d-%H%M%S}")
    campaign = next((c for c in app.gate.campaigns() if c.campaign == chosen), None)
    if campaign is not None and campaign.kind != purpose.key:
        raise InputError(f"campaign {chosen!r} is of another kind ({campaign.kind})")
    if campaign is None or campaign.state == "planning":
        campaign, plan = plan_campaign(app.gate, kind, chosen, app.clock, is_dry=dry_run)
        if dry_run:
            shell.answer(plan.facts(), f"{plan.planned:,} members would get it. {_withheld(plan)}")
            return
    elif dry_run:
        _answer(shell, report_of(app.gate, chosen))
        return
    total = sum(count for state, _, count in app.gate.report(chosen) if state not in FINAL)
    with shell.progress("sending", total) as step:
        sent = send_campaign(app.gate, campaign, app.kit, app.clock, step)
    _answer(shell, sent)


FINAL = ("accepted", "refused", "withheld", "ambiguous")


@rooms.command("report")
def report(context: typer.Context, campaign: str = typer.Argument(help="A campaign's name.")) -> None:
    """How many mails stand where, and why those withheld did not leave."""
    shell = shell_of(context)
    _answer(shell, report_of(shell.app.gate, campaign))


@rooms.command("pause")
def pause(context: typer.Context, campaign: str = typer.Argument(help="A campaign's name.")) -> None:
    """Hold a campaign; `resume` carries it on."""
    _set(shell_of(context), campaign, "paused")


@rooms.command("resume")
def resume(context: typer.Context, campaign: str = typer.Argument(help="A campaign's name.")) -> None:
    """Let a paused campaign go on with the next `campaign send --name`."""
    _set(shell_of(context), campaign, "sending")


@rooms.command("recall")
def recall(context: typer.Context, campaign: str = typer.Argument(help="A campaign's name.")) -> None:
    """Withhold everything of a campaign that has not left."""
    _set(shell_of(context), campaign, "recalled")


@mail.command("dkim-record")
def dkim_record(context: typer.Context) -> None:
    """The record that lets receivers check our signatures, as it goes into DNS."""
    shell = shell_of(context)
    signer = shell.app.signer
    facts = {"selector": signer.selector, "domain": signer.domain, "record": signer.record}
    shell.answer(facts, f"{signer.selector}._domainkey.{signer.domain}. IN TXT\n{json.dumps(signer.record)}")


def _set(shell: Shell, campaign: str, state: str) -> None:
    shell.app.gate.set_campaign(campaign, state)
    _answer(shell, report_of(shell.app.gate, campaign))


def _withheld(sent: Sent) -> str:
    parts = [f"{count:,} {reason}" for reason, count in sorted(sent.withheld.items())]
    return "Withheld: " + "; ".join(parts) + "." if parts else "None withheld."


def _answer(shell: Shell, sent: Sent) -> None:
    facts: dict[str, Any] = sent.facts()
    states = ", ".join(
        f"{count:,} {state}" for state, count in sorted(sent.states.items()) if state != "withheld"
    )
    shell.answer(facts, f"{sent.campaign}: {states or 'nothing to send'}. {_withheld(sent)}")
