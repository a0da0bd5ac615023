"""`SmtpTransport`: mails to the next mail server (RFC 5321). Implements `ports.Transport`.

Rests on the purpose of the mails, any `Postable`; used by the gate's sending flow, through `app.py`. One connection
is kept from batch to batch, in an event loop of its own; `ready` makes or mends it before mails are in flight. A mail
is asked through (MAIL, RCPT), the deadline is looked at, and only then DATA begins; from there to the server's answer
a lost connection leaves the mail ambiguous, and nowhere else.
"""

from __future__ import annotations

import asyncio
import ssl
import threading
import weakref
from collections.abc import Coroutine, Sequence
from contextlib import suppress
from typing import Any, Literal, TypeVar

import aiosmtplib

from postreel.backends.transports.handover import LATE, Fate, Letter, letters, opened, sends_of
from postreel.consent import Permitted, Seal
from postreel.errors import PostreelError, SettingsError, TransientError
from postreel.ports import Clock
from postreel.purposes import Postable
from postreel.schema import Messages, Sends

T = TypeVar("T")
Tls = Literal["none", "opportunistic", "require"]
LOOPBACK = ("localhost", "127.0.0.1", "::1")
_LOST = (aiosmtplib.SMTPException, OSError, TimeoutError, ValueError)
"""What a connection can end in: replies out of turn and lines that are no SMTP included."""
MAILS_MOST = 100
"""Mails on one connection: several receivers close after as many (Postfix counts, Exchange and Gmail say 421)."""
AGE_MOST_S = 300.0
"""A connection is no older than this, so that a change of the name's address or of the certificate is seen."""
IDLE_S = 5.0
"""What was used so recently is taken for good; a firewall forgets later than this, and a NOOP is a round trip."""
CONNECT_S = 30.0
"""Connecting, greeting, STARTTLS and login together. Nothing is in flight meanwhile."""
FAREWELL_S = 1.0
"""How long the answer to QUIT is waited for: nothing depends on it."""


