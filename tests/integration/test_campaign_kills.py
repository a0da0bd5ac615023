"""A campaign whose sending process is killed again and again: nobody twice, nobody forgotten.

The process is the real command, `postreel campaign send`, killed with SIGKILL. The moments are drawn from a seed,
but tied to what the process has got to (planning, claiming and composing, handing over, settling), so that they
fall inside the work and not all into starting Python.
"""

import asyncio
import json
import signal
import socket
import sqlite3
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from email import message_from_bytes
from pathlib import Path

import numpy as np
import pytest
from aiosmtpd.controller import Controller
from children import Child, Nursery
from homes import a_home, handing_to_a_server, opened_home, some_titles, with_members

from postreel.settings import Settings

GROUP = 16


def a_home_with_members(path: Path, count: int) -> Settings:
    settings = a_home(path)
    home = opened_home(settings)
    home.gate.put_titles(some_titles(4))
    with_members(home.gate, count, ["mail.picks"], home.clock.now())
    home.close()
    return settings


def sending(nursery: Nursery, settings: Settings) -> Child:
    words = ("--home", str(settings.home), "--json", "campaign", "send", "picks", "--name", "c1")
    return nursery.start(*words)


class Outbox:
    """What the parent reads of the outbox while the child writes."""

    def __init__(self, home: Path) -> None:
        self.db = sqlite3.connect(f"file:{home / 'postreel.db'}?mode=ro", uri=True, isolation_level=None)

    def states(self) -> Counter[str]:
        return Counter(dict(self.db.execute("select state, count(*) from outbox group by state")))

    def senders(self) -> set[str]:
        found = self.db.execute("select distinct sender from outbox where sender is not null")
        return {row[0] for row in found}

    def attempts(self) -> int:
        return int(self.db.execute("select coalesce(sum(attempts), 0) from outbox").fetchone()[0])


def wait_until(is_there: Callable[[], bool], child: Child) -> None:
    while not is_there() and child.is_running():
        time.sleep(0.001)


def killed_again_and_again(
    settings: Settings, done_count: Callable[[], int], count: int, kill_count: int, seed: int
) -> Iterator[Counter[str]]:
    """Start the command and kill it at a random moment of its work, again and again; then let it end.

    Gives the states of the outbox after each kill, and at the end.
    """
    rng = np.random.default_rng(seed)
    outbox = Outbox(settings.home)
    with closing(outbox.db), Nursery(settings.home.parent / "children") as nursery:
        targets = np.sort(rng.integers(0, count - 2 * GROUP, kill_count))
        for number, target in enumerate(targets.tolist()):
            wait_for_work(outbox, sending(nursery, settings), done_count, count, number, target, rng)
            yield outbox.states()
        child = sending(nursery, settings)
        assert child.wait() == 0, child.said
        assert json.loads(child.out)["campaign"] == "c1"
        yield outbox.states()


def wait_for_work(
    outbox: Outbox,
    child: Child,
    done_count: Callable[[], int],
    count: int,
    number: int,
    target: int,
    rng: np.random.Generator,
) -> None:
    """Wait until the child is at this kind of work, and a random while longer; then kill it."""
    senders, attempts = outbox.senders(), outbox.attempts()
    planned_count, at_least = sum(outbox.states().values()), max(target, done_count() + 1)
    if number < 2 and planned_count < count:  # while it plans
        wait_until(lambda: sum(outbox.states().values()) > planned_count, child)
        pause_s = 0.0
    elif number % 4 == 1:  # claims and composes
        wait_until(lambda: bool(outbox.senders() - senders), child)
        pause_s = rng.uniform(0, 0.05)
    elif number % 4 == 2:  # looks again, and puts in flight
        wait_until(lambda: outbox.attempts() > attempts, child)
        pause_s = rng.uniform(0, 0.02)
    else:  # hands over, and settles
        wait_until(lambda: done_count() >= at_least, child)
        pause_s = rng.uniform(0, 0.03)
    time.sleep(float(pause_s))
    assert child.kill() in (-signal.SIGKILL, 0), child.said


def to_addresses(box: Path) -> Counter[str]:
    mails = [message_from_bytes(p.read_bytes()) for part in ("new", "cur") for p in (box / part).iterdir()]
    assert len({mail["Message-ID"] for mail in mails}) == len(mails)
    return Counter(mail["To"] for mail in mails)


