"""The rules of docs/reference/habits.md, each with its case worked by hand."""

from __future__ import annotations

from typing import Any

import pytest
from builders import a_catalogue, a_play, a_sitting, member_id, plays_of

from postreel.catalogue import Catalogue, Title
from postreel.habits import sessions_of
from postreel.schema import Sessions

HOUR, DAY = 3600.0, 86400.0
CATALOGUE = a_catalogue(film=100.0, unknown=None)
SERIES = Catalogue.of(Title(f"e{i}", f"E{i}", kind="episode", minutes=30.0, series_id="s") for i in range(5))


def sittings(rows: list[dict[str, Any]], catalogue: Catalogue = CATALOGUE) -> list[dict[str, Any]]:
    return sessions_of(plays_of(rows), catalogue).table.to_pylist()


def test_no_events_make_no_sessions() -> None:
    assert len(sessions_of(plays_of([]), CATALOGUE)) == 0
    assert sittings([a_play(kind="search", title=None, text="noir"), a_play(kind="rating", value=4.0)]) == []


def test_watched_seconds_are_those_between_play_and_stop() -> None:
    (s,) = sittings(a_sitting(end=1800))
    assert (s["watched_s"], s["furthest_s"], s["completion"]) == (1800.0, 1800.0, 0.3)
    assert (s["member"], s["title_id"]) == (member_id(1), "film")


def test_a_seek_does_not_inflate_watched_time() -> None:
    # 0 to 600 played, a jump to 3000, 3000 to 3300 played: 900 s.
    rows = [
        a_play(at=0, position_s=0),
        a_play(kind="seek", at=600, from_s=600, to_s=3000),
        a_play(kind="stop", at=900, position_s=3300),
    ]
    (s,) = sittings(rows)
    assert (s["watched_s"], s["furthest_s"], s["skip_count"], s["rewind_count"]) == (900.0, 3300.0, 1, 0)


def test_a_second_look_does_not_inflate_watched_time() -> None:
    # 0 to 600 played, back to 300, 300 to 900 played: 900 s, not 1200.
    rows = [
        a_play(at=0, position_s=0),
        a_play(kind="seek", at=600, from_s=600, to_s=300),
        a_play(kind="stop", at=1200, position_s=900),
    ]
    (s,) = sittings(rows)
    assert (s["watched_s"], s["rewind_count"], s["skip_count"]) == (900.0, 1, 0)


def test_a_pause_is_not_watched() -> None:
    rows = [
        a_play(at=0, position_s=0),
        a_play(kind="pause", at=300, position_s=300),
        a_play(at=900, position_s=300),
        a_play(kind="stop", at=1200, position_s=600),
    ]
    (s,) = sittings(rows)
    assert (s["watched_s"], s["pause_count"]) == (600.0, 1)


def test_a_pause_of_more_than_thirty_minutes_ends_the_sitting() -> None:
    pause = [a_play(at=0, position_s=0), a_play(kind="pause", at=300, position_s=300)]
    on = [a_play(at=300 + 1801, position_s=300), a_play(kind="stop", at=2400, position_s=599)]
    assert [s["watched_s"] for s in sittings(pause + on)] == [300.0, 299.0]
    on = [a_play(at=300 + 1800, position_s=300), a_play(kind="stop", at=2400, position_s=600)]
    assert [s["watched_s"] for s in sittings(pause + on)] == [600.0]


def test_a_player_that_only_says_play_and_stop_makes_one_sitting() -> None:
    rows = [a_play(at=0, position_s=0), a_play(kind="stop", at=5400, position_s=5400)]
    assert [s["watched_s"] for s in sittings(rows)] == [5400.0]


def test_a_position_that_outruns_the_clock_is_a_seek_nobody_told() -> None:
    # 60 s on the clock allow 100 s of title; 600 s is a jump, and what was played around it is not known.
    rows = [
        a_play(at=0, position_s=0),
        a_play(kind="heartbeat", at=60, position_s=600),
        a_play(kind="heartbeat", at=120, position_s=660),
        a_play(kind="heartbeat", at=180, position_s=100),
    ]
    (s,) = sittings(rows)
    assert (s["watched_s"], s["skip_count"], s["rewind_count"]) == (60.0, 1, 1)


