"""The SMTP transport against real servers on loopback: refusing, greylisting, hanging up, with and without TLS."""

import asyncio
import datetime
import gc
import json
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from ipaddress import ip_address
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult
from children import Nursery
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from homes import a_home, a_shared_kit, handing_to_a_server, opened_home, some_titles, with_members

from postreel.backends.local import SystemClock
from postreel.backends.transports import SmtpTransport
from postreel.consent import Permitted, Seal, Warrant
from postreel.errors import SettingsError, TransientError
from postreel.flows.send import Pace, Sent, plan_campaign, send_campaign
from postreel.ports import Clock
from postreel.purposes import MailPicks
from postreel.schema import Messages, Sends, id_array, unique_ids

SEAL = Seal()
CLOCK = SystemClock()


def batch(*addresses: str, body: bytes = b"Subject: s\r\n\r\nx\r\n") -> Permitted:
    rows = Messages.of(
        member=id_array([bytes([n + 1]) * 16 for n in range(len(addresses))]),
        message_id=pa.array([f"<{n}@example.org>" for n in range(len(addresses))]),
        address=pa.array(addresses, pa.string()),
        return_path=pa.array(["bounces@example.org"] * len(addresses)),
        raw=pa.array([body] * len(addresses), pa.large_binary()),
    )
    ids = unique_ids(rows.members)
    return Permitted(SEAL, rows, Warrant(MailPicks, 1, ids, np.zeros(len(ids), np.int64)))


class Server:
    """A mail server that does to each recipient what the local part of the address says.

    Attributes:
        slow_s: how long it thinks about a command before it answers.
        data_s: likewise about a mail.
        hang_up_after, closes_after: mails on one connection after which it just hangs up, or says 421 to the next.
    """

    def __init__(self) -> None:
        self.got: list[str] = []
        self.peers: set[tuple[str, int]] = set()
        self.seen: set[str] = set()
        self.options: list[str] = []
        self.is_encrypted: list[bool] = []
        self.before_rcpt: Callable[[str], None] = lambda word: None
        self.slow_s: dict[str, float] = {}
        self.data_s = 0.0
        self.data_count = self.noop_count = self.quit_count = 0
        self.hang_up_after = self.closes_after = 1_000_000
        self.is_deaf_to_noop = False

    async def handle_NOOP(self, server, session, envelope, arg):
        self.noop_count += 1
        if self.is_deaf_to_noop:
            server.transport.abort()
        return "250 OK"

    async def handle_QUIT(self, server, session, envelope):
        self.quit_count += 1
        return "221 Bye"

    async def handle_EHLO(self, server, session, envelope, hostname, responses):
        self.peers.add(session.peer)
        session.host_name = hostname
        return responses

    async def handle_MAIL(self, server, session, envelope, address, mail_options):
        if server.mail_count >= self.closes_after:
            server.transport.write(b"421 4.7.0 too many on one connection\r\n")
            server.transport.close()
            return "250 unheard"
        envelope.mail_from = address
        self.options = mail_options
        return "250 OK"

    async def handle_RCPT(self, server, session, envelope, address, rcpt_options):
        word = address.split("@")[0]
        self.before_rcpt(word)
        if word == "grey" and address not in self.seen:
            self.seen.add(address)
            return f"451 4.7.1 <{address}> greylisted, come back later"
        if word == "unknown":
            return f"550 5.1.1 <{address}>: no such user {'x' * 600}"
        if word == "closing":
            server.transport.write(b"421 4.3.2 going down\r\n")
            server.transport.close()
            return "250 unheard"
        if word == "vanish":
            server.transport.abort()
            return "250 unheard"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        word = envelope.rcpt_tos[0].split("@")[0]
        self.data_count += 1
        server.mail_count += 1
        await asyncio.sleep(self.data_s)
        if word == "drop":
            server.transport.abort()
            return "250 unheard"
        if word == "busy":
            return "452 4.2.2 mailbox full"
        if word == "spam":
            return "554 5.7.1 looks like spam"
        if word == "nonsense":
            server.transport.write(b"what?\r\n")
            return "250 too late"
        self.got.append(envelope.rcpt_tos[0])
        self.is_encrypted.append(session.ssl is not None)
        if word == "last" or server.mail_count == self.hang_up_after:  # hangs up between two mails
            threading.Timer(0.0, server.loop.call_soon_threadsafe, [server.transport.close]).start()
        return "250 2.0.0 kept"


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as s:
        return s.getsockname()[1]


