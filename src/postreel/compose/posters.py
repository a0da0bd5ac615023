"""Posters: each title's own picture, drawn from its facts alone, the same every time.

A composition (`shapes`, `scenes`) in a palette (`palettes`), the title set large, year and minutes small; 2:3.
Holds nothing of a member's. Used by the mail and by the pages.
"""

from __future__ import annotations

import io
from dataclasses import dataclass, field

from PIL import Image, ImageDraw, ImageFont

from postreel.catalogue import Title
from postreel.compose.compositions import composition_of
from postreel.compose.drawing import Box, Dice
from postreel.compose.palettes import Colour, Palette, contrast, palette_of
from postreel.errors import InputError

_FRAME = 0.07
"""Margin around text, in widths of the poster."""
_LONGEST = 120
"""Letters of a name that can be set; the rest would be cut off anyway."""


@dataclass(frozen=True)
class Brush:
    """The typefaces that posters are set in, loaded from bytes; sizes in use are kept.

    Attributes:
        heavy: a TrueType or OpenType font for titles (Source Serif Pro Bold).
        plain: one for year and minutes (Source Serif Pro Semibold).
    """

    heavy: bytes
    plain: bytes
    _sizes: dict[tuple[bool, int], ImageFont.FreeTypeFont] = field(
        default_factory=dict[tuple[bool, int], ImageFont.FreeTypeFont], repr=False, compare=False
    )

    def font(self, size_px: int, *, is_heavy: bool) -> ImageFont.FreeTypeFont:
        """The typeface at this size.

        Raises:
            InputError: the bytes are no font.
        """
        key = (is_heavy, size_px)
        if key not in self._sizes:
            try:
                made = ImageFont.truetype(
                    io.BytesIO(self.heavy if is_heavy else self.plain),
                    size_px,
                    layout_engine=ImageFont.Layout.BASIC,
                )
            except OSError as error:
                raise InputError(f"the poster font cannot be read ({error}); install it again") from error
            self._sizes[key] = made
        return self._sizes[key]

    def can_set(self, text: str) -> bool:
        """Whether the typeface has every letter of the text."""
        font = self.font(16, is_heavy=True)
        missing = _pixels(font, "\U0010fffd")
        return all(c.isspace() or _pixels(font, c) != missing for c in set(text))


def _pixels(font: ImageFont.FreeTypeFont, letter: str) -> bytes:
    image = Image.new("L", (24, 24))
    ImageDraw.Draw(image).text((2, 20), letter, 255, font, "ls")
    return image.tobytes()


def poster(title: Title, width: int, brush: Brush) -> bytes:
    """A title's poster as PNG, `width` by one and a half times that.

    Args:
        title: its facts; any of year, minutes, genres and moods may be missing.
        width: pixels; 60 to 1200. Below 200 the year and the minutes are left out, being too small to read.
        brush: the typefaces.

    Raises:
        InputError: the width is out of range.
    """
    if not 60 <= width <= 1200:
        raise InputError(f"a poster is 60 to 1200 pixels wide, got {width}")
    scale = 3 if width <= 320 else 2
    full = _drawn(title, width * scale, brush, has_facts=width >= 200)
    small = full.reduce(scale)
    # Flat colours and their blends: 32 are enough at mail sizes, and make a PNG of few kilobytes.
    flat = small.quantize(32 if width <= 320 else 64, Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE)
    out = io.BytesIO()
    flat.save(out, "PNG", compress_level=6)
    return out.getvalue()


@dataclass(frozen=True)
class _Setting:
    """A title broken into lines at one size."""

    lines: tuple[str, ...]
    size_px: int

    @property
    def height_px(self) -> int:
        return round(self.size_px * (1.02 * len(self.lines) + 0.12))


def ground_of(title: Title) -> Colour:
    """The colour behind a title's poster, to stand in its place where pictures are off."""
    return palette_of(title, _dice(title).number(1 << 16)).ground


def _dice(title: Title) -> Dice:
    return Dice(f"{title.title_id}\n{title.name}\n{title.year}")


def _drawn(title: Title, wide: int, brush: Brush, *, has_facts: bool) -> Image.Image:
    tall = wide * 3 // 2
    dice = _dice(title)
    colours = palette_of(title, dice.number(1 << 16))
    layout = dice.number(5)
    is_centred = dice.number(3) == 0
    setting = _set(title.name, wide, brush) if brush.can_set(title.name) else _Setting((), 0)
    facts = _facts(title) if has_facts else ""
    facts_px = round(wide * 0.062) if facts else 0
    margin = round(wide * _FRAME)
    block = setting.height_px + (round(facts_px * 1.5) if facts else 0)
    panel = block + 2 * margin - round(margin * 0.35)
    has_frame = layout >= 3
    is_title_below = layout != 2
    inset = margin if has_frame else 0
    picture = _picture(title, dice, _picture_palette(colours, dice), wide - 2 * inset, tall - panel - inset)
    whole = Image.new("RGB", (wide, tall), colours.ground)
    if has_frame:
        whole.paste(picture, (margin, margin if is_title_below else panel))
    else:
        whole.paste(picture, (0, 0 if is_title_below else panel))
    _letters(whole, setting, facts, facts_px, colours, brush, is_below=is_title_below, is_centred=is_centred)
    return whole


