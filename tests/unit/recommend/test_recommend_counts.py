"""What each member adds to the counts, and that it comes out again to the bit."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest

from postreel.catalogue import Catalogue, Title
from postreel.errors import InputError, SettingsError
from postreel.recommend import (
    Builder,
    Contributions,
    Counts,
    RecommendSettings,
    Vocabulary,
    contributions,
    head_of,
)
from postreel.recommend.counts import DAY_BITS
from postreel.schema import Tastes

DAY = datetime(2026, 5, 1, 12, tzinfo=UTC)
CATALOGUE = Catalogue.of(Title(t, t.upper()) for t in "abcde")
VOCABULARY = Vocabulary.of(CATALOGUE)


def a_member(number: int) -> bytes:
    return number.to_bytes(15, "big") + b"\x01"


def tastes_of(*rows: tuple[int, str, float]) -> Tastes:
    return Tastes.of(
        member=[a_member(m) for m, _, _ in rows],
        title_id=[t for _, t, _ in rows],
        weight=[w for _, _, w in rows],
        evidence=["watched"] * len(rows),
        is_seen=[True] * len(rows),
        last_at=[DAY] * len(rows),
    )


def counts_with(parts: Contributions, head: str = "abcde", pair_floor: int = 1) -> Counts:
    counts = Counts.empty(VOCABULARY, np.array([VOCABULARY.ids.index(t) for t in head], np.int32), pair_floor)
    counts.add(parts)
    return counts


def test_a_member_of_sixteen_titles_adds_half_the_fixed_point_of_one() -> None:
    wide = Vocabulary(tuple(f"t{i:02d}" for i in range(16)))
    one = contributions(tastes_of((1, "t00", 1.0)), wide)
    sixteen = contributions(tastes_of(*((1, t, 1.0) for t in wide.ids)), wide)
    assert one.values.tolist() == [1 << 16]  # n = 1
    assert sixteen.values.tolist() == [1 << 15] * 16  # 16^-0.25 = 1/2


def test_a_part_depends_on_the_members_own_rows_alone() -> None:
    mine = [(1, "a", 0.7), (1, "c", 1.0), (1, "e", 0.1)]
    alone = contributions(tastes_of(*mine), VOCABULARY).packed()[0]
    crowd = contributions(tastes_of((2, "a", 1.0), *reversed(mine), (3, "b", 0.5)), VOCABULARY).packed()[0]
    assert alone == crowd


def test_rows_without_weight_and_titles_outside_the_catalogue_add_nothing() -> None:
    parts = contributions(tastes_of((1, "a", 0.0), (1, "zz", 1.0), (2, "b", 1.0)), VOCABULARY)
    assert parts.members.tolist() == [a_member(2)]
    assert parts.titles.tolist() == [1]


def test_packed_parts_come_back_equal_whatever_their_order() -> None:
    parts = contributions(tastes_of((2, "b", 0.3), (1, "a", 1.0), (1, "e", 0.9)), VOCABULARY)
    back = Contributions.unpacked(parts.members[::-1], parts.packed()[::-1], VOCABULARY)
    for name in ("members", "offsets", "titles", "values", "days"):
        np.testing.assert_array_equal(getattr(back, name), getattr(parts, name))


def test_a_cut_part_and_a_part_of_another_vocabulary_are_refused() -> None:
    parts = contributions(tastes_of((1, "a", 1.0)), VOCABULARY)
    whole = parts.packed()[0]
    for bad in (whole[:-1], b"", whole[:8]):
        with pytest.raises(InputError, match="rebuild"):
            Contributions.unpacked(parts.members, [bad], VOCABULARY)
    with pytest.raises(InputError, match="another model"):
        Contributions.unpacked(parts.members, [whole], Vocabulary(("a", "b")))


def test_weights_outside_their_range_and_repeated_titles_are_refused() -> None:
    with pytest.raises(InputError, match="outside"):
        contributions(tastes_of((1, "a", 1.5)), VOCABULARY)
    with pytest.raises(InputError, match="repeat"):
        contributions(tastes_of((1, "a", 1.0), (1, "a", 0.5)), VOCABULARY)


def test_counts_equal_the_slow_obvious_sums() -> None:
    rng = np.random.default_rng(5)
    rows = [(m, t, float(rng.uniform(0.1, 1))) for m in range(40) for t in "abcde" if rng.random() < 0.5]
    parts = contributions(tastes_of(*rows), VOCABULARY)
    counts = counts_with(parts, "ace")
    gram = np.zeros((3, 3), object)
    pairs = np.zeros((3, 3), int)
    for u in range(len(parts)):
        mine = slice(parts.offsets[u], parts.offsets[u + 1])
        values = dict(zip(parts.titles[mine].tolist(), parts.values[mine].tolist(), strict=True))
        for p, i in enumerate((0, 2, 4)):
            for q, j in enumerate((0, 2, 4)):
                if i in values and j in values:
                    gram[p, q] += values[i] * values[j]
                    pairs[p, q] += 1
    assert counts.gram.tolist() == gram.tolist()
    assert counts.pair_count.tolist() == pairs.tolist()
    assert counts.title_count.tolist() == [sum(t == x for _, t, _ in rows) for x in "abcde"]
    assert counts.member_count == len({m for m, _, _ in rows})
    assert set((counts.trend_key & ((1 << DAY_BITS) - 1)).tolist()) == {
        (DAY.date() - DAY.date().replace(1970, 1, 1)).days
    }


def test_products_cut_into_chunks_are_the_same_sums(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [(m, t, 0.5) for m in range(30) for t in "abcde" if (m + ord(t)) % 3]
    parts = contributions(tastes_of(*rows), VOCABULARY)
    whole = counts_with(parts)
    monkeypatch.setattr("postreel.recommend.counts._PAIRS_A_CHUNK", 12)
    assert counts_with(parts).digest() == whole.digest()


def test_taking_out_who_is_not_in_is_refused_and_changes_nothing() -> None:
    counts = counts_with(contributions(tastes_of((1, "a", 1.0), (1, "b", 1.0)), VOCABULARY))
    before = counts.digest()
    with pytest.raises(InputError, match="nothing was taken out"):
        counts.take_out(contributions(tastes_of((2, "c", 1.0)), VOCABULARY))
    assert counts.digest() == before


def test_a_head_title_that_fell_below_the_floor_leaves_no_trace() -> None:
    rows = [(m, t, 1.0) for m in range(4) for t in "ab"] + [(m, "c", 1.0) for m in range(2, 5)]
    everybody = contributions(tastes_of(*rows), VOCABULARY)
    counts = counts_with(everybody, "abc", pair_floor=3)
    is_leaver = everybody.members == a_member(2)
    counts.take_out(everybody.where(is_leaver))
    rest = everybody.where(~is_leaver)
    rebuilt = counts_with(rest, "ab", pair_floor=3)  # c has two members left: a rebuild would not count it
    assert counts.digest() == rebuilt.digest()


def test_the_head_holds_titles_that_reach_the_floor_and_the_most_watched_at_the_limit() -> None:
    likes = np.array([3, 9, 4, 9, 2])
    assert head_of(likes, RecommendSettings(pair_floor=3)).tolist() == [0, 1, 2, 3]
    assert head_of(likes, RecommendSettings(pair_floor=3, head_limit=2)).tolist() == [1, 3]


def test_counts_come_back_from_their_parts() -> None:
    counts = counts_with(contributions(tastes_of((1, "a", 1.0), (2, "a", 0.5), (2, "b", 1.0)), VOCABULARY))
    arrays, texts = counts.to_parts()
    back = Counts.from_parts(arrays.__getitem__, texts.__getitem__)
    assert back.digest() == counts.digest()
    back.add(contributions(tastes_of((3, "e", 1.0)), VOCABULARY))
    assert back.digest() != counts.digest()


def test_a_build_in_batches_equals_a_build_at_once() -> None:
    rows = [(m, t, 0.8) for m in range(30) for t in "abcde" if (m * 7 + ord(t)) % 4]
    settings = RecommendSettings(pair_floor=2)
    batches = [tastes_of(*(r for r in rows if r[0] // 10 == b)) for b in range(3)]
    built: list[str] = []
    for parts in (batches, [Tastes.concat(batches[::-1])]):
        builder = Builder(settings, CATALOGUE)
        for batch in parts:
            builder.see(batch)
        for batch in parts:
            builder.add(batch)
        built.append(builder.finish(DAY).solve_sha256)
    assert built[0] == built[1]


def test_a_first_pass_after_the_second_began_is_refused() -> None:
    builder = Builder(RecommendSettings(), CATALOGUE)
    builder.add(tastes_of((1, "a", 1.0)))
    with pytest.raises(InputError, match="second pass"):
        builder.see(tastes_of((1, "a", 1.0)))


def test_settings_come_back_from_json_and_refuse_what_cannot_work() -> None:
    settings = RecommendSettings(ridge=3.0, lift_power=0.5)
    assert RecommendSettings.from_json(settings.to_json()) == settings
    with pytest.raises(SettingsError, match="no recommender setting"):
        RecommendSettings.from_json(b'{"colour": 1}')
    for bad in (
        {"family": "svd"},
        {"ridge": 0.0},
        {"pair_floor": 0},
        {"lift_power": 2.0},
        {"content_weight": -1.0},
    ):
        with pytest.raises(SettingsError):
            RecommendSettings(**bad)  # type: ignore[arg-type]
