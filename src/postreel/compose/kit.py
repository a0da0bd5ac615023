"""The kit: all that composing needs and that holds nothing of a member's; built once by `app.py`.

Templates come as texts, which `app.py` reads from beside this file:

    compose/templates/picks.mjml    the picks mail, MJML; `[[key]]` takes a wording, `{{ name }}` a value
    compose/templates/picks.txt     its text part
    compose/templates/notice.html   a service notice, HTML
    compose/templates/notice.txt    its text part
    words/en.toml                   the wordings of one language

MJML is compiled once for a language (to plain HTML with minijinja's braces left in it), not once for a mail.
"""

from __future__ import annotations

import hashlib
import hmac
import html
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import quote, urlsplit

import mjml
from minijinja import Environment

from postreel.catalogue import Title
from postreel.compose.envelope import picture_part
from postreel.compose.palettes import Colour
from postreel.compose.posters import ground_of
from postreel.errors import InputError, SettingsError
from postreel.words import Wordings

LARGE_PX, SMALL_PX = 392, 160
"""Widths of the pictures: the first title's and those of the rows. Shown at half that, so sharp on a phone."""

_KEPT_TITLES = 4096
_MARK = re.compile(r"\[\[([a-z_.]+)\]\]")
_HOST = re.compile(r"^[a-z0-9-]+(\.[a-z0-9-]+)+$")


@dataclass(frozen=True)
class Template:
    """The mails of one language, compiled."""

    words: Wordings
    _made: Environment

    @classmethod
    def compiled(
        cls, picks_mjml: str, picks_text: str, notice_html: str, notice_text: str, words: Wordings
    ) -> Template:
        """Templates in one language.

        Raises:
            InputError: the MJML does not compile, or asks for a wording that is not there.
        """
        made = Environment(
            templates={
                "picks.html": _compiled_mjml(_worded(picks_mjml, words, is_html=True)),
                "picks.txt": _worded(picks_text, words, is_html=False),
                "notice.html": _worded(notice_html, words, is_html=True),
                "notice.txt": _worded(notice_text, words, is_html=False),
            }
        )
        return cls(words, made)

    def filled(self, name: str, values: Mapping[str, Any]) -> str:
        """One template with its values; escaped in those whose name ends in .html."""
        return str(self._made.render_template(name, **values))


@dataclass(frozen=True)
class Picture:
    """A poster as it travels in a mail."""

    content_id: str
    part: bytes


@dataclass(frozen=True)
class Card:
    """A title as a mail shows it: what is the same for every reader of a language."""

    title: Title
    large: Picture
    small: Picture
    link: str  # the plain link
    values: dict[str, Any]


