"""The doors `stream`, `read`, `keep`: rows go out under a purpose that may have them, of members who grant it."""

from __future__ import annotations

from itertools import product
from pathlib import Path
from typing import Any

import pytest
from rooms_of_members import House, a_house

from postreel.consent import Permitted
from postreel.errors import ConsentError
from postreel.flows.export import export_member
from postreel.habits import sessions_of
from postreel.purposes import BASED_ON_LAW, SWITCHABLE, History, MailPicks, Recommendations, Rights, Service
from postreel.purposes import Training as TrainingPurpose
from postreel.schema import (
    READABLE,
    STORED,
    Briefs,
    Contacts,
    Messages,
    Picks,
    Plays,
    Sends,
    Sessions,
    Tastes,
    id_array,
)

TABLES = (Plays, Sessions, Tastes, Picks, Contacts, Briefs, Messages, Sends)


@pytest.fixture
def house(tmp_path: Path) -> House:
    return a_house(tmp_path)


def members_of(house: House, permitted: Permitted[Any, Any]) -> set[bytes]:
    return set(house.gate.as_operator("t", "t").shown(permitted).members.tolist())


def test_every_pair_of_table_and_purpose_outside_the_table_is_refused(house: House):
    ann = house.member("ann", *(p.key for p in SWITCHABLE))
    house.watch(ann, [1])
    refused = 0
    for table, purpose in product(TABLES, (*SWITCHABLE, *BASED_ON_LAW)):
        if purpose in READABLE.get(table, ()):
            house.gate.read(table, id_array([ann]), purpose)
            continue
        refused += 1
        with pytest.raises(ConsentError):
            house.gate.read(table, id_array([ann]), purpose)
        with pytest.raises(ConsentError):
            next(iter(house.gate.stream(table, purpose)))
    assert refused == len(TABLES) * 17 - sum(len(some) for some in READABLE.values())


def test_read_and_stream_give_rows_of_live_members_alone(house: House):
    ann = house.member("ann", "history", "recommendations", "training")
    bob = house.member("bob", "history")
    for who in (ann, bob):
        house.watch(who, [1, 2])
    both = id_array([ann, bob])
    assert members_of(house, house.gate.read(Tastes, both, Recommendations)) == {ann}
    assert members_of(house, house.gate.read(Tastes, both, History)) == {ann, bob}
    streamed = [m for b in house.gate.stream(Tastes, TrainingPurpose) for m in members_of(house, b)]
    assert streamed == [ann]


def test_contacts_come_for_a_live_purpose_or_by_law_and_never_of_a_child(house: House):
    from postreel.members import MemberRow

    ann, bob = house.member("ann", "mail.picks"), house.member("bob")
    (kid,) = house.gate.register([MemberRow(address="", alias="kid", is_child=True)]).ids
    everyone = id_array([ann, bob, kid])
    assert members_of(house, house.gate.read(Contacts, everyone, MailPicks)) == {ann}
    assert members_of(house, house.gate.read(Contacts, everyone, Service)) == {ann, bob}


class LeakyEvents:
    """A store with a bug in its join: it gives everybody's rows."""

    def __init__(self, held: Any, everybody: list[bytes]) -> None:
        self._held, self.everybody = held, everybody

    def __getattr__(self, name: str) -> Any:
        return getattr(self._held, name)

    def stream(self, table: Any, live: Any) -> Any:
        return self._held.stream(table, id_array(sorted(self.everybody)))

    def read(self, table: Any, members: Any) -> Any:
        return self._held.read(table, id_array(sorted(self.everybody)))


def test_a_store_with_a_bug_in_its_join_releases_nothing(tmp_path: Path):
    everybody: list[bytes] = []
    house = a_house(tmp_path)
    ann, bob = house.member("ann", "history", "training"), house.member("bob", "history")
    for who in (ann, bob):
        house.watch(who, [1])
    leaky = house.again(around_events=lambda held: LeakyEvents(held, everybody))
    everybody += [ann, bob]
    with pytest.raises(ConsentError, match="none were released"):
        leaky.gate.read(Tastes, id_array([ann]), TrainingPurpose)
    with pytest.raises(ConsentError, match="none were released"):
        list(leaky.gate.stream(Tastes, TrainingPurpose))
    with pytest.raises(ConsentError, match="none were released"):
        leaky.train()
    assert house.core.models.current() is None


