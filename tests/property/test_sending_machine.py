"""Any order of grants, withdrawals, viewing, sends, kills and jumps of the clock, on a real home.

Whatever happens, at the moment a mail appears in the maildir it is compared with a plain model of what each member
has said: no mail without a live `mail.picks`, none twice, nothing remote without `measure.opens`, no telling link
without `measure.clicks`, no reason that names what was not watched or was taken back, nothing of anybody's history
to a shared mailbox, and nothing handed over after a withdrawal was answered.

Kills fall at the border of any port's call, before and after it; at the same places another process may do
something, such as take a grant back, share a mailbox or change the catalogue.
"""

import shutil
import tempfile
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from homes import Opened, a_home, a_shared_kit, opened_home, some_titles
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test
from interrupted import (
    InterruptedClock,
    InterruptedPort,
    InterruptedRecords,
    InterruptedTransport,
    Interruption,
    JumpingClock,
    Killed,
)
from promises import PURPOSES, Person, Promises, Watched
from rooms_of_members import viewings

from postreel.catalogue import Title
from postreel.flows.refresh import refresh_habits
from postreel.flows.send import plan_campaign, send_campaign
from postreel.gate import Gate, Posted
from postreel.members import MemberRow
from postreel.ports import Campaign, Moved
from postreel.recommend import RecommendSettings
from postreel.settings import read_settings

EXAMPLES = 25
"""The least number of examples of an everyday run; the long one has twenty times as many, of more steps."""
START = datetime(2026, 3, 2, 12, tzinfo=UTC)
TITLE_COUNT = 8
MEMBER_COUNT = 4
WANTED = ("mail.picks", "history", "recommendations", "measure.opens", "measure.clicks", "training")
members = st.integers(0, MEMBER_COUNT - 1)
often_wanted = st.one_of(st.sampled_from(WANTED[:3]), st.sampled_from(WANTED), st.sampled_from(PURPOSES))
moments = st.one_of(st.none(), st.integers(1, 60), st.integers(1, 250))


@cache
def _empty_home() -> Path:
    path = Path(tempfile.mkdtemp(prefix="postreel-test-empty-")) / "home"
    home = opened_home(a_home(path), JumpingClock(START))
    home.gate.put_titles(some_titles(TITLE_COUNT))
    home.close()
    return path


