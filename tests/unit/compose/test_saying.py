"""What a picks mail says is true of that mail, and no stronger than the arithmetic."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from mails import CATALOGUE, TITLES, a_pick, a_reason, wordings

from postreel.compose import saying

WORDS = wordings()


def said(*reasons: dict[str, Any], also: tuple[str, ...] = (), is_personal: bool = True) -> str:
    pick = a_pick("faust", *reasons, also=also)
    return saying.reason_sentence(WORDS, pick, CATALOGUE, "Little Cinema", is_personal=is_personal)[0]


@pytest.mark.parametrize(
    ("share", "sentence"),
    [
        (1.0, "Because you watched Metropolis."),
        (0.95, "Because you watched Metropolis."),
        (0.94, "Mostly because you watched Metropolis."),
        (0.51, "Mostly because you watched Metropolis."),
        (0.5, "Partly because you watched Metropolis."),
        (0.2, "Partly because you watched Metropolis."),
        (0.19, "In small part because you watched Metropolis."),
    ],
)
def test_the_strength_of_a_reason_is_its_share(share: float, sentence: str) -> None:
    assert said(a_reason("metropolis", share)) == sentence


@pytest.mark.parametrize(
    ("evidence", "sentence"),
    [
        ("watched", "Because you watched Metropolis."),
        ("rated", "Because you rated Metropolis."),
        ("listed", "Because you put Metropolis on your list."),
    ],
)
def test_what_was_rated_is_called_rated_and_what_was_listed_listed(evidence: str, sentence: str) -> None:
    assert said(a_reason("metropolis", 1.0, evidence)) == sentence


def test_two_reasons_of_like_weight_are_both_named() -> None:
    both = said(a_reason("nosferatu", 0.25), a_reason("metropolis", 0.3))
    assert both == "Mostly because you watched Metropolis and Nosferatu."
    mixed = said(a_reason("metropolis", 0.3, "rated"), a_reason("nosferatu", 0.2))
    assert mixed == "Partly because you watched Nosferatu and rated Metropolis."


def test_a_slight_second_reason_is_not_named() -> None:
    assert (
        said(a_reason("metropolis", 0.6), a_reason("nosferatu", 0.2))
        == "Mostly because you watched Metropolis."
    )


def test_a_title_with_a_sensitive_theme_is_never_named() -> None:
    assert said(a_reason("the-blot", 0.9)) == "Chosen from your viewing."
    assert said(a_reason("the-blot", 0.8), a_reason("sunrise", 0.2)) == "Partly because you watched Sunrise."


def test_a_title_that_left_the_catalogue_or_unknown_evidence_is_not_named() -> None:
    assert said(a_reason("gone", 0.9)) == "Chosen from your viewing."
    assert said(a_reason("sunrise", 0.9, "guessed")) == "Chosen from your viewing."


def test_a_reason_that_moved_nothing_is_not_named() -> None:
    assert said(a_reason("sunrise", 0.0)) == ""


def test_what_else_moved_a_title_is_said() -> None:
    lifted = said(a_reason("metropolis", 0.3), also=("lift",))
    assert lifted == "Partly because you watched Metropolis, and it is being watched a lot this week."
    assert said(also=("lift",)) == "It is being watched a lot this week."
    assert said(also=("content",)) == "Chosen by its genre and makers."
    assert said(also=("popular",)) == "Popular on Little Cinema."
    assert said(also=("variety",)) == "For a change."


def test_a_mail_that_is_not_personal_names_no_viewing_even_if_the_brief_holds_some() -> None:
    assert said(a_reason("metropolis", 1.0), is_personal=False) == "Popular on Little Cinema."


@pytest.mark.parametrize(
    ("at", "zone", "weekday", "time"),
    [
        ((2026, 5, 1, 18), "Europe/Berlin", "Friday", "friday"),
        ((2026, 5, 1, 12), "Europe/Berlin", "Friday", "day"),
        ((2026, 5, 1, 18), "Asia/Tokyo", "Saturday", "weekend"),
        ((2026, 5, 4, 18), "Europe/Berlin", "Monday", "evening"),
        ((2026, 5, 4, 18), "America/Los_Angeles", "Monday", "day"),
        ((2026, 5, 4, 18), "No/Such_Place", "Monday", "evening"),
        ((2026, 5, 4, 18), None, "Monday", "evening"),
        ((2026, 5, 4, 18), "../etc", "Monday", "evening"),
    ],
)
def test_a_mail_speaks_of_the_readers_own_day(
    at: tuple[int, int, int, int], zone: str | None, weekday: str, time: str
) -> None:
    moment = saying.Moment.of(datetime(*at, tzinfo=UTC), zone, WORDS)
    assert (moment.weekday, moment.time) == (weekday, time)


def test_subjects_hold_no_title_and_say_the_right_number() -> None:
    subjects: set[str] = set()
    for time in ("friday", "weekend", "evening", "day"):
        for count in range(1, 7):
            for chance in range(24):
                subject, preheader = saying.subject_and_preheader(
                    WORDS, saying.Moment("Tuesday", time), count, is_personal=True, chance=chance
                )
                subjects.add(subject)
                assert not any(t.name.casefold() in (subject + preheader).casefold() for t in TITLES)
                numbers = [w for w in WORDS.ways("counts")[1:] if w.lower() in subject.lower().split()]
                assert numbers in ([], [WORDS.ways("counts")[count]])
    assert len(subjects) > 20


def test_a_greeting_takes_any_name() -> None:
    assert saying.greeting(WORDS, "Ann") == "Hello Ann,"
    assert saying.greeting(WORDS, None) == saying.greeting(WORDS, " \n") == "Hello,"
    assert len(saying.greeting(WORDS, "x" * 500)) < 80


def test_the_footer_says_what_was_used_and_what_reports_back() -> None:
    reports = {
        saying.footer_lines(WORDS, "X", (), is_personal=False, has_opens=o, has_clicks=c)[1]
        for o in (False, True)
        for c in (False, True)
    }
    assert len(reports) == 4
    data, _ = saying.footer_lines(WORDS, "X", ("learn",), is_personal=True, has_opens=False, has_clicks=False)
    assert "what you did with our mails" in data
    data, _ = saying.footer_lines(WORDS, "X", (), is_personal=False, has_opens=False, has_clicks=False)
    assert "Nothing of your own viewing" in data
