"""The composition root: from `Settings` to opened backends to a `Gate`. The only importer of backends.

A URL's scheme names the implementation, which is imported only then, so that a driver is needed only by those who
name it. Data beside the rooms (policy, wordings, templates, fonts) is read here and handed in.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, partial
from importlib import resources
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from postreel.backends.local import FileHeads, FileKeys, FileLocks, SystemClock
from postreel.compose import Brush, Kit, Template, poster
from postreel.consent import Policy, Seal
from postreel.deliver import Signer
from postreel.errors import SettingsError
from postreel.gate import Core, Gate
from postreel.ports import Clock, Events, Keys, Lock, Models, Records, Transport
from postreel.settings import Settings
from postreel.words import Wordings

LANGUAGES = ("en",)


@dataclass(frozen=True)
class App:
    """One opened installation.

    Attributes:
        gate: the one door to members' data.
        keys: secret keys, for tokens and signatures.
    """

    settings: Settings
    policy: Policy
    gate: Gate
    keys: Keys
    clock: Clock
    locks: Lock

    @cached_property
    def brush(self) -> Brush:
        """The typefaces that posters are set in."""
        import font_source_serif_pro as fonts

        heavy, plain = (
            Path(getattr(fonts, name)).read_bytes()
            for name in ("SourceSerifProBold", "SourceSerifProSemibold")
        )
        return Brush(heavy, plain)

    @cached_property
    def signer(self) -> Signer:
        """Signs mails for the sender's domain."""
        return Signer.of(self.keys.dkim_key(), self.settings.mail_domain, self.settings.dkim_selector)

    @cached_property
    def kit(self) -> Kit:
        """What every mail is made with.

        Raises:
            SettingsError: sender, postal address or a URL is missing.
        """
        settings = self.settings
        if not settings.sender_address:
            raise SettingsError(
                "no sender address is set; run `postreel init` again, or set POSTREEL_SENDER_ADDRESS"
            )
        return Kit(
            service=settings.brand,
            sender_name=settings.sender_name,
            sender_address=settings.sender_address,
            return_domain=settings.mail_domain,
            postal_address=settings.postal_address,
            base_url=settings.base_url,
            watch_url=settings.watch_url,
            token_key=self.keys.secret("tokens"),
            signed=self.signer.signed,
            poster=partial(poster, brush=self.brush),
            templates={language: _template(language) for language in LANGUAGES},
            language=settings.language,
        )

    @cached_property
    def words(self) -> Wordings:
        """The wordings of the service's own language."""
        return _wordings(self.settings.language)


def opened(settings: Settings, who: str = "postreel") -> App:
    """Open an installation.

    Args:
        who: the person or job on whose behalf this process works, for the access log.

    Raises:
        SettingsError: a URL names a backend that does not exist or may not be used here.
        TransientError: a store cannot be reached.
    """
    seal, clock = Seal(), SystemClock()
    keys = FileKeys(settings.home / "keys")
    locks = FileLocks(settings.home / "locks")
    policy = _policy(settings)
    core = Core(
        records=_records(settings),
        events=_events(settings, seal),
        models=_models(settings),
        transport=_transport(settings, seal, clock),
        clock=clock,
        keys=keys,
        heads=FileHeads(settings.home / "ledger-heads.ndjson"),
        locks=locks,
        policy=policy,
        seal=seal,
        is_sandbox=settings.sandbox,
        language=settings.language,
        timezone=settings.timezone,
        who=who,
    )
    return App(settings, policy, Gate(core), keys, clock, locks)


def _records(settings: Settings) -> Records:
    from postreel.backends.records.sql import SqlRecords

    url = settings.records
    if url.startswith("sqlite:///") and not url.startswith("sqlite:////"):
        url = f"sqlite:///{settings.home / url.removeprefix('sqlite:///')}"
    return SqlRecords(url)


def _events(settings: Settings, seal: Seal) -> Events:
    path, options = _file_url("events", settings.events, settings)
    from postreel.backends.events.files import FileEvents

    return FileEvents(path, seal, int(options.get("buckets", "4")))


def _models(settings: Settings) -> Models:
    path, _ = _file_url("models", settings.models, settings)
    from postreel.backends.models.files import FileModels

    return FileModels(path)


def _transport(settings: Settings, seal: Seal, clock: Clock) -> Transport:
    parts = urlsplit(settings.transport)
    if parts.scheme == "maildir":
        from postreel.backends.transports.maildir import MaildirTransport

        return MaildirTransport(settings.home / parts.path, seal, clock)
    if settings.sandbox:
        raise SettingsError("a sandbox hands mail to a local maildir only; set transport to maildir:outbox/")
    if parts.scheme != "smtp":
        raise SettingsError(f"transport can be maildir: or smtp://, not {parts.scheme!r}")
    from postreel.backends.transports.smtp import SmtpTransport

    options = {key: values[0] for key, values in parse_qs(parts.query).items()}
    tls = options.get("tls", "require")
    if tls not in ("none", "opportunistic", "require"):
        raise SettingsError(f"tls can be none, opportunistic or require, not {tls!r}")
    return SmtpTransport(
        parts.hostname or "localhost",
        parts.port or 25,
        seal,
        clock,
        tls=tls,
        helo=settings.mail_domain or "localhost.localdomain",
        username=unquote(parts.username) if parts.username else None,
        password=unquote(parts.password) if parts.password else None,
    )


def _file_url(what: str, url: str, settings: Settings) -> tuple[Path, dict[str, str]]:
    parts = urlsplit(url)
    if parts.scheme != "file":
        raise SettingsError(f"{what} can live in file:…, not in {parts.scheme!r}")
    return settings.home / parts.path, {key: values[0] for key, values in parse_qs(parts.query).items()}


def _policy(settings: Settings) -> Policy:
    if settings.policy:
        path = settings.home / settings.policy
        try:
            return Policy.parse(path.read_text("utf-8"))
        except OSError as fault:
            raise SettingsError(f"the policy file {path} cannot be read: {fault.strerror}") from None
    return Policy.parse(_beside("consent", "policy.toml"))


def _wordings(language: str) -> Wordings:
    if language not in LANGUAGES:
        raise SettingsError(f"there are no wordings in {language!r}; there are {', '.join(LANGUAGES)}")
    return Wordings.of(_beside("words", f"{language}.toml"))


def _template(language: str) -> Template:
    names = ("picks.mjml", "picks.txt", "notice.html", "notice.txt")
    texts = [_beside("compose", "templates", name) for name in names]
    return Template.compiled(*texts, words=_wordings(language))


def _beside(room: str, *path: str) -> str:
    file: Any = resources.files("postreel").joinpath(room, *path)
    return str(file.read_text("utf-8"))
