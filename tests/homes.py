"""Whole homes for tests: a sandbox on disk, opened with a clock and parts that a test may choose.

The keys are made once a run and copied, since making an RSA key takes longer than most of these tests.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path

from mails import package_text

from postreel.app import App, opened
from postreel.backends.events.files import FileEvents
from postreel.backends.local import FileHeads, FileKeys, FileLocks, SystemClock
from postreel.backends.models.files import FileModels
from postreel.backends.records.sql import SqlRecords
from postreel.backends.transports import MaildirTransport
from postreel.catalogue import Title
from postreel.cli.home import SANDBOX
from postreel.compose import Kit
from postreel.consent import Policy, Seal
from postreel.gate import Core, Gate
from postreel.members import MemberRow
from postreel.ports import Change, Clock, Events, Heads, Models, Records, Transport
from postreel.settings import FILE_NAME, Settings, checked_settings, written_settings

WRITTEN = ("sandbox", "records", "events", "models", "transport", *SANDBOX)


@cache
def _keys() -> Path:
    """A folder of keys that all homes of this run share."""
    path = Path(tempfile.mkdtemp(prefix="postreel-test-keys-")) / "keys"
    FileKeys(path)
    return path


def a_home(path: Path, *, sandbox: bool = True, transport: str = "maildir:outbox/") -> Settings:
    """An empty home in this folder, its settings written, so that a child process can open it too."""
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    shutil.copytree(_keys(), path / "keys")
    settings = checked_settings(home=path, sandbox=sandbox, transport=transport, **SANDBOX)
    (path / FILE_NAME).write_text(written_settings(settings, WRITTEN), "utf-8")
    return settings


def handing_to_a_server(settings: Settings, port: int) -> Settings:
    """The same home, handing its mail to a server on this machine. No sandbox any more, which has a maildir only."""
    values = {"sandbox": False, "transport": f"smtp://127.0.0.1:{port}?tls=none"}
    changed = checked_settings(home=settings.home, **SANDBOX | values)
    (settings.home / FILE_NAME).write_text(written_settings(changed, WRITTEN), "utf-8")
    return changed


@dataclass(frozen=True)
class Opened:
    """A home, opened.

    Attributes:
        core: what the gate stands on; tests look at stores through it.
    """

    settings: Settings
    core: Core
    gate: Gate
    clock: Clock
    app: App
    close: Callable[[], None]


def opened_home(
    settings: Settings,
    clock: Clock | None = None,
    *,
    transport: Callable[[Seal, Clock], Transport] | None = None,
    around_records: Callable[[Records], Records] = lambda it: it,
    around_events: Callable[[Events], Events] = lambda it: it,
    around_models: Callable[[Models], Models] = lambda it: it,
    around_transport: Callable[[Transport], Transport] = lambda it: it,
    around_heads: Callable[[Heads], Heads] = lambda it: it,
    random_id: Callable[[], bytes] | None = None,
) -> Opened:
    """Open a home as `app.opened` does, with another clock, with parts wrapped, with ids that can be told again."""
    seal = Seal()
    clock = SystemClock() if clock is None else clock
    policy = Policy.parse(package_text("consent", "policy.toml"))
    keys, locks = FileKeys(settings.home / "keys"), FileLocks(settings.home / "locks")
    records = SqlRecords(f"sqlite:///{settings.home / 'postreel.db'}")
    box = MaildirTransport(settings.home / "outbox", seal, clock)
    sender = box if transport is None else transport(seal, clock)
    core = Core(
        records=around_records(records),
        events=around_events(FileEvents(settings.home / "events", seal, 4)),
        models=around_models(FileModels(settings.home / "models")),
        transport=around_transport(sender),
        clock=clock,
        keys=keys,
        heads=around_heads(FileHeads(settings.home / "ledger-heads.ndjson")),
        locks=locks,
        policy=policy,
        seal=seal,
        is_sandbox=settings.sandbox,
        who="tests",
    )
    if random_id is not None:
        object.__setattr__(core, "random_id", random_id)
    gate = Gate(core)
    return Opened(settings, core, gate, clock, App(settings, policy, gate, keys, clock, locks), records.close)


@cache
def a_shared_kit() -> Kit:
    """A kit for every home of this run: they share their keys. Posters are drawn once."""
    folder = Path(tempfile.mkdtemp(prefix="postreel-test-kit-"))
    shutil.copytree(_keys(), folder / "keys")
    return opened(checked_settings(home=folder, sandbox=True, **SANDBOX)).kit


def some_titles(count: int) -> list[Title]:
    """Films with a genre each."""
    genres = ("comedy", "drama", "horror", "romance")
    return [
        Title(
            f"film-{n}",
            f"The Film of Number {n}",
            year=1920 + n % 9,
            minutes=80.0 + n,
            genres=(genres[n % 4],),
        )
        for n in range(count)
    ]


def with_members(
    gate: Gate, count: int, purposes: Sequence[str], at: datetime, *, first: int = 0
) -> list[bytes]:
    """Register members `member-N@example.org` and simulate their grants. Their ids."""
    rows = [MemberRow(address=f"member-{n}@example.org") for n in range(first, first + count)]
    ids = [member for member in gate.register(rows).ids if member is not None]
    gate.simulate([Change(m, p, "granted", "simulation", "simulated", at) for m in ids for p in purposes])
    return ids