class SmtpTransport:
    """A mail server that takes mails from us.

    Args:
        tls: `opportunistic` encrypts where the server offers it, with whatever certificate (RFC 7435);
            `require` sends nothing without a certificate that holds for `host`.
        username, password: for AUTH; only over `require`, or to this machine.
        context: certificates to trust in place of the system's.
        helo: our name in EHLO; receivers on the open net want one that DNS knows.
        reply_timeout_s: how long to wait for the answer to a mail once its DATA began. Short waits make mails
            ambiguous that in truth arrived (RFC 5321, 4.5.3.2.6 asks for ten minutes).

    Raises:
        SettingsError: the password would travel in clear.
    """

    def __init__(
        self,
        host: str,
        port: int,
        seal: Seal,
        clock: Clock,
        *,
        tls: Tls = "require",
        username: str | None = None,
        password: str | None = None,
        context: ssl.SSLContext | None = None,
        helo: str = "localhost.localdomain",
        reply_timeout_s: float = 600.0,
    ) -> None:
        if username is not None and tls != "require" and host not in LOOPBACK:
            raise SettingsError("a password would travel in clear; add ?tls=require to the transport")
        self._host, self._port, self._tls = host, port, tls
        self._seal, self._clock = seal, clock
        self._username, self._password = username, password
        self._context, self._helo = context, helo
        self._reply_timeout_s = reply_timeout_s
        self.line = _Line()
        self._one_batch = threading.Lock()
        # Also for who never calls `close`: at the end of the process, or when nobody holds this any more.
        weakref.finalize(self, self.line.close)

    def ready(self) -> None:
        """Connect, or see that the kept connection is still good, before mails are put in flight.

        Raises:
            TransientError: the server cannot be reached, or not as safely as asked; nothing was put in flight.
            SettingsError: the server refuses the password; nothing was put in flight.
        """
        if not self._one_batch.acquire(timeout=CONNECT_S):
            raise TransientError("the mail server keeps another batch waiting; try again later")
        try:
            self.line.run(self._made_ready())
        finally:
            self._one_batch.release()

    def close(self) -> None:
        """Take leave of the server and end the thread. Used again, both begin anew."""
        with self._one_batch:
            self.line.close()

    def send(self, messages: Permitted[Messages, Postable], *, deadline_s: float) -> Sends:
        """Hand each message over, in order; one batch at a time.

        Returns:
            One row a message: accepted (2yz), deferred (4yz), refused (5yz), ambiguous (the connection was lost
            after DATA began) or returned (its time ran out, or the server was lost, before DATA).

        Raises:
            ConsentError: the permit is not for mail, or another gate's.
            TransientError: the server could not be reached, or not as safely as asked; nothing was handed over.
            SettingsError: the server refuses the password; nothing was handed over.
        """
        rows = opened(messages, self._seal)
        waiting = list(letters(rows))
        # Another batch may wait for an answer for minutes: who waits for it here waits no longer than may be.
        patience_s = min(max(self.remaining_s(deadline_s), 0.0), threading.TIMEOUT_MAX)
        if not self._one_batch.acquire(timeout=patience_s):
            return sends_of(rows, [Fate("returned", LATE)] * len(waiting))
        try:
            return sends_of(rows, self.line.run(_Batch(self, waiting, deadline_s).sent()))
        finally:
            self._one_batch.release()

    def delivered(self, message_ids: Sequence[str]) -> frozenset[str] | None:
        """None: a mail server tells nobody what it took before."""
        return None

    def message(self, message_id: str) -> bytes | None:
        """None: what a mail server took is not kept here."""
        return None

    def remaining_s(self, deadline_s: float) -> float:
        """Seconds until the deadline; not positive once it has passed."""
        return deadline_s - self._clock.monotonic_s()

    async def handed_over(self, connection: _Connection, letter: Letter) -> Fate:
        """DATA and its answer. From here on a lost connection is ambiguous."""
        connection.mail_count += 1
        try:
            response = await connection.client.data(letter.raw, timeout=self._reply_timeout_s)
        except aiosmtplib.SMTPResponseException as e:
            fate = _answered(e, after_data=True)
            if fate.outcome == "ambiguous":
                connection.drop()  # it speaks no SMTP any more
            return fate
        except _LOST as e:
            connection.drop()
            return Fate("ambiguous", f"the connection was lost after DATA began ({type(e).__name__})")
        return Fate("accepted", f"{response.code} {response.message}")

    async def connected(self) -> _Connection:
        """A connection, as safe as asked for.

        Raises:
            TransientError, SettingsError: as `send` says.
        """
        client = aiosmtplib.SMTP(
            hostname=self._host,
            port=self._port,
            local_hostname=self._helo,
            start_tls=False,
            validate_certs=self._tls == "require",
            tls_context=self._context if self._tls == "require" else None,
            timeout=CONNECT_S,
        )
        connection = _Connection(client, self._clock)
        try:
            await client.connect()
            connection.hold()
            await _greet(client)
            await self._secure(client)
            connection.hold()
            if self._username is not None:
                await client.login(self._username, self._password or "")
        except aiosmtplib.SMTPAuthenticationError as e:
            connection.drop()
            if e.code in (530, 534, 535):  # RFC 4954, 6
                raise SettingsError(f"the mail server refuses the user name or password ({e.code})") from e
            raise TransientError(f"the mail server cannot check the password now ({e.code})") from e
        except _LOST as e:
            connection.drop()
            cause = type(e.__cause__ or e).__name__
            raise TransientError(f"the mail server was not reached ({cause}); nothing was handed over") from e
        except BaseException:
            connection.drop()
            raise
        return connection

    async def _made_ready(self) -> None:
        kept = self.line.kept
        if kept is not None and not await kept.is_good():
            await kept.leave()
            kept = None
        if kept is None:
            try:
                async with asyncio.timeout(CONNECT_S):
                    self.line.kept = await self.connected()
            except TimeoutError:
                raise TransientError(
                    "the mail server was not reached in time; nothing was handed over"
                ) from None

    async def _secure(self, client: aiosmtplib.SMTP) -> None:
        if self._tls != "none" and client.supports_extension("starttls"):
            await client.starttls()
            await _greet(client)
        elif self._tls == "require":
            raise TransientError(
                "the mail server offers no STARTTLS and tls=require; nothing was handed over"
            )


