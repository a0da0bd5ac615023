"""What `ports.Events` promises, for every event store."""

import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from postreel.backends.events import FileEvents
from postreel.consent import Permitted, Seal, Warrant
from postreel.errors import ConsentError, InputError, SettingsError
from postreel.ports import Events
from postreel.purposes import History, Purpose, Training
from postreel.schema import Ids, Plays, Rows, Sessions, Tastes, id_array, is_among, unique_ids

SEAL = Seal()
DAY_US = 86_400_000_000
NOW_US = 1_790_000_000_000_000
KINDS = np.array(["play", "pause", "stop", "heartbeat", "rating"], object)

Opener = Callable[[], Events]


def member(number: int) -> bytes:
    return bytes([number % 256]) * 8 + number.to_bytes(7, "big") + b"\x07"


def event_ids(numbers: np.ndarray) -> Ids:
    wide = np.zeros((len(numbers), 2), ">u8")
    wide[:, 1] = numbers
    return np.frombuffer(wide.tobytes(), "S16")


def plays_of(
    numbers: np.ndarray, members: int = 7, *, at_us: np.ndarray | None = None, device: bool = True
) -> Plays:
    """Event n is one of member n % members, n seconds on."""
    numbers = np.asarray(numbers, np.int64)
    at = NOW_US + numbers * 1_000_000 if at_us is None else at_us
    ids = id_array([member(i) for i in range(members)])
    return Plays.of(
        member=ids[numbers % members],
        event_id=event_ids(numbers),
        at=pa.array(at).cast(pa.timestamp("us")).cast(Plays.SCHEMA.field("at").type),
        arrived=pa.array(np.full(len(numbers), NOW_US + DAY_US)).cast(Plays.SCHEMA.field("at").type),
        kind=pa.array(KINDS[numbers % len(KINDS)]),
        title_id=pa.array([f"t{n % 50}" for n in numbers]),
        position_s=numbers / 3.0,
        text=pa.array(['say "hi"\\\n\x00é' if n % 5 == 0 else None for n in numbers], pa.string()),
        device_id=pa.array([f"d{n}" for n in numbers]) if device else None,
        source=pa.array(["test"] * len(numbers)),
    )


def permitted(rows: Rows, purpose: type[Purpose] = History, members: Ids | None = None) -> Permitted:
    ids = unique_ids(rows.members if members is None else members)
    return Permitted(SEAL, rows, Warrant(purpose, 1, ids, np.zeros(len(ids), np.int64)))


def admit_all(plays: Plays) -> Plays:
    return plays


def sorted_by_id(plays: Plays) -> list[dict]:
    return sorted(plays.table.to_pylist(), key=lambda r: r["event_id"])


def ids(*numbers: int) -> Ids:
    return unique_ids(id_array([member(n) for n in numbers]))


def sessions_for(*numbers: int, watched_s: float = 60.0) -> Sessions:
    return Sessions.of(
        member=id_array([member(n) for n in numbers]),
        title_id=pa.array(["t1"] * len(numbers)),
        watched_s=np.full(len(numbers), watched_s),
    )


def tastes_for(*numbers: int) -> Tastes:
    return Tastes.of(
        member=id_array([member(n) for n in numbers]),
        title_id=pa.array(["t1"] * len(numbers)),
        weight=np.full(len(numbers), 0.5),
    )


@pytest.fixture(params=["file"])
def opened(request: pytest.FixtureRequest, tmp_path: Path) -> Opener:
    return lambda: FileEvents(tmp_path / "events", SEAL)


def test_an_event_comes_back_as_it_went_in(opened: Opener):
    events = opened()
    sent = plays_of(np.arange(100))
    events.append(permitted(sent))
    assert events.compact(admit_all) == 100
    got = Plays.concat(events.stream(Plays, ids(*range(7))))
    assert sorted_by_id(got) == sorted_by_id(sent)


def test_extreme_values_survive_the_spool(opened: Opener):
    events = opened()
    base = plays_of(np.arange(4))
    odd = np.array([1e-300, 1.7976931348623157e308, -0.1, 123456789.123456789])
    sent = Plays(base.table.set_column(6, base.table.schema.field(6), pa.array(odd)))
    events.append(permitted(sent))
    events.compact(admit_all)
    assert sorted_by_id(Plays.concat(events.stream(Plays, ids(*range(7))))) == sorted_by_id(sent)