@pytest.mark.parametrize(
    ("count", "kill_count", "seed"),
    [
        # Fewer members than the long version, so that it is quick; a kill every twenty mails still lands inside.
        pytest.param(400, 20, 1, id="20 kills"),
        pytest.param(2_000, 200, 2, id="200 kills", marks=pytest.mark.long),
    ],
)
def test_a_campaign_killed_at_any_moment_reaches_everybody_once(
    tmp_path: Path, count: int, kill_count: int, seed: int
):
    settings = a_home_with_members(tmp_path / "home", count)
    box = settings.home / "outbox"
    seen = list(
        killed_again_and_again(settings, lambda: len(list((box / "new").iterdir())), count, kill_count, seed)
    )
    *killed, last = seen
    assert last == {"accepted": count}
    assert to_addresses(box) == Counter(f"member-{n}@example.org" for n in range(count))
    assert list((box / "tmp").iterdir()) == []
    # The kills landed where they were meant to: with mails planned in part, claimed, and in flight.
    assert any(0 < sum(states.values()) < count for states in killed)
    assert any(states["claimed"] for states in killed)
    assert any(states["in flight"] for states in killed)
    assert all(states["in flight"] <= GROUP and not states["ambiguous"] for states in killed)


def test_the_same_command_after_a_kill_carries_on_without_being_told_which(tmp_path: Path):
    count = 120
    settings = a_home_with_members(tmp_path / "home", count)
    box = settings.home / "outbox"
    words = ("--home", str(settings.home), "--json", "campaign", "send", "picks")
    with Nursery(tmp_path / "children") as nursery:
        child = nursery.start(*words)
        wait_until(lambda: box.exists() and len(list((box / "new").iterdir())) > 20, child)
        assert child.kill() == -signal.SIGKILL
        again = nursery.start(*words)
        assert again.wait() == 0, again.said
        answer = json.loads(again.out)
    assert answer["accepted"] == answer["planned"] == count
    assert to_addresses(box) == Counter(f"member-{n}@example.org" for n in range(count))


class Server:
    """A mail server that counts each DATA by its Message-ID, and dawdles so that kills fall into it."""

    def __init__(self) -> None:
        self.got: Counter[str] = Counter()
        self.begun: Counter[str] = Counter()

    async def handle_RCPT(self, server, session, envelope, address, rcpt_options):
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        mail = message_from_bytes(envelope.original_content)
        self.begun[mail["To"]] += 1
        await asyncio.sleep(0.003)
        self.got[mail["Message-ID"]] += 1
        return "250 OK"


@pytest.mark.parametrize(
    ("count", "kill_count", "seed"),
    [
        pytest.param(250, 8, 3, id="8 kills"),
        pytest.param(2_000, 100, 4, id="100 kills", marks=pytest.mark.long),
    ],
)
def test_over_smtp_nobody_gets_a_mail_twice_and_the_unknown_are_listed(
    tmp_path: Path, count: int, kill_count: int, seed: int
):
    settings = a_home_with_members(tmp_path / "home", count)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    server = Server()
    controller = Controller(server, hostname="127.0.0.1", port=port)
    controller.start()
    try:
        settings = handing_to_a_server(settings, port)
        *killed, last = killed_again_and_again(
            settings, lambda: sum(server.got.values()), count, kill_count, seed
        )
    finally:
        controller.stop()
    assert set(server.got.values()) == {1}
    assert set(server.begun.values()) == {1}
    assert set(last) <= {"accepted", "ambiguous"}
    assert sum(last.values()) == count
    # Exactly those that were in flight at a kill are in doubt; everybody else got theirs.
    assert last["ambiguous"] == sum(states["in flight"] for states in killed)
    assert all(states["in flight"] <= GROUP for states in killed)
    assert any(states["in flight"] for states in killed)
    home = opened_home(handing_to_a_server(settings, port))
    doubtful = [row for row in home.gate.sends("c1") if row.state == "ambiguous"]
    home.close()
    assert len(doubtful) == last["ambiguous"]
    assert all(row.reason for row in doubtful)
    assert last["accepted"] <= len(server.got) <= count
