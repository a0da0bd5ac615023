"""The policy: every purpose with the wording that members see, versioned; and what needs what.

The wordings are data (`policy.toml` beside this module, or the operator's own), read by the composition root.
What a purpose technically allows stands in `schema.READABLE`; a policy cannot widen it.
"""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

from postreel.errors import SettingsError
from postreel.purposes import BASED_ON_LAW, BIT, SWITCHABLE, mask_of

MAIL = tuple(p.key for p in SWITCHABLE if p.key.startswith("mail."))


@dataclass(frozen=True)
class Wording:
    """What members are told of one purpose."""

    key: str
    title: str
    allows: str
    gives: str
    costs: str
    withdrawal: str
    needs: tuple[str, ...]
    needs_any: tuple[str, ...]


@dataclass(frozen=True)
class Question:
    """One of the four questions that members are asked first."""

    key: str
    text: str
    purposes: tuple[str, ...]


@dataclass(frozen=True)
class Policy:
    """All purposes, their wordings, their needs."""

    version: str
    digest: str
    wordings: Mapping[str, Wording]
    law: Mapping[str, str]
    questions: tuple[Question, ...]
    ask_again_days: int
    retention_days: Mapping[str, int]

    @classmethod
    def parse(cls, text: str) -> Policy:
        """A policy from its TOML text.

        Raises:
            SettingsError: not TOML; a purpose is missing; or one is defined that Postreel does not know,
                an advertising purpose or a disclosure to third parties among them.
        """
        try:
            raw = tomllib.loads(text)
            purposes = cast("dict[str, dict[str, Any]]", raw["purposes"])
            wordings = {key: _wording(key, facts) for key, facts in purposes.items()}
            questions = tuple(Question(q["key"], q["text"], tuple(q["purposes"])) for q in raw["questions"])
            policy = cls(
                version=str(raw["version"]),
                digest=hashlib.sha256(text.encode()).hexdigest(),
                wordings=wordings,
                law={key: str(told) for key, told in raw["law"].items()},
                questions=questions,
                ask_again_days=int(raw["ask_again_days"]),
                retention_days={key: int(days) for key, days in raw["retention_days"].items()},
            )
        except (tomllib.TOMLDecodeError, AttributeError, KeyError, TypeError, ValueError) as fault:
            raise SettingsError(f"the policy file cannot be read: {fault!r}") from None
        _refuse_odd(policy)
        return policy

    def wording_of(self, purpose: str) -> str:
        """The id of the wording now in force for a purpose: version, purpose, first bytes of the file's hash."""
        return f"{self.version}/{purpose}/{self.digest[:12]}"

    def live_mask(self, granted: int) -> int:
        """The purposes that are live where these are granted: those whose needs are live too."""
        live = 0
        for purpose in SWITCHABLE:
            if granted & BIT[purpose.key] and self._stands(purpose.key, live):
                live |= BIT[purpose.key]
        return live

    def live_since(self, since: Mapping[str, datetime]) -> dict[str, datetime]:
        """Since when each purpose is live, given since when each is granted.

        A grant that waited for another is live from the later of the two; so a need that was withdrawn and
        granted again starts what rests on it afresh.
        """
        live: dict[str, datetime] = {}
        for purpose in SWITCHABLE:
            key, wording = purpose.key, self.wordings[purpose.key]
            if key not in since or not self._stands(key, mask_of(live)):
                continue
            starts = [since[key], *(live[need] for need in wording.needs)]
            if wording.needs_any:
                starts.append(min(live[need] for need in wording.needs_any if need in live))
            live[key] = max(starts)
        return live

    def waiting_for(self, granted: int) -> dict[str, tuple[str, ...]]:
        """What each granted purpose that is not live is waiting for."""
        live = self.live_mask(granted)
        waiting: dict[str, tuple[str, ...]] = {}
        for purpose in SWITCHABLE:
            bit, wording = BIT[purpose.key], self.wordings[purpose.key]
            if granted & bit and not live & bit:
                missing = tuple(need for need in wording.needs if not live & BIT[need])
                waiting[purpose.key] = missing or (("any mail",) if wording.needs_any else ())
        return waiting

    def _stands(self, key: str, live: int) -> bool:
        wording = self.wordings[key]
        has_all = all(live & BIT[need] for need in wording.needs)
        return has_all and (not wording.needs_any or any(live & BIT[need] for need in wording.needs_any))


def _wording(key: str, facts: Mapping[str, Any]) -> Wording:
    needs_any = tuple(facts.get("needs_any", ()))
    return Wording(
        key=key,
        title=str(facts["title"]),
        allows=str(facts["allows"]),
        gives=str(facts["gives"]),
        costs=str(facts["costs"]),
        withdrawal=str(facts["withdrawal"]),
        needs=tuple(facts.get("needs", ())),
        needs_any=MAIL if needs_any == ("mail.*",) else needs_any,
    )


def _refuse_odd(policy: Policy) -> None:
    known = [p.key for p in SWITCHABLE]
    odd = [key for key in policy.wordings if key not in known]
    if odd:
        raise SettingsError(
            f"the policy defines {odd[0]!r}, which Postreel does not know; there is no advertising purpose "
            "and no disclosure to third parties, and a policy cannot add one"
        )
    missing = [key for key in known if key not in policy.wordings]
    missing += [p.key for p in BASED_ON_LAW if p.key not in policy.law]
    if missing:
        raise SettingsError(f"the policy has no wording for {', '.join(missing)}")
    extra = [key for key in policy.law if key not in {p.key for p in BASED_ON_LAW}]
    if extra:
        raise SettingsError(
            f"the policy claims a basis in law for {extra[0]!r}; only Postreel's own four have one"
        )
    order = {key: i for i, key in enumerate(known)}
    for key, wording in policy.wordings.items():
        if any(
            need not in order or order[need] >= order[key] for need in (*wording.needs, *wording.needs_any)
        ):
            raise SettingsError(f"the needs of {key!r} must be purposes that stand before it")
    for question in policy.questions:
        never = {"devices", "mail.offers"} & set(question.purposes)
        if never:
            raise SettingsError(f"{sorted(never)[0]!r} is its own switch and never part of a question's yes")
        if any(key not in order for key in question.purposes):
            raise SettingsError(f"question {question.key!r} unfolds into a purpose that does not exist")
