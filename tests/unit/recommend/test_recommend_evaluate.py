"""Protocols, metrics and intervals against hand-worked cases; and the whole on real data where it is at hand."""

from __future__ import annotations

import csv
import itertools
import math
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from postreel.catalogue import Catalogue, Title
from postreel.errors import InputError
from postreel.flows.positives import positives_of
from postreel.recommend import (
    METRICS,
    Builder,
    Interactions,
    RecommendSettings,
    evaluate,
    metrics_of,
    paired_difference,
    picks_for,
    small_services,
    trials_of,
)
from postreel.schema import Tastes

SMALL = Path(__file__).resolve().parents[4] / "shared" / "data" / "ml-latest-small" / "ratings.csv"


def a_timer() -> float:
    return float(next(_TICKS))


_TICKS = itertools.count()


def interactions_of(*rows: tuple[int, str, float]) -> Interactions:
    members, titles, times = zip(*rows, strict=True)
    return Interactions.of(np.array(members), titles, np.array(times, float), np.ones(len(rows)))


def test_metrics_of_a_hand_worked_list() -> None:
    ranked = np.array([[4, 1, 0, -1]])
    is_target = np.array([[True, False, False, True, True]])
    recall, _, ndcg, _ = metrics_of(ranked, is_target)[0]
    ideal = 1 + 1 / math.log2(3) + 1 / math.log2(4)
    assert recall == pytest.approx(2 / 3)  # titles 4 and 0 of 0, 3, 4
    assert ndcg == pytest.approx((1 + 1 / math.log2(4)) / ideal)


def test_recall_divides_by_k_where_there_are_more_targets() -> None:
    ranked = np.arange(100)[None, :]
    is_target = np.ones((1, 200), bool)
    assert metrics_of(ranked, is_target)[0].tolist() == pytest.approx([1.0] * 4)


def test_the_interval_of_independent_tests_is_the_usual_one() -> None:
    rng = np.random.default_rng(3)
    ours, theirs = rng.normal(0.3, 0.1, 400), rng.normal(0.2, 0.1, 400)
    gap = ours - theirs
    found = paired_difference(ours, theirs, np.arange(400))
    half = 1.96 * gap.std() / 20
    assert found["mean"] == pytest.approx(gap.mean())
    assert found["high"] - found["mean"] == pytest.approx(half)
    same = paired_difference(np.repeat(ours, 2), np.repeat(theirs, 2), np.repeat(np.arange(400), 2))
    assert same["low"] == pytest.approx(found["low"])  # the same members twice is no new evidence


def test_a_window_tests_members_with_five_earlier_positives_on_titles_known_before() -> None:
    rows = [(1, t, i) for i, t in enumerate("abcde")] + [(2, t, i) for i, t in enumerate("abcdf")]
    rows += [(3, "g", 1.0), (3, "a", 2.0)]
    later = [(1, "f", 100.0), (1, "new", 101.0), (1, "g", 200.0), (2, "e", 199.0), (3, "b", 150.0)]
    data = interactions_of(*rows, *later)
    (trial,), _ = trials_of("rolling", data, [(100.0, 200.0)])
    found = {(int(data.members[r]), data.title_ids[data.titles[r]]) for r in trial.targets}
    assert found == {(0, "f"), (1, "e")}  # `new` was unknown, g lies outside, member 3 had two
    assert len(trial.train) == len(rows)
    assert set(data.members[trial.known].tolist()) == {0, 1}


def test_windows_by_default_follow_each_other_and_tuning_ends_before_them() -> None:
    rng = np.random.default_rng(1)
    rows = [(m, f"t{rng.integers(60)}", float(t)) for t, m in enumerate(rng.integers(0, 12, 2000))]
    data = interactions_of(*rows)
    tests, tuning = trials_of("rolling", data)
    assert [len(tests), len(tuning)] == [3, 3]
    first = min(data.times[t.targets].min() for t in tests)
    assert max(data.times[t.targets].max() for t in tuning) < first
    for trial in (*tests, *tuning):
        assert data.times[trial.train].max() < data.times[trial.targets].min()


