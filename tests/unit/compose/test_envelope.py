"""Messages assembled by hand are read by the standard library's parser as they were meant."""

from __future__ import annotations

from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.message import EmailMessage

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from postreel.compose import envelope
from postreel.errors import InputError

printable = st.text(st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp"]), max_size=200)


def read(raw: bytes) -> EmailMessage:
    message = message_from_bytes(raw, policy=policy.default)
    assert isinstance(message, EmailMessage)
    assert not message.defects
    return message


@settings(max_examples=200)
@given(printable)
def test_any_subject_comes_back_as_it_went(subject: str) -> None:
    raw = envelope.header("Subject", subject) + b"\r\n"
    assert read(raw)["Subject"].strip() == subject.strip() or not subject.isascii()
    decoded = str(read(raw)["Subject"])
    assert decoded.split() == subject.split() or decoded == subject
    assert max(map(len, raw.split(b"\r\n"))) <= 998


@settings(max_examples=200)
@given(printable)
def test_any_sender_name_comes_back_as_it_went(name: str) -> None:
    raw = envelope.address_header("From", "picks@example.org", name) + b"\r\n"
    addresses = read(raw)["From"].addresses
    assert [a.addr_spec for a in addresses] == ["picks@example.org"]


@pytest.mark.parametrize("value", ["a\r\nBcc: x@example.net", "a\nb", "a\x00b", "a\u2028b"])
def test_no_header_can_be_smuggled_in(value: str) -> None:
    with pytest.raises(InputError):
        envelope.header("Subject", value)
    with pytest.raises(InputError):
        envelope.address_header("From", "a@example.org", value)
    with pytest.raises(InputError):
        envelope.address_header("To", f"a@example.org{value}")


def test_a_domain_beyond_ascii_is_an_a_label() -> None:
    assert envelope.address_header("To", "ann@bücher.example") == b"To: ann@xn--bcher-kva.example\r\n"


@settings(max_examples=200)
@given(st.text(st.characters(exclude_categories=["Cc", "Cs"], include_characters="\n"), max_size=400))
def test_any_text_part_comes_back_as_it_went(text: str) -> None:
    part = read(b"MIME-Version: 1.0\r\n" + envelope.text_part(text))
    # The parser counts the rarer line ends of Unicode as line ends; the octets are what must come back.
    assert part.get_payload(decode=True).replace(b"\r\n", b"\n").decode() == text


@pytest.mark.parametrize("text", ["<p>" + "映" * 900 + "</p>", "<p>ok</p>", "<p>" + "a " * 600 + "</p>"])
def test_html_lines_stay_within_the_limit_however_long_the_text(text: str) -> None:
    part = envelope.html_part(envelope.html_bytes(text))
    assert max(map(len, part.split(b"\r\n"))) <= 998
    assert part.isascii()
    content = read(b"MIME-Version: 1.0\r\n" + part).get_content()
    assert content.strip() == text.encode("ascii", "xmlcharrefreplace").decode().strip()


def test_base64_has_lines_of_76() -> None:
    for size in (0, 1, 57, 58, 1000):
        lines = envelope.base64_lines(b"\xff" * size).split(b"\r\n")
        assert all(len(line) == 76 for line in lines[:-1])
        assert len(lines[-1]) <= 76


def test_the_date_is_in_utc_whatever_the_zone() -> None:
    at = datetime.fromisoformat("2026-05-01T20:00:00+02:00")
    assert envelope.date_header(at) == envelope.date_header(at.astimezone(UTC))
    assert envelope.date_header(at) == b"Date: Fri, 01 May 2026 18:00:00 +0000\r\n"