@contextmanager
def serving(handler: Server, **options) -> Iterator[int]:
    port = free_port()

    made: list[SMTP] = []

    def slowed(verb: str, at_once: Callable) -> Callable:
        async def after_a_while(arg):
            await asyncio.sleep(handler.slow_s.get(verb, 0.0))
            await at_once(arg)

        return after_a_while

    class Slow(SMTP):
        mail_count = 0

        def __init__(self, *args, **named):
            super().__init__(*args, **named)
            self._smtp_methods = {verb: slowed(verb, at_once) for verb, at_once in self._smtp_methods.items()}

    class Quiet(Controller):
        def factory(self):
            made.append(Slow(self.handler, hostname="mx.example.org", enable_SMTPUTF8=True, **options))
            return made[-1]

    controller = Quiet(handler, hostname="127.0.0.1", port=port)
    controller.start()
    try:
        yield port
    finally:
        settle(made)
        controller.stop()


def settle(made: list[SMTP]) -> None:
    """Wait until the server's side of every connection is closed: stopping it earlier would leave sockets open."""
    until = CLOCK.monotonic_s() + 3
    while any(s.transport is not None for s in made) and CLOCK.monotonic_s() < until:
        CLOCK.sleep(0.005)


@pytest.fixture
def server() -> Server:
    return Server()


def send(port: int, *addresses: str, within_s: float = 30, tls: str = "none", **named) -> Sends:
    transport = SmtpTransport("127.0.0.1", port, SEAL, CLOCK, tls=tls, reply_timeout_s=5, **named)
    with closing(transport):
        return transport.send(batch(*addresses), deadline_s=CLOCK.monotonic_s() + within_s)


def over(port: int, clock: SystemClock = CLOCK, **named) -> SmtpTransport:
    return SmtpTransport("127.0.0.1", port, SEAL, clock, **{"tls": "none", "reply_timeout_s": 5} | named)


def send_ready(transport: SmtpTransport, *addresses: str, clock: SystemClock = CLOCK) -> list[str]:
    """As a flow does: make ready, and only then have 0.8 s."""
    transport.ready()
    return outcomes(transport.send(batch(*addresses), deadline_s=clock.monotonic_s() + 0.8))


def outcomes(sends: Sends) -> list[str]:
    return sends.column("outcome").tolist()


def test_each_answer_has_its_outcome_on_one_connection(server: Server):
    with serving(server) as port:
        words = ("a", "unknown", "grey", "busy", "spam", "b")
        sends = send(port, *(f"{w}@example.org" for w in words))
    assert outcomes(sends) == ["accepted", "refused", "deferred", "deferred", "refused", "accepted"]
    assert server.got == ["a@example.org", "b@example.org"]
    assert len(server.peers) == 1
    replies = sends.column("reply").tolist()
    assert replies[1].startswith("550 5.1.1 (address): no such user xxx")
    assert len(replies[1]) == 500
    assert replies[2] == "451 4.7.1 (address) greylisted, come back later"
    assert replies[3] == "452 4.2.2 mailbox full"


def test_a_greylisted_mail_is_taken_the_second_time(server: Server):
    with serving(server) as port:
        assert outcomes(send(port, "grey@example.org")) == ["deferred"]
        assert outcomes(send(port, "grey@example.org")) == ["accepted"]


