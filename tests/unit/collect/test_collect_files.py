"""Viewings, members and titles from files."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from postreel.collect import parse_catalogue, parse_members, parse_title, read_viewings
from postreel.errors import InputError

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def test_a_viewing_has_an_address_a_name_a_time_and_a_completion() -> None:
    text = (
        "member,title,time,weight\n"
        "ann@Example.ORG,Metropolis,1700000000,0.5\n"
        "bob@example.org,  metropolis ,2023-11-14T23:13:20+01:00,1\n"
        "bob@example.org,Nosferatu,2023-11-14,\n"
    )
    (parsed,) = read_viewings(text.splitlines(True), NOW)
    assert parsed.who.to_pylist() == ["ann@example.org", "bob@example.org", "bob@example.org"]
    assert parsed.plays.column("value").to_pylist() == [0.5, 1.0, None]
    a, b, c = parsed.plays.column("at").to_pylist()
    assert a == b == datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC)
    assert c == datetime(2023, 11, 14, tzinfo=UTC)
    one, two, other = parsed.plays.column("title_id").to_pylist()
    assert one == two != other
    assert sorted(t.name for t in parsed.titles) == ["Metropolis", "Nosferatu"]
    assert "metropolis" not in one


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("ann,M,1700000000,1", "mail address"),
        ("ann@example.org,,1700000000,1", "empty"),
        ("ann@example.org,M,yesterday,1", "neither"),
        ("ann@example.org,M,99999999999999999999,1", "neither"),
        ("ann@example.org,M,100,1", "1990"),
        ("ann@example.org,M,1800000000,1", "future"),
        ("ann@example.org,M,1700000000,1.2", "between 0 and 1"),
        ("ann@example.org,M,1700000000,much", "not a number"),
        ("ann@example.org,M,1700000000", "3 fields"),
    ],
)
def test_a_bad_viewing_is_refused_alone(line: str, reason: str) -> None:
    good = "ann@example.org,M,1700000000,1"
    (parsed,) = read_viewings(["member,title,time,weight\n", f"{good}\n", f"{line}\n", f"{good}\n"], NOW)
    assert len(parsed) == 2
    assert [r.line for r in parsed.refused] == [3]
    assert reason in parsed.refused[0].reason


def test_a_quote_left_open_costs_one_line_and_not_those_after_it() -> None:
    good = ["ann@example.org,M,1700000000,1\n"] * 200
    lines = ["member,title,time,weight\n", 'ann@example.org,"M,1700000000,1\n', *good]
    (parsed,) = read_viewings(lines, NOW)
    assert len(parsed) == 200
    assert [r.line for r in parsed.refused] == [2]


def test_a_quoted_name_may_hold_commas_and_line_ends() -> None:
    lines = ["member,title,time,weight\n", 'ann@example.org,"M, a\n', 'story",1700000000,1\n']
    (parsed,) = read_viewings(lines, NOW)
    assert len(parsed) == 1
    assert parsed.refused == []


def test_what_is_not_utf8_is_refused_and_said() -> None:
    (parsed,) = read_viewings([b"member,title,time,weight\n", b"ann@example.org,Caf\xe9,1700000000,1\n"], NOW)
    assert len(parsed) == 0
    assert "UTF-8" in parsed.refused[0].reason


def test_members_come_with_the_evidence_of_each_grant() -> None:
    text = (
        "\ufeffaddress,alias,name,language,timezone,region,maturity,is_child,history,mail.picks\n"
        "ann@Example.org,u1,Ann,pt-BR,Europe/Lisbon,pt,16,false,form 2024-05-01,web form 2024-05-01 /signup v3\n"
        "bob@example.org,,,,,,,,,\n"
    )
    parsed = parse_members(text.splitlines(True))
    ann, bob = parsed.rows
    assert parsed.refused == []
    assert (ann.address, ann.alias, ann.language, ann.timezone) == (
        "ann@example.org",
        "u1",
        "pt-BR",
        "Europe/Lisbon",
    )
    assert (ann.region, ann.maturity) == ("PT", 16)
    assert dict(ann.grants) == {"history": "form 2024-05-01", "mail.picks": "web form 2024-05-01 /signup v3"}
    assert (bob.alias, bob.language, bob.timezone, bob.region, bob.grants) == (None, None, None, None, ())


def test_members_come_as_json_lines_too() -> None:
    good = b'{"address":"ann@example.org","grants":{"mail.picks":"form","history":""},"is_child":false}\n'
    parsed = parse_members([good, b'{"address":7}\n'])
    assert parsed.rows[0].grants == (("mail.picks", "form"),)
    assert [r.line for r in parsed.refused] == [2]


def test_a_grant_to_measure_is_never_imported_and_its_member_is_kept() -> None:
    text = "address,measure.opens,history\nann@example.org,form,form\n"
    parsed = parse_members(text.splitlines(True))
    assert parsed.rows[0].grants == (("history", "form"),)
    assert "only the member" in parsed.refused[0].reason


def test_a_child_grants_nothing() -> None:
    parsed = parse_members(["address,is_child,history\n", "kid@example.org,true,form\n"])
    assert parsed.rows[0].is_child
    assert parsed.rows[0].grants == ()
    assert "child" in parsed.refused[0].reason


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("nobody,en,UTC,18,", "mail address"),
        ("a@example.org,??,UTC,18,", "language"),
        ("a@example.org,en,Mars/Base,18,", "timezone"),
        ("a@example.org,en,../etc,18,", "timezone"),
        ("a@example.org,en,UTC,17,", "maturity"),
        ("a@example.org,en,UTC,18,maybe", "is_child"),
    ],
)
def test_a_bad_member_is_refused_alone(row: str, reason: str) -> None:
    lines = ["address,language,timezone,maturity,is_child\n", f"{row}\n", "b@example.org,,,,\n"]
    parsed = parse_members(lines)
    assert [r.address for r in parsed.rows] == ["b@example.org"]
    assert [r.line for r in parsed.refused] == [2]
    assert reason in parsed.refused[0].reason


@pytest.mark.parametrize("column", ["mail.spam", "service", "colour"])
def test_a_column_that_means_nothing_stops_the_import(column: str) -> None:
    with pytest.raises(InputError, match=column):
        parse_members([f"address,{column}\n", "a@example.org,x\n"])


def test_a_purpose_that_does_not_exist_is_refused_in_json_and_the_member_kept() -> None:
    parsed = parse_members(['{"address":"a@example.org","grants":{"mail.spam":"form"}}'])
    assert len(parsed.rows) == 1
    assert "mail.spam" in parsed.refused[0].reason


def test_titles_come_as_csv_with_lists_parted_by_bars() -> None:
    text = (
        "title_id;name;year;minutes;genres;maturity;regions;available_from\n"
        "t1;Metropolis;1927;153;drama|science fiction;7;DE|AT;2025-01-01T00:00:00Z\n"
        "t2;;1927;153;;;;\n"
        "t3;M;x;1;;;;\n"
    )
    parsed = parse_catalogue(text.splitlines(True))
    (title,) = parsed.titles
    assert (title.year, title.minutes, title.genres) == (1927, 153.0, ("drama", "science fiction"))
    assert (title.maturity, title.regions) == (7, ("DE", "AT"))
    assert title.available_from == datetime(2025, 1, 1, tzinfo=UTC)
    assert [r.line for r in parsed.refused] == [3, 4]


def test_titles_come_as_json_lines() -> None:
    good = '{"title_id":"e1","name":"One","kind":"episode","series_id":"s","season":1,"episode":2,"cast":["A","B"]}\n'
    parsed = parse_catalogue([good, '{"title_id":"e2","name":"Two","kind":"song"}\n', "{\n"])
    assert [(t.title_id, t.kind, t.season, t.cast) for t in parsed.titles] == [
        ("e1", "episode", 1, ("A", "B"))
    ]
    assert [r.line for r in parsed.refused] == [2, 3]


def test_a_title_that_ends_before_it_begins_is_refused() -> None:
    times = b'"available_from":"2025-01-02T00:00:00Z","available_until":"2025-01-01T00:00:00Z"'
    body = b'{"title_id":"a","name":"A",' + times + b"}"
    with pytest.raises(InputError, match="not after"):
        parse_title(body)


def test_a_catalogue_with_a_strange_column_is_refused_whole() -> None:
    with pytest.raises(InputError, match="colour"):
        parse_catalogue(["title_id,name,colour\n"])
