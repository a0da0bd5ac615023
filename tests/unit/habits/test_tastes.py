"""What a history says of each title."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from builders import START, a_catalogue, a_play, a_sitting, member_id, plays_of

from postreel.habits import rating_weight, tastes_of, viewing_weight

DAY = 86400.0
CATALOGUE = a_catalogue(film=100.0, unknown=None)


def tastes(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return tastes_of(plays_of(rows), CATALOGUE).table.to_pylist()


def movielens(rating: float, at: float = 0.0) -> list[dict[str, Any]]:
    rows = [a_play(kind="rating", value=rating, at=at, source="movielens")]
    if rating >= 3.5:
        rows.append(a_play(kind="watched", value=1.0, at=at, source="movielens"))
    return rows


def test_no_events_say_nothing() -> None:
    assert tastes([]) == []
    assert tastes([a_play(kind="search", title=None, text="x"), a_play(kind="impression")]) == []


def test_the_curves_rise_from_nothing_to_all() -> None:
    assert viewing_weight(np.array([0.0, 0.2, 0.55, 0.9, 1.0])) == pytest.approx([0, 0, 0.5, 1, 1])
    assert rating_weight(np.array([0.5, 2.5, 3.0, 3.5, 5.0])) == pytest.approx([0, 0, 0.3, 0.6, 1])


def test_a_title_seen_to_its_end_is_watched_with_full_weight() -> None:
    (t,) = tastes(a_sitting(end=5700))
    assert (t["member"], t["title_id"], t["weight"], t["evidence"], t["is_seen"]) == (
        member_id(1),
        "film",
        1.0,
        "watched",
        True,
    )
    assert (t["last_at"] - START).total_seconds() == 5700


def test_half_a_film_weighs_by_the_curve_and_nothing_once_abandoned() -> None:
    half = a_sitting(end=3300)
    assert tastes(half)[0]["weight"] == pytest.approx(0.5)
    later = a_play(kind="search", title=None, at=60 * DAY, text="x")
    (t,) = tastes([*half, later])
    assert (t["weight"], t["is_seen"], t["evidence"]) == (0.0, True, "watched")


def test_a_look_of_under_two_minutes_says_nothing() -> None:
    assert tastes(a_sitting(end=100)) == []


def test_what_was_rated_is_called_rated_though_a_viewing_was_concluded_from_it() -> None:
    (t,) = tastes(movielens(5.0))
    assert (t["weight"], t["evidence"], t["is_seen"]) == (1.0, "rated", True)
    (t,) = tastes(movielens(2.0))
    assert (t["weight"], t["evidence"], t["is_seen"]) == (0.0, "rated", True)


def test_a_rating_decides_the_weight_of_what_was_watched() -> None:
    (t,) = tastes([*a_sitting(end=5700), a_play(kind="rating", value=2.0, at=6000)])
    assert (t["weight"], t["evidence"]) == (0.0, "watched")


def test_the_latest_rating_counts() -> None:
    assert tastes(movielens(1.0, 0) + movielens(5.0, DAY))[0]["weight"] == 1.0
    assert tastes(movielens(5.0, 0) + movielens(1.0, DAY))[0]["weight"] == 0.0


def test_what_is_only_listed_is_not_seen() -> None:
    (t,) = tastes([a_play(kind="list_add")])
    assert (t["weight"], t["evidence"], t["is_seen"]) == (0.3, "listed", False)
    assert tastes([a_play(kind="list_add"), a_play(kind="list_remove", at=5)]) == []
    assert len(tastes([a_play(kind="list_remove"), a_play(kind="list_add", at=5)])) == 1


def test_an_export_without_length_is_chosen_and_no_more() -> None:
    (t,) = tastes([a_play(kind="watched", source="netflix-history")])
    assert (t["weight"], t["evidence"], t["is_seen"]) == (0.6, "watched", True)


def test_seconds_watched_of_a_title_of_unknown_length_count_up_to_twenty_minutes() -> None:
    assert tastes(a_sitting(title="unknown", end=600))[0]["weight"] == pytest.approx(0.3)
    assert tastes(a_sitting(title="unknown", end=4000))[0]["weight"] == pytest.approx(0.6)


def test_completion_told_by_a_csv_weighs_by_the_curve() -> None:
    (t,) = tastes([a_play(kind="watched", value=0.55, title="unknown", source="csv")])
    assert (t["weight"], t["evidence"]) == (pytest.approx(0.5), "watched")


def test_rows_are_sorted_and_do_not_depend_on_the_order_of_events() -> None:
    rows = [*a_sitting(2, end=5700), *a_sitting(1, title="unknown", end=900), *movielens(4.0)]
    assert tastes(rows) == tastes(rows[::-1])
    assert [(t["member"], t["title_id"]) for t in tastes(rows)] == [
        (member_id(1), "film"),
        (member_id(1), "unknown"),
        (member_id(2), "film"),
    ]
