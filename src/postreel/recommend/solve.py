"""Solve: from counts to the matrix that is served.

Runs under Training. A pure function of counts, likeness and settings. EDLAE and DLAE are one family of closed
forms (Steck 2020, "Autoencoders that don't overfit towards the Identity", eq. 8; Steck 2019 for EASE): with the
weighted Gram G, its diagonal D and Lam = ridge I + p / (1 - p) D, P = (G + Lam)^-1 and

    EDLAE  B = I - P diag(1 / diag P)        DLAE  B = I - P Lam, its diagonal then left out

Row j, column i of B is what a member's title j adds to the score of title i.

A spectral term may be mixed in, of the same Gram, so that the whole stays one item-item matrix of the counts alone:
N = C^-1/4 G C^-1/4 with C the members who liked each title, Q its leading eigenvectors and L = C^-1/4 Q Q' C^1/4
without its diagonal; then B becomes (1 - w) B + w L |B| / |L|, where |M|^2 = tr(M' G M) is the weighted sum of all
squared scores of those in the counts. It is solved anew with each model; while a removal waits, it is not served.
"""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import linalg, sparse
from scipy.sparse.linalg import eigsh

from postreel.errors import PermanentError
from postreel.recommend.counts import GRAM_UNIT, Counts
from postreel.recommend.settings import RecommendSettings

_BLOCK = 512


def penalty_of(counts: Counts, settings: RecommendSettings) -> NDArray[np.float64]:
    """(a,) the diagonal Lam over the counts' active head titles."""
    active = counts.active
    weight = settings.dropout / (1.0 - settings.dropout)
    diagonal = np.asarray(counts.gram[active, active], np.float64) * GRAM_UNIT
    return np.asarray(settings.ridge + weight * diagonal, np.float64)


def inverse_of(counts: Counts, settings: RecommendSettings) -> NDArray[np.float64]:
    """(a, a) P = (G + Lam)^-1 over the counts' active head titles."""
    active = counts.active
    if len(active) == 0:
        return np.zeros((0, 0))
    gram = counts.gram[np.ix_(active, active)] * GRAM_UNIT
    gram[np.diag_indices_from(gram)] += penalty_of(counts, settings)
    # LAPACK's own inverse from a Cholesky factor: less than half the work of solving for the unit matrix.
    # The transpose of a symmetric matrix is itself, in the order that LAPACK works in without a copy.
    factorised, inverted = linalg.get_lapack_funcs(("potrf", "potri"), (gram,))
    factor, bad = factorised(gram.T, lower=1, overwrite_a=1)
    inverse, worse = inverted(factor, lower=1, overwrite_c=1)
    if bad or worse:
        raise PermanentError(
            "the Gram is not positive definite, which sums of members' parts are; train again"
        )
    whole = np.tril(inverse)
    whole += np.tril(inverse, -1).T
    return np.ascontiguousarray(whole)


def co_watch_matrix(
    counts: Counts, settings: RecommendSettings, inverse: NDArray[np.float64] | None = None
) -> NDArray[np.float64]:
    """(a, a) B over the counts' active head titles, before the pair floor; zero diagonal.

    Args:
        inverse: P, where it is at hand already.
    """
    inverse = inverse_of(counts, settings) if inverse is None else inverse
    scale = penalty_of(counts, settings) if settings.family == "dlae" else 1.0 / np.diag(inverse)
    matrix = -inverse * scale
    np.fill_diagonal(matrix, 0.0)
    return matrix


def spectral_matrix(counts: Counts, dims: int) -> NDArray[np.float64]:
    """(a, a) L over the counts' active head titles; zero diagonal, and zero altogether for fewer than 3 titles."""
    active = counts.active
    dims = min(dims, len(active) - 2)
    if dims < 1:
        return np.zeros((len(active), len(active)))
    damped = counts.title_count[counts.head[active]].astype(np.float64) ** -0.25
    gram = counts.gram[np.ix_(active, active)] * GRAM_UNIT
    # A fixed start makes the iteration a function of the counts alone.
    _, leading = eigsh(damped[:, None] * gram * damped, k=dims, v0=np.ones(len(active)))
    matrix = (damped[:, None] * leading) @ (leading.T / damped)
    np.fill_diagonal(matrix, 0.0)
    return matrix


def mixed_matrix(
    counts: Counts, watched: NDArray[np.float64], spectral: NDArray[np.float64], weight: float
) -> NDArray[np.float64]:
    """(1 - w) B + w L |B| / |L|: the spectral term brought to the scale of the co-watch matrix."""
    active = counts.active
    gram = counts.gram[np.ix_(active, active)] * GRAM_UNIT
    size, theirs = (float(np.sum((gram @ matrix) * matrix)) for matrix in (watched, spectral))
    if not (size > 0 and theirs > 0):
        return watched
    return (1.0 - weight) * watched + (weight * np.sqrt(size / theirs)) * spectral


def served_matrix(
    counts: Counts,
    features: Any,
    demand: NDArray[np.float64],
    settings: RecommendSettings,
    inverse: NDArray[np.float64] | None = None,
) -> Any:
    """Sparse float64 (V, V) M; a score is x M + content_weight (x F) F' demand.

    An entry is there only where at least `pair_floor` members watched both titles: nothing that fewer did
    shows. There M holds B, and takes back the part (1 - alpha) of the content prior that co-watching replaces,
    with alpha = c / (c + members who watched both).

    Args:
        inverse: P, where it is at hand already.
    """
    size = len(counts.vocabulary)
    active = counts.active
    titles = counts.head[active].astype(np.int64)
    matrix = co_watch_matrix(counts, settings, inverse)
    if settings.spectral_weight:
        spectral = spectral_matrix(counts, settings.spectral_dims)
        matrix = mixed_matrix(counts, matrix, spectral, settings.spectral_weight)
    likeness_of = features[titles]
    rows: list[NDArray[np.int64]] = []
    columns: list[NDArray[np.int64]] = []
    values: list[NDArray[np.float64]] = []
    for begin in range(0, len(active), _BLOCK):
        block = slice(begin, begin + _BLOCK)
        pairs = counts.pair_count[np.ix_(active[block], active)]
        likeness = (likeness_of[block] @ likeness_of.T).toarray()
        kept = pairs >= settings.pair_floor
        kept[np.arange(kept.shape[0]), np.arange(begin, begin + kept.shape[0])] = False
        j, i = np.nonzero(kept)
        taken = pairs[j, i] / (settings.content_evidence + pairs[j, i])
        values.append(
            matrix[block][j, i] - settings.content_weight * taken * likeness[j, i] * demand[titles[i]]
        )
        rows.append(titles[block][j])
        columns.append(titles[i])
    if not rows:
        return sparse.csr_array((size, size), dtype=np.float64)
    where = (np.concatenate(rows), np.concatenate(columns))
    served = sparse.csr_array((np.concatenate(values), where), shape=(size, size))
    served.sort_indices()
    return served


def digest_of(*arrays: NDArray[Any]) -> str:
    """SHA-256 of these arrays' bytes, in hexadecimal."""
    whole = hashlib.sha256()
    for array in arrays:
        whole.update(np.ascontiguousarray(array).data)
    return whole.hexdigest()
