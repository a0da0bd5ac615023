"""Playback events on the wire."""

from datetime import UTC, datetime

import pytest

from postreel.collect import parse_events, plays_of, read_events
from postreel.errors import InputError
from postreel.schema import Plays

NOW = datetime(2026, 1, 1, tzinfo=UTC)
GOOD = b'{"member":"ann","type":"play","at":"2025-12-31T20:00:00+01:00","title":"t1","position_s":3}'


@pytest.mark.parametrize(
    "body",
    [GOOD, GOOD + b"\n", b"[" + GOOD + b"]", b'{"events":[' + GOOD + b"]}", b"\n\n" + GOOD],
    ids=range(5),
)
def test_all_three_forms_give_the_same_event(body: bytes) -> None:
    parsed = parse_events(body, NOW)
    row = parsed.plays.to_pylist()[0]
    assert parsed.who.to_pylist() == ["ann"]
    assert parsed.refused == []
    assert row["at"] == datetime(2025, 12, 31, 19, tzinfo=UTC)
    assert (row["kind"], row["title_id"], row["position_s"], row["source"]) == ("play", "t1", 3.0, "events")
    assert row["arrived"] == NOW
    assert row["event_id"] == parse_events(GOOD, NOW).plays.to_pylist()[0]["event_id"]


def test_a_time_may_be_unix_seconds_with_fractions() -> None:
    body = b'{"member":"a","type":"stop","at":1700000000.25,"title":"t"}'
    at = parse_events(body, NOW).plays.column("at").to_pylist()[0]
    assert at == datetime(2023, 11, 14, 22, 13, 20, 250000, tzinfo=UTC)


def test_whole_and_zoned_times_mix_in_one_batch() -> None:
    body = GOOD + b'\n{"member":"a","type":"stop","at":1700000000,"title":"t"}'
    assert len(parse_events(body, NOW)) == 2


@pytest.mark.parametrize(
    ("event", "reason"),
    [
        (b'{"type":"play","at":1700000000,"title":"t"}', "member"),
        (b'{"member":"a","type":"watched","at":1700000000,"title":"t"}', "watched"),
        (b'{"member":"a","type":"play","at":1700000000}', "title"),
        (b'{"member":"a","type":"play","at":"2025-01-01T10:00:00","title":"t"}', "timezone"),
        (b'{"member":"a","type":"play","at":600000000,"title":"t"}', "before 1990"),
        (b'{"member":"a","type":"play","at":1767400000,"title":"t"}', "24 hours"),
        (b'{"member":"a","type":"seek","at":1700000000,"title":"t","from_s":1}', "to_s"),
        (b'{"member":"a","type":"rating","at":1700000000,"title":"t"}', "rating"),
        (b'{"member":"a","type":"rating","at":1700000000,"title":"t","rating":6}', "<= 5"),
        (b'{"member":"a","type":"search","at":1700000000}', "query"),
        (b'{"member":"a","type":"play","at":1700000000,"title":"t","position_s":-1}', ">= 0"),
        (b'{"member":"a","type":"play","at":1700000000,"title":"t","device_type":"fridge"}', "fridge"),
        (b'{"member":"a","type":"play","at":1700000000,"title":"t","colour":1}', "unknown field"),
        (b'{"member":"a', "truncated"),
    ],
)
def test_a_bad_event_is_refused_alone_with_its_line_and_reason(event: bytes, reason: str) -> None:
    parsed = parse_events(GOOD + b"\n\n" + event + b"\n" + GOOD, NOW)
    assert len(parsed) == 2
    assert [r.line for r in parsed.refused] == [3]
    assert reason in parsed.refused[0].reason


def test_a_bad_event_of_an_array_is_refused_by_its_place() -> None:
    parsed = parse_events(b"[" + GOOD + b",7," + GOOD + b"]", NOW)
    assert len(parsed) == 2
    assert [(r.line, r.text) for r in parsed.refused] == [(2, "7")]


@pytest.mark.parametrize("body", [b"[1,", b"[" * 100_000])
def test_an_array_that_is_no_json_is_refused_whole(body: bytes) -> None:
    with pytest.raises(InputError, match="not JSON"):
        parse_events(body, NOW)


def test_the_senders_id_makes_the_event_and_nothing_else_of_it() -> None:
    one = b'{"id":"7","member":"a","type":"play","at":1700000000,"title":"t"}'
    later = b'{"id":"7","member":"a","type":"play","at":1700000009,"title":"t"}'
    other = b'{"id":"7","member":"b","type":"play","at":1700000000,"title":"t"}'
    a, b, c = parse_events(b"\n".join((one, later, other)), NOW).plays.column("event_id").to_pylist()
    assert a == b
    assert a != c


def test_without_an_id_all_fields_make_the_event() -> None:
    again = GOOD.replace(b'"position_s":3', b'"position_s":4')
    a, b, c = parse_events(b"\n".join((GOOD, GOOD, again)), NOW).plays.column("event_id").to_pylist()
    assert a == b
    assert a != c


def test_a_long_file_comes_in_chunks_with_the_lines_of_the_whole() -> None:
    lines = [GOOD + b"\n"] * 5 + [b"nonsense\n"] + [GOOD + b"\n"] * 5
    parts = list(read_events(lines, NOW, chunk=4))
    assert [len(p) for p in parts] == [4, 3, 3]
    assert [r.line for p in parts for r in p.refused] == [6]


def test_a_file_that_is_one_array_is_read_whole() -> None:
    lines = [b"[\n", GOOD + b",\n", GOOD + b"\n", b"]\n"]
    assert [len(p) for p in read_events(lines, NOW, chunk=2)] == [2]


def test_ids_are_attached_and_unknown_names_are_told() -> None:
    stranger = GOOD.replace(b"ann", b"bob")
    parsed = parse_events(b"\n".join((GOOD, stranger, GOOD)), NOW)
    ann = b"\x07" * 16
    plays, unknown = plays_of(parsed, {"ann": ann})
    assert isinstance(plays, Plays)
    assert plays.members.tolist() == [ann, ann]
    assert unknown.tolist() == [1]


def test_no_events_give_no_plays() -> None:
    plays, unknown = plays_of(parse_events(b"", NOW), {})
    assert len(plays) == 0
    assert len(unknown) == 0
