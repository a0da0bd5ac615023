"""The recommender's settings, with their defaults and the reason for each.

Public figures, nothing of a member's. Stored with each model, since a model is a pure function of counts,
catalogue and these.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields

from postreel.errors import SettingsError

FAMILIES = ("edlae", "dlae")
"""The closed forms: with a zero diagonal as a constraint (EDLAE), or without (DLAE); Steck 2020."""


@dataclass(frozen=True)
class RecommendSettings:
    """How counts become a model, and a model scores.

    Attributes:
        family: one of FAMILIES.
        ridge: lambda, the weight of the plain ridge; in units of weighted members.
        dropout: p, the share dropped in the denoising view; adds p / (1 - p) of the Gram's diagonal.
        pair_floor: co-watching enters the model only where at least this many members watched both titles.
        title_floor: fewer members than this have no say in what is popular or trending.
        head_limit: most titles that the solve takes; the most watched ones.
        content_weight: what one likeness of facts counts beside one unit of the co-watch matrix.
        content_evidence: c of alpha = c / (c + members who watched both): how fast co-watching takes over.
        content_demand: how far likeness counts for more towards a title that many like lately, from 0 to 1.
        lift_half_life_d: days in which a viewing loses half its say in what is trending.
        lift_power: g, how strongly the trend moves scores; 0 is off, at most 1.5.
        lift_prior: c of (recent + c) / (expected + c), in recent viewings; damps titles with few.
        popular_half_life_d: days, as above, for what is popular.
        popular_prior: viewings of all time that what is popular rests on before recent ones take over.
        popular_weight: what being popular adds to a score, beside one unit of the co-watch matrix.
        spectral_weight: w, the share of the spectral term in the co-watch matrix, from 0 (off) to below 1.
        spectral_dims: eigenvectors in the spectral term.
    """

    family: str = "dlae"
    ridge: float = 30.0
    dropout: float = 0.33
    pair_floor: int = 10
    title_floor: int = 3
    head_limit: int = 8_000
    content_weight: float = 0.005
    content_evidence: float = 10.0
    content_demand: float = 0.25
    lift_half_life_d: float = 14.0
    lift_power: float = 1.0
    lift_prior: float = 20.0
    popular_half_life_d: float = 90.0
    popular_prior: float = 500.0
    popular_weight: float = 0.03
    spectral_weight: float = 0.0
    spectral_dims: int = 64

    def __post_init__(self) -> None:
        if self.family not in FAMILIES:
            raise SettingsError(f"the recommender's family is {self.family!r}; choose one of {FAMILIES}")
        if not (self.ridge > 0 and 0 <= self.dropout < 1):
            raise SettingsError("the recommender needs a ridge above 0 and a dropout in [0, 1)")
        if min(self.pair_floor, self.title_floor, self.head_limit) < 1:
            raise SettingsError("pair_floor, title_floor and head_limit are at least 1")
        if not (0 <= self.lift_power <= 1.5):
            raise SettingsError("lift_power lies between 0 (off) and 1.5; above that it overshoots")
        if min(self.lift_half_life_d, self.popular_half_life_d, self.lift_prior, self.content_evidence) <= 0:
            raise SettingsError("half-lives, lift_prior and content_evidence are above 0")
        if min(self.content_weight, self.popular_weight, self.popular_prior) < 0:
            raise SettingsError("content_weight, popular_weight and popular_prior are 0 or more")
        if not (0 <= self.spectral_weight < 1 and self.spectral_dims >= 1):
            raise SettingsError("spectral_weight lies in [0, 1), and spectral_dims is at least 1")
        if not (0 <= self.content_demand <= 1):
            raise SettingsError("content_demand lies between 0 and 1")

    def to_json(self) -> bytes:
        """One JSON object with sorted keys."""
        return json.dumps(asdict(self), sort_keys=True).encode()

    @classmethod
    def from_json(cls, text: bytes) -> RecommendSettings:
        """Settings as `to_json` wrote them; one left out has its default.

        Raises:
            SettingsError: not such an object, or a setting that this version does not know.
        """
        values = json.loads(text)
        if not isinstance(values, dict):
            raise SettingsError("recommender settings are one JSON object")
        unknown = set(values) - {f.name for f in fields(cls)}
        if unknown:
            raise SettingsError(f"there is no recommender setting {sorted(unknown)[0]!r}")
        return cls(**values)
