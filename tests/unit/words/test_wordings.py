"""Wordings: found by key, filled in, complete; and text set in lines."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mails import package_text

from postreel.errors import InputError
from postreel.words import Wordings, joined, wrapped

SMALL = 'language = "en"\ndirection = "ltr"\nways = ["a {x}", "b"]\n[part]\none = "One {name}"\ntwo = "Two"\n'


def test_a_wording_is_found_by_its_dotted_key_and_filled_in() -> None:
    words = Wordings.of(SMALL)
    assert words.say("part.one", name="Ann") == "One Ann"
    assert words.ways("ways") == ("a {x}", "b")
    assert words.under("part") == {"one": "One {name}", "two": "Two"}
    assert words.asked("part.one") == {"name"}
    assert words.asked("ways") == {"x"}


def test_a_wording_that_is_missing_or_asks_for_more_is_refused() -> None:
    words = Wordings.of(SMALL)
    with pytest.raises(InputError, match=r"part\.three"):
        words.say("part.three")
    with pytest.raises(InputError, match="name"):
        words.say("part.one", other="x")
    with pytest.raises(InputError):
        words.ways("part.one")


@pytest.mark.parametrize(
    "text", ["not toml =", 'direction = "ltr"', 'language = "en"\ndirection = "up"', SMALL + "three = 3\n"]
)
def test_what_is_no_catalogue_of_wordings_is_refused(text: str) -> None:
    with pytest.raises(InputError):
        Wordings.of(text)


def test_the_english_wordings_are_well_formed() -> None:
    words = Wordings.of(package_text("words", "en.toml"))
    assert (words.language, words.direction) == ("en", "ltr")
    assert len(words.ways("weekdays")) == len(words.ways("counts")) == 7
    for key in words.texts:
        words.asked(key)


def test_a_list_is_said_in_words() -> None:
    assert joined(["a"], " and ") == "a"
    assert joined(["a", "b"], " and ") == "a and b"
    assert joined(["a", "b", "c"], " and ") == "a, b and c"


@settings(max_examples=200)
@given(st.text(st.sampled_from("abc \n"), max_size=400))
def test_wrapping_changes_nothing_but_where_lines_end(text: str) -> None:
    done = wrapped(text, 20)
    assert done.split() == text.split()
    for line in done.split("\n"):
        assert len(line) <= 20 or " " not in line.strip()
