"""The drawings: bars begin at zero, keep their proportions, and carry their words safely."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postreel.errors import InputError
from postreel.plots import Bar, bars, columns, sparkline


def drawn(text: str) -> ET.Element:
    return ET.fromstring(text)


def widths(svg: ET.Element) -> list[float]:
    return [float(rect.attrib["width"].rstrip("%")) for rect in svg.iter("rect")]


def test_bars_are_as_long_as_their_values_are_great():
    svg = drawn(
        bars([Bar("drama", 0.5, "50%"), Bar("comedy", 0.25, "25%"), Bar("war", 0, "0%")], "Mostly drama")
    )
    long, half, none = widths(svg)
    assert long == pytest.approx(2 * half, abs=0.01)
    assert none == 0


def test_the_greatest_bar_is_marked_and_named():
    svg = drawn(bars([Bar("a", 1, "one"), Bar("b", 3, "three")], "b leads"))
    assert [rect.attrib["class"] for rect in svg.iter("rect")] == ["bar", "bar most"]
    assert [text.text for text in svg.iter("text")] == ["a", "one", "b", "three"]
    assert svg.attrib["aria-label"] == "b leads"


def test_words_cannot_break_out_of_the_drawing():
    svg = drawn(bars([Bar('<b>"&', 1, "</svg>")], 'says "<"'))
    assert [text.text for text in svg.iter("text")] == ['<b>"&', "</svg>"]
    assert svg.attrib["aria-label"] == 'says "<"'


def test_columns_stand_on_zero():
    svg = drawn(columns([1, 2, 0], ["0", "", "2"], "at one", height=100))
    tops = [(float(r.attrib["y"]), float(r.attrib["height"])) for r in svg.iter("rect")]
    assert tops == [(50, 50), (0, 100), (100, 0)]
    assert [text.text for text in svg.iter("text")] == ["0", "2"]


@pytest.mark.parametrize("bad", [-1.0, float("nan"), float("inf")])
def test_what_has_no_length_is_refused(bad: float):
    for draw in (
        lambda: bars([Bar("a", bad, "")], ""),
        lambda: columns([bad], ["a"], ""),
        lambda: sparkline([bad], ""),
    ):
        with pytest.raises(InputError, match="1 of 1 values"):
            draw()


def test_columns_without_a_name_each_are_refused():
    with pytest.raises(InputError, match="2 columns have 1 names"):
        columns([1, 2], ["a"], "")


@given(st.lists(st.floats(0, 1e9), max_size=30))
def test_every_drawing_is_well_formed_and_inside_its_frame(values: list[float]):
    some = [Bar(str(i), value, str(value)) for i, value in enumerate(values)]
    for is_stacked in (False, True):
        for rect in drawn(bars(some, "x", is_stacked=is_stacked)).iter("rect"):
            assert 0 <= float(rect.attrib["x"].rstrip("%")) + float(rect.attrib["width"].rstrip("%")) <= 95
    drawn(columns(values, [""] * len(values), "x"))
    line = drawn(sparkline(values, "x", 120, 24))
    for one in line.iter("polyline"):
        points = [tuple(map(float, p.split(","))) for p in one.attrib["points"].split()]
        assert all(0 <= x <= 120 and 0 <= y <= 24 for x, y in points)
