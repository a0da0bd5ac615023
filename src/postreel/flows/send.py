"""A campaign, from its plan until every mail has ended.

    claim -> choose -> brief -> compose -> post -> hand over -> settle

Claims go in chunks, mails in flight in groups of 16; grants are looked at in `brief` and again in `post`.
"""

from __future__ import annotations

import dataclasses
import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from postreel.compose import Kit, messages_of
from postreel.errors import InputError
from postreel.flows.choose import personal_picks, popular
from postreel.gate import GROUP, Gate
from postreel.ports import Campaign, Clock, OutboxRow
from postreel.purposes import Mailing, MailPicks
from postreel.schema import id_array, unique_ids

KINDS: dict[str, type[Mailing]] = {"picks": MailPicks}
OPEN = ("planned", "claimed", "in flight", "deferred")
CHUNK = 192
"""Mails composed at a time: twelve groups."""


@dataclass
class Sent:
    """What became of a campaign's mails in this run.

    Attributes:
        planned: mails in the campaign.
        states: how many stand where.
        withheld: how many did not leave, by reason.
    """

    campaign: str
    planned: int = 0
    states: Counter[str] = field(default_factory=Counter[str])
    withheld: Counter[str] = field(default_factory=Counter[str])

    def facts(self) -> dict[str, Any]:
        """As `campaign send … --json` prints it."""
        return {
            "campaign": self.campaign,
            "planned": self.planned,
            "accepted": self.states["accepted"],
            "deferred": self.states["deferred"],
            "refused": self.states["refused"],
            "ambiguous": self.states["ambiguous"],
            "withheld": dict(self.withheld),
        }


def plan_campaign(
    gate: Gate, kind: str, name: str, clock: Clock, *, is_dry: bool = False
) -> tuple[Campaign, Sent]:
    """A campaign of this kind, with a mail planned for each member that grants it.

    One that was killed while it was planned is planned to its end; who has a mail in it keeps that one.

    Members who are known but do not grant it are counted as withheld: a mailing that quietly reaches nobody
    is a fault that should show.

    Raises:
        InputError: there is no such kind of mail.
    """
    purpose = kind_named(kind)
    now = clock.now()
    members = gate.standing().members(purpose)
    sent = Sent(name, planned=len(members))
    others = Counter[str]()
    is_granting = {bytes(member) for member in members}
    for who in gate.members():
        if who.member not in is_granting:
            others["a child is never written to" if who.is_child else f"no live {purpose.key}"] += 1
    sent.withheld += others
    campaign = Campaign(name, purpose.key, name, "sending", now, gate.model().name, json.dumps(others))
    if not is_dry:
        sent.planned = gate.add_campaign(campaign, members)
    return campaign, sent


def interrupted(gate: Gate, kind: type[Mailing]) -> Campaign | None:
    """The campaign of this kind whose sender died over it, or is still at work; None: there is none.

    What waits only for a server that said "later" does not count: it is due in its own time.
    """
    for campaign in reversed(gate.campaigns()):
        if campaign.kind != kind.key or campaign.state not in ("planning", "sending"):
            continue
        states = {state for state, _, _ in gate.report(campaign.campaign)}
        # All ended and not called done: the sender died between the two.
        if states & {"planned", "claimed", "in flight"} or "deferred" not in states:
            return campaign
    return None


def kind_named(kind: str) -> type[Mailing]:
    """The purpose of a kind of mail.

    Raises:
        InputError: there is no such kind.
    """
    if kind not in KINDS:
        raise InputError(f"there is no kind of mail {kind!r}; there are {', '.join(KINDS)}")
    return KINDS[kind]


def send_campaign(
    gate: Gate, campaign: Campaign, kit: Kit, clock: Clock, progress: Callable[[int], None] = lambda _: None
) -> Sent:
    """Send what is due of a campaign. Killed at any point and called again, it goes on where it stood.

    Raises:
        TransientError: another process is sending, or the mail server cannot be reached.
    """
    purpose = next(p for p in KINDS.values() if p.key == campaign.kind)
    with gate.sending() as sender:
        while _is_sending(gate, campaign) and (claims := gate.claim(campaign.campaign, sender, CHUNK)):
            _send_chunk(gate, purpose, claims, kit, clock, sender, progress)
        sent = report_of(gate, campaign.campaign)
        if _is_sending(gate, campaign) and not any(sent.states[state] for state in OPEN):
            gate.set_campaign(campaign.campaign, "done")
    return sent


def report_of(gate: Gate, campaign: str) -> Sent:
    """How many mails of a campaign stand where, and why."""
    sent = Sent(campaign)
    held = next((c for c in gate.campaigns() if c.campaign == campaign), None)
    if held is None:
        raise InputError(f"there is no campaign {campaign!r}; `postreel campaign list` shows them")
    sent.withheld.update(json.loads(held.excluded))
    for state, reason, count in gate.report(campaign):
        sent.planned += count
        sent.states[state] += count
        if state == "withheld":
            sent.withheld[reason or "unknown"] += count
    return sent


def _is_sending(gate: Gate, campaign: Campaign) -> bool:
    return any(c.campaign == campaign.campaign and c.state == "sending" for c in gate.campaigns())


def _send_chunk(
    gate: Gate,
    kind: type[Mailing],
    claims: list[OutboxRow],
    kit: Kit,
    clock: Clock,
    sender: str,
    progress: Callable[[int], None],
) -> None:
    members = unique_ids(id_array(row.member for row in claims))
    now = clock.now()
    # Looked at before titles are chosen: what changes from here on sends a mail back to be composed anew.
    known, catalogue, model = gate.members(members), gate.catalogue(), gate.model()
    picks = personal_picks(gate, members, known, now)
    briefing = gate.brief(kind, claims, picks, popular(gate, now), known, catalogue.version)
    progress(sum(briefing.withheld.values()))
    with_model = dataclasses.replace(kit, model=model.name)
    for start in range(0, len(briefing.briefs), GROUP):
        group = np.zeros(len(briefing.briefs), np.bool_)
        group[start : start + GROUP] = True
        mails = briefing.briefs.where(group).map(messages_of, with_model, catalogue, now)
        posted = gate.post(mails, sender)
        if len(posted.leaving):
            gate.settle(gate.hand_over(posted))
        progress(len(posted.leaving) + sum(posted.withheld.values()))
    # A brief that shows no title that the catalogue still has is composed to nothing.
    progress(gate.withhold_claimed(claims, sender, "nothing to show"))


def why_or_why_not(gate: Gate, member: bytes, kind: type[Mailing]) -> dict[str, Any]:
    """Whether a member would get a mail of this kind now; `why` says what stands against it."""
    why = gate.obstacle(member, kind)
    return {"would_get": why is None, "why": why}
