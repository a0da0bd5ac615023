"""The pictures on posters: compositions of a few large flat shapes.

Each composition draws into a box one unit wide and `tall` units high. It takes its variations from `Dice`, so
that the same title gets the same picture every time. No member's data here. Used by `posters`.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterable, Sequence

from PIL import Image, ImageDraw

from postreel.catalogue import Title
from postreel.compose.palettes import Colour, Palette

Point = tuple[float, float]


class Dice:
    """A row of choices that depends on a text alone."""

    def __init__(self, text: str) -> None:
        self._seed = text.encode("utf-8", "surrogatepass")
        self._count = 0

    def number(self, below: int) -> int:
        """0 to `below` - 1."""
        self._count += 1
        digest = hashlib.blake2b(self._seed + self._count.to_bytes(4, "big"), digest_size=8).digest()
        return int.from_bytes(digest, "big") % below

    def between(self, low: float, high: float) -> float:
        """A number from low to high, in 64 steps."""
        return low + (high - low) * self.number(65) / 64

    def is_heads(self) -> bool:
        """Yes or no."""
        return self.number(2) == 1


class Box:
    """A picture in drawing: flat shapes in units of its width, mirrored where the dice say so."""

    def __init__(self, width_px: int, height_px: int, ground: Colour, *, is_mirrored: bool) -> None:
        self.image = Image.new("RGB", (width_px, height_px), ground)
        self.tall = height_px / width_px
        self._draw = ImageDraw.Draw(self.image)
        self._unit = width_px
        self._is_mirrored = is_mirrored

    def polygon(self, points: Iterable[Point], colour: Colour) -> None:
        """A filled polygon."""
        self._draw.polygon([(x * self._unit, y * self._unit) for x, y in points], fill=colour)

    def rectangle(self, left: float, top: float, right: float, bottom: float, colour: Colour) -> None:
        """A filled rectangle."""
        u = self._unit
        self._draw.rectangle((left * u, top * u, right * u, bottom * u), fill=colour)

    def circle(self, x: float, y: float, radius: float, colour: Colour) -> None:
        """A filled circle."""
        u = self._unit
        self._draw.ellipse(
            ((x - radius) * u, (y - radius) * u, (x + radius) * u, (y + radius) * u), fill=colour
        )

    def ellipse(self, left: float, top: float, right: float, bottom: float, colour: Colour) -> None:
        """A filled ellipse."""
        u = self._unit
        self._draw.ellipse((left * u, top * u, right * u, bottom * u), fill=colour)

    def slice(self, x: float, y: float, radius: float, start: float, end: float, colour: Colour) -> None:
        """A filled sector; degrees clockwise from the right."""
        u = self._unit
        box = ((x - radius) * u, (y - radius) * u, (x + radius) * u, (y + radius) * u)
        self._draw.pieslice(box, start, end, fill=colour)

    def finished(self) -> Image.Image:
        """The picture."""
        return self.image.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if self._is_mirrored else self.image


def _wave(box: Box, base: float, height: float, count: float, shift: float, colour: Colour) -> None:
    steps = 72
    line = [
        (i / steps, base + height * math.sin(2 * math.pi * (count * i / steps + shift)))
        for i in range(steps + 1)
    ]
    box.polygon([*line, (1, box.tall + 0.1), (0, box.tall + 0.1)], colour)


def sea(box: Box, dice: Dice, p: Palette) -> None:
    """A sun over waves."""
    tall = box.tall
    box.circle(dice.between(0.3, 0.7), tall * dice.between(0.32, 0.44), dice.between(0.2, 0.3), p.accent)
    count = dice.between(0.8, 1.8)
    shift = dice.between(0, 1)
    for i, colour in enumerate((p.form, p.ground, p.form, p.accent)[: 3 + dice.number(2)]):
        _wave(box, tall * (0.56 + 0.14 * i), 0.045, count + 0.3 * i, shift + 0.37 * i, colour)


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
        _wave(box, tall * (0.2 + 0.8 * i / count), height, bend, shift + 0.11 * i, colours[i % 3])


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
    _wave(box, tall * 0.8, 0.07, dice.between(0.7, 1.3), dice.between(0, 1), p.form)
    if dice.is_heads():
        _wave(box, tall * 0.92, 0.04, 1.2, dice.between(0, 1), p.accent)


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
    _wave(box, water, 0.014, 3, dice.between(0, 1), p.accent)


def tree(box: Box, dice: Dice, p: Palette) -> None:
    """A tree on a hill."""
    tall, x = box.tall, dice.between(0.4, 0.6)
    box.circle(x - dice.between(0.26, 0.34), tall * 0.2, dice.between(0.07, 0.11), p.accent)
    _wave(box, tall * 0.84, 0.05, dice.between(0.5, 0.9), dice.between(0.4, 0.6), p.accent)
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


def balloons(box: Box, dice: Dice, p: Palette) -> None:
    """Discs of all sizes, rising."""
    tall = box.tall
    for i in range(6 + dice.number(5)):
        radius = (0.2, 0.13, 0.09, 0.06)[i % 4] * dice.between(0.85, 1.15)
        x, y = dice.between(0.08, 0.92), tall * dice.between(0.1, 0.92)
        box.circle(x, y, radius, (p.form, p.accent, p.text)[i % 3])
        if i % 4 == 0:
            box.slice(x, y, radius, 90, 270, p.accent if i % 3 == 0 else p.form)


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


def sail(box: Box, dice: Dice, p: Palette) -> None:
    """A boat under sail."""
    tall = box.tall
    x, foot = dice.between(0.44, 0.58), tall * 0.74
    box.circle(dice.between(0.15, 0.3), tall * 0.22, dice.between(0.09, 0.14), p.accent)
    box.polygon([(x, tall * 0.1), (x, foot - 0.05), (x + dice.between(0.28, 0.36), foot - 0.05)], p.text)
    box.polygon([(x - 0.025, tall * 0.2), (x - 0.025, foot - 0.05), (x - 0.27, foot - 0.05)], p.accent)
    low = foot + 0.1
    box.polygon([(x - 0.32, foot - 0.02), (x + 0.36, foot - 0.02), (x + 0.24, low), (x - 0.22, low)], p.form)
    _wave(box, foot + 0.09, 0.025, dice.between(2, 3.4), dice.between(0, 1), p.form)
    _wave(box, foot + 0.17, 0.03, dice.between(1.5, 2.5), dice.between(0, 1), p.accent)


Composition = Callable[[Box, Dice, Palette], None]

_BY_WORD: dict[str, tuple[Composition, ...]] = {
    "comedy": (curtain, balloons, diamonds, beam, tiles, mask, road),
    "family": (balloons, sail, flower, tiles, tree),
    "animation": (tiles, balloons, flower, whirl, tree),
    "musical": (curtain, rays, beam, shells, mask),
    "romance": (lovers, flower, sea, window, bridge),
    "drama": (arches, door, lovers, curtain, stairs, window, bridge, trio, tree, mask, road),
    "horror": (eye, moon, door, whirl, window, tree),
    "fantasy": (moon, whirl, shells, arches, tree),
    "science fiction": (tiles, whirl, rays, eye, trio),
    "adventure": (sail, peaks, sea, rays, road, bridge),
    "western": (peaks, rays, bars, sea, road),
    "crime": (skyline, door, stairs, bars, bridge, window),
    "mystery": (door, eye, skyline, moon, window, mask),
    "thriller": (stairs, eye, bars, beam, road),
    "war": (bars, peaks, rays, skyline, trio),
    "historical": (arches, shells, rays, curtain, bridge),
    "documentary": (tiles, waves, skyline, bars, trio, bridge, road),
    "experimental": (tiles, whirl, diamonds, bars),
    "funny": (balloons, diamonds, curtain, beam),
    "playful": (diamonds, balloons, tiles, whirl),
    "tender": (flower, lovers, sea, window),
    "warm": (sea, flower, arches, tree),
    "hopeful": (rays, sail, sea, road),
    "sad": (waves, moon, window, tree),
    "tense": (stairs, bars, skyline),
    "thrilling": (peaks, beam, bars, stairs),
    "grand": (arches, rays, shells),
    "eerie": (moon, eye, door),
    "strange": (whirl, eye, tiles),
    "dreamy": (waves, moon, shells, sea),
}
_ANY: tuple[Composition, ...] = (
    sea,
    arches,
    rays,
    waves,
    stairs,
    tiles,
    whirl,
    shells,
    lovers,
    trio,
    bridge,
    tree,
)


def composition_of(title: Title, dice: Dice) -> Composition:
    """One of the compositions that fit the title's genres and moods, drawn by the dice."""
    fitting: list[Composition] = []
    words: Sequence[str] = (*title.genres, *title.moods)
    for word in words:
        fitting.extend(_BY_WORD.get(word, ()))
    chosen = fitting or list(_ANY)
    return chosen[dice.number(len(chosen))]
