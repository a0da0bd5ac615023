"""`postreel demo`: a small streaming service of its own, from nothing to a sent campaign, and its pages."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import typer

from postreel.app import App, opened
from postreel.cli.home import SANDBOX, new_home
from postreel.cli.shared import Shell, shell_of
from postreel.demo.run import Story, run_demo
from postreel.errors import SettingsError
from postreel.settings import FILE_NAME, checked_settings, read_settings
from postreel.web.serve import check_port, serve_home

SERVICE = {
    "brand": "Lantern",
    "sender_name": "Lantern",
    "sender_address": "picks@postreel.example",
    "postal_address": "Lantern (a made-up service), 1 Example Street, Exampleton",
}
MARK = "demo.json"
"""In a demo's home: what was asked for and, once it stands, what came of it. Nothing else may be cleared away."""
MADE = ("postreel.db*", "events", "models", "outbox", "keys", "locks", "ledger-heads.ndjson", FILE_NAME)
DEFAULT_MEMBERS, DEFAULT_SEED = 2_000, 1


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command("demo")(demo)


def demo(
    context: typer.Context,
    members: int = typer.Option(DEFAULT_MEMBERS, min=1, help="How many members to make up."),
    seed: int = typer.Option(DEFAULT_SEED, min=0, help="The same seed makes the same members."),
    no_serve: bool = typer.Option(False, "--no-serve", help="End when the mails are sent."),
    fresh: bool = typer.Option(False, "--fresh", help="Build anew even where the same demo stands."),
    port: int | None = typer.Option(None, help="The port to serve on; else the setting's."),
) -> None:
    """Make up a small streaming service, send its picks to a local maildir, and serve it."""
    shell = shell_of(context)
    home = _home(context, shell)
    if not no_serve:
        # Before the work, so that nobody waits a minute to be told.
        served = checked_settings(home=home)
        check_port(served.host, port or served.port)
    wanted = {"members": members, "seed": seed}
    kept = None if fresh else _kept(home, wanted)
    facts = kept or _built(shell, home, wanted)
    app = opened(read_settings(home), who="demo")
    chosen = port or app.settings.port
    url = f"http://{app.settings.host}:{chosen}"
    shell.answer(
        facts["answer"], _summary(home, facts, url, is_kept=kept is not None, is_served=not no_serve)
    )
    if not no_serve:
        serve_home(home, app.settings.host, chosen)


def _home(context: typer.Context, shell: Shell) -> Path:
    """The home that was named; else a folder of the demo's own inside the default one."""
    root = context.find_root().params
    is_named = bool(root.get("home_folder") or os.environ.get("POSTREEL_HOME"))
    return shell.home if is_named else shell.home / "demo"


def _kept(home: Path, wanted: dict[str, int]) -> dict[str, Any] | None:
    """What came of the same demo, built before; None where it was not, or not finished."""
    facts = _mark(home)
    return facts if facts is not None and "answer" in facts and facts["wanted"] == wanted else None


def _mark(home: Path) -> dict[str, Any] | None:
    try:
        return json.loads((home / MARK).read_text("utf-8"))
    except (OSError, ValueError):
        return None


def _built(shell: Shell, home: Path, wanted: dict[str, int]) -> dict[str, Any]:
    """Clear what an earlier demo left, and build."""
    if (home / FILE_NAME).exists() and not (home / MARK).exists():
        raise SettingsError(f"{home} holds another installation; name another folder with --home")
    if (home / MARK).exists():
        _clear(home)
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    _write(home / MARK, {"wanted": wanted})
    settings = new_home(home, sandbox=True, **(SANDBOX | SERVICE))
    app = opened(settings, who="demo")
    began_s = app.clock.monotonic_s()
    story = run_demo(
        app.gate, app.kit, app.clock, wanted["members"], wanted["seed"], _midnight(app), _teller(shell)
    )
    facts = {
        "wanted": wanted,
        "answer": {**story.facts(), "maildir": str(home / "outbox")},
        "story": _told(story),
        "seconds": {**story.seconds, "all": round(app.clock.monotonic_s() - began_s, 1)},
    }
    _write(home / MARK, facts)
    return facts


