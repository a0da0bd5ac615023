"""One suite over `ports.Records`. Another store is finished when it passes it unchanged.

`POSTREEL_TEST_RECORDS` names a further store by its URL (an empty Postgres database), to be held to the same.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, create_engine, event, text
from sqlalchemy.exc import IntegrityError

from postreel.backends.records.sql import REVISION, SqlRecords
from postreel.backends.records.tables import metadata
from postreel.consent import Frontier, leaf_hash, new_entry, signed_head
from postreel.errors import InputError, PermanentError, SettingsError, TransientError
from postreel.members import MemberRow
from postreel.ports import AccessRow, Campaign, GrantRow, Job, MemberFacts, Moved

NOW = datetime(2026, 3, 1, 12, 0, 0, 123456, tzinfo=UTC)
KEY = bytes(range(32))
ANN, BOB, EVE = (bytes([n]) * 16 for n in (1, 2, 3))
FURTHER = [url for url in (os.environ.get("POSTREEL_TEST_RECORDS"),) if url]


@pytest.fixture(params=["sqlite", *FURTHER])
def records(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[SqlRecords]:
    url = f"sqlite:///{tmp_path / 'records.db'}" if request.param == "sqlite" else request.param
    store = SqlRecords(url)
    if request.param != "sqlite":
        empty(store)
    yield store
    store.close()


def empty(store: SqlRecords) -> None:
    with store.writing() as tx:
        for table in reversed(metadata.sorted_tables):
            tx._run(table.delete())  # noqa: SLF001 - no port empties a store


def facts(member: bytes, **fields: Any) -> MemberFacts:
    blank = MemberFacts(member, None, None, "en", "UTC", None, 18, None, False, 0)
    return replace(blank, **{"address": f"{member[0]}@example.org", **fields})


def key(member: bytes) -> bytes:
    return bytes([member[0]]) * 32


def add(store: SqlRecords, *members: bytes) -> None:
    with store.writing() as tx:
        tx.add_members([(facts(m), key(m), f"alias-{m[0]}", NOW) for m in members])


def grant(member: bytes, purpose: str, *, live: bool = True, position: int = 0) -> GrantRow:
    return GrantRow(member, purpose, "granted", NOW, NOW if live else None, "w", "c", position, position)


def append(store: SqlRecords, *members: bytes | None) -> None:
    with store.writing() as tx:
        frontier = tx.frontier()
        entries = [
            new_entry(frontier.size + n, {"kind": "consent", "n": n}, bytes(32)) for n in range(len(members))
        ]
        frontier = frontier.plus([leaf_hash(e.commitment) for e in entries])
        tx.append(list(zip(entries, members, strict=True)), signed_head(frontier, NOW, KEY), frontier)


def test_what_is_written_is_read_back_whole(records: SqlRecords):
    told = facts(ANN, name="Ann", region="DE", maturity=12, household="h", timezone="Europe/Berlin")
    with records.writing() as tx:
        tx.add_members([(told, key(ANN), "crm-1", NOW)])
        tx.put_grants([grant(ANN, "history")])
        tx.set_meta("a", "1")
        tx.set_meta("a", "2")
    with records.reading() as tx:
        assert tx.members([ANN]) == [told]
        assert tx.by_alias(["crm-1", "nobody"]) == {"crm-1": ANN}
        assert tx.by_address_key([key(ANN), key(BOB)]) == {key(ANN): [ANN]}
        assert tx.aliases_of(ANN) == ["crm-1"]
        assert tx.grants_of([ANN, BOB]) == [grant(ANN, "history")]
        assert tx.meta("a") == "2"
        assert tx.meta("b") is None


def test_a_transaction_that_fails_leaves_nothing(records: SqlRecords):
    def fail_halfway() -> None:
        with records.writing() as tx:
            tx.add_members([(facts(ANN), key(ANN), None, NOW)])
            raise InputError("something else was wrong")

    with pytest.raises(InputError):
        fail_halfway()
    with records.reading() as tx:
        assert tx.members() == []
    add(records, ANN)
    with records.reading() as tx:
        assert len(tx.members()) == 1


def test_a_reading_sees_one_moment(records: SqlRecords):
    add(records, ANN)
    with records.reading() as tx:
        assert len(tx.members()) == 1
        add(records, BOB)
        assert len(tx.members()) == 1
    with records.reading() as tx:
        assert len(tx.members()) == 2


def test_writers_wait_for_each_other_and_none_is_lost(records: SqlRecords):
    def count_up() -> None:
        for _ in range(10):
            with records.writing() as tx:
                tx.set_meta("n", str(int(tx.meta("n") or 0) + 1))

    threads = [threading.Thread(target=count_up) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with records.reading() as tx:
        assert tx.meta("n") == "40"


def test_a_change_of_a_member_raises_their_data_seq(records: SqlRecords):
    add(records, ANN)
    with records.writing() as tx:
        tx.change_member(facts(ANN, name="Ann"), key(ANN))
        tx.raise_data_seq([ANN])
    with records.reading() as tx:
        (who,) = tx.members([ANN])
    assert (who.name, who.data_seq) == ("Ann", 2)


def test_two_members_on_one_address_know_that_they_share_it(records: SqlRecords):
    with records.writing() as tx:
        rows = [(facts(m, address="a@example.org"), key(ANN), None, NOW) for m in (ANN, BOB)]
        tx.add_members([*rows, (facts(EVE), key(EVE), None, NOW)])
        kids = [(facts(bytes([n]) * 16, address=None, is_child=True), None, None, NOW) for n in (8, 9)]
        tx.add_members(kids)
    with records.reading() as tx:
        shared = {who.member: who.is_shared for who in tx.members()}
        assert tx.by_address_key([key(ANN)]) == {key(ANN): [ANN, BOB]}
    assert {m for m, is_shared in shared.items() if is_shared} == {ANN, BOB}


def test_an_alias_that_is_taken_stays_with_whom_it_is(records: SqlRecords):
    add(records, ANN, BOB)
    with records.writing() as tx:
        tx.add_aliases([("alias-1", BOB), ("new", BOB)])
    with records.reading() as tx:
        assert tx.by_alias(["alias-1", "new"]) == {"alias-1": ANN, "new": BOB}


def test_the_ledger_goes_on_from_its_edge(records: SqlRecords):
    for members in ((ANN,), (ANN, BOB), (None,)):
        append(records, *members)
    with records.reading() as tx:
        entries = list(tx.entries())
        assert [e.position for e in entries] == [0, 1, 2, 3]
        assert [e.position for e in tx.entries(2)] == [2, 3]
        assert [e.position for e in tx.entries(member=ANN)] == [0, 1]
        assert tx.ledger_size() == 4
        assert tx.frontier() == Frontier().plus([leaf_hash(e.commitment) for e in entries])
        assert [h.size for h in tx.heads()] == [1, 3, 4]
        assert all(h.at == NOW for h in tx.heads())


def test_entries_are_read_page_by_page_without_a_gap(records: SqlRecords):
    for start in range(0, 4_200, 200):
        append(records, *([ANN if start % 400 else None] * 200))
    with records.reading() as tx:
        assert [e.position for e in tx.entries()] == list(range(4_200))
        assert len(list(tx.entries(member=ANN))) == 2_000


def test_a_position_of_the_ledger_is_written_once(records: SqlRecords):
    append(records, ANN)
    entry = new_entry(0, {"kind": "consent"}, bytes(32))
    frontier = Frontier().plus([leaf_hash(entry.commitment)])
    head = signed_head(frontier, NOW, KEY)
    with records.writing() as tx, pytest.raises(IntegrityError):
        tx.append([(entry, None)], head, frontier)


def test_forgotten_entries_keep_their_leaves(records: SqlRecords):
    add(records, ANN, BOB)
    append(records, ANN, BOB, ANN)
    with records.writing() as tx:
        tx.put_grants([grant(ANN, "history"), grant(BOB, "history")])
        assert tx.forget_entries(ANN) == [0, 2]
        assert tx.forget_entries(ANN) == []
    with records.reading() as tx:
        assert [e.content is None for e in tx.entries()] == [True, False, True]
        assert all(len(e.commitment) == 32 for e in tx.entries())
        assert [row.member for row in tx.grants_touched(-1)] == [BOB]


def test_grants_touched_are_those_after_a_position(records: SqlRecords):
    add(records, ANN)
    with records.writing() as tx:
        tx.put_grants([grant(ANN, "history", position=3), grant(ANN, "training", position=5)])
        tx.put_grants([grant(ANN, "history", live=False, position=7)])
    with records.reading() as tx:
        assert {row.purpose for row in tx.grants_touched(-1)} == {"history", "training"}
        assert [(row.purpose, row.live_since) for row in tx.grants_touched(5)] == [("history", None)]


PURPOSES = ("history", "training", "mail.picks")
HELD = st.dictionaries(
    st.tuples(st.integers(1, 6), st.sampled_from(PURPOSES)), st.sampled_from(["live", "waiting", "withdrawn"])
)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(held=HELD, asked=st.sets(st.integers(1, 9)))
def test_nobody_comes_out_under_a_purpose_without_a_live_grant(records: SqlRecords, held: Any, asked: Any):
    members = {n: bytes([n]) * 16 for n in range(1, 7)}
    empty(records)
    add(records, *members.values())
    with records.writing() as tx:
        for (n, purpose), state in held.items():
            row = grant(members[n], purpose, live=state == "live")
            tx.put_grants([replace(row, state="withdrawn" if state == "withdrawn" else "granted")])
    some = [bytes([n]) * 16 for n in asked]
    with records.reading() as tx:
        for purpose in PURPOSES:
            wanted = {members[n] for n in asked & set(members) if held.get((n, purpose)) == "live"}
            assert {who.member for who in tx.granted_members(some, purpose)} == wanted
            standing = tx.standing(some)
            assert {m for m, (_, _, _, live) in standing.items() if purpose in live.split()} == wanted
        assert {who.member for who in tx.granted_members(some, None)} == set(some) & set(members.values())


def a_campaign(records: SqlRecords, *members: bytes, name: str = "c") -> None:
    with records.writing() as tx:
        tx.add_campaign(Campaign(name, "mail.picks", name, "sending", NOW))
        rows = [(b"s" + m[:14] + name.encode(), m) for m in members]
        assert tx.plan(name, "mail.picks", rows, NOW) == len(members)


def test_a_member_has_one_mail_in_a_campaign_however_often_it_is_planned(records: SqlRecords):
    add(records, ANN, BOB)
    a_campaign(records, ANN)
    with records.writing() as tx:
        rows = [(b"t" * 16, ANN), (b"u" * 16, BOB)]
        assert tx.plan("c", "mail.picks", rows, NOW) == 1
    with records.reading() as tx:
        assert [(row.member, row.state) for row in tx.outbox("c")] == [(ANN, "planned"), (BOB, "planned")]


def test_a_mail_is_claimed_by_one_sender_when_it_is_due(records: SqlRecords):
    add(records, ANN, BOB, EVE)
    a_campaign(records, ANN, BOB, EVE)
    with records.writing() as tx:
        first = tx.claim("c", "one", NOW, 2)
        assert [row.member for row in first] == [ANN, BOB]
        assert [row.member for row in tx.claim("c", "two", NOW, 9)] == [EVE]
        late = Moved(first[0].send_id, "deferred", not_before=NOW + timedelta(hours=1))
        tx.move([late, Moved(first[1].send_id, "accepted", reply="250 ok")], NOW)
        assert tx.claim("c", "one", NOW, 9) == []
        assert [row.member for row in tx.claim("c", "one", NOW + timedelta(hours=2), 9)] == [ANN]
    with records.reading() as tx:
        assert tx.states([first[0].send_id])[first[0].send_id] == ("claimed", "one")
        assert tx.report("c") == [("accepted", None, 1), ("claimed", None, 2)]
        accepted = tx.send(first[1].send_id)
    assert accepted is not None
    assert (accepted.reply, accepted.settled_at) == ("250 ok", NOW)


def test_what_is_planned_is_due_though_the_clock_was_set_back(records: SqlRecords):
    add(records, ANN)
    a_campaign(records, ANN)
    with records.writing() as tx:
        assert [row.member for row in tx.claim("c", "one", NOW - timedelta(hours=3), 9)] == [ANN]


def test_a_mail_that_was_never_composed_ends_withheld(records: SqlRecords):
    add(records, ANN)
    a_campaign(records, ANN)
    with records.writing() as tx:
        assert tx.withhold_stale("service", NOW + timedelta(hours=1), "never composed", NOW) == 0
        assert tx.withhold_stale("mail.picks", NOW - timedelta(hours=1), "never composed", NOW) == 0
        assert tx.withhold_stale("mail.picks", NOW + timedelta(hours=1), "never composed", NOW) == 1
    with records.reading() as tx:
        assert tx.report("c") == [("withheld", "never composed", 1)]


def test_what_waits_is_withheld_and_what_has_left_is_not(records: SqlRecords):
    add(records, ANN)
    for name in "abcd":
        a_campaign(records, ANN, name=name)
    with records.writing() as tx:
        for name, state in (("b", "claimed"), ("c", "in flight"), ("d", "accepted")):
            (row,) = tx.outbox(name)
            tx.move([Moved(row.send_id, state, used=16)], NOW)
        assert tx.withhold([ANN], ["mail.news"], "withdrawn", NOW) == 0
        assert tx.withhold([ANN], ["mail.picks"], "withdrawn", NOW) == 2
        assert [row.campaign for row in tx.in_flight([ANN])] == ["c"]
        assert tx.in_flight([BOB]) == []
        assert tx.forget_sends(ANN, EVE) == 4
        assert tx.outbox(member=ANN) == []
        assert len(tx.outbox(member=EVE)) == 4


def test_signals_are_counted_and_forgotten_by_kind(records: SqlRecords):
    with records.writing() as tx:
        for kind, slot in (("open", 0), ("open", 0), ("click", 1)):
            tx.note(b"s" * 16, ANN, kind, slot, NOW)
        assert sorted(tx.engagement(ANN)) == [(b"s" * 16, "click", 1, 1), (b"s" * 16, "open", 0, 2)]
        assert tx.forget_engagement(ANN, ["open"]) == 1
        assert [row[1] for row in tx.engagement()] == ["click"]


def test_a_single_use_link_is_used_once_and_not_after_its_time(records: SqlRecords):
    with records.writing() as tx:
        tx.put_one_time(b"f" * 32, ANN, "sign in", NOW + timedelta(minutes=60))
        assert tx.one_time(b"f" * 32) == (ANN, "sign in", NOW + timedelta(minutes=60), False)
        assert not tx.use_one_time(b"f" * 32, NOW + timedelta(minutes=60))
        assert tx.use_one_time(b"f" * 32, NOW)
        assert not tx.use_one_time(b"f" * 32, NOW)
        assert not tx.use_one_time(b"g" * 32, NOW)
        assert tx.forget_one_time(ANN) == 1


def test_jobs_are_open_until_done_oldest_first(records: SqlRecords):
    jobs = [Job(name, "withdrawal", ANN, 1, at, "begun", NOW) for name, at in (("b", 2), ("a", 1))]
    with records.writing() as tx:
        for job in jobs:
            tx.add_job(job)
        assert [job.job for job in tx.open_jobs()] == ["a", "b"]
        tx.step_job("a", "done", NOW, "{}")
        assert tx.open_jobs() == [jobs[0]]
        assert tx.forget_jobs(ANN, EVE) == 2
        assert tx.jobs_of(ANN) == []
        assert {job.certificate for job in tx.jobs_of(EVE)} == {None}


def test_a_suppressed_address_keeps_its_first_reason(records: SqlRecords):
    add(records, ANN)
    with records.writing() as tx:
        tx.suppress(key(ANN), "complaint", NOW)
        tx.suppress(key(ANN), "bounce", NOW)
        assert tx.suppressed([key(ANN), key(BOB)]) == {key(ANN)}
        assert tx.standing([ANN])[ANN][2]


def test_a_removed_member_leaves_a_keyed_trace(records: SqlRecords):
    add(records, ANN, BOB)
    with records.writing() as tx:
        assert tx.remove_member(ANN, b"k" * 32, key(ANN), NOW) == 2
    with records.reading() as tx:
        assert [who.member for who in tx.members()] == [BOB]
        assert tx.is_erased(b"k" * 32)
        assert not tx.is_erased(b"j" * 32)
        assert tx.erased_addresses([key(ANN), key(BOB)]) == {key(ANN)}
        assert tx.by_alias(["alias-1"]) == {}


def test_a_member_sees_uses_of_their_data_and_of_many_at_once_but_not_of_others(records: SqlRecords):
    row = AccessRow(NOW, "history", "Plays", "job", "why", None, 7, 3)
    with records.writing() as tx:
        tx.log_access([row, replace(row, member=ANN, member_count=1), replace(row, member=BOB)])
    with records.reading() as tx:
        assert [one.member for one in tx.access_log(ANN)] == [None, ANN]
    with records.writing() as tx:
        assert tx.forget_access(ANN) == 1
        assert [one.member for one in tx.access_log(ANN)] == [None]


def test_the_catalogue_version_rises_with_a_change_and_only_then(records: SqlRecords):
    with records.writing() as tx:
        assert tx.put_titles([("a", "1"), ("b", "1")]) == 2
        version = tx.catalogue_version()
        assert tx.put_titles([("a", "1")]) == 0
        assert tx.catalogue_version() == version
        assert tx.put_titles([("a", "2")]) == 1
        assert tx.catalogue_version() > version
        assert sorted(tx.titles()) == [("a", "2"), ("b", "1")]


# What holds of this store's schema and files


def test_the_migrations_lead_to_the_tables_and_the_newest_is_the_one_named(tmp_path: Path):
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    store = SqlRecords(f"sqlite:///{tmp_path / 'r.db'}")
    engine = create_engine(f"sqlite:///{tmp_path / 'r.db'}")
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
    versions = Path(__import__("postreel").__file__).parent / "backends/records/migrations/versions"
    assert max(path.name for path in versions.glob("r*.py")).startswith(f"r{REVISION}_")
    engine.dispose()
    store.close()


def test_a_store_of_a_newer_version_is_refused_in_words(tmp_path: Path):
    url = f"sqlite:///{tmp_path / 'r.db'}"
    SqlRecords(url).close()
    with sqlite3.connect(tmp_path / "r.db") as db:
        db.execute("UPDATE alembic_version SET version_num = '9999'")
    db.close()
    with pytest.raises(SettingsError, match="newer"):
        SqlRecords(url)


def test_the_database_and_its_log_are_for_their_owner_alone(tmp_path: Path):
    old = os.umask(0o022)
    try:
        store = SqlRecords(f"sqlite:///{tmp_path / 'r.db'}")
        add(store, ANN)
        modes = {path.name: path.stat().st_mode & 0o777 for path in tmp_path.iterdir()}
    finally:
        os.umask(old)
    assert modes["r.db"] == modes["r.db-wal"] == 0o600
    assert set(modes.values()) == {0o600}
    store.close()


def test_sqlite_runs_with_what_durability_and_erasure_need(tmp_path: Path):
    store = SqlRecords(f"sqlite:///{tmp_path / 'r.db'}")
    wanted = {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "secure_delete": 1}
    with store.reading() as tx:
        # What is asked for counts on this very connection.
        asked = {name: tx._run(text(f"PRAGMA {name}")).scalar() for name in wanted}  # noqa: SLF001
    assert asked == wanted
    store.close()


def test_what_was_forgotten_is_in_no_file_of_the_store(tmp_path: Path):
    store = SqlRecords(f"sqlite:///{tmp_path / 'r.db'}")
    add(store, ANN, BOB)
    with store.writing() as tx:
        tx.remove_member(ANN, b"k" * 32, None, NOW)
    held = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert b"1@example.org" not in held
    assert b"2@example.org" in held
    store.close()


def test_a_store_that_is_none_or_cannot_be_opened_says_so(tmp_path: Path):
    (tmp_path / "r.db").write_bytes(b"this is no database" * 999)
    with pytest.raises(PermanentError):
        SqlRecords(f"sqlite:///{tmp_path / 'r.db'}")
    with pytest.raises(TransientError):
        SqlRecords(f"sqlite:///{tmp_path / 'no folder' / 'r.db'}")
    with pytest.raises(SettingsError):
        SqlRecords("mysql://localhost/x")


def test_no_transaction_of_a_bulk_import_is_long(tmp_path: Path, request: pytest.FixtureRequest):
    from rooms_of_members import LONG_AGO, a_house

    house = a_house(tmp_path)
    rows_written: list[int] = []

    def begun(_connection: Any) -> None:
        rows_written.append(0)

    def written(_c: Any, cursor: Any, statement: str, parameters: Any, _x: Any, many: bool) -> None:
        if statement.startswith(("INSERT", "UPDATE", "DELETE")):
            rows_written[-1] += len(parameters) if many else max(cursor.rowcount, 0)

    event.listen(Engine, "begin", begun)
    event.listen(Engine, "after_cursor_execute", written)
    request.addfinalizer(lambda: event.remove(Engine, "begin", begun))
    request.addfinalizer(lambda: event.remove(Engine, "after_cursor_execute", written))
    rows = [
        MemberRow(f"m{n}@example.org", grants=(("history", "file"), ("mail.picks", "file")))
        for n in range(700)
    ]
    registered = house.gate.register(rows)
    assert house.gate.import_grants(rows, registered, "import") == 1_400
    ids = [member for member in registered.ids if member]
    house.gate.simulate([])
    for member in ids[:3]:
        house.grant(member, "training", at=LONG_AGO)
    # A chunk of 200 writes an entry and a grant each, and one head.
    assert max(rows_written) <= 401
    assert sum(rows_written) > 3_000
