"""The demo from nothing to a sent campaign, small: what it says is what lies in its home."""

from __future__ import annotations

import email
import json
import subprocess
import sys
from email.message import Message
from pathlib import Path
from typing import Any

import pytest

from postreel.app import App, opened
from postreel.purposes import SWITCHABLE, MailPicks, MeasureClicks, MeasureOpens
from postreel.settings import read_settings

MEMBERS, SEED = 60, "3"
KEYS = {"members", "titles", "events", "sessions", "grants", "campaign", "messages", "maildir"}


def demo_in(home: Path, *options: str) -> subprocess.CompletedProcess[str]:
    start = "from postreel.cli.main import main; main()"
    command = [sys.executable, "-c", start, "demo", "--members", str(MEMBERS), "--seed", SEED, "--no-serve"]
    return subprocess.run(
        [*command, "--home", str(home), *options], capture_output=True, text=True, check=False, timeout=120
    )


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("demo") / "home"


@pytest.fixture(scope="module")
def answer(home: Path) -> dict[str, Any]:
    done = demo_in(home, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def app(answer: dict[str, Any], home: Path) -> App:
    return opened(read_settings(home), who="test")


@pytest.fixture(scope="module")
def mails(answer: dict[str, Any]) -> dict[str, Message]:
    """The mails in the maildir by their address."""
    found = [
        email.message_from_bytes(path.read_bytes()) for path in (Path(answer["maildir"]) / "new").iterdir()
    ]
    return {str(mail["To"]): mail for mail in found}


def words_of(mail: Message) -> str:
    parts = [part for part in mail.walk() if part.get_content_maintype() == "text"]
    return "".join(bytes(part.get_payload(decode=True)).decode() for part in parts)  # type: ignore[arg-type]


def test_the_demo_answers_with_the_keys_that_others_rely_on(answer: dict[str, Any]):
    assert set(answer) == KEYS
    assert set(answer["messages"]) == {"accepted", "withheld"}
    assert set(answer["grants"]) == {p.key for p in SWITCHABLE}
    assert answer["members"] == MEMBERS
    assert answer["events"] > 1_000
    assert answer["sessions"] > 100


def test_mails_lie_in_the_maildir_for_those_alone_who_grant_them(
    answer: dict[str, Any], app: App, mails: dict[str, Message]
):
    granting = {who.address for who in app.gate.members(app.gate.standing().members(MailPicks))}
    assert set(mails) == granting
    assert len(mails) == answer["messages"]["accepted"]


def test_whoever_took_mail_back_is_counted_and_not_written_to(app: App, mails: dict[str, Message]):
    gone = [
        who
        for who in app.gate.members()
        if (row := app.gate.rights(who.member).grants().get("mail.picks")) and row.state == "withdrawn"
    ]
    assert gone, "the demo's answers hold no withdrawal of mail.picks; choose another seed"
    assert not {who.address for who in gone} & set(mails)


def test_no_mail_of_the_demo_reports_back_without_the_grant(app: App, mails: dict[str, Message]):
    standing = app.gate.standing()
    opens, clicks = (set(standing.members(p).tolist()) for p in (MeasureOpens, MeasureClicks))
    silent = 0
    for who in app.gate.members():
        if who.address not in mails:
            continue
        text = words_of(mails[who.address])
        assert ("/o/" in text) <= (who.member in opens)
        assert ("postreel.example/c/" in text) <= (who.member in clicks)
        silent += who.member not in opens | clicks
    assert silent


def test_nothing_is_kept_of_those_who_took_history_back(app: App):
    ended = [
        who.member
        for who in app.gate.members()
        if (row := app.gate.rights(who.member).grants().get("history")) and row.state == "withdrawn"
    ]
    assert ended, "the demo's answers hold no withdrawal of history; choose another seed"
    for member in ended:
        assert not any(
            table.num_rows
            for name, table in app.gate.rights(member).everything().items()
            if name != "contacts"
        )


def test_the_ledger_of_the_demo_holds(app: App):
    assert app.gate.verify_ledger().is_ok


def test_the_same_seed_gives_the_same_counts(answer: dict[str, Any], home: Path, tmp_path: Path):
    other = json.loads(demo_in(tmp_path / "home", "--json").stdout)
    assert {**other, "maildir": None} == {**answer, "maildir": None}


def test_a_demo_that_stands_is_used_again(answer: dict[str, Any], home: Path):
    before = (home / "postreel.db").stat().st_ino
    again = demo_in(home, "--json")
    assert json.loads(again.stdout) == answer
    assert (home / "postreel.db").stat().st_ino == before


def test_a_home_that_is_no_demo_is_not_cleared(tmp_path: Path):
    (tmp_path / "settings.toml").write_text("sandbox = false\n")
    done = demo_in(tmp_path)
    assert done.returncode == 2
    assert "another installation" in done.stderr
