"""What a mail server's reply says: try later, never again, or not this address (RFC 3463, RFC 5321, 4.2)."""

from __future__ import annotations

import re
from datetime import timedelta

DEAD = ("5.1.1", "5.1.2", "5.1.3", "5.1.10", "5.2.1")
"""Enhanced codes of an address that does not exist or no longer does."""
FIRST_RETRY = timedelta(minutes=20)
LONGEST_RETRY = timedelta(hours=8)
MOST_ATTEMPTS = 18
_ENHANCED = re.compile(r"\b([245]\.\d{1,3}\.\d{1,3})\b")


def is_dead_address(reply: str) -> bool:
    """Whether a refusal says that the address itself is gone.

    A 5.7.x is policy and a 5.2.2 a full mailbox: neither says anything of the address, so neither suppresses it.
    """
    found = _ENHANCED.search(reply)
    return found is not None and found.group(1) in DEAD


def retry_after(attempts: int) -> timedelta | None:
    """How long to wait after so many attempts, doubling from 20 minutes; None: give up."""
    if attempts >= MOST_ATTEMPTS:
        return None
    return min(FIRST_RETRY * 2 ** max(attempts - 1, 0), LONGEST_RETRY)
