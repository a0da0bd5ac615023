"""The commands: exit codes, one JSON value on stdout, the keys that others rely on."""

from __future__ import annotations

import json
import socket
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from homes import a_home

from postreel.cli.main import main

GRANTS = "history,recommendations,training,mail.picks"


class Cli:
    """Runs commands in one home, in this process, as the `postreel` script does."""

    def __init__(self, home: Path, capsys: pytest.CaptureFixture[str], patch: pytest.MonkeyPatch) -> None:
        self.home, self._capsys, self._patch = home, capsys, patch

    def __call__(self, *words: str, code: int = 0) -> Any:
        self._patch.setattr(sys, "argv", ["postreel", "--home", str(self.home), "--json", *words])
        self._capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        out = self._capsys.readouterr()
        assert (ended.value.code or 0) == code, out.err
        if not out.out:
            return None
        return json.loads(out.out)  # one value and nothing else, or this fails


@pytest.fixture
def cli(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Cli:
    a_home(tmp_path / "home")
    return Cli(tmp_path / "home", capsys, monkeypatch)


@pytest.fixture
def movielens(tmp_path: Path) -> Path:
    """Twelve members of two tastes, and a line that is none."""
    folder = tmp_path / "ml"
    folder.mkdir()
    rows = [
        f"{user},{10 * (user % 2) + film},{4.0 if film % 3 else 2.0},{1_000_000_000 + 1000 * user + film}"
        for user in range(1, 13)
        for film in range(1, 9)
        if (user + film) % 5
    ]
    (folder / "ratings.csv").write_text(
        "\n".join(["userId,movieId,rating,timestamp", *rows, "1,x,5,1"]) + "\n"
    )
    films = [f"{n},Film {n} (19{n + 50}),Comedy|Drama" for n in range(1, 20)]
    (folder / "movies.csv").write_text("\n".join(["movieId,title,genres", *films]) + "\n")
    return folder


@pytest.fixture
def full(cli: Cli, movielens: Path) -> Cli:
    cli("import", "movielens", str(movielens), "--simulate-grants", GRANTS)
    return cli


ONE = "movielens-1@example.invalid"


def test_init_makes_a_home_once(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: Any):
    cli = Cli(tmp_path / "new", capsys, monkeypatch)
    assert cli("init", code=2) is None  # nobody to ask, and no sender was told
    assert cli("member", "list", code=2) is None
    assert cli("init", "--sandbox") == {"home": str(tmp_path / "new"), "sandbox": True}
    assert cli("init", "--sandbox", code=2) is None
    assert cli("member", "list") == []
    assert (tmp_path / "new" / "keys" / "root.key").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "new" / "postreel.db").stat().st_mode & 0o777 == 0o600


def test_import_tells_what_it_did_and_adds_nothing_the_second_time(cli: Cli, movielens: Path):
    told = cli("import", "movielens", str(movielens), "--simulate-grants", GRANTS)
    keys = {"source", "read", "kept", "refused", "withheld", "members", "titles", "refused_file"}
    assert keys <= set(told)
    assert (told["source"], told["refused"], told["withheld"], told["members"]) == ("movielens", 1, {}, 12)
    assert told["read"] == told["kept"] + 1
    line = json.loads(Path(told["refused_file"]).read_text())
    assert line["reason"]
    again = cli("import", "movielens", str(movielens), "--simulate-grants", GRANTS)
    assert (again["kept"], again["known"]) == (0, told["kept"])


def test_an_import_of_nothing_usable_ends_with_two(cli: Cli, tmp_path: Path):
    (tmp_path / "e.ndjson").write_text("no json\n")
    told = cli("import", "events", str(tmp_path / "e.ndjson"), code=2)
    assert (told["read"], told["kept"], told["refused"]) == (1, 0, 1)
    cli("import", "events", str(tmp_path / "nothing"), code=2)
    cli("import", "netflix", str(tmp_path / "e.ndjson"), code=2)
    cli("import", "pigeons", str(tmp_path / "e.ndjson"), code=2)
    cli("import", "csv", str(tmp_path / "e.ndjson"), "--simulate-grants", "advertising", code=2)


