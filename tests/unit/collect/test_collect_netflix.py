"""Both kinds of Netflix export."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from postreel.collect import Parsed, parse_netflix
from postreel.collect.netflix import device_type
from postreel.collect.netflix_names import names_of
from postreel.errors import InputError

NOW = datetime(2026, 1, 1, tzinfo=UTC)
HEADER = (
    "Profile Name,Start Time,Duration,Attributes,Title,Supplemental Video Type,Device Type,"
    "Bookmark,Latest Bookmark,Country\n"
)
FILM = "Ann,2024-03-01 20:00:00,01:30:00,,John Wick: Chapter 2,,Samsung Smart TV,01:30:00,01:30:00,DE (Germany)\n"
EPISODE = (
    "Ann,2024-03-02 20:00:00,0:25:00,Autoplayed: user action: User_Interaction; ,Dark: Season 2: Endings,,"
    "Chrome PC (Cadmium),0:25:00,Not latest view,DE (Germany)\n"
)


def activity(*rows: str, profile: str | None = None) -> Parsed:
    return parse_netflix([HEADER, *rows], "ann@example.org", NOW, profile)


def history(*rows: tuple[str, str], dates: str | None = None) -> Parsed:
    lines = ['"Title","Date"\n', *(f'"{title}","{day}"\n' for title, day in rows)]
    return parse_netflix(lines, "ann@example.org", NOW, dates=dates)


def days(parsed: Parsed) -> list[date]:
    return [at.date() for at in parsed.plays.column("at").to_pylist()]


def test_a_row_of_the_data_request_is_a_viewing() -> None:
    parsed = activity(FILM, EPISODE)
    film, episode = parsed.plays.to_pylist()
    assert parsed.who.to_pylist() == ["ann@example.org"] * 2
    assert (film["kind"], film["watched_s"], film["position_s"], film["value"]) == (
        "watched",
        5400.0,
        5400.0,
        None,
    )
    assert (film["at"], film["device_type"]) == (datetime(2024, 3, 1, 20, tzinfo=UTC), "tv")
    assert (episode["watched_s"], episode["device_type"]) == (1500.0, "computer")
    named = {t.kind: t for t in parsed.titles}
    assert named["film"].name == "John Wick: Chapter 2"
    assert (named["series"].name, named["episode"].name, named["episode"].season) == ("Dark", "Endings", 2)
    assert named["episode"].series_id == named["series"].title_id
    assert {film["title_id"], episode["title_id"]} == {named["film"].title_id, named["episode"].title_id}


def test_trailers_hooks_and_what_started_by_itself_are_left_out_and_counted() -> None:
    rows = [
        FILM.replace(",,Samsung", ",TRAILER,Samsung"),
        FILM.replace("John Wick: Chapter 2", "Dark_hook_primary_16x9"),
        FILM.replace("John Wick: Chapter 2", "Season 2 Trailer: Dark"),
        EPISODE.replace("User_Interaction", "None"),
        FILM,
    ]
    parsed = activity(*rows)
    assert len(parsed) == 1
    assert parsed.left_out == {"trailer or other extra": 3, "started by itself": 1}
    assert parsed.refused == []


def test_several_profiles_need_a_name_and_no_name_is_told_in_the_error() -> None:
    bob = FILM.replace("Ann,", "Bob,")
    with pytest.raises(InputError, match=r"2 profiles.*--profile") as raised:
        activity(FILM, bob)
    assert "Bob" not in str(raised.value)
    parsed = activity(FILM, bob, EPISODE, profile="Ann")
    assert len(parsed) == 2
    assert parsed.left_out == {"another profile": 1}
    with pytest.raises(InputError, match="no such profile"):
        activity(FILM, profile="Eve")


def test_a_copy_saved_with_semicolons_and_a_junk_line_is_read_the_same() -> None:
    lines = ["ViewingActivity;;;;;;;;;\n", HEADER.replace(",", ";"), FILM.replace(",", ";"), "x;y\n"]
    parsed = parse_netflix(lines, "ann@example.org", NOW)
    assert parsed.plays.equals(activity(FILM).plays)
    assert [r.line for r in parsed.refused] == [4]


def test_a_row_imported_again_is_the_same_event_even_when_a_later_view_moved_the_latest_bookmark() -> None:
    again = EPISODE.replace("Not latest view", "0:25:00")
    ids = [activity(r).plays.column("event_id").to_pylist() for r in (EPISODE, again)]
    assert ids[0] == ids[1]


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (FILM.replace("2024-03-01", "2024-13-01"), "start time"),
        (FILM.replace("2024-03-01", "2031-03-01"), "future"),
        (FILM.replace("01:30:00,,", "long,,"), "duration"),
        (FILM.replace("John Wick: Chapter 2", ""), "title"),
        ("Ann,2024\n", "2 fields"),
    ],
)
def test_a_bad_row_is_refused_alone(row: str, reason: str) -> None:
    parsed = activity(FILM, row, EPISODE)
    assert len(parsed) == 2
    assert [r.line for r in parsed.refused] == [3]
    assert reason in parsed.refused[0].reason


@pytest.mark.parametrize(
    ("name", "series", "season", "episode"),
    [
        ("Dark: Season 2: Endings and Beginnings", "Dark", 2, "Endings and Beginnings"),
        ("Dark: Staffel 2: Anfang: Ende", "Dark", 2, "Anfang: Ende"),
        ("Lupin : Partie 1 : Chapitre 1", "Lupin", 1, "Chapitre 1"),
        ("La casa de papel: Parte 3: Hemos vuelto", "La casa de papel", 3, "Hemos vuelto"),
        ("Élite: Temporada 4: Episodio 2", "Élite", 4, "Episodio 2"),
        ("Suburra: Stagione 1: Capitolo 1", "Suburra", 1, "Capitolo 1"),
        ("Undercover: Seizoen 2: Aflevering 3", "Undercover", 2, "Aflevering 3"),
        ("Hakan: 2. Sezon: 1. Bölüm", "Hakan", 2, "1. Bölüm"),
        ("全裸監督: シーズン2: 第1話", "全裸監督", 2, "第1話"),
        ("킹덤: 시즌 1: 1화", "킹덤", 1, "1화"),
        ("流金歲月: 第二季: 第1集", "流金歲月", 2, "第1集"),
        ("The Queen's Gambit: Limited Series: Openings", "The Queen's Gambit", 1, "Openings"),
        ("Stranger Things: Stranger Things 3: Chapter One", "Stranger Things", 3, "Chapter One"),
        ("Marvel: Agents: Season 1: Pilot", "Marvel: Agents", 1, "Pilot"),
    ],
)
def test_a_season_in_the_middle_makes_an_episode(name: str, series: str, season: int, episode: str) -> None:
    found = names_of([name])[name]
    assert (found.series, found.season, found.episode) == (series, season, episode)


@pytest.mark.parametrize(
    "name",
    [
        "John Wick: Chapter 2",
        "Harry Potter and the Deathly Hallows: Part 1",
        "Mission: Impossible - Fallout",
        "Nymphomaniac: Volume 1: Director's Cut",
        "The Lord of the Rings: The Two Towers: Extended",
        "Season 2",
        ": Season 2: ",
    ],
)
def test_a_colon_alone_makes_no_series(name: str) -> None:
    assert names_of([name])[name].series is None


def test_a_volume_makes_a_series_where_two_episodes_show_it() -> None:
    names = [f"Love Death: Volume 1: {n}" for n in ("Sonnie", "Three Robots")]
    assert {n.series for n in names_of(names).values()} == {"Love Death"}


def test_the_whole_column_decides_the_order_of_a_date() -> None:
    assert days(history(("A", "1/2/21"), ("B", "1/24/21"))) == [date(2021, 1, 2), date(2021, 1, 24)]
    assert days(history(("A", "01/02/2021"), ("B", "24/01/2021"))) == [date(2021, 2, 1), date(2021, 1, 24)]
    assert days(history(("A", "2021-02-01"), ("B", "2021-01-24"))) == [date(2021, 2, 1), date(2021, 1, 24)]
    assert days(history(("A", "1.2.21"))) == [date(2021, 2, 1)]
    assert days(history(("A", "24-01-21"))) == [date(2021, 1, 24)]
    assert days(history(("A", "21. 1. 24."), ("B", "21. 12. 31."))) == [date(2021, 1, 24), date(2021, 12, 31)]


def test_dates_that_read_both_ways_are_asked_about() -> None:
    rows = (("A", "1/2/21"), ("B", "3/4/21"))
    with pytest.raises(InputError, match="--dates dmy or --dates mdy"):
        history(*rows)
    assert days(history(*rows, dates="dmy")) == [date(2021, 2, 1), date(2021, 4, 3)]
    assert days(history(*rows, dates="mdy")) == [date(2021, 1, 2), date(2021, 3, 4)]
    assert days(history(("A", "5/5/21"))) == [date(2021, 5, 5)]
    with pytest.raises(InputError, match="dmy, mdy, ymd"):
        history(*rows, dates="iso")


def test_the_future_tells_day_from_month() -> None:
    # Read day first, the first would be in February 2026, after the import.
    assert days(history(("A", "1/2/26"), ("B", "5/6/25"))) == [date(2026, 1, 2), date(2025, 5, 6)]


def test_a_date_that_is_none_is_refused_alone() -> None:
    parsed = history(("A", "1/24/21"), ("B", "soon"), ("C", "2/30/21"), ("", "1/25/21"))
    assert days(parsed) == [date(2021, 1, 24)]
    assert [r.line for r in parsed.refused] == [3, 4, 5]


def test_the_instant_download_knows_neither_hour_nor_length() -> None:
    parsed = history(("Dark: Season 1: Secrets", "1/24/21"), ("Roma", "1/25/21"))
    row = parsed.plays.to_pylist()[0]
    assert (row["source"], row["watched_s"], row["value"]) == ("netflix-history", None, None)
    assert sorted(t.kind for t in parsed.titles) == ["episode", "film", "series"]


def test_overlapping_downloads_give_equal_events_however_their_dates_are_written() -> None:
    a = history(("Roma", "1/25/21")).plays.column("event_id").to_pylist()
    b = history(("Roma", "25.01.2021")).plays.column("event_id").to_pylist()
    assert a == b


@pytest.mark.parametrize("text", ["", "\n", "a,b\n1,2\n", "Title\nRoma\n"])
def test_what_is_no_netflix_export_is_said_to_be_none(text: str) -> None:
    with pytest.raises(InputError, match="Netflix"):
        parse_netflix(text.splitlines(True), "ann@example.org", NOW)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("Sony PS5", "console"),
        ("Apple iPhone 14", "phone"),
        ("Apple iPad Pro", "tablet"),
        ("Netflix Chrome MAC (Cadmium)", "computer"),
        ("LG 2020 Smart TV", "tv"),
        ("Toaster", "other"),
        ("", None),
    ],
)
def test_devices_are_told_by_kind(name: str, kind: str | None) -> None:
    assert device_type(name) == kind
