"""Compositions with a subject, of a few large flat shapes: a door, a sail, a bridge and the like.

Each draws into a box one unit wide and `tall` units high, and takes its variations from `Dice`, so that the same
title gets the same picture every time. No member's data here. Used by `compositions`.
"""

from __future__ import annotations

import math

from postreel.compose.drawing import Box, Dice, Point, wave
from postreel.compose.palettes import Palette


def sea(box: Box, dice: Dice, p: Palette) -> None:
    """A sun over waves."""
    tall = box.tall
    box.circle(dice.between(0.3, 0.7), tall * dice.between(0.32, 0.44), dice.between(0.2, 0.3), p.accent)
    count = dice.between(0.8, 1.8)
    shift = dice.between(0, 1)
    for i, colour in enumerate((p.form, p.ground, p.form, p.accent)[: 3 + dice.number(2)]):
        wave(box, tall * (0.56 + 0.14 * i), 0.045, count + 0.3 * i, shift + 0.37 * i, colour)


def curtain(box: Box, dice: Dice, p: Palette) -> None:
    """A stage with its curtain drawn aside."""
    tall, folds = box.tall, 3 + dice.number(3)
    box.circle(0.5, tall * 0.74, dice.between(0.2, 0.26), p.accent)
    box.rectangle(0, tall * 0.88, 1, tall, p.text)
    reach = dice.between(0.3, 0.4)
    for i in range(folds):
        colour = p.form if i % 2 == 0 else p.accent
        right = reach * (1 - i / folds)
        for x0, x1, side in ((0.0, right, 1), (1.0, 1 - right, -1)):
            hem = [(x1 - side * 0.16 * t**2, tall * 0.92 * t) for t in (0, 0.25, 0.5, 0.75, 1)]
            box.polygon([(x0, 0), *hem, (x0, tall * 0.92)], colour)
    size = 1 / (5 + dice.number(3))
    for i in range(round(1 / size)):
        box.circle((i + 0.5) * size, tall * 0.05, size / 2, p.form)
    box.rectangle(0, 0, 1, tall * 0.05, p.form)


def eye(box: Box, dice: Dice, p: Palette) -> None:
    """A wide open eye."""
    tall = box.tall
    y, half = tall * 0.5, dice.between(0.24, 0.32)
    radius = (0.25 + half * half) / (2 * half)
    lid: list[Point] = []
    reach = math.asin(min(0.5 / radius, 1.0))
    for side in (-1, 1):
        for i in range(25):
            angle = -reach + 2 * reach * i / 24
            lid.append(
                (0.5 - side * radius * math.sin(angle), y + side * (radius * math.cos(angle) - radius + half))
            )
    lashes = 7 + dice.number(5)
    for i in range(lashes):
        start = 180 + 180 * (i + 0.25) / lashes
        box.slice(0.5, y, 0.62, start, start + 90 / lashes, p.form)
    box.polygon([((x - 0.5) * 1.06 + 0.5, (v - y) * 1.22 + y) for x, v in lid], p.ground)
    box.polygon(lid, p.text)
    box.circle(0.5, y, half * 0.86, p.form)
    box.circle(0.5, y, half * 0.56, p.accent)
    box.circle(0.5, y, half * 0.26, p.ground)


def moon(box: Box, dice: Dice, p: Palette) -> None:
    """A crescent over black hills."""
    tall = box.tall
    x, y, radius = dice.between(0.4, 0.62), tall * dice.between(0.34, 0.42), dice.between(0.24, 0.32)
    box.circle(x, y, radius, p.accent)
    box.circle(x + radius * dice.between(0.3, 0.5), y - radius * 0.22, radius * 0.86, p.ground)
    for _ in range(4 + dice.number(5)):
        box.circle(dice.between(0.05, 0.95), tall * dice.between(0.05, 0.6), 0.012, p.text)
    wave(box, tall * 0.8, 0.07, dice.between(0.7, 1.3), dice.between(0, 1), p.form)
    if dice.is_heads():
        wave(box, tall * 0.92, 0.04, 1.2, dice.between(0, 1), p.accent)


def peaks(box: Box, dice: Dice, p: Palette) -> None:
    """Mountains before a disc."""
    tall = box.tall
    box.circle(dice.between(0.25, 0.75), tall * dice.between(0.26, 0.36), dice.between(0.15, 0.24), p.accent)
    for i in range(2 + dice.number(2)):
        x, half, top = dice.between(0.1, 0.9), dice.between(0.4, 0.62), tall * dice.between(0.28, 0.52)
        box.polygon([(x - half, tall), (x, top), (x + half, tall)], p.form)
        cap = (tall - top) * 0.24
        reach = half * 0.24
        box.polygon([(x - reach, top + cap), (x, top), (x + reach, top + cap), (x, top + cap * 0.72)], p.text)
        if i == 0:
            box.polygon([(x, top), (x + half, tall), (x + half * 0.2, tall)], p.ground)
    box.rectangle(0, tall * 0.9, 1, tall, p.accent)