class _Connection:
    """One connection to the server, of an event loop."""

    def __init__(self, client: aiosmtplib.SMTP, clock: Clock) -> None:
        self.client = client
        self.mail_count = 0
        self._clock = clock
        self._begun_s = self._used_s = clock.monotonic_s()
        self._held: list[asyncio.BaseTransport] = []

    @property
    def is_open(self) -> bool:
        """Whether nobody has hung up, as far as is known here."""
        return self.client.is_connected

    def used(self) -> None:
        """Note that the server answered just now."""
        self._used_s = self._clock.monotonic_s()

    async def is_good(self) -> bool:
        """Whether another batch can go over it."""
        now_s = self._clock.monotonic_s()
        is_worn = self.mail_count >= MAILS_MOST or now_s - self._begun_s >= AGE_MOST_S
        if is_worn or not self.is_open:
            return False
        if now_s - self._used_s <= IDLE_S:
            return True
        try:
            await self.client.noop(timeout=IDLE_S)
        except _LOST:
            return False
        self.used()
        return True

    async def leave(self) -> None:
        """QUIT, as RFC 5321 (4.1.1.10) asks, and hang up."""
        if self.is_open:
            with suppress(*_LOST):
                await self.client.quit(timeout=FAREWELL_S)
        self.drop()

    def hold(self) -> None:
        """Remember the socket: after STARTTLS there is a second one, over the first."""
        if self.client.transport is not None:
            self._held.append(self.client.transport)

    def drop(self) -> None:
        """Hang up at once: no TLS farewells, nobody waits for them."""
        self.hold()
        self.client.close()
        for transport in self._held:
            if isinstance(transport, asyncio.WriteTransport):
                transport.abort()
        self._held.clear()


class _Line:
    """A thread with an event loop, started when there is work, and the connection that is kept in it.

    A loop of its own, since a connection belongs to one: the caller may run inside another, or in any thread.
    """

    def __init__(self) -> None:
        self.kept: _Connection | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """What `work` comes to. One caller at a time."""
        if self._loop is None:
            self._loop = asyncio.new_event_loop()
            self._thread = threading.Thread(target=_turn, args=(self._loop,), name="smtp", daemon=True)
            self._thread.start()
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result()
        except BaseException:
            future.cancel()  # whoever was interrupted while waiting hands nothing more over
            raise

    def close(self) -> None:
        """Take leave of the server and end the thread."""
        loop, thread = self._loop, self._thread
        self._loop = self._thread = None
        if loop is None or thread is None or not thread.is_alive():  # never begun, or left behind by a fork
            return
        asyncio.run_coroutine_threadsafe(self._end(loop), loop)
        if thread is not threading.current_thread():  # the garbage of any object is collected in any thread
            thread.join(timeout=2 * FAREWELL_S)

    async def _end(self, loop: asyncio.AbstractEventLoop) -> None:
        if self.kept is not None:
            await self.kept.leave()
            self.kept = None
        for _ in range(3):  # an aborted socket is closed at the loop's next turn, one under TLS a turn later
            await asyncio.sleep(0)
        loop.stop()


def _turn(loop: asyncio.AbstractEventLoop) -> None:
    try:
        loop.run_forever()
    finally:
        loop.close()


