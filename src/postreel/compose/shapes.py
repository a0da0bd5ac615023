"""Compositions without a subject: arches, rays, waves, tiles and the like.

Each draws into a box one unit wide and `tall` units high, and takes its variations from `Dice`, so that the same
title gets the same picture every time. No member's data here. Used by `compositions`.
"""

from __future__ import annotations

import math

from postreel.compose.drawing import Box, Dice, Point, wave
from postreel.compose.palettes import Palette


def arches(box: Box, dice: Dice, p: Palette) -> None:
    """Arches within arches, with a light in the last."""
    tall, count = box.tall, 3 + dice.number(3)
    for i in range(count):
        half = 0.46 * (1 - i / (count + 0.35))
        colour = (
            (p.form, p.ground, p.accent, p.ground)[i % 4]
            if count > 3
            else (p.form, p.accent, p.ground)[i % 3]
        )
        top = tall * 0.1 + (0.46 - half) * dice.between(0.95, 1.05) + half
        box.circle(0.5, top, half, colour)
        box.rectangle(0.5 - half, top, 0.5 + half, tall, colour)
    box.circle(0.5, tall * 0.86, 0.07, p.text)


def rays(box: Box, dice: Dice, p: Palette) -> None:
    """Rays from a disc at the edge."""
    tall = box.tall
    x, y = ((0.5, tall), (0.5, tall * 0.55), (0.0, tall), (1.0, tall * 0.1))[dice.number(4)]
    count, turn = 9 + dice.number(8), dice.between(0, 20)
    for i in range(count):
        start = turn + 360 * i / count
        box.slice(x, y, 2.2, start, start + 180 / count, p.form)
    radius = dice.between(0.2, 0.3)
    box.circle(x, y, radius * 1.28, p.ground)
    box.circle(x, y, radius, p.accent)


def waves(box: Box, dice: Dice, p: Palette) -> None:
    """Bands of waves from edge to edge."""
    tall, count = box.tall, 4 + dice.number(3)
    bend, height = dice.between(0.6, 1.6), dice.between(0.05, 0.1)
    colours = (p.form, p.accent, p.ground) if dice.is_heads() else (p.form, p.ground, p.accent)
    shift = dice.between(0, 1)
    for i in range(count):
        wave(box, tall * (0.2 + 0.8 * i / count), height, bend, shift + 0.11 * i, colours[i % 3])


def stairs(box: Box, dice: Dice, p: Palette) -> None:
    """Stairs, with a disc on the way."""
    tall, count = box.tall, 4 + dice.number(4)
    box.circle(dice.between(0.2, 0.38), tall * dice.between(0.22, 0.32), dice.between(0.12, 0.2), p.accent)
    for i in range(count):
        top = tall * (0.94 - 0.78 * i / (count - 0.4))
        box.rectangle(i / count, top, (i + 1) / count + 0.01, tall, p.form)
        if dice.number(3):
            box.rectangle(i / count, top, (i + 1) / count + 0.01, top + 0.028, p.text)


def tiles(box: Box, dice: Dice, p: Palette) -> None:
    """A grid of quarter discs, discs and leaves."""
    across = 3 + dice.number(2)
    size = 1 / across
    colours = (p.form, p.accent, p.form, p.text)
    for row in range(math.ceil(box.tall / size)):
        for column in range(across):
            x, y, colour = column * size, row * size, colours[dice.number(4)]
            kind = dice.number(6)
            if kind == 0:
                box.circle(x + size / 2, y + size / 2, size * 0.42, colour)
            elif kind <= 4:
                turn = 90 * dice.number(4)
                cx = x + (size if turn in (90, 180) else 0)
                cy = y + (size if turn in (180, 270) else 0)
                box.slice(cx, cy, size, turn, turn + 90, colour)
            else:
                box.rectangle(x, y, x + size, y + size, colour)


