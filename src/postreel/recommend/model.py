"""Model: everything that scoring needs, frozen; and how it is built from counts.

Built under Training by the gate's `learn`, used under Recommendations. Holds matrices over titles and no rows of
any member; together with `Counts` and the roster it can lose any member exactly.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from postreel.catalogue import Catalogue
from postreel.errors import InputError
from postreel.recommend.content import features_of
from postreel.recommend.contributions import NO_DAY, Contributions, Vocabulary, contributions
from postreel.recommend.correct import CorrectedMatrix
from postreel.recommend.counts import Counts, head_of, title_counts
from postreel.recommend.popularity import bias_of, demand_of, latest_day, lift_of, popular_order
from postreel.recommend.settings import RecommendSettings
from postreel.recommend.solve import digest_of, inverse_of, served_matrix
from postreel.schema import Tastes

_SPARSE = ("matrix", "features")
INVERSE_LIMIT = 10_000
"""Most titles for which the solve's inverse is kept with the model (800 MB), to correct it at a removal."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
WEEK_D = 7
"""A trend is said to be one of this week where its counts are no older."""
WEEKLY_HALF_LIFE_D = 14.0
"""Longest half-life of a trend that is said to be one of this week."""


@dataclass(frozen=True)
class Model:
    """A trained model over V titles.

    Attributes:
        name: time of training and start of the solve's hash.
        trained_at: aware UTC, ISO 8601.
        is_solved: False where there is no co-watching in it: content prior and popular titles only.
        vocabulary: the titles, in the order of every axis below.
        matrix: sparse (V, V); row j, column i is what title j adds to title i beyond the content prior. A
            `CorrectedMatrix` in a model that was `corrected`, which is not stored.
        features: sparse (V, facts) with rows of length 1; the content prior is content_weight F F' demand.
        demand: (V,) what likeness towards each title is multiplied by.
        bias: (V,) what being popular adds to each title's score, for anybody.
        lift: (V,) what each score is multiplied by, the bias with it; that of `latest_day`, see `at`.
        latest_day: days since 1970 of the latest like that was counted, or NO_DAY.
        popular: (V,) int32 title indices, most popular first.
        settings: as used.
        member_count: members in the counts.
        counts_sha256, solve_sha256: of the counts, and of all arrays above; empty in a model that was `corrected`.
        inverse: (a, a) P of the solve, from which members can be taken out at once; None where it is not kept: with
            a spectral term, above INVERSE_LIMIT titles, and in a model that was corrected or not solved.
    """

    name: str
    trained_at: str
    is_solved: bool
    vocabulary: Vocabulary
    matrix: Any
    features: Any
    demand: NDArray[np.float64]
    bias: NDArray[np.float64]
    lift: NDArray[np.float64]
    latest_day: int
    popular: NDArray[np.int32]
    settings: RecommendSettings
    member_count: int
    counts_sha256: str
    solve_sha256: str
    inverse: NDArray[np.float64] | None = None

    def at(self, now: datetime) -> Model:
        """The model as it scores at a time (aware UTC): without lift, where its counts are older than the half-life.

        A trend of years ago is none, and a score may not be moved by what a mail cannot truly say.
        """
        if self._age_d(now) <= self.settings.lift_half_life_d:
            return self
        return replace(self, lift=np.ones_like(self.lift))

    def has_weekly_trend(self, now: datetime) -> bool:
        """Whether the lift tells of this week: the counts are of the last days, and older viewings fade fast."""
        return self._age_d(now) <= WEEK_D and self.settings.lift_half_life_d <= WEEKLY_HALF_LIFE_D

    def _age_d(self, now: datetime) -> float:
        return np.inf if self.latest_day == NO_DAY else (now - _EPOCH).days - self.latest_day

    def to_parts(self) -> tuple[dict[str, NDArray[Any]], dict[str, bytes]]:
        """Arrays and texts for a model's directory, without pickle; keys begin with `model_`."""
        arrays: dict[str, NDArray[Any]] = {
            "model_demand": self.demand,
            "model_bias": self.bias,
            "model_lift": self.lift,
            "model_popular": self.popular,
        }
        if self.inverse is not None:
            arrays["model_inverse"] = self.inverse
        shapes: dict[str, list[int]] = {}
        for key in _SPARSE:
            matrix = getattr(self, key)
            arrays |= {f"model_{key}_{part}": getattr(matrix, part) for part in ("data", "indices", "indptr")}
            shapes[key] = list(matrix.shape)
        facts = {
            "name": self.name,
            "trained_at": self.trained_at,
            "is_solved": self.is_solved,
            "member_count": self.member_count,
            "counts_sha256": self.counts_sha256,
            "solve_sha256": self.solve_sha256,
            "latest_day": self.latest_day,
            "has_inverse": self.inverse is not None,
            "shapes": shapes,
        }
        texts = {
            "model_facts": json.dumps(facts, sort_keys=True).encode(),
            "model_settings": self.settings.to_json(),
            "model_vocabulary": self.vocabulary.to_json(),
        }
        return arrays, texts

    @classmethod
    def from_parts(cls, array: Callable[[str], NDArray[Any]], text: Callable[[str], bytes]) -> Model:
        """A model as `to_parts` gave it; mapped arrays stay mapped."""
        facts = json.loads(text("model_facts"))
        shapes = facts.pop("shapes")
        # A model of an earlier version does not say how old its trends are: they are left out.
        facts.setdefault("latest_day", NO_DAY)
        has_inverse = facts.pop("has_inverse", False)

        def matrix(key: str) -> Any:
            parts = tuple(array(f"model_{key}_{part}") for part in ("data", "indices", "indptr"))
            return sparse.csr_array(parts, shape=tuple(shapes[key]), copy=False)

        return cls(
            vocabulary=Vocabulary.from_json(text("model_vocabulary")),
            settings=RecommendSettings.from_json(text("model_settings")),
            matrix=matrix("matrix"),
            features=matrix("features"),
            demand=array("model_demand"),
            bias=array("model_bias"),
            lift=array("model_lift"),
            popular=array("model_popular"),
            inverse=array("model_inverse") if has_inverse else None,
            **facts,
        )