def test_faster_playing_counts_what_was_seen() -> None:
    rows = [a_play(at=0, position_s=0), a_play(kind="stop", at=400, position_s=600)]
    assert sittings(rows)[0]["watched_s"] == 600.0


def test_duplicates_and_disorder_change_nothing() -> None:
    rows = a_sitting(end=1500)
    assert sittings([*reversed(rows), *rows]) == sittings(rows)


def test_the_same_event_id_counts_once_whatever_the_rest_says() -> None:
    pause = a_play(kind="pause", at=300, position_s=300, event_id=b"\x05" * 16)
    rows = [
        a_play(at=0, position_s=0),
        pause,
        a_play(at=310, position_s=300),
        {**pause, "at": pause["at"].replace(minute=9)},
    ]
    assert sittings(rows)[0]["pause_count"] == 1


def test_two_stops_are_one_end() -> None:
    rows = [*a_sitting(end=600), a_play(kind="stop", at=605, position_s=600)]
    (s,) = sittings(rows)
    assert (s["watched_s"], s["pause_count"]) == (600.0, 0)


@pytest.mark.parametrize("kind", ["play", "stop", "pause", "heartbeat"])
def test_a_single_beat_shows_nothing_played(kind: str) -> None:
    (s,) = sittings([a_play(kind=kind, position_s=1200)])
    assert (s["watched_s"], s["furthest_s"], s["completion"]) == (0.0, 1200.0, 0.0)


def test_heartbeats_alone_are_a_sitting() -> None:
    rows = [a_play(kind="heartbeat", at=60.0 * i, position_s=60.0 * i) for i in range(6)]
    assert [s["watched_s"] for s in sittings(rows)] == [300.0]


def test_a_position_left_out_is_reckoned_from_the_clock() -> None:
    rows = [a_play(at=0, position_s=100), a_play(kind="pause", at=50), a_play(kind="stop", at=90)]
    (s,) = sittings(rows)
    assert (s["watched_s"], s["furthest_s"]) == (50.0, 150.0)


def test_without_any_position_watched_time_is_unknown_not_zero() -> None:
    (s,) = sittings([a_play(at=0), a_play(kind="stop", at=600)])
    assert s["watched_s"] is None
    assert s["completion"] is None


def test_completion_adds_up_over_sittings_and_counts_each_stretch_once() -> None:
    # Runtime 6000 s: 0 to 3000 first, then 2000 to 5000: 5000 of 6000 seen.
    rows = a_sitting(end=3000) + a_sitting(at=DAY, start=2000, end=5000)
    first, second = sittings(rows)
    assert first["completion"] == 0.5
    assert second["completion"] == pytest.approx(5 / 6)
    assert second["watched_s"] == 3000.0


def test_nine_tenths_is_the_end_because_the_rest_is_credits() -> None:
    assert [s["is_completed"] for s in sittings(a_sitting(end=5400))] == [True]
    assert [s["is_completed"] for s in sittings(a_sitting(end=5399))] == [False]


def test_completion_is_unknown_where_the_running_time_is() -> None:
    (s,) = sittings(a_sitting(title="unknown", end=600))
    assert (s["watched_s"], s["completion"], s["is_completed"]) == (600.0, None, False)


def test_a_title_left_for_fourteen_days_is_abandoned() -> None:
    rows = a_sitting(end=600)
    later = a_play(kind="search", title=None, at=600 + 14 * DAY, text="x")
    assert [s["is_abandoned"] for s in sittings([*rows, later])] == [True]
    sooner = a_play(kind="search", title=None, at=600 + 14 * DAY - 1, text="x")
    assert [s["is_abandoned"] for s in sittings([*rows, sooner])] == [False]


def test_neither_a_look_nor_most_of_a_title_is_abandoned() -> None:
    later = a_play(kind="search", title=None, at=60 * DAY, text="x")
    assert [s["is_abandoned"] for s in sittings([*a_sitting(end=119), later])] == [False]
    assert [s["is_abandoned"] for s in sittings([*a_sitting(end=4200), later])] == [False]


