"""For any tastes: counts forget to the bit, order does not matter, and reasons are the arithmetic."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from postreel.catalogue import Catalogue, Title
from postreel.recommend import (
    Builder,
    Contributions,
    Counts,
    RecommendSettings,
    Vocabulary,
    contributions,
    explanation,
    picks_for,
)
from postreel.schema import Tastes

NOW = datetime(2026, 5, 1, tzinfo=UTC)
TITLES = [f"t{i}" for i in range(8)]
CATALOGUE = Catalogue.of(
    Title(
        t,
        t,
        year=1980 + 7 * i,
        genres=(("noir", "farce", "western")[i % 3], ("short", "long")[i % 2]),
        sensitive=("faith",) if i == 7 else (),
    )
    for i, t in enumerate(TITLES)
)
VOCABULARY = Vocabulary.of(CATALOGUE)
SETTINGS = RecommendSettings(pair_floor=2, title_floor=2)

Row = tuple[int, str, float, str, bool, int]
ROWS = st.lists(
    st.tuples(
        st.integers(1, 8),
        st.sampled_from(TITLES),
        st.one_of(st.just(0.0), st.just(1.0), st.floats(0.001, 1)),
        st.sampled_from(["watched", "rated", "listed"]),
        st.booleans(),
        st.integers(0, 60),
    ),
    min_size=1,
    max_size=48,
    unique_by=lambda r: (r[0], r[1]),
)


def a_member(number: int) -> bytes:
    return number.to_bytes(15, "big") + b"\x01"


def tastes_of(rows: list[Row]) -> Tastes:
    return Tastes.of(
        member=[a_member(r[0]) for r in rows],
        title_id=[r[1] for r in rows],
        weight=[r[2] for r in rows],
        evidence=[r[3] for r in rows],
        is_seen=[r[4] for r in rows],
        last_at=[NOW - timedelta(days=r[5]) for r in rows],
    )


def built(rows: list[Row]) -> Builder:
    builder = Builder(SETTINGS, CATALOGUE)
    builder.see(tastes_of(rows))
    builder.add(tastes_of(rows))
    return builder


@given(ROWS, st.data())
@settings(max_examples=150)
def test_any_order_of_adding_and_taking_out_equals_a_rebuild(rows: list[Row], data: st.DataObject) -> None:
    parts = contributions(tastes_of(rows), VOCABULARY)
    every = np.arange(len(VOCABULARY), dtype=np.int32)
    counts = Counts.empty(VOCABULARY, every, SETTINGS.pair_floor)
    stored = dict(zip(parts.members.tolist(), parts.packed(), strict=True))
    is_in: set[bytes] = set()
    for member in data.draw(st.lists(st.sampled_from(sorted(stored)), max_size=24)) if stored else []:
        part = Contributions.unpacked(np.array([member], "S16"), [stored[member]], VOCABULARY)
        if member in is_in:
            counts.take_out(part)
        else:
            counts.add(part)
        is_in ^= {member}
    left = [r for r in rows if a_member(r[0]) in is_in]
    rebuilt = Counts.empty(VOCABULARY, every, SETTINGS.pair_floor)
    if left:
        rebuilt.add(contributions(tastes_of(left), VOCABULARY))
    for name in ("gram", "pair_count", "title_count", "trend_key", "trend_count", "member_count"):
        np.testing.assert_array_equal(getattr(counts, name), getattr(rebuilt, name))
    # And a build that never saw those members, with the smaller head it would choose, is the same to a model.
    fresh = built(left) if left else Builder(SETTINGS, CATALOGUE)
    assert fresh.counts.digest() == counts.digest()
    assert fresh.finish(NOW).solve_sha256 == _model(counts)


def _model(counts: Counts) -> str:
    from postreel.recommend import model_of

    return model_of(counts, CATALOGUE, SETTINGS, NOW).solve_sha256


@given(ROWS, st.randoms(use_true_random=False))
@settings(max_examples=100)
def test_the_order_of_rows_and_members_changes_no_score(rows: list[Row], random: Any) -> None:
    shuffled = list(rows)
    random.shuffle(shuffled)
    model, again = built(rows).finish(NOW), built(shuffled).finish(NOW)
    assert model.solve_sha256 == again.solve_sha256
    first = picks_for(tastes_of(rows), model, CATALOGUE, NOW, 5)
    assert first.table.equals(picks_for(tastes_of(shuffled), again, CATALOGUE, NOW, 5).table)


@given(ROWS, ROWS)
@settings(max_examples=100)
def test_reasons_are_the_members_own_and_what_they_say_is_what_was_added(
    crowd: list[Row], rows: list[Row]
) -> None:
    model = built(crowd).finish(NOW)
    tastes = tastes_of(rows)
    for row in picks_for(tastes, model, CATALOGUE, NOW, 6).table.to_pylist():
        own = {r[1]: r for r in rows if a_member(r[0]) == row["member"]}
        picked = [p["title_id"] for p in row["picks"]]
        assert len(set(picked)) == len(picked)
        assert not {t for t, r in own.items() if r[4]} & set(picked)
        for pick in row["picks"]:
            told = explanation(tastes, model, row["member"], pick["title_id"], NOW)
            assert told.contributions.sum() + told.popular == pytest.approx(told.score, abs=1e-9)
            own_part = told.contributions.sum()
            assert pick["score"] == pytest.approx(told.score if own_part > 1e-12 else 0.0, abs=1e-11)
            for reason in pick["reasons"]:
                title = reason["title_id"]
                assert own[title][2] > 0
                assert reason["evidence"] == own[title][3]
                assert reason["contribution"] > 0
                assert not CATALOGUE[title].sensitive
                without = tastes_of([r for r in rows if (a_member(r[0]), r[1]) != (row["member"], title)])
                left = explanation(without, model, row["member"], pick["title_id"], NOW).score
                assert told.score - left == pytest.approx(reason["contribution"], abs=1e-9)
