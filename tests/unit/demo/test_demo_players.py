"""What simulated players report."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from postreel.collect import parse_events
from postreel.demo import SimulatedMember, event_batches, film_catalogue, simulated_members
from postreel.demo.choices import choices_of, world_of
from postreel.demo.players import BATCH_EVENT_COUNT
from postreel.demo.tastes import TASTES
from postreel.errors import InputError

UNTIL = datetime(2026, 11, 24, 8, tzinfo=UTC)
START = UNTIL - timedelta(days=90)
TITLES = {t.title_id: t for t in film_catalogue(UNTIL)}
KINDS = {
    *("play", "pause", "seek", "stop", "heartbeat"),
    *("rating", "impression", "search", "list_add", "list_remove"),
}


@pytest.fixture(scope="module")
def members() -> list[SimulatedMember]:
    return simulated_members(200, 3)


@pytest.fixture(scope="module")
def bodies(members: list[SimulatedMember]) -> list[bytes]:
    return list(event_batches(members, START, UNTIL, 3))


@pytest.fixture(scope="module")
def events(bodies: list[bytes]) -> list[dict[str, Any]]:
    return [json.loads(line) for body in bodies for line in body.splitlines()]


@pytest.fixture(scope="module")
def played(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Each event once, those with a position only, by time."""
    return sorted({e["id"]: e for e in events if "position_s" in e}.values(), key=lambda e: e["at"])


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(
    members: list[SimulatedMember], bodies: list[bytes]
) -> None:
    assert list(event_batches(members, START, UNTIL, 3)) == bodies
    assert list(event_batches(members, START, UNTIL, 4)) != bodies


def test_no_body_is_longer_than_promised_and_all_but_the_last_are_full(bodies: list[bytes]) -> None:
    sizes = [body.count(b"\n") for body in bodies]
    assert set(sizes[:-1]) == {BATCH_EVENT_COUNT}
    assert 0 < sizes[-1] <= BATCH_EVENT_COUNT
    assert all(body.endswith(b"\n") for body in bodies)


def test_a_member_has_events_by_the_hundred(events: list[dict[str, Any]]) -> None:
    assert 200 < len(events) / 200 < 400


def test_every_line_has_the_fields_of_its_kind(
    members: list[SimulatedMember], events: list[dict[str, Any]]
) -> None:
    aliases = {m.alias for m in members}
    base = {"id", "member", "type", "at", "device_type", "device_id"}
    more = {
        **{kind: {"title", "position_s"} for kind in ("play", "pause", "stop", "heartbeat")},
        **{kind: {"title"} for kind in ("impression", "list_add", "list_remove")},
        "seek": {"title", "position_s", "from_s", "to_s"},
        "rating": {"title", "rating"},
        "search": {"query"},
    }
    for event in events:
        assert set(event) == base | more[event["type"]]
        assert event["member"] in aliases
        assert event["device_type"] in ("tv", "phone", "tablet", "computer", "console", "other")
        assert START <= datetime.fromisoformat(event["at"]) < UNTIL
        if "rating" in event:
            assert event["rating"] in np.arange(0.5, 5.5, 0.5)
        if "query" in event:
            assert event["query"].strip()
    assert {e["type"] for e in events} == KINDS


def test_the_intake_takes_every_line(bodies: list[bytes]) -> None:
    taken = [parse_events(body, UNTIL) for body in bodies]
    assert sum(len(t.refused) for t in taken) == 0
    assert [len(t) for t in taken] == [body.count(b"\n") for body in bodies]


def test_no_position_lies_beyond_the_end_of_its_title(played: list[dict[str, Any]]) -> None:
    for event in played:
        runtime_s = TITLES[event["title"]].runtime_s
        assert runtime_s is not None
        for field in ("position_s", "from_s", "to_s"):
            assert 0.0 <= event.get(field, 0.0) <= runtime_s


def test_the_position_advances_with_the_clock_between_a_play_and_its_stop(
    played: list[dict[str, Any]],
) -> None:
    """A slow reading of every sitting: while playing, position and wall clock move alike."""
    now_at: dict[str, tuple[str, float, float]] = {}
    checked = 0
    for event in played:
        who, at = event["member"], datetime.fromisoformat(event["at"]).timestamp()
        before = now_at.pop(who, None)
        if event["type"] in ("pause", "heartbeat", "stop") and before and before[0] == event["title"]:
            assert event["position_s"] - before[2] == pytest.approx(at - before[1], abs=2.5)
            checked += 1
        if event["type"] in ("play", "seek", "heartbeat"):
            now_at[who] = (event["title"], at, event["position_s"])
    assert checked > 20_000


def test_a_viewer_watches_one_thing_at_a_time(played: list[dict[str, Any]]) -> None:
    by_member: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
    for event in played:
        by_member[event["member"]].append(event)
    for mine in by_member.values():
        for before, after in pairwise(mine):
            if before["title"] != after["title"]:
                assert after["type"] == "play"


def test_nothing_is_watched_before_it_arrives_on_the_service(events: list[dict[str, Any]]) -> None:
    to_come = {t.title_id for t in TITLES.values() if not t.is_available(UNTIL, None)}
    assert to_come
    assert not [e for e in events if e.get("title") in to_come]


def test_about_one_event_in_a_hundred_comes_twice_and_the_same(events: list[dict[str, Any]]) -> None:
    seen: dict[str, dict[str, Any]] = {}
    twice = 0
    for event in events:
        twice += event["id"] in seen
        assert seen.setdefault(event["id"], event) == event
    assert 0.007 < twice / len(seen) < 0.013