@pytest.mark.parametrize("word", ["drop", "nonsense"])
def test_a_connection_lost_after_data_leaves_that_mail_alone_ambiguous(server: Server, word: str):
    with serving(server) as port:
        sends = send(port, "a@example.org", f"{word}@example.org", "b@example.org")
    assert outcomes(sends) == ["accepted", "ambiguous", "accepted"]
    assert server.got == ["a@example.org", "b@example.org"]
    assert len(server.peers) == 2


def test_a_server_that_never_answers_data_leaves_it_ambiguous():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]

        def serve() -> None:
            connection, _ = listener.accept()
            with connection, connection.makefile("rwb") as f:
                f.write(b"220 mx\r\n")
                f.flush()
                for line in f:
                    f.write(b"354 go on\r\n" if line.startswith(b"DATA") else b"250 OK\r\n")
                    f.flush()
                    if line.startswith(b"DATA"):
                        break
                while f.readline():
                    pass

        thread = threading.Thread(target=serve)
        thread.start()
        transport = SmtpTransport("127.0.0.1", port, SEAL, CLOCK, tls="none", reply_timeout_s=0.3)
        sends = transport.send(batch("a@example.org"), deadline_s=CLOCK.monotonic_s() + 5)
        transport.close()
        thread.join()
    assert outcomes(sends) == ["ambiguous"]


def test_a_server_that_hangs_up_between_mails_is_asked_again(server: Server):
    with serving(server) as port:
        assert outcomes(send(port, "last@example.org", "a@example.org")) == ["accepted", "accepted"]
    assert server.got == ["last@example.org", "a@example.org"]
    assert len(server.peers) == 2


def test_a_server_that_goes_for_good_between_mails_returns_the_rest(server: Server):
    with serving(server) as port:
        sends = send(port, "a@example.org", "vanish@example.org", "vanish@example.org", "b@example.org")
    assert outcomes(sends) == ["accepted", "returned", "returned", "accepted"]
    with serving(server) as port, pytest.raises(TransientError, match="nothing was handed over"):
        send(port, "vanish@example.org")


def test_a_server_that_closes_with_421_defers(server: Server):
    with serving(server) as port:
        assert outcomes(send(port, "closing@example.org", "a@example.org")) == ["deferred", "accepted"]


def test_a_server_that_is_not_there_is_tried_again_later():
    with pytest.raises(TransientError, match="nothing was handed over"):
        send(free_port(), "a@example.org")


def test_a_server_that_never_greets_is_given_up_at_the_deadline():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        started = CLOCK.monotonic_s()
        with pytest.raises(TransientError, match="in time"):
            send(listener.getsockname()[1], "a@example.org", within_s=0.3)
        assert CLOCK.monotonic_s() - started < 3


def test_no_data_begins_after_the_deadline_though_mail_and_rcpt_were_taken(server: Server):
    server.before_rcpt = lambda word: CLOCK.sleep(0.5) if word == "slow" else None
    with serving(server) as port:
        sends = send(port, "a@example.org", "slow@example.org", "b@example.org", within_s=0.4)
    assert outcomes(sends) == ["accepted", "returned", "returned"]
    assert server.got == ["a@example.org"]


class MovableClock(SystemClock):
    """Goes on by itself, and jumps when told."""

    ahead_s = 0.0

    def monotonic_s(self) -> float:
        return super().monotonic_s() + self.ahead_s

    def jump(self, by_s: float) -> None:
        self.ahead_s += by_s


def test_the_deadline_is_looked_at_immediately_before_data(server: Server):
    clock = MovableClock()
    server.before_rcpt = lambda word: clock.jump(1e6)  # the last question before DATA
    with serving(server) as port, closing(over(port, clock)) as transport:
        deadline_s = clock.monotonic_s() + 10
        assert outcomes(transport.send(batch("a@example.org"), deadline_s=deadline_s)) == ["returned"]
    assert server.got == []


