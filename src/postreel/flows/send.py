"""A campaign, from its plan until every mail has ended.

    claim -> choose -> brief -> compose -> post -> hand over -> settle

Claims go in chunks, mails in flight in groups of at most 16, fewer where the server is slow; grants are looked at in
`brief` and again in `post`.
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
from postreel.errors import InputError, TransientError
from postreel.flows.choose import personal_picks, popular
from postreel.gate import GROUP, Gate
from postreel.ports import Campaign, Clock, OutboxRow
from postreel.purposes import Mailing, MailPicks
from postreel.schema import id_array, unique_ids

KINDS: dict[str, type[Mailing]] = {"picks": MailPicks}
OPEN = ("planned", "claimed", "in flight", "deferred")
CHUNK = 192
"""Mails composed at a time: twelve groups."""
STALLED_MOST = 8
"""Groups in a row of which no mail began: from 16 down to single mails it takes five, and some may be bad luck."""


@dataclass
class Pace:
    """How many mails go in flight at once: as many as the server lets begin before their time runs out.

    Attributes:
        size: mails in the next group.
        stalled_count: groups in a row that came back whole.
    """

    size: int = GROUP
    stalled_count: int = 0

    def heed(self, leaving_count: int, returned_count: int) -> None:
        """Halve after a group of which mails came back, else double, up to 16.

        Raises:
            TransientError: eight groups in a row came back whole, so that more would not end.
        """
        if not leaving_count:
            return
        self.size = max(1, self.size // 2) if returned_count else min(GROUP, self.size * 2)
        self.stalled_count = self.stalled_count + 1 if returned_count == leaving_count else 0
        if self.stalled_count == STALLED_MOST:
            raise TransientError(
                f"the mail server let no mail begin in {STALLED_MOST} groups; it is too slow, try again later"
            )


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
        TransientError: another process is sending, or the mail server cannot be reached or is too slow. What
            was claimed is given back by whoever sends next.
        SettingsError: the mail server refuses us.
    """
    purpose = next(p for p in KINDS.values() if p.key == campaign.kind)
    pace = Pace()
    with gate.sending() as sender:
        while _is_sending(gate, campaign) and (claims := gate.claim(campaign.campaign, sender, CHUNK)):
            _send_chunk(gate, purpose, claims, kit, clock, sender, pace, progress)
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
    pace: Pace,
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
    start = 0
    while start < len(briefing.briefs):
        group = np.zeros(len(briefing.briefs), np.bool_)
        group[start : start + pace.size] = True
        start += pace.size
        mails = briefing.briefs.where(group).map(messages_of, with_model, catalogue, now)
        gate.ready_to_send()
        posted = gate.post(mails, sender)
        returned_count = 0
        if len(posted.leaving):
            returned_count = gate.settle(gate.hand_over(posted)).get("planned", 0)
            pace.heed(len(posted.leaving), returned_count)
        progress(len(posted.leaving) - returned_count + sum(posted.withheld.values()))
    # A brief that shows no title that the catalogue still has is composed to nothing.
    progress(gate.withhold_claimed(claims, sender, "nothing to show"))


def why_or_why_not(gate: Gate, member: bytes, kind: type[Mailing]) -> dict[str, Any]:
    """Whether a member would get a mail of this kind now; `why` says what stands against it."""
    why = gate.obstacle(member, kind)
    return {"would_get": why is None, "why": why}