def _midnight(app: App) -> datetime:
    # The last midnight, so that two runs on one day simulate the same period.
    return app.clock.now().replace(hour=0, minute=0, second=0, microsecond=0)


def _clear(home: Path) -> None:
    """Remove what a demo makes, by name; what else lies in the folder stays."""
    for pattern in MADE:
        for path in home.glob(pattern):
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()


def _write(path: Path, facts: dict[str, Any]) -> None:
    path.write_text(json.dumps(facts, indent=1) + "\n", "utf-8")


@dataclass(frozen=True)
class _Words:
    doing: str
    done: str


STAGES = {
    "catalogue": _Words("putting films on the shelf", "films and serials on the shelf"),
    "members": _Words("members joining", "members joined, with their children"),
    "answers": _Words("members answering what may be done", "answers written to the ledger"),
    "events": _Words("players reporting what is watched", "playback events through the intake"),
    "habits": _Words("working out habits", "sessions and tastes worked out"),
    "training": _Words("training", "model trained on those who agreed"),
    "mails": _Words("writing, signing and sending mails", "mails written, signed and sent"),
}


def _teller(shell: Shell) -> Callable[[str, int | None], AbstractContextManager[Callable[[int], None]]]:
    """Shows each stage with a bar while it runs, and keeps a line of it."""
    clock = shell.err.get_time

    @contextmanager
    def tell(name: str, total: int | None) -> Any:
        words, began_s, count = STAGES[name], clock(), 0
        bar = shell.progress(words.doing, total) if shell.err.is_terminal else nullcontext(_still)
        with bar as step:

            def moved(by: int) -> None:
                nonlocal count
                count += by
                step(by)

            yield moved
        if not shell.is_json:
            many = f"{count:>9,} " if count else f"{'':>10}"
            shell.err.print(
                f"{many}{words.done:<40} {clock() - began_s:>6.1f} s", style="dim", highlight=False
            )

    return tell


def _still(_: int) -> None:
    """Moves nothing: no bar is drawn into a pipe."""


def _told(story: Story) -> dict[str, int]:
    return {
        "children": story.children,
        "told": story.told,
        "refused": story.refused,
        "withdrawn": story.withdrawn,
        "silent": story.silent,
        "trained_members": story.trained_members,
    }


def _summary(home: Path, facts: dict[str, Any], url: str, *, is_kept: bool, is_served: bool) -> str:
    answer, story = facts["answer"], facts["story"]
    messages = answer["messages"]
    reasons = "; ".join(f"{count:,} {reason}" for reason, count in messages["withheld"].items())
    lines = [
        "",
        f"Lantern, a made-up service with {answer['members']:,} members and {answer['titles']:,} titles"
        + (
            ", as it was built before (--fresh builds it anew)."
            if is_kept
            else f", in {facts['seconds']['all']:.0f} s."
        ),
        "",
        f"Players reported {story['told']:,} events in 90 days. {story['refused']:,} were refused at the door, "
        f"since no grant covered them. {answer['events']:,} are kept, each once: {answer['sessions']:,} sittings.",
        f"{story['withdrawn']:,} members took something back meanwhile. "
        f"{story['silent']:,} let no mail report back, and none does.",
        f"The model learned from the {story['trained_members']:,} who said that it may.",
        f"{messages['accepted']:,} mails were sent to {answer['maildir']}.",
        f"Not written to: {reasons}.",
        "",
    ]
    command = (
        "postreel evaluate"
        if str(home) == os.environ.get("POSTREEL_HOME")
        else f"postreel --home {home} evaluate"
    )
    if is_served:
        lines += [
            f"  {url}/                    the story, as five questions",
            f"  {url}/console/outbox      every mail, as its reader sees it",
            f"  {url}/console/members     members: habits, picks and their reasons",
            f"  {url}/console/campaigns/{answer['campaign']}   who got none, and why",
            "",
            f"Whether the picks beat what is popular right now: {command}",
            "Serving; stop with Ctrl-C.",
        ]
    else:
        lines += [
            f"Whether the picks beat what is popular right now: {command}",
            "Next: the same command without --no-serve, or postreel serve, shows all of it in a browser.",
        ]
    return "\n".join(lines)