def window(box: Box, dice: Dice, p: Palette) -> None:
    """A window, and what stands in the sky behind it."""
    tall = box.tall
    left, top, foot = 0.2, tall * 0.1, tall * 0.86
    box.rectangle(left, top, 1 - left, foot, p.form)
    box.circle(
        dice.between(0.36, 0.64), dice.between(top + 0.2, foot - 0.22), dice.between(0.12, 0.17), p.accent
    )
    across, down = 2 + dice.number(2), 2 + dice.number(2)
    for i in range(across + 1):
        x = left + (1 - 2 * left) * i / across
        box.rectangle(x - 0.014, top, x + 0.014, foot, p.text)
    for i in range(down + 1):
        y = top + (foot - top) * i / down
        box.rectangle(left - 0.014, y - 0.014, 1 - left + 0.014, y + 0.014, p.text)
    box.rectangle(left - 0.08, foot, 1 - left + 0.08, foot + 0.045, p.accent)


def bridge(box: Box, dice: Dice, p: Palette) -> None:
    """A bridge of arches over water."""
    tall = box.tall
    deck, water, count = tall * dice.between(0.38, 0.46), tall * 0.82, 2 + dice.number(3)
    box.circle(dice.between(0.2, 0.8), deck * dice.between(0.5, 0.7), dice.between(0.1, 0.15), p.accent)
    box.rectangle(0, deck, 1, water, p.form)
    box.rectangle(0, deck - 0.03, 1, deck, p.text)
    half = 0.5 / count * 0.76
    for i in range(count):
        x = (i + 0.5) / count
        crown = min(deck + 0.08 + half, water)
        box.slice(x, crown, half, 180, 360, p.ground)
        box.rectangle(x - half, crown, x + half, water, p.ground)
    wave(box, water, 0.014, 3, dice.between(0, 1), p.accent)


def tree(box: Box, dice: Dice, p: Palette) -> None:
    """A tree on a hill."""
    tall, x = box.tall, dice.between(0.4, 0.6)
    box.circle(x - dice.between(0.26, 0.34), tall * 0.2, dice.between(0.07, 0.11), p.accent)
    wave(box, tall * 0.84, 0.05, dice.between(0.5, 0.9), dice.between(0.4, 0.6), p.accent)
    box.rectangle(x - 0.025, tall * 0.4, x + 0.025, tall * 0.86, p.text)
    radius = dice.between(0.2, 0.27)
    if dice.is_heads():
        box.circle(x, tall * 0.4, radius, p.form)
    else:
        for i in range(3):
            y, half = tall * (0.12 + 0.19 * i), radius * (0.6 + 0.25 * i)
            box.polygon([(x - half, y + 0.3), (x, y), (x + half, y + 0.3)], p.form)


def road(box: Box, dice: Dice, p: Palette) -> None:
    """A road to where the sun goes down."""
    tall, x = box.tall, dice.between(0.35, 0.65)
    far = tall * dice.between(0.4, 0.5)
    box.slice(x, far, dice.between(0.22, 0.32), 180, 360, p.accent)
    box.rectangle(0, far, 1, tall, p.form)
    box.polygon([(x - 0.015, far), (x + 0.015, far), (0.5 + 0.42, tall), (0.5 - 0.42, tall)], p.ground)
    for i in range(4):
        near, back = 1 - 0.24 * i, 1 - 0.24 * i - 0.12
        y0, y1 = far + (tall - far) * near**1.6, far + (tall - far) * back**1.6
        half0, half1 = 0.03 * near**1.6, 0.03 * back**1.6
        c0, c1 = x + (0.5 - x) * near**1.6, x + (0.5 - x) * back**1.6
        box.polygon([(c0 - half0, y0), (c0 + half0, y0), (c1 + half1, y1), (c1 - half1, y1)], p.text)


def mask(box: Box, dice: Dice, p: Palette) -> None:
    """A mask of two halves, gay and grave."""
    tall = box.tall
    y, radius = tall * 0.5, min(0.36, tall * 0.42)
    box.slice(0.5, y, radius, 90, 270, p.form)
    box.slice(0.5, y, radius, 270, 450, p.accent)
    eye_y, gap = y - radius * 0.2, radius * 0.44
    box.slice(0.5 - gap, eye_y, radius * 0.2, 180, 360, p.ground)
    box.slice(0.5 + gap, eye_y, radius * 0.2, 0, 180, p.ground)
    mouth = radius * dice.between(0.36, 0.46)
    is_gay = dice.is_heads()
    box.slice(0.5, y + radius * 0.22, mouth, *((0, 180) if is_gay else (180, 360)), p.ground)
    if dice.is_heads():
        box.polygon(
            [(0.5, y - radius * 0.1), (0.5 + radius * 0.14, y + radius * 0.16), (0.5, y + radius * 0.16)],
            p.text,
        )