def test_a_batch_never_splits_a_member_and_is_sorted(opened: Opener):
    events = opened()
    rng = np.random.default_rng(1)
    events.append(permitted(plays_of(rng.permutation(3000), 60)))
    events.append(permitted(plays_of(rng.permutation(3000) + 3000, 60)))
    events.compact(admit_all)
    seen: set[bytes] = set()
    rows = 0
    for batch in events.stream(Plays, ids(*range(50))):
        whose = set(batch.members.tolist())
        assert not whose & seen
        seen |= whose
        assert (batch.members[1:] >= batch.members[:-1]).all()
        at = batch.column("at")
        is_same = batch.members[1:] == batch.members[:-1]
        assert (at[1:][is_same] >= at[:-1][is_same]).all()
        rows += len(batch)
    assert seen == set(ids(*range(50)).tolist())
    assert rows == 5000


def test_the_spool_is_not_streamed_before_it_is_compacted(opened: Opener):
    events = opened()
    events.append(permitted(plays_of(np.arange(10))))
    assert list(events.stream(Plays, ids(*range(7)))) == []
    assert events.count(Plays) == 10


def test_an_event_sent_twice_is_stored_once_and_the_first_is_kept(opened: Opener):
    events = opened()
    events.append(permitted(plays_of(np.arange(10))))
    events.append(permitted(plays_of(np.arange(5, 15), device=False)))
    assert events.count(Plays) == 15
    assert events.compact(admit_all) == 15
    events.append(permitted(plays_of(np.arange(20), device=False)))
    assert events.compact(admit_all) == 5
    assert events.count(Plays) == 20
    rows = sorted_by_id(Plays.concat(events.stream(Plays, ids(*range(7)))))
    assert [r["device_id"] for r in rows] == [f"d{n}" for n in range(10)] + [None] * 10


def test_a_copy_that_came_much_later_is_still_a_copy(opened: Opener):
    events = opened()
    n = np.arange(10)
    events.append(permitted(plays_of(n)))
    events.compact(admit_all)
    events.append(permitted(plays_of(n, at_us=np.full(10, NOW_US - 900 * DAY_US))))
    assert events.compact(admit_all) == 0
    assert events.count(Plays) == 10


def test_known_looks_in_spool_and_parquet(opened: Opener):
    events = opened()
    asked = event_ids(np.arange(30))
    assert not events.known(asked).any()
    events.append(permitted(plays_of(np.arange(10))))
    events.compact(admit_all)
    events.append(permitted(plays_of(np.arange(10, 20))))
    for store in (events, opened()):
        assert store.known(asked).tolist() == [True] * 20 + [False] * 10
    events.compact(admit_all)
    assert events.known(asked).tolist() == [True] * 20 + [False] * 10


def test_compaction_stores_only_what_is_admitted_again(opened: Opener):
    events = opened()
    events.append(permitted(plays_of(np.arange(70))))
    written = events.compact(lambda plays: plays.where(is_among(plays.members, ids(1, 2))))
    assert written == 20
    assert (
        unique_ids(Plays.concat(events.stream(Plays, ids(*range(7)))).members).tolist() == ids(1, 2).tolist()
    )
    assert events.compact(admit_all) == 0


def test_a_failed_admission_loses_nothing(opened: Opener):
    events = opened()
    events.append(permitted(plays_of(np.arange(10))))

    def refuse(plays: Plays) -> Plays:
        raise ConsentError("the grants could not be looked up")

    with pytest.raises(ConsentError):
        events.compact(refuse)
    events.append(permitted(plays_of(np.arange(10, 12))))
    assert events.compact(admit_all) == 12


def test_old_history_and_live_events_lie_together(opened: Opener):
    events = opened()
    n = np.arange(200)
    at = NOW_US - n * 40 * DAY_US
    events.append(permitted(plays_of(n, at_us=at)))
    assert events.compact(admit_all) == 200
    got = Plays.concat(events.stream(Plays, ids(*range(7))))
    assert sorted(got.column("at").astype("int64").tolist()) == sorted(at.tolist())


def test_events_without_a_time_are_kept(opened: Opener):
    events = opened()
    base = plays_of(np.arange(10)).table
    at = base.schema.get_field_index("at")
    sent = Plays(base.set_column(at, base.schema.field(at), pa.nulls(10, base.schema.field(at).type)))
    events.append(permitted(sent))
    assert events.compact(admit_all) == 10
    assert sorted_by_id(Plays.concat(events.stream(Plays, ids(*range(7))))) == sorted_by_id(sent)