class Sending(Promises, RuleBasedStateMachine):
    """One home, its members, and whatever can happen to them."""

    change_gate: Callable[[Gate], None] = staticmethod(lambda gate: None)

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="postreel-test-machine-"))
        shutil.copytree(_empty_home(), self.folder / "home")
        self.settings = read_settings(self.folder / "home")
        self.clock = JumpingClock(START)
        self.interruption = Interruption()
        self.promise_nothing_yet()
        self.id_count = 0
        self.other = opened_home(self.settings, self.clock, random_id=self.next_id)
        self.open()

    def open(self) -> None:
        """Open the home as a process that starts."""
        around = self.interruption
        self.home = opened_home(
            self.settings,
            InterruptedClock(self.clock, around),
            around_records=lambda it: InterruptedRecords(it, around),
            around_events=lambda it: InterruptedPort(it, around),  # type: ignore[arg-type,return-value]
            around_models=lambda it: InterruptedPort(it, around),  # type: ignore[arg-type,return-value]
            around_heads=lambda it: InterruptedPort(it, around),  # type: ignore[arg-type,return-value]
            around_transport=lambda it: Watched(InterruptedTransport(it, around), self),
            random_id=self.next_id,
        )
        self.change_gate(self.home.gate)

    def next_id(self) -> bytes:
        """Ids in no order, and the same in every run: so that Hypothesis finds a fault again."""
        self.id_count += 1
        return sha256(self.id_count.to_bytes(8, "big")).digest()[:15] + b"\x01"

    def teardown(self) -> None:
        """Let everything end, look at everything once more, and throw the home away."""
        try:
            if self.people:
                self.end()
        finally:
            self.home.close()
            self.other.close()
            shutil.rmtree(self.folder, ignore_errors=True)

    def end(self) -> None:
        """Nobody is forgotten: every planned mail ends, every job is done, the ledger is whole."""
        self.interruption.arm(None)
        self.clock.jump(24 * 30)
        self.home.gate.run_jobs()
        for campaign in self.home.gate.campaigns():
            if campaign.state == "planning":
                plan_campaign(self.home.gate, "picks", campaign.campaign, self.clock)
            self.carry_on(campaign)
        states = {row.state for row in self.home.gate.sends()}
        assert states <= {"accepted", "withheld"}, states
        self.look_around()
        finding = self.home.gate.verify_ledger()
        assert finding.is_ok, finding.why
        for person in self.people:
            if person.is_erased or person.is_leaving:
                assert self.home.gate.verify_erased(person.member.hex()) == []

    def carry_on(self, campaign: Campaign) -> None:
        """Send what is due of a campaign."""
        kit = a_shared_kit()
        send_campaign(self.home.gate, campaign, kit, self.clock)

    # -- how things are done: to the end, killed, or with something in between

    def do(
        self, work: Callable[[], Any], at: int | None = None, between: Callable[[], None] | None = None
    ) -> bool:
        """Whether it went to its end. Otherwise the process died, and another one has opened the home."""
        if between is None:
            self.interruption.arm(at)
        else:
            self.interruption.arm(at, between)
        try:
            work()
        except Killed:
            self.home.close()
            self.interruption.arm(None)
            self.open()
            return False
        finally:
            self.interruption.arm(None)
        return True

    def person(self, number: int) -> Person | None:
        """One of those who are here."""
        here = [person for person in self.people if not (person.is_erased or person.is_leaving)]
        return here[number % len(here)] if here else None

    def recall(self, person: Person) -> None:
        """A change was not answered: it holds wholly or not at all, and the member looks which."""
        with self.other.core.records.reading() as tx:
            if not tx.members([person.member]):
                person.is_erased, person.states, person.watched = True, {}, set()
                return
            states = {row.purpose: row.state for row in tx.grants_of([person.member])}
        self.note(person, states)

    def note(self, person: Person, states: dict[str, str]) -> None:
        """What they said, now that it was answered."""
        had = person.has("history")
        person.states = states
        if had and not person.has("history"):
            person.watched = set()

    # -- what happens

    @initialize(kinds=st.lists(st.integers(0, 3), min_size=2, max_size=MEMBER_COUNT))
    def people_come(self, kinds: list[int]) -> None:
        """Some who want all of it, some only the mail, some nothing yet."""
        for number, kind in enumerate(kinds):
            self.join(f"m{number}", f"m{number}@example.org")
            self.say(self.people[-1], [WANTED, WANTED, WANTED[:3], ("mail.picks",)][kind], True, None)
            self.view(self.people[-1], [number, number + 1, number + 2], 3)
        refresh_habits(self.home.gate)

    def join(self, alias: str, address: str, gate: Gate | None = None) -> None:
        """Somebody is registered."""
        (member,) = (gate or self.home.gate).register([MemberRow(alias=alias, address=address)]).ids
        if member is not None and all(person.member != member for person in self.people):
            self.people.append(Person(member, address))

    def say(
        self, person: Person, purposes: Sequence[str], is_yes: bool, at: int | None, *, ends: bool = True
    ) -> None:
        """Yes or no to some purposes, answered or not."""

        def work() -> None:
            rights = self.home.gate.rights(person.member)
            if is_yes:
                rights.grant(purposes, "test", "said so")
            else:
                changed = rights.refuse(purposes, "test")
                answered.append(True)
                self.hears(person, purposes, changed)
                if ends:
                    rights.finish()

        answered: list[bool] = []
        if not self.do(work, at) and not answered:
            self.recall(person)
        elif is_yes:
            self.note(person, {**person.states, **dict.fromkeys(purposes, "granted")})

    def hears(self, person: Person, purposes: Sequence[str], changed: Any) -> None:
        """A no was answered: from this moment it holds."""
        no = {
            p: "withdrawn" if person.states.get(p) in ("granted", "withdrawn") else "refused"
            for p in purposes
        }
        self.note(person, {**person.states, **no})
        self.named |= {row.message_id for row in changed.begun}

    @rule(who=members, purposes=st.sets(often_wanted, min_size=1, max_size=3), at=moments)
    def yes(self, who: int, purposes: set[str], at: int | None) -> None:
        """A member agrees."""
        if person := self.person(who):
            self.say(person, sorted(purposes), True, at)

    @rule(who=members, purposes=st.sets(often_wanted, min_size=1, max_size=3), at=moments, ends=st.booleans())
    def no(self, who: int, purposes: set[str], at: int | None, ends: bool) -> None:
        """A member takes back; the job behind the answer may wait."""
        if person := self.person(who):
            self.say(person, sorted(purposes), False, at, ends=ends)

    @rule(number=st.integers(0, 3), shares=st.booleans())
    def somebody_comes(self, number: int, shares: bool) -> None:
        """A new member, perhaps with the mailbox of another."""
        person = self.person(number)
        if len(self.people) < MEMBER_COUNT + 2 and person:
            name = f"late{len(self.people)}"
            self.join(name, person.address if shares else f"{name}@example.org")
            self.say(self.people[-1], ["mail.picks", "history", "recommendations"], True, None)

    @rule(who=members, titles=st.lists(st.integers(0, TITLE_COUNT - 1), min_size=1, max_size=4), at=moments)
    def watches(self, who: int, titles: list[int], at: int | None) -> None:
        """A member watches; the events come in, and become tastes."""
        if person := self.person(who):
            self.view(person, titles, 1, at)

    def view(self, person: Person, titles: list[int], hours_ago: float, at: int | None = None) -> None:
        """Viewings, of which the gate keeps what is covered."""
        when = self.clock.now() - timedelta(hours=hours_ago)
        if person.has("history"):
            person.watched |= {f"film-{n}" for n in titles}

        def work() -> None:
            rows = viewings(person.member, titles, when, salt=lambda n: self.next_id())
            self.home.gate.store(self.home.gate.admit(rows, is_own=True))
            refresh_habits(self.home.gate)

        self.do(work, at)

    @rule(at=moments)
    def train(self, at: int | None) -> None:
        """The model is trained."""
        self.clock.sleep(1.0)
        self.do(lambda: self.home.gate.learn(RecommendSettings(pair_floor=1)), at)

    @rule(at=moments)
    def jobs(self, at: int | None) -> None:
        """What withdrawals and erasures left to do is done."""
        self.do(lambda: self.home.gate.run_jobs(), at)
        for person in self.people:
            if person.is_leaving:
                self.recall(person)

    @rule(hours=st.integers(-30, 60))
    def the_clock_jumps(self, hours: int) -> None:
        """Somebody sets the clock."""
        self.clock.jump(hours)

    @rule(number=st.integers(0, TITLE_COUNT - 1), year=st.integers(1900, 2000))
    def a_title_changes(self, number: int, year: int) -> None:
        """The catalogue moves."""
        self.new_title(self.home, number, year)

    def new_title(self, home: Opened, number: int, year: int) -> None:
        """One title told anew."""
        home.gate.put_titles(
            [Title(f"film-{number}", f"The Film of Number {number}", year=year, genres=("drama",))]
        )

    @rule(who=members)
    def an_address_bounces(self, who: int) -> None:
        """An address is not to be mailed any more."""
        if person := self.person(who):
            self.block(person)

    def block(self, person: Person) -> None:
        """Suppress an address."""
        core = self.other.core
        with core.records.writing() as tx:
            tx.suppress(core.address_key(person.address), "bounced", core.now())
        self.blocked.add(person.address)
        self.let_go()

    @rule(who=members, at=moments)
    def is_erased(self, who: int, at: int | None) -> None:
        """A member asks for everything to go."""
        person = self.person(who)
        if person and sum(not p.is_erased for p in self.people) > 1:
            person.is_leaving = True
            if self.do(lambda: self.home.gate.rights(person.member).erase(), at):
                person.is_erased, person.states, person.watched = True, {}, set()
                assert self.home.gate.verify_erased(person.member.hex()) == []
            else:
                self.recall(person)
                with self.other.core.records.reading() as tx:
                    # Killed before the job was on disk, nothing was begun, and nothing was answered.
                    begun = any(job.kind == "erasure" for job in tx.jobs_of(person.member))
                person.is_leaving = begun or person.is_erased

    @rule(number=st.integers(0, 2), at=moments)
    def plan(self, number: int, at: int | None) -> None:
        """A campaign is planned."""
        name = f"c{number}"
        if all(
            campaign.campaign != name or campaign.state == "planning"
            for campaign in self.home.gate.campaigns()
        ):
            self.do(lambda: plan_campaign(self.home.gate, "picks", name, self.home.clock), at)

    @rule(number=st.integers(0, 2), at=st.one_of(st.integers(1, 60), st.integers(1, 250)))
    def send_and_die(self, number: int, at: int) -> None:
        """A campaign is sent by a process that dies."""
        campaign = self.sendable(number)
        self.do(lambda: self.carry_on(campaign), at)
        self.look_around()

    @rule(
        number=st.integers(0, 2),
        at=st.one_of(st.none(), st.integers(1, 60), st.integers(1, 250)),
        what=st.sampled_from(("no", "no", "no", "share", "title", "block", "erase", "recall", "yes again")),
        who=members,
        purpose=often_wanted,
    )
    def send(self, number: int, at: int | None, what: str, who: int, purpose: str) -> None:
        """A campaign is sent, while another process does something."""
        person = self.person(who)
        campaign = self.sendable(number)
        self.do(lambda: self.carry_on(campaign), at, lambda: self.meanwhile(what, person, purpose, campaign))
        self.look_around()

    def sendable(self, number: int) -> Campaign:
        """The campaign of this number, planned now where it is not there yet."""
        name = f"c{number}"
        found = [campaign for campaign in self.home.gate.campaigns() if campaign.campaign == name]
        if not found or found[0].state == "planning":
            return plan_campaign(self.home.gate, "picks", name, self.home.clock)[0]
        return found[0]

    def meanwhile(self, what: str, person: Person | None, purpose: str, campaign: Campaign) -> None:
        """What another process does in the middle of a send."""
        if person is None or person.is_erased:
            return
        gate = self.other.gate
        match what:
            case "no":
                self.hears(person, [purpose], gate.rights(person.member).refuse([purpose], "another process"))
            case "yes again":
                self.hears(person, [purpose], gate.rights(person.member).refuse([purpose], "another process"))
                gate.rights(person.member).finish()
                gate.rights(person.member).grant([purpose], "another process", "said so")
                self.note(person, {**person.states, purpose: "granted"})
            case "share" if len(self.people) < MEMBER_COUNT + 3:
                self.join(f"guest{len(self.people)}", person.address, gate)
                self.let_go()
            case "title":
                self.new_title(self.other, 1, 1950 + self.interruption.count % 40)
            case "block":
                self.block(person)
            case "erase" if sum(not p.is_erased for p in self.people) > 1:
                gate.rights(person.member).erase()
                person.is_erased, person.states, person.watched = True, {}, set()
            case "recall":
                gate.set_campaign(campaign.campaign, "recalled")
            case _:
                pass