class _Batch:
    """One `send` under way."""

    def __init__(self, transport: SmtpTransport, waiting: list[Letter], deadline_s: float) -> None:
        self._transport = transport
        self._line = transport.line
        self._waiting = waiting
        self._deadline_s = deadline_s
        self._was_ready = self._is_open()
        self._asking_s = 0.0
        self._fates: list[Fate] = []

    async def sent(self) -> list[Fate]:
        """What became of each."""
        try:
            for letter in self._waiting:
                self._fates.append(await self._fate(letter))
        except asyncio.CancelledError:
            self._drop()
            raise
        if self._line.kept is not None and self._is_open():
            self._line.kept.used()
        return self._fates

    async def _fate(self, letter: Letter) -> Fate:
        for _ in range(2):  # a kept connection may have been dropped between two mails: ask once more
            # Where asking took longer than is left, it is not begun: cut off half-way it costs the connection.
            if self._left_s() <= self._asking_s:
                return Fate("returned", LATE)
            is_fresh = not self._is_open()
            try:
                async with asyncio.timeout(self._left_s()):
                    connection = await self._connection()
                    await self._ask_through(connection, letter)
            except TimeoutError:
                self._drop()
                if is_fresh and not self._was_ready and not self._has_handed_over():
                    raise TransientError(
                        "the mail server was not reached in time; nothing was handed over"
                    ) from None
                return Fate("returned", LATE)
            except PostreelError as e:
                if not self._has_handed_over():
                    raise
                return Fate("returned", str(e))
            except aiosmtplib.SMTPResponseException as e:
                if e.code == 421 and not is_fresh:  # it closes the connection, and says nothing of the mail
                    self._drop()
                    continue
                await self._reset()
                return _answered(e, after_data=False)
            except _LOST:
                self._drop()
                if is_fresh:
                    break
                continue
            if self._left_s() <= 0:
                await self._reset()
                return Fate("returned", LATE)
            return await self._transport.handed_over(connection, letter)
        if not self._has_handed_over():
            raise TransientError("the mail server hung up before DATA; nothing was handed over")
        return Fate("returned", "the mail server hung up before DATA; nothing was handed over")

    def _left_s(self) -> float:
        return self._transport.remaining_s(self._deadline_s)

    def _has_handed_over(self) -> bool:
        return any(f.outcome != "returned" for f in self._fates)

    def _is_open(self) -> bool:
        return self._line.kept is not None and self._line.kept.is_open

    async def _connection(self) -> _Connection:
        if self._line.kept is None or not self._line.kept.is_open:
            self._drop()
            self._line.kept = await self._transport.connected()
        return self._line.kept

    async def _ask_through(self, connection: _Connection, letter: Letter) -> None:
        begun_s = self._left_s()
        await _ask_through(connection.client, letter)
        self._asking_s = begun_s - self._left_s()

    async def _reset(self) -> None:
        """Take back MAIL and RCPT, so that the next mail begins anew."""
        if self._line.kept is not None:
            try:
                await self._line.kept.client.rset(timeout=2.0)
            except _LOST:
                self._drop()

    def _drop(self) -> None:
        if self._line.kept is not None:
            self._line.kept.drop()
        self._line.kept = None


async def _greet(client: aiosmtplib.SMTP) -> None:
    """EHLO, so that what the server can do is known; HELO to a server of before 1995."""
    try:
        await client.ehlo()
    except aiosmtplib.SMTPHeloError:
        await client.helo()


async def _ask_through(client: aiosmtplib.SMTP, letter: Letter) -> None:
    """MAIL and RCPT: all that is asked before a mail's DATA."""
    is_ascii = letter.address.isascii() and letter.return_path.isascii()
    options: list[str] = []
    if client.supports_extension("size"):
        options.append(f"SIZE={len(letter.raw)}")
    if not letter.raw.isascii() and client.supports_extension("8bitmime"):
        options.append("BODY=8BITMIME")
    if not is_ascii:
        if not client.supports_extension("smtputf8"):
            # RFC 6531, 3.5: the code for an address that the server's side cannot take.
            raise aiosmtplib.SMTPResponseException(553, "5.6.7 the server takes no addresses beyond ASCII")
        options.append("SMTPUTF8")
    encoding = "ascii" if is_ascii else "utf-8"
    await client.mail(letter.return_path, options=options, encoding=encoding)
    await client.rcpt(letter.address, encoding=encoding)


def _answered(e: aiosmtplib.SMTPResponseException, *, after_data: bool) -> Fate:
    """What a reply code that is not the hoped-for one means (RFC 5321, 4.2.1)."""
    reply = f"{e.code} {e.message}"
    if 200 <= e.code < 300 and after_data:
        return Fate("accepted", reply)
    if 400 <= e.code < 500:
        return Fate("deferred", reply)
    if 500 <= e.code < 600:
        return Fate("refused", reply)
    return Fate("ambiguous" if after_data else "deferred", reply)
