"""`postreel member …`, and `why`."""

from __future__ import annotations

from pathlib import Path

import typer

from postreel.cli.shared import plain_table, shell_of
from postreel.errors import InputError
from postreel.flows.erase import erase_member
from postreel.flows.export import export_member
from postreel.flows.send import kind_named, why_or_why_not

rooms = typer.Typer(no_args_is_help=True, help="Members: list, show, export, erase.", rich_markup_mode=None)


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    app.add_typer(rooms, name="member")
    app.command("why")(why)


@rooms.command("list")
def list_(context: typer.Context) -> None:
    """All members: id and address."""
    shell = shell_of(context)
    found = shell.app.gate.members()
    table = plain_table("member", "address", "language", "time zone")
    for who in found:
        table.add_row(who.member.hex(), who.address or "(a child)", who.language, who.timezone)
    shell.answer(
        [{"member": w.member.hex(), "address": w.address, "is_child": w.is_child} for w in found], table
    )


@rooms.command("show")
def show(context: typer.Context, member: str = typer.Argument(help="An address or an id.")) -> None:
    """What is stored of a member, and how much. Written where the member sees it."""
    shell = shell_of(context)
    gate = shell.app.gate
    who = gate.find(member)
    operator = gate.as_operator(gate.who, "postreel member show")
    mails = operator.mails(who.member)
    rights = gate.rights(who.member)
    facts = {
        "member": who.member.hex(),
        "address": who.address,
        "language": who.language,
        "timezone": who.timezone,
        "household": who.household,
        "is_child": who.is_child,
        "grants": {key: row.state for key, row in rights.grants().items()},
        "mails": len(mails),
        "accesses": len(rights.accesses()),
    }
    table = plain_table("what", "is")
    for key, value in facts.items():
        table.add_row(key, str(value))
    shell.answer(facts, table)


@rooms.command("export")
def export(
    context: typer.Context,
    member: str = typer.Argument(help="An address or an id."),
    out: Path = typer.Option(help="The zip file to write."),
) -> None:
    """Everything that is known about a member, as a zip of JSON and CSV with a readable page."""
    shell = shell_of(context)
    who = shell.app.gate.find(member)
    facts = export_member(shell.app.gate, who.member, out, shell.app.clock.now())
    shell.answer(facts, f"{out}: {', '.join(f'{n} {k}' for k, n in facts['rows'].items())}")


@rooms.command("erase")
def erase(
    context: typer.Context,
    member: str = typer.Argument(help="An address or an id."),
    yes: bool = typer.Option(False, "--yes", help="Really."),
) -> None:
    """Erase a member: rows, model, queue. What stays says nothing about them."""
    shell = shell_of(context)
    if not yes:
        raise InputError("erasure cannot be taken back; say --yes")
    who = shell.app.gate.find(member)
    done = erase_member(shell.app.gate, shell.home, who.member)
    facts = {
        "member": who.member.hex(),
        "rows": done.rows,
        "model": {"exact": done.is_exact, "seconds": round(done.seconds, 3)},
        "queued_withheld": done.withheld,
    }
    shell.answer(
        facts, f"Erased in {done.seconds:.2f} s: {sum(done.rows.values())} rows. Check: member verify-erased"
    )


@rooms.command("verify-erased")
def verify_erased(context: typer.Context, member: str = typer.Argument(help="An address or an id.")) -> None:
    """Search the whole installation for an erased member; exit 1 where anything is found."""
    shell = shell_of(context)
    found = shell.app.gate.verify_erased(member)
    shell.answer({"found": found}, "Nothing is found." if not found else "\n".join(found))
    if found:
        raise typer.Exit(1)


def why(
    context: typer.Context,
    member: str = typer.Argument(help="An address or an id."),
    kind: str = typer.Argument("picks", help="A kind of mail."),
) -> None:
    """Would this member get this mail now, and if not, why."""
    shell = shell_of(context)
    who = shell.app.gate.find(member)
    answer = why_or_why_not(shell.app.gate, who.member, kind_named(kind))
    words = "They would get it now." if answer["would_get"] else f"They would not: {answer['why']}."
    shell.answer({"member": who.member.hex(), "kind": kind, **answer}, words)
