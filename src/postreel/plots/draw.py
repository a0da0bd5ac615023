"""The drawings. No purpose of their own: they see numbers and words, and the caller answers for both.

Used by the pages of `web`. Every drawing carries its message for those who do not see it (`role="img"` and a
label); the numbers belong in a table beside it.
"""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass

from postreel.errors import InputError

ROW_PX, BAR_PX, STACKED_PX = 28, 16, 40
NAME_SHARE = 34.0
"""Per cent of the width that names take beside bars."""


@dataclass(frozen=True)
class Bar:
    """One bar: its name before it, its number in words behind it."""

    name: str
    value: float
    words: str


def bars(some: Sequence[Bar], label: str, *, is_stacked: bool = False) -> str:
    """Lying bars from zero, the greatest as long as there is room.

    Args:
        some: in the order in which they stand.
        label: what the drawing says, for those who do not see it.
        is_stacked: names over their bars and not beside them: for long ones.

    Raises:
        InputError: a value is negative or no number.
    """
    _check([bar.value for bar in some])
    top = max((bar.value for bar in some), default=0.0)
    height = STACKED_PX if is_stacked else ROW_PX
    # Letters are some 8 px wide, and the narrowest plot some 240 px.
    words = min(4 + 3.3 * max((len(bar.words) for bar in some), default=0), 45.0)
    room = 100.0 - words - (0.0 if is_stacked else NAME_SHARE)
    rows = [(bar, room * bar.value / top if top else 0.0, _mark(bar.value, top)) for bar in some]
    draw = _stacked if is_stacked else _beside
    return _drawing(len(some) * height, label, [draw(at * height, *row) for at, row in enumerate(rows)])


def _beside(y: int, bar: Bar, length: float, mark: str) -> str:
    middle = y + ROW_PX // 2
    return (
        f'<text class="name" x="{NAME_SHARE - 2:g}%" y="{middle}" text-anchor="end" '
        f'dominant-baseline="central">{html.escape(bar.name)}</text>'
        f'<rect class="{mark}" x="{NAME_SHARE:g}%" y="{middle - BAR_PX // 2}" '
        f'width="{length:.2f}%" height="{BAR_PX}"/>'
        f'<text class="number" x="{NAME_SHARE + length + 1:.2f}%" y="{middle}" '
        f'dominant-baseline="central">{html.escape(bar.words)}</text>'
    )


def _stacked(y: int, bar: Bar, length: float, mark: str) -> str:
    return (
        f'<text class="name" x="0" y="{y + 15}">{html.escape(bar.name)}</text>'
        f'<rect class="{mark}" x="0" y="{y + 21}" width="{length:.2f}%" height="10"/>'
        f'<text class="number" x="{length + 1:.2f}%" y="{y + 26}" '
        f'dominant-baseline="central">{html.escape(bar.words)}</text>'
    )


def columns(values: Sequence[float], names: Sequence[str], label: str, height: int = 96) -> str:
    """Standing bars from zero over evenly spaced names; an empty name is left out.

    Args:
        values, names: as many of each.
        height: pixels of the highest column.

    Raises:
        InputError: a value is negative or no number, or the two differ in length.
    """
    if len(values) != len(names):
        raise InputError(f"{len(values)} columns have {len(names)} names")
    _check(values)
    top = max(values, default=0.0)
    step = 100.0 / max(len(values), 1)
    parts = [f'<line class="track" x1="0" x2="100%" y1="{height}" y2="{height}"/>']
    for place, (value, name) in enumerate(zip(values, names, strict=True)):
        tall = height * value / top if top else 0.0
        parts.append(
            f'<rect class="{_mark(value, top)}" x="{place * step + step * 0.1:.2f}%" y="{height - tall:.1f}" '
            f'width="{step * 0.8:.2f}%" height="{tall:.1f}"/>'
        )
        if name:
            parts.append(
                f'<text class="name" x="{place * step + step / 2:.2f}%" y="{height + 18}" '
                f'text-anchor="middle">{html.escape(name)}</text>'
            )
    return _drawing(height + 24, label, parts)


def sparkline(values: Sequence[float], label: str, width: int = 120, height: int = 24) -> str:
    """A line as small as a word, from zero; its last point is marked.

    Raises:
        InputError: a value is negative or no number.
    """
    _check(values)
    top = max(values, default=0.0) or 1.0
    step = (width - 4) / max(len(values) - 1, 1)
    points = [(2 + i * step, height - 2 - (height - 4) * value / top) for i, value in enumerate(values)]
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    parts = [f'<polyline class="line" fill="none" points="{path}"/>'] if len(points) > 1 else []
    if points:
        parts.append(f'<circle class="bar" cx="{points[-1][0]:.1f}" cy="{points[-1][1]:.1f}" r="2"/>')
    return (
        f'<svg class="plot spark" role="img" aria-label="{html.escape(label)}" width="{width}" height="{height}">'
        f"{''.join(parts)}</svg>"
    )


def _mark(value: float, top: float) -> str:
    return "bar most" if value == top and top > 0 else "bar"


def _check(values: Sequence[float]) -> None:
    bad = sum(not 0 <= value < float("inf") for value in values)
    if bad:
        raise InputError(f"{bad} of {len(values)} values are negative or no numbers; a bar begins at zero")


def _drawing(height: int, label: str, parts: Sequence[str]) -> str:
    return (
        f'<svg class="plot" role="img" aria-label="{html.escape(label)}" width="100%" height="{height}">'
        f"{''.join(parts)}</svg>"
    )