def lovers(box: Box, dice: Dice, p: Palette) -> None:
    """Two discs that share a part."""
    tall, radius = box.tall, dice.between(0.26, 0.31)
    apart, tilt = radius * dice.between(0.6, 0.8), dice.between(-0.5, 0.5)
    y = tall * 0.5
    dx, dy = apart * math.cos(tilt), apart * math.sin(tilt)
    box.circle(0.5 - dx, y - dy, radius, p.form)
    box.circle(0.5 + dx, y + dy, radius, p.accent)
    half = math.acos(apart / radius)
    lens: list[Point] = []
    for cx, cy, middle in ((0.5 - dx, y - dy, tilt), (0.5 + dx, y + dy, tilt + math.pi)):
        for i in range(25):
            angle = middle - half + 2 * half * i / 24
            lens.append((cx + radius * math.cos(angle), cy + radius * math.sin(angle)))
    box.polygon(lens, p.text)


def trio(box: Box, dice: Dice, p: Palette) -> None:
    """Three discs in a row, each less than whole."""
    tall, radius = box.tall, min(0.2, box.tall * 0.22)
    drop = dice.between(-0.4, 0.4) * (tall - 2 * radius) / 2
    for i, colour in enumerate((p.form, p.accent, p.text)):
        x, y = 0.2 + 0.3 * i, tall / 2 + drop * (i - 1)
        start = 90 * dice.number(4)
        box.circle(x, y, radius, colour)
        box.slice(x, y, radius * 1.02, start, start + 90, p.ground)
    box.rectangle(0, tall * 0.93, 1, tall, p.form)


def diamonds(box: Box, dice: Dice, p: Palette) -> None:
    """A harlequin's coat."""
    across = 3 + dice.number(3)
    wide = 1 / across
    high = wide * dice.between(1.2, 1.7)
    rows = math.ceil(box.tall / high) + 1
    for row in range(-1, 2 * rows):
        for column in range(-1, across + 1):
            x = (column + (0.5 if row % 2 else 0)) * wide
            y = row * high / 2
            colour = (p.form, p.accent, p.ground)[(column + row * 2 + dice.number(8) // 7) % 3]
            box.polygon(
                [(x, y), (x + wide / 2, y - high / 2), (x + wide, y), (x + wide / 2, y + high / 2)], colour
            )


def bars(box: Box, dice: Dice, p: Palette) -> None:
    """Slanting bars across a disc."""
    tall, lean = box.tall, dice.between(0.2, 0.6)
    box.circle(0.5, tall * 0.48, dice.between(0.28, 0.36), p.accent)
    count = 3 + dice.number(3)
    for i in range(count):
        x = -lean * 0.6 + (1.2 + lean * 0.4) * i / count
        thick = dice.between(0.06, 0.13)
        box.polygon(
            [(x, tall), (x + lean, 0), (x + lean + thick, 0), (x + thick, tall)], p.form if i % 2 else p.text
        )


def whirl(box: Box, dice: Dice, p: Palette) -> None:
    """Half circles set off against each other."""
    tall, y = box.tall, box.tall * 0.5
    x = dice.between(0.4, 0.6)
    step, radius = dice.between(0.07, 0.11), 0.46 if tall > 0.95 else tall * 0.48
    count = int(radius / step)
    box.rectangle(0, y - 0.003, 1, y + 0.003, p.form)
    for i in range(count):
        size = radius - step * i
        colour = (p.form, p.ground, p.accent, p.ground)[i % 4]
        box.slice(x, y, size, 180, 360, colour)
        box.slice(x + step, y, size, 0, 180, (p.accent, p.ground, p.form, p.ground)[i % 4])


def shells(box: Box, dice: Dice, p: Palette) -> None:
    """Fans laid like scales."""
    across = 2 + dice.number(3)
    radius = 1 / across / 2
    rows = math.ceil(box.tall / radius) + 1
    for row in range(rows):
        for column in range(-1, across + 1):
            x, y = (column + (0.5 if row % 2 else 1.0)) * 2 * radius, (row + 1) * radius
            for i, colour in enumerate((p.form, p.ground, p.accent, p.ground, p.form)):
                size = radius * (1 - i * 0.2)
                if size > 0:
                    box.circle(x, y, size, colour)
