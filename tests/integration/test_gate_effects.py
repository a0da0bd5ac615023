"""What a withdrawal and an erasure take away, by purpose; and a kill between any two steps changes nothing."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from homes import a_shared_kit, opened_home
from rooms_of_members import ALL_BUT_DEVICES, LONG_AGO, House, SetClock, a_house

from postreel.errors import InputError
from postreel.flows.choose import personal_picks, popular
from postreel.flows.send import plan_campaign, send_campaign
from postreel.gate.roster import Roster, readers
from postreel.members import MemberRow
from postreel.purposes import History, Recommendations, Rights
from postreel.recommend import Counts, Model
from postreel.schema import Plays, Sessions, Tastes, id_array
from postreel.settings import read_settings

DAY = timedelta(days=1)


@pytest.fixture
def house(tmp_path: Path) -> House:
    return a_house(tmp_path)


def a_trained(house: House, count: int = 6) -> list[bytes]:
    """Members who share tastes, and a model of them."""
    members = [house.member(f"m{n}", *ALL_BUT_DEVICES) for n in range(count)]
    for n, member in enumerate(members):
        house.offer(member, [(n + k) % 12 for k in range(6)])
    house.train()
    return members


def counts_digest(house: House) -> str:
    name = house.core.models.current()
    assert name is not None
    return Counts.from_parts(*readers(house.core, name)).digest()


def has_picks(house: House, member: bytes) -> bool:
    facts = house.gate.members(id_array([member]))
    picks = personal_picks(house.gate, id_array([member]), facts, house.clock.now())
    return len(picks) > 0


def test_without_history_nothing_of_it_is_left_in_spool_and_files(house: House):
    ann, bob = house.member("ann", "history"), house.member("bob", "history")
    for who in (ann, bob):
        house.watch(who, [1, 2])
        house.offer(who, [5])  # still in the spool
    house.withdraw(ann, "history")
    house.gate.run_jobs()
    folder = house.opened.settings.home / "events"
    held = b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())
    assert ann not in held
    assert ann.hex().encode() not in held
    house.gate.compact()
    for table in (Plays, Sessions, Tastes):
        rows = house.gate.rights(ann).shown(house.gate.read(table, id_array([ann, bob]), Rights))
        assert set(rows.members.tolist()) == {bob}


def test_without_devices_the_identifiers_are_cut_and_the_sittings_stay(house: House):
    ann = house.member("ann", "history", "devices")
    house.watch(ann, [1, 2], device_id="tv-7", device_type="tv")
    house.withdraw(ann, "devices")
    house.gate.run_jobs()
    rows = house.gate.rights(ann).shown(house.gate.read(Plays, id_array([ann]), History)).table
    assert rows.column("device_id").to_pylist() == [None, None]
    assert rows.column("device_type").to_pylist() == ["tv", "tv"]


def test_without_recommendations_there_are_popular_titles_only(house: House):
    ann = a_trained(house)[0]
    assert has_picks(house, ann)
    house.withdraw(ann, "recommendations")
    assert not has_picks(house, ann)
    assert len(popular(house.gate, house.clock.now())) == 1
    assert house.gate.stored_count()["plays"] > 0


def test_without_training_the_model_is_as_though_the_member_had_never_been_in_it(house: House):
    members = a_trained(house)
    before = counts_digest(house)
    house.withdraw(members[0], "training")
    served = house.gate.model()
    assert served.is_solved
    assert served.member_count == len(members) - 1
    assert house.gate.is_pending(members[0])
    house.clock.go(5)
    assert house.gate.run_jobs() == 1
    taken_out = counts_digest(house)
    assert house.gate.model().name != served.name
    assert not house.gate.is_pending(members[0])
    house.train()
    assert counts_digest(house) == taken_out != before


def test_a_removal_in_the_second_of_the_training_is_published_too(house: House):
    one, two = house.member("one", *ALL_BUT_DEVICES), house.member("two", *ALL_BUT_DEVICES)
    house.offer(one, [1, 2])
    house.offer(two, [])
    house.train()
    house.withdraw(one, "training")
    assert house.gate.run_jobs() == 1
    assert house.gate.model().member_count == 0


def test_a_grant_of_training_after_a_withdrawal_counts_from_the_next_training_on(house: House):
    members = a_trained(house)
    house.withdraw(members[0], "training")
    house.grant(members[0], "training")
    assert not house.gate.is_pending(members[0])
    assert house.gate.model().member_count == len(members) - 1
    house.clock.go(5)
    assert house.train().members == len(members)


class Act:
    """A port of which some calls first do something that a test asks for, once."""

    def __init__(self, held: Any, acts: dict[str, Callable[[], None]], *, after: bool = False) -> None:
        self._held, self._acts, self._is_after = held, acts, after

    def __getattr__(self, name: str) -> Any:
        real = getattr(self._held, name)
        if name not in self._acts:
            return real

        def call(*args: Any, **named: Any) -> Any:
            act = self._acts.pop(name, None)
            if act and not self._is_after:
                act()
            found = real(*args, **named)
            if act and self._is_after:
                act()
            return found

        return call


@pytest.mark.parametrize("is_after", [False, True])
def test_a_withdrawal_while_a_model_is_made_holds_from_its_first_use(tmp_path: Path, is_after: bool):
    acts: dict[str, Callable[[], None]] = {}
    house = a_house(tmp_path, around_models=lambda held: Act(held, acts, after=is_after))
    members = a_trained(house)
    other = house.again()
    seen: list[int] = []

    def withdraw() -> None:
        other.withdraw(members[0], "training")
        seen.append(other.gate.model().member_count)

    house.clock.go(5)
    house.watch(members[1], [30])
    acts["publish"] = withdraw
    house.train()
    assert other.gate.model().member_count == len(members) - 1
    assert seen == [len(members) - 1]


def test_a_withdrawal_while_the_first_model_is_made_holds_from_the_moment_it_is_published(tmp_path: Path):
    acts: dict[str, Callable[[], None]] = {}
    house = a_house(tmp_path, around_models=lambda held: Act(held, acts))
    other = house.again()
    members = [house.member(f"m{n}", *ALL_BUT_DEVICES) for n in range(4)]
    for member in members:
        house.offer(member, [1, 2, 3])
    seen: list[int] = []
    acts["publish"] = lambda: other.withdraw(members[0], "training")
    # Tidied away right after the publishing, before the trainer looks who has gone meanwhile.
    acts["prune"] = lambda: seen.append(other.gate.model().member_count)
    house.train()
    assert seen == [3]
    assert other.gate.model().member_count == 3


def test_a_removal_journalled_while_another_is_solved_is_not_lost(tmp_path: Path):
    acts: dict[str, Callable[[], None]] = {}
    house = a_house(tmp_path, around_models=lambda held: Act(held, acts))
    members = a_trained(house)
    other = house.again()
    house.withdraw(members[0], "training")
    acts["trim_journal"] = lambda: other.withdraw(members[1], "training")
    house.clock.go(5)
    house.gate.rights(members[0]).finish()
    assert other.gate.is_pending(members[1])
    assert other.gate.model().member_count == len(members) - 2


def test_a_served_model_is_looked_at_again_when_the_journal_changes_but_not_its_length(house: House):
    members = a_trained(house)
    late = house.member("late", *ALL_BUT_DEVICES)
    house.withdraw(late, "training")
    assert house.gate.model().member_count == len(members)
    house.gate.run_jobs()
    house.withdraw(members[0], "training")
    assert house.gate.model().member_count == len(members) - 1


def test_until_the_next_solve_a_corrected_model_serves_what_that_will(house: House):
    members = [house.member(f"m{n}", *ALL_BUT_DEVICES) for n in range(14)]
    for n, member in enumerate(members):
        house.watch(member, [k for k in range(8) if (n + k) % 5])
    house.train()
    before = house.gate.model()
    assert before.matrix.nnz
    house.withdraw(members[0], "training")
    house.withdraw(members[7], "training")
    served = house.gate.model()
    assert served.is_solved
    facts = house.gate.members(id_array(members[1:2]))
    picks = personal_picks(house.gate, id_array(members[1:2]), facts, house.clock.now())
    assert len(picks) == 1
    matrix = served.matrix.whole
    house.clock.go(5)
    house.gate.run_jobs()
    solved = house.gate.model()
    assert served.member_count == solved.member_count == before.member_count - 2
    assert abs(matrix - solved.matrix).max() <= 1e-12
    assert abs(before.matrix - solved.matrix).max() > 1e-4


def test_a_member_who_withdrew_is_proved_to_be_out_of_the_model_by_a_rebuild(house: House):
    members = a_trained(house)
    one = members[0].hex()
    there = house.gate.verify_forgotten(one)
    assert (there.ok, there.on_roster, there.pending) == (False, True, False)
    assert there.counts_sha256 == there.rebuilt_sha256
    house.withdraw(members[0], "training")
    waiting = house.gate.verify_forgotten(one)
    assert (waiting.ok, waiting.on_roster, waiting.pending) == (False, True, True)
    house.clock.go(5)
    house.gate.run_jobs()
    done = house.gate.verify_forgotten(one)
    assert (done.ok, done.on_roster, done.pending, done.source) == (True, False, False, "sessions")
    assert done.counts_sha256 == done.rebuilt_sha256 == counts_digest(house) != there.counts_sha256
    # Who only just began to grant is not in the model, and takes nothing from the proof.
    late = house.member("late", *ALL_BUT_DEVICES)
    house.watch(late, [1, 2])
    assert house.gate.verify_forgotten(one).source == "sessions"
    assert house.gate.verify_forgotten(late.hex()).ok


def test_where_tastes_have_moved_the_roster_proves_what_the_model_is_made_of(house: House):
    members = a_trained(house)
    house.withdraw(members[0], "training")
    house.gate.run_jobs()
    house.watch(members[1], [9, 10, 11])
    moved = house.gate.verify_forgotten(members[0].hex())
    assert (moved.ok, moved.source) == (True, "roster")
    assert moved.counts_sha256 == moved.rebuilt_sha256


def test_a_model_whose_counts_hold_more_than_its_roster_does_not_pass(house: House):
    members = a_trained(house)
    core, name = house.core, house.core.models.current()
    assert name is not None
    key = core.member_key(members[0]).hex()
    arrays, texts = Model.from_parts(*readers(core, name)).to_parts()
    more_arrays, more_texts = Counts.from_parts(*readers(core, name)).to_parts()
    texts |= more_texts | {"ledger_position": core.models.text(name, "ledger_position")}
    roster = Roster.of(core, name).without({key})
    core.models.publish("forged", {**arrays, **more_arrays, **roster.arrays()}, texts)
    found = house.gate.verify_forgotten(members[0].hex())
    assert (found.ok, found.on_roster) == (False, False)
    assert found.counts_sha256 != found.rebuilt_sha256


def test_who_was_erased_is_proved_to_be_forgotten_and_who_never_was_is_nobody(house: House):
    assert house.gate.verify_forgotten(house.member("early", *ALL_BUT_DEVICES).hex()).source == "nothing"
    members = a_trained(house)
    house.gate.rights(members[0]).erase()
    found = house.gate.verify_forgotten(members[0].hex())
    assert (found.ok, found.on_roster) == (True, False)
    with pytest.raises(InputError, match="names 0 members"):
        house.gate.verify_forgotten("nobody@example.org")


def a_mail(house: House, member: bytes, name: str = "c1") -> bytes:
    """Send picks to whoever grants them; the id of this member's mail."""
    campaign, _ = plan_campaign(house.gate, "picks", name, house.clock)
    sent = send_campaign(house.gate, campaign, a_shared_kit(), house.clock)
    assert sent.states["accepted"] > 0
    return next(row.send_id for row in house.gate.sends(name) if row.member == member)


