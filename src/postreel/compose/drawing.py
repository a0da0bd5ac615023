"""The tools of poster drawing: choices that depend on a text alone, and a box for flat shapes.

No member's data here. Used by `shapes`, `scenes` and `posters`.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable

from PIL import Image, ImageDraw

from postreel.compose.palettes import Colour

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


def wave(box: Box, base: float, height: float, count: float, shift: float, colour: Colour) -> None:
    """A body of water (or hills): filled from a sine at height `base` down to the foot of the box."""
    steps = 72
    line = [
        (i / steps, base + height * math.sin(2 * math.pi * (count * i / steps + shift)))
        for i in range(steps + 1)
    ]
    box.polygon([*line, (1, box.tall + 0.1), (0, box.tall + 0.1)], colour)
