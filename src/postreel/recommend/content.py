"""Content: how alike two titles are by the catalogue's facts alone. About titles, so under no purpose.

Below the pair floor, likeness carries the score, so one member on an empty service gets useful titles. Likeness
is the cosine of TF-IDF vectors (Salton and Buckley 1988) over facts: additive over a member's titles as the
co-watch matrix is, so reasons stay exact.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import numpy as np
from scipy import sparse

from postreel.catalogue import Catalogue, Title
from postreel.recommend.contributions import Vocabulary

FAMILY_WEIGHTS = {
    "genre": 1.0,
    "mood": 1.0,
    "director": 1.0,
    "cast": 0.7,
    "country": 0.5,
    "language": 0.4,
    "period": 0.5,
}
"""How much a fact of each family counts beside the others, before its rarity."""
PERIOD_YEARS = 10


def facts_of(title: Title) -> list[tuple[str, str]]:
    """The (family, value) pairs that a title is compared by."""
    families = {
        "genre": title.genres,
        "mood": title.moods,
        "director": title.directors,
        "cast": title.cast,
        "country": title.countries,
        "language": title.languages,
        "period": () if title.year is None else (str(title.year // PERIOD_YEARS),),
    }
    return [(family, value.casefold()) for family, values in families.items() for value in values]


def features_of(catalogue: Catalogue, vocabulary: Vocabulary) -> Any:
    """Sparse float64 (V, facts), each row of length 1, or empty where a title has no facts.

    The likeness of titles j and i is the product of their rows. A series without facts of its own has those of
    its seasons and episodes. A fact that only one title has says nothing and is left out; a rare one counts for
    more than a common one.
    """
    seen: dict[tuple[str, str], int] = {}
    rows: list[int] = []
    columns: list[int] = []
    told: dict[int, list[tuple[str, str]]] = defaultdict(list)
    for part, owner in zip(vocabulary.parts, vocabulary.owners, strict=True):
        if part in catalogue:
            told[owner] += facts_of(catalogue[part])
    for row, title_id in enumerate(vocabulary.ids):
        title = catalogue.get(title_id)
        if title is None:
            continue
        facts = facts_of(title) or told[row]
        for fact in sorted(set(facts)):
            rows.append(row)
            columns.append(seen.setdefault(fact, len(seen)))
    size = len(vocabulary)
    having = np.bincount(np.asarray(columns, np.int64), minlength=len(seen))
    family = np.array([FAMILY_WEIGHTS[f] for f, _ in seen], np.float64)
    rarity = family * np.log(1.0 + size / np.maximum(having, 1)) * (having > 1)
    where = (np.asarray(rows, np.int64), np.asarray(columns, np.int64))
    raw = sparse.csr_array((rarity[where[1]], where), shape=(size, len(seen)))
    raw.eliminate_zeros()
    length = np.sqrt(np.asarray(raw.multiply(raw).sum(axis=1)).ravel())
    unit = np.divide(1.0, length, out=np.zeros_like(length), where=length > 0)
    features = sparse.csr_array(sparse.diags_array(unit) @ raw)
    features.sort_indices()
    return features


def genres_of(catalogue: Catalogue, vocabulary: Vocabulary) -> Any:
    """Sparse float64 (V, genres): each title's genres in equal shares."""
    seen: dict[str, int] = {}
    rows: list[int] = []
    columns: list[int] = []
    shares: list[float] = []
    for row, title_id in enumerate(vocabulary.ids):
        title = catalogue.get(title_id)
        genres = () if title is None else title.genres
        for genre in sorted({g.casefold() for g in genres}):
            rows.append(row)
            columns.append(seen.setdefault(genre, len(seen)))
            shares.append(1.0 / len({g.casefold() for g in genres}))
    where = (np.asarray(rows, np.int64), np.asarray(columns, np.int64))
    shape = (len(vocabulary), len(seen))
    return sparse.csr_array((np.asarray(shares, np.float64), where), shape=shape)
