"""Service notices: plain, signed, and silent."""

from __future__ import annotations

import dkim
import pytest
from builders import member_id
from mails import AT, Mail, a_kit, a_signer

from postreel.compose import notice_of
from postreel.errors import InputError
from postreel.schema import Contacts

SEND_ID = b"\x05" * 16
LINK = "https://postreel.example/confirm/abc?x=1&y=2"


def contacts(count: int = 1) -> Contacts:
    return Contacts.of(
        member=[member_id(i + 1) for i in range(count)],
        address=["ann@example.com"] * count,
        language=["en"] * count,
        data_seq=[2] * count,
    )


def a_notice(**fields: object) -> dict[str, object]:
    usual: dict[str, object] = {
        "subject": "Confirm your choice",
        "paragraphs": ["Somebody asked for this.", "The link works <once>, for 60 minutes."],
        "link": LINK,
        "link_text": "Look and confirm",
    }
    return notice_of(contacts(), a_kit(), SEND_ID, AT, **(usual | fields)).table.to_pylist()[0]  # type: ignore[arg-type]


def test_a_notice_says_its_thing_with_one_link_and_loads_nothing() -> None:
    mail = Mail.of(a_notice()["raw"])  # type: ignore[arg-type]
    assert mail.links == [LINK]
    assert mail.loads == []
    assert LINK in mail.text.splitlines()
    assert "works <once>" in mail.text
    assert "works &lt;once&gt;" in mail.html
    assert all(len(line) <= 72 for line in mail.text.splitlines())


def test_a_notice_is_no_list_mail() -> None:
    message = Mail.of(a_notice()["raw"]).message  # type: ignore[arg-type]
    for name in ("List-Unsubscribe", "List-Unsubscribe-Post", "List-Id", "Precedence", "Feedback-ID"):
        assert message[name] is None
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["Subject"] == "Confirm your choice"


def test_a_notice_is_signed_and_repeatable() -> None:
    row = a_notice()
    record = a_signer().record.encode()
    assert dkim.verify(row["raw"], dnsfunc=lambda name, timeout=5: record)
    assert row == a_notice()
    assert (row["send_id"], row["data_seq"], row["used"]) == (SEND_ID, 2, 0)


def test_a_notice_without_a_link_has_none() -> None:
    assert Mail.of(a_notice(link=None, link_text=None)["raw"]).links == []  # type: ignore[arg-type]


def test_a_notice_to_nobody_or_with_half_a_link_is_refused() -> None:
    with pytest.raises(InputError):
        notice_of(contacts(2), a_kit(), SEND_ID, AT, subject="x", paragraphs=[])
    with pytest.raises(InputError):
        a_notice(link_text=None)
    with pytest.raises(InputError):
        a_notice(subject="x\r\nBcc: y@example.net")
