"""Ports that stop at a chosen call: the process dies there, or somebody else does something in between.

Dying is a `Killed`, which nothing catches, and after which the whole application is thrown away: what is then on
disk is what a SIGKILL at the border of a port would have left.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import numpy as np

from postreel.consent import Permitted
from postreel.ports import Clock, Records, Transaction, Transport
from postreel.purposes import Postable
from postreel.schema import Messages, Sends


class Killed(BaseException):
    """The process is gone."""


class JumpingClock:
    """A clock whose wall may jump either way, and whose monotonic time only grows; sleeping moves both on."""

    def __init__(self, at: datetime) -> None:
        self.at, self.seconds = at, 1000.0

    def now(self) -> datetime:
        """Wall-clock time."""
        return self.at

    def monotonic_s(self) -> float:
        """Seconds that only grow."""
        return self.seconds

    def sleep(self, seconds: float) -> None:
        """Wait, which takes no time here."""
        self.at += timedelta(seconds=max(seconds, 0.0))
        self.seconds += max(seconds, 0.0)

    def jump(self, hours: float) -> None:
        """Somebody set the wall clock."""
        self.at += timedelta(hours=hours)


def die() -> None:
    """What a kill does."""
    raise Killed


@dataclass
class Interruption:
    """Counts the calls of all ports, before each and after; at the chosen one something happens, once."""

    at: int | None = None
    action: Callable[[], None] = die
    count: int = 0
    names: list[str] = field(default_factory=list)

    def arm(self, at: int | None, action: Callable[[], None] = die) -> None:
        """Let it happen at this step from now; None: never."""
        self.at, self.action, self.count = at, action, 0
        self.names.clear()

    def step(self, name: str) -> None:
        """One more."""
        self.count += 1
        self.names.append(name)
        if self.at is not None and self.count >= self.at:
            self.at = None
            self.action()


class InterruptedPort:
    """Any port with plain methods."""

    def __init__(self, port: Any, interruption: Interruption) -> None:
        self._port, self._interruption = port, interruption

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._port, name)
        if not callable(found):
            return found

        def called(*values: Any, **named: Any) -> Any:
            self._interruption.step(f"before {name}")
            result = found(*values, **named)
            self._interruption.step(f"after {name}")
            return result

        return called


class InterruptedClock:
    """A clock, each look at which is a step after which the time that was seen may be old."""

    def __init__(self, clock: Clock, interruption: Interruption) -> None:
        self._clock, self._interruption = clock, interruption

    def now(self) -> datetime:
        """Wall-clock time."""
        return self._clock.now()

    def monotonic_s(self) -> float:
        """Seconds that only grow."""
        self._interruption.step("before looking at the clock")
        seen = self._clock.monotonic_s()
        self._interruption.step("after looking at the clock")
        return seen

    def sleep(self, seconds: float) -> None:
        """Wait."""
        self._clock.sleep(seconds)


class InterruptedRecords:
    """A record store: a step before each transaction, one after, and one before a commit where only dying fits."""

    def __init__(self, records: Records, interruption: Interruption) -> None:
        self._records, self._interruption = records, interruption

    @contextmanager
    def reading(self) -> Generator[Transaction, None, None]:
        """A consistent view."""
        with self._records.reading() as tx:
            yield tx
        self._interruption.step("after reading")

    @contextmanager
    def writing(self) -> Generator[Transaction, None, None]:
        """One transaction."""
        self._interruption.step("before writing")
        with self._records.writing() as tx:
            yield tx
            if self._interruption.action is die:
                self._interruption.step("before the commit")
        self._interruption.step("after the commit")


class InterruptedTransport:
    """A transport that may stop after some of the mails of a group."""

    def __init__(self, transport: Transport, interruption: Interruption) -> None:
        self._transport, self._interruption = transport, interruption

    def ready(self) -> None:
        """Before mails are put in flight."""
        self._interruption.step("before the transport is ready")
        self._transport.ready()

    def send(self, messages: Permitted[Messages, Postable], *, deadline_s: float) -> Sends:
        """One by one, so that a step lies between any two."""
        parts: list[Sends] = []
        for n in range(len(messages)):
            self._interruption.step("before a mail")
            one = np.arange(len(messages)) == n
            parts.append(self._transport.send(messages.where(one), deadline_s=deadline_s))
            self._interruption.step("after a mail")
        return Sends.concat(parts) if parts else Sends.empty()

    def delivered(self, message_ids: Sequence[str]) -> frozenset[str] | None:
        """Which of these were handed over before."""
        return self._transport.delivered(message_ids)

    def message(self, message_id: str) -> bytes | None:
        """A mail as it left."""
        return self._transport.message(message_id)
