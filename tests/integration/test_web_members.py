"""Members' pages over HTTP, on a real sandbox: what changes by which press, and what never does."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote

import pytest
from pages import ALL, TITLES, Place, mark_of, new_place

from postreel.purposes import SWITCHABLE, MailPicks
from postreel.tokens import TokenKind
from postreel.web.signals import GIF

PICKS = SWITCHABLE.index(MailPicks)
NOBODY = "A" * 48
ON = ("granted",)
FORM_KINDS = (
    "application/x-www-form-urlencoded",
    "multipart/form-data",
    "multipart/form-data; boundary=x",
    "",
)
OTHER_BODIES = (
    b"",
    b"List-Unsubscribe=Two-Clicks",
    b"confirm=no",
    b'{"confirm":"yes"}',
    b"\xff\xfe",
    b"x=" + b"y" * 200_000,
)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return new_place(tmp_path)


@pytest.fixture
def sent(tmp_path: Path) -> Place:
    return new_place(tmp_path, is_sent=True)


def test_following_any_link_changes_nothing(sent: Place) -> None:
    links = [
        sent.app.gate.new_link(sent.member("cat"), what, 60) for what in ("welcome", "sign in", "grant learn")
    ]
    paths = [
        "/static/style.css",
        f"/unsubscribe/{sent.token(TokenKind.UNSUBSCRIBE, 'ann', PICKS)}",
        f"/preferences/{sent.token(TokenKind.PREFERENCES, 'ann')}",
        f"/why/{sent.token(TokenKind.WHY, 'ann')}",
        f"/welcome/{links[0]}",
        f"/confirm/{links[1]}",
        f"/confirm/{links[2]}",
        "/account",
        "/account/home",
        "/privacy",
        "/privacy?format=json",
        "/healthz",
        "/metrics",
        "/posters/film.1.png?w=120",
        "/no/such/page",
    ]
    before = sent.rows()
    for path in paths:
        for method in ("GET", "HEAD"):
            assert sent.client.request(method, path).status_code in (200, 303, 404), path
    sent.client.head(f"/o/{sent.token(TokenKind.OPEN, 'ann')}.gif")
    sent.client.head(f"/c/film%2E1.{sent.token(TokenKind.CLICK, 'ann')}")
    assert sent.rows() == before
    assert all(sent.app.gate.link(link) for link in links)


def test_looking_while_signed_in_changes_nothing_but_the_log_of_looking(sent: Place) -> None:
    client = sent.sign_in("ann")
    before = sent.rows("access_log")
    for path in ("home", "known", "preferences", "data.zip", "stop", "erase"):
        for method in ("GET", "HEAD"):
            assert client.request(method, f"/account/{path}").status_code == 200
    assert client.get(f"/why/{sent.token(TokenKind.WHY, 'ann')}").status_code == 200
    assert client.get("/privacy").status_code == 200
    assert sent.rows("access_log") == before


class TestUnsubscribe:
    def path(self, place: Place, name: str = "ann") -> str:
        return f"/unsubscribe/{place.token(TokenKind.UNSUBSCRIBE, name, PICKS)}"

    @pytest.mark.parametrize("is_multipart", [False, True])
    def test_one_click_ends_one_kind_of_mail(self, place: Place, is_multipart: bool) -> None:
        field = {"List-Unsubscribe": "One-Click"}
        body = {"files": {k: (None, v) for k, v in field.items()}} if is_multipart else {"data": field}
        answer = place.client.post(self.path(place), **body)  # type: ignore[arg-type]
        assert answer.status_code == 200
        assert "set-cookie" not in answer.headers
        row = place.app.gate.rights(place.member("ann")).grants()["mail.picks"]
        assert (row.state, row.channel) == ("withdrawn", "one-click")
        assert place.state("ann", "recommendations") == "granted"

    def test_the_pages_own_button_does_the_same(self, place: Place) -> None:
        answer = place.client.post(self.path(place), data={"confirm": "yes"})
        assert "You are unsubscribed" in answer.text
        assert place.app.gate.rights(place.member("ann")).grants()["mail.picks"].channel == "unsubscribe page"

    def test_any_other_body_changes_nothing(self, place: Place) -> None:
        before = place.rows()
        for kind in FORM_KINDS:
            for body in OTHER_BODIES:
                answer = place.client.post(self.path(place), content=body, headers={"content-type": kind})
                assert answer.status_code == 200
                assert 'name="confirm"' in answer.text
        assert place.rows() == before

    def test_a_forged_token_gets_the_same_bytes(self, place: Place) -> None:
        good, forged = self.path(place), f"/unsubscribe/{NOBODY}"
        assert place.client.get(good).content == place.client.get(forged).content
        before = place.rows()
        said = place.client.post(forged, data={"List-Unsubscribe": "One-Click"})
        assert place.rows() == before
        assert said.content == place.client.post(good, data={"List-Unsubscribe": "One-Click"}).content

    def test_a_mail_that_waits_does_not_leave_any_more(self, place: Place) -> None:
        from postreel.flows.send import plan_campaign, send_campaign

        campaign, _ = plan_campaign(place.app.gate, "picks", "waiting", place.app.clock)
        place.client.post(self.path(place), data={"confirm": "yes"})
        done = send_campaign(place.app.gate, campaign, place.app.kit, place.app.clock)
        assert done.withheld["withdrawn"] == 1
        assert [mail["To"] for mail in place.mails()] == ["bob@example.org"]

    def test_the_token_of_an_erased_member_gets_the_same_page(self, place: Place) -> None:
        path = self.path(place)
        place.app.gate.rights(place.member("ann")).erase()
        before = place.rows()
        assert place.client.post(path, data={"confirm": "yes"}).status_code == 200
        assert place.rows() == before


class TestPreferences:
    def path(self, place: Place, name: str = "ann") -> str:
        return f"/preferences/{place.token(TokenKind.PREFERENCES, name)}"

    def test_what_was_unticked_is_withdrawn_and_the_rest_stays(self, place: Place) -> None:
        on = [key for key in ALL if key not in ("measure.opens", "learn")]
        answer = place.client.post(self.path(place), data={"save": "yes", "shown": list(ALL), "on": on})
        assert "Saved." in answer.text
        assert "Off now: Tell you when I open a mail, Learn from what I do with mails." in answer.text
        assert {key for key in ALL if place.state("ann", key) in ON} == set(on)

    def test_a_grant_never_comes_by_a_mails_link(self, place: Place) -> None:
        keys = [p.key for p in SWITCHABLE]
        before = place.rows()
        for body in (
            {"save": "yes", "shown": keys, "on": keys},
            {"save": "yes", "on": keys},
            {"on": keys, "grant": keys, "mark": "x"},
        ):
            place.client.post(self.path(place, "cat"), data=body)
        assert place.rows() == before

    def test_a_purpose_that_the_page_did_not_show_is_left_alone(self, place: Place) -> None:
        place.client.post(self.path(place), data={"save": "yes", "shown": ["learn"], "on": []})
        assert place.state("ann", "learn") == "withdrawn"
        assert place.state("ann", "history") == "granted"

    def test_one_button_stops_everything(self, place: Place) -> None:
        place.client.post(self.path(place), data={"stop": "everything"})
        assert not any(place.state("ann", key) in ON for key in ALL)
        assert place.app.gate.stored_count()["plays"] == 0

    @pytest.mark.parametrize("body", [{}, {"on": ["learn"]}, {"save": "no", "shown": list(ALL)}])
    def test_a_form_without_the_button_changes_nothing(self, place: Place, body: dict[str, object]) -> None:
        before = place.rows()
        place.client.post(self.path(place), data=body)
        assert place.rows() == before

    def test_a_form_on_another_site_changes_nothing(self, place: Place) -> None:
        before = place.rows()
        headers = {"sec-fetch-site": "cross-site"}
        place.client.post(self.path(place), data={"stop": "everything"}, headers=headers)
        assert place.rows() == before

    def test_the_page_says_nothing_of_who_they_are(self, sent: Place) -> None:
        page = sent.client.get(self.path(sent)).text
        for word in ("ann", "Ann", "example.org", *(t.name for t in TITLES)):
            assert f">{word}" not in page
            assert f" {word} " not in page

    def test_forged_and_erased_tokens_get_the_same_bytes(self, place: Place) -> None:
        path = self.path(place)
        place.app.gate.rights(place.member("ann")).erase()
        assert place.client.get(path).content == place.client.get(f"/preferences/{NOBODY}").content

    def test_a_member_who_is_signed_in_can_grant(self, place: Place) -> None:
        client = place.sign_in("cat")
        page = client.get("/account/preferences").text
        body = {"mark": mark_of(page), "save": "yes", "shown": ["history", "learn"], "on": ["history"]}
        assert "On now: Keep my viewing history." in client.post("/account/preferences", data=body).text
        assert place.state("cat", "history") == "granted"
        assert place.state("cat", "learn") == "unknown"

    def test_without_the_sessions_mark_nothing_is_granted(self, place: Place) -> None:
        client, other = place.sign_in("cat"), place.sign_in("bob")
        mark = mark_of(other.get("/account/preferences").text)
        before = place.rows()
        for one in ("", "x", mark):
            body = {"mark": one, "save": "yes", "shown": ["history"], "on": ["history"]}
            assert client.post("/account/preferences", data=body).status_code == 403
        assert place.rows() == before


class TestFirstAsking:
    def test_each_answer_is_written_and_an_open_question_stays_unknown(self, place: Place) -> None:
        link = place.app.gate.new_link(place.member("cat"), "welcome", 60)
        answer = place.client.post(f"/welcome/{link}", data={"recommend": "yes", "report": "no"})
        assert "Thank you" in answer.text
        states = {p.key: place.state("cat", p.key) for p in SWITCHABLE}
        assert {k for k, s in states.items() if s == "granted"} == {"history", "recommendations"}
        assert {k for k, s in states.items() if s == "refused"} == {
            "measure.opens",
            "measure.clicks",
            "learn",
        }
        assert place.client.post(f"/welcome/{link}", data={"mail": "yes"}).status_code == 404
        assert place.state("cat", "mail.picks") == "unknown"

    def test_no_answer_at_all_does_not_use_the_link_up(self, place: Place) -> None:
        link = place.app.gate.new_link(place.member("cat"), "welcome", 60)
        before = place.rows()
        assert (
            "nothing was saved" in place.client.post(f"/welcome/{link}", data={"recommend": "perhaps"}).text
        )
        assert place.rows() == before

    def test_nothing_is_chosen_beforehand(self, place: Place) -> None:
        link = place.app.gate.new_link(place.member("cat"), "welcome", 60)
        assert "checked" not in place.client.get(f"/welcome/{link}").text

    def test_a_link_for_something_else_opens_no_questions(self, place: Place) -> None:
        link = place.app.gate.new_link(place.member("cat"), "sign in", 60)
        before = place.rows()
        assert place.client.post(f"/welcome/{link}", data={"recommend": "yes"}).status_code == 404
        assert place.rows() == before


class TestConfirm:
    def test_a_press_grants_once_and_gives_a_receipt(self, place: Place) -> None:
        link = place.app.gate.new_link(place.member("cat"), "grant mail.picks", 60)
        answer = place.client.post(f"/confirm/{link}", data={"confirm": "yes"})
        assert "postreel-receipt.json" in answer.text
        row = place.app.gate.rights(place.member("cat")).grants()["mail.picks"]
        assert (row.state, row.channel) == ("granted", "confirmation mail")
        assert place.client.post(f"/confirm/{link}", data={"confirm": "yes"}).status_code == 404

    @pytest.mark.parametrize("body", [{}, {"confirm": "perhaps"}, {"List-Unsubscribe": "One-Click"}])
    def test_any_other_form_uses_nothing_up(self, place: Place, body: dict[str, str]) -> None:
        link = place.app.gate.new_link(place.member("cat"), "grant mail.picks", 60)
        before = place.rows()
        assert place.client.post(f"/confirm/{link}", data=body).status_code == 200
        assert place.rows() == before

    def test_a_no_is_written_down_too(self, place: Place) -> None:
        link = place.app.gate.new_link(place.member("cat"), "grant mail.picks", 60)
        assert "Thank you" in place.client.post(f"/confirm/{link}", data={"confirm": "no"}).text
        assert place.state("cat", "mail.picks") == "refused"

    def test_signing_in_sets_a_cookie_that_no_script_reads(self, place: Place) -> None:
        link = place.app.gate.new_link(place.member("ann"), "sign in", 60)
        answer = place.client.post(f"/confirm/{link}", data={"confirm": "yes"})
        assert answer.headers["location"] == "/account/home"
        cookie = answer.headers["set-cookie"].lower()
        assert "httponly" in cookie
        assert "samesite=lax" in cookie
        assert "max-age=3600" in cookie

    def test_a_changed_cookie_signs_nobody_in(self, place: Place) -> None:
        value = place.sign_in("ann").cookies["postreel_session"]

        def home(cookie: str) -> int:
            return place.client.get(
                "/account/home", headers={"cookie": f"postreel_session={cookie}"}
            ).status_code

        assert home(value) == 200
        for wrong in (
            "",
            "x",
            value[:-2],
            value[:-2] + ("AA" if value[-2:] != "AA" else "BB"),
            "A" + value[1:],
        ):
            assert home(wrong) == (200 if wrong == value else 303)


class TestAccount:
    def test_the_answer_is_the_same_for_any_address(self, place: Place) -> None:
        known = place.client.post("/account", data={"address": "ann@example.org"})
        unknown = place.client.post("/account", data={"address": "zoe@example.org"})
        assert known.content == unknown.content
        assert [mail["To"] for mail in place.mails()] == ["ann@example.org"]

    def test_a_mailbox_is_not_filled_by_asking(self, place: Place) -> None:
        for _ in range(6):
            place.client.post("/account", data={"address": "ann@example.org"})
        assert len(place.mails()) == 3

    def test_what_is_no_address_is_said_beside_the_field(self, place: Place) -> None:
        answer = place.client.post("/account", data={"address": '"><script>'})
        assert answer.status_code == 422
        assert "<script>" not in answer.text

    def test_a_member_sees_what_is_known_and_takes_it_along(self, sent: Place) -> None:
        client = sent.sign_in("ann")
        page = client.get("/account/known").text
        assert "Sunrise" in page
        assert "because you watched" in page
        data = client.get("/account/data.zip")
        assert data.headers["content-type"] == "application/zip"
        assert data.content.startswith(b"PK")

    def test_erasing_takes_a_typed_word_and_signs_out(self, sent: Place) -> None:
        client = sent.sign_in("ann")
        mark = mark_of(client.get("/account/erase").text)
        assert "Type erase" in client.post("/account/erase", data={"mark": mark, "word": "yes"}).text
        assert "You are erased" in client.post("/account/erase", data={"mark": mark, "word": "erase"}).text
        assert client.get("/account/home").headers["location"] == "/account"
        assert sent.app.gate.verify_erased("ann@example.org") == []

    def test_stopping_everything_says_how_much(self, place: Place) -> None:
        client = place.sign_in("ann")
        mark = mark_of(client.get("/account/stop").text)
        answer = client.post("/account/stop", data={"mark": mark, "stop": "everything"})
        assert f"{len(ALL)} purposes switched off" in answer.text

    def test_why_tells_a_mails_reasons_to_its_owner_alone(self, sent: Place) -> None:
        path = f"/why/{sent.token(TokenKind.WHY, 'ann')}"
        assert "because you watched" in sent.sign_in("ann").get(path).text
        plain = sent.client.get(path).content
        assert sent.sign_in("bob").get(path).content == plain
        assert sent.client.get(f"/why/{NOBODY}").content == plain

    def test_privacy_answers_five_questions_and_for_a_member_how_it_stands(self, sent: Place) -> None:
        told = sent.client.get("/privacy", headers={"accept": "application/json"}).json()["questions"]
        # Nothing removes by age yet, and members are not told otherwise.
        history = next(one for one in told if one["id"] == "history")
        assert history["facts"]["is_removed_by_age"] is False
        assert "Nothing is removed by age yet" in " ".join(history["answer"].split())
        assert [one["id"] for one in told] == ["track", "teach", "personalised", "history", "stop"]
        assert all(one["answer"] and one["facts"] for one in told)
        assert "you" not in told[0]["facts"]
        own = sent.sign_in("bob").get("/privacy?format=json").json()["questions"]
        assert own[0]["facts"]["you"] == {"measure.opens": "unknown", "measure.clicks": "unknown"}
        assert own[0]["facts"]["your_last_mails"] == [{"opens": False, "clicks": False}]


class TestSignals:
    def signals(self, place: Place, name: str = "ann") -> list[tuple[str, int, int]]:
        return sorted(row[1:] for row in place.app.gate.rights(place.member(name)).engagement())

    def test_an_open_and_a_click_are_counted_under_their_grants(self, sent: Place) -> None:
        sent.client.get(f"/o/{sent.token(TokenKind.OPEN, 'ann')}.gif")
        sent.client.get(f"/c/film%2E4.{sent.token(TokenKind.CLICK, 'ann', 2)}")
        assert self.signals(sent) == [("click", 2, 1), ("open", 0, 1)]

    def test_without_a_grant_nothing_is_counted(self, sent: Place) -> None:
        before = sent.rows()
        sent.client.get(f"/o/{sent.token(TokenKind.OPEN, 'bob')}.gif")
        sent.client.get(f"/c/film%2E4.{sent.token(TokenKind.CLICK, 'bob')}")
        assert sent.rows() == before

    def test_after_a_withdrawal_delivered_pictures_and_links_are_dead(self, sent: Place) -> None:
        opened, clicked = sent.token(TokenKind.OPEN, "ann"), sent.token(TokenKind.CLICK, "ann", 1)
        sent.client.get(f"/o/{opened}.gif")
        sent.client.post(
            f"/preferences/{sent.token(TokenKind.PREFERENCES, 'ann')}",
            data={"save": "yes", "shown": ["measure.opens", "measure.clicks"]},
        )
        before = sent.rows()
        assert self.signals(sent) == []
        sent.client.get(f"/o/{opened}.gif")
        sent.client.get(f"/c/film%2E4.{clicked}")
        assert sent.rows() == before

    def test_every_token_gets_the_same_answer(self, sent: Place) -> None:
        good = sent.client.get(f"/o/{sent.token(TokenKind.OPEN, 'ann')}.gif")
        assert (len(GIF), good.content) == (43, GIF)
        for token in (
            NOBODY,
            "x",
            sent.token(TokenKind.OPEN, "bob"),
            sent.token(TokenKind.CLICK, "ann"),
            "%00",
            "é",
        ):
            other = sent.client.get(f"/o/{quote(token, safe='%')}.gif")
            assert (other.status_code, other.content, other.headers) == (200, GIF, good.headers)

    def test_where_a_click_leads_depends_on_the_title_alone(self, sent: Place) -> None:
        plain = sent.client.get(f"/c/film%2E4.{sent.token(TokenKind.CLICK, 'ann')}")
        assert plain.status_code == 302
        assert plain.headers["location"] == "https://postreel.example/watch/film%2E4"
        for token in (NOBODY, "x", "", sent.token(TokenKind.CLICK, "bob"), sent.token(TokenKind.OPEN, "ann")):
            assert sent.client.get(f"/c/film%2E4.{token}").headers == plain.headers
        for title in ("no-such", "https:%2F%2Fevil.example", "", "..%2F.."):
            answer = sent.client.get(f"/c/{title}.{sent.token(TokenKind.CLICK, 'ann')}")
            assert answer.headers["location"] == "/"

    def test_the_links_of_a_mail_lead_where_plain_links_lead(self, sent: Place) -> None:
        import re

        text = {m["To"]: m.get_body(("plain",)).get_content() for m in sent.mails()}  # type: ignore[union-attr]
        counted = re.findall(r"https://postreel\.example(/c/\S+)", text["ann@example.org"])
        assert len(counted) == 5
        plain = set(re.findall(r"https://postreel\.example/watch/\S+", text["bob@example.org"]))
        assert {sent.client.get(path).headers["location"] for path in counted} <= plain | {
            f"https://postreel.example/watch/film%2E{n}" for n in range(8)
        }
        assert {slot for _, slot, _ in self.signals(sent)} == set(range(5))