def test_grants_are_simulated_in_a_sandbox_only(
    tmp_path: Path, capsys: Any, monkeypatch: Any, movielens: Path
):
    a_home(tmp_path / "real", sandbox=False)
    cli = Cli(tmp_path / "real", capsys, monkeypatch)
    cli("import", "movielens", str(movielens), "--simulate-grants", "history", code=2)
    assert cli("import", "movielens", str(movielens))["kept"] == 0
    (tmp_path / "form.txt").write_text("signed on paper, 2026-01-01")
    evidence = str(tmp_path / "form.txt")
    granted = cli("consent", "grant", ONE, "mail.picks", "--evidence", evidence)
    assert granted["state"] == "granted"
    cli("consent", "grant", ONE, "measure.opens", "--evidence", evidence, code=2)
    asked = cli("consent", "grant", ONE, "history")
    assert (asked["state"], asked["position"]) == ("asked", None)
    cli("consent", "simulate", evidence, code=2)


def test_habits_train_and_recommend_have_their_keys(full: Cli):
    habits = full("habits", ONE)
    assert {
        "member", "sessions", "watched_hours", "completion", "genres", "hours_of_day",
        "devices", "rhythm", "attention", "browsing", "ratings",
    } <= set(habits)  # fmt: skip
    assert len(habits["hours_of_day"]) == 24
    trained = full("train")
    assert {"model", "trained_at", "ledger_position", "members", "titles", "seconds"} <= set(trained)
    assert trained["members"] == 12
    told = full("recommend", ONE, "-k", "3")
    assert {"member", "model", "titles"} <= set(told)
    assert told["member"] == habits["member"]
    for title in told["titles"]:
        assert {"title_id", "name", "score", "reasons", "also"} <= set(title)
        assert all({"title_id", "name", "share", "evidence"} <= set(r) for r in title["reasons"])
    assert full("recommend", ONE, "-k", "3") == told
    assert full("recommend", "for", ONE, "-k", "3") == full("recommend", "-k", "3", ONE) == told
    full("recommend", "nobody@example.org", code=2)
    there = full("recommend", "verify-forgotten", ONE, code=1)
    assert (there["ok"], there["on_roster"], there["pending"]) == (False, True, False)
    full("consent", "withdraw", ONE, "training")
    full("jobs")
    gone = full("recommend", "verify-forgotten", ONE)
    assert set(gone) == {
        "member", "ok", "counts_sha256", "rebuilt_sha256", "on_roster", "pending", "from"
    }  # fmt: skip
    assert (gone["ok"], gone["on_roster"], gone["from"]) == (True, False, "sessions")
    assert gone["counts_sha256"] == gone["rebuilt_sha256"] != there["counts_sha256"]
    full("recommend", "verify-forgotten", "nobody@example.org", code=2)


def test_consent_is_shown_granted_withdrawn_and_verified(full: Cli):
    shown = full("consent", "show", ONE)
    assert {"member", "grants", "waiting_for"} <= set(shown)
    states = {grant["purpose"]: grant["state"] for grant in shown["grants"]}
    assert (states["history"], states["learn"], len(states)) == ("granted", "unknown", 13)
    assert {"purpose", "state", "since", "wording", "channel"} <= set(shown["grants"][0])
    withdrawn = full("consent", "withdraw", ONE, "history")
    assert {"member", "purpose", "state", "position", "receipt"} <= set(withdrawn)
    assert withdrawn["state"] == "withdrawn"
    waiting = full("consent", "show", shown["member"])["waiting_for"]
    assert {"purpose": "training", "needs": ["history"]} in waiting
    assert full("consent", "grant", ONE, "history")["state"] == "granted"
    full("consent", "withdraw", ONE, "service", code=2)
    full("consent", "withdraw", ONE, "nonsense", code=2)
    good = full("consent", "verify")
    assert good["ok"] is True
    assert good["entries"] == 12 * 4 + 2
    assert len(good["head"]) == 64


def test_verify_ends_with_one_on_a_touched_ledger(full: Cli):
    with sqlite3.connect(full.home / "postreel.db") as db:
        db.execute("UPDATE ledger SET content = replace(content, 'granted', 'refused') WHERE position = 5")
    db.close()
    bad = full("consent", "verify", code=1)
    assert (bad["ok"], bad["first_bad"]) == (False, 5)