def test_addresses_and_bodies_beyond_ascii_are_announced(server: Server):
    mail = batch("änne@example.org", body="Subject: s\r\n\r\nÄ\r\n".encode())
    with serving(server) as port, closing(over(port)) as transport:
        assert outcomes(transport.send(mail, deadline_s=CLOCK.monotonic_s() + 30)) == ["accepted"]
    assert set(server.options) >= {"SMTPUTF8", "BODY=8BITMIME"}
    assert server.got == ["änne@example.org"]


@pytest.fixture(scope="module")
def contexts(tmp_path_factory: pytest.TempPathFactory) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """A server's context with a fresh certificate for 127.0.0.1, and a client's that trusts it."""
    folder: Path = tmp_path_factory.mktemp("tls")
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = CLOCK.now()
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), True)
        .sign(key, hashes.SHA256())
    )
    pem = certificate.public_bytes(serialization.Encoding.PEM)
    (folder / "cert.pem").write_bytes(pem)
    (folder / "key.pem").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    serves = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    serves.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    trusts = ssl.create_default_context(cadata=pem.decode())
    return serves, trusts


def test_required_tls_is_used_where_the_certificate_holds(server: Server, contexts):
    serves, trusts = contexts
    with serving(server, tls_context=serves) as port:
        assert outcomes(send(port, "a@example.org", tls="require", context=trusts)) == ["accepted"]
        assert server.is_encrypted == [True]
        with pytest.raises(TransientError, match="nothing was handed over"):
            send(port, "a@example.org", tls="require")  # a certificate that the system does not trust
    assert server.got == ["a@example.org"]


def test_required_tls_that_is_not_offered_sends_nothing(server: Server):
    with serving(server) as port, pytest.raises(TransientError, match="offers no STARTTLS"):
        send(port, "a@example.org", tls="require")
    assert server.got == []


def test_opportunistic_tls_takes_what_there_is(server: Server, contexts):
    with serving(server, tls_context=contexts[0]) as port:
        assert outcomes(send(port, "a@example.org", tls="opportunistic")) == ["accepted"]
    with serving(server) as port:
        assert outcomes(send(port, "b@example.org", tls="opportunistic")) == ["accepted"]
    assert server.is_encrypted == [True, False]


def test_a_password_is_sent_over_tls_alone_and_a_wrong_one_is_said(server: Server, contexts):
    serves, trusts = contexts

    def check(server, session, envelope, mechanism, auth_data):
        return AuthResult(success=auth_data.password == b"right", handled=False)

    named = {"tls": "require", "context": trusts, "username": "u"}
    with serving(server, tls_context=serves, authenticator=check, auth_required=True) as port:
        assert outcomes(send(port, "a@example.org", password="right", **named)) == ["accepted"]
        with pytest.raises(SettingsError, match="password"):
            send(port, "a@example.org", password="wrong", **named)
    with pytest.raises(SettingsError, match="clear"):
        SmtpTransport("mx.example.org", 25, SEAL, CLOCK, tls="opportunistic", username="u")


# -- the kept connection


def test_batches_share_a_connection_and_the_server_is_taken_leave_of(server: Server):
    with serving(server) as port:
        transport = over(port)
        for word in "abc":
            assert send_ready(transport, f"{word}@example.org") == ["accepted"]
        assert len(server.peers) == 1
        transport.close()
        assert [t for t in threading.enumerate() if t.name == "smtp"] == []
        assert send_ready(transport, "d@example.org") == ["accepted"]
        transport.close()
    assert server.got == [f"{word}@example.org" for word in "abcd"]
    assert server.quit_count == 2


def test_a_transport_that_nobody_holds_any_more_leaves_its_server(server: Server):
    with serving(server) as port:
        transport = over(port)
        transport.ready()
        del transport
        gc.collect()
        assert [t for t in threading.enumerate() if t.name == "smtp"] == []
    assert server.quit_count == 1


