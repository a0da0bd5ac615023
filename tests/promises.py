"""What a member was promised of every mail, checked at the moment the mail is there.

For the machine of test_sending_machine.py: a plain model of what each member has said and done, and what must
hold of a mail in the light of it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from homes import Opened
from interrupted import InterruptedTransport
from mails import Mail

from postreel.purposes import SWITCHABLE
from postreel.settings import Settings

PURPOSES = tuple(p.key for p in SWITCHABLE)
MAILS = tuple(key for key in PURPOSES if key.startswith("mail."))
NEEDS = {key: ("history",) for key in ("devices", "recommendations", "training", "mail.nudges", "analytics")}
NEEDS |= {"measure.opens": MAILS, "measure.clicks": MAILS, "learn": ("recommendations",)}


@dataclass
class Person:
    """What a member has said and done, as they would remember it."""

    member: bytes
    address: str
    states: dict[str, str] = field(default_factory=dict)
    watched: set[str] = field(default_factory=set)
    is_leaving: bool = False
    is_erased: bool = False

    def has(self, purpose: str) -> bool:
        """Whether they granted it, and one of its needs, and so on."""
        needs = NEEDS.get(purpose, ())
        return self.states.get(purpose) == "granted" and (not needs or any(self.has(need) for need in needs))


class Promises:
    """Holds each mail that appears to what its member said.

    Attributes:
        blocked: addresses that are not to be mailed.
        mailed: who has had a mail of which campaign.
        seen: files that were looked at.
        named: mails that the answer to a withdrawal named as begun.
        under_way: mails that were in flight when their address bounced, or came to be shared.
    """

    settings: Settings
    other: Opened

    def promise_nothing_yet(self) -> None:
        """Nobody is here, and nothing was sent."""
        self.people: list[Person] = []
        self.blocked: set[str] = set()
        self.mailed: set[tuple[str, bytes]] = set()
        self.seen: set[str] = set()
        self.named: set[str] = set()
        self.under_way: set[str] = set()

    def let_go(self) -> None:
        """Mails in flight are under way: a bounce or a new neighbour, unlike a withdrawal, does not wait for them."""
        with self.other.core.records.reading() as tx:
            self.under_way |= {row.message_id for row in tx.in_flight() if row.message_id}

    def look_around(self) -> None:
        """No mail is there that was not looked at when it came."""
        assert {path.name for path in (self.settings.home / "outbox" / "new").iterdir()} == self.seen

    def appeared(self) -> None:
        """Look at each mail that is new in the maildir."""
        for path in sorted((self.settings.home / "outbox" / "new").iterdir()):
            if path.name not in self.seen:
                self.seen.add(path.name)
                self.check(Mail.of(path.read_bytes()))

    def check(self, mail: Mail) -> None:
        """Everything that must hold of one mail."""
        message_id = str(mail.message["Message-ID"])
        with self.other.core.records.reading() as tx:
            (row,) = (row for row in tx.outbox() if row.message_id == message_id)
        person = next(person for person in self.people if person.member == row.member)
        assert (row.campaign, row.member) not in self.mailed, "twice"
        self.mailed.add((row.campaign, row.member))
        if message_id in self.named:
            return  # named in the answer to the withdrawal as begun
        assert person.has("mail.picks"), "no live mail.picks"
        assert not person.is_erased
        assert mail.message["To"] == person.address
        is_under_way = message_id in self.under_way
        assert is_under_way or person.address not in self.blocked
        remote = [place for place in mail.loads if not place.startswith("cid:")]
        assert len(remote) <= 1
        assert all("/o/" in place for place in remote)
        assert not remote or person.has("measure.opens"), "loads something without measure.opens"
        if not person.has("measure.clicks"):
            steering = ("/unsubscribe/", "/preferences/", "/why/")
            plain = [link for link in mail.links if not any(word in link for word in steering)]
            assert {link.partition("/watch/film-")[0] for link in plain} == {"https://postreel.example"}
            assert all(link.rpartition("-")[2].isdigit() for link in plain), "a link that tells"
        record = json.loads(row.record or "{}")
        reasons = {reason["title_id"] for title in record["titles"] for reason in title["reasons"]}
        named = {name for title in record["titles"] for name in title["named"]}
        assert named <= reasons
        assert reasons <= person.watched, "a reason that is not, or no longer, theirs"
        assert not record["is_personal"] or person.has("recommendations")
        sharing = [p for p in self.people if p.address == person.address and not p.is_erased]
        assert is_under_way or len(sharing) == 1 or not (reasons or record["is_personal"]), (
            "one's history in another's mailbox"
        )


class Watched:
    """A transport after each of whose mails the maildir is looked at."""

    def __init__(self, transport: InterruptedTransport, machine: Promises) -> None:
        self._transport, self._machine = transport, machine
        inner = transport._transport  # noqa: SLF001 - the maildir itself, so that no step lies in between
        transport._transport = _Looking(inner, machine)  # type: ignore[assignment]  # noqa: SLF001

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)


class _Looking:
    def __init__(self, box: Any, machine: Promises) -> None:
        self._box, self._machine = box, machine

    def send(self, messages: Any, *, deadline_s: float) -> Any:
        sends = self._box.send(messages, deadline_s=deadline_s)
        self._machine.appeared()
        return sends

    def __getattr__(self, name: str) -> Any:
        return getattr(self._box, name)
