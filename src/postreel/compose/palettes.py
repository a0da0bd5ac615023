"""Colours of posters: a palette of three and a text colour, chosen by mood and aged by decade.

No member's data here. Used by `posters`.
"""

from __future__ import annotations

from dataclasses import dataclass

from postreel.catalogue import Title

Colour = tuple[int, int, int]


@dataclass(frozen=True)
class Palette:
    """Three flat colours and one for letters, which stands out from the ground (4.5 to 1 at least)."""

    ground: Colour
    form: Colour
    accent: Colour
    text: Colour


def _colour(code: str) -> Colour:
    return (int(code[0:2], 16), int(code[2:4], 16), int(code[4:6], 16))


def _palettes(*rows: str) -> tuple[Palette, ...]:
    made: list[Palette] = []
    for row in rows:
        ground, form, accent, text = (_colour(code) for code in row.split())
        made.append(Palette(ground, form, accent, text))
    return tuple(made)


DARK = _palettes(
    "14213D 3A5A83 FCA311 F5F1E6",
    "1B1A22 6B2F63 E4572E F3EFE6",
    "0F2A2E 2F7F6F E3E8A0 F4F1E4",
    "241B3A 6C4A92 F2C14E F6EFE4",
    "3B0D11 A3261B E9C9A0 F8EEDD",
    "12263A C5283D F4D8A8 F4EFE4",
    "22282B 4E6B62 F0A868 F3EEE2",
)
BRIGHT = _palettes(
    "F6C445 E4572E 1F3A5F 1B1A22",
    "F7B7A3 C92C54 2D3A8C 221A2B",
    "A8DCC5 EE4B52 19535F 14252B",
    "8FD0E8 F9D24A D6402B 14202E",
    "F49A45 FBE3B5 5B2A86 231326",
    "FBF1D7 2E86AB E84855 1B1A22",
    "E8505B F9D56E 14344B 1A0D12",
)
WARM = _palettes(
    "F7EAD3 E07A5F 3D405B 2B2A3A",
    "FAD4B8 C04A31 3F7373 2C1B16",
    "DDE3C4 6E9573 CB5533 1F2B23",
    "F3D9DC B4546A 5C4A6E 2E2033",
    "F3DFA2 BB4430 22666A 231F20",
    "8C2F39 F0B67F FEE8C8 FFF3E2",
    "2F5D50 EFC88B E8795A FAF3E3",
)
QUIET = _palettes(
    "CBD5DF 54759A 22384F 14202B",
    "2F3E4E 6C8EA4 E8D5B7 F4EEE1",
    "D8CFDD 7C6C98 3A2F52 221B30",
    "E6E2D6 7F8C8D A23B2A 22262A",
    "33475B 90A9B7 F2D492 F6F1E5",
)
GRAND = _palettes(
    "A81F1B F2C078 2B1316 FFF6E6",
    "0B3954 E0A458 DBE4EE FBF6E9",
    "E8B26A A63C06 3E1F0D 2A1508",
    "0B5547 F2B84B E9F1DF FBF7E7",
    "F2E8D5 B3261E 1B1A22 1B1A22",
    "1D2F6F F4A259 F7EDDA FBF3E4",
    "C8D6C0 1F5F5B D9822B 14241F",
)
DREAMY = _palettes(
    "C9B6E4 65468F F7D488 231A38",
    "BFE3E0 23788A F07F6E 10292E",
    "2E294E D4689A F1C27D FBF1E7",
    "F4C9D6 3F5FA8 F7EBC8 23203F",
    "173F5F 3CAEA3 F6D55C F6F3E6",
    "D9E0A3 4E8D7C E76F51 1E2B25",
)

_BY_MOOD = {
    "eerie": DARK,
    "tense": DARK,
    "thrilling": DARK + GRAND,
    "funny": BRIGHT,
    "playful": BRIGHT,
    "tender": WARM,
    "warm": WARM,
    "hopeful": WARM + DREAMY,
    "sad": QUIET,
    "grand": GRAND,
    "strange": DREAMY + DARK,
    "dreamy": DREAMY,
}
_BY_GENRE = {
    "horror": DARK,
    "crime": DARK,
    "mystery": DARK,
    "thriller": DARK,
    "comedy": BRIGHT,
    "family": BRIGHT,
    "animation": BRIGHT,
    "romance": WARM,
    "war": QUIET,
    "western": GRAND,
    "adventure": GRAND,
    "historical": GRAND,
    "fantasy": DREAMY,
    "science fiction": DREAMY,
    "experimental": DREAMY,
}
_ALL = WARM + GRAND + QUIET + DREAMY

_SEPIA = (0xD8, 0xB8, 0x84)


def palette_of(title: Title, chance: int) -> Palette:
    """The colours of a title: its moods choose a family, `chance` one of it, its decade how faded it is."""
    family = next((_BY_MOOD[m] for m in title.moods if m in _BY_MOOD), None)
    if family is None:
        family = next((_BY_GENRE[g] for g in title.genres if g in _BY_GENRE), _ALL)
    chosen = family[chance % len(family)]
    ground, form, accent = (_aged(c, title.year) for c in (chosen.ground, chosen.form, chosen.accent))
    return Palette(ground, form, accent, chosen.text)


def contrast(one: Colour, other: Colour) -> float:
    """Contrast of two colours, 1 to 21 (WCAG 2.2, relative luminance)."""
    high, low = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def _luminance(colour: Colour) -> float:
    parts = [c / 255 for c in colour]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def _aged(colour: Colour, year: int | None) -> Colour:
    # Old prints yellow: an eighth of sepia before 1910, none from 1970 on. More would cost the text its contrast.
    share = 0.0 if year is None else min(max((1970 - year) / 60, 0.0), 1.0) / 8
    mixed = tuple(round(c * (1 - share) + s * share) for c, s in zip(colour, _SEPIA, strict=True))
    return (mixed[0], mixed[1], mixed[2])