def test_read_gives_the_members_asked_for(opened: Opener):
    events = opened()
    events.append(permitted(plays_of(np.arange(700))))
    events.compact(admit_all)
    got = events.read(Plays, ids(2, 5))
    assert len(got) == 200
    assert unique_ids(got.members).tolist() == ids(2, 5).tolist()
    assert len(events.read(Plays, ids(99))) == 0
    assert len(events.read(Plays, ids())) == 0


def test_append_takes_only_events_permitted_under_history(opened: Opener):
    events = opened()
    rows = plays_of(np.arange(3))
    with pytest.raises(ConsentError):
        events.append(permitted(rows, Training))
    with pytest.raises(ConsentError):
        events.append(Permitted(Seal(), rows, permitted(rows).warrant))
    with pytest.raises(InputError, match="event_id"):
        events.append(permitted(Plays.of(member=rows.members)))
    events.append(permitted(Plays.empty()))
    assert events.count(Plays) == 0


def test_keep_replaces_the_rows_of_the_warrants_members_alone(opened: Opener):
    events = opened()
    events.keep(permitted(sessions_for(1, 1, 2, 3)))
    events.keep(permitted(sessions_for(2, watched_s=5.0), members=ids(1, 2)))
    got = Sessions.concat(events.stream(Sessions, ids(1, 2, 3)))
    assert unique_ids(got.members).tolist() == ids(2, 3).tolist()
    assert sorted(got.column("watched_s").tolist()) == [5.0, 60.0]
    assert events.count(Sessions) == 2
    assert len(events.read(Sessions, ids(2))) == 1
    assert len(events.read(Tastes, ids(2))) == 0


def test_keep_refuses_what_may_not_be_kept(opened: Opener):
    events = opened()
    with pytest.raises(ConsentError):
        events.keep(permitted(sessions_for(1), Training))
    with pytest.raises(ConsentError):
        events.keep(permitted(plays_of(np.arange(2))))
    with pytest.raises(ConsentError):
        events.keep(Permitted(Seal(), sessions_for(1), permitted(sessions_for(1)).warrant))


def refresh(events: Events, *numbers: int) -> None:
    list(events.stream(Plays, ids(*numbers)))
    events.keep(permitted(sessions_for(*numbers)))
    events.keep(permitted(tastes_for(*numbers)))


def test_a_member_is_stale_until_all_derived_rows_follow_the_events(opened: Opener):
    events = opened()
    events.append(permitted(plays_of(np.arange(70))))
    assert events.stale().tolist() == []
    events.compact(admit_all)
    assert events.stale().tolist() == ids(*range(7)).tolist()
    refresh(events, 1, 2, 3)
    assert events.stale().tolist() == ids(0, 4, 5, 6).tolist()
    events.read(Plays, ids(4))
    events.keep(permitted(sessions_for(4)))
    assert opened().stale().tolist() == ids(0, 4, 5, 6).tolist()
    events.read(Sessions, ids(4))
    events.keep(permitted(tastes_for(4)))
    assert opened().stale().tolist() == ids(0, 5, 6).tolist()


def test_events_that_come_between_reading_and_keeping_leave_the_member_stale(opened: Opener):
    events, other = opened(), opened()
    events.append(permitted(plays_of(np.arange(7))))
    events.compact(admit_all)
    list(events.stream(Plays, ids(*range(7))))
    other.append(permitted(plays_of(np.arange(7, 9))))  # of members 0 and 1
    other.compact(admit_all)
    events.keep(permitted(sessions_for(0, 1, 2)))
    events.keep(permitted(tastes_for(0, 1, 2)))
    assert events.stale().tolist() == ids(0, 1, 3, 4, 5, 6).tolist()


def test_events_that_appear_while_they_are_read_leave_the_member_stale(opened: Opener):
    events, other = opened(), opened()
    events.append(permitted(plays_of(np.arange(7))))

    def admit_while_another_reads(plays: Plays) -> Plays:
        assert other.stale().tolist() == []
        list(other.stream(Plays, ids(*range(7))))
        return plays

    events.compact(admit_while_another_reads)
    other.keep(permitted(sessions_for(*range(7))))
    other.keep(permitted(tastes_for(*range(7))))
    assert events.stale().tolist() == ids(*range(7)).tolist()


