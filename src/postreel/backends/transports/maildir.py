"""`MaildirTransport`: mails as files in a maildir (Bernstein 1995). Implements `ports.Transport`.

Rests on the purpose of the mails, any `Postable`; used by the gate's sending flow, through `app.py`. A mail's file
name follows from its Message-ID alone, and it is linked into `new/` in one step. So a mail is there or is not, a
second attempt finds the first, and nothing is ever ambiguous, whatever was killed when. (Readers that delete mails
take this knowledge away; keep them for as long as their campaign is being sent.)
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from postreel.backends.disk import make_folder, sync_folder, write_file
from postreel.backends.transports.handover import LATE, Fate, Letter, letters, opened, sends_of
from postreel.consent import Permitted, Seal
from postreel.errors import TransientError
from postreel.ports import Clock
from postreel.purposes import Postable
from postreel.schema import Messages, Sends

STORED = "stored"
ALREADY = "already there"


def file_name(message_id: str) -> str:
    """The name of a mail's file: the same for the same campaign and member, always."""
    return hashlib.sha256(message_id.encode()).hexdigest()


class MaildirTransport:
    """A maildir in a folder, made where it is missing."""

    def __init__(self, path: Path, seal: Seal, clock: Clock) -> None:
        self._path = make_folder(path)
        self._seal = seal
        self._clock = clock
        for part in ("tmp", "new", "cur"):
            make_folder(path / part)

    def ready(self) -> None:
        """Nothing to do: the folders are there."""

    def send(self, messages: Permitted[Messages, Postable], *, deadline_s: float) -> Sends:
        """Put each message into `new/`, in order. The link is the moment at which DATA begins and ends.

        Returns:
            One row a message: accepted (durable when this returns), or returned where its time ran out.

        Raises:
            ConsentError: the permit is not for mail, or another gate's.
            TransientError: the disk refused the first of them; nothing was handed over.
        """
        rows = opened(messages, self._seal)
        waiting = list(letters(rows))
        there = self._there([letter.message_id for letter in waiting])
        fates: list[Fate] = []
        for letter in waiting:
            try:
                fates.append(self._put(letter, there, deadline_s))
            except OSError as e:
                if all(f.reply != STORED for f in fates):
                    raise TransientError("the maildir took nothing; free some space and try again") from e
                fates.append(Fate("returned", "the disk refused; nothing was handed over"))
        if any(f.outcome == "accepted" for f in fates):
            sync_folder(self._path / "new")
        return sends_of(rows, fates)

    def delivered(self, message_ids: Sequence[str]) -> frozenset[str] | None:
        """Which of these lie in the maildir, read or unread."""
        there = self._there(message_ids)
        if there:
            sync_folder(self._path / "new")  # a killed sender may have linked them and not come to this
        for name in there:
            (self._path / "tmp" / name).unlink(missing_ok=True)  # nor to this
        return frozenset(m for m in message_ids if file_name(m) in there)

    def message(self, message_id: str) -> bytes | None:
        """The mail in the maildir, read or unread; None where its reader removed it."""
        name = file_name(message_id)
        for part in ("new", "cur"):
            for path in (self._path / part).glob(f"{name}*"):
                with suppress(FileNotFoundError):  # moved by a reader between the two
                    return path.read_bytes()
        return None

    def _put(self, letter: Letter, there: set[str], deadline_s: float) -> Fate:
        if self._is_late(deadline_s):
            return Fate("returned", LATE)
        name = file_name(letter.message_id)
        if name in there:
            return Fate("accepted", ALREADY)
        tmp = self._path / "tmp" / name
        tmp.unlink(missing_ok=True)  # left by a killed attempt
        try:
            write_file(tmp, letter.raw)
            if self._is_late(deadline_s):
                return Fate("returned", LATE)
            (self._path / "new" / name).hardlink_to(tmp)
        except FileExistsError:
            return Fate("accepted", ALREADY)
        finally:
            tmp.unlink(missing_ok=True)
        there.add(name)
        return Fate("accepted", STORED)

    def _is_late(self, deadline_s: float) -> bool:
        return self._clock.monotonic_s() >= deadline_s

    def _there(self, message_ids: Sequence[str]) -> set[str]:
        """File names of those of these mails that are there. A look for each: `new/` may hold a million others."""
        names = {file_name(message_id) for message_id in message_ids}
        found = {name for name in names if (self._path / "new" / name).exists()}
        # new/ before cur/: a reader moves mails that way, so none slips between the two looks.
        return found | names.intersection(name.split(":")[0] for name in os.listdir(self._path / "cur"))
