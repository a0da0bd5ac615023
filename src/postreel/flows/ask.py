"""Asking a member by mail: a single-use link to a page with a button. Following it grants nothing by itself."""

from __future__ import annotations

from datetime import timedelta

from postreel.compose import Kit
from postreel.errors import InputError
from postreel.flows.notify import notify
from postreel.gate import Gate
from postreel.ports import Clock

LINK_MINUTES = 60
WELCOME_DAYS = 14


def ask_by_mail(gate: Gate, kit: Kit, clock: Clock, member: bytes, purpose: str) -> str:
    """Ask whether the member grants a purpose. What became of the mail."""
    token = gate.new_link(member, f"grant {purpose}", LINK_MINUTES)
    return notify(
        gate,
        kit,
        clock,
        member,
        subject="Please confirm your choice",
        paragraphs=[
            f"You were asked about a choice at {kit.service}: {purpose}.",
            "Nothing is granted until you press the button on the page behind this link. "
            f"It works once, for {LINK_MINUTES} minutes. If you do not want it, do nothing.",
        ],
        link=f"{kit.base_url}/confirm/{token}",
        link_text="See the choice",
    )


def sign_in_by_mail(gate: Gate, kit: Kit, clock: Clock, member: bytes) -> str:
    """Send a member a link to sign in with. What became of the mail."""
    token = gate.new_link(member, "sign in", LINK_MINUTES)
    return notify(
        gate,
        kit,
        clock,
        member,
        subject=f"Your link to {kit.service}",
        paragraphs=[
            "Somebody, we think you, asked for a link to your choices and your data.",
            f"It works once, for {LINK_MINUTES} minutes. If it was not you, do nothing.",
        ],
        link=f"{kit.base_url}/confirm/{token}",
        link_text="Open my account",
    )


def welcome_by_mail(gate: Gate, kit: Kit, clock: Clock, member: bytes, ask_again_days: int) -> str:
    """Send a member the four questions. What became of the mail.

    Args:
        ask_again_days: for so long after a no nobody is asked again.

    Raises:
        InputError: they said no to something not so long ago.
    """
    since = clock.now() - timedelta(days=ask_again_days)
    held = gate.rights(member).grants().values()
    if any(row.state in ("refused", "withdrawn") and row.since > since for row in held):
        raise InputError(
            f"this member said no within the last {ask_again_days} days and is not asked again yet"
        )
    token = gate.new_link(member, "welcome", WELCOME_DAYS * 24 * 60)
    return notify(
        gate,
        kit,
        clock,
        member,
        subject=f"Four questions from {kit.service}",
        paragraphs=[
            f"{kit.service} can recommend from what you watch, write to you, learn from its mails and let your "
            "viewing help others: each only if you say yes.",
            "Nothing is switched on until you press the button on the page behind this link, and a no is as good "
            f"as a yes. It works once, for {WELCOME_DAYS} days. If you do nothing, nothing happens.",
        ],
        link=f"{kit.base_url}/welcome/{token}",
        link_text="See the questions",
    )