def skyline(box: Box, dice: Dice, p: Palette) -> None:
    """Houses at night, few windows lit."""
    tall = box.tall
    box.circle(dice.between(0.2, 0.8), tall * 0.24, dice.between(0.1, 0.16), p.accent)
    x = -0.02
    while x < 1:
        wide, top = dice.between(0.14, 0.26), tall * dice.between(0.3, 0.66)
        box.rectangle(x, top, x + wide, tall, p.form)
        if dice.number(3) == 0:
            box.polygon([(x, top + 0.004), (x + wide / 2, top - 0.12), (x + wide, top + 0.004)], p.form)
        for row in range(4):
            if dice.number(3) == 0:
                left = x + wide * (0.2 if dice.is_heads() else 0.56)
                window = top + 0.07 + 0.13 * row
                box.rectangle(left, window, left + wide * 0.24, window + 0.065, p.accent)
        x += wide + 0.012


def beam(box: Box, dice: Dice, p: Palette) -> None:
    """A beam of light on a floor."""
    tall = box.tall
    x, foot = dice.between(0.05, 0.4), dice.between(0.52, 0.66)
    half = dice.between(0.22, 0.3)
    box.polygon([(x, 0), (x + 0.08, 0), (foot + half, tall * 0.84), (foot - half, tall * 0.84)], p.form)
    box.ellipse(foot - half, tall * 0.84 - half * 0.3, foot + half, tall * 0.84 + half * 0.3, p.accent)
    radius = dice.between(0.07, 0.11)
    box.circle(foot, tall * 0.84 - radius * 2.5, radius, p.text)
    box.polygon(
        [
            (foot, tall * 0.84 - radius * 2.2),
            (foot + radius * 1.1, tall * 0.85),
            (foot - radius * 1.1, tall * 0.85),
        ],
        p.text,
    )


def door(box: Box, dice: Dice, p: Palette) -> None:
    """A door ajar, and light through it."""
    tall = box.tall
    left, wide = dice.between(0.28, 0.42), dice.between(0.24, 0.32)
    top, foot = tall * dice.between(0.1, 0.18), tall * 0.72
    box.rectangle(0, foot, 1, tall, p.form)
    box.rectangle(left, top, left + wide, foot, p.accent)
    box.polygon(
        [(left, foot), (left + wide, foot), (left + wide * 2, tall), (left - wide * 0.5, tall)], p.accent
    )
    leaf = wide * dice.between(0.5, 0.7)
    box.polygon([(left, top), (left - leaf, top - 0.05), (left - leaf, foot + 0.09), (left, foot)], p.text)
    if dice.is_heads():
        radius = 0.052
        x = left + wide * 0.62
        box.circle(x, foot - 0.3, radius, p.ground)
        box.polygon(
            [(x, foot - 0.3), (x + radius * 1.5, foot + 0.03), (x - radius * 1.5, foot + 0.03)], p.ground
        )
    else:
        box.circle(left + wide * 0.5, top + wide * 0.6, wide * 0.3, p.form)


def sail(box: Box, dice: Dice, p: Palette) -> None:
    """A boat under sail."""
    tall = box.tall
    x, foot = dice.between(0.44, 0.58), tall * 0.74
    box.circle(dice.between(0.15, 0.3), tall * 0.22, dice.between(0.09, 0.14), p.accent)
    box.polygon([(x, tall * 0.1), (x, foot - 0.05), (x + dice.between(0.28, 0.36), foot - 0.05)], p.text)
    box.polygon([(x - 0.025, tall * 0.2), (x - 0.025, foot - 0.05), (x - 0.27, foot - 0.05)], p.accent)
    low = foot + 0.1
    box.polygon([(x - 0.32, foot - 0.02), (x + 0.36, foot - 0.02), (x + 0.24, low), (x - 0.22, low)], p.form)
    wave(box, foot + 0.09, 0.025, dice.between(2, 3.4), dice.between(0, 1), p.form)
    wave(box, foot + 0.17, 0.03, dice.between(1.5, 2.5), dice.between(0, 1), p.accent)


def flower(box: Box, dice: Dice, p: Palette) -> None:
    """A flower of large petals."""
    tall, y = box.tall, box.tall * 0.46
    count, reach = 5 + dice.number(5), dice.between(0.24, 0.29)
    petal = reach * dice.between(0.46, 0.6)
    turn = dice.between(0, 1)
    box.rectangle(0.485, y, 0.515, tall, p.accent)
    box.slice(0.5, tall * 0.98, 0.26, 200, 250, p.accent)
    for i in range(count):
        angle = 2 * math.pi * (i + turn) / count
        box.circle(0.5 + reach * math.cos(angle), y + reach * math.sin(angle), petal, p.form)
    box.circle(0.5, y, reach * 0.62, p.accent)
    box.circle(0.5, y, reach * 0.3, p.text)


def balloons(box: Box, dice: Dice, p: Palette) -> None:
    """Discs of all sizes, rising."""
    tall = box.tall
    for i in range(6 + dice.number(5)):
        radius = (0.2, 0.13, 0.09, 0.06)[i % 4] * dice.between(0.85, 1.15)
        x, y = dice.between(0.08, 0.92), tall * dice.between(0.1, 0.92)
        box.circle(x, y, radius, (p.form, p.accent, p.text)[i % 3])
        if i % 4 == 0:
            box.slice(x, y, radius, 90, 270, p.accent if i % 3 == 0 else p.form)