@dataclass(frozen=True)
class Kit:
    """What every mail is made with.

    Attributes:
        service: the name that members know, above the mail and in its words.
        sender_name, sender_address: the From header.
        return_domain: the domain of return paths, ours for bounces.
        postal_address: one line.
        base_url: of our own pages, https, without a slash at its end.
        watch_url: where a title opens, with `{title_id}` in it.
        token_key: 32 secret bytes for tokens, Message-IDs and boundaries.
        signed: signs a whole message (`deliver.Signer.signed`).
        poster: draws a title at a width (`compose.poster` with its brush).
        templates: by language.
        language: the one used where a member's is not among the templates.
        model: the name of the model that chose, for the record.
    """

    service: str
    sender_name: str
    sender_address: str
    return_domain: str
    postal_address: str
    base_url: str
    watch_url: str
    token_key: bytes
    signed: Callable[[bytes, datetime], bytes]
    poster: Callable[[Title, int], bytes]
    templates: Mapping[str, Template]
    language: str = "en"
    model: str = "popular"
    _cards: dict[tuple[str, str], Card] = field(
        default_factory=dict[tuple[str, str], Card], repr=False, compare=False
    )

    def __post_init__(self) -> None:
        if self.language not in self.templates:
            raise SettingsError(
                f"there are no mail templates in {self.language!r}, the language of this service"
            )
        _check_url("base URL", self.base_url)
        _check_url("watch URL", self.watch_url)
        if "{title_id}" not in self.watch_url:
            raise SettingsError(
                "the watch URL has no {title_id} in it, so every title would open the same page"
            )
        for domain in (self.domain, self.return_domain):
            if not _HOST.match(domain):
                raise SettingsError(f"{domain!r} is not a domain in lower case, such as example.org")
        if not self.postal_address.strip():
            raise SettingsError("a marketing mail needs a postal address; set one")

    @property
    def domain(self) -> str:
        """The sender's domain."""
        return self.sender_address.rpartition("@")[2]

    def template(self, language: str | None) -> Template:
        """The templates in this language, its main language, or the service's own."""
        if language:
            for tag in (language, language.partition("-")[0]):
                if tag in self.templates:
                    return self.templates[tag]
        return self.templates[self.language]

    def secret_hex(self, use: str, *parts: bytes) -> str:
        """32 hexadecimal digits that stand for these parts and give none of them away."""
        text = b"\0".join((use.encode("ascii"), *(len(p).to_bytes(4, "big") + p for p in parts)))
        return hmac.digest(self.token_key, text, "sha256")[:16].hex()

    def card(self, title: Title, words: Wordings) -> Card:
        """A title as a mail shows it; drawn and encoded once."""
        key = (words.language, title.title_id)
        kept = self._cards.get(key)
        if kept is not None and (kept.title is title or kept.title == title):
            return kept
        if len(self._cards) >= _KEPT_TITLES:
            self._cards.clear()
        made = self._card(title, words)
        self._cards[key] = made
        return made

    def _card(self, title: Title, words: Wordings) -> Card:
        # Named after the title alone, so that a picture is called the same in every mail.
        digest = hashlib.blake2b(title.title_id.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()
        large, small = (
            Picture(cid, picture_part(self.poster(title, width), cid))
            for width, cid in ((LARGE_PX, f"{digest}.1@postreel"), (SMALL_PX, f"{digest}.2@postreel"))
        )
        facts = [str(title.year)] if title.year is not None else []
        if title.minutes is not None and title.minutes >= 1:
            facts.append(words.say("picks.minutes", minutes=round(title.minutes)))
        link = self.watch_url.replace("{title_id}", title_ref(title.title_id))
        name = short(title.name, 160)
        values = {
            "name": name,
            "facts": " · ".join(facts),
            "text_facts": ", ".join(facts),
            "summary": short(title.summary, 240),
            "play": words.say("picks.play_label", name=name),
            "ground": hex_colour(ground_of(title)),
            "large": large.content_id,
            "small": small.content_id,
            "link": html.escape(link),
            "text_link": link,
        }
        return Card(title, large, small, link, values)


def title_ref(title_id: str) -> str:
    """A title's id as it stands in a URL; without a dot, so that what follows one can be told from it."""
    return quote(title_id, safe="").replace(".", "%2E")


def short(text: str, limit: int) -> str:
    """The text on one line, cut at a word with an ellipsis where it is longer than `limit` characters."""
    flat = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    if len(flat) <= limit:
        return flat
    cut = flat[:limit].rpartition(" ")[0] or flat[:limit]
    return cut.rstrip(" ,.;:") + "…"


def hex_colour(colour: Colour) -> str:
    """A colour as CSS writes it."""
    return "#{:02X}{:02X}{:02X}".format(*colour)


def _check_url(what: str, url: str) -> None:
    parts = urlsplit(url)
    if parts.scheme != "https" or not parts.netloc or url.endswith("/") or re.search(r"[\s\"'<>]", url):
        raise SettingsError(f"the {what} is an https address without a slash at its end, got {url!r}")


def _worded(text: str, words: Wordings, *, is_html: bool) -> str:
    def one(match: re.Match[str]) -> str:
        key = match.group(1)
        if key in ("language", "direction"):
            return words.language if key == "language" else words.direction
        said = words.say(key)
        return html.escape(said, quote=True) if is_html else said

    return _MARK.sub(one, text)


def _compiled_mjml(text: str) -> str:
    try:
        # Without fonts={} the result links fonts.googleapis.com, and so tells Google who reads the mail.
        made = mjml.mjml2html(text, fonts={}, disable_comments=True)
    except (ValueError, OSError, RuntimeError) as error:
        raise InputError(f"the mail template is no MJML: {error}") from error
    # Gmail keeps the body's class on the element it puts in its place, which is what `u + .body` finds.
    made = made.replace("<body ", '<body class="body" ', 1)
    # Lines stay short without a space added between tags: a line may end inside one. And where no two spaces
    # stand together, the signature's canonical form costs nothing to make.
    return re.sub(r"\s*\n\s*", "\n", re.sub(r' style="', '\nstyle="', made))
