"""Popularity: which titles many members took, lately; and which are being taken more than usual.

The counts come through `learn` under Training; the ranking is for anybody, under no purpose. A title that fewer
than `title_floor` members liked has no popularity and no trend, so one member's viewing does not show in
another's list.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from postreel.catalogue import Catalogue
from postreel.recommend.contributions import NO_DAY, Vocabulary
from postreel.recommend.counts import DAY_BITS, Counts
from postreel.recommend.settings import RecommendSettings

_DECADE = 10
_NO_YEAR = -1


def recent_counts(counts: Counts, half_life_d: float) -> NDArray[np.float64]:
    """(V,) likes of each title, each counting half for every `half_life_d` days before the latest one.

    Taking the latest day instead of today changes all titles by one factor, which neither a ranking nor a lift
    sees; so the result is a function of the counts alone and does not age.
    """
    size = len(counts.vocabulary)
    if len(counts.trend_key) == 0:
        return np.zeros(size)
    title = counts.trend_key >> DAY_BITS
    day = counts.trend_key & ((1 << DAY_BITS) - 1)
    weight = np.exp2((day - day.max()) / half_life_d) * counts.trend_count
    return np.bincount(title, weights=weight, minlength=size).astype(np.float64)


def latest_day(counts: Counts) -> int:
    """Days since 1970 of the latest like that was counted; NO_DAY where none has a time."""
    if len(counts.trend_key) == 0:
        return NO_DAY
    return int((counts.trend_key & ((1 << DAY_BITS) - 1)).max())


def lift_of(counts: Counts, settings: RecommendSettings) -> NDArray[np.float64]:
    """(V,) what each score is multiplied by: ((recent + c) / (expected + c))^g.

    `recent` is a title's decayed count, `expected` its share of all likes times the sum of the decayed counts.
    With c on the scale of recent viewings, a quiet service has lifts near 1 and one viewing makes no trend.
    A title under the floor has no trend: 1.
    """
    known = counts.title_count >= settings.title_floor
    recent = np.where(known, recent_counts(counts, settings.lift_half_life_d), 0.0)
    every = np.where(known, counts.title_count, 0).astype(np.float64)
    if settings.lift_power == 0 or recent.sum() == 0:
        return np.ones(len(known))
    expected = every * (recent.sum() / every.sum())
    return ((recent + settings.lift_prior) / (expected + settings.lift_prior)) ** settings.lift_power


def takers_of(counts: Counts, settings: RecommendSettings) -> NDArray[np.float64]:
    """(V,) members of all who would have taken each title, had it always been as popular as lately.

    Recent likes, with `popular_prior` viewings spread as all likes of all time are, scaled to the total of all
    likes. A service with few recent likes so has the popularity of all time; one with many has that of today.
    A title under the floor has none.
    """
    known = counts.title_count >= settings.title_floor
    every = np.where(known, counts.title_count, 0).astype(np.float64)
    recent = np.where(known, recent_counts(counts, settings.popular_half_life_d), 0.0)
    total = every.sum()
    if total == 0 or recent.sum() + settings.popular_prior == 0:
        return every
    mixed = recent + settings.popular_prior * every / total
    return mixed * (total / (recent.sum() + settings.popular_prior))


def demand_of(counts: Counts, settings: RecommendSettings) -> NDArray[np.float64]:
    """(V,) what likeness towards each title is multiplied by: ((takers + 1) / (members + 1))^content_demand.

    1 for every title of an empty service; a title under the floor counts as one that nobody liked.
    """
    return ((takers_of(counts, settings) + 1.0) / (counts.member_count + 1.0)) ** settings.content_demand


def bias_of(counts: Counts, settings: RecommendSettings) -> NDArray[np.float64]:
    """(V,) what being popular adds to a title's score, for anybody: popular_weight takers / (members + 1).

    It rests on nothing of the member's, so it is named as a reason of its own and never put down to a title.
    """
    return settings.popular_weight * takers_of(counts, settings) / (counts.member_count + 1.0)


def popular_order(counts: Counts, catalogue: Catalogue, settings: RecommendSettings) -> NDArray[np.int32]:
    """(V,) all title indices, most popular first; those that too few members liked follow in `varied_order`."""
    varied = np.empty(len(counts.vocabulary), np.int64)
    varied[varied_order(catalogue, counts.vocabulary)] = np.arange(len(varied))
    return np.lexsort((varied, -takers_of(counts, settings))).astype(np.int32)


def varied_order(catalogue: Catalogue, vocabulary: Vocabulary) -> NDArray[np.int32]:
    """(V,) title indices when nothing is known of demand: the decades take turns, newest first.

    Within a decade the newer title comes first, then the lower id; titles without a year come last.
    """
    years = np.array([_year_of(catalogue, i) for i in vocabulary.ids], np.int64)
    size = len(years)
    ids = np.arange(size)
    decade = np.where(years == _NO_YEAR, _NO_YEAR, years // _DECADE)
    order = np.lexsort((ids, -years, -decade))
    begins = np.flatnonzero(np.diff(decade[order], prepend=np.iinfo(np.int64).max) != 0) if size else ids
    turn = np.empty(size, np.int64)
    turn[order] = ids - np.repeat(begins, np.diff(np.append(begins, size)))
    return np.lexsort((ids, -decade, turn, years == _NO_YEAR)).astype(np.int32)


def _year_of(catalogue: Catalogue, title_id: str) -> int:
    title = catalogue.get(title_id)
    return _NO_YEAR if title is None or title.year is None else title.year