def test_per_member_holds_back_the_last_fifth_of_members_with_ten() -> None:
    rows = [(m, f"t{(m + i) % 12}", float(i)) for m in range(12) for i in range(11)] + [(99, "t0", 1.0)]
    data = interactions_of(*rows)
    (test,), (tuning,) = trials_of("per-member", data)
    assert len(test.tested) == 12
    assert sorted(set(data.times[test.targets].tolist())) == [8.0, 9.0, 10.0]  # int(0.8 * 11) = 8 are known
    assert sorted(set(data.times[tuning.targets].tolist())) == [6.0, 7.0]
    assert 12 not in data.members[test.train]  # the thirteenth has one positive


def test_liang_holds_out_whole_members_and_a_fifth_of_theirs() -> None:
    rng = np.random.default_rng(2)
    rows = [(m, f"t{t:02d}", 0.0) for m in range(60) for t in rng.choice(30, 10, replace=False)]
    data = interactions_of(*rows)
    tests, tuning = trials_of("liang", data, seeds=(1, 2))
    assert len(tests) == 2
    for trial in (*tests, *tuning):
        assert not set(data.members[trial.train].tolist()) & set(trial.tested.tolist())
        assert not set(trial.known.tolist()) & set(trial.targets.tolist())
    assert set(np.bincount(data.members[tests[0].targets])[tests[0].tested].tolist()) == {2}
    permuted = np.random.RandomState(1).permutation(60)
    assert tests[0].tested.tolist() == sorted(permuted[:12].tolist())


def test_ids_that_are_numbers_are_in_the_order_of_numbers() -> None:
    # Liang's draw permutes members and takes titles in ascending order: 2 before 10, however they are written.
    for members in (np.array([10, 2, 2]), np.array(["10", "2", "2"], object)):
        data = Interactions.of(members, ["9", "100", "20"], np.array([5.0, 6.0, 7.0]), np.ones(3))
        assert data.title_ids == ("9", "20", "100")
        assert data.times.tolist() == [7.0, 6.0, 5.0]
    named = Interactions.of(np.array(["10", "2b"], object), ["b", "a"], np.zeros(2), np.ones(2))
    assert named.title_ids == ("a", "b")


def test_with_windows_named_the_tuning_windows_are_as_long_and_end_before_them() -> None:
    rng = np.random.default_rng(1)
    rows = [(m, f"t{rng.integers(300)}", float(t)) for t, m in enumerate(rng.integers(0, 12, 2000))]
    (test,), tuning = trials_of("rolling", interactions_of(*rows), [(1800.0, 1900.0)])
    assert [t.name for t in tuning] == ["1500:1600", "1600:1700", "1700:1800"]
    assert test.name == "1800:1900"
    _, long = trials_of("rolling", interactions_of(*rows), [(1000.0, 1999.0)])
    assert [t.name.split(":")[1] for t in long][-1] == "998" or len(long) == 3  # quantiles of what was before


def test_what_cannot_be_evaluated_is_refused() -> None:
    data = interactions_of((1, "a", 0.0))
    with pytest.raises(InputError, match="no protocol"):
        trials_of("random", data)
    with pytest.raises(InputError, match="nobody"):
        trials_of("rolling", data, [(1.0, 2.0)])
    with pytest.raises(InputError, match="ends before"):
        trials_of("rolling", data, [(2.0, 1.0)])
    untimed = Interactions.of(np.array([1]), ["a"], np.array([np.nan]), np.ones(1))
    with pytest.raises(InputError, match="no time"):
        trials_of("per-member", untimed)
    with pytest.raises(InputError, match="nothing to evaluate"):
        Interactions.of(np.array([1]), ["a"], np.zeros(1), np.zeros(1))


