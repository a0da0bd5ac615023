"""Recommend: tastes become ranked titles, each with its exact reasons.

An additive item-item model in integers. `contributions` makes each member's part of the counts from that member's
own rows; `Counts` adds parts and takes them out, exactly and in any order; `model_of` solves, `corrected` takes
members out of a solved model at once, and `unsolved` is what may be served where neither is to be had. `picks_for`
scores and explains, `popular_picks` serves those who may not be personalised, `evaluate` says how good it all is.
`Builder` is the two-pass build for the gate's `learn`.

Counts and models are made under Training, picks under Recommendations. `docs/explanation/recommending.md` tells why.
"""

from postreel.recommend.contributions import Contributions, Vocabulary, contributions
from postreel.recommend.counterfactual import Counterfactual, counterfactuals
from postreel.recommend.counts import Counts, head_of
from postreel.recommend.evaluate import evaluate
from postreel.recommend.metrics import METRICS, metrics_of, paired_difference
from postreel.recommend.model import Builder, Model, corrected, model_of, unsolved
from postreel.recommend.picks import Explanation, explanation, picks_for, popular_picks
from postreel.recommend.protocols import PROTOCOLS, Interactions, Trial, trials_of
from postreel.recommend.score import History, history_of, scores
from postreel.recommend.settings import RecommendSettings
from postreel.recommend.shelf import Fit
from postreel.recommend.small import small_services
from postreel.recommend.tuning import STEP_COUNT, Tuned, tuned_settings

__all__ = [
    "METRICS",
    "PROTOCOLS",
    "STEP_COUNT",
    "Builder",
    "Contributions",
    "Counterfactual",
    "Counts",
    "Explanation",
    "Fit",
    "History",
    "Interactions",
    "Model",
    "RecommendSettings",
    "Trial",
    "Tuned",
    "Vocabulary",
    "contributions",
    "corrected",
    "counterfactuals",
    "evaluate",
    "explanation",
    "head_of",
    "history_of",
    "metrics_of",
    "model_of",
    "paired_difference",
    "picks_for",
    "popular_picks",
    "scores",
    "small_services",
    "trials_of",
    "tuned_settings",
    "unsolved",
]
