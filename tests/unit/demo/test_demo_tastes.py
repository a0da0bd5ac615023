"""Planted tastes can be found by co-watching, and are not so strong that nothing is left to chance."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from postreel.demo import film_catalogue, simulated_members
from postreel.demo.choices import choices_of, world_of
from postreel.demo.tastes import TASTES, explained_appeal, taste_shares

UNTIL = datetime(2026, 11, 24, 8, tzinfo=UTC)
START = UNTIL - timedelta(days=90)
CHOOSABLE = [t for t in film_catalogue() if t.kind != "episode"]


def test_every_leaning_is_about_something_in_the_catalogue() -> None:
    genres = {g for t in CHOOSABLE for g in t.genres}
    moods = {m for t in CHOOSABLE for m in t.moods}
    countries = {c for t in CHOOSABLE for c in t.countries}
    directors = {d for t in CHOOSABLE for d in t.directors}
    for taste in TASTES:
        assert set(taste.genres) <= genres
        assert set(taste.moods) <= moods
        assert set(taste.countries) <= countries
        assert set(taste.directors) <= directors


def test_appeal_is_standardised_and_shares_sum_to_one() -> None:
    appeal = explained_appeal(CHOOSABLE)
    assert appeal.shape == (len(TASTES), 341)
    np.testing.assert_allclose(appeal.mean(1), 0.0, atol=1e-12)
    np.testing.assert_allclose(appeal.std(1), 1.0, atol=1e-12)
    shares = taste_shares(CHOOSABLE, np.random.default_rng(1))
    np.testing.assert_allclose(shares.sum(1), 1.0, atol=1e-12)
    assert shares.max() < 0.1


def test_no_two_tastes_are_the_same() -> None:
    alike = np.corrcoef(explained_appeal(CHOOSABLE)) - np.eye(len(TASTES))
    assert alike.max() < 0.7


@pytest.mark.parametrize("seed", [7, 1])
def test_co_watching_beats_recent_popularity_and_is_far_from_perfect(seed: int) -> None:
    """Plain cosine of co-watching on the first 72 days against a 7-day half-life, NDCG@20 on the last 18."""
    titles = film_catalogue(UNTIL)
    people = simulated_members(800, seed)
    world = world_of(titles, START, UNTIL, np.random.default_rng([seed, 3]))
    chosen = choices_of(people, titles, START, UNTIL, world, np.random.default_rng([seed, 4]))
    row_of = {t.title_id: i for i, t in enumerate(titles)}
    rolled_up = np.array([row_of[t.series_id or t.title_id] for t in titles])[chosen.title]
    day, shape = chosen.start_s / 86_400, (len(people), len(titles))
    is_past = day < 72
    seen = np.zeros(shape)
    seen[chosen.viewer[is_past], rolled_up[is_past]] = 1.0
    sought = np.zeros(shape, np.bool_)
    sought[chosen.viewer[~is_past], rolled_up[~is_past]] = True
    sought &= seen == 0
    recent = np.bincount(rolled_up[is_past], 0.5 ** ((72 - day[is_past]) / 7), minlength=len(titles))
    together = seen.T @ seen
    alone = np.diag(together) + 3.0
    alike = together / np.sqrt(np.outer(alone, alone))
    is_tested = (seen.sum(1) >= 5) & sought.any(1)
    assert is_tested.mean() > 0.6
    ours = _ndcg_20(seen @ alike, seen, sought)[is_tested]
    theirs = _ndcg_20(np.tile(recent, (len(people), 1)), seen, sought)[is_tested]
    gain = ours - theirs
    assert gain.mean() - 1.96 * gain.std() / np.sqrt(gain.size) > 0.01
    assert ours.mean() < 0.3


def _ndcg_20(score: NDArray[Any], seen: NDArray[Any], sought: NDArray[Any]) -> NDArray[Any]:
    ranked = np.argsort(-np.where(seen > 0, -np.inf, score), axis=1)[:, :20]
    worth = 1.0 / np.log2(np.arange(2, 22))
    best = np.append(0.0, np.cumsum(worth))[np.minimum(sought.sum(1), 20)]
    return (np.take_along_axis(sought, ranked, 1) * worth).sum(1) / np.maximum(best, 1e-9)