@pytest.mark.parametrize("word", ["last", "drop"])
def test_a_connection_dropped_between_batches_is_replaced(server: Server, word: str):
    with serving(server) as port, closing(over(port)) as transport:
        first = send_ready(transport, "a@example.org", f"{word}@example.org")
        CLOCK.sleep(0.05)
        assert send_ready(transport, "b@example.org", "c@example.org") == ["accepted", "accepted"]
    assert first == ["accepted", "ambiguous" if word == "drop" else "accepted"]
    assert server.got == [
        f"{w}@example.org" for w in ("a", "last", "b", "c") if w != "last" or word == "last"
    ]
    assert len(server.peers) == 2


def test_an_idle_connection_is_asked_and_one_that_does_not_answer_is_replaced(server: Server):
    clock = MovableClock()
    with serving(server) as port, closing(over(port, clock)) as transport:
        assert send_ready(transport, "a@example.org", clock=clock) == ["accepted"]
        clock.jump(4)
        assert send_ready(transport, "b@example.org", clock=clock) == ["accepted"]
        assert server.noop_count == 0
        clock.jump(6)
        assert send_ready(transport, "c@example.org", clock=clock) == ["accepted"]
        assert (server.noop_count, len(server.peers)) == (1, 1)
        server.is_deaf_to_noop = True
        clock.jump(6)
        assert send_ready(transport, "d@example.org", clock=clock) == ["accepted"]
        assert (server.noop_count, len(server.peers)) == (2, 2)
    assert server.got == [f"{word}@example.org" for word in "abcd"]


def test_a_worn_connection_is_replaced_before_the_next_batch(server: Server):
    clock = MovableClock()
    with serving(server) as port, closing(over(port, clock)) as transport:
        for number in range(7):  # 112 mails
            batch_of_16 = [f"{number}-{n}@example.org" for n in range(16)]
            assert send_ready(transport, *batch_of_16, clock=clock) == ["accepted"] * 16
        assert len(server.peers) == 1
        assert send_ready(transport, "a@example.org", clock=clock) == ["accepted"]
        assert len(server.peers) == 2
        clock.jump(301)
        assert send_ready(transport, "b@example.org", clock=clock) == ["accepted"]
        assert len(server.peers) == 3


def test_a_server_that_is_not_there_is_said_before_anything_is_in_flight():
    with closing(over(free_port())) as transport, pytest.raises(TransientError, match="not reached"):
        transport.ready()


def test_a_batch_waits_for_another_no_longer_than_its_mails_may(server: Server):
    server.data_s = 1.0
    with serving(server) as port, closing(over(port)) as transport:
        transport.ready()
        first = threading.Thread(target=send_ready, args=(transport, "a@example.org"))
        first.start()
        while not server.data_count:
            CLOCK.sleep(0.002)
        started_s = CLOCK.monotonic_s()
        late = transport.send(batch("b@example.org"), deadline_s=started_s + 0.3)
        assert CLOCK.monotonic_s() - started_s < 0.8
        assert outcomes(late) == ["returned"]
        first.join()
        server.data_s = 0.0
        assert send_ready(transport, "c@example.org") == ["accepted"]
    assert server.got == ["a@example.org", "c@example.org"]
    assert len(server.peers) == 1


# -- campaigns over slow and moody servers


def campaign_over(path: Path, count: int, transport: Callable[[Seal, Clock], SmtpTransport]) -> Sent:
    """A campaign to so many members, to its end."""
    made: list[SmtpTransport] = []

    def made_by(seal: Seal, clock: Clock) -> SmtpTransport:
        made.append(transport(seal, clock))
        return made[-1]

    home = opened_home(a_home(path), transport=made_by)
    home.gate.put_titles(some_titles(4))
    with_members(home.gate, count, ["mail.picks"], CLOCK.now())
    campaign, _ = plan_campaign(home.gate, "picks", "c1", CLOCK)
    try:
        return send_campaign(home.gate, campaign, a_shared_kit(), CLOCK)
    finally:
        made[0].close()
        home.close()


def over_plain(port: int) -> Callable[[Seal, Clock], SmtpTransport]:
    return lambda seal, clock: SmtpTransport("127.0.0.1", port, seal, clock, tls="none")


