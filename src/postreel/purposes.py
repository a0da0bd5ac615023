"""One class a purpose: the type parameter that says what rows may be used for.

The classes carry no behaviour. They exist so that a type checker can tell rows released for one purpose
from rows released for another (`Permitted[Plays, History]`), and so that a purpose is spelt in one place.
What members are told about each purpose, and which purpose needs which, stands in the policy file that
`consent.Policy` reads; a test keeps the two in step.

Every purpose that a member can switch has a fixed bit, so that "the purposes this row used" is one integer.
Bits are handed out in order and never reused: a mask stored years ago must still mean the same.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from postreel.errors import InputError


class Purpose:
    """What data is used for. Subclasses name one purpose each."""

    key: ClassVar[str]


class Postable(Purpose):
    """A purpose that a mail can be sent under. Only rows under a Postable purpose fit a transport."""


class Mailing(Postable):
    """Mail that a member asked for and can switch off."""


class History(Purpose):
    """Keeping playback events beyond what playback itself needs."""

    key = "history"


class Devices(Purpose):
    """Tying devices and browser sessions to one member."""

    key = "devices"


class Recommendations(Purpose):
    """Choosing titles for this member from their history."""

    key = "recommendations"


class Training(Purpose):
    """Letting a member's history shape the model that serves others."""

    key = "training"


class MailPicks(Mailing):
    """Recommendation mails."""

    key = "mail.picks"


class MailNews(Mailing):
    """New on the service, leaving soon."""

    key = "mail.news"


class MailNudges(Mailing):
    """ "Carry on watching", next episode."""

    key = "mail.nudges"


class MailSurveys(Mailing):
    """Surveys and requests for feedback."""

    key = "mail.surveys"


class MailOffers(Mailing):
    """Membership offers and promotions."""

    key = "mail.offers"


class MeasureOpens(Purpose):
    """An open pixel in mails to this member."""

    key = "measure.opens"


class MeasureClicks(Purpose):
    """Links that tell who clicked."""

    key = "measure.clicks"


class Learn(Purpose):
    """What a member does with our mails may steer their picks."""

    key = "learn"


class Analytics(Purpose):
    """A member's sessions in aggregate reports."""

    key = "analytics"


class Service(Postable):
    """Account and security notices, receipts, confirmations, resume position. Rests on contract."""

    key = "service"


class Rights(Purpose):
    """Export, correction, erasure, withdrawal, retention. Rests on law."""

    key = "rights"


class Suppression(Purpose):
    """A keyed hash of an address that must not be mailed, and why. Rests on law."""

    key = "suppression"


class Proof(Purpose):
    """Ledger and access log. Rests on law."""

    key = "proof"


SWITCHABLE: tuple[type[Purpose], ...] = (
    History,
    Devices,
    Recommendations,
    Training,
    MailPicks,
    MailNews,
    MailNudges,
    MailSurveys,
    MailOffers,
    MeasureOpens,
    MeasureClicks,
    Learn,
    Analytics,
)
"""The purposes that a member grants and withdraws, in the order of their bits."""

BASED_ON_LAW: tuple[type[Purpose], ...] = (Service, Rights, Suppression, Proof)
"""The purposes that rest on contract or law: shown to members, never switchable."""

BY_KEY: dict[str, type[Purpose]] = {p.key: p for p in (*SWITCHABLE, *BASED_ON_LAW)}
BIT: dict[str, int] = {p.key: 1 << i for i, p in enumerate(SWITCHABLE)}


def purpose_named(key: str) -> type[Purpose]:
    """The purpose with this key.

    Raises:
        InputError: there is none; the message lists those that exist.
    """
    try:
        return BY_KEY[key]
    except KeyError:
        raise InputError(f"there is no purpose {key!r}; choose one of {', '.join(BY_KEY)}") from None


def mask_of(keys: Iterable[str]) -> int:
    """The bits of these switchable purposes, or-ed together."""
    mask = 0
    for key in keys:
        mask |= BIT[key]
    return mask


def keys_in(mask: int) -> tuple[str, ...]:
    """The keys of the switchable purposes whose bits are set, in bit order."""
    return tuple(p.key for p in SWITCHABLE if mask & BIT[p.key])
