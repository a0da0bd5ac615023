"""Who gets which titles, and for which reasons."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest

from postreel.catalogue import Catalogue, Title
from postreel.errors import InputError
from postreel.recommend import (
    Builder,
    Fit,
    Model,
    RecommendSettings,
    counterfactuals,
    explanation,
    history_of,
    picks_for,
    popular_picks,
    scores,
    unsolved,
)
from postreel.schema import Tastes, id_array

NOW = datetime(2026, 5, 1, tzinfo=UTC)
SETTINGS = RecommendSettings(pair_floor=3, title_floor=2)


def a_member(number: int) -> bytes:
    return number.to_bytes(15, "big") + b"\x01"


def tastes_of(*rows: tuple[int, str, float], evidence: str = "watched", is_seen: bool = True) -> Tastes:
    return Tastes.of(
        member=[a_member(m) for m, _, _ in rows],
        title_id=[t for _, t, _ in rows],
        weight=[w for _, _, w in rows],
        evidence=[evidence] * len(rows),
        is_seen=[is_seen] * len(rows),
        last_at=[NOW - timedelta(days=m) for m, _, _ in rows],
    )


def a_catalogue(**changes: Title) -> Catalogue:
    """Twelve films, thrillers and comedies in turn, from three decades."""
    films = {
        f"f{i:02d}": Title(
            f"f{i:02d}", f"Film {i}", year=1990 + i, genres=("thriller", "comedy")[i % 2 :][:1]
        )
        for i in range(12)
    }
    return Catalogue.of((films | changes).values())


CATALOGUE = a_catalogue()
CROWD = tastes_of(
    *((m, f"f{i:02d}", 1.0) for m in range(20) for i in range(12) if (m + i) % 2 == 0 and (m * i) % 5)
)


def a_model(
    catalogue: Catalogue = CATALOGUE, crowd: Tastes = CROWD, settings: RecommendSettings = SETTINGS
) -> Model:
    builder = Builder(settings, catalogue)
    builder.see(crowd)
    builder.add(crowd)
    return builder.finish(NOW)


def picks_of(
    tastes: Tastes, model: Model, catalogue: Catalogue = CATALOGUE, **more: Any
) -> list[list[dict[str, Any]]]:
    return [row["picks"] for row in picks_for(tastes, model, catalogue, NOW, **more).table.to_pylist()]


def names(picks: list[dict[str, Any]]) -> list[str]:
    return [p["title_id"] for p in picks]


def test_one_member_on_an_empty_service_gets_likely_titles_with_reasons() -> None:
    model = a_model(crowd=Tastes.empty())
    (picks,) = picks_of(tastes_of((99, "f00", 1.0), (99, "f02", 1.0)), model)
    assert set(names(picks)[:4]) == {"f04", "f06", "f08", "f10"}
    assert all(p["reasons"] and p["also"] == ["content"] for p in picks[:4])


def test_contributions_sum_to_the_score_and_the_score_is_the_one_served() -> None:
    model = a_model()
    tastes = tastes_of((99, "f00", 0.4), (99, "f03", 1.0), (99, "f06", 0.9))
    (picks,) = picks_of(tastes, model)
    for pick in picks:
        told = explanation(tastes, model, a_member(99), pick["title_id"], NOW)
        assert told.contributions.sum() + told.popular == pytest.approx(told.score, abs=1e-12)
        if pick["reasons"]:
            assert pick["score"] == told.score
            mass = told.contributions[told.contributions > 0].sum() + told.popular
            by_title = dict(zip(told.title_ids, told.contributions, strict=True))
            for reason in pick["reasons"]:
                assert reason["contribution"] == by_title[reason["title_id"]]
                assert reason["share"] == pytest.approx(reason["contribution"] / mass, rel=1e-12)


def test_scores_equal_the_slow_obvious_sum() -> None:
    model = a_model()
    history = history_of(tastes_of((7, "f00", 0.5), (7, "f05", 1.0), (8, "f01", 0.25)), model.vocabulary)
    x, size = history.liked.toarray(), len(model.vocabulary)
    matrix, features = model.matrix.toarray(), model.features.toarray()
    for u in range(2):
        for i in range(size):
            total = 0.0
            for j in range(size):
                if j != i:
                    likeness = float(features[j] @ features[i]) * model.demand[i]
                    total += x[u, j] * (matrix[j, i] + model.settings.content_weight * likeness)
            expected = (total + model.bias[i]) * model.lift[i]
            assert scores(history.liked, model)[u, i] == pytest.approx(expected, abs=1e-12)


def test_nothing_that_fewer_than_the_floor_did_enters_the_matrix() -> None:
    counts_model = a_model(settings=replace(SETTINGS, pair_floor=9))
    builder = Builder(replace(SETTINGS, pair_floor=9), CATALOGUE)
    builder.see(CROWD)
    builder.add(CROWD)
    pairs = builder.counts.pair_count
    head = builder.counts.head
    dense = counts_model.matrix.toarray()[np.ix_(head, head)]
    assert np.all(dense[pairs < 9] == 0)
    assert not np.any(np.diag(counts_model.matrix.toarray()))


def test_seen_titles_are_left_out_and_listed_ones_are_not() -> None:
    model = a_model()
    seen = tastes_of((99, "f00", 1.0), (99, "f01", 0.0))
    listed = tastes_of((99, "f02", 1.0), evidence="listed", is_seen=False)
    (picks,) = picks_of(Tastes.concat([seen, listed]), model, k=12)
    assert not {"f00", "f01"} & set(names(picks))
    (own,) = [p for p in picks if p["title_id"] == "f02"]
    assert all(r["title_id"] != "f02" for r in own["reasons"])
    assert {r["evidence"] for p in picks for r in p["reasons"] if r["title_id"] == "f02"} == {"listed"}


def test_unavailable_unfit_foreign_and_hidden_titles_are_left_out() -> None:
    catalogue = a_catalogue(
        f02=Title("f02", "Gone", available_until=NOW),
        f03=Title("f03", "Not yet", available_from=NOW + timedelta(seconds=1)),
        f04=Title("f04", "For adults", maturity=18),
        f05=Title("f05", "Elsewhere", regions=("FR",)),
    )
    model = a_model(catalogue)
    fit = Fit(
        members=id_array([a_member(98), a_member(99)]),
        maturity=np.array([18, 12], np.int32),
        regions=np.array(["FR", "DE"], object),
        hidden_members=id_array([a_member(99)]),
        hidden_titles=np.array(["f06"], object),
    )
    tastes = tastes_of((97, "f00", 1.0), (98, "f00", 1.0), (99, "f00", 1.0))
    stranger, adult, young = (set(names(p)) for p in picks_of(tastes, model, catalogue, k=12, fit=fit))
    everybody = {f"f{i:02d}" for i in range(1, 12)} - {"f02", "f03"}
    assert adult == everybody
    assert young == everybody - {"f04", "f05", "f06"}
    assert stranger == everybody - {"f04"}  # not in the fit: titles for all ages; region unknown


def test_sensitive_and_hidden_titles_are_never_named_as_reasons() -> None:
    sensitive = Title("f00", "Film 0", year=1990, genres=("thriller",), sensitive=("health",))
    catalogue = a_catalogue(f00=sensitive)
    model = a_model(catalogue)
    fit = Fit(
        id_array([a_member(99)]),
        np.array([18], np.int32),
        np.array([None], object),
        id_array([a_member(99)]),
        np.array(["f02"], object),
    )
    tastes = tastes_of((99, "f00", 1.0), (99, "f02", 1.0), (99, "f04", 0.2))
    (picks,) = picks_of(tastes, model, catalogue, k=9, fit=fit)
    assert {r["title_id"] for p in picks for r in p["reasons"]} == {"f04"}
    assert all(r["share"] < 1 for p in picks for r in p["reasons"])


def test_a_series_has_one_place_and_none_once_it_was_begun() -> None:
    parts = {
        "s": Title("s", "Serial", kind="series", genres=("thriller",), year=2000),
        "s1": Title("s1", "One", kind="season", series_id="s", season=1),
        "s1e1": Title("s1e1", "Pilot", kind="episode", series_id="s", season=1, episode=1),
        "s2e4": Title("s2e4", "Late", kind="episode", series_id="s", season=2, episode=4),
    }
    catalogue = a_catalogue(**parts)
    model = a_model(catalogue)
    fresh, begun = picks_of(
        tastes_of((98, "f00", 1.0), (99, "f00", 1.0), (99, "s1e1", 0.0)), model, catalogue, k=14
    )
    assert len(set(names(fresh)) & set(parts)) == 1
    assert "s2e4" not in names(fresh)
    assert not set(names(begun)) & set(parts)


def test_members_without_a_liked_title_get_popular_titles_without_reasons() -> None:
    model = a_model()
    rows = picks_for(tastes_of((99, "f00", 0.0)), model, CATALOGUE, NOW, 5).table.to_pylist()
    popular = popular_picks(id_array([a_member(50)]), model, CATALOGUE, NOW, 6).table.to_pylist()
    assert rows[0]["model"] == "popular" == popular[0]["model"]
    assert all(p["also"] == ["popular"] and not p["reasons"] and p["score"] == 0 for p in rows[0]["picks"])
    assert names(rows[0]["picks"]) == [t for t in names(popular[0]["picks"]) if t != "f00"][:5]


def test_a_list_is_filled_to_k_with_popular_titles_where_scores_end() -> None:
    catalogue = a_catalogue(x=Title("x", "Unlike all others"))
    model = a_model(catalogue, Tastes.empty())
    (picks,) = picks_of(tastes_of((99, "f00", 1.0)), model, catalogue, k=12)
    assert len(picks) == 12
    assert next(p for p in picks if p["title_id"] == "x")["also"] == ["popular"]
    assert [p["score"] for p in picks] == sorted((p["score"] for p in picks), reverse=True)


def test_what_one_member_watched_alone_is_not_popular() -> None:
    lonely = Tastes.concat([CROWD, tastes_of((77, "f11", 1.0))])
    alone = tastes_of((77, "f11", 1.0))
    order = a_model(crowd=alone).popular
    np.testing.assert_array_equal(order, a_model(crowd=Tastes.empty()).popular)
    assert a_model(crowd=lonely).member_count == a_model().member_count + 1


def test_without_any_demand_the_decades_take_turns_newest_first() -> None:
    model = a_model(crowd=Tastes.empty())
    ordered = [model.vocabulary.ids[i] for i in model.popular]
    assert ordered[:4] == ["f11", "f09", "f10", "f08"]  # 2001, 1999, 2000, 1998


def test_the_rank_without_a_reason_is_that_of_a_history_without_it() -> None:
    model = a_model()
    rows = [(99, "f00", 0.4), (99, "f03", 1.0), (99, "f06", 0.9)]
    found = counterfactuals(tastes_of(*rows), model, CATALOGUE, NOW, 5)
    (picks,) = picks_of(tastes_of(*rows), model, k=5)
    assert [c.title_id for c in found] == names(picks)
    assert [c.rank for c in found] == [1, 2, 3, 4, 5]
    for check, pick in zip(found, picks, strict=True):
        assert [title for title, _ in check.without] == [r["title_id"] for r in pick["reasons"]]
        for title, rank in check.without:
            # Seen still, but without a sign that it was liked.
            left = tastes_of(*((m, t, 0.0 if t == title else w) for m, t, w in rows))
            (others,) = picks_of(left, model, k=12)
            assert names(others)[rank - 1] == check.title_id
    assert counterfactuals(Tastes.empty(), model, CATALOGUE, NOW) == []


def test_being_popular_is_a_reason_of_its_own_and_never_put_down_to_a_title() -> None:
    model = a_model(settings=replace(SETTINGS, popular_weight=5.0))
    tastes = tastes_of((99, "f00", 1.0))
    (picks,) = picks_of(tastes, model, k=3)
    for pick in picks:
        told = explanation(tastes, model, a_member(99), pick["title_id"], NOW)
        assert "popular" in pick["also"]
        assert told.popular > 0.9 * pick["score"]
        assert sum(reason["share"] for reason in pick["reasons"]) < 0.5
    nobody = explanation(tastes_of((99, "f00", 0.0)), model, a_member(99), "f02", NOW)
    assert nobody.score == nobody.popular > 0


def test_popularity_rests_on_all_time_until_recent_viewings_are_many() -> None:
    from postreel.recommend.popularity import takers_of

    old = tastes_of(*((m, "f00", 1.0) for m in range(300, 320)))
    new = tastes_of(*((m, "f02", 1.0) for m in range(1, 5)))
    builder = Builder(SETTINGS, CATALOGUE)
    crowd = Tastes.concat([old, new])
    builder.see(crowd)
    builder.add(crowd)
    steady = takers_of(builder.counts, replace(SETTINGS, popular_half_life_d=7, popular_prior=1e9))
    assert steady[[0, 2]] == pytest.approx([20, 4], rel=1e-6)
    today = takers_of(builder.counts, replace(SETTINGS, popular_half_life_d=7, popular_prior=0.0))
    assert today[2] > 23.9
    both = takers_of(builder.counts, replace(SETTINGS, popular_half_life_d=7, popular_prior=24.0))
    recent = sum(2.0 ** (-(m - 1) / 7) for m in range(1, 5))
    assert both[2] == pytest.approx((recent + 4) / (recent + 24) * 24, rel=1e-6)


def test_a_spectral_term_is_that_of_the_gram_and_of_the_scale_of_the_co_watch_matrix() -> None:
    from postreel.recommend.counts import GRAM_UNIT
    from postreel.recommend.solve import co_watch_matrix, mixed_matrix, spectral_matrix

    rng = np.random.default_rng(5)
    crowd = tastes_of(*((m, f"f{i:02d}", 1.0) for m in range(60) for i in rng.choice(12, 5, replace=False)))
    builder = Builder(SETTINGS, CATALOGUE)
    builder.see(crowd)
    builder.add(crowd)
    counts = builder.counts
    gram = counts.gram * GRAM_UNIT
    damped = counts.title_count[counts.head] ** -0.25
    values, vectors = np.linalg.eigh(damped[:, None] * gram * damped)
    leading = vectors[:, np.argsort(-values)[:3]]
    expected = np.diag(damped) @ leading @ leading.T @ np.diag(1 / damped)
    np.fill_diagonal(expected, 0)
    found = spectral_matrix(counts, 3)
    np.testing.assert_allclose(found, expected, atol=1e-10)
    watched = co_watch_matrix(counts, SETTINGS)
    mixed = mixed_matrix(counts, watched, found, 1.0)

    def size(matrix: Any) -> float:
        return float(np.trace(matrix.T @ gram @ matrix))

    assert size(mixed) == pytest.approx(size(watched))
    np.testing.assert_array_equal(mixed_matrix(counts, watched, found, 0.0), watched)


def test_a_title_that_many_take_lately_is_lifted_and_says_so() -> None:
    old = tastes_of(*((m, f"f{i:02d}", 1.0) for m in range(300, 330) for i in (0, 2, 4)))
    new = tastes_of(*((m, f"f{i:02d}", 1.0) for m in range(1, 9) for i in (0, 6)))
    model = a_model(crowd=Tastes.concat([old, new]))
    at = {t: i for i, t in enumerate(model.vocabulary.ids)}
    assert model.lift[at["f06"]] > 1.1 > model.lift[at["f04"]]
    assert model.lift[at["f11"]] == 1.0
    (picks,) = picks_of(tastes_of((99, "f00", 1.0)), model)
    assert "lift" in next(p for p in picks if p["title_id"] == "f06")["also"]


def test_a_trend_of_long_ago_moves_no_score_and_is_not_told() -> None:
    old = tastes_of(*((m, f"f{i:02d}", 1.0) for m in range(300, 330) for i in (0, 2, 4)))
    new = tastes_of(*((m, f"f{i:02d}", 1.0) for m in range(1, 9) for i in (0, 6)))  # the latest a day ago
    model = a_model(crowd=Tastes.concat([old, new]))
    tastes = tastes_of((99, "f00", 1.0))

    def pick_after(days: int) -> dict[str, Any]:
        now = NOW + timedelta(days=days)
        (row,) = picks_for(tastes, model, CATALOGUE, now).table.to_pylist()
        pick = next(p for p in row["picks"] if p["title_id"] == "f06")
        told = explanation(tastes, model, a_member(99), "f06", now)
        assert pick["score"] == told.score
        return pick | {"lift": told.lift}

    assert "lift" in pick_after(6)["also"]
    # Older than a week it may move scores, but it is not a trend of this week.
    assert "lift" not in pick_after(7)["also"]
    assert pick_after(13)["lift"] == pick_after(0)["lift"] > 1.1
    assert pick_after(14)["lift"] == 1.0
    assert pick_after(14)["score"] < pick_after(13)["score"]
    slow = a_model(crowd=Tastes.concat([old, new]), settings=replace(SETTINGS, lift_half_life_d=365))
    (picks,) = picks_of(tastes, slow)
    assert slow.at(NOW).lift.max() > 1.1
    assert not any("lift" in p["also"] for p in picks)


def test_before_the_next_solve_only_facts_and_popularity_choose() -> None:
    builder = Builder(SETTINGS, CATALOGUE)
    builder.see(CROWD)
    parts = builder.add(CROWD)
    counts = builder.counts
    counts.take_out(parts.where(parts.members == parts.members[3]))
    model = unsolved(counts, CATALOGUE, SETTINGS, NOW)
    rest = Builder(SETTINGS, CATALOGUE)
    rest.see(CROWD.where(CROWD.members != parts.members[3]))
    rest.add(CROWD.where(CROWD.members != parts.members[3]))
    assert not model.is_solved
    assert model.matrix.nnz == 0
    assert model.solve_sha256 == unsolved(rest.counts, CATALOGUE, SETTINGS, NOW).solve_sha256
    (picks,) = picks_of(tastes_of((99, "f00", 1.0)), model, k=3)
    assert all({"content", "popular"} & set(p["also"]) for p in picks)


def test_a_model_comes_back_from_its_parts() -> None:
    model = a_model()
    arrays, texts = model.to_parts()
    for array in arrays.values():
        array.setflags(write=False)
    back = Model.from_parts(arrays.__getitem__, texts.__getitem__)
    assert (back.name, back.settings, back.counts_sha256) == (model.name, model.settings, model.counts_sha256)
    tastes = tastes_of((99, "f00", 1.0), (99, "f03", 0.5))
    assert picks_of(tastes, back) == picks_of(tastes, model)


def test_a_batch_of_many_members_equals_each_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    model = a_model()
    together = picks_of(CROWD, model)
    monkeypatch.setattr("postreel.recommend.picks._CELLS", 40)
    assert picks_of(CROWD, model) == together
    for row, member in enumerate(np.unique(CROWD.members)):
        assert picks_of(CROWD.where(CROWD.members == member), model) == [together[row]]


def test_empty_inputs_give_empty_picks() -> None:
    model = a_model()
    assert len(picks_for(Tastes.empty(), model, CATALOGUE, NOW)) == 0
    bare = a_model(Catalogue.of([]), Tastes.empty())
    assert picks_of(tastes_of((1, "f00", 1.0)), bare, Catalogue.of([])) == [[]]


def test_an_unknown_evidence_and_an_unknown_title_are_refused() -> None:
    model = a_model()
    with pytest.raises(InputError, match="evidence"):
        picks_for(tastes_of((1, "f00", 1.0), evidence="guessed"), model, CATALOGUE, NOW)
    with pytest.raises(InputError, match="does not know"):
        explanation(CROWD, model, a_member(1), "nowhere", NOW)


@pytest.mark.parametrize("family", ["edlae", "dlae"])
def test_the_solve_is_the_closed_form_of_the_paper(family: str) -> None:
    from postreel.recommend.counts import GRAM_UNIT
    from postreel.recommend.solve import co_watch_matrix

    settings = replace(SETTINGS, family=family, ridge=2.0, dropout=0.25)
    builder = Builder(settings, CATALOGUE)
    builder.see(CROWD)
    builder.add(CROWD)
    gram = builder.counts.gram * GRAM_UNIT
    penalty = np.diag(2.0 + (0.25 / 0.75) * np.diag(gram))
    inverse = np.linalg.inv(gram + penalty)
    expected = np.eye(len(gram)) - (inverse @ penalty if family == "dlae" else inverse / np.diag(inverse))
    np.fill_diagonal(expected, 0)
    np.testing.assert_allclose(co_watch_matrix(builder.counts, settings), expected, atol=1e-12)