def model_of(
    counts: Counts,
    catalogue: Catalogue,
    settings: RecommendSettings,
    now: datetime,
    features: Any | None = None,
) -> Model:
    """The model of these counts: one solve. `now` (aware UTC) names the model and enters no score.

    Args:
        features: of this catalogue, where they are at hand already.
    """
    features = features_of(catalogue, counts.vocabulary) if features is None else features
    inverse = inverse_of(counts, settings)
    matrix = served_matrix(counts, features, demand_of(counts, settings), settings, inverse)
    model = _model(counts, catalogue, settings, now, features, matrix, True)
    is_kept = not settings.spectral_weight and len(inverse) <= INVERSE_LIMIT
    return replace(model, inverse=inverse) if is_kept else model


def corrected(
    model: Model, before: Counts, removed: Sequence[Contributions], catalogue: Catalogue, now: datetime
) -> Model:
    """The model without some members, at once: as `model_of` the counts without them up to rounding, with no solve.

    Where the model keeps no inverse this is `unsolved`, which says so.

    Args:
        model: solved, with the members in it.
        before: its counts, with the members in them; they are not changed, and may be mapped.
        removed: what is taken out.
    """
    settings = model.settings
    if model.inverse is None:
        counts = before.copied()
        for parts in removed:
            counts.take_out(parts)
        return unsolved(counts, catalogue, settings, now)
    left = before.without_pairs()
    for parts in removed:
        left.take_out(parts)
    demand = demand_of(left, settings)
    matrix = CorrectedMatrix(
        model.inverse, before, left.title_count, removed, model.features, demand, settings
    )
    return replace(
        model,
        name=f"{model.name}-less-{before.member_count - left.member_count}",
        matrix=matrix,
        demand=demand,
        bias=bias_of(left, settings),
        lift=lift_of(left, settings),
        latest_day=latest_day(left),
        popular=popular_order(left, catalogue, settings),
        member_count=left.member_count,
        counts_sha256="",
        solve_sha256="",
        inverse=None,
    )