def run(machine: type[Sending], examples: int, steps: int, *, is_shrinking: bool = True) -> None:
    """Run a machine so many times; a fault that is wanted need not be made small."""
    phases = [*Phase] if is_shrinking else [Phase.generate]
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            print_blob=False,
            phases=phases,
            report_multiple_bugs=False,
        ),
    )


def test_whatever_happens_each_mail_is_one_that_its_member_agreed_to():
    run(Sending, EXAMPLES, 20)


@pytest.mark.long
def test_whatever_happens_for_longer():
    run(Sending, 8 * EXAMPLES, 40)


def _sends_without_looking_again(gate: Gate) -> None:
    """The planted fault: `post` puts in flight whatever was composed."""
    core = gate.rights(b"").core

    def post(mails: Any, sender: str) -> Posted:
        rows = mails.unseal(core.seal)
        with core.records.writing() as tx:
            tx.move(
                [
                    Moved(
                        row["send_id"],
                        "in flight",
                        sender=sender,
                        message_id=row["message_id"],
                        used=row["used"],
                        record=row["record"],
                    )
                    for row in rows.table.drop_columns(["raw"]).to_pylist()
                ],
                core.now(),
            )
        return Posted(mails, core.clock.monotonic_s() + 0.8, 0, {})

    gate.post = post  # type: ignore[method-assign]


class SendingBlindly(Sending):
    """The same home with a fault planted in its gate."""

    change_gate = staticmethod(_sends_without_looking_again)


def test_the_machine_catches_a_gate_that_does_not_look_again():
    with pytest.raises(BaseException) as caught:  # noqa: PT011 - an assertion, or a group of several
        run(SendingBlindly, 40, 20, is_shrinking=False)
    found = caught.value
    faults = found.exceptions if isinstance(found, BaseExceptionGroup) else [found]
    assert any(isinstance(fault, AssertionError) for fault in faults)
