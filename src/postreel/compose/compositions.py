"""Which compositions fit which genres and moods.

No member's data here. Used by `posters`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from postreel.catalogue import Title
from postreel.compose.drawing import Box, Dice
from postreel.compose.palettes import Palette
from postreel.compose.scenes import (
    balloons,
    beam,
    bridge,
    curtain,
    door,
    eye,
    flower,
    mask,
    moon,
    peaks,
    road,
    sail,
    sea,
    skyline,
    tree,
    window,
)
from postreel.compose.shapes import (
    arches,
    bars,
    diamonds,
    lovers,
    rays,
    shells,
    stairs,
    tiles,
    trio,
    waves,
    whirl,
)

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