def test_without_measurement_records_go_and_old_pixels_stay_dead_under_a_later_grant(house: House):
    ann = house.member("ann", *ALL_BUT_DEVICES, "measure.opens", "measure.clicks")
    house.watch(ann, [1, 2])
    mail = a_mail(house, ann)
    assert house.gate.note_signal(mail, "open")
    assert house.gate.note_signal(mail, "click", 2)
    house.withdraw(ann, "measure.opens")
    assert not house.gate.note_signal(mail, "open")
    house.gate.run_jobs()
    assert {kind for _, kind, _, _ in house.gate.rights(ann).engagement()} == {"click"}
    house.grant(ann, "measure.opens")
    assert not house.gate.note_signal(mail, "open")
    assert house.gate.note_signal(mail, "click", 2)
    house.clock.go(60)
    assert house.gate.note_signal(a_mail(house, ann, "c2"), "open")


def test_a_signal_of_a_mail_that_asked_for_none_is_not_counted(house: House):
    ann = house.member("ann", *ALL_BUT_DEVICES)
    house.watch(ann, [1, 2])
    mail = a_mail(house, ann)
    house.grant(ann, "measure.opens")
    assert not house.gate.note_signal(mail, "open")
    assert not house.gate.note_signal(b"\x05" * 16, "open")


