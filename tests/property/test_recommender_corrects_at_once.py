"""A model corrected for those who were taken out equals one that is solved anew without them."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from postreel.catalogue import Catalogue, Title
from postreel.recommend import (
    Builder,
    Contributions,
    Model,
    RecommendSettings,
    corrected,
    history_of,
    model_of,
    scores,
)
from postreel.schema import Tastes

NOW = datetime(2026, 5, 1, tzinfo=UTC)
CATALOGUE = Catalogue.of(
    Title(f"t{i:02d}", f"t{i}", year=1980 + i, genres=(("noir", "farce", "western")[i % 3],))
    for i in range(40)
)
MEMBERS = 120


def tastes_of(seed: int) -> Tastes:
    """Each member likes from 1 to 20 titles, the first ones more often."""
    rng = np.random.default_rng(seed)
    rows = [
        (m.to_bytes(15, "big") + b"\x01", int(t))
        for m in range(MEMBERS)
        for t in np.unique((40 * rng.random(int(rng.integers(1, 21))) ** 2).astype(int))
    ]
    return Tastes.of(
        member=[m for m, _ in rows],
        title_id=[f"t{t:02d}" for _, t in rows],
        weight=rng.uniform(0.05, 1.0, len(rows)),
        evidence=["watched"] * len(rows),
        is_seen=[True] * len(rows),
        last_at=[NOW] * len(rows),
    )


def built(tastes: Tastes, how: RecommendSettings) -> tuple[Builder, Contributions]:
    builder = Builder(how, CATALOGUE)
    builder.see(tastes)
    return builder, builder.add(tastes)


def gap(one: Model, other: Model) -> float:
    """The greatest difference of anything that a score is made of."""
    matrices = abs(one.matrix.whole - other.matrix)
    vectors = [np.abs(getattr(one, k) - getattr(other, k)).max() for k in ("demand", "bias", "lift")]
    np.testing.assert_array_equal(one.popular, other.popular)
    return max(float(matrices.max()) if matrices.nnz else 0.0, *map(float, vectors))


@given(
    st.integers(0, 10_000),
    st.lists(st.sets(st.integers(0, MEMBERS - 1), min_size=1), min_size=1, max_size=4),
    st.sampled_from(["dlae", "edlae"]),
    st.sampled_from([0.0, 0.33, 0.6]),
    st.sampled_from([0.5, 30.0]),
)
@settings(max_examples=100, deadline=None)
def test_a_corrected_model_is_the_one_solved_without_those_who_left(
    seed: int, leaving: list[set[int]], family: str, dropout: float, ridge: float
) -> None:
    how = RecommendSettings(family=family, dropout=dropout, ridge=ridge, pair_floor=4, title_floor=2)
    tastes = tastes_of(seed)
    builder, parts = built(tastes, how)
    model, counts, before = builder.finish(NOW), builder.counts, builder.counts.copied()
    removed: list[Contributions] = []
    gone = np.zeros(len(parts), np.bool_)
    for some in leaving:
        now_gone = np.isin(np.arange(len(parts)), sorted(some)) & ~gone
        removed.append(parts.where(now_gone))
        counts.take_out(removed[-1])
        gone |= now_gone
        found = corrected(model, before, removed, CATALOGUE, NOW)
        again = model_of(counts, CATALOGUE, how, NOW)
        assert found.is_solved
        assert found.member_count == again.member_count
        assert gap(found, again) <= 1e-12
        # One member's few titles take another way than the whole matrix.
        one = history_of(tastes.where(tastes.members == parts.members[seed % len(parts)]), model.vocabulary)
        np.testing.assert_allclose(scores(one.liked, found), scores(one.liked, again), atol=1e-12, rtol=0)
        few = np.arange(0, 40, 5)
        cells = found.matrix.entries(np.repeat(few, 40), np.tile(np.arange(40), len(few)))
        np.testing.assert_allclose(
            cells.reshape(len(few), 40), again.matrix[few].toarray(), atol=1e-12, rtol=0
        )
    # And a build that never saw them, with the smaller head that it would choose, has the same Gram and model.
    left, _ = built(tastes.where(np.isin(tastes.members, parts.members[~gone])), how)
    assert left.counts.digest() == counts.digest()
    assert gap(corrected(model, before, removed, CATALOGUE, NOW), left.finish(NOW)) <= 1e-12


def test_the_correction_is_more_than_nothing_and_titles_below_the_floor_leave_it() -> None:
    how = RecommendSettings(pair_floor=30, title_floor=2)
    builder, parts = built(tastes_of(3), how)
    model, counts, before = builder.finish(NOW), builder.counts, builder.counts.copied()
    some = parts.where(np.arange(len(parts)) < 40)
    counts.take_out(some)
    assert 0 < len(counts.active) < len(before.active)
    found = corrected(model, before, [some], CATALOGUE, NOW)
    assert found.matrix.titles.tolist() == counts.head[counts.active].tolist()
    again = model_of(counts, CATALOGUE, how, NOW)
    assert gap(found, again) <= 1e-13
    assert abs(model.matrix - again.matrix).max() > 1e-3
    # The counts that it was corrected from are as they were.
    assert before.digest() == built(tastes_of(3), how)[0].counts.digest()


def test_a_model_with_a_spectral_term_serves_without_a_solve_until_the_next_one() -> None:
    how = replace(RecommendSettings(pair_floor=4, title_floor=2), spectral_weight=0.2, spectral_dims=4)
    builder, parts = built(tastes_of(3), how)
    model, counts = builder.finish(NOW), builder.counts
    assert model.inverse is None
    some = parts.where(np.arange(len(parts)) < 3)
    found = corrected(model, counts, [some], CATALOGUE, NOW)
    assert found.member_count == counts.member_count - 3
    assert not found.is_solved
    assert found.matrix.nnz == 0


def test_a_stored_model_keeps_its_inverse_and_one_of_an_earlier_version_has_none() -> None:
    builder, _ = built(tastes_of(3), RecommendSettings(pair_floor=4, title_floor=2))
    model = builder.finish(NOW)
    arrays, texts = model.to_parts()
    again = Model.from_parts(arrays.__getitem__, texts.__getitem__)
    assert again.inverse is not None
    assert model.inverse is not None
    np.testing.assert_array_equal(again.inverse, model.inverse)
    older = {"has_inverse", "latest_day"}
    facts = {k: v for k, v in json.loads(texts["model_facts"]).items() if k not in older}
    texts["model_facts"] = json.dumps(facts).encode()
    old = Model.from_parts(arrays.__getitem__, texts.__getitem__)
    assert old.inverse is None
    assert old.at(NOW).lift.max() == pytest.approx(1.0)
