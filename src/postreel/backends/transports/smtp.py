"""`SmtpTransport`: mails to the next mail server (RFC 5321). Implements `ports.Transport`.

Rests on the purpose of the mails, any `Postable`; used by the gate's sending flow, through `app.py`. One connection
serves a batch. A mail is asked through (MAIL, RCPT), the deadline is looked at, and only then DATA begins; from
there to the server's answer a lost connection leaves the mail ambiguous, and nowhere else.
"""

from __future__ import annotations

import asyncio
import ssl
import threading
from collections.abc import Sequence
from contextlib import suppress
from typing import Literal

import aiosmtplib

from postreel.backends.transports.handover import LATE, Fate, Letter, letters, opened, sends_of
from postreel.consent import Permitted, Seal
from postreel.errors import PostreelError, SettingsError, TransientError
from postreel.ports import Clock
from postreel.purposes import Postable
from postreel.schema import Messages, Sends

Tls = Literal["none", "opportunistic", "require"]
LOOPBACK = ("localhost", "127.0.0.1", "::1")
_LOST = (aiosmtplib.SMTPException, OSError, TimeoutError, ValueError)
"""What a connection can end in: replies out of turn and lines that are no SMTP included."""


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

    def send(self, messages: Permitted[Messages, Postable], *, deadline_s: float) -> Sends:
        """Hand each message over, in order.

        Returns:
            One row a message: accepted (2yz), deferred (4yz), refused (5yz), ambiguous (the connection was lost
            after DATA began) or returned (its time ran out, or the server was lost, before DATA).

        Raises:
            ConsentError: the permit is not for mail, or another gate's.
            TransientError: the server could not be reached, or not as safely as asked; nothing was handed over.
            SettingsError: the server refuses the password; nothing was handed over.
        """
        rows = opened(messages, self._seal)
        batch = _Batch(self, list(letters(rows)), deadline_s)
        # A thread of its own: the caller may run inside an event loop, where another cannot be started.
        thread = threading.Thread(target=batch.run, name="smtp")
        thread.start()
        thread.join()
        if batch.error is not None:
            raise batch.error
        return sends_of(rows, batch.fates)

    def delivered(self, message_ids: Sequence[str]) -> frozenset[str] | None:
        """None: a mail server tells nobody what it took before."""
        return None

    def message(self, message_id: str) -> bytes | None:
        """None: what a mail server took is not kept here."""
        return None

    def remaining_s(self, deadline_s: float) -> float:
        """Seconds until the deadline; not positive once it has passed."""
        return deadline_s - self._clock.monotonic_s()

    async def handed_over(self, client: aiosmtplib.SMTP, letter: Letter) -> Fate:
        """DATA and its answer. From here on a lost connection is ambiguous."""
        try:
            response = await client.data(letter.raw, timeout=self._reply_timeout_s)
        except aiosmtplib.SMTPResponseException as e:
            fate = _answered(e, after_data=True)
            if fate.outcome == "ambiguous":
                client.close()  # it speaks no SMTP any more
            return fate
        except _LOST as e:
            client.close()
            return Fate("ambiguous", f"the connection was lost after DATA began ({type(e).__name__})")
        return Fate("accepted", f"{response.code} {response.message}")

    async def connected(self, held: list[asyncio.BaseTransport]) -> aiosmtplib.SMTP:
        """A connection, as safe as asked for. Its sockets are added to `held`, for who must abort them.

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
            timeout=30.0,
        )
        try:
            await client.connect()
            _hold(client, held)
            await _greet(client)
            await self._secure(client)
            _hold(client, held)
            if self._username is not None:
                await client.login(self._username, self._password or "")
        except aiosmtplib.SMTPAuthenticationError as e:
            client.close()
            if e.code in (530, 534, 535):  # RFC 4954, 6
                raise SettingsError(f"the mail server refuses the user name or password ({e.code})") from e
            raise TransientError(f"the mail server cannot check the password now ({e.code})") from e
        except _LOST as e:
            client.close()
            cause = type(e.__cause__ or e).__name__
            raise TransientError(f"the mail server was not reached ({cause}); nothing was handed over") from e
        except BaseException:
            client.close()
            raise
        return client

    async def _secure(self, client: aiosmtplib.SMTP) -> None:
        if self._tls != "none" and client.supports_extension("starttls"):
            await client.starttls()
            await _greet(client)
        elif self._tls == "require":
            raise TransientError(
                "the mail server offers no STARTTLS and tls=require; nothing was handed over"
            )


class _Batch:
    """One `send` under way."""

    def __init__(self, transport: SmtpTransport, waiting: list[Letter], deadline_s: float) -> None:
        self._transport = transport
        self._waiting = waiting
        self._deadline_s = deadline_s
        self._client: aiosmtplib.SMTP | None = None
        self._held: list[asyncio.BaseTransport] = []
        self.fates: list[Fate] = []
        self.error: BaseException | None = None

    def run(self) -> None:
        """Send all, in an event loop of this thread."""
        try:
            asyncio.run(self._send())
        except BaseException as e:
            self.error = e

    async def _send(self) -> None:
        try:
            for letter in self._waiting:
                self.fates.append(await self._fate(letter))
        finally:
            await self._leave()
            for transport in self._held:  # no TLS farewells: nobody waits for them
                if isinstance(transport, asyncio.WriteTransport):
                    transport.abort()
            await asyncio.sleep(0)  # the loop closes an aborted socket at its next turn

    async def _fate(self, letter: Letter) -> Fate:
        for _ in range(2):  # a kept connection may have been dropped between two mails: ask once more
            if self._left_s() <= 0:
                return Fate("returned", LATE)
            is_fresh = self._client is None or not self._client.is_connected
            try:
                async with asyncio.timeout(self._left_s()):
                    client = await self._ready()
                    await _ask_through(client, letter)
            except TimeoutError:
                self._drop()
                if not self._has_handed_over() and is_fresh:
                    raise TransientError(
                        "the mail server was not reached in time; nothing was handed over"
                    ) from None
                return Fate("returned", LATE)
            except PostreelError as e:
                if not self._has_handed_over():
                    raise
                return Fate("returned", str(e))
            except aiosmtplib.SMTPResponseException as e:
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
            return await self._transport.handed_over(client, letter)
        if not self._has_handed_over():
            raise TransientError("the mail server hung up before DATA; nothing was handed over")
        return Fate("returned", "the mail server hung up before DATA; nothing was handed over")

    def _left_s(self) -> float:
        return self._transport.remaining_s(self._deadline_s)

    def _has_handed_over(self) -> bool:
        return any(f.outcome != "returned" for f in self.fates)

    async def _ready(self) -> aiosmtplib.SMTP:
        if self._client is None or not self._client.is_connected:
            self._client = await self._transport.connected(self._held)
        return self._client

    async def _reset(self) -> None:
        """Take back MAIL and RCPT, so that the next mail begins anew."""
        client = self._client
        if client is not None:
            try:
                await client.rset(timeout=2.0)
            except _LOST:
                self._drop()

    def _drop(self) -> None:
        if self._client is not None:
            self._client.close()
        self._client = None

    async def _leave(self) -> None:
        if self._client is not None and self._client.is_connected:
            with suppress(*_LOST):
                await self._client.quit(timeout=2.0)
        self._drop()


def _hold(client: aiosmtplib.SMTP, held: list[asyncio.BaseTransport]) -> None:
    if client.transport is not None:
        held.append(client.transport)


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
