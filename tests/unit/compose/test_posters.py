"""Posters: the same every time, different for each title, small, and readable."""

from __future__ import annotations

import hashlib
import io
from functools import cache
from pathlib import Path

import font_source_serif_pro
import pytest
from PIL import Image

from postreel.catalogue import Title
from postreel.compose import Brush, poster
from postreel.compose.palettes import BRIGHT, DARK, DREAMY, GRAND, QUIET, WARM, contrast, palette_of
from postreel.errors import InputError

MOODS = (
    "funny",
    "tender",
    "eerie",
    "thrilling",
    "grand",
    "strange",
    "sad",
    "warm",
    "playful",
    "tense",
    "dreamy",
)
GENRES = ("comedy", "drama", "romance", "horror", "western", "documentary", "war", "crime", "experimental")


@cache
def brush() -> Brush:
    files = font_source_serif_pro.font_files_ttf
    heavy, plain = (Path(files[f"SourceSerifPro{n}"]).read_bytes() for n in ("Bold", "Semibold"))
    return Brush(heavy, plain)


def some_titles() -> list[Title]:
    return [
        Title(
            f"t{i}",
            f"The {'Long ' * (i % 4)}Voyage of Number {i}",
            year=1900 + 2 * i,
            minutes=float(10 + i),
            genres=(GENRES[i % len(GENRES)],),
            moods=(MOODS[i % len(MOODS)],),
        )
        for i in range(50)
    ]


def opened(png: bytes) -> Image.Image:
    return Image.open(io.BytesIO(png))


def test_a_title_gets_the_same_poster_every_time() -> None:
    title = some_titles()[7]
    again = Brush(brush().heavy, brush().plain)
    assert poster(title, 240, brush()) == poster(title, 240, again)


def test_fifty_titles_get_fifty_pictures_even_with_one_name() -> None:
    titles = [Title(f"t{i}", "Nosferatu", year=1922, genres=("horror",)) for i in range(50)]
    digests = {hashlib.sha256(poster(t, 120, brush())).digest() for t in titles}
    # A family of palettes and compositions is finite; of one name, year and genre a few may meet.
    assert len(digests) >= 40
    assert len({hashlib.sha256(poster(t, 120, brush())).digest() for t in some_titles()}) == 50


@pytest.mark.parametrize(("width", "limit"), [(240, 12_000), (96, 3_000), (160, 6_000)])
def test_posters_are_two_by_three_and_small(width: int, limit: int) -> None:
    for title in some_titles()[::5]:
        png = poster(title, width, brush())
        assert opened(png).size == (width, width * 3 // 2)
        assert len(png) < limit


def test_a_title_of_which_nothing_but_a_name_is_known_has_a_poster() -> None:
    assert opened(poster(Title("x", "M"), 240, brush())).format == "PNG"


@pytest.mark.parametrize(
    "name",
    [
        "",
        " ",
        "X" * 300,
        "Donaudampfschifffahrtsgesellschaftskapitän",
        "a " * 200,
        "東京物語",
        "Броненосец",
        "\U0001f600",
    ],
)
def test_any_name_can_be_set(name: str) -> None:
    assert opened(poster(Title("x", name, year=1953), 240, brush())).size == (240, 360)


def test_letters_that_the_typeface_lacks_are_not_set_as_boxes() -> None:
    assert brush().can_set("Les Vampires, épisode 3")
    assert not brush().can_set("東京物語")


def test_text_stands_out_from_its_ground_in_every_palette_and_decade() -> None:
    moods = (*MOODS, "hopeful")
    for mood in moods:
        for chance in range(16):
            for year in (None, 1895, 1925, 1950, 2020):
                p = palette_of(Title("x", "X", year=year, moods=(mood,)), chance)
                assert contrast(p.ground, p.text) >= 4.5, (mood, chance, year)
    assert all(contrast(p.ground, p.text) >= 4.5 for p in DARK + BRIGHT + WARM + QUIET + GRAND + DREAMY)


def test_a_width_out_of_range_and_a_broken_font_are_refused() -> None:
    with pytest.raises(InputError):
        poster(Title("x", "X"), 20, brush())
    with pytest.raises(InputError):
        poster(Title("x", "X"), 240, Brush(b"not a font", b""))
