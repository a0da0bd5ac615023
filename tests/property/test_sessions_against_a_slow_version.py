"""Sessions against a version that keeps a set of the seconds seen, and against shuffled and repeated events."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import Any

import pytest
from builders import START, a_play, plays_of
from hypothesis import given, settings
from hypothesis import strategies as st

from postreel.catalogue import Catalogue, Title
from postreel.habits import sessions_of, tastes_of

RUNTIME_S = 3000
CATALOGUE = Catalogue.of(
    [
        Title("a", "A", minutes=RUNTIME_S / 60, kind="episode", series_id="s"),
        Title("b", "B", minutes=RUNTIME_S / 60, kind="episode", series_id="s"),
        Title("c", "C", kind="episode", series_id="s"),
    ]
)
SECONDS = st.integers(0, RUNTIME_S + 500)


@dataclass
class Sitting:
    """One sitting of the slow version."""

    started: int
    ended: int = 0
    seconds: set[int] = field(default_factory=set)
    pauses: int = 0
    rewinds: int = 0
    skips: int = 0
    so_far: set[int] = field(default_factory=set)


@st.composite
def beats(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Events of two members and three titles, mostly a player that runs, with anything thrown in."""
    rows: list[dict[str, Any]] = []
    at = position = 0
    for _ in range(draw(st.integers(1, 25))):
        step = draw(st.sampled_from([1, 5, 60, 60, 60, 300, 1700, 1801, 4000]))
        at += step
        position = draw(st.one_of(st.just(position + step), st.just(position), SECONDS))
        kind = draw(
            st.sampled_from(["play", "heartbeat", "heartbeat", "pause", "seek", "stop", "watched", "rating"])
        )
        row = a_play(draw(st.integers(1, 2)), kind, draw(st.sampled_from("abc")), at)
        if kind == "seek":
            row |= {"from_s": position, "to_s": (position := draw(SECONDS))}
        elif kind == "watched":
            row |= {"position_s": position, "watched_s": draw(st.integers(0, 600)), "source": "netflix"}
        elif kind == "rating":
            row |= {"value": 4.0}
        else:
            row |= {"position_s": position}
        rows.append(row)
    return rows


def slow_sittings(rows: list[dict[str, Any]], runtime: int | None) -> list[Sitting]:
    """The sittings of one member with one title, second by second."""
    cap = runtime if runtime is not None else 10**9
    sittings: list[Sitting] = []
    beats = [r for r in rows if r["kind"] in ("play", "heartbeat", "pause", "seek", "stop")]
    before: dict[str, Any] | None = None
    is_playing = True
    for row in beats:
        at = int((row["at"] - START).total_seconds())
        kind = row["kind"]
        arrives = min(row["from_s"] if kind == "seek" else row["position_s"], cap)
        leaves = min(row["to_s"] if kind == "seek" else row["position_s"], cap)
        if before is not None:
            step, moved = at - before["at"], arrives - before["leaves"]
            ran_on = is_playing and max(0, 0.5 * step - 10) <= moved <= 1.5 * step + 10 and moved > 0
        if before is None or (step > 1800 and not ran_on):
            sittings.append(Sitting(at))
        else:
            if moved < -10:
                sittings[-1].rewinds += 1
            elif moved > (1.5 * step if is_playing else 0) + 10:
                sittings[-1].skips += 1
            elif is_playing:
                sittings[-1].seconds |= set(range(before["leaves"], arrives))
        now = sittings[-1]
        now.ended = at
        now.rewinds += kind == "seek" and leaves < arrives
        now.skips += kind == "seek" and leaves > arrives
        fresh = before is None or now.started == at
        now.pauses += kind == "pause" and (fresh or before["kind"] not in ("pause", "stop"))
        is_playing = is_playing if kind == "seek" else kind in ("play", "heartbeat")
        before = {"at": at, "leaves": leaves, "kind": kind}
    for row in rows:
        if row["kind"] == "watched":
            at, end = int((row["at"] - START).total_seconds()), row["position_s"]
            start = min(max(end - row["watched_s"], 0), cap)
            sittings.append(Sitting(at, at + row["watched_s"], set(range(start, min(end, cap)))))
    sittings.sort(key=lambda s: (s.started, s.ended))
    seen: set[int] = set()
    for sitting in sittings:
        seen |= sitting.seconds
        sitting.so_far = set(seen)
    return sittings


@settings(max_examples=300)
@given(beats())
def test_sessions_are_those_of_the_version_that_counts_second_by_second(rows: list[dict[str, Any]]) -> None:
    found = sessions_of(plays_of(rows), CATALOGUE).table.to_pylist()
    at = 0
    for member, title in sorted({(r["member"], r["title_id"]) for r in rows}):
        own = [r for r in rows if (r["member"], r["title_id"]) == (member, title)]
        runtime = None if title == "c" else RUNTIME_S
        for want in slow_sittings(own, runtime):
            got = found[at]
            at += 1
            assert (got["member"], got["title_id"]) == (member, title)
            assert (got["started"] - START).total_seconds() == want.started
            assert (got["ended"] - START).total_seconds() == want.ended
            assert (got["pause_count"], got["rewind_count"], got["skip_count"]) == (
                want.pauses,
                want.rewinds,
                want.skips,
            )
            if got["source"] == "events":
                assert got["watched_s"] == len(want.seconds)
            if runtime is None:
                assert got["completion"] is None
            else:
                assert got["completion"] == pytest.approx(len(want.so_far) / runtime, abs=1e-9)
    assert at == len(found)


@settings(max_examples=100)
@given(beats(), st.randoms(use_true_random=False))
def test_neither_order_nor_repetition_changes_a_session_or_a_taste(
    rows: list[dict[str, Any]], chance: random.Random
) -> None:
    again = rows + chance.sample(rows, len(rows) // 2)
    chance.shuffle(again)
    for step in (sessions_of, tastes_of):
        assert step(plays_of(again), CATALOGUE).table.equals(step(plays_of(rows), CATALOGUE).table)


@settings(max_examples=100)
@given(beats())
def test_a_members_sessions_do_not_depend_on_who_else_is_in_the_batch(rows: list[dict[str, Any]]) -> None:
    together = sessions_of(plays_of(rows), CATALOGUE).table.to_pylist()
    alone = [
        s
        for member in sorted({r["member"] for r in rows})
        for s in sessions_of(
            plays_of([r for r in rows if r["member"] == member]), CATALOGUE
        ).table.to_pylist()
    ]
    assert together == alone