def test_keep_leaves_out_members_whose_grant_went_since_they_were_read(house: House):
    ann, bob = house.member("ann", "history"), house.member("bob", "history")
    for who in (ann, bob):
        house.watch(who, [1])
    plays = house.gate.read(Plays, id_array([ann, bob]), History)
    house.withdraw(bob, "history")
    house.gate.run_jobs()
    house.gate.keep(plays.map(sessions_of, house.gate.catalogue()))
    kept = house.gate.read(Sessions, id_array([ann, bob]), Rights)
    assert members_of(house, kept) == {ann}


class WithdrawingEvents:
    """Withdraws just before a table is written: after `keep` has looked."""

    def __init__(self, held: Any, act: list[Any]) -> None:
        self._held, self.act = held, act

    def __getattr__(self, name: str) -> Any:
        return getattr(self._held, name)

    def keep(self, rows: Any) -> None:
        if self.act:
            self.act.pop()()
        self._held.keep(rows)


def test_a_withdrawal_between_the_look_and_the_write_of_keep_leaves_nothing_behind(tmp_path: Path):
    act: list[Any] = []
    house = a_house(tmp_path, around_events=lambda held: WithdrawingEvents(held, act))
    ann = house.member("ann", "history")
    house.offer(ann, [1])
    house.gate.compact()
    plays = house.gate.read(Plays, id_array([ann]), History)

    def withdraw() -> None:
        house.withdraw(ann, "history")
        house.gate.run_jobs()

    act.append(withdraw)
    house.gate.keep(plays.map(sessions_of, house.gate.catalogue()))
    assert house.gate.stored_count() == {"plays": 0, "sessions": 0, "tastes": 0}


def test_derived_rows_under_another_purpose_than_their_own_are_not_kept(house: House):
    ann = house.member("ann", "history", "recommendations")
    house.watch(ann, [1])
    with pytest.raises(ConsentError):
        house.gate.keep(house.gate.read(Tastes, id_array([ann]), Recommendations))
    with pytest.raises(ConsentError):
        house.gate.keep(house.gate.read(Plays, id_array([ann]), History))


def test_rows_of_another_installation_do_not_fit(house: House, tmp_path: Path):
    other = a_house(tmp_path / "other")
    ann = house.member("ann", "history")
    house.watch(ann, [1])
    with pytest.raises(ConsentError, match="another gate"):
        other.gate.keep(house.gate.read(Sessions, id_array([ann]), History))


def test_who_looks_and_why_is_written_where_the_member_sees_it(house: House):
    ann = house.member("ann", "history")
    house.watch(ann, [1])
    operator = house.gate.as_operator("Olga", "a complaint about the titles")
    operator.read(Plays, ann, History)
    operator.mails(ann)
    seen = [(row.who, row.why, row.table) for row in house.gate.rights(ann).accesses() if row.member == ann]
    assert ("Olga", "a complaint about the titles", "Plays") in seen
    assert ("Olga", "a complaint about the titles", "Messages") in seen


def test_a_nameless_or_reasonless_look_is_refused(house: House):
    from postreel.errors import InputError

    for who, why in (("", "x"), ("Olga", " ")):
        with pytest.raises(InputError):
            house.gate.as_operator(who, why)


def test_the_export_holds_every_part_and_is_for_the_owner_of_the_file_alone(house: House, tmp_path: Path):
    import json
    import zipfile

    ann, bob = house.member("ann", "history"), house.member("bob", "history")
    for who in (ann, bob):
        house.watch(who, [1, 2])
    out = tmp_path / "ann.zip"
    facts = export_member(house.gate, ann, out, house.clock.now())
    assert out.stat().st_mode & 0o077 == 0
    with zipfile.ZipFile(out) as archive:
        names = set(archive.namelist())
        parts = {"contacts", "plays", "sessions", "tastes", "grants", "mails", "engagement", "access_log"}
        assert {f"{p}.{end}" for p in parts for end in ("json", "csv")} <= names
        assert {"CONTENTS.md", "schema.json"} <= names
        plays = json.loads(archive.read("plays.json"))
        whole = b"".join(archive.read(name) for name in names)
    assert len(plays) == 2
    assert facts["rows"]["plays"] == 2
    assert bob.hex().encode() not in whole
    assert b"bob@example.org" not in whole


def test_only_what_the_store_holds_is_readable(house: House):
    assert {*STORED, Contacts} == set(READABLE)