def test_planted_tastes_are_found_and_popularity_does_not_find_them() -> None:
    rng = np.random.default_rng(4)
    rows: list[tuple[int, str, float]] = []
    for m in range(120):
        for i, t in enumerate(rng.permutation(30)[:18]):
            rows.append((m, f"{'ab'[m % 2]}{t:02d}", float(i * 86_400 + m)))
    result = evaluate("per-member", interactions_of(*rows), a_timer, is_tuned=False)
    popularity, recent, ours = result["rows"]
    assert [r["model"] for r in result["rows"]] == ["popularity", "recent popularity", "postreel"]
    assert recent["half_life_days"] > 0
    assert set(METRICS) < set(ours)
    assert ours["recall@20"] > popularity["recall@20"] + 0.2
    assert result["difference"]["recall@20"]["low"] > 0
    assert result["tests"] == 120


def test_liang_does_without_times() -> None:
    rng = np.random.default_rng(6)
    members, titles = np.divmod(rng.choice(60 * 40, 900, replace=False), 40)
    data = Interactions.of(members, [f"t{t}" for t in titles], np.full(900, np.nan), np.ones(900))
    result = evaluate("liang", data, a_timer, seeds=(1,))
    assert result["rows"][1]["half_life_days"] is None
    assert result["rows"][0]["ndcg@100"] == result["rows"][1]["ndcg@100"]
    assert result["seeds"] == [1]


@pytest.mark.skipif(not SMALL.exists(), reason="shared data: ml-latest-small is not at hand")
def test_real_members_are_served_better_than_by_popularity() -> None:
    with SMALL.open(newline="") as file:
        rows = [r for r in csv.DictReader(file) if float(r["rating"]) >= 4]
    data = Interactions.of(
        np.array([int(r["userId"]) for r in rows]),
        [r["movieId"] for r in rows],
        np.array([float(r["timestamp"]) for r in rows]),
        np.ones(len(rows)),
    )
    result = evaluate("per-member", data, a_timer, is_tuned=False)
    assert result["tests"] == 578
    assert result["rows"][2]["ndcg@20"] > 0.11
    assert result["difference"]["ndcg@20"]["low"] > 0.03


def test_variety_of_hand_worked_lists() -> None:
    from scipy import sparse

    from postreel.recommend.variety import calibration, coverage, divergence

    ranked = np.array([[0, 1], [0, -1]])
    assert coverage(ranked, np.array([True, True, True, True]), 2) == 0.5
    genres = sparse.csr_array(np.array([[1.0, 0.0], [0.0, 1.0], [0.5, 0.5]]))
    liked = sparse.csr_array(np.array([[0.0, 0.0, 1.0], [1.0, 0.0, 0.0]]))
    found = calibration(liked, genres, ranked, 2)
    assert found == pytest.approx(0.0, abs=1e-12)  # halves for halves, and all for all
    half = divergence(np.array([0.5, 0.5]), np.array([1.0, 0.0]))
    assert half == pytest.approx(0.5 * math.log(0.5 / 0.995) + 0.5 * math.log(0.5 / 0.005))
    assert calibration(liked, sparse.csr_array((3, 0)), ranked, 2) is None


def test_what_tuning_puts_together_is_what_is_served() -> None:
    from postreel.recommend.bench import EPOCH, bench_of, measured, served_keys
    from postreel.recommend.content import features_of
    from postreel.recommend.contributions import Vocabulary
    from postreel.recommend.model import model_of
    from postreel.recommend.tuning import _Desk

    rng = np.random.default_rng(9)
    rows: list[tuple[int, str, float]] = []
    for m in range(150):
        rows += [(m, f"t{t:02d}", i * 86_400.0) for i, t in enumerate(rng.choice(40, 14, replace=False))]
    data = interactions_of(*rows)
    catalogue = Catalogue.of(
        Title(t, t, genres=("abc"[int(t[1:]) % 3],), year=1990 + int(t[1:])) for t in data.title_ids
    )
    settings = RecommendSettings(
        spectral_weight=0.2, spectral_dims=8, content_weight=0.05, popular_weight=0.1
    )
    trial = trials_of("per-member", data)[0][0]
    bench = bench_of(trial, data, catalogue, settings)
    features = features_of(catalogue, Vocabulary.of(catalogue))
    served = measured(bench, served_keys(bench, model_of(bench.counts, catalogue, settings, EPOCH)))[:, 2]
    desk = _Desk(bench, features, settings, 2)
    found = desk.quality(desk.mixed(desk.watched(settings), 8, 0.2), settings)
    np.testing.assert_allclose(found, served, atol=1e-6)