def holds(folder: Path, member_id: bytes) -> list[str]:
    """Files in which the member's id is found, raw or as hexadecimal digits, compressed columns opened."""
    import pyarrow.parquet as pq

    found: list[str] = []
    for path in (p for p in folder.rglob("*") if p.is_file()):
        data = path.read_bytes()
        if path.suffix == ".parquet":
            data += b"".join(r for r in pq.read_table(path).column("member").to_pylist())
        if member_id in data or member_id.hex().encode() in data:
            found.append(path.name)
    return found


def test_an_erased_member_is_in_no_file(opened: Opener, tmp_path: Path):
    events, writer = opened(), opened()
    events.append(permitted(plays_of(np.arange(700))))
    events.compact(admit_all)
    refresh(events, *range(7))
    events.append(permitted(plays_of(np.arange(700, 770))))
    writer.append(permitted(plays_of(np.arange(770, 777))))
    events.compact(admit_all)
    events.append(permitted(plays_of(np.arange(777, 784))))
    writer.append(permitted(plays_of(np.arange(784, 791))))
    segment = max((tmp_path / "events" / "spool").iterdir())
    with segment.open("ab") as f:
        f.write(b'{"rows":9,"bytes":999,"crc32":"00000000"}\n' + member(3).hex().encode())
    (tmp_path / "events" / "plays" / "b00.parquet.tmp-00").write_bytes(member(3))
    assert holds(tmp_path / "events", member(3))
    assert events.erase(ids(3), [Plays, Sessions, Tastes]) == {"plays": 113, "sessions": 1, "tastes": 1}
    assert holds(tmp_path / "events", member(3)) == []
    assert events.erase(ids(3), [Plays, Sessions, Tastes]) == {"plays": 0, "sessions": 0, "tastes": 0}
    assert not events.known(event_ids(np.array([3, 703, 780]))).any()
    writer.append(permitted(plays_of(np.array([791]))))
    assert events.compact(admit_all) == 13
    assert events.count(Plays) == 792 - 113
    assert len(events.read(Plays, ids(3))) == 0
    assert len(events.read(Plays, ids(2))) == 113


def test_derived_rows_are_stale_once_their_events_are_erased(opened: Opener):
    events = opened()
    events.append(permitted(plays_of(np.arange(70))))
    events.compact(admit_all)
    refresh(events, *range(7))
    assert events.stale().tolist() == []
    assert events.erase(ids(3, 99), [Plays])["plays"] == 10
    assert events.stale().tolist() == ids(3).tolist()
    assert events.erase(ids(3), [Sessions, Tastes]) == {"sessions": 1, "tastes": 1}
    assert events.stale().tolist() == []


def test_cut_devices_leaves_everything_else(opened: Opener):
    events = opened()
    events.append(permitted(plays_of(np.arange(70))))
    events.compact(admit_all)
    refresh(events, *range(7))
    events.append(permitted(plays_of(np.arange(70, 140))))
    assert events.cut_devices(ids(1)) == 20
    assert events.cut_devices(ids(1)) == 0
    assert events.stale().tolist() == ids(1).tolist()
    events.compact(admit_all)
    rows = sorted_by_id(Plays.concat(events.stream(Plays, ids(*range(7)))))
    want = sorted_by_id(plays_of(np.arange(140)))
    for row in want:
        if row["member"] == member(1):
            row["device_id"] = None
    assert rows == want


def test_many_threads_and_compactions_lose_and_double_nothing(opened: Opener):
    stores = [opened(), opened()]

    def write(which: int) -> None:
        for i in range(25):
            stores[which % 2].append(permitted(plays_of(np.arange(10) + which * 1000 + i * 10)))

    threads = [threading.Thread(target=write, args=(w,)) for w in range(6)]
    for t in threads:
        t.start()
    written = 0
    while any(t.is_alive() for t in threads):
        written += stores[0].compact(admit_all)
    for t in threads:
        t.join()
    written += stores[1].compact(admit_all)
    assert written == 1500
    got = Plays.concat(opened().stream(Plays, ids(*range(7))))
    assert len(np.unique(got.column("event_id"))) == len(got) == 1500


def test_the_number_of_buckets_is_fixed(tmp_path: Path):
    FileEvents(tmp_path, SEAL, 3)
    FileEvents(tmp_path, SEAL, 3)
    with pytest.raises(SettingsError, match="3 buckets"):
        FileEvents(tmp_path, SEAL, 4)
    with pytest.raises(SettingsError):
        FileEvents(tmp_path, SEAL, 0)