def _picture_palette(p: Palette, dice: Dice) -> Palette:
    """The palette with its parts changed about where the shapes still stand out from what is behind them."""
    choices = [p, Palette(p.ground, p.accent, p.form, p.text)]
    for ground, form, accent in ((p.form, p.ground, p.accent), (p.accent, p.form, p.ground)):
        if min(contrast(ground, c) for c in (form, accent, p.text)) >= 1.5:
            choices.append(Palette(ground, form, accent, p.text))
    return choices[dice.number(len(choices))]


def _picture(title: Title, dice: Dice, colours: Palette, wide: int, tall: int) -> Image.Image:
    composition = composition_of(title, dice)
    box = Box(wide, tall, colours.ground, is_mirrored=dice.is_heads())
    composition(box, dice, colours)
    return box.finished()


def _letters(
    whole: Image.Image,
    setting: _Setting,
    facts: str,
    facts_px: int,
    colours: Palette,
    brush: Brush,
    *,
    is_below: bool,
    is_centred: bool,
) -> None:
    draw = ImageDraw.Draw(whole)
    wide, tall = whole.size
    margin = round(wide * _FRAME)
    x, anchor = (wide / 2, "ms") if is_centred else (margin, "ls")
    block = setting.height_px + (round(facts_px * 1.5) if facts else 0)
    y = tall - margin - block if is_below else round(margin * 0.8)
    if setting.lines:
        font = brush.font(setting.size_px, is_heavy=True)
        for i, line in enumerate(setting.lines):
            baseline = y + setting.size_px * (0.80 + 1.02 * i)
            draw.text((x, baseline), line, colours.text, font, anchor)
    if facts:
        font = brush.font(facts_px, is_heavy=False)
        draw.text((x, y + block - round(facts_px * 0.1)), facts, colours.text, font, anchor)


def _facts(title: Title) -> str:
    parts = [str(title.year)] if title.year is not None else []
    if title.minutes is not None and title.minutes >= 1:
        parts.append(f"{round(title.minutes)} min")
    return " · ".join(parts)


def _set(name: str, wide: int, brush: Brush) -> _Setting:
    """The title as large as it can be set in at most four lines and two fifths of the poster."""
    words = name[:_LONGEST].split() or [name[:_LONGEST]]
    room = wide * (1 - 2 * _FRAME)
    longest = max(len(w) for w in words)
    for share in (0.215, 0.19, 0.17, 0.15, 0.135, 0.12, 0.108, 0.096):
        if longest * share * 0.42 > 1:
            continue
        size = round(wide * share)
        lines = _lines(words, brush.font(size, is_heavy=True), room)
        setting = _Setting(tuple(lines or ()), size)
        if lines and len(lines) <= 4 and setting.height_px <= wide * 0.6:
            return setting
    size = round(wide * 0.096)
    font = brush.font(size, is_heavy=True)
    return _Setting(tuple((_lines(_broken(words, font, room), font, room) or [name])[:5]), size)


def _lines(words: list[str], font: ImageFont.FreeTypeFont, room: float) -> list[str] | None:
    """The words in lines no wider than the room, balanced; None where one word alone is too wide."""
    widths = [font.getlength(w) for w in words]
    if max(widths) > room:
        return None
    space = font.getlength(" ")
    count = len(_filled(words, widths, space, room))
    # The narrowest room that still gives as few lines: lines of about one length look set, not spilt.
    low, high = max(widths), room
    for _ in range(6):
        middle = (low + high) / 2
        if len(_filled(words, widths, space, middle)) <= count:
            high = middle
        else:
            low = middle
    return _filled(words, widths, space, high)


def _filled(words: list[str], widths: list[float], space: float, room: float) -> list[str]:
    lines: list[str] = []
    used = 0.0
    for word, wide in zip(words, widths, strict=True):
        if lines and used + space + wide <= room:
            lines[-1] += " " + word
            used += space + wide
        else:
            lines.append(word)
            used = wide
    return lines


def _broken(words: list[str], font: ImageFont.FreeTypeFont, room: float) -> list[str]:
    """The words, those too wide for the room cut into parts."""
    parts: list[str] = []
    for word in words:
        rest = word
        while font.getlength(rest) > room and len(rest) > 1:
            cut = next(n for n in range(len(rest) - 1, 0, -1) if n == 1 or font.getlength(rest[:n]) <= room)
            parts.append(rest[:cut])
            rest = rest[cut:]
        parts.append(rest)
    return parts
