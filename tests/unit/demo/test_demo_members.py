"""Simulated members and their answers."""

from __future__ import annotations

from collections import Counter, defaultdict
from datetime import UTC, datetime, timedelta

import pytest

from postreel.demo import SimulatedMember, consents, consents_csv, member_rows, simulated_members
from postreel.errors import InputError
from postreel.members import normal_address
from postreel.purposes import SWITCHABLE

UNTIL = datetime(2026, 11, 24, 8, tzinfo=UTC)
START = UNTIL - timedelta(days=90)


@pytest.fixture(scope="module")
def members() -> list[SimulatedMember]:
    return simulated_members(1000, 5)


def test_the_same_seed_gives_the_same_members_and_another_seed_others(members: list[SimulatedMember]) -> None:
    assert simulated_members(1000, 5) == members
    assert simulated_members(1000, 6) != members


def test_as_many_members_as_asked_for_and_some_children_beside_them(members: list[SimulatedMember]) -> None:
    assert len(member_rows(members)) == 1000
    assert sum(m.is_child for m in members) == 60


def test_one_member_is_enough_and_none_is_refused() -> None:
    assert len(member_rows(simulated_members(1, 5))) == 1
    with pytest.raises(InputError, match="at least 1 member"):
        simulated_members(0, 5)


def test_nobody_is_invented(members: list[SimulatedMember]) -> None:
    rows = member_rows(members)
    assert all(row.name is None and row.address.endswith("@example.invalid") for row in rows)
    assert all(normal_address(row.address) == row.address for row in rows)
    assert len({row.address for row in rows}) == len(rows)
    assert all(row.grants == () and not row.is_child for row in rows)


def test_a_child_reports_under_an_alias_that_no_member_has(members: list[SimulatedMember]) -> None:
    aliases = {row.alias for row in member_rows(members)}
    children = [m for m in members if m.is_child]
    assert not aliases & {m.alias for m in children}
    assert {m.maturity for m in children} == {7}


def test_english_leads_and_other_languages_and_time_zones_follow(members: list[SimulatedMember]) -> None:
    languages = Counter(row.language for row in member_rows(members))
    assert 0.6 < languages["en"] / 1000 < 0.8
    assert len(languages) >= 5
    assert len({row.timezone for row in member_rows(members)}) >= 10


def test_some_members_share_a_household_and_then_a_time_zone(members: list[SimulatedMember]) -> None:
    homes: defaultdict[str | None, list[str]] = defaultdict(list)
    for row in member_rows(members):
        homes[row.household].append(row.timezone)
    shared = [zones for zones in homes.values() if len(zones) > 1]
    assert 50 < len(shared) < 150
    assert all(len(set(zones)) == 1 for zones in shared)


def test_about_a_third_grant_no_measurement_and_some_grant_nothing(members: list[SimulatedMember]) -> None:
    granted: defaultdict[str, set[str]] = defaultdict(set)
    for answer in consents(members, START, UNTIL, 5):
        if answer.state == "granted":
            granted[answer.address].add(answer.purpose)
    held = [granted[row.address] for row in member_rows(members)]
    unmeasured = sum(not g & {"measure.opens", "measure.clicks"} for g in held) / 1000
    assert 0.27 < unmeasured < 0.42
    assert 0.05 < sum(not g for g in held) / 1000 < 0.16
    assert any("history" in g and "recommendations" not in g for g in held)
    assert any("mail.picks" in g and "history" not in g for g in held)
    assert 0.15 < sum("history" in g and "training" not in g for g in held) / 1000 < 0.4


def test_answers_name_known_purposes_and_nothing_is_granted_without_what_it_needs(
    members: list[SimulatedMember],
) -> None:
    granted: defaultdict[str, set[str]] = defaultdict(set)
    keys = {p.key for p in SWITCHABLE}
    for answer in consents(members, START, UNTIL, 5):
        assert answer.purpose in keys
        if answer.state == "granted":
            granted[answer.address].add(answer.purpose)
    for held in granted.values():
        rests_on_history = {"recommendations", "training", "devices", "mail.nudges", "analytics"}
        assert "history" in held or not held & rests_on_history
        assert "recommendations" in held or "learn" not in held
        assert any(p.startswith("mail.") for p in held) or not any(p.startswith("measure.") for p in held)


def test_grants_are_live_before_the_first_event_and_withdrawals_fall_within_the_period(
    members: list[SimulatedMember],
) -> None:
    answers = consents(members, START, UNTIL, 5)
    assert answers == sorted(answers, key=lambda a: a.at)
    given: set[tuple[str, str]] = set()
    for answer in answers:
        if answer.state == "withdrawn":
            assert START < answer.at < UNTIL
            assert (answer.address, answer.purpose) in given
        else:
            assert answer.at < START
        if answer.state == "granted":
            given.add((answer.address, answer.purpose))
    withdrawing = {a.address for a in answers if a.state == "withdrawn"}
    assert 0.03 < len(withdrawing) / 1000 < 0.12
    assert {"history", "mail.picks", "training"} <= {a.purpose for a in answers if a.state == "withdrawn"}


def test_answers_are_written_as_consent_simulate_reads_them(members: list[SimulatedMember]) -> None:
    answers = consents(members[:20], START, UNTIL, 5)
    lines = consents_csv(answers).decode().splitlines()
    assert lines[0] == "member,purpose,state,at"
    assert len(lines) == len(answers) + 1
    address, purpose, state, at = lines[1].split(",")
    assert (address, purpose, state) == (answers[0].address, answers[0].purpose, answers[0].state)
    assert abs(datetime.fromisoformat(at) - answers[0].at) < timedelta(seconds=1)
