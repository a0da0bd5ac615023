"""The SMTP transport against real servers on loopback: refusing, greylisting, hanging up, with and without TLS."""

import datetime
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from ipaddress import ip_address
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from postreel.backends.local import SystemClock
from postreel.backends.transports import SmtpTransport
from postreel.consent import Permitted, Seal, Warrant
from postreel.errors import SettingsError, TransientError
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
    """A mail server that does to each recipient what the local part of the address says."""

    def __init__(self) -> None:
        self.got: list[str] = []
        self.peers: set[tuple[str, int]] = set()
        self.seen: set[str] = set()
        self.options: list[str] = []
        self.is_encrypted: list[bool] = []
        self.before_rcpt: Callable[[str], None] = lambda word: None

    async def handle_EHLO(self, server, session, envelope, hostname, responses):
        self.peers.add(session.peer)
        session.host_name = hostname
        return responses

    async def handle_MAIL(self, server, session, envelope, address, mail_options):
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
        if word == "last":  # hangs up between two mails
            threading.Timer(0.0, server.loop.call_soon_threadsafe, [server.transport.close]).start()
        return "250 2.0.0 kept"


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as s:
        return s.getsockname()[1]


@contextmanager
def serving(handler: Server, **options) -> Iterator[int]:
    port = free_port()

    made: list[SMTP] = []

    class Quiet(Controller):
        def factory(self):
            made.append(SMTP(self.handler, hostname="mx.example.org", enable_SMTPUTF8=True, **options))
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
    return transport.send(batch(*addresses), deadline_s=CLOCK.monotonic_s() + within_s)


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


class LateClock(SystemClock):
    """Jumps past every deadline at the third look, which is the one before DATA."""

    def __init__(self) -> None:
        self.look_count = 0

    def monotonic_s(self) -> float:
        self.look_count += 1
        return 0.0 if self.look_count < 3 else 1e9


def test_the_deadline_is_looked_at_immediately_before_data(server: Server):
    with serving(server) as port:
        transport = SmtpTransport("127.0.0.1", port, SEAL, LateClock(), tls="none")
        assert outcomes(transport.send(batch("a@example.org"), deadline_s=10.0)) == ["returned"]
    assert server.got == []


def test_addresses_and_bodies_beyond_ascii_are_announced(server: Server):
    transport_of = lambda port: SmtpTransport("127.0.0.1", port, SEAL, CLOCK, tls="none")  # noqa: E731
    mail = batch("änne@example.org", body="Subject: s\r\n\r\nÄ\r\n".encode())
    with serving(server) as port:
        assert outcomes(transport_of(port).send(mail, deadline_s=CLOCK.monotonic_s() + 30)) == ["accepted"]
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