def unsolved(counts: Counts, catalogue: Catalogue, settings: RecommendSettings, now: datetime) -> Model:
    """The model without a solve, at once: content prior, popular titles and trends of these counts.

    All there is on an empty service; and served where members were taken out of a model that cannot be `corrected`,
    until `model_of` has run, so that nothing of theirs is used meanwhile.
    """
    features = features_of(catalogue, counts.vocabulary)
    size = len(counts.vocabulary)
    nothing = sparse.csr_array((size, size), dtype=np.float64)
    return _model(counts, catalogue, settings, now, features, nothing, False)


def _model(
    counts: Counts,
    catalogue: Catalogue,
    settings: RecommendSettings,
    now: datetime,
    features: Any,
    matrix: Any,
    is_solved: bool,
) -> Model:
    demand, lift = demand_of(counts, settings), lift_of(counts, settings)
    bias, popular = bias_of(counts, settings), popular_order(counts, catalogue, settings)
    solve = digest_of(
        *(matrix.data, matrix.indices, matrix.indptr, features.data, features.indices),
        *(demand, bias, lift, popular),
    )
    return Model(
        name=f"{now:%Y%m%dT%H%M%SZ}-{solve[:12]}",
        trained_at=now.isoformat(),
        is_solved=is_solved,
        vocabulary=counts.vocabulary,
        matrix=matrix,
        features=features,
        demand=demand,
        bias=bias,
        lift=lift,
        latest_day=latest_day(counts),
        popular=popular,
        settings=settings,
        member_count=counts.member_count,
        counts_sha256=counts.digest(),
        solve_sha256=solve,
    )


class Builder:
    """Builds counts and a model from batches of tastes, in two passes and bounded memory.

    First `see` every batch (which titles reach the floor), then `add` every batch again, then `finish`.
    A member is never split over two batches.

    Args:
        vocabulary: that of a model to build again; None: the catalogue's.
    """

    def __init__(
        self, settings: RecommendSettings, catalogue: Catalogue, vocabulary: Vocabulary | None = None
    ) -> None:
        self.settings = settings
        self.catalogue = catalogue
        self.vocabulary = Vocabulary.of(catalogue) if vocabulary is None else vocabulary
        self._title_count = np.zeros(len(self.vocabulary), np.int64)
        self._counts: Counts | None = None

    def see(self, tastes: Tastes) -> None:
        """First pass: count how many members liked each title.

        Raises:
            InputError: the second pass has begun, or a weight lies outside [0, 1].
        """
        if self._counts is not None:
            raise InputError("the second pass over the tastes has begun; begin a new build")
        self.see_parts(contributions(tastes, self.vocabulary))

    def see_parts(self, parts: Contributions) -> None:
        """First pass over contributions that are at hand already, a roster's for one."""
        self._title_count += title_counts(parts, len(self.vocabulary))

    def add(self, tastes: Tastes) -> Contributions:
        """Second pass: put a batch into the counts. Returns what each member added, for the roster."""
        parts = contributions(tastes, self.vocabulary)
        self.add_parts(parts)
        return parts

    def add_parts(self, parts: Contributions) -> None:
        """Second pass over contributions that are at hand already."""
        self.counts.add(parts)

    @property
    def counts(self) -> Counts:
        """The counts so far; the first use ends the first pass."""
        if self._counts is None:
            head = head_of(self._title_count, self.settings)
            self._counts = Counts.empty(self.vocabulary, head, self.settings.pair_floor)
        return self._counts

    def finish(self, now: datetime) -> Model:
        """Solve."""
        return model_of(self.counts, self.catalogue, self.settings, now)
