"""A small sandbox with members, viewing and a sent campaign, and a client for its pages."""

from __future__ import annotations

import email
import email.policy
import re
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import cache, cached_property
from pathlib import Path
from typing import Any

from postreel.app import App, opened
from postreel.catalogue import Title
from postreel.cli.home import SANDBOX, new_home
from postreel.flows.ingest import accept_events
from postreel.flows.refresh import refresh_habits
from postreel.flows.send import plan_campaign, send_campaign
from postreel.members import MemberRow
from postreel.ports import Change
from postreel.settings import read_settings
from postreel.tokens import TokenKind, sealed_token
from postreel.web.serve import make_asgi

with warnings.catch_warnings():
    # Starlette would rather have its client built on another library than the one that the lock names.
    warnings.simplefilter("ignore")
    from starlette.testclient import TestClient

TITLES = [
    Title(
        f"film.{n}",
        name,
        year=1920 + n,
        minutes=60.0 + n,
        genres=("drama" if n % 2 else "comedy",),
        moods=("quiet",),
        summary=f"A film about {name.lower()}.",
    )
    for n, name in enumerate(
        ("Sunrise", "Metropolis", "The General", "Nosferatu", "Safety Last", "Pandora", "The Kid", "Faust")
    )
]
ALL = ("history", "recommendations", "training", "mail.picks", "measure.opens", "measure.clicks", "learn")
BARE = ("mail.picks",)


@dataclass
class Place:
    """One sandbox, opened."""

    app: App
    home: Path

    @cached_property
    def client(self) -> TestClient:
        """Asks its pages; follows nothing."""
        return TestClient(make_asgi(self.app), follow_redirects=False)

    def member(self, name: str) -> bytes:
        """The id of a member by their name."""
        return self.app.gate.find(f"{name}@example.org").member

    def state(self, name: str, purpose: str) -> str:
        """Where they stand with a purpose."""
        row = self.app.gate.rights(self.member(name)).grants().get(purpose)
        return "unknown" if row is None else row.state

    def token(self, kind: TokenKind, name: str, extra: int = 0) -> str:
        """A token that refers to a member, or for a mail's kinds to their mail."""
        ref = self.member(name)
        if kind in (TokenKind.WHY, TokenKind.OPEN, TokenKind.CLICK):
            ref = self.app.gate.rights(ref).mails()[0].send_id
        return sealed_token(self.app.keys.secret("tokens"), kind, ref, extra)

    def sign_in(self, name: str) -> TestClient:
        """A client of its own, signed in as this member."""
        client = TestClient(make_asgi(self.app), follow_redirects=False)
        link = self.app.gate.new_link(self.member(name), "sign in", 60)
        answer = client.post(f"/confirm/{link}", data={"confirm": "yes"})
        assert answer.status_code == 303
        return client

    def rows(self, *leaving_out: str) -> dict[str, list[Any]]:
        """Every table of the store as it stands."""
        with sqlite3.connect(f"file:{self.home / 'postreel.db'}?mode=ro", uri=True) as db:
            names = [n for (n,) in db.execute("select name from sqlite_master where type='table'")]
            found = {n: sorted(map(repr, db.execute(f"select * from {n}"))) for n in names}
        db.close()
        return {name: rows for name, rows in found.items() if name not in leaving_out}

    def mails(self) -> list[email.message.EmailMessage]:
        """What lies in the maildir."""
        folder = self.home / "outbox" / "new"
        return [
            email.message_from_bytes(path.read_bytes(), policy=email.policy.default)  # type: ignore[misc]
            for path in sorted(folder.glob("*"))
        ]


def mark_of(page: str) -> str:
    """The mark that a signed-in page's forms carry."""
    found = re.search(r'name="mark" value="([0-9a-f]+)"', page)
    assert found, "the page has no mark"
    return found.group(1)


def new_place(folder: Path, *, is_sent: bool = False) -> Place:
    """A sandbox where `ann` granted all, `bob` mail alone and `cat` nothing; with a sent campaign if asked for."""
    home = folder / "home"
    shutil.copytree(_prepared(is_sent), home)
    return Place(opened(read_settings(home)), home)


@cache
def _prepared(is_sent: bool) -> Path:
    """A home made once and copied for every test: its keys alone take longer than most tests."""
    home = Path(_KEPT.name) / f"home-{is_sent}"
    if is_sent:
        shutil.copytree(_prepared(False), home)
        place = Place(opened(read_settings(home)), home)
        send_picks(place)
        return home
    new_home(home, sandbox=True, language="en", timezone="UTC", transport="maildir:outbox/", **SANDBOX)
    place = Place(opened(read_settings(home)), home)
    _people(place)
    return home


_KEPT = tempfile.TemporaryDirectory(prefix="postreel-pages-", ignore_cleanup_errors=True)


def _people(place: Place) -> None:
    given: dict[str, Sequence[str]] = {"ann": ALL, "bob": BARE, "cat": ()}
    gate, now = place.app.gate, place.app.clock.now()
    gate.put_titles(TITLES)
    gate.register([MemberRow(f"{name}@example.org", alias=name, name=name.title()) for name in given])
    before = now - timedelta(days=3)
    gate.simulate(
        [
            Change(place.member(name), purpose, "granted", "simulation", "simulated", before)
            for name, purposes in given.items()
            for purpose in purposes
        ]
    )
    lines = [
        f'{{"member":"{name}","type":"{kind}","title":"film.{n}",'
        f'"at":"{(now - timedelta(hours=h)).isoformat()}","position_s":{position},"device_type":"tv"}}'
        for name in given
        for n in range(3)
        for kind, h, position in (("play", 40 - 2 * n, 0), ("stop", 39 - 2 * n, 3500))
    ]
    accept_events(gate, "\n".join(lines).encode(), now)
    refresh_habits(gate)


def send_picks(place: Place) -> None:
    """One campaign, sent."""
    campaign, _ = plan_campaign(place.app.gate, "picks", "first", place.app.clock)
    send_campaign(place.app.gate, campaign, place.app.kit, place.app.clock)


@contextmanager
def served(place: Place) -> Iterator[str]:
    """A server of its own for this place, as `postreel serve` starts it; its address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [
        str(Path(sys.executable).with_name("postreel")),
        "--home",
        str(place.home),
        "serve",
        "--port",
        str(port),
    ]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        _wait_for(port, server)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.send_signal(signal.SIGINT)
        server.wait(20)


def _wait_for(port: int, server: subprocess.Popen[bytes]) -> None:
    for _ in range(600):
        assert server.poll() is None, "the server ended before it answered"
        try:
            with socket.create_connection(("127.0.0.1", port), 1):
                return
        except OSError:
            time.sleep(0.1)
    raise AssertionError("the server did not answer within a minute")
