"""The HTTP API, health, metrics and posters, on a real sandbox."""

from __future__ import annotations

import dataclasses
import io
import json
import re
from datetime import timedelta
from pathlib import Path
from typing import Any, NoReturn

import pytest
from pages import TITLES, Place, new_place
from PIL import Image

from postreel.errors import ConsentError
from postreel.gate import Gate
from postreel.schema import Plays
from postreel.web.api import EVENTS_LIMIT, api_key
from postreel.web.serve import make_asgi


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return new_place(tmp_path)


class Api:
    """Asks with the key."""

    def __init__(self, place: Place) -> None:
        self._client = place.client
        self._headers = {"authorization": f"Bearer {api_key(place.app)}"}

    def __call__(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        content = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        return self._client.request(method, path, content=content, headers={**self._headers, **headers})


@pytest.fixture
def api(place: Place) -> Api:
    return Api(place)


def a_play(place: Place, **fields: Any) -> dict[str, Any]:
    at = place.app.clock.now() - timedelta(minutes=5)
    return {
        "member": "ann",
        "type": "play",
        "title": "film.5",
        "at": at.isoformat(),
        "position_s": 0,
        **fields,
    }


def test_without_the_key_nothing_is_done(place: Place) -> None:
    before = place.rows()
    for method, path in (
        ("POST", "/v1/events"),
        ("PUT", "/v1/members/dan"),
        ("POST", "/v1/members/ann/grants"),
        ("POST", "/v1/members/ann/withdrawals"),
        ("PUT", "/v1/titles/film.9"),
        ("GET", "/v1/members/ann/recommendations"),
    ):
        for header in ("", "Bearer", "Bearer x", f"Basic {api_key(place.app)}"):
            answer = place.client.request(method, path, content=b"{}", headers={"authorization": header})
            assert answer.status_code == 401
    assert place.rows() == before


class TestEvents:
    def test_good_ones_are_kept_bad_ones_refused_and_ungranted_ones_withheld(
        self, place: Place, api: Api
    ) -> None:
        events = [
            a_play(place),
            a_play(place, type="dance"),
            a_play(place, member="cat"),
            a_play(place, member="nobody"),
        ]
        before = place.app.gate.stored_count()["plays"]
        said = api("POST", "/v1/events", events).json()
        assert said["kept"] == 1
        assert said["withheld"] == {"history": 1}
        assert said["refused"][0]["index"] == 1
        assert len(said["refused"]) == 2
        place.app.gate.compact()
        assert place.app.gate.stored_count()["plays"] == before + 1

    def test_lines_and_envelopes_are_taken_too(self, place: Place, api: Api) -> None:
        lines = "\n".join(json.dumps(a_play(place, title=f"film.{n}")) for n in range(3)).encode()
        assert api("POST", "/v1/events", lines).json()["kept"] == 3
        assert api("POST", "/v1/events", {"events": [a_play(place)]}).json()["kept"] == 1

    def test_what_is_no_json_is_said_to_be(self, api: Api) -> None:
        assert api("POST", "/v1/events", b"[1,").status_code == 400

    def test_a_body_over_the_limit_is_refused_unread(self, api: Api) -> None:
        assert api("POST", "/v1/events", b" " * (EVENTS_LIMIT + 1)).status_code == 413

    def test_where_grants_cannot_be_looked_up_nothing_is_taken(self, place: Place) -> None:
        event = a_play(place)
        blind = Place(dataclasses.replace(place.app, gate=BlindGate(place.app.gate)), place.home)
        before = files_under(place.home / "events")
        answer = Api(blind)("POST", "/v1/events", [event])
        assert answer.status_code == 503
        assert answer.json()["error"].startswith("grants could not be looked up")
        assert files_under(place.home / "events") == before
        assert blind.client.get("/healthz").status_code == 503


class BlindGate(Gate):
    """A gate whose store of grants is gone."""

    def __init__(self, gate: Gate) -> None:
        self.__dict__.update(vars(gate))

    def standing(self) -> NoReturn:
        """Fails, as the real one does."""
        raise ConsentError("grants could not be looked up, so nothing is used; try again")

    def admit(self, plays: Plays, *, is_own: bool = False) -> NoReturn:
        """As `standing`."""
        self.standing()


def files_under(folder: Path) -> dict[str, bytes]:
    """Every file with its bytes."""
    return {str(path): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


class TestMembers:
    def test_a_member_is_added_once_and_brought_up_to_date(self, place: Place, api: Api) -> None:
        given = {"address": "dan@example.org", "language": "en", "timezone": "Europe/Lisbon"}
        first = api("PUT", "/v1/members/dan", given, **{"idempotency-key": "k1"})
        assert first.status_code == 201
        assert first.headers["idempotency-key"] == "k1"
        again = api("PUT", "/v1/members/dan", {**given, "name": "Dan"})
        assert again.status_code == 200
        assert again.json()["member"] == first.json()["member"]
        assert place.app.gate.find("dan").name == "Dan"
        assert place.app.gate.rights(place.member("dan")).grants() == {}

    @pytest.mark.parametrize(
        "given",
        [
            {},
            {"address": "no address"},
            {"address": 5},
            {"address": "a@example.org", "grants": ["history"]},
            {"address": "a@example.org", "maturity": 13},
            {"address": "a@example.org", "timezone": "Mars/Olympus"},
            {"address": "a@example.org", "maturity": True},
        ],
    )
    def test_odd_members_are_refused_with_the_reason(self, place: Place, api: Api, given: Any) -> None:
        before = place.rows()
        answer = api("PUT", "/v1/members/dan", given)
        assert answer.status_code == 422
        assert "a@example.org" not in answer.text
        assert place.rows() == before

    def test_an_erased_address_does_not_come_back_by_the_service(self, place: Place, api: Api) -> None:
        place.app.gate.rights(place.member("ann")).erase()
        assert api("PUT", "/v1/members/ann", {"address": "ann@example.org"}).status_code == 409


class TestConsents:
    def test_a_grant_needs_evidence(self, place: Place, api: Api) -> None:
        before = place.rows()
        for body in (
            {"purposes": ["history"]},
            {"purposes": ["history"], "evidence": " "},
            {"evidence": "x"},
        ):
            assert api("POST", "/v1/members/cat/grants", body).status_code == 422
        assert place.rows() == before

    def test_a_grant_with_evidence_is_written_with_its_receipt(self, place: Place, api: Api) -> None:
        body = {"purposes": ["history"], "evidence": "sign-up form of 3 May, box ticked by the member"}
        said = api("POST", "/v1/members/cat/grants", body).json()
        assert said["grants"] == {"history": "granted"}
        assert said["receipt"]["entries"][0]["content"]["evidence"] == body["evidence"]

    def test_purposes_that_cannot_be_switched_are_refused(self, api: Api) -> None:
        for key in ("service", "proof", "advertising"):
            body = {"purposes": [key], "evidence": "x"}
            assert api("POST", "/v1/members/cat/grants", body).status_code == 422

    def test_a_withdrawal_holds_when_it_is_answered(self, place: Place, api: Api) -> None:
        said = api("POST", "/v1/members/ann/withdrawals", {"purposes": ["history", "mail.picks"]}).json()
        assert said["grants"]["history"] == said["grants"]["mail.picks"] == "withdrawn"
        assert place.app.gate.rights(place.member("ann")).grants()["recommendations"].live_since is None
        assert place.app.gate.stored_count()["tastes"] == 0

    def test_a_member_is_sent_the_questions_and_after_a_no_is_not_asked_again(
        self, place: Place, api: Api
    ) -> None:
        assert api("POST", "/v1/members/cat/asking").json()["mail"] == "accepted"
        text = place.mails()[0].get_body(("plain",)).get_content()  # type: ignore[union-attr]
        path = re.search(r"https://postreel\.example(/welcome/\S+)", text)
        assert path
        assert place.client.post(path.group(1), data={"mail": "no"}).status_code == 200
        assert place.state("cat", "mail.picks") == "refused"
        assert api("POST", "/v1/members/cat/asking").status_code == 422
        assert len(place.mails()) == 1

    def test_a_stranger_is_not_found(self, api: Api) -> None:
        assert api("POST", "/v1/members/zoe/withdrawals", {"purposes": ["history"]}).status_code == 404


class TestTitles:
    def test_a_title_is_added_then_changed(self, place: Place, api: Api) -> None:
        assert api("PUT", "/v1/titles/a/b.c", {"name": "New"}).status_code == 201
        assert api("PUT", "/v1/titles/a/b.c", {"name": "Newer", "year": 1999}).status_code == 200
        assert place.app.gate.catalogue()["a/b.c"].name == "Newer"

    def test_an_odd_title_is_refused_with_the_field(self, api: Api) -> None:
        assert "year" in api("PUT", "/v1/titles/x", {"name": "X", "year": 3}).json()["error"]
        assert api("PUT", "/v1/titles/x", {"name": "X", "title_id": "y"}).status_code == 422


def test_recommendations_come_with_reasons_and_are_written_in_the_members_log(place: Place, api: Api) -> None:
    said = api("GET", "/v1/members/ann/recommendations?k=2").json()
    assert len(said["titles"]) == 2
    assert said["titles"][0]["reasons"][0]["evidence"] == "watched"
    whys = [row.why for row in place.app.gate.rights(place.member("ann")).accesses()]
    assert "recommendations over the API" in whys
    assert api("GET", "/v1/members/bob/recommendations").json()["model"] == "popular"
    assert api("GET", "/v1/members/ann/recommendations?k=0").status_code == 422


def test_health_and_plain_numbers(tmp_path: Path) -> None:
    place = new_place(tmp_path, is_sent=True)
    assert place.client.get("/healthz").json() == {"ok": True, "grants": True, "disk": True}
    text = place.client.get("/metrics").text
    assert 'postreel_mails{state="accepted"} 2' in text
    assert f"postreel_titles {len(TITLES)}" in text
    assert "example.org" not in text


def test_posters_are_pictures_at_the_widths_that_are_drawn(place: Place) -> None:
    for asked, width in (("120", 120), ("121", 160), ("9999", 600), ("x", 240), ("", 240)):
        answer = place.client.get(f"/posters/film%2E1.png?w={asked}")
        assert answer.headers["content-type"] == "image/png"
        assert Image.open(io.BytesIO(answer.content)).size == (width, width * 3 // 2)
    assert place.client.get("/posters/none.png").status_code == 404


def test_every_route_is_in_the_docs(place: Place) -> None:
    told = (Path(__file__).parents[2] / "docs/reference/http.md").read_text("utf-8")
    for route in make_asgi(place.app).routes:
        path = re.sub(r"\{id:path\}", "{id}", str(getattr(route, "path", "")))
        known = {
            "/c/{rest:path}": "/c/{title_ref}.{token}",
            "/posters/{title_id:path}.png": "/posters/{title_ref}.png",
        }
        if not path.startswith(("/console", "/static/console")):
            assert f"{known.get(path, path)}" in told, path


def test_pages_run_no_script_and_load_nothing_from_elsewhere(place: Place) -> None:
    for path in ("/account", "/privacy", "/no/such", "/unsubscribe/x", "/preferences/x"):
        answer = place.client.get(path)
        assert "script-src 'none'" in answer.headers["content-security-policy"]
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert answer.headers["cache-control"] == "no-store"
        assert "<script" not in answer.text
        assert "http://" not in answer.text
