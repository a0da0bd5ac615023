"""A withdrawal against a sender at work: once it is answered, no DATA begins for that member.

The sender is a process of its own with a real mail server before it; the server writes down when each DATA began,
by the clock that all processes of the machine share.
"""

import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP
from children import Nursery
from homes import (
    Opened,
    a_home,
    a_shared_kit,
    handing_to_a_server,
    opened_home,
    some_titles,
    with_members,
)
from pages import TestClient

from postreel.backends.local import SystemClock
from postreel.backends.transports import SmtpTransport
from postreel.compose import messages_of
from postreel.consent import Seal
from postreel.errors import TransientError
from postreel.flows.choose import personal_picks, popular
from postreel.flows.send import plan_campaign, report_of, send_campaign
from postreel.gate import Changed
from postreel.ports import Change, Clock
from postreel.purposes import SWITCHABLE, MailPicks
from postreel.schema import id_array, unique_ids
from postreel.settings import Settings
from postreel.tokens import TokenKind, sealed_token
from postreel.web.serve import make_asgi

CLOCK = SystemClock()
ANSWER_S = 1.5
"""An answer waits for at most 0.8 s and its own work; the rest is for a machine with much else to do."""


@dataclass
class Server:
    """Writes down when DATA began for each address; may be slow to answer RCPT."""

    begun: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    asked: dict[str, float] = field(default_factory=dict)
    slow_s: Callable[[str], float] = lambda address: 0.0
    port: int = 0
    peers: list[SMTP] = field(default_factory=list)

    async def handle_RCPT(self, server, session, envelope, address, rcpt_options):
        import asyncio

        self.asked.setdefault(address, time.monotonic())
        await asyncio.sleep(self.slow_s(address))
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        return "250 OK"


@contextmanager
def serving(server: Server) -> Iterator[Server]:
    class Noting(SMTP):
        async def smtp_DATA(self, arg):
            for address in self.envelope.rcpt_tos:
                server.begun[address].append(time.monotonic())
            await super().smtp_DATA(arg)

    class Listening(Controller):
        def factory(self):
            server.peers.append(Noting(self.handler))
            return server.peers[-1]

    controller = Listening(server, hostname="127.0.0.1", port=0)
    # Port 0 lets the system choose; the controller's own check of its port is told which one that was.
    controller.port = server.port = _free_port()
    controller.start()
    try:
        yield server
    finally:
        while TRANSPORTS:
            TRANSPORTS.pop().close()
        until = time.monotonic() + 3
        while any(peer.transport is not None for peer in server.peers) and time.monotonic() < until:
            time.sleep(0.005)  # a server stopped earlier leaves sockets open
        controller.stop()


def _free_port() -> int:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


def home_with_members(path: Path, count: int) -> tuple[Settings, dict[str, bytes]]:
    settings = a_home(path)
    home = opened_home(settings)
    home.gate.put_titles(some_titles(4))
    members = with_members(home.gate, count, ["mail.picks"], home.clock.now())
    home.close()
    return settings, {f"member-{n}@example.org": member for n, member in enumerate(members)}


TRANSPORTS: list[SmtpTransport] = []
"""Made by this test. Each keeps a connection, and has to leave before its server ends."""


def over(port: int) -> Callable[..., SmtpTransport]:
    def made(seal: Seal, clock: Clock) -> SmtpTransport:
        TRANSPORTS.append(SmtpTransport("127.0.0.1", port, seal, clock, tls="none"))
        return TRANSPORTS[-1]

    return made


def state_of(home: Opened, member: bytes) -> tuple[str, str | None]:
    with home.core.records.reading() as tx:
        rows = tx.outbox(member=member)
    assert len(rows) <= 1
    return (rows[0].state, rows[0].reason) if rows else ("not planned", None)


@dataclass(frozen=True)
class Answer:
    address: str
    asked_s: float
    answered_s: float
    changed: Changed


def withdrawals_during(
    home: Opened, members: dict[str, bytes], server: Server, is_over: Callable[[], bool], seed: int, most: int
) -> list[Answer]:
    """Members whose mail comes soon or is just being sent take `mail.picks` back, at random moments."""
    rng = np.random.default_rng(seed)
    queue = sorted(members, key=lambda address: members[address])
    answers: list[Answer] = []
    while not server.asked and not is_over():
        time.sleep(0.001)
    while not is_over() and len(answers) < most:
        time.sleep(float(rng.uniform(0, 0.05)))
        reached = max((queue.index(address) for address in list(server.asked)), default=-1)
        gone = {answer.address for answer in answers}
        ahead = [address for address in queue[max(reached, 0) : reached + 24] if address not in gone]
        if not ahead:
            continue
        address = ahead[int(len(ahead) * rng.uniform() ** 2)]
        asked_s = time.monotonic()
        changed = home.gate.rights(members[address]).refuse(["mail.picks"], "one-click")
        answers.append(Answer(address, asked_s, time.monotonic(), changed))
    return answers


def assert_they_held(answers: list[Answer], server: Server) -> None:
    for answer in answers:
        late = [at for at in server.begun[answer.address] if at > answer.answered_s]
        assert not late or answer.changed.begun, f"DATA began {late[0] - answer.answered_s:.3f} s after"
        assert answer.answered_s - answer.asked_s < ANSWER_S


