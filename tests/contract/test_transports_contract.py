"""What `ports.Transport` promises, for every transport."""

import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from aiosmtpd.controller import Controller

from postreel.backends.local import SystemClock
from postreel.backends.transports import MaildirTransport, SmtpTransport
from postreel.consent import Permitted, Seal, Warrant
from postreel.errors import ConsentError
from postreel.ports import Transport
from postreel.purposes import History, MailPicks, Purpose
from postreel.schema import Messages, id_array, unique_ids

SEAL = Seal()
CLOCK = SystemClock()


def raw(number: int) -> bytes:
    return (
        f"From: a@example.org\r\nTo: m{number}@example.org\r\nMessage-ID: <{number}@example.org>\r\n\r\n"
        "A line.\r\n.\r\n..two dots\r\nTitle: Amélie\r\n\r\n"
    ).encode()


def messages_of(*numbers: int) -> Messages:
    return Messages.of(
        member=id_array([bytes([n + 1]) * 16 for n in numbers]),
        send_id=id_array([bytes([n + 101]) * 16 for n in numbers]),
        address=pa.array([f"m{n}@example.org" for n in numbers], pa.string()),
        return_path=pa.array(["bounces@example.org"] * len(numbers), pa.string()),
        message_id=pa.array([f"<{n}@example.org>" for n in numbers], pa.string()),
        raw=pa.array([raw(n) for n in numbers], pa.large_binary()),
    )


def permitted(messages: Messages, purpose: type[Purpose] = MailPicks) -> Permitted:
    ids = unique_ids(messages.members)
    return Permitted(SEAL, messages, Warrant(purpose, 1, ids, np.zeros(len(ids), np.int64)))


@dataclass
class Case:
    transport: Transport
    arrived: Callable[[], list[bytes]]


class Sink:
    def __init__(self) -> None:
        self.mails: list[bytes] = []

    async def handle_DATA(self, server, session, envelope):
        self.mails.append(envelope.original_content)
        return "250 2.0.0 kept for <m1@example.org>"


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as s:
        return s.getsockname()[1]


@contextmanager
def smtp_case() -> Iterator[Case]:
    sink = Sink()
    port = free_port()
    controller = Controller(sink, hostname="127.0.0.1", port=port)
    controller.start()
    transport = SmtpTransport("127.0.0.1", port, SEAL, CLOCK, tls="none")
    try:
        yield Case(transport, lambda: sink.mails)
    finally:
        transport.close()
        controller.stop()


@pytest.fixture(params=["maildir", "smtp"])
def case(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Case]:
    if request.param == "maildir":
        box = tmp_path / "outbox"
        yield Case(
            MaildirTransport(box, SEAL, CLOCK),
            lambda: sorted(p.read_bytes() for p in (box / "new").iterdir()),
        )
    else:
        with smtp_case() as found:
            yield found


def soon() -> float:
    return CLOCK.monotonic_s() + 30


def test_messages_arrive_byte_for_byte_and_each_has_its_row(case: Case):
    sends = case.transport.send(permitted(messages_of(2, 0, 1)), deadline_s=soon())
    assert sends.column("outcome").tolist() == ["accepted"] * 3
    assert sends.members.tolist() == [bytes([n]) * 16 for n in (3, 1, 2)]
    assert sends.table.column("send_id").to_pylist() == [bytes([n]) * 16 for n in (103, 101, 102)]
    assert sorted(case.arrived()) == sorted(raw(n) for n in (0, 1, 2))
    assert not any("@" in reply for reply in sends.column("reply"))


def test_made_ready_before_each_batch_it_hands_over_as_without(case: Case):
    for number in range(2):
        case.transport.ready()
        case.transport.ready()
        sends = case.transport.send(permitted(messages_of(number)), deadline_s=soon())
        assert sends.column("outcome").tolist() == ["accepted"]
    assert sorted(case.arrived()) == sorted(raw(n) for n in (0, 1))


def test_after_the_deadline_nothing_is_handed_over(case: Case):
    sends = case.transport.send(permitted(messages_of(0, 1)), deadline_s=CLOCK.monotonic_s())
    assert sends.column("outcome").tolist() == ["returned"] * 2
    assert case.arrived() == []
    assert case.transport.delivered(["<0@example.org>"]) in (frozenset(), None)


def test_only_permits_for_mail_of_this_gate_are_opened(case: Case):
    mails = messages_of(0)
    with pytest.raises(ConsentError):
        case.transport.send(permitted(mails, History), deadline_s=soon())
    with pytest.raises(ConsentError):
        case.transport.send(Permitted(Seal(), mails, permitted(mails).warrant), deadline_s=soon())
    assert case.arrived() == []


def test_no_message_is_no_row(case: Case):
    assert len(case.transport.send(permitted(Messages.empty()), deadline_s=soon())) == 0


def test_what_was_delivered_is_known_or_said_to_be_unknown(case: Case):
    case.transport.send(permitted(messages_of(0, 1)), deadline_s=soon())
    known = case.transport.delivered(["<0@example.org>", "<9@example.org>"])
    assert known is None or known == {"<0@example.org>"}


def test_a_mail_can_be_looked_at_as_it_left_where_it_is_kept(case: Case):
    case.transport.send(permitted(messages_of(0)), deadline_s=soon())
    assert case.transport.message("<0@example.org>") in (raw(0), None)
    assert case.transport.message("<9@example.org>") is None
