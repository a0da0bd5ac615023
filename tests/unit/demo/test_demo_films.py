"""The demo's catalogue."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime

from postreel.catalogue import MATURITIES, Catalogue
from postreel.demo import film_catalogue

NOW = datetime(2026, 11, 24, 8, tzinfo=UTC)


def test_the_catalogue_holds_films_shorts_serials_and_their_episodes() -> None:
    kinds = Counter(t.kind for t in film_catalogue())
    assert kinds == {"film": 228, "short": 103, "series": 10, "episode": 70}


def test_no_two_titles_share_an_id() -> None:
    titles = film_catalogue()
    assert len(Catalogue.of(titles)) == len(titles)


def test_an_episode_names_its_serial_and_takes_after_it() -> None:
    catalogue = Catalogue.of(film_catalogue())
    first = catalogue["les-vampires-e01"]
    assert (first.name, first.minutes, first.series_id) == ("The Severed Head", 33.0, "les-vampires")
    assert (first.season, first.episode) == (1, 1)
    assert first.directors == catalogue["les-vampires"].directors
    assert catalogue["les-vampires"].minutes is None


def test_every_title_that_is_played_has_a_length_and_every_title_a_known_maturity() -> None:
    titles = film_catalogue()
    assert all(t.minutes is not None and t.minutes > 0 for t in titles if t.kind != "series")
    assert {t.maturity for t in titles} <= set(MATURITIES)
    assert all(t.summary and t.genres and t.moods and t.directors for t in titles)


def test_themes_that_could_give_a_viewer_away_are_kept() -> None:
    themes = {theme for t in film_catalogue() for theme in t.sensitive}
    assert themes == {"religion", "health", "sexuality", "politics", "ethnicity"}


def test_a_handful_of_films_leave_arrive_or_came_lately() -> None:
    titles = film_catalogue(NOW)
    leaving = [t for t in titles if t.available_until is not None]
    lately = [t for t in titles if t.available_from is not None and t.available_from < NOW]
    to_come = [t for t in titles if not t.is_available(NOW, None)]
    assert 2 <= len(leaving) <= 6
    assert 2 <= len(lately) <= 6
    assert 2 <= len(to_come) <= 6
    assert all(t.available_until > NOW for t in leaving if t.available_until)
    assert film_catalogue(NOW) == titles
