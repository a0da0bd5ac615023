"""`postreel consent …`."""

from __future__ import annotations

import csv
from pathlib import Path

import typer

from postreel.cli.shared import Shell, plain_table, shell_of
from postreel.errors import InputError
from postreel.flows.ask import ask_by_mail
from postreel.flows.consents import simulated_answers
from postreel.gate import Changed
from postreel.purposes import SWITCHABLE, mask_of, purpose_named

rooms = typer.Typer(no_args_is_help=True, help="Grants, withdrawals and their proof.", rich_markup_mode=None)


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    app.add_typer(rooms, name="consent")


@rooms.command("show")
def show(context: typer.Context, member: str = typer.Argument(help="An address or an id.")) -> None:
    """Where a member stands with every purpose."""
    shell = shell_of(context)
    gate = shell.app.gate
    who = gate.find(member)
    held = gate.rights(who.member).grants()
    granted = mask_of(key for key, row in held.items() if row.state == "granted")
    waiting = shell.app.policy.waiting_for(granted)
    grants = [
        {
            "purpose": purpose.key,
            "state": held[purpose.key].state if purpose.key in held else "unknown",
            "since": held[purpose.key].since.isoformat() if purpose.key in held else None,
            "wording": held[purpose.key].wording if purpose.key in held else None,
            "channel": held[purpose.key].channel if purpose.key in held else None,
        }
        for purpose in SWITCHABLE
    ]
    facts = {
        "member": who.member.hex(),
        "grants": grants,
        "waiting_for": [{"purpose": key, "needs": list(needs)} for key, needs in waiting.items()],
    }
    table = plain_table("purpose", "state", "since", "by")
    for grant in grants:
        needs = waiting.get(str(grant["purpose"]))
        state = f"{grant['state']}, waiting for {' and '.join(needs)}" if needs else str(grant["state"])
        table.add_row(
            str(grant["purpose"]), state, str(grant["since"] or "")[:10], str(grant["channel"] or "")
        )
    shell.answer(facts, table)


@rooms.command("grant")
def grant(
    context: typer.Context,
    member: str = typer.Argument(help="An address or an id."),
    purpose: str = typer.Argument(help="A purpose, such as mail.picks."),
    evidence: Path | None = typer.Option(None, help="A file that shows the member's yes."),
) -> None:
    """Write down a member's yes, with its evidence; without any, the member is asked by mail."""
    shell = shell_of(context)
    app = shell.app
    key = purpose_named(purpose).key
    who = app.gate.find(member)
    if evidence is None and not app.settings.sandbox:
        ask_by_mail(app.gate, app.kit, app.clock, who.member, key)
        facts = {
            "member": who.member.hex(),
            "purpose": key,
            "state": "asked",
            "position": None,
            "receipt": None,
        }
        shell.answer(facts, "Nothing is granted yet: the member was sent a confirmation.")
        return
    said = "simulated" if evidence is None else _evidence(evidence, key)
    channel = "simulation" if evidence is None else f"evidence {evidence.name}"
    changed = app.gate.rights(who.member).grant([key], channel, said)
    _answer(shell, who.member, key, "granted", changed)


@rooms.command("withdraw")
def withdraw(
    context: typer.Context,
    member: str = typer.Argument(help="An address or an id."),
    purpose: str = typer.Argument(help="A purpose, such as mail.picks."),
) -> None:
    """Write down a member's no. It holds when this is answered; what it removes is gone when this ends."""
    shell = shell_of(context)
    key = purpose_named(purpose).key
    who = shell.app.gate.find(member)
    rights = shell.app.gate.rights(who.member)
    changed = rights.refuse([key], "command line")
    state = rights.grants()[key].state
    _answer(shell, who.member, key, state, changed)
    rights.finish()


@rooms.command("verify")
def verify(context: typer.Context) -> None:
    """Go through the whole ledger; exit 1 where it was touched, its end cut off included."""
    shell = shell_of(context)
    found = shell.app.gate.verify_ledger()
    facts = {
        "ok": found.is_ok,
        "entries": found.entries,
        "head": None if found.head is None else found.head.root.hex(),
        "first_bad": found.first_bad,
        "why": found.why,
    }
    good = f"{found.entries:,} entries, all as they were written."
    shell.answer(facts, good if found.is_ok else f"Entry {found.first_bad}: {found.why}.")
    if not found.is_ok:
        raise typer.Exit(1)


@rooms.command("simulate")
def simulate(
    context: typer.Context, file: Path = typer.Argument(help="A CSV: member,purpose,state[,at].")
) -> None:
    """Simulated answers, in a sandbox only."""
    shell = shell_of(context)
    if not file.is_file():
        raise InputError(f"there is no file {file}")
    with file.open(encoding="utf-8", newline="") as lines:
        rows = list(csv.DictReader(lines))
    result = simulated_answers(shell.app.gate, rows, shell.app.clock.now())
    words = f"{result['written']} answers written, {len(result['refused'])} refused."
    for row in result["refused"][:10]:
        words += f"\nline {row['line']}: {row['reason']}"
    shell.answer(result, words)
    if result["refused"] and len(result["refused"]) == len(rows):
        raise typer.Exit(2)


def _evidence(path: Path, key: str) -> str:
    if not path.is_file():
        raise InputError(f"there is no evidence file {path}")
    if key.startswith("measure."):
        raise InputError("consent to measurement is never imported; the member gives it themself")
    return path.read_text("utf-8", "replace")[:10_000]


def _answer(shell: Shell, member: bytes, key: str, state: str, changed: Changed) -> None:
    receipt = shell.app.gate.receipt(changed)
    facts = {
        "member": member.hex(),
        "purpose": key,
        "state": state,
        "position": changed.position,
        "receipt": receipt,
        "withheld": changed.withheld,
        "had_begun": [row.message_id for row in changed.begun],
    }
    words = f"{key}: {state} (ledger entry {changed.position})."
    if changed.withheld:
        words += f" {changed.withheld} waiting mail(s) will not leave."
    if changed.begun:
        words += f" {len(changed.begun)} mail(s) had already begun to leave."
    shell.answer(facts, words)