def test_a_file_of_simulated_answers_is_written_row_by_row(full: Cli, tmp_path: Path):
    path = tmp_path / "answers.csv"
    path.write_text(
        f"member,purpose,state\n{ONE},history,withdrawn\n{ONE},history,granted\n"
        f"nobody@example.org,history,granted\n{ONE},history,maybe\n"
    )
    told = full("consent", "simulate", str(path))
    assert told["written"] == 2
    assert [row["line"] for row in told["refused"]] == [4, 5]
    assert full("habits", ONE)["sessions"] == 0


def test_a_member_is_listed_exported_erased_and_not_found_again(full: Cli, tmp_path: Path):
    listed = full("member", "list")
    assert {"member", "address"} <= set(listed[0])
    assert len(listed) == 12
    shown = full("member", "show", ONE)
    assert shown["grants"]["history"] == "granted"
    out = tmp_path / "one.zip"
    full("member", "export", ONE, "--out", str(out))
    assert out.exists()
    full("member", "export", ONE, "--out", str(out), code=2)
    full("train")
    assert full("member", "verify-erased", ONE, code=1)["found"]
    full("member", "erase", ONE, code=2)
    erased = full("member", "erase", ONE, "--yes")
    assert {"member", "rows", "model", "queued_withheld"} <= set(erased)
    assert erased["model"]["exact"] is True
    assert erased["rows"]["plays"] > 0
    assert full("member", "verify-erased", ONE) == {"found": []}
    assert full("member", "verify-erased", erased["member"]) == {"found": []}
    assert full("consent", "verify")["ok"] is True
    full("member", "show", ONE, code=2)


def test_a_campaign_is_sent_once_and_reported(full: Cli):
    full("train")
    assert full("why", ONE, "picks")["would_get"] is True
    full("consent", "withdraw", "movielens-2@example.invalid", "mail.picks")
    assert full("why", "movielens-2@example.invalid", "picks")["would_get"] is False
    keys = {"campaign", "planned", "accepted", "deferred", "refused", "ambiguous", "withheld"}
    dry = full("campaign", "send", "picks", "--dry-run")
    assert (dry["planned"], dry["accepted"]) == (11, 0)
    sent = full("campaign", "send", "picks", "--name", "first")
    assert keys <= set(sent)
    assert (sent["planned"], sent["accepted"]) == (11, 11)
    assert sent["withheld"] == {"no live mail.picks": 1}
    assert full("campaign", "send", "picks", "--name", "first")["accepted"] == 11
    assert full("campaign", "report", "first") == sent
    assert [c["campaign"] for c in full("campaign", "list")] == ["first"]
    assert sum(1 for path in (full.home / "outbox").rglob("*") if path.is_file()) == 11
    full("campaign", "report", "nothing", code=2)
    full("campaign", "send", "pigeons", code=2)


def test_the_dkim_record_is_told_as_dns_wants_it(cli: Cli):
    told = cli("mail", "dkim-record")
    assert {"selector", "domain", "record"} == set(told)
    assert told["record"].startswith("v=DKIM1")


def test_the_program_itself_keeps_stdout_for_the_answer(full: Cli):
    words = [sys.executable, "-c", "from postreel.cli.main import main; main()"]
    done = subprocess.run(
        [*words, "member", "list", "--json", "--home", str(full.home)], capture_output=True, check=False
    )
    assert done.returncode == 0
    assert len(json.loads(done.stdout)) == 12
    wrong = subprocess.run(
        [*words, "--home", str(full.home / "none"), "member", "list", "--json"],
        capture_output=True,
        check=False,
    )
    assert wrong.returncode == 2
    assert wrong.stdout == b""
    assert b"not set up" in wrong.stderr
    assert b"Traceback" not in wrong.stderr


@pytest.mark.parametrize("command", [["serve"], ["demo", "--members", "1"]])
def test_a_port_that_another_home_serves_is_not_shared(cli: Cli, command: list[str]) -> None:
    with socket.socket() as other:
        # As the server itself binds: two such sockets would get the connections in turn.
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        other.bind(("127.0.0.1", 0))
        other.listen()
        cli(*command, "--port", str(other.getsockname()[1]), code=1)


def test_what_the_system_refuses_is_said_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a-file").touch()
    monkeypatch.setattr(
        sys, "argv", ["postreel", "--home", str(tmp_path / "a-file" / "home"), "init", "--sandbox"]
    )
    with pytest.raises(SystemExit) as ended:
        main()
    told = capsys.readouterr()
    assert ended.value.code == 1
    assert not told.out
    assert told.err.count("\n") == 1
    assert "Not a directory" in told.err
