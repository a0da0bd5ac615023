"""Protocols: how interactions are cut into what is known and what should be found.

Runs on figures that `learn` may see, or on public data. `rolling` (global time) is the honest one; `liang` and
`per-member` are kept for comparison with what others publish.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from postreel.errors import InputError

PROTOCOLS = ("rolling", "liang", "per-member")
EARLIER = 5
"""Positives that a member needs before a window, and at all for `liang`."""
CUTS = (0.7, 0.8, 0.9, 1.0)
"""Quantiles of all times between which the windows of `rolling` lie when none are named."""
TUNING_CUTS = (4 / 7, 5 / 7, 6 / 7, 1.0)
"""The same over what lies before the first window: with CUTS these are the quantiles .4, .5, .6, .7 of the whole."""
LEAST_BEFORE = 0.4
"""Share of the positives before the first window that must lie before a tuning window."""
LONG = 10
"""Positives that a member needs for `per-member`."""
SEEDS = (1, 2, 3, 4, 5)


@dataclass(frozen=True)
class Interactions:
    """Positives, each member and title once, sorted by member, then title.

    Attributes:
        members: (n,) int64 number of the member, in the order of the members' ids.
        titles: (n,) int64 number of the title, in the order of `title_ids`.
        times: (n,) float64 Unix seconds, NaN where unknown.
        weights: (n,) in (0, 1].
        title_ids: sorted; as numbers where all of them are whole numbers, since Liang's draw follows that order.
    """

    members: NDArray[np.int64]
    titles: NDArray[np.int64]
    times: NDArray[np.float64]
    weights: NDArray[np.float64]
    title_ids: tuple[str, ...]

    @classmethod
    def of(
        cls,
        members: NDArray[Any],
        titles: Sequence[str],
        times: NDArray[np.float64],
        weights: NDArray[np.float64],
    ) -> Interactions:
        """From columns of one length; rows of weight 0 are dropped, of a repeated pair the first in time is kept.

        Members and titles that are whole numbers, written as text or not, are put in the order of numbers.

        Raises:
            InputError: nothing is left, or a weight lies outside [0, 1].
        """
        bad = int(np.count_nonzero(~((weights >= 0) & (weights <= 1))))
        if bad:
            raise InputError(f"{bad} of {len(weights)} weights lie outside [0, 1]; correct the file")
        kept = np.flatnonzero(weights > 0)
        if len(kept) == 0:
            raise InputError("no row has a weight above 0; there is nothing to evaluate")
        _, member = _numbered(np.asarray(members)[kept])
        names, title = _numbered(np.asarray(titles, dtype=str)[kept])
        order = np.lexsort((times[kept], title, member))
        member, title = member[order].astype(np.int64), title[order].astype(np.int64)
        first = np.ones(len(order), np.bool_)
        first[1:] = (np.diff(member) != 0) | (np.diff(title) != 0)
        rows = kept[order][first]
        ids = tuple(str(n) for n in names)
        return cls(member[first], title[first], times[rows].astype(np.float64), weights[rows], ids)

    def __len__(self) -> int:
        return len(self.members)

    def of_members(self, some: NDArray[np.int64]) -> Interactions:
        """The positives of some members (sorted numbers) as data of their own."""
        rows = np.isin(self.members, some)
        members = np.searchsorted(some, self.members[rows])
        return Interactions(members, self.titles[rows], self.times[rows], self.weights[rows], self.title_ids)


def _numbered(ids: NDArray[Any]) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """The different ids in order, as numbers where all are whole numbers, and (n,) the place of each."""
    names, place = np.unique(ids.astype(str) if ids.dtype.kind == "O" else ids, return_inverse=True)
    if names.dtype.kind == "U" and bool(np.all(np.char.isdecimal(names))):
        # Longest ids of one width compare as numbers do, of whatever size.
        width = int(np.char.str_len(names).max())
        order = np.argsort(np.char.zfill(names, width), kind="stable")
        rank = np.empty(len(order), np.int64)
        rank[order] = np.arange(len(order))
        return names[order], rank[place]
    return names, place.astype(np.int64)


@dataclass(frozen=True)
class Trial:
    """One cut: rows of the interactions that train, that are known of the members tested, and that they should find.

    Attributes:
        name: as shown.
        train, known, targets: row numbers.
        tested: (m,) sorted members, each with at least one row in `targets`.
    """

    name: str
    train: NDArray[np.int64]
    known: NDArray[np.int64]
    targets: NDArray[np.int64]
    tested: NDArray[np.int64]


def trials_of(
    protocol: str,
    data: Interactions,
    windows: Sequence[tuple[float, float]] = (),
    seeds: Sequence[int] = SEEDS,
) -> tuple[list[Trial], list[Trial]]:
    """The trials to report, and the trials to tune on, which never see a row of the former's targets.

    Raises:
        InputError: an unknown protocol, times missing where it needs them, or nobody to test.
    """
    if protocol == "rolling":
        tests, tuning = _rolling(data, windows)
    elif protocol == "liang":
        tests = [_liang(data, seed)[1] for seed in seeds]
        tuning = [_liang(data, seeds[0])[0]]
    elif protocol == "per-member":
        tests, tuning = [_last_fifth(data, 0.8, 1.0)], [_last_fifth(data, 0.6, 0.8)]
    else:
        raise InputError(f"there is no protocol {protocol!r}; choose one of {', '.join(PROTOCOLS)}")
    tests = [t for t in tests if len(t.tested)]
    if not tests:
        raise InputError(
            f"nobody can be tested under {protocol!r}: too few positives a member, or none in the window"
        )
    return tests, [t for t in tuning if len(t.tested)]


def _rolling(data: Interactions, windows: Sequence[tuple[float, float]]) -> tuple[list[Trial], list[Trial]]:
    _need_times(data)
    chosen = list(windows) or _windows(data.times, CUTS)
    for begin, end in chosen:
        if not begin < end:
            raise InputError(f"the window {begin:.0f}:{end:.0f} ends before it begins")
    first = min(begin for begin, _ in chosen)
    earlier = data.times[data.times < first]
    length = float(np.median([end - begin for begin, end in chosen]))
    tuning = _before(earlier, first, length) if len(windows) else []
    if not tuning and len(earlier):
        tuning = _windows(earlier, TUNING_CUTS)
    return [_window(data, *w) for w in chosen], [_window(data, *w) for w in tuning if w[0] < w[1]]


def _before(earlier: NDArray[np.float64], first: float, length: float) -> list[tuple[float, float]]:
    """Up to three windows of one length that end where the first named one begins, the earliest first.

    What is tuned is so tuned on the horizon that it will be measured on. Only windows with a good part of the
    earlier positives before them; none where the history is too short for even one.
    """
    found: list[tuple[float, float]] = []
    for back in (1, 2, 3):
        begin = first - back * length
        if np.count_nonzero(earlier < begin) < LEAST_BEFORE * len(earlier):
            break
        found.insert(0, (begin, begin + length))
    return found


def _windows(times: NDArray[np.float64], cuts: Sequence[float]) -> list[tuple[float, float]]:
    edges = np.quantile(times, cuts)
    edges[-1] = np.nextafter(times.max(), np.inf)
    return [(float(a), float(b)) for a, b in itertools.pairwise(edges)]


def _window(data: Interactions, begin: float, end: float) -> Trial:
    """Train on all before `begin`; find what members with EARLIER positives take until `end`.

    Of titles that were known before alone; each member and title occurs once, so none was seen before.
    """
    is_before = data.times < begin
    train = np.flatnonzero(is_before)
    had = np.bincount(data.members[train], minlength=int(data.members.max()) + 1)
    is_known_title = np.bincount(data.titles[train], minlength=len(data.title_ids)) > 0
    is_target = ~is_before & (data.times < end) & (had[data.members] >= EARLIER) & is_known_title[data.titles]
    return _trial(f"{begin:.0f}:{end:.0f}", data, train, train, np.flatnonzero(is_target))


def _last_fifth(data: Interactions, begin: float, end: float) -> Trial:
    """Find each member's own positives between two shares of their history, in order of time.

    Only members with at least ten positives take part, in training too.
    """
    _need_times(data)
    count = np.bincount(data.members)
    order = np.lexsort((data.titles, data.times, data.members))
    order = order[count[data.members[order]] >= LONG]
    member = data.members[order]
    begins = np.flatnonzero(np.diff(member, prepend=-1) != 0)
    size = count[member]
    place = np.arange(len(order)) - np.repeat(begins, size[begins])
    is_train = place < (begin * size).astype(np.int64)
    is_target = ~is_train & (place < (end * size).astype(np.int64))
    train = np.sort(order[is_train])
    return _trial(f"{begin:.1f}-{end:.1f}", data, train, train, np.sort(order[is_target]))


def _liang(data: Interactions, seed: int) -> tuple[Trial, Trial]:
    """Validation and test of strong generalisation (Liang et al. 2018): whole members are held out.

    1,000 members are tested and 500 validate, or a fifth and a tenth where there are fewer than 5,000.
    """
    rng = np.random.RandomState(seed)
    count = np.bincount(data.members)
    able = np.flatnonzero(count >= EARLIER)
    permuted = rng.permutation(able)
    test_count, validation_count = min(1000, len(able) // 5), min(500, len(able) // 10)
    test = permuted[:test_count]
    validation = permuted[test_count : test_count + validation_count]
    trained = permuted[test_count + validation_count :]
    train = np.flatnonzero(np.isin(data.members, trained))
    is_item = np.bincount(data.titles[train], minlength=len(data.title_ids)) > 0
    trials: list[Trial] = []
    for name, chosen in (("validation", validation), ("test", test)):
        rows = np.flatnonzero(np.isin(data.members, chosen) & is_item[data.titles])
        begins = np.flatnonzero(np.diff(data.members[rows], prepend=-1) != 0)
        held = np.zeros(len(rows), np.bool_)
        for begin, end in zip(begins, np.append(begins[1:], len(rows)), strict=True):
            size = int(end - begin)
            held[begin + rng.choice(size, int(0.2 * size), replace=False)] = True
        trials.append(_trial(f"seed {seed} {name}", data, train, rows[~held], rows[held]))
    return trials[0], trials[1]


def _trial(
    name: str,
    data: Interactions,
    train: NDArray[np.int64],
    known: NDArray[np.int64],
    targets: NDArray[np.int64],
) -> Trial:
    """A trial whose targets are titles that training knows, and whose known rows are those of the members tested."""
    is_item = np.bincount(data.titles[train], minlength=len(data.title_ids)) > 0
    targets = targets[is_item[data.titles[targets]]]
    tested = np.unique(data.members[targets])
    return Trial(name, train, known[np.isin(data.members[known], tested)], targets, tested)


def _need_times(data: Interactions) -> None:
    missing = int(np.count_nonzero(~np.isfinite(data.times)))
    if missing:
        raise InputError(f"{missing} of {len(data)} rows have no time; only the protocol liang does without")