@pytest.mark.parametrize(
    ("count", "seed"), [(160, 1), *(pytest.param(1_500, n, marks=pytest.mark.long) for n in range(2, 8))]
)
def test_no_data_begins_after_the_answer(tmp_path: Path, count: int, seed: int):
    settings, members = home_with_members(tmp_path / "home", count)
    server = Server(slow_s=lambda address: 0.01)
    with serving(server), Nursery(tmp_path / "children") as nursery:
        handing_to_a_server(settings, server.port)
        home = opened_home(settings)
        child = nursery.start("--home", str(settings.home), "campaign", "send", "picks", "--name", "c1")
        answers = withdrawals_during(home, members, server, lambda: not child.is_running(), seed, count // 8)
        assert child.wait() == 0, child.said
    assert len(answers) >= 10
    assert_they_held(answers, server)
    # Each of them either had begun, or was withheld; nobody else was forgotten.
    withdrawn = {answer.address for answer in answers}
    for answer in answers:
        state = state_of(home, members[answer.address])[0]
        assert state == ("accepted" if server.begun[answer.address] else state)
        assert state in ("accepted", "withheld", "not planned")
    assert any(not server.begun[address] for address in withdrawn)
    assert all(len(server.begun[address]) == 1 for address in members if address not in withdrawn)
    home.close()


def test_a_server_that_dawdles_before_data_gets_nothing_after_the_deadline(tmp_path: Path):
    settings, members = home_with_members(tmp_path / "home", 40)
    queue = sorted(members, key=lambda address: members[address])
    slow = queue[5]
    server = Server(slow_s=lambda address: 1.3 if address == slow else 0.0)
    with serving(server):
        home = opened_home(settings, transport=over(server.port))
        campaign, _ = plan_campaign(home.gate, "picks", "c1", CLOCK)
        sender = threading.Thread(target=send_campaign, args=(home.gate, campaign, a_shared_kit(), CLOCK))
        sender.start()
        while slow not in server.asked:
            time.sleep(0.002)
        second = opened_home(settings)
        # In flight at this moment, and its server thinks for longer than the deadline allows.
        assert state_of(second, members[slow])[0] == "in flight"
        asked_s = time.monotonic()
        changed = second.gate.rights(members[slow]).refuse(["mail.picks"], "one-click")
        answer = Answer(slow, asked_s, time.monotonic(), changed)
        sender.join()
    assert answer.answered_s - asked_s < ANSWER_S
    assert server.begun[slow] == []
    assert state_of(second, members[slow]) == ("withheld", "no live mail.picks")
    assert all(len(server.begun[address]) == 1 for address in members if address != slow)
    home.close()
    second.close()


def test_a_second_click_is_answered_no_sooner_than_the_first(tmp_path: Path):
    settings, members = home_with_members(tmp_path / "home", 1)
    (member,) = members.values()
    home = opened_home(settings)
    put_in_flight(home)
    clicks: list[Changed] = []

    def click() -> None:
        clicks.append(home.gate.rights(member).refuse(["mail.picks"], "one-click"))

    first = threading.Thread(target=click)
    first.start()
    while "mail.picks" in [k for k, g in home.gate.rights(member).grants().items() if g.state == "granted"]:
        time.sleep(0.002)
    home.gate.run_jobs()  # the job behind the first answer may be done before that answer
    asked_s = time.monotonic()
    click()
    assert time.monotonic() - asked_s > 0.5
    first.join()
    assert all([row.member for row in changed.begun] == [member] for changed in clicks)
    home.close()


def put_in_flight(home: Opened) -> list[bytes]:
    """All mails of a campaign put in flight by a sender that dies before it hands them over."""
    plan_campaign(home.gate, "picks", "c1", CLOCK)
    now = CLOCK.now()
    with home.gate.sending() as sender:
        claims = home.gate.claim("c1", sender, 16)
        members = unique_ids(id_array(row.member for row in claims))
        picks = personal_picks(home.gate, members, home.gate.members(members), now)
        briefing = home.gate.brief(MailPicks, claims, picks, popular(home.gate, now))
        mails = briefing.briefs.map(messages_of, a_shared_kit(), home.gate.catalogue(), now)
        posted = home.gate.post(mails, sender)
    assert len(posted.leaving) == len(claims)
    return [bytes(member) for member in members]


@pytest.mark.parametrize("is_smtp", [False, True], ids=["maildir", "smtp"])
def test_after_a_crash_in_flight_a_withdrawal_is_answered_and_holds(tmp_path: Path, is_smtp: bool):
    settings, members = home_with_members(tmp_path / "home", 12)
    server = Server()
    with serving(server):
        transport = over(server.port) if is_smtp else None
        dead = opened_home(settings, transport=transport)
        put_in_flight(dead)
        dead.close()
        home = opened_home(settings, transport=transport)
        gone = dict(list(members.items())[:4])
        asked_s = time.monotonic()
        changed = home.gate.rights(next(iter(gone.values()))).refuse(["mail.picks"], "one-click")
        assert time.monotonic() - asked_s < ANSWER_S
        # Nobody can know yet whether it had begun: so it is named.
        assert [row.member for row in changed.begun] == [next(iter(gone.values()))]
        for member in list(gone.values())[1:]:
            home.gate.rights(member).refuse(["mail.picks"], "one-click")
        campaign = next(c for c in home.gate.campaigns() if c.campaign == "c1")
        sent = send_campaign(home.gate, campaign, a_shared_kit(), CLOCK)
    if is_smtp:
        assert server.begun == {}
        assert sent.states == {"ambiguous": 12}
    else:
        assert sent.states == {"accepted": 8, "withheld": 4}
        assert len(list((settings.home / "outbox" / "new").iterdir())) == 8
        assert {state_of(home, member) for member in gone.values()} == {("withheld", "no live mail.picks")}
    home.close()


def test_a_pixel_that_was_taken_back_does_not_leave_after_the_answer(tmp_path: Path):
    settings, members = home_with_members(tmp_path / "home", 3)
    home = opened_home(settings)
    when = CLOCK.now()
    home.gate.simulate(
        [Change(m, "measure.opens", "granted", "simulation", "simulated", when) for m in members.values()]
    )
    put_in_flight(home)
    asked_s = time.monotonic()
    changed = home.gate.rights(next(iter(members.values()))).refuse(["measure.opens"], "preferences")
    assert 0.5 < time.monotonic() - asked_s < ANSWER_S
    assert len(changed.begun) == 1
    campaign = next(c for c in home.gate.campaigns() if c.campaign == "c1")
    assert send_campaign(home.gate, campaign, a_shared_kit(), CLOCK).states == {"accepted": 3}
    pages = [path.read_bytes() for path in (settings.home / "outbox" / "new").iterdir()]
    assert sum(b"/o/" in page.replace(b"=\r\n", b"") for page in pages) == 2
    home.close()


def test_a_campaign_recalled_in_flight_sends_nothing_that_came_back(tmp_path: Path):
    settings, _ = home_with_members(tmp_path / "home", 20)
    home = opened_home(settings)
    put_in_flight(home)
    home.gate.set_campaign("c1", "recalled")
    campaign = next(c for c in home.gate.campaigns() if c.campaign == "c1")
    sent = send_campaign(home.gate, campaign, a_shared_kit(), CLOCK)
    assert sent.states == {"withheld": 20}
    assert sent.withheld == {"recalled": 20}
    assert list((settings.home / "outbox" / "new").iterdir()) == []
    home.close()


def test_a_server_that_cannot_be_reached_leaves_nobody_in_doubt(tmp_path: Path):
    settings, _ = home_with_members(tmp_path / "home", 20)
    home = opened_home(settings, transport=over(_free_port()))
    campaign, _ = plan_campaign(home.gate, "picks", "c1", CLOCK)
    with pytest.raises(TransientError):
        send_campaign(home.gate, campaign, a_shared_kit(), CLOCK)
    # Nothing was put in flight: a withdrawal does not wait, and whoever sends next gives back what was claimed.
    assert report_of(home.gate, "c1").states == {"claimed": 20}
    home.close()
    with serving(Server()) as server:
        home = opened_home(settings, transport=over(server.port))
        assert send_campaign(home.gate, campaign, a_shared_kit(), CLOCK).states == {"accepted": 20}
        assert len(server.begun) == 20
    home.close()


def test_one_click_in_a_mail_holds_against_a_sender_at_work(tmp_path: Path):
    settings, members = home_with_members(tmp_path / "home", 64)
    queue = sorted(members, key=lambda address: members[address])
    server = Server(slow_s=lambda address: 0.01)
    with serving(server):
        home = opened_home(settings, transport=over(server.port))
        campaign, _ = plan_campaign(home.gate, "picks", "c1", CLOCK)
        web = opened_home(settings)
        # Without its lifespan: nothing but this request works on the home.
        client = TestClient(make_asgi(web.app), follow_redirects=False)
        sender = threading.Thread(target=send_campaign, args=(home.gate, campaign, a_shared_kit(), CLOCK))
        sender.start()
        answered: dict[str, tuple[float, str]] = {}
        place = SWITCHABLE.index(MailPicks)
        for address in queue[10:64:6]:
            key = web.app.keys.secret("tokens")
            token = sealed_token(key, TokenKind.UNSUBSCRIBE, members[address], place)
            answer = client.post(f"/unsubscribe/{token}", data={"List-Unsubscribe": "One-Click"})
            answered[address] = (time.monotonic(), answer.text)
            assert answer.status_code == 200
        sender.join()
    for address, (at_s, _page) in answered.items():
        assert "mail.picks" not in {
            key for key, row in web.gate.rights(members[address]).grants().items() if row.state == "granted"
        }
        begun = server.begun[address]
        assert all(at < at_s for at in begun)
        assert state_of(web, members[address])[0] == ("accepted" if begun else "withheld")
    assert any(not server.begun[address] for address in answered)
    assert all(len(server.begun[address]) == 1 for address in members if address not in answered)
    home.close()
    web.close()
