"""Asking a member by mail: a single-use link to a page with a button. Following it grants nothing by itself."""

from __future__ import annotations

from postreel.compose import Kit
from postreel.flows.notify import notify
from postreel.gate import Gate
from postreel.ports import Clock

LINK_MINUTES = 60


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
