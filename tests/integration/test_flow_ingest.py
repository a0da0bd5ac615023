"""Imports: what is kept, what is refused with its line and reason, what is withheld; and again adds nothing."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from rooms_of_members import House, a_house

from postreel.errors import InputError
from postreel.flows import ingest
from postreel.flows.ingest import Taken
from postreel.purposes import Rights
from postreel.schema import Plays, id_array

ARRIVED = datetime(2026, 2, 4, 20, 0, tzinfo=UTC)
EVENTS = """{"member":"ann@example.org","id":"1","type":"play","at":"2026-02-01T20:00:00Z","title":"film-1"}

{"member":"ann@example.org","id":"2","type":"stop","at":"2026-02-01T21:00:00Z","title":"film-1"}
no json
{"member":"nobody@example.org","id":"3","type":"play","at":"2026-02-01T20:00:00Z","title":"film-1"}
{"member":"bob@example.org","id":"4","type":"play","at":"2026-02-01T20:00:00Z","title":"film-1"}
{"member":"ann@example.org","id":"5","type":"dance","at":"2026-02-01T20:00:00Z","title":"film-1"}
{"member":"ann@example.org","id":"1","type":"play","at":"2026-02-01T20:00:00Z","title":"film-1"}
"""


@pytest.fixture
def house(tmp_path: Path) -> House:
    return a_house(tmp_path)


def file(tmp_path: Path, name: str, text: str) -> Path:
    path = tmp_path / name
    path.write_text(text, "utf-8")
    return path


def refusals(taken: Taken) -> dict[int, str]:
    return {row.line: row.reason for row in taken.refusals}


def test_a_file_of_events_is_kept_refused_and_withheld_row_by_row(house: House, tmp_path: Path):
    house.member("ann", "history")
    house.member("bob")
    taken = ingest.import_events(house.gate, file(tmp_path, "e.ndjson", EVENTS), ARRIVED)
    assert (taken.read, taken.kept, taken.known) == (7, 2, 1)
    assert dict(taken.withheld) == {"history": 1}
    assert set(refusals(taken)) == {4, 5, 7}
    assert refusals(taken)[5] == ingest.LOST
    again = ingest.import_events(house.gate, tmp_path / "e.ndjson", ARRIVED)
    assert (again.kept, again.known) == (0, 3)


def test_the_refused_file_has_line_and_reason_and_is_for_its_owner_alone(house: House, tmp_path: Path):
    house.member("ann", "history")
    taken = ingest.import_events(house.gate, file(tmp_path, "e.ndjson", EVENTS), ARRIVED)
    ingest.write_refused(taken, tmp_path / "refused", ARRIVED)
    path = Path(str(taken.refused_file))
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    assert {row["line"] for row in rows} == {4, 5, 6, 7}
    assert all(row["reason"] for row in rows)
    assert next(row for row in rows if row["line"] == 4)["text"] == "no json"
    assert path.stat().st_mode & 0o077 == 0
    assert taken.facts()["refused_file"] == str(path)


def test_nothing_refused_writes_no_file(house: House, tmp_path: Path):
    taken = ingest.import_events(house.gate, file(tmp_path, "e.ndjson", ""), ARRIVED)
    ingest.write_refused(taken, tmp_path / "refused", ARRIVED)
    assert taken.refused_file is None
    assert not (tmp_path / "refused").exists()


def test_the_lines_of_an_erased_member_leave_the_refused_files_and_others_stay(tmp_path: Path):
    folder = tmp_path / "refused"
    folder.mkdir()
    texts = ["x,ann@example.org,12", "x,joann@example.org", "2012", "12,x"]
    path = folder / "a.ndjson"
    path.write_text("".join(json.dumps({"line": 1, "reason": "r", "text": t}) + "\n" for t in texts))
    assert ingest.forget_refused(folder, ["Ann@example.org", "12"]) == 2
    left = [json.loads(line)["text"] for line in path.read_text().splitlines()]
    assert left == ["x,joann@example.org", "2012"]
    assert ingest.forget_refused(tmp_path / "none", ["a"]) == 0


def test_a_batch_of_the_intake_counts_what_it_withheld(house: House):
    house.member("ann", "history")
    body = "\n".join(EVENTS.splitlines()).encode()
    taken = ingest.accept_events(house.gate, body, ARRIVED)
    assert taken.kept == 3  # told twice in one batch: found out when the spool is filed
    house.gate.compact()
    assert house.gate.stored_count()["plays"] == 2


RATINGS = """userId,movieId,rating,timestamp
1,10,4.0,1000000000
1,20,2.0,1000000100
2,10,5.0,1000000200
2,10,x,1000000200
"""
MOVIES = """movieId,title,genres
10,Heat (1995),Action|Crime
20,"American President, The (1995)",Comedy
"""


def test_movielens_is_read_once_and_its_members_get_addresses(house: House, tmp_path: Path):
    file(tmp_path, "ratings.csv", RATINGS)
    file(tmp_path, "movies.csv", MOVIES)
    grants = ["history", "recommendations", "training"]
    taken = ingest.import_movielens(house.gate, tmp_path, ARRIVED, grants)
    assert (taken.read, taken.kept, len(taken.refusals)) == (4, 3, 1)
    assert (len(taken.names), len(taken.title_ids)) == (2, 2)
    one = house.gate.find("movielens-1@example.invalid").member
    assert house.gate.rights(one).grants()["history"].since < datetime.fromtimestamp(1_000_000_000, UTC)
    again = ingest.import_movielens(house.gate, tmp_path, ARRIVED, grants)
    assert (again.kept, again.known) == (0, 3)
    assert house.gate.stored_count()["plays"] == 5


def test_movielens_without_grants_keeps_members_and_no_viewing(house: House, tmp_path: Path):
    file(tmp_path, "ratings.csv", RATINGS)
    file(tmp_path, "movies.csv", MOVIES)
    taken = ingest.import_movielens(house.gate, tmp_path, ARRIVED)
    assert (taken.kept, dict(taken.withheld)) == (0, {"history": 3})
    assert len(house.gate.members()) == 2
    with pytest.raises(InputError, match="no file"):
        ingest.import_movielens(house.gate, tmp_path / "elsewhere", ARRIVED)


NETFLIX = 'Title,Date\n"Heat","25/01/2020"\n"Dark: Season 1: Secrets","13/02/2020"\n'


def test_a_netflix_export_is_covered_by_the_members_grant_of_now(house: House, tmp_path: Path):
    house.member("ann", "history", at=ARRIVED - timedelta(days=1))
    house.clock.at = ARRIVED
    path = file(tmp_path, "n.csv", NETFLIX)
    taken = ingest.import_netflix(house.gate, path, ARRIVED, "ann@example.org")
    assert taken.kept == 2
    assert ingest.import_netflix(house.gate, path, ARRIVED, "ann@example.org").kept == 0
    house.member("bob")
    withheld = ingest.import_netflix(house.gate, path, ARRIVED, "bob@example.org")
    assert dict(withheld.withheld) == {"history": 2}
    stranger = ingest.import_netflix(house.gate, path, ARRIVED, "eve@example.org")
    assert set(refusals(stranger).values()) == {ingest.LOST}


def test_a_second_file_with_older_viewings_is_kept_too(house: House, tmp_path: Path):
    head = "member,title,time,weight\n"
    new = file(tmp_path, "new.csv", head + "ann@example.org,Heat,2024-05-01T20:00:00Z,1\n")
    old = file(tmp_path, "old.csv", head + "ann@example.org,Alien,2019-05-01T20:00:00Z,1\n")
    assert ingest.import_viewings(house.gate, new, ARRIVED, ["history"]).kept == 1
    assert ingest.import_viewings(house.gate, old, ARRIVED, ["history"]).kept == 1
    assert house.gate.verify_ledger().is_ok


def test_a_bad_row_of_a_csv_is_refused_at_its_line(house: House, tmp_path: Path):
    text = "member,title,time,weight\nann@example.org,Heat,1700000000,1\nann@example.org,Heat,noon,1\n"
    taken = ingest.import_viewings(house.gate, file(tmp_path, "v.csv", text), ARRIVED, ["history"])
    assert (taken.kept, list(refusals(taken))) == (1, [3])


MEMBERS = """address,alias,is_child,history,mail.picks,measure.opens
ann@example.org,1,,form 7,form 7,
no address,2,,,,
bob@example.org,3,,,,
,4,true,form 9,,
eve@example.org,5,,,,form 1
"""


def test_members_come_with_the_grants_that_have_evidence(house: House, tmp_path: Path):
    path = file(tmp_path, "m.csv", MEMBERS)
    taken = ingest.import_members(house.gate, path, ARRIVED)
    assert taken.kept == 4
    assert set(refusals(taken)) == {3, 5, 6}
    states = {who.address: set(house.gate.rights(who.member).grants()) for who in house.gate.members()}
    assert states == {
        "ann@example.org": {"history", "mail.picks"},
        "bob@example.org": set(),
        "eve@example.org": set(),
        None: set(),
    }
    size = house.gate.standing().position
    again = ingest.import_members(house.gate, path, ARRIVED)
    assert (again.kept, again.known) == (0, 4)
    assert house.gate.standing().position == size


def test_a_file_with_a_child_in_it_can_have_simulated_grants(house: House, tmp_path: Path):
    taken = ingest.import_members(house.gate, file(tmp_path, "m.csv", MEMBERS), ARRIVED, ["training"])
    assert taken.kept == 4
    child = next(who for who in house.gate.members() if who.is_child)
    assert house.gate.rights(child.member).grants() == {}


def test_an_erased_members_row_is_refused_at_its_line(house: House, tmp_path: Path):
    house.gate.rights(house.member("bob")).erase()
    taken = ingest.import_members(house.gate, file(tmp_path, "m.csv", MEMBERS), ARRIVED)
    assert "erased" in refusals(taken)[4]


def register(house: House, *rows: dict[str, Any]) -> Any:
    from postreel.members import MemberRow

    return house.gate.register([MemberRow(**row) for row in rows])


def test_an_alias_tells_two_people_on_one_address_apart(house: House):
    both = register(house, {"address": "a@b.example", "alias": "1"}, {"address": "A@B.example", "alias": "2"})
    assert both.added == 2
    assert all(who.is_shared for who in house.gate.members())
    assert house.gate.resolve(["1", "2", "a@b.example"]).keys() == {"1", "2"}
    nameless = register(house, {"address": "a@b.example"}, {"address": "c@d.example"})
    assert nameless.refused[0][0] == 0
    assert nameless.added == 1
    with pytest.raises(InputError, match="share"):
        house.gate.find("a@b.example")


def test_a_member_known_by_address_alone_takes_the_alias_that_comes(house: House):
    ann = house.member("ann")
    named = register(house, {"address": "ann@example.org", "alias": "crm-1"})
    assert (named.ids, named.added) == ((ann,), 0)
    other = register(house, {"address": "ann@example.org", "alias": "crm-2"})
    assert other.added == 1


def test_a_childs_row_with_a_parents_address_is_neither_the_parent_nor_shares_with_them(house: House):
    ann = house.member("ann")
    kid = register(house, {"address": "ann@example.org", "alias": "kid", "is_child": True})
    assert kid.added == 1
    facts = {who.member: who for who in house.gate.members()}
    assert not facts[ann].is_shared
    assert not facts[ann].is_child
    assert facts[kid.ids[0]].address is None
    assert register(house, {"address": "ann@example.org", "alias": "kid", "is_child": True}).added == 0


def test_what_changes_of_a_member_is_stored_and_raises_their_data_seq_once(house: House):
    ann = house.member("ann")
    for _ in range(2):
        register(house, {"address": "ann@example.org", "name": "Ann"})
    (who,) = house.gate.members(id_array([ann]))
    assert (who.name, who.data_seq) == ("Ann", 1)


def test_an_event_may_name_its_member_by_our_id(house: House):
    ann = house.member("ann", "history")
    line = {"member": ann.hex(), "id": "9", "type": "play", "at": "2026-02-01T20:00:00Z", "title": "film-1"}
    assert ingest.accept_events(house.gate, json.dumps(line).encode(), ARRIVED).kept == 1
    house.gate.compact()
    assert len(house.gate.rights(ann).shown(house.gate.read(Plays, id_array([ann]), Rights))) == 1
