"""Grants, changes and mails as pages tell them: plain values for templates. No I/O."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from postreel.consent import Policy
from postreel.gate import Changed
from postreel.ports import GrantRow, OutboxRow
from postreel.purposes import SWITCHABLE, keys_in, mask_of

ALONE = "On their own"
WORDS = {
    "granted": "on",
    "refused": "off: you said no",
    "withdrawn": "off: you took it back",
    "expired": "off: your yes ran out",
    "unknown": "off: not answered",
}


@dataclass(frozen=True)
class Switch:
    """One purpose as a page shows it.

    Attributes:
        state: granted, waiting, refused, withdrawn, expired or unknown.
        told: the same in words.
    """

    key: str
    title: str
    allows: str
    gives: str
    costs: str
    withdrawal: str
    state: str
    told: str
    since: str

    @property
    def is_on(self) -> bool:
        """Whether the member's yes stands, live or waiting."""
        return self.state in ("granted", "waiting")


@dataclass(frozen=True)
class Group:
    """One of the four questions with its switches, or those that are part of none."""

    key: str
    text: str
    switches: tuple[Switch, ...]


def switches_of(policy: Policy, grants: Mapping[str, GrantRow]) -> dict[str, Switch]:
    """Every purpose with where a member stands."""
    waiting = policy.waiting_for(mask_of(key for key, row in grants.items() if row.state == "granted"))
    return {purpose.key: _switch(policy, purpose.key, grants, waiting) for purpose in SWITCHABLE}


def groups_of(policy: Policy, switches: Mapping[str, Switch]) -> list[Group]:
    """The switches under their questions, those of no question last."""
    asked = [Group(q.key, q.text, tuple(switches[key] for key in q.purposes)) for q in policy.questions]
    in_question = {key for question in policy.questions for key in question.purposes}
    rest = tuple(switch for key, switch in switches.items() if key not in in_question)
    return [*asked, Group("alone", ALONE, rest)] if rest else asked


def _switch(
    policy: Policy, key: str, grants: Mapping[str, GrantRow], waiting: Mapping[str, tuple[str, ...]]
) -> Switch:
    wording, row = policy.wordings[key], grants.get(key)
    state = "unknown" if row is None else row.state
    told = WORDS[state]
    if state == "granted" and key in waiting:
        state = "waiting"
        needs = [policy.wordings[n].title if n in policy.wordings else n for n in waiting[key]]
        told = f"on, waiting for “{'” and “'.join(needs)}”"
    return Switch(
        key=key,
        title=wording.title,
        allows=wording.allows,
        gives=wording.gives,
        costs=wording.costs,
        withdrawal=wording.withdrawal,
        state=state,
        told=told,
        since="" if row is None else day(row.since),
    )


def begun_names(changed: Changed) -> list[str]:
    """The mails that had begun to leave when a change was answered, each by its subject."""
    return [str(record_of(row).get("subject") or row.message_id or "a mail") for row in changed.begun]


def record_of(row: OutboxRow) -> dict[str, Any]:
    """What was written down of a mail as it was made; empty where nothing was."""
    return dict(json.loads(row.record)) if row.record else {}


def titles_named(policy: Policy, keys: Iterable[str]) -> list[str]:
    """The titles of these purposes, as members know them."""
    return [policy.wordings[key].title for key in keys if key in policy.wordings]


def used_named(policy: Policy, row: OutboxRow) -> list[str]:
    """The purposes that a mail used."""
    return titles_named(policy, keys_in(row.used))


def day(at: datetime) -> str:
    """A date in words: 24 November 2026."""
    return f"{at.day} {at:%B %Y}"


def moment(at: datetime) -> str:
    """A date and time: 24 November 2026, 08:15 UTC."""
    return f"{day(at)}, {at:%H:%M} UTC"


def short_day(at: datetime) -> str:
    """A date for a table: 24 Nov 2026."""
    return f"{at.day} {at:%b %Y}"


def short_moment(at: datetime) -> str:
    """A date and time for a table: 24 Nov 2026, 08:15."""
    return f"{short_day(at)}, {at:%H:%M}"