def test_tuning_keeps_what_it_began_from_where_nothing_is_better_than_noise() -> None:
    from postreel.recommend.bench import bench_of
    from postreel.recommend.content import features_of
    from postreel.recommend.contributions import Vocabulary
    from postreel.recommend.tuning import STEP_COUNT, tune

    rng = np.random.default_rng(11)
    rows = [
        (m, f"t{t:02d}", float(i)) for m in range(60) for i, t in enumerate(rng.choice(50, 12, replace=False))
    ]
    data = interactions_of(*rows)
    catalogue = Catalogue.of(Title(t, t) for t in data.title_ids)
    base = RecommendSettings()
    bench = bench_of(trials_of("per-member", data)[0][0], data, catalogue, base)
    steps: list[int] = []
    features = features_of(catalogue, Vocabulary.of(catalogue))
    found = tune([bench], features, base, 2, lambda: steps.append(1))
    assert found.settings.ridge == base.ridge
    assert found.settings.spectral_weight == 0
    assert 0 <= found.after <= 1
    assert found.tests == 60
    assert 0 < len(steps) <= STEP_COUNT
    stopped = tune([bench], features, base, 2, is_over=lambda: True).settings
    assert stopped.ridge == base.ridge


@pytest.mark.skipif(not SMALL.exists(), reason="shared data: ml-latest-small is not at hand")
@pytest.mark.parametrize(("size", "draws"), [(5, 60), (20, 15), (40, 10)])
def test_a_small_service_is_not_below_popularity_nor_below_likeness(size: int, draws: int) -> None:
    # The first of the 200 draws that stand in the docs; so few that the interval is what can be asked.
    data, titles = positives_of(SMALL.parent)
    found = small_services(data, Catalogue.of(titles), size, draws, seed=size)
    for gap in found["differences"].values():
        assert gap["high"] > 0
    assert found["ndcg@20"]["postreel"] > 0.9 * found["ndcg@20"]["popularity"]


@pytest.mark.skipif(not SMALL.exists(), reason="shared data: ml-latest-small is not at hand")
def test_every_member_of_a_small_service_has_ten_picks_with_reasons() -> None:
    data, titles = positives_of(SMALL.parent)
    catalogue = Catalogue.of(titles)
    rng = np.random.default_rng(8)
    for size in (1, 5, 20):
        drawn = data.of_members(np.sort(rng.choice(609, size, replace=False)))
        tastes = Tastes.of(
            member=np.char.add(np.char.zfill(drawn.members.astype(str), 15), "x").astype("S16"),
            title_id=[data.title_ids[t] for t in drawn.titles],
            weight=drawn.weights,
            evidence=["rated"] * len(drawn),
            is_seen=[True] * len(drawn),
            last_at=drawn.times.astype("datetime64[s]"),
        )
        builder = Builder(RecommendSettings(), catalogue)
        builder.see(tastes)
        builder.add(tastes)
        picks = picks_for(
            tastes,
            builder.finish(datetime(2026, 5, 1, tzinfo=UTC)),
            catalogue,
            datetime(2026, 5, 1, tzinfo=UTC),
        )
        for row in picks.table.to_pylist():
            assert len(row["picks"]) == 10
            assert all(pick["reasons"] for pick in row["picks"])
