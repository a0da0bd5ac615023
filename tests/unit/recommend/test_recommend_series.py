"""Series: what is told of episodes counts for the series, and who is in one gets its next episode."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest

from postreel.catalogue import Catalogue, Title
from postreel.demo.films import film_catalogue
from postreel.recommend import (
    Builder,
    Fit,
    Model,
    RecommendSettings,
    Vocabulary,
    contributions,
    explanation,
    picks_for,
)
from postreel.schema import Tastes, id_array

NOW = datetime(2026, 5, 1, tzinfo=UTC)
SETTINGS = RecommendSettings(pair_floor=3, title_floor=2)
FILMS = [Title(f"f{i}", f"Film {i}", genres=("crime",), year=1915 + i) for i in range(4)]
SERIAL = Title("s", "Les Vampires", kind="series", genres=("crime",), year=1915)


def an_episode(season: int, number: int, **more: Any) -> Title:
    title_id = f"s-{season}-{number:02d}"
    return Title(title_id, title_id, kind="episode", series_id="s", season=season, episode=number, **more)


EPISODES = [an_episode(season, number) for season in (1, 2, 4) for number in (1, 2, 10)]
CATALOGUE = Catalogue.of([*FILMS, SERIAL, *EPISODES])


def a_member(number: int) -> bytes:
    return number.to_bytes(15, "big") + b"\x01"


def tastes_of(*rows: tuple[int, str, float]) -> Tastes:
    """Member, title, weight; a later row happened later."""
    return Tastes.of(
        member=[a_member(m) for m, _, _ in rows],
        title_id=[t for _, t, _ in rows],
        weight=[w for _, _, w in rows],
        evidence=["watched"] * len(rows),
        is_seen=[True] * len(rows),
        last_at=[NOW - timedelta(hours=len(rows) - i) for i in range(len(rows))],
    )


def a_model(catalogue: Catalogue = CATALOGUE, crowd: Tastes | None = None) -> Model:
    builder = Builder(SETTINGS, catalogue)
    rows = crowd if crowd is not None else Tastes.empty()
    builder.see(rows)
    builder.add(rows)
    return builder.finish(NOW)


def shown(tastes: Tastes, catalogue: Catalogue = CATALOGUE, fit: Fit | None = None) -> list[str]:
    picks = picks_for(tastes, a_model(catalogue), catalogue, NOW, 20, fit).table.to_pylist()[0]["picks"]
    return [pick["title_id"] for pick in picks]


def of_series(titles: Sequence[str]) -> list[str]:
    return [title for title in titles if title.startswith("s")]


def test_a_newcomer_gets_the_series_itself_once() -> None:
    assert of_series(shown(tastes_of((1, "f0", 1.0)))) == ["s"]


@pytest.mark.parametrize(
    ("seen", "following"),
    [
        (["s-1-01"], "s-1-02"),
        (["s-1-01", "s-1-02"], "s-1-10"),  # 10 after 2: as numbers
        (["s-1-01", "s-1-02", "s-1-10"], "s-2-01"),  # over the end of a season
        (
            ["s-4-10", "s-1-01"],
            "s-1-02",
        ),  # what was watched last counts, not the furthest: they are in season 1
        (["s-1-10", "s-2-01", "s-1-02"], "s-2-02"),  # what they have seen is passed over
    ],
)
def test_who_has_begun_gets_the_next_unseen_episode(seen: list[str], following: str) -> None:
    assert of_series(shown(tastes_of(*((1, title, 1.0) for title in seen)))) == [following]


def test_who_has_seen_it_to_the_end_or_did_not_like_it_gets_none_of_it() -> None:
    assert of_series(shown(tastes_of((1, "f0", 1.0), (1, "s-4-10", 1.0)))) == []
    assert of_series(shown(tastes_of((1, "f0", 1.0), (1, "s-1-01", 0.0)))) == []
    assert of_series(shown(tastes_of((1, "f0", 1.0), (1, "s", 1.0)))) == []  # all of it, as far as is known


def test_an_episode_that_may_not_be_shown_is_not_offered_and_nothing_instead() -> None:
    later = NOW + timedelta(days=3)
    others = [e for e in EPISODES if e.title_id != "s-1-02"]
    begun = tastes_of((1, "f0", 1.0), (1, "s-1-01", 1.0))
    for second in (an_episode(1, 2, available_from=later), an_episode(1, 2, maturity=18)):
        catalogue = Catalogue.of([*FILMS, SERIAL, *others, second])
        fit = Fit(id_array([a_member(1)]), np.array([12], np.int32), np.array([None], object))
        assert of_series(shown(begun, catalogue, fit)) == []
    first = Catalogue.of([*FILMS, SERIAL, *EPISODES[1:], replace(EPISODES[0], available_from=later)])
    assert of_series(shown(tastes_of((1, "f0", 1.0)), first)) == []  # a newcomer begins at the beginning
    hidden = Fit(
        id_array([a_member(1)]),
        np.array([18], np.int32),
        np.array([None], object),
        id_array([a_member(1)]),
        np.array(["s-2-01"], object),
    )
    assert of_series(shown(begun, CATALOGUE, hidden)) == []


def test_episodes_count_once_for_their_series_with_the_highest_weight_and_the_latest_day() -> None:
    vocabulary = Vocabulary.of(CATALOGUE)
    assert vocabulary.ids == ("f0", "f1", "f2", "f3", "s")
    parts = contributions(tastes_of((1, "s-1-01", 0.25), (1, "s-1-02", 1.0), (1, "f0", 1.0)), vocabulary)
    alike = contributions(tastes_of((1, "s", 1.0), (1, "f0", 1.0)), vocabulary)
    assert parts.titles.tolist() == alike.titles.tolist() == [0, 4]
    assert parts.values.tolist() == alike.values.tolist()


def test_a_reason_names_the_series_once_and_its_parts_sum_to_the_score() -> None:
    crowd = tastes_of(*((m, t, 1.0) for m in range(2, 9) for t in ("s-1-01", "s-2-02", "f1")))
    model = a_model(crowd=crowd)
    tastes = tastes_of((1, "s-1-01", 1.0), (1, "s-1-02", 0.5))
    picks = picks_for(tastes, model, CATALOGUE, NOW, 3).table.to_pylist()[0]["picks"]
    best = next(pick for pick in picks if pick["title_id"] == "f1")
    assert [reason["title_id"] for reason in best["reasons"]] == ["s"]
    told = explanation(tastes, model, a_member(1), "f1", NOW)
    assert told.title_ids == ("s",)
    assert told.contributions.sum() + told.popular == pytest.approx(told.score)


def test_a_series_with_a_sensitive_episode_is_never_a_reason() -> None:
    catalogue = Catalogue.of([*FILMS, SERIAL, replace(EPISODES[0], sensitive=("faith",)), *EPISODES[1:]])
    rows = picks_for(tastes_of((1, "s-1-02", 1.0)), a_model(catalogue), catalogue, NOW, 4).table.to_pylist()
    assert all(not pick["reasons"] for pick in rows[0]["picks"])


def test_an_episode_whose_series_the_catalogue_lacks_stands_for_itself() -> None:
    catalogue = Catalogue.of(
        [*FILMS, Title("x", "Pilot", kind="episode", series_id="gone", season=1, episode=1)]
    )
    assert "x" in Vocabulary.of(catalogue).ids


def test_the_demos_serials_go_on_where_a_member_stands() -> None:
    catalogue = Catalogue.of(film_catalogue())
    serials = [t for t in catalogue if t.kind == "series"]
    assert serials
    for serial in serials:
        episodes = sorted(
            (t for t in catalogue if t.series_id == serial.title_id),
            key=lambda t: (t.season or 1, t.episode or 0),
        )
        films = [t.title_id for t in catalogue if t.kind == "film"][:1]
        seen = tastes_of(*((1, t, 1.0) for t in [*films, episodes[0].title_id, episodes[1].title_id]))
        picks = picks_for(seen, a_model(catalogue), catalogue, NOW, len(catalogue)).table.to_pylist()[0][
            "picks"
        ]
        ids = [p["title_id"] for p in picks]
        mine = [i for i in ids if catalogue[i].series_id == serial.title_id or i == serial.title_id]
        assert mine == [e.title_id for e in episodes[2:3]]
