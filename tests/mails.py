"""What tests of mails share: a kit with real templates, fonts and keys, briefs that read as sentences, and
mails taken apart by the standard library's parser.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.message import EmailMessage
from functools import cache, cached_property
from html.parser import HTMLParser
from importlib import resources
from pathlib import Path
from typing import Any

import font_source_serif_pro
from builders import member_id
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from postreel.catalogue import Catalogue, Title
from postreel.compose import Brush, Kit, Template, poster
from postreel.deliver import Signer
from postreel.purposes import mask_of
from postreel.schema import Briefs
from postreel.words import Wordings

AT = datetime(2026, 5, 1, 18, tzinfo=UTC)
"""A Friday evening."""
TOKEN_KEY = b"a key for tests, of 32 bytes or s"
BASE_URL = "https://postreel.example"


def package_text(room: str, *path: str) -> str:
    """A data file of the package."""
    return resources.files("postreel").joinpath(room, *path).read_text(encoding="utf-8")


@cache
def a_signer() -> Signer:
    """A signer for mail.example.org, with a key of this run."""
    key = rsa.generate_private_key(65537, 2048)
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return Signer.of(pem, "example.org", "s1")


@cache
def a_brush() -> Brush:
    """The project's own typefaces."""
    files = font_source_serif_pro.font_files_ttf
    heavy, plain = (Path(files[f"SourceSerifPro{n}"]).read_bytes() for n in ("Bold", "Semibold"))
    return Brush(heavy, plain)


def wordings(language: str = "en") -> Wordings:
    """The project's own wordings."""
    return Wordings.of(package_text("words", f"{language}.toml"))


def templates(words: Wordings) -> Template:
    """The project's own templates in these words."""
    names = ("picks.mjml", "picks.txt", "notice.html", "notice.txt")
    mjml, text, notice_html, notice_text = (package_text("compose", "templates", n) for n in names)
    return Template.compiled(mjml, text, notice_html, notice_text, words)


def _drawn(title: Title, width: int) -> bytes:
    return poster(title, width, a_brush())


@cache
def a_kit() -> Kit:
    """A kit for the Little Cinema."""
    return Kit(
        service="Little Cinema",
        sender_name="Little Cinema",
        sender_address="picks@mail.example.org",
        return_domain="bounces.example.org",
        postal_address="Little Cinema, 1 Film Street, 10115 Berlin, Germany",
        base_url=BASE_URL,
        watch_url="https://cinema.example/watch/{title_id}",
        token_key=TOKEN_KEY,
        signed=a_signer().signed,
        poster=_drawn,
        templates={"en": templates(wordings())},
        model="test-model",
    )


TITLES = (
    Title("metropolis", "Metropolis", year=1927, minutes=153, genres=("science fiction",), moods=("grand",),
          summary="Above, the sons of the rich play in gardens; below, workers serve the machines."),
    Title("sunrise", "Sunrise", year=1927, minutes=94, genres=("romance",), moods=("tender",),
          summary="A farmer is tempted to drown his wife, and finds her again in the city."),
    Title("the-general", "The General", year=1926, minutes=74, genres=("comedy",), moods=("funny",),
          summary="An engine driver goes after the spies who stole his locomotive."),
    Title("nosferatu", "Nosferatu", year=1922, minutes=94, genres=("horror",), moods=("eerie",),
          summary="A clerk travels to sell a house, and the buyer follows him home by ship."),
    Title("safety-last", "Safety Last!", year=1923, minutes=73, genres=("comedy",), moods=("thrilling",),
          summary="To win a prize, a shop assistant climbs the outside of a tall store."),
    Title("the-kid", "The Kid", year=1921, minutes=68, genres=("comedy", "drama"), moods=("tender",),
          summary="A tramp finds a baby and brings him up as his own."),
    Title("faust", "Faust", year=1926, minutes=107, genres=("fantasy",), moods=("grand",), summary=""),
    Title("spring", "Spring & <Sons>", year=None, minutes=None, summary='Quoted "words" & more.'),
    Title("the-blot", "The Blot", year=1921, minutes=91, moods=("sad",), sensitive=("religion",)),
)  # fmt: skip
CATALOGUE = Catalogue.of(TITLES, version=3)