def test_queued_mail_is_withheld_in_the_withdrawals_own_transaction(house: House):
    ann = house.member("ann", *ALL_BUT_DEVICES)
    house.watch(ann, [1])
    plan_campaign(house.gate, "picks", "c1", house.clock)
    changed = house.withdraw(ann, "mail.picks")
    assert changed.withheld == 1
    assert [(row.state, row.reason) for row in house.gate.sends("c1")] == [("withheld", "withdrawn")]


def test_what_came_under_an_earlier_grant_does_not_come_back_with_a_later_one(house: House):
    ann = house.member("ann", "history")
    house.watch(ann, [1, 2])
    house.withdraw(ann, "history")
    house.clock.go(60)
    house.gate.rights(ann).grant(["history"], "test", "yes")
    assert house.gate.stored_count() == {"plays": 0, "sessions": 0, "tastes": 0}
    house.offer(ann, [1, 2])  # as the file of then would tell it again
    house.offer(ann, [7], at=house.clock.now() + DAY)
    house.gate.compact()
    rows = house.gate.rights(ann).shown(house.gate.read(Plays, id_array([ann]), History))
    assert rows.table.column("title_id").to_pylist() == ["film-7"]


class Killed(BaseException):
    """The process died here."""


class Killer:
    """Counts the writes of all ports, and dies before or after the n-th."""

    def __init__(self) -> None:
        self.left: int | None = None
        self.calls = 0

    def at_a_write(self) -> None:
        if self.left is None:
            return
        self.calls += 1
        if self.left == 0:
            raise Killed
        self.left -= 1


