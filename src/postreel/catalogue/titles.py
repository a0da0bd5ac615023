"""Titles and the catalogue that holds them. No purpose: nothing here is about a member."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime

MATURITIES = (0, 7, 12, 16, 18)
"""The ages from which a title may be shown; 0 is for all."""


@dataclass(frozen=True)
class Title:
    """One film, series, season or episode.

    Attributes:
        title_id: the service's own id.
        name: as shown to members.
        kind: film, short, series, season or episode.
        year: of first showing; None where unknown.
        minutes: running time; None where unknown (a series has none of its own).
        maturity: one of MATURITIES.
        sensitive: themes from which somebody could guess a special category about the viewer (GDPR Art. 9).
        series_id: the series that a season or an episode belongs to.
        available_from, available_until: aware UTC times; None: no limit.
        regions: ISO 3166-1 codes where it may be shown; empty: everywhere.
    """

    title_id: str
    name: str
    kind: str = "film"
    year: int | None = None
    minutes: float | None = None
    genres: tuple[str, ...] = ()
    directors: tuple[str, ...] = ()
    cast: tuple[str, ...] = ()
    countries: tuple[str, ...] = ()
    languages: tuple[str, ...] = ()
    moods: tuple[str, ...] = ()
    maturity: int = 0
    sensitive: tuple[str, ...] = ()
    summary: str = ""
    series_id: str | None = None
    season: int | None = None
    episode: int | None = None
    available_from: datetime | None = None
    available_until: datetime | None = None
    regions: tuple[str, ...] = ()

    @property
    def runtime_s(self) -> float | None:
        """Seconds from first to last frame; None where unknown."""
        return None if self.minutes is None else self.minutes * 60.0

    def is_available(self, at: datetime, region: str | None) -> bool:
        """Whether it can be watched at this time in this region (None: region unknown, limits not applied)."""
        if self.available_from is not None and at < self.available_from:
            return False
        if self.available_until is not None and at >= self.available_until:
            return False
        return region is None or not self.regions or region in self.regions


@dataclass(frozen=True)
class Catalogue:
    """All titles, by id, at one version. Iterates in the order of their ids."""

    titles: dict[str, Title]
    version: int = 0
    _ids: tuple[str, ...] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_ids", tuple(sorted(self.titles)))

    @classmethod
    def of(cls, titles: Iterable[Title], version: int = 0) -> Catalogue:
        """A catalogue of these titles; a later one replaces an earlier one of the same id."""
        return cls({t.title_id: t for t in titles}, version)

    @property
    def ids(self) -> tuple[str, ...]:
        """Sorted title ids."""
        return self._ids

    def __len__(self) -> int:
        return len(self.titles)

    def __iter__(self) -> Iterator[Title]:
        return (self.titles[i] for i in self._ids)

    def __contains__(self, title_id: object) -> bool:
        return title_id in self.titles

    def __getitem__(self, title_id: str) -> Title:
        return self.titles[title_id]

    def get(self, title_id: str) -> Title | None:
        """The title, or None where the catalogue does not know it."""
        return self.titles.get(title_id)