def test_about_one_event_in_a_hundred_comes_late(events: list[dict[str, Any]]) -> None:
    newest, late = events[0]["at"], 0
    for event in events:
        newest = max(newest, event["at"])
        behind = datetime.fromisoformat(newest) - datetime.fromisoformat(event["at"])
        late += behind > timedelta(minutes=10)
    assert 0.005 < late / len(events) < 0.03


def test_people_pause_seek_give_up_resume_and_use_two_devices(played: list[dict[str, Any]]) -> None:
    kinds = Counter(e["type"] for e in played)
    assert min(kinds["pause"], kinds["seek"]) > 1000
    assert 0.9 < kinds["stop"] / (kinds["play"] - kinds["pause"]) < 1.0
    rewinds = sum(e["type"] == "seek" and e["to_s"] < e["from_s"] for e in played)
    assert 0.3 < rewinds / kinds["seek"] < 0.7
    furthest: defaultdict[tuple[str, str], float] = defaultdict(float)
    days: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
    devices: defaultdict[str, set[str]] = defaultdict(set)
    for e in played:
        key = (e["member"], e["title"])
        furthest[key] = max(furthest[key], e["position_s"] / (TITLES[e["title"]].runtime_s or 1.0))
        days[key].add(e["at"][:10])
        devices[e["member"]].add(e["device_id"])
    finished = sum(share >= 0.9 for share in furthest.values()) / len(furthest)
    assert 0.6 < finished < 0.85
    assert sum(len(d) > 1 for d in days.values()) > 100
    assert sum(len(d) == 2 for d in devices.values()) / len(devices) > 0.8


def test_serials_are_watched_in_order_and_several_episodes_a_day(played: list[dict[str, Any]]) -> None:
    by_serial: defaultdict[tuple[str, str | None], list[tuple[str, int]]] = defaultdict(list)
    for e in played:
        number = TITLES[e["title"]].episode
        if e["type"] == "play" and e["position_s"] == 0 and number is not None:
            by_serial[e["member"], TITLES[e["title"]].series_id].append((e["at"][:10], number))
    assert by_serial
    in_order = sum([n for _, n in told] == sorted(n for _, n in told) for told in by_serial.values())
    assert in_order / len(by_serial) > 0.9
    assert any(max(Counter(day for day, _ in told).values()) >= 3 for told in by_serial.values())


def test_the_median_member_sees_enough_titles_to_learn_from(
    members: list[SimulatedMember], played: list[dict[str, Any]]
) -> None:
    seen: defaultdict[str, set[str]] = defaultdict(set)
    for e in played:
        seen[e["member"]].add(TITLES[e["title"]].series_id or e["title"])
    counts = [len(seen[m.alias]) for m in members if not m.is_child]
    assert 13 <= np.median(counts) <= 25
    assert max(counts) > 40


def test_no_child_is_shown_what_is_not_for_children(events: list[dict[str, Any]]) -> None:
    watched = {e["title"] for e in events if e["member"].startswith("child-") and e["type"] == "play"}
    assert watched
    assert max(TITLES[t].maturity for t in watched) <= 7


def test_a_planted_taste_shows_in_what_is_watched(members: list[SimulatedMember]) -> None:
    """Members led by `drawn` watch animation several times as often as members led by `epics`."""

    def animation_share(lead: str) -> float:
        leading = np.zeros(len(TASTES))
        leading[[t.name for t in TASTES].index(lead)] = 1.0
        led = [
            SimulatedMember(**{**vars(m), "tastes": tuple(leading), "maturity": 18}) for m in members[:100]
        ]
        titles = list(TITLES.values())
        world = world_of(titles, START, UNTIL, np.random.default_rng(9))
        chosen = choices_of(led, titles, START, UNTIL, world, np.random.default_rng(10))
        return float(np.mean(["animation" in titles[i].genres for i in chosen.title]))

    assert animation_share("drawn") > 5 * animation_share("epics")


def test_a_title_in_fashion_is_watched_more_than_the_week_before() -> None:
    titles = list(TITLES.values())
    people = simulated_members(400, 8)
    world = world_of(titles, START, UNTIL, np.random.default_rng(11))
    chosen = choices_of(people, titles, START, UNTIL, world, np.random.default_rng(12))
    window = np.clip(chosen.start_s // (3 * 86_400), 0, len(world.fashion) - 1).astype(int)
    column = {int(row): c for c, row in enumerate(world.chosen_from)}
    is_title = np.array([int(t) in column for t in chosen.title])
    title = np.array([column[int(t)] for t in chosen.title[is_title]])
    heat = world.fashion[window[is_title], title]
    drawn = np.zeros(world.fashion.shape)
    np.add.at(drawn, (window[is_title], title), 1)
    assert np.mean(heat > 1.0) > 2 * np.mean(world.fashion > 1.0)
    assert drawn[world.fashion > 1.0].mean() > 2 * drawn[world.fashion < 0.1].mean()


@pytest.mark.parametrize(("start", "until"), [(UNTIL, START), (START.replace(tzinfo=None), UNTIL)])
def test_an_empty_period_and_a_time_without_a_zone_are_refused(
    members: list[SimulatedMember], start: datetime, until: datetime
) -> None:
    with pytest.raises(InputError, match="aware times"):
        list(event_batches(members, start, until, 1))
    with pytest.raises(InputError, match="at least 1 viewer"):
        list(event_batches([], START, UNTIL, 1))


def test_one_member_and_one_hour_are_enough() -> None:
    alone = simulated_members(1, 1)
    assert isinstance(list(event_batches(alone, UNTIL - timedelta(hours=1), UNTIL, 1)), list)
