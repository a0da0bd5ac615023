"""The start page and the console over a small service: what they show is there, and looking is written down."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
from homes import a_home
from pages import TestClient

from postreel.app import App, opened
from postreel.demo.run import CAMPAIGN, run_demo
from postreel.ports import OutboxRow
from postreel.purposes import BIT, MailPicks
from postreel.web.serve import make_asgi

REPORTS = BIT["measure.opens"] | BIT["measure.clicks"]
MEMBERS = 40


@contextmanager
def quiet(name: str, total: int | None) -> Iterator[object]:
    yield lambda count: None


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> App:
    home = tmp_path_factory.mktemp("console")
    app = opened(a_home(home))
    until = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    run_demo(app.gate, app.kit, app.clock, MEMBERS, 3, until, quiet)  # type: ignore[arg-type]
    return app


@pytest.fixture(scope="module")
def client(app: App) -> TestClient:
    return TestClient(make_asgi(app))


@pytest.fixture
def sends(app: App) -> list[OutboxRow]:
    return [row for row in app.gate.sends(CAMPAIGN) if row.state == "accepted"]


def page_of(client: TestClient, path: str) -> str:
    answer = client.get(path)
    assert answer.status_code == 200, path
    return html.unescape(answer.text)


def test_every_link_of_the_start_page_and_the_console_leads_somewhere(client: TestClient):
    seen: set[str] = set()
    kinds: set[str] = set()
    waiting = ["/"]
    while waiting:
        path = waiting.pop()
        kind = re.sub(r"[0-9a-f]{32}|[\w-]{48}|page=\d+|/posters/.*", "*", path)
        if kind in kinds:
            continue
        kinds.add(kind)
        seen.add(path)
        answer = client.get(path)
        assert answer.status_code == 200, path
        if answer.headers["content-type"].startswith("text/html"):
            waiting += re.findall(r'(?:href|src)="(/[^"#]*)', html.unescape(answer.text))
    assert len(kinds) > 20


def test_the_start_page_answers_the_five_questions_each_with_a_proof(client: TestClient):
    page = page_of(client, "/")
    sections = re.findall(r'<section class="question".*?</section>', page, re.DOTALL)
    assert len(sections) == 5
    assert all('<ul class="proofs">' in section for section in sections)


def test_the_figures_of_the_report_are_those_of_the_outbox(
    client: TestClient, app: App, sends: list[OutboxRow]
):
    page = page_of(client, f"/console/campaigns/{CAMPAIGN}")
    silent = sum(not row.used & REPORTS for row in sends)
    assert f"{silent} of {len(sends)} mails report nothing" in page
    listed = page_of(client, "/console/outbox?show=silent")
    assert f"<caption>{silent} mails</caption>" in listed
    out = page_of(client, f"/console/campaigns/{CAMPAIGN}/left-out")
    everybody = len(app.gate.members())
    assert f"<caption>{everybody - len(app.gate.sends(CAMPAIGN))} members</caption>" in out


def test_a_mail_is_shown_with_its_text_headers_reasons_and_data(client: TestClient, sends: list[OutboxRow]):
    row = next(row for row in sends if row.used & BIT["recommendations"])
    page = page_of(client, f"/console/mail/{row.send_id.hex()}")
    for part in (
        "List-Unsubscribe-Post",
        "DKIM-Signature",
        "What moved each title",
        "Recommend from what I watch",
    ):
        assert part in page
    assert f"/console/mail/{row.send_id.hex()}/page" in page


def test_the_page_of_a_mail_can_load_nothing_and_steers_to_this_server(
    client: TestClient, sends: list[OutboxRow]
):
    row = next(row for row in sends if row.used & REPORTS == REPORTS)
    answer = client.get(f"/console/mail/{row.send_id.hex()}/page")
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "img-src data:;" in policy
    assert "script-src" not in policy
    links = [html.unescape(link) for link in re.findall(r'href="([^"]+)"', answer.text)]
    for steering in ("/preferences/", "/unsubscribe/", "/why/"):
        assert any(link.startswith(steering) for link in links)
        assert not any(link.startswith(f"https://postreel.example{steering}") for link in links)
    assert "cid:" not in answer.text


def test_the_source_of_a_mail_is_its_bytes(client: TestClient, app: App, sends: list[OutboxRow]):
    row = sends[0]
    answer = client.get(f"/console/mail/{row.send_id.hex()}/source.eml")
    stored = [path.read_bytes() for path in (Path(app.settings.home) / "outbox" / "new").iterdir()]
    assert answer.content in stored
    assert str(row.message_id).encode() in answer.content


def test_looking_at_a_mail_counts_no_open_and_is_written_where_the_member_sees_it(
    client: TestClient, app: App, sends: list[OutboxRow]
):
    row = next(row for row in sends if row.used & BIT["measure.opens"])
    before = len(app.gate.rights(row.member).accesses())
    client.get(f"/console/mail/{row.send_id.hex()}")
    client.get(f"/console/mail/{row.send_id.hex()}/page")
    rights = app.gate.rights(row.member)
    assert rights.engagement() == []
    new = rights.accesses()[before:]
    assert {entry.who for entry in new} == {"console"}


def test_a_member_without_history_shows_none(client: TestClient, app: App):
    granting = set(app.gate.standing().members(MailPicks).tolist())
    held = {
        who.member: app.gate.rights(who.member).grants().get("history")
        for who in app.gate.members()
        if not who.is_child
    }
    bare = next(member for member, row in held.items() if row is None or row.live_since is None)
    page = page_of(client, f"/console/members/{bare.hex()}")
    assert "Nothing is known" in page
    assert "What everybody would be shown now" in page
    if bare not in granting:
        assert "No picks mail goes to them" in page


def test_a_member_is_found_by_alias_and_nobody_by_a_wrong_one(client: TestClient, app: App):
    answer = client.get("/console/members?q=viewer-0001", follow_redirects=False)
    assert answer.status_code == 303
    assert answer.headers["location"] == f"/console/members/{app.gate.find('viewer-0001').member.hex()}"
    assert "Nobody is known by that" in page_of(client, "/console/members?q=nobody")


def test_a_link_for_a_member_is_made_by_a_press_and_not_by_a_look(client: TestClient, app: App):
    path = f"/console/members/{app.gate.find('viewer-0002').member.hex()}/welcome"
    assert client.get(path).status_code == 405
    made = client.post(path, follow_redirects=False)
    assert made.status_code == 303
    assert client.get(made.headers["location"]).status_code == 200
    elsewhere = client.post(path, headers={"Sec-Fetch-Site": "cross-site"}, follow_redirects=False)
    assert elsewhere.status_code == 403


def test_the_ledger_is_checked_on_demand(client: TestClient):
    assert "All of it holds" not in page_of(client, "/console/ledger")
    assert "All of it holds" in html.unescape(client.post("/console/ledger").text)


@pytest.mark.parametrize(
    "path",
    [
        "/console/mail/00",
        f"/console/mail/{'ab' * 16}",
        "/console/members/x",
        f"/console/members/{'ab' * 16}",
        "/console/campaigns/none",
        "/posters/none.png",
    ],
)
def test_what_is_not_there_is_not_found(client: TestClient, path: str):
    assert client.get(path).status_code == 404


def test_outside_a_sandbox_there_is_no_console_and_a_plain_welcome(tmp_path: Path):
    real = opened(a_home(tmp_path, sandbox=False))
    client = TestClient(make_asgi(real))
    for path in (
        "/console/",
        "/console/outbox",
        "/console/members",
        "/console/ledger",
    ):
        assert client.get(path).status_code == 404
    links = set(re.findall(r'href="(/[^"]+)"', page_of(client, "/")))
    assert {"/account", "/privacy"} <= links
    assert not any(link.startswith("/console") for link in links)