WRITES = ("erase", "cut_devices", "append_journal", "trim_journal", "publish", "prune", "keep", "compact")


class Mortal:
    """A port whose process may die before and after each write."""

    def __init__(self, held: Any, killer: Killer) -> None:
        self._held, self._killer = held, killer

    def __getattr__(self, name: str) -> Any:
        real = getattr(self._held, name)
        if name not in WRITES:
            return real

        def call(*args: Any, **named: Any) -> Any:
            self._killer.at_a_write()
            found = real(*args, **named)
            self._killer.at_a_write()
            return found

        return call

    @contextmanager
    def writing(self) -> Any:
        self._killer.at_a_write()
        with self._held.writing() as tx:
            yield tx
        self._killer.at_a_write()


def mortal(template: Path, copy: Path) -> tuple[House, Killer]:
    """A copy of a home, opened by a process that can be killed."""
    shutil.copytree(template, copy)
    killer, clock = Killer(), SetClock()
    clock.go(100)

    def wrapped(held: Any) -> Any:
        return Mortal(held, killer)

    opened = opened_home(
        read_settings(copy), clock, around_records=wrapped, around_events=wrapped, around_models=wrapped
    )
    return House(opened, clock), killer


def end_state(house: House) -> tuple[Any, ...]:
    found = house.gate.verify_ledger()
    with house.core.records.reading() as tx:
        open_jobs = tx.open_jobs()
    return (
        counts_digest(house),
        house.gate.stored_count(),
        found.is_ok,
        open_jobs,
        house.gate.model().is_solved,
    )


@pytest.mark.parametrize("deed", ["withdraw", "erase"])
def test_a_kill_between_any_two_steps_ends_in_the_same_state(tmp_path: Path, deed: str):
    def do(house: House, member: bytes) -> None:
        if deed == "erase":
            house.gate.rights(member).erase()
            return
        house.withdraw(member, "history")
        house.gate.rights(member).finish()

    first = a_house(tmp_path)
    member = a_trained(first, 4)[0]
    first.opened.close()
    home = first.opened.settings.home
    whole, killer = mortal(home, tmp_path / "whole")
    size, killer.left = whole.gate.standing().position, 10_000
    do(whole, member)
    steps, killer.left, wanted = killer.calls, None, end_state(whole)
    assert steps > 10
    for step in range(steps):
        house, killer = mortal(home, tmp_path / f"{step}")
        killer.left = step
        with pytest.raises(Killed):
            do(house, member)
        killer.left = None
        house.opened.close()
        again = house.again()
        again.gate.run_jobs()
        if again.gate.standing().position == size:
            do(again, member)  # killed before the first commit: nothing was answered, nothing was done
        assert end_state(again) == wanted, f"killed at step {step}"
        assert (again.gate.verify_erased("m0@example.org") == []) == (deed == "erase")
        again.opened.close()


