"""One member's habits, and how the terminal tells them."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from builders import a_play, a_sitting, plays_of
from rich.console import Console

from postreel.catalogue import Catalogue, Title
from postreel.cli.habits_view import bar, print_habits
from postreel.errors import InputError
from postreel.habits import Habits, profile_of

DAY = 86400.0
CATALOGUE = Catalogue.of(
    [
        Title("film", "A Film", minutes=100.0, genres=("drama", "crime")),
        Title("s", "Series", kind="series", genres=("drama",)),
        *(Title(f"e{i}", f"E{i}", kind="episode", minutes=30.0, series_id="s") for i in range(4)),
    ]
)


def habits(rows: list[dict[str, Any]], timezone: str = "UTC") -> Habits:
    return profile_of(plays_of(rows), CATALOGUE, timezone)


def printed(found: Habits, **options: Any) -> str:
    out = io.StringIO()
    print_habits(Console(file=out, width=100, **options), found, "member 1a2b3c4d")
    return out.getvalue()


def an_evening() -> list[dict[str, Any]]:
    """A film from 20:00 UTC on a Monday on the television, then two days later three episodes."""
    film = [r | {"device_type": "tv"} for r in a_sitting(end=6000)]
    pause = [
        a_play(kind="pause", at=3001, position_s=3001, device_type="tv"),
        a_play(at=3002, position_s=3001),
    ]
    episodes = [
        r | {"device_type": "phone"}
        for i in range(3)
        for r in a_sitting(title=f"e{i}", at=2 * DAY + i * 1900, end=1800)
    ]
    return [*film, *pause, *episodes]


def test_hours_days_and_devices_are_told_in_the_members_own_time() -> None:
    found = habits(an_evening(), "Asia/Tokyo")
    assert (found.sessions, found.watched_hours) == (4, pytest.approx((6000 + 5400) / 3600, abs=1e-3))
    assert found.hours_of_day[5] == 3  # 20:00, 20:00 and 20:31 UTC are the next morning at five
    assert found.hours_of_day[6] == 1
    assert sum(found.hours_of_day) == 4
    assert found.rhythm["weekday"] == [0, 0.25, 0, 0.75, 0, 0, 0]
    assert [(d["device_type"], d["sessions"], d["hours"]) for d in found.devices] == [
        ("phone", 3, 1.5),
        ("tv", 1, pytest.approx(5 / 3, abs=1e-3)),
    ]
    assert found.rhythm["longest_binge"] == 3


def test_completion_titles_and_genres() -> None:
    found = habits(an_evening())
    assert found.completion == pytest.approx(1.0, abs=1e-3)
    assert found.titles == {"seen": 4, "completed": 4, "abandoned": 0, "rewatched": 0}
    assert [(g["genre"], g["share"]) for g in found.genres] == [("drama", 0.875), ("crime", 0.125)]


def test_attention_is_told_by_the_hour_and_not_from_exports() -> None:
    rows = an_evening()
    found = habits(rows)
    assert found.attention["pauses_per_hour"] == pytest.approx(1 / (11400 / 3600), abs=1e-3)
    export = a_play(kind="watched", title="e3", at=9 * DAY, watched_s=1800.0, source="netflix")
    assert habits([*rows, export]).attention["pauses_per_hour"] == found.attention["pauses_per_hour"]
    assert habits([export]).attention["pauses_per_hour"] is None


def test_browsing_and_ratings() -> None:
    rows = [
        a_play(kind="impression", at=-60),
        a_play(kind="impression", title="e3", at=-60),
        *a_sitting(end=6000),
        a_play(kind="search", title=None, at=5, text="noir"),
        a_play(kind="list_add", title="e1"),
        a_play(kind="rating", value=2.0, at=7000),
        a_play(kind="rating", value=4.0, at=8000),
    ]
    found = habits(rows)
    assert found.browsing == {"impressions": 2, "taken_share": 0.5, "searches": 1, "listed": 1}
    assert found.ratings == {"count": 1, "mean": 4.0}


def test_what_is_not_known_is_none_and_not_zero() -> None:
    rows = [a_play(kind="watched", title="x", value=1.0, source="movielens", at=i * DAY) for i in range(2)]
    found = habits(rows)
    assert (found.sessions, found.watched_hours, found.unknown_length_count) == (2, None, 2)
    assert found.devices == [{"device_type": None, "hours": None, "sessions": 2}]
    assert found.browsing["taken_share"] is None
    assert found.ratings["mean"] is None
    assert found.genres == []
    assert "How long they watched is not known" in printed(found)


def test_a_day_without_an_hour_is_not_put_into_the_hours() -> None:
    rows = [a_play(kind="watched", source="netflix-history")]
    found = habits(rows, "Pacific/Kiritimati")
    assert sum(found.hours_of_day) == 0
    assert found.rhythm["weekday"][0] == 1.0


def test_a_member_without_events_has_empty_habits_that_can_be_told() -> None:
    found = habits([])
    assert (found.sessions, found.watched_hours, found.completion) == (0, None, None)
    assert "Nothing is known yet" in printed(found)


def test_habits_are_json() -> None:
    assert json.loads(json.dumps(habits(an_evening()).facts()))["sessions"] == 4


def test_habits_of_several_members_and_strange_zones_are_refused() -> None:
    with pytest.raises(InputError, match="several"):
        habits(a_sitting(1, end=60) + a_sitting(2, end=60))
    with pytest.raises(InputError, match="time zone"):
        habits([], "Mars/Base")


def test_the_terminal_tells_habits_in_words_and_bars_without_colour_or_boxes() -> None:
    text = printed(habits(an_evening()))
    for words in (
        "Habits of member 1a2b3c4d",
        "4 sittings, 4 titles seen",
        "3.2 hours watched",
        "The longest binge was 3 episodes.",
        "Mostly drama",
        "Most sittings begin between 20:00 and 21:00",
        "Wednesday is the day for it",
        "Mostly on: phone",
        "pauses an hour",
    ):
        assert words in text
    assert "█" in text
    assert "\x1b" not in text
    assert not set("│┃─━┏┌") & set(text)


def test_no_color_is_respected_where_the_terminal_could(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    found = habits(an_evening())
    assert "\x1b[1;31m" in printed(found, force_terminal=True, color_system="standard")
    monkeypatch.setenv("NO_COLOR", "1")
    assert "31m" not in printed(found, force_terminal=True, color_system="standard")


@pytest.mark.parametrize(
    ("share", "drawn"), [(0, ""), (1, "████"), (0.5, "██"), (1 / 32, "▏"), (7, "████"), (-1, "")]
)
def test_a_bar_is_as_long_as_its_share(share: float, drawn: str) -> None:
    assert bar(share, 4) == drawn
