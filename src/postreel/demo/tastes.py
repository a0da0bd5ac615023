"""The tastes that are planted in simulated members, and how much each title appeals to each taste.

A taste is a leaning towards genres, moods, a period, countries and directors, plus a part that no fact about
the film explains (people agree on films for reasons that no catalogue holds; only co-watching shows it).
A member is a mixture of tastes. The model under test never sees a taste, a mixture or this file.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from postreel.catalogue import Title

Floats = NDArray[np.float64]

_STRENGTH = 3.2
"""Spread of the log appeal of titles within one taste: 0 is no taste at all."""
_UNEXPLAINED = 0.7
"""Spread of the part that no catalogue fact explains, beside 1 for the part that facts do."""


@dataclass(frozen=True)
class Taste:
    """One leaning. Weights add up over what a title has; `years` and `kind` count once."""

    name: str
    genres: dict[str, float]
    moods: dict[str, float] = field(default_factory=dict[str, float])
    years: tuple[int, int] | None = None
    countries: tuple[str, ...] = ()
    directors: tuple[str, ...] = ()
    kind: str | None = None


TASTES: tuple[Taste, ...] = (
    Taste(
        "slapstick",
        {"comedy": 2.0, "family": 0.4},
        {"funny": 1.5, "playful": 1.0},
        (1912, 1929),
        directors=("Buster Keaton", "Charles Chaplin", "Fred C. Newmeyer"),
    ),
    Taste(
        "shadows",
        {"horror": 2.5, "fantasy": 1.0, "mystery": 0.8},
        {"eerie": 2.0, "strange": 1.0},
        countries=("Germany",),
        directors=("F. W. Murnau", "Paul Leni", "Robert Wiene"),
    ),
    Taste(
        "hearts",
        {"romance": 2.0, "drama": 0.8},
        {"tender": 1.5, "sad": 0.8, "hopeful": 0.8},
        (1919, 1930),
        directors=("Frank Borzage", "King Vidor", "Josef von Sternberg"),
    ),
    Taste(
        "saddle and sea",
        {"adventure": 2.0, "western": 2.0},
        {"thrilling": 1.5, "grand": 0.5},
        countries=("United States",),
    ),
    Taste(
        "epics",
        {"historical": 2.0, "war": 1.6, "drama": 0.4},
        {"grand": 2.0},
        directors=("Abel Gance", "Sergei Eisenstein", "D. W. Griffith"),
    ),
    Taste(
        "underworld",
        {"crime": 2.2, "thriller": 1.6, "mystery": 1.2},
        {"tense": 1.2, "thrilling": 0.8},
        directors=("Louis Feuillade", "Fritz Lang"),
        kind="series",
    ),
    Taste(
        "avant-garde",
        {"experimental": 2.5, "documentary": 1.6},
        {"dreamy": 1.2, "strange": 1.0},
        (1920, 1930),
        directors=("Dziga Vertov", "Walter Ruttmann", "Man Ray"),
    ),
    Taste(
        "drawn",
        {"animation": 3.0, "family": 1.5, "fantasy": 0.5},
        {"playful": 1.0, "warm": 0.6},
        directors=("Winsor McCay", "Hjalti Hjálmarsson"),
    ),
    Taste(
        "first reels",
        {"fantasy": 0.6, "documentary": 0.6},
        {"playful": 0.4, "strange": 0.4},
        (1890, 1914),
        directors=("Georges Méliès", "Alice Guy-Blaché"),
        kind="short",
    ),
    Taste(
        "northern light",
        {"drama": 1.4},
        {"sad": 1.0, "tender": 0.5, "tense": 0.4},
        countries=("Sweden", "Denmark", "Norway", "Netherlands", "Japan", "India", "Italy"),
        directors=("Victor Sjöström", "Carl Theodor Dreyer", "Franz Osten"),
    ),
    Taste(
        "wonders",
        {"science fiction": 3.0, "fantasy": 1.6, "adventure": 0.6},
        {"strange": 0.8, "dreamy": 0.8, "grand": 0.4},
    ),
    Taste(
        "first songs",
        {"musical": 3.0, "comedy": 0.6, "romance": 0.6},
        {"playful": 0.5, "warm": 0.6},
        (1928, 1930),
        directors=("Ernst Lubitsch", "René Clair"),
    ),
)


def explained_appeal(titles: Sequence[Title]) -> Floats:
    """(tastes, titles) how well the facts of each title fit each taste: mean 0, spread 1 within a taste."""
    raw = np.array([[_fit(taste, title) for title in titles] for taste in TASTES], np.float64)
    return (raw - raw.mean(1, keepdims=True)) / np.maximum(raw.std(1, keepdims=True), 1e-9)


def taste_shares(titles: Sequence[Title], rng: np.random.Generator) -> Floats:
    """(tastes, titles) the share of viewing that each taste gives to each title; rows sum to 1."""
    fit = explained_appeal(titles) + _UNEXPLAINED * rng.standard_normal((len(TASTES), len(titles)))
    # A few films that fit perfectly must not swallow a taste whole.
    weight = np.exp(_STRENGTH * np.tanh(fit / 2.5) * 1.25)
    return weight / weight.sum(1, keepdims=True)


def _fit(taste: Taste, title: Title) -> float:
    fit = sum(taste.genres.get(g, 0.0) for g in title.genres) + sum(
        taste.moods.get(m, 0.0) for m in title.moods
    )
    if taste.years is not None and title.year is not None:
        fit += 1.5 if taste.years[0] <= title.year <= taste.years[1] else -1.5
    if taste.countries:
        fit += 1.5 if set(taste.countries) & set(title.countries) else 0.0
    fit += 1.5 if set(taste.directors) & set(title.directors) else 0.0
    return fit + (1.5 if taste.kind == title.kind else 0.0)