def all_bytes(house: House) -> dict[str, bytes]:
    home = house.opened.settings.home
    files = (path for path in home.rglob("*") if path.is_file() and "outbox" not in path.parts)
    return {str(path.relative_to(home)): path.read_bytes() for path in files}


def test_after_an_erasure_no_file_of_the_home_holds_the_member(house: House):
    ann, bob = (
        house.member("ann", *ALL_BUT_DEVICES, "measure.opens", alias="crm-77"),
        house.member("bob", "history"),
    )
    house.watch(ann, [1, 2, 3])
    house.train()
    house.gate.note_signal(a_mail(house, ann), "open")
    house.gate.new_link(ann, "sign in", 60)
    house.withdraw(ann, "measure.opens")
    done = house.gate.rights(ann).erase()
    assert done.is_exact
    for needle in (ann, ann.hex().encode(), b"ann@example.org", b"crm-77", ann.hex()[:12].encode()):
        where = [name for name, data in all_bytes(house).items() if needle in data]
        assert where == []
    assert any(b"bob@example.org" in data for data in all_bytes(house).values())
    assert house.gate.verify_ledger().is_ok
    assert house.gate.find("bob@example.org").member == bob


def test_an_erased_member_is_found_nowhere_and_what_came_back_is_found(house: House):
    ann = house.member("ann", "history", "training")
    house.watch(ann, [1])
    house.train()
    folder = house.opened.settings.home / "events"
    backup = {p: p.read_bytes() for p in folder.rglob("*.parquet")}
    assert house.gate.verify_erased("ann@example.org")
    house.gate.rights(ann).erase()
    assert house.gate.verify_erased("ann@example.org") == []
    assert house.gate.verify_erased(ann.hex()) == []
    for path, data in backup.items():
        path.write_bytes(data)  # somebody put an old copy back
    assert "1 in plays" in house.gate.verify_erased("ann@example.org")
    assert "1 in plays" in house.gate.verify_erased(ann.hex())


def test_an_erased_address_comes_back_by_its_owner_alone_and_late_events_find_nobody(house: House):
    ann = house.member("ann", "history", alias="crm-77")
    house.gate.rights(ann).erase()
    back = house.gate.register([MemberRow(address="Ann@Example.org", alias="crm-78")])
    assert back.ids == (None,)
    assert "erased" in back.refused[0][1]
    assert house.gate.resolve(["crm-77", "ann@example.org", ann.hex()]) == {}


def test_an_erasure_told_twice_is_refused_the_second_time(house: House):
    from postreel.errors import ConsentError

    ann = house.member("ann", "history")
    house.gate.rights(ann).erase()
    with pytest.raises(ConsentError):
        house.gate.rights(ann).erase()


def test_the_certificate_of_a_withdrawal_says_what_went(house: House):
    members = a_trained(house)
    house.withdraw(members[0], "history")
    house.gate.run_jobs()
    with house.core.records.reading() as tx:
        (job,) = tx.jobs_of(members[0])
    told = json.loads(job.certificate or "")
    assert told["purposes"] == ["history", "recommendations", "training"]
    assert told["removed"]["plays"] == 6
    assert told["model_exact"] is True


def test_recommendations_live_at_a_position_before_a_withdrawal_are_not_briefed_after_it(house: House):
    ann = house.member("ann", *ALL_BUT_DEVICES)
    house.watch(ann, [1, 2])
    tastes = house.gate.read(Tastes, id_array([ann]), Recommendations)
    assert len(tastes) == 2
    house.withdraw(ann, "history")
    assert len(house.gate.read(Tastes, id_array([ann]), Recommendations)) == 0
    assert house.clock.now() > LONG_AGO
