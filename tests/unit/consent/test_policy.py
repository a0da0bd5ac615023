"""The policy file: in step with purposes.py, and unable to widen what Postreel does."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

import postreel
from postreel.consent import MAIL, Policy
from postreel.errors import SettingsError
from postreel.purposes import BASED_ON_LAW, BIT, SWITCHABLE, keys_in, mask_of

TEXT = Path(postreel.__file__).with_name("consent").joinpath("policy.toml").read_text("utf-8")
POLICY = Policy.parse(TEXT)
KEYS = tuple(p.key for p in SWITCHABLE)
START = datetime(2026, 1, 1, tzinfo=UTC)

NEEDS = {
    "devices": ("history",),
    "recommendations": ("history",),
    "training": ("history",),
    "mail.nudges": ("history",),
    "learn": ("recommendations",),
    "analytics": ("history",),
}
"""As the table of purposes has it."""


def test_the_policy_and_the_purposes_are_in_step():
    assert set(POLICY.wordings) == set(KEYS)
    assert set(POLICY.law) == {p.key for p in BASED_ON_LAW}
    for key, wording in POLICY.wordings.items():
        assert wording.needs == NEEDS.get(key, ())
        assert wording.needs_any == (MAIL if key.startswith("measure.") else ())
        assert all((wording.title, wording.allows, wording.gives, wording.costs, wording.withdrawal))


def test_the_bits_of_purposes_never_move():
    assert [(key, BIT[key]) for key in KEYS] == [(key, 1 << n) for n, key in enumerate(KEYS)]
    assert KEYS[0] == "history"
    assert KEYS[-1] == "analytics"


def test_the_four_questions_unfold_as_promised():
    assert {q.key: q.purposes for q in POLICY.questions} == {
        "recommend": ("history", "recommendations"),
        "mail": ("mail.picks", "mail.news", "mail.nudges", "mail.surveys"),
        "report": ("measure.opens", "measure.clicks", "learn"),
        "help": ("training", "analytics"),
    }
    asked = [key for q in POLICY.questions for key in q.purposes]
    assert len(asked) == len(set(asked)) == len(KEYS) - 2
    assert POLICY.ask_again_days == 183


@pytest.mark.parametrize("key", ["devices", "mail.offers"])
def test_what_is_its_own_switch_is_never_part_of_a_questions_yes(key: str):
    with pytest.raises(SettingsError, match="its own switch"):
        Policy.parse(TEXT.replace('["training", "analytics"]', f'["training", "{key}"]'))


@pytest.mark.parametrize("key", ["advertising", "partners", "mail.partners", "measure.profile"])
def test_an_advertising_or_third_party_purpose_is_refused(key: str):
    more = f'\n[purposes."{key}"]\ntitle="t"\nallows="a"\ngives="g"\ncosts="c"\nwithdrawal="w"\n'
    with pytest.raises(SettingsError, match="no advertising purpose"):
        Policy.parse(TEXT + more)


def test_a_policy_claims_no_further_basis_in_law():
    with pytest.raises(SettingsError, match="basis in law"):
        Policy.parse(TEXT.replace("[law]", '[law]\nmarketing = "our interest"'))


def test_a_purpose_without_its_wording_is_refused():
    with pytest.raises(SettingsError, match=r"no wording for learn"):
        Policy.parse(re.sub(r"\[purposes\.learn\].*?(?=\n\[)", "", TEXT, flags=re.S))


def test_a_purpose_needs_only_what_stands_before_it():
    changed = TEXT.replace("[purposes.history]", '[purposes.history]\nneeds = ["training"]')
    with pytest.raises(SettingsError, match="stand before"):
        Policy.parse(changed)
    with pytest.raises(SettingsError, match="stand before"):
        Policy.parse(TEXT.replace('needs = ["recommendations"]', 'needs = ["nothing"]'))


@pytest.mark.parametrize("text", ["", "= no toml", 'version = "1"', "purposes = 3"])
def test_what_is_no_policy_is_refused(text: str):
    with pytest.raises(SettingsError):
        Policy.parse(text)


def test_a_changed_wording_has_another_name():
    other = Policy.parse(TEXT.replace("Keep my viewing history", "Keep all my viewing history"))
    assert POLICY.wording_of("history") != other.wording_of("history")
    assert POLICY.wording_of("history").startswith(f"{POLICY.version}/history/")


def slow_live(granted: set[str]) -> set[str]:
    """What is live, found by taking away what lacks a need until nothing changes."""
    live = set(granted)
    while True:
        lacking = {k for k in live if not set(NEEDS.get(k, ())) <= live}
        lacking |= {k for k in live if k.startswith("measure.") and not live & set(MAIL)}
        if not lacking:
            return live
        live -= lacking


def test_what_is_live_agrees_with_a_slow_version_for_all_grants():
    for granted in range(1 << len(KEYS)):
        keys = set(keys_in(granted))
        live = POLICY.live_mask(granted)
        assert set(keys_in(live)) == slow_live(keys)
        if granted % 7 == 0:
            since = {key: START + timedelta(days=BIT[key].bit_length()) for key in keys}
            assert mask_of(POLICY.live_since(since)) == live


def test_a_grant_is_live_from_the_latest_of_it_and_its_needs():
    since = {
        "history": START + timedelta(days=3),
        "recommendations": START,
        "learn": START + timedelta(days=1),
    }
    live = POLICY.live_since(since)
    assert set(live.values()) == {START + timedelta(days=3)}
    later = POLICY.live_since({**since, "history": START + timedelta(days=9)})
    assert later["learn"] == START + timedelta(days=9)


def test_measurement_is_live_from_the_first_kind_of_mail_that_is():
    since = {
        "mail.news": START + timedelta(days=5),
        "mail.picks": START + timedelta(days=2),
        "measure.opens": START,
    }
    assert POLICY.live_since(since)["measure.opens"] == START + timedelta(days=2)
    assert "measure.opens" not in POLICY.live_since({"measure.opens": START})


def test_what_waits_says_for_what():
    assert POLICY.waiting_for(mask_of(["training", "learn", "measure.clicks"])) == {
        "training": ("history",),
        "learn": ("recommendations",),
        "measure.clicks": ("any mail",),
    }
    assert POLICY.waiting_for(mask_of(["recommendations", "learn"])) == {
        "recommendations": ("history",),
        "learn": ("recommendations",),
    }
    assert POLICY.waiting_for(mask_of(["history", "training", "mail.news", "measure.clicks"])) == {}