def assert_each_got_one(server: Server, sent: Sent, count: int) -> None:
    assert sent.states == {"accepted": count}
    assert sorted(server.got) == sorted(f"member-{n}@example.org" for n in range(count))


def test_a_server_slow_to_greet_and_to_encrypt_gets_every_mail(tmp_path: Path, server: Server, contexts):
    serves, trusts = contexts
    server.slow_s = {"EHLO": 0.3, "STARTTLS": 0.3}
    with serving(server, tls_context=serves) as port:
        transport = lambda seal, clock: SmtpTransport("127.0.0.1", port, seal, clock, context=trusts)  # noqa: E731
        sent = campaign_over(tmp_path / "home", 40, transport)
    assert_each_got_one(server, sent, 40)
    assert len(server.peers) == 1


def test_a_server_slow_in_every_answer_gets_every_mail_in_smaller_groups(tmp_path: Path, server: Server):
    server.slow_s = dict.fromkeys(("EHLO", "MAIL", "RCPT", "DATA", "RSET", "QUIT"), 0.06)
    server.data_s = 0.06
    with serving(server) as port:
        sent = campaign_over(tmp_path / "home", 40, over_plain(port))
    assert_each_got_one(server, sent, 40)
    # Where time runs out, no question is cut off half-way, so that hardly a connection is lost over it.
    assert len(server.peers) <= 5


def test_a_server_that_drops_the_connection_between_groups_gets_each_mail_once(
    tmp_path: Path, server: Server
):
    server.hang_up_after = 16
    with serving(server) as port:
        sent = campaign_over(tmp_path / "home", 40, over_plain(port))
    assert_each_got_one(server, sent, 40)
    assert len(server.peers) >= 3


def test_a_server_that_closes_with_421_after_a_few_mails_gets_each_mail_once(tmp_path: Path, server: Server):
    server.closes_after = 5
    with serving(server) as port:
        sent = campaign_over(tmp_path / "home", 40, over_plain(port))
    assert_each_got_one(server, sent, 40)
    assert len(server.peers) == 8


def test_a_campaign_whose_server_is_away_ends_with_an_error_and_a_later_run_carries_on(
    tmp_path: Path, server: Server
):
    settings = a_home(tmp_path / "home")
    home = opened_home(settings)
    home.gate.put_titles(some_titles(4))
    with_members(home.gate, 20, ["mail.picks"], CLOCK.now())
    handing_to_a_server(settings, free_port())
    words = ("--home", str(settings.home), "--json", "campaign", "send", "picks")
    with Nursery(tmp_path / "children") as nursery:
        child = nursery.start(*words)
        assert child.wait() == 1
        assert "the mail server was not reached" in child.said
        states = {row.state for row in home.gate.sends()}
        assert states == {"claimed"}
        with serving(server) as port:
            handing_to_a_server(settings, port)
            again = nursery.start(*words)
            assert again.wait() == 0, again.said
    home.close()
    assert json.loads(again.out)["accepted"] == 20
    assert sorted(server.got) == sorted(f"member-{n}@example.org" for n in range(20))


def test_groups_halve_where_mails_come_back_and_double_where_none_does():
    pace = Pace()
    sizes = [pace.size]
    for returned_count in (3, 8, 4, 1, 1, 0, 0, 1, 0, 0, 0, 0):
        pace.heed(min(pace.size, 16), min(returned_count, pace.size))
        sizes.append(pace.size)
    assert sizes == [16, 8, 4, 2, 1, 1, 2, 4, 2, 4, 8, 16, 16]


def test_a_server_that_lets_nothing_begin_is_given_up():
    pace = Pace()
    for _ in range(7):
        pace.heed(pace.size, pace.size)
        pace.heed(0, 0)  # all withheld: that says nothing of the server
    with pytest.raises(TransientError, match="too slow"):
        pace.heed(pace.size, pace.size)
