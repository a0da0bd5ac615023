"""For any brief: what the member did not grant is not in the mail, and what was watched is not on its outside."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import datetime
from functools import cache
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from mails import (
    AT,
    BASE_URL,
    CATALOGUE,
    TITLES,
    Mail,
    a_brief,
    a_kit,
    a_pick,
    a_reason,
    briefs_of,
)

from postreel.catalogue import Title
from postreel.compose import MAX_HTML, Kit, messages_of

ids = st.sampled_from([t.title_id for t in TITLES])
reasons = st.builds(a_reason, ids, st.floats(0.01, 1), st.sampled_from(["watched", "rated", "listed"]))
picks = st.builds(
    lambda title, why, also: a_pick(title, *why, also=also),
    ids,
    st.lists(reasons, max_size=3),
    st.lists(st.sampled_from(["lift", "variety", "content", "popular"]), max_size=2, unique=True),
)
names = st.one_of(
    st.none(),
    st.text(max_size=40),
    st.sampled_from(
        ["<img src=https://evil.example/x>", '"><script>x</script>', "url(https://evil.example)"]
    ),
)
briefs = st.builds(
    lambda shown, **fields: a_brief(7, shown, **fields),
    st.lists(picks, min_size=1, max_size=8),
    name=names,
    timezone=st.sampled_from(["UTC", "Asia/Tokyo", "America/New_York", "nowhere", None]),
    language=st.sampled_from(["en", "en-GB", "de", None]),
    send_id=st.binary(min_size=15, max_size=15).map(lambda b: b + b"\x01"),
    is_personal=st.booleans(),
    has_opens=st.booleans(),
    has_clicks=st.booleans(),
    has_learn=st.booleans(),
)
STEERING = re.compile(rf"^{BASE_URL}/(unsubscribe|preferences|why)/[A-Za-z0-9_-]{{48}}$")
REQUIRED = (
    "From",
    "To",
    "Subject",
    "Date",
    "Message-ID",
    "MIME-Version",
    "List-Id",
    "List-Unsubscribe",
    "List-Unsubscribe-Post",
    "Feedback-ID",
    "Precedence",
    "Auto-Submitted",
    "X-Auto-Response-Suppress",
)
TOKEN = re.compile(r"[A-Za-z0-9_-]{40,}")


def small(title: Title, width: int) -> bytes:
    return b"picture"


@cache
def kit() -> Kit:
    # A small picture and no signature: neither is in question here, and each example is cheaper for it.
    return replace(a_kit(), poster=small, signed=unsigned, _cards={})


def unsigned(raw: bytes, at: datetime) -> bytes:
    return raw


def composed(brief: dict[str, Any]) -> tuple[bytes, Mail]:
    raw = messages_of(briefs_of(brief), kit(), CATALOGUE, AT).column("raw")[0]
    return raw, Mail.of(raw)


@settings(max_examples=250)
@given(briefs)
def test_what_was_not_granted_is_not_in_the_mail(brief: dict[str, Any]) -> None:
    _, mine = composed(brief)
    remote = [load for load in mine.loads if not load.startswith("cid:")]
    plain = [link for link in mine.links if not STEERING.match(link)]
    if brief["has_opens"]:
        assert len(remote) == 1
        assert remote[0].startswith(f"{BASE_URL}/o/")
    else:
        assert remote == []
        assert "/o/" not in mine.html
    if brief["has_clicks"]:
        assert all(link.startswith(f"{BASE_URL}/c/") for link in plain)
    else:
        _, theirs = composed(brief | {"member": b"\x09" * 16, "send_id": b"\x08" * 16, "name": "Bo"})
        assert plain == [link for link in theirs.links if not STEERING.match(link)]
        assert all(re.fullmatch(r"https://cinema\.example/watch/[a-z-]+", link) for link in plain)
        assert len(TOKEN.findall(mine.text.replace("-" * 72, ""))) == 3
    assert len([link for link in mine.links if STEERING.match(link)]) == 3


@settings(max_examples=250)
@given(briefs)
def test_viewing_is_named_only_where_it_is_a_reason_and_never_on_the_outside(brief: dict[str, Any]) -> None:
    raw, mail = composed(brief)
    head = raw.partition(b"\r\n\r\n")[0].decode().casefold()
    before_greeting = mail.html[: mail.html.index("Hello")].partition("<body")[2].casefold()
    shown = {p["title_id"] for p in brief["picks"]}
    reasoned = {r["title_id"] for p in brief["picks"] for r in p["reasons"]}
    allowed = shown | (reasoned if brief["is_personal"] else set())
    # The greeting holds the member's own name, which may be anything.
    body = " ".join(mail.text.partition("you asked us for picks")[2].split())
    for title in TITLES:
        name = re.escape(title.name)
        assert title.title_id not in head
        assert not re.search(rf"\b{name.casefold()}", head)
        assert not re.search(rf"\b{name.casefold()}", before_greeting)
        if title.title_id not in allowed or (title.sensitive and title.title_id not in shown):
            assert not re.search(rf"\b{name}", body)


@settings(max_examples=150)
@given(briefs)
def test_every_mail_keeps_to_the_limits_and_holds_every_header(brief: dict[str, Any]) -> None:
    raw, mail = composed(brief)
    assert len(mail.html.encode()) < MAX_HTML
    assert max(map(len, raw.split(b"\r\n"))) <= 998
    assert raw.count(b"\n") == raw.count(b"\r\n")
    assert mail.text.index("Does this mail report back?") < mail.text.index("1 Film Street")
    assert all(len(mail.message.get_all(name) or []) == 1 for name in REQUIRED)