def a_reason(title_id: str, share: float = 0.6, evidence: str = "watched") -> dict[str, Any]:
    """A reason as a brief holds it."""
    return {"title_id": title_id, "contribution": share * 2, "share": share, "evidence": evidence}


def a_pick(title_id: str, *reasons: dict[str, Any], also: Sequence[str] = ()) -> dict[str, Any]:
    """A pick as a brief holds it."""
    return {"title_id": title_id, "score": 1.0, "reasons": list(reasons), "also": list(also)}


def a_brief(number: int = 1, picks: Sequence[dict[str, Any]] | None = None, **fields: Any) -> dict[str, Any]:
    """A brief of a personal mail with two titles, unless told otherwise."""
    grants = ["history", "recommendations", "mail.picks"]
    grants += ["measure.opens"] if fields.get("has_opens") else []
    grants += ["measure.clicks"] if fields.get("has_clicks") else []
    usual = {
        "member": member_id(number),
        "send_id": bytes([number % 251 + 1]) * 15 + b"\x07",
        "campaign": "picks-2026-18",
        "kind": "mail.picks",
        "address": f"reader{number}@example.com",
        "name": None,
        "language": "en",
        "timezone": "Europe/Berlin",
        "picks": [a_pick("sunrise", a_reason("metropolis")), a_pick("faust", a_reason("nosferatu", 0.3))]
        if picks is None
        else list(picks),
        "is_personal": True,
        "has_opens": False,
        "has_clicks": False,
        "has_learn": False,
        "data_seq": 4,
        "catalogue_version": 3,
        "used": mask_of(grants),
    }
    return usual | fields


def briefs_of(*rows: dict[str, Any]) -> Briefs:
    """Briefs as a table."""
    return Briefs.of(**{name: [row[name] for row in rows] for name in Briefs.SCHEMA.names})


class _Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {k: v or "" for k, v in attrs}))


@dataclass(frozen=True)
class Mail:
    """A mail taken apart."""

    message: EmailMessage
    html: str
    text: str
    pictures: dict[str, bytes]

    @classmethod
    def of(cls, raw: bytes) -> Mail:
        """Take a mail apart; any defect that the standard library's parser finds fails the test."""
        message = message_from_bytes(raw, policy=policy.default)
        assert isinstance(message, EmailMessage)
        page, text, pictures = "", "", {}
        for part in message.walk():
            assert not part.defects, part.defects
            if part.get_content_type() == "text/html":
                page = part.get_content()
            elif part.get_content_type() == "text/plain":
                text = part.get_content()
            elif part.get_content_maintype() == "image":
                pictures[str(part["Content-ID"]).strip("<>")] = part.get_content()
        return cls(message, page, text, pictures)

    @cached_property
    def tags(self) -> list[tuple[str, dict[str, str]]]:
        """Every start tag with its attributes, references resolved."""
        parser = _Tags()
        parser.feed(self.html)
        return parser.tags

    @property
    def links(self) -> list[str]:
        """Where the links lead."""
        return [a["href"] for tag, a in self.tags if tag == "a"]

    @property
    def loads(self) -> list[str]:
        """All that a reader's program would fetch, by any of the ways that HTML and CSS know."""
        found = [
            a[k] for _, a in self.tags for k in ("src", "srcset", "background", "poster", "data") if k in a
        ]
        found += [a.get("href", "") for tag, a in self.tags if tag in ("link", "base", "image", "use")]
        sheets = [
            *re.findall(r"<style.*?</style>", self.html, re.S),
            *(a.get("style", "") for _, a in self.tags),
        ]
        for sheet in sheets:
            found += re.findall(r"url\(([^)]*)\)", sheet) + re.findall(r"@import[^;]*", sheet)
        banned = {"script", "iframe", "object", "embed", "video", "audio", "form"}
        return found + [tag for tag, _ in self.tags if tag in banned]

    @property
    def page(self) -> str:
        """The HTML with its pictures set in, for a browser."""
        page = self.html
        for cid, png in self.pictures.items():
            page = page.replace(f"cid:{cid}", "data:image/png;base64," + base64.b64encode(png).decode())
        return page
