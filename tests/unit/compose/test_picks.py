"""The picks mail: its headers, its parts, its links, and what is kept of it."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta

import dkim
import pytest
from mails import (
    AT,
    BASE_URL,
    CATALOGUE,
    TITLES,
    TOKEN_KEY,
    Mail,
    a_brief,
    a_kit,
    a_pick,
    a_reason,
    a_signer,
    briefs_of,
    templates,
    wordings,
)

from postreel.catalogue import Catalogue, Title
from postreel.compose import MAX_HTML, Kit, messages_of
from postreel.errors import InputError, SettingsError
from postreel.tokens import TokenKind, opened_token, returned_send_id
from postreel.words import Wordings


def one(
    brief: dict[str, object], catalogue: Catalogue = CATALOGUE, kit: Kit | None = None
) -> dict[str, object]:
    rows = messages_of(briefs_of(brief), kit or a_kit(), catalogue, AT).table.to_pylist()
    assert len(rows) == 1
    return rows[0]


def mail_of(brief: dict[str, object], catalogue: Catalogue = CATALOGUE) -> Mail:
    return Mail.of(one(brief, catalogue)["raw"])  # type: ignore[arg-type]


def signed_names(raw: bytes) -> list[str]:
    field = raw.partition(b"\r\nFrom:")[0].replace(b"\r\n", b"").replace(b" ", b"")
    return field.partition(b";h=")[2].partition(b";")[0].decode().split(":")


def test_every_header_of_the_contract_is_there() -> None:
    message = mail_of(a_brief()).message
    assert message["From"] == "Little Cinema <picks@mail.example.org>"
    assert message["To"] == "reader1@example.com"
    assert message["Date"] == "Fri, 01 May 2026 18:00:00 +0000"
    assert message["List-Id"] == "<picks.mail.example.org>"
    assert message["List-Unsubscribe"].startswith(f"<{BASE_URL}/unsubscribe/")
    assert message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert message["Precedence"] == "bulk"
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["X-Auto-Response-Suppress"] == "All"
    assert len(message["Feedback-ID"].split(":")) == 4
    assert message["MIME-Version"] == "1.0"
    assert message["Subject"]
    assert len(message.get_all("DKIM-Signature")) == 1


def test_dkimpy_verifies_and_both_unsubscribe_headers_are_signed() -> None:
    raw = one(a_brief(has_opens=True, has_clicks=True))["raw"]
    assert isinstance(raw, bytes)
    record = a_signer().record.encode()
    assert dkim.verify(raw, dnsfunc=lambda name, timeout=5: record)
    assert {"list-unsubscribe", "list-unsubscribe-post", "from", "feedback-id"} <= set(signed_names(raw))


def test_lines_end_in_crlf_and_are_short() -> None:
    raw = one(a_brief())["raw"]
    assert isinstance(raw, bytes)
    assert raw.count(b"\n") == raw.count(b"\r\n") == raw.count(b"\r")
    assert max(map(len, raw.split(b"\r\n"))) <= 998


def test_the_message_id_is_the_same_for_campaign_and_member_whatever_is_shown() -> None:
    first = one(a_brief())["message_id"]
    again = one(a_brief(picks=[a_pick("the-kid")], send_id=b"other send id 15"))["message_id"]
    assert first == again
    assert first != one(a_brief(2))["message_id"]
    assert first != one(a_brief(campaign="picks-2026-19"))["message_id"]
    assert "reader" not in str(first)


def test_the_parts_are_text_then_html_with_its_pictures() -> None:
    message = mail_of(a_brief()).message
    assert message.get_content_type() == "multipart/alternative"
    text, related = message.iter_parts()
    assert text.get_content_type() == "text/plain"
    assert [p.get_content_type() for p in related.iter_parts()] == ["text/html", "image/png", "image/png"]


def test_the_text_part_tells_the_same_in_the_same_order_in_short_lines() -> None:
    text = mail_of(a_brief(name="Ann")).text
    order = [
        "Little Cinema",
        "Hello Ann,",
        "Sunrise",
        "1927, 94 min",
        "Mostly because you watched Metropolis.",
        "https://cinema.example/watch/sunrise",
        "Faust",
        "Partly because you watched Nosferatu.",
        "What chose these",
        "Does this mail report back?",
        "/preferences/",
        "/unsubscribe/",
        "/why/",
        "1 Film Street",
    ]
    places = [text.index(part) for part in order]
    assert places == sorted(places)
    for line in text.splitlines():
        assert len(line) <= 72 or line.startswith("https://")
        assert "https://" not in line or line.startswith("https://")


def test_the_html_says_its_language_and_needs_no_script_or_font() -> None:
    mail = mail_of(a_brief())
    tags = mail.tags
    assert ("lang", "en") in next(a for t, a in tags if t == "html").items()
    wrapper = next(a for t, a in tags if t == "div" and "lang" in a)
    assert (wrapper["lang"], wrapper["dir"]) == ("en", "ltr")
    assert all(a.get("role") == "presentation" for t, a in tags if t == "table")
    assert all("alt" in a for t, a in tags if t == "img")
    assert "@font-face" not in mail.html
    assert "<title>Your picks</title>" in mail.html
    assert "prefers-color-scheme: dark" in mail.html
    assert [t for t, _ in tags if t in ("h1", "h2", "h3")] == ["h1", "h2", "h2", "h3"]


def test_without_grants_nothing_is_loaded_and_links_are_plain() -> None:
    mail = mail_of(a_brief())
    assert all(load.startswith("cid:") for load in mail.loads)
    assert set(mail.pictures) == {load.removeprefix("cid:") for load in mail.loads}
    steering = [link for link in mail.links if link.startswith(BASE_URL)]
    assert [link.split("/")[3] for link in steering] == ["preferences", "unsubscribe", "why"]
    assert {link for link in mail.links if link not in steering} == {
        "https://cinema.example/watch/sunrise",
        "https://cinema.example/watch/faust",
    }


def test_a_grant_for_opens_adds_one_pixel_and_nothing_else() -> None:
    plain, measured = mail_of(a_brief()), mail_of(a_brief(has_opens=True))
    remote = [load for load in measured.loads if not load.startswith("cid:")]
    assert len(remote) == 1
    token = remote[0].removeprefix(f"{BASE_URL}/o/").removesuffix(".gif")
    assert opened_token(TOKEN_KEY, TokenKind.OPEN, token) == (a_brief()["send_id"], 0)
    assert measured.links == plain.links


def test_a_grant_for_clicks_rewrites_title_links_and_only_those() -> None:
    mail = mail_of(a_brief(has_clicks=True))
    clicks = [link for link in mail.links if "/c/" in link]
    assert not any("cinema.example" in link for link in mail.links)
    seen: set[tuple[str, int]] = set()
    for link in clicks:
        ref, _, token = link.removeprefix(f"{BASE_URL}/c/").rpartition(".")
        opened = opened_token(TOKEN_KEY, TokenKind.CLICK, token)
        assert opened is not None
        assert opened[0] == a_brief()["send_id"]
        seen.add((ref, opened[1]))
    assert seen == {("sunrise", 0), ("faust", 1)}
    assert all(link in mail.text for link in clicks)


def test_the_steering_links_open_for_this_member_and_send() -> None:
    brief = a_brief()
    links = {
        link.split("/")[3]: link.split("/")[4] for link in mail_of(brief).links if link.startswith(BASE_URL)
    }
    assert opened_token(TOKEN_KEY, TokenKind.UNSUBSCRIBE, links["unsubscribe"]) == (brief["member"], 4)
    assert opened_token(TOKEN_KEY, TokenKind.PREFERENCES, links["preferences"]) == (brief["member"], 0)
    assert opened_token(TOKEN_KEY, TokenKind.WHY, links["why"]) == (brief["send_id"], 0)


def test_the_return_path_names_the_send_in_any_case() -> None:
    path = str(one(a_brief())["return_path"])
    assert path.endswith("@bounces.example.org")
    assert len(path.partition("@")[0]) <= 64
    assert returned_send_id(TOKEN_KEY, path.upper()) == a_brief()["send_id"]
    assert returned_send_id(TOKEN_KEY, path.replace(path[5], "f" if path[5] != "f" else "e", 1)) is None
    assert returned_send_id(TOKEN_KEY, "postmaster@example.org") is None


def test_a_mail_that_is_not_personal_says_so_and_names_no_viewing() -> None:
    mail = mail_of(a_brief(is_personal=False))
    for part in (mail.html, mail.text):
        assert "Nothing you watched was used" in " ".join(part.split())
        assert "Nothing of your own viewing" in " ".join(part.split())
        assert "Metropolis" not in part
        assert "because you" not in part.casefold().replace("because you asked", "")


def test_the_record_holds_what_was_shown_and_by_how_much() -> None:
    record = json.loads(str(one(a_brief(has_opens=True))["record"]))
    assert [t["title_id"] for t in record["titles"]] == ["sunrise", "faust"]
    assert record["titles"][0]["reasons"] == [a_reason("metropolis")]
    assert record["titles"][0]["named"] == ["metropolis"]
    assert record["used"] == ["history", "recommendations", "mail.picks", "measure.opens"]
    assert (record["is_personal"], record["has_opens"], record["has_clicks"]) == (True, True, False)
    assert record["model"] == "test-model"
    assert json.loads(str(one(a_brief(is_personal=False))["record"]))["titles"][0]["reasons"] == []


def test_composing_again_gives_the_same_bytes() -> None:
    assert one(a_brief(has_clicks=True)) == one(a_brief(has_clicks=True))


def test_six_titles_are_shown_at_most_and_none_twice_or_unknown() -> None:
    picks = [a_pick(t.title_id) for t in (*TITLES[:1], *TITLES)] + [a_pick("gone")]
    record = json.loads(str(one(a_brief(picks=picks))["record"]))
    assert [t["title_id"] for t in record["titles"]] == [t.title_id for t in TITLES[:6]]


def test_a_brief_without_a_title_to_show_gets_no_message_and_the_others_theirs() -> None:
    briefs = briefs_of(a_brief(1, []), a_brief(2), a_brief(3, [a_pick("gone")]))
    messages = messages_of(briefs, a_kit(), CATALOGUE, AT)
    assert messages.column("address").tolist() == ["reader2@example.com"]
    assert len(messages_of(briefs_of(a_brief(1, [])), a_kit(), CATALOGUE, AT)) == 0


def test_text_from_the_catalogue_and_the_member_is_escaped() -> None:
    mail = mail_of(a_brief(name="<b>Ann</b> & Co", picks=[a_pick("spring")]))
    assert "Spring &amp; &lt;Sons&gt;" in mail.html
    assert "<b>Ann" not in mail.html
    assert "Spring & <Sons>" in mail.text


def test_the_html_stays_under_the_limit_however_long_the_titles() -> None:
    titles = [Title(f"t{i}", "映画" * 400, summary="長い物語" * 400) for i in range(6)]
    mail = mail_of(a_brief(picks=[a_pick(t.title_id) for t in titles]), Catalogue.of(titles))
    assert len(mail.html.encode()) <= MAX_HTML
    assert len(mail.pictures) >= 1


def test_ids_with_any_characters_make_whole_links() -> None:
    title = Title('a/b?c=d.e "f"<é>', "Odd")
    for clicks in (False, True):
        mail = mail_of(a_brief(picks=[a_pick(title.title_id)], has_clicks=clicks), Catalogue.of([title]))
        assert any("a%2Fb%3Fc%3Dd%2Ee%20%22f%22%3C%C3%A9%3E" in link for link in mail.links)


def test_an_unknown_language_gets_the_services_own() -> None:
    assert mail_of(a_brief(language="xx-YY")).text == mail_of(a_brief()).text


def test_a_language_from_right_to_left_sets_the_direction_everywhere() -> None:
    words = wordings()
    hebrew = Wordings("he", "rtl", words.texts)
    kit = replace(a_kit(), templates={"en": templates(words), "he": templates(hebrew)})
    mail = Mail.of(one(a_brief(language="he-IL"), kit=kit)["raw"])  # type: ignore[arg-type]
    assert 'lang="he" dir="rtl"' in mail.html
    assert next(a for t, a in mail.tags if t == "div" and "lang" in a)["dir"] == "rtl"


def test_a_poster_is_drawn_once_for_many_mails() -> None:
    drawn: list[str] = []

    def counted(title: Title, width: int) -> bytes:
        drawn.append(title.title_id)
        return b"png"

    kit = replace(a_kit(), poster=counted, _cards={})
    for number in range(5):
        one(a_brief(number), kit=kit)
    assert sorted(drawn) == ["faust", "faust", "sunrise", "sunrise"]


@pytest.mark.parametrize(
    "change",
    [
        {"base_url": "http://postreel.example"},
        {"base_url": "https://postreel.example/"},
        {"watch_url": "https://cinema.example/watch"},
        {"postal_address": " "},
        {"language": "xx"},
        {"return_domain": "not a domain"},
    ],
)
def test_a_kit_that_could_not_send_lawful_mail_is_refused(change: dict[str, str]) -> None:
    with pytest.raises(SettingsError):
        replace(a_kit(), **change)


def test_a_wording_that_is_missing_is_an_error_when_compiling_and_not_when_sending() -> None:
    words = wordings()
    less = Wordings(
        words.language, words.direction, {k: v for k, v in words.texts.items() if k != "picks.more"}
    )
    with pytest.raises(InputError, match=r"picks\.more"):
        templates(less)


def test_two_mails_of_one_campaign_differ_only_where_they_must() -> None:
    mine, theirs = mail_of(a_brief(1)), mail_of(a_brief(2))
    assert [link for link in mine.links if BASE_URL not in link] == [
        link for link in theirs.links if BASE_URL not in link
    ]
    assert mine.pictures == theirs.pictures
    assert mine.message.get_boundary() == theirs.message.get_boundary()
    assert mine.message["Feedback-ID"] == theirs.message["Feedback-ID"]


def test_the_subject_follows_the_readers_day() -> None:
    berlin = messages_of(briefs_of(a_brief()), a_kit(), CATALOGUE, AT + timedelta(days=3))
    assert "weekend" not in str(Mail.of(berlin.column("raw")[0]).message["Subject"]).casefold()
