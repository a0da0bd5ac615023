"""`train`, `recommend`, `habits`, `evaluate`."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import typer
from typer.core import TyperGroup

from postreel.cli.habits_view import print_habits
from postreel.cli.shared import plain_table, shell_of
from postreel.errors import InputError
from postreel.flows.choose import K, recommended
from postreel.flows.judge import judged
from postreel.flows.refresh import refresh_habits
from postreel.habits import profile_of
from postreel.purposes import History
from postreel.recommend import STEP_COUNT
from postreel.schema import Plays


class _MemberOrCommand(TyperGroup):
    """`recommend MEMBER` is short for `recommend for MEMBER`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put in the `for` that was left out."""
        if not args or (args[0] not in self.commands and args[0] != "--help"):
            args = ["for", *args]
        return super().parse_args(ctx, args)


picks = typer.Typer(
    cls=_MemberOrCommand,
    help="`recommend MEMBER`: what a member would be recommended now, and why.",
)


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("train")(train)
    app.command("tune")(tune)
    app.add_typer(picks, name="recommend")
    app.command("habits")(habits)
    app.command("evaluate")(evaluate)


def train(context: typer.Context) -> None:
    """Train the model on the histories of all members who grant it."""
    shell = shell_of(context)
    app = shell.app
    began_s = app.clock.monotonic_s()
    with shell.progress("working out habits", None) as step:
        refresh_habits(app.gate, step)
    shell.err.print("solving …", style="dim")
    settings, is_tuned = app.gate.chosen_settings()
    learned = app.gate.learn(settings)
    seconds = app.clock.monotonic_s() - began_s
    facts = {
        "model": learned.model.name,
        "trained_at": learned.model.trained_at,
        "ledger_position": learned.ledger_position,
        "members": learned.members,
        "titles": len(learned.model.vocabulary),
        "seconds": round(seconds, 3),
        "settings_from": "postreel tune" if is_tuned else "defaults",
    }
    advice = "Next: postreel recommend MEMBER, or postreel campaign send picks"
    if not learned.members:
        advice = "Nobody with a history grants training yet; picks come from the catalogue's facts alone."
    words = f"Trained on {learned.members:,} members and {facts['titles']:,} titles in {seconds:.1f} s.\n"
    shell.answer(facts, words + advice)


def tune(
    context: typer.Context,
    minutes: float = typer.Option(10.0, min=0.0, help="Take the best so far after this long."),
) -> None:
    """Choose the recommender's settings on this service's own past, for the next `train`."""
    shell = shell_of(context)
    app = shell.app
    refresh_habits(app.gate)
    with shell.progress("trying settings", STEP_COUNT) as step:
        tuned = app.gate.tune(minutes * 60.0, lambda: step(1))
    facts = {
        "metric": "ndcg@20",
        "before": tuned.before,
        "after": tuned.after,
        "tests": tuned.tests,
        "settings": asdict(tuned.settings),
    }
    words = f"NDCG@20 on {tuned.tests:,} member-tests of the past: {tuned.before:.4f} with the defaults, "
    shell.answer(facts, f"{words}{tuned.after:.4f} with what was chosen.\nNext: postreel train")


@picks.command("for")
def recommend(
    context: typer.Context,
    member: str = typer.Argument(help="An address or an id."),
    k: int = typer.Option(K, "-k", min=1, max=100, help="How many titles."),
    explain: bool = typer.Option(False, help="Say where each title would stand without each of its reasons."),
) -> None:
    """What a member would be recommended now, and why."""
    shell = shell_of(context)
    app = shell.app
    facts = recommended(
        app.gate, app.clock, app.gate.find(member), k, "postreel recommend", is_explained=explain
    )
    table = plain_table("title", "score", "because", numbers=("score",))
    for pick in facts["titles"]:
        reasons = ", ".join(_because(reason) for reason in pick["reasons"])
        table.add_row(pick["name"], f"{pick['score']:.3f}", reasons or " ".join(pick["also"]))
    if facts["model"] == "popular":
        shell.say("No live grant of recommendations, or no history yet: what is popular.")
    shell.answer(facts, table)


@picks.command("verify-forgotten")
def verify_forgotten(
    context: typer.Context, member: str = typer.Argument(help="An address or an id, also of who was erased.")
) -> None:
    """Prove by a rebuild that the model holds nothing of a member; exit 1 where it does or may."""
    shell = shell_of(context)
    found = shell.app.gate.verify_forgotten(member)
    shell.answer(found.facts(), found.said)
    if not found.ok:
        raise typer.Exit(1)


def _because(reason: dict[str, Any]) -> str:
    without = f", without it at rank {reason['rank_without']}" if "rank_without" in reason else ""
    return f"{reason['name']} ({reason['evidence']}, {reason['share']:.0%}{without})"


def habits(context: typer.Context, member: str = typer.Argument(help="An address or an id.")) -> None:
    """What a member's viewing says, in words and plots."""
    shell = shell_of(context)
    gate = shell.app.gate
    refresh_habits(gate)
    who = gate.find(member)
    operator = gate.as_operator(gate.who, "postreel habits")
    plays = operator.read(Plays, who.member, History)
    found = operator.shown(plays.map(profile_of, gate.catalogue(), who.timezone))
    facts = {"member": who.member.hex(), **found.facts()}
    if shell.is_json:
        shell.answer(facts)
    else:
        print_habits(shell.out, found, f"member {who.member.hex()[:8]}")


def evaluate(
    context: typer.Context,
    protocol: str = typer.Option("rolling", help="rolling, liang or per-member."),
    data: Path | None = typer.Option(None, help="A MovieLens folder or a CSV; else this home's own members."),
    window: list[str] = typer.Option([], help="FROM:UNTIL in Unix seconds; may be given more than once."),
    tune: bool | None = typer.Option(
        None,
        "--tune/--no-tune",
        help="Choose settings on earlier windows, as is done for --data; or those that train serves.",
    ),
) -> None:
    """Measure the recommender beside popularity, on data that it has not seen."""
    shell = shell_of(context)
    windows = [_window(text) for text in window]
    gate = None if data is not None else shell.app.gate
    with shell.progress("evaluating", None) as step:
        result = judged(gate, protocol, data, windows, is_tuned=tune, step=lambda: step(1))
    table = plain_table("model", "recall@20", "recall@50", "ndcg@20", "ndcg@100", "seconds", numbers=COLUMNS)
    for row in result["rows"]:
        table.add_row(row["model"], *(f"{row[name]:.4f}" for name in COLUMNS[:-1]), f"{row['seconds']:.1f}")
    shell.answer(result, table)
    if "said" in result:
        shell.say(str(result["said"]))


COLUMNS = ("recall@20", "recall@50", "ndcg@20", "ndcg@100", "seconds")


def _window(text: str) -> tuple[float, float]:
    start, _, end = text.partition(":")
    try:
        found = float(start), float(end)
    except ValueError:
        raise InputError(f"a window is FROM:UNTIL in Unix seconds, not {text!r}") from None
    if found[0] >= found[1]:
        raise InputError(f"the window {text} ends before it begins")
    return found