def test_what_is_taken_up_again_in_time_was_not_abandoned() -> None:
    rows = a_sitting(end=600) + a_sitting(at=10 * DAY, start=600, end=1200)
    later = a_play(kind="search", title=None, at=40 * DAY, text="x")
    assert [s["is_abandoned"] for s in sittings([*rows, later])] == [False, True]


def test_a_sitting_after_the_end_was_reached_is_a_rewatch() -> None:
    rows = a_sitting(end=5700) + a_sitting(at=DAY, end=600)
    assert [s["is_rewatch"] for s in sittings(rows)] == [False, True]
    assert [s["completion"] for s in sittings(rows)] == [0.95, 0.95]


def test_three_episodes_without_an_hour_between_are_a_binge() -> None:
    rows = [r for i in range(3) for r in a_sitting(title=f"e{i}", at=i * 5400.0, end=1800)]
    assert [s["is_binge"] for s in sittings(rows, SERIES)] == [True] * 3
    assert [s["is_binge"] for s in sittings(rows[: len(rows) * 2 // 3], SERIES)] == [False] * 2


def test_an_hour_between_episodes_or_the_same_one_again_is_no_binge() -> None:
    apart = [r for i in range(3) for r in a_sitting(title=f"e{i}", at=i * 5401.0, end=1800)]
    assert not any(s["is_binge"] for s in sittings(apart, SERIES))
    again = [r for i in range(3) for r in a_sitting(title=f"e{i % 2}", at=i * 5000.0, end=1800)]
    assert not any(s["is_binge"] for s in sittings(again, SERIES))


def test_a_viewing_told_by_an_export_is_a_session_of_its_own() -> None:
    (s,) = sittings(
        [a_play(kind="watched", watched_s=1500.0, position_s=1500.0, device_type="tv", source="netflix")]
    )
    assert (s["watched_s"], s["completion"], s["device_type"]) == (1500.0, 0.25, "tv")
    assert (s["ended"] - s["started"]).total_seconds() == 1500


def test_a_completed_viewing_of_unknown_length_is_complete_and_its_time_unknown() -> None:
    (s,) = sittings([a_play(kind="watched", title="unknown", value=1.0, source="movielens")])
    assert (s["watched_s"], s["completion"], s["is_completed"]) == (None, 1.0, True)


def test_an_export_without_length_or_completion_knows_neither() -> None:
    (s,) = sittings([a_play(kind="watched", source="netflix-history")])
    assert (s["watched_s"], s["completion"], s["is_completed"]) == (None, None, False)


def test_beats_and_exports_of_one_title_add_up() -> None:
    rows = [*a_sitting(end=3000), a_play(kind="watched", at=DAY, watched_s=3000.0, position_s=6000.0)]
    assert [s["completion"] for s in sittings(rows)] == [0.5, 1.0]


def test_members_do_not_touch_each_other() -> None:
    ann, bob = a_sitting(1, end=600), a_sitting(2, start=600, at=30, end=1800)
    together = sittings(ann + bob)
    assert together == sittings(ann) + sittings(bob)


def test_positions_below_zero_and_beyond_the_end_are_held_to_the_title() -> None:
    rows = [a_play(at=0, position_s=-5), a_play(kind="stop", at=6500, position_s=6500)]
    (s,) = sittings(rows)
    assert (s["watched_s"], s["completion"], s["furthest_s"]) == (6000.0, 1.0, 6000.0)


def test_the_table_is_sorted_by_member_title_and_start() -> None:
    rows = a_sitting(2, end=60) + a_sitting(1, title="unknown", end=60) + a_sitting(1, end=60)
    assert [(s["member"], s["title_id"]) for s in sittings(rows)] == [
        (member_id(1), "film"),
        (member_id(1), "unknown"),
        (member_id(2), "film"),
    ]
    assert isinstance(sessions_of(plays_of(rows), CATALOGUE), Sessions)
