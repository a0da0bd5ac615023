"""The doors `admit`, `store` and `compact`: what a live grant covers comes in, and nothing else."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from rooms_of_members import LONG_AGO, House, a_house, viewings

from postreel.errors import ConsentError
from postreel.purposes import History, Rights
from postreel.schema import Plays, id_array

DAY = timedelta(days=1)


@pytest.fixture
def house(tmp_path: Path) -> House:
    return a_house(tmp_path)


def stored(house: House, member: bytes) -> list[str]:
    house.gate.compact()
    held = house.gate.read(Plays, id_array([member]), Rights)
    return sorted(house.gate.rights(member).shown(held).table.column("title_id").to_pylist())


def test_an_event_before_the_grant_is_refused_and_one_after_it_comes_in(house: House):
    ann = house.member("ann", "history")
    early = house.gate.admit(viewings(ann, [1], LONG_AGO - timedelta(seconds=1), arrived=LONG_AGO + DAY))
    late = house.gate.admit(viewings(ann, [2], LONG_AGO, arrived=LONG_AGO + DAY))
    assert early.is_covered.tolist() == [False]
    assert late.is_covered.tolist() == [True]
    assert early.missing == "history"


def test_an_event_from_the_future_counts_from_its_arrival(house: House):
    ann = house.member("ann", "history", at=LONG_AGO + DAY)
    admitted = house.gate.admit(viewings(ann, [1], LONG_AGO + 2 * DAY, arrived=LONG_AGO))
    assert admitted.is_covered.tolist() == [False]


def test_what_a_member_brings_in_themself_is_covered_by_their_grant_of_now(house: House):
    ann = house.member("ann", "history", at=LONG_AGO + DAY)
    old = viewings(ann, [1], LONG_AGO - 900 * DAY, arrived=LONG_AGO + 2 * DAY)
    assert not house.gate.admit(old).is_covered.any()
    assert house.gate.admit(old, is_own=True).is_covered.all()


def test_after_a_withdrawal_not_even_an_event_of_before_it_comes_in(house: House):
    ann = house.member("ann", "history")
    house.withdraw(ann, "history")
    assert not house.gate.admit(viewings(ann, [1], LONG_AGO + DAY)).is_covered.any()


def test_the_device_stays_out_unless_devices_was_granted_by_then(house: House):
    ann = house.member("ann", "history")
    bob = house.member("bob", "history", "devices")
    eve = house.member("eve", "history")
    house.grant(eve, "devices", at=LONG_AGO + 5 * DAY)
    for who in (ann, bob, eve):
        house.offer(who, [1], device_id="tv-7", device_type="tv")
    house.gate.compact()
    rows = house.gate.read(Plays, id_array([ann, bob, eve]), Rights)
    seen = house.gate.rights(ann).shown(rows).table
    devices = dict(zip(seen.column("member").to_pylist(), seen.column("device_id").to_pylist(), strict=True))
    assert devices == {ann: None, bob: "tv-7", eve: None}
    assert set(seen.column("device_type").to_pylist()) == {"tv"}


def test_a_device_in_the_spool_does_not_come_back_under_a_later_grant(house: House):
    ann = house.member("ann", "history", "devices")
    admitted = house.gate.admit(viewings(ann, [1], LONG_AGO + DAY, device_id="tv-7"))
    house.withdraw(ann, "devices")
    house.gate.rights(ann).finish()
    house.gate.store(admitted)  # it was admitted just before
    house.clock.go(5)
    house.grant(ann, "devices")
    house.gate.compact()
    rows = house.gate.rights(ann).shown(house.gate.read(Plays, id_array([ann]), Rights))
    assert rows.table.column("device_id").to_pylist() == [None]


def test_an_unknown_member_and_a_child_have_nothing_stored(house: House):
    (child,) = house.gate.register([_child()]).ids
    nobody = b"\x07" * 16
    for who in (child, nobody):
        admitted = house.offer(who, [1])
        assert not admitted.is_covered.any()
    assert house.gate.stored_count()["plays"] == 0


def _child():
    from postreel.members import MemberRow

    return MemberRow(address="", alias="kid", is_child=True)


def test_the_good_rows_of_a_mixed_batch_are_kept(house: House):
    ann, bob = house.member("ann", "history"), house.member("bob")
    mixed = Plays.concat([viewings(ann, [1, 2], LONG_AGO + DAY), viewings(bob, [1], LONG_AGO + DAY)])
    admitted = house.gate.admit(mixed)
    house.gate.store(admitted)
    assert admitted.is_covered.tolist() == [True, True, False]
    assert stored(house, ann) == ["film-1", "film-2"]
    assert stored(house, bob) == []


def test_without_grants_to_look_up_nothing_is_admitted_or_released(tmp_path: Path):
    house = a_house(tmp_path)
    ann = house.member("ann", "history")
    house.opened.close()
    for name in ("postreel.db", "postreel.db-wal"):
        (house.opened.settings.home / name).unlink(missing_ok=True)
    with pytest.raises(ConsentError, match="could not be looked up"):
        house.gate.admit(viewings(ann, [1], LONG_AGO + DAY))
    with pytest.raises(ConsentError):
        house.gate.read(Plays, id_array([ann]), History)
    assert house.gate.stored_count()["plays"] == 0


def test_a_record_store_that_is_damaged_fails_closed(tmp_path: Path):
    house = a_house(tmp_path)
    ann = house.member("ann", "history")
    house.opened.close()
    path = house.opened.settings.home / "postreel.db"
    (house.opened.settings.home / "postreel.db-wal").unlink(missing_ok=True)
    path.write_bytes(b"no database at all" * 4096)
    with pytest.raises(ConsentError):
        house.gate.admit(viewings(ann, [1], LONG_AGO + DAY))


def test_an_event_admitted_before_a_withdrawal_and_stored_after_it_does_not_outlive_the_spool(house: House):
    ann = house.member("ann", "history")
    admitted = house.gate.admit(viewings(ann, [1], LONG_AGO + DAY))
    house.withdraw(ann, "history")
    house.gate.rights(ann).finish()
    house.gate.store(admitted)
    house.clock.go(60)
    house.grant(ann, "history")
    assert stored(house, ann) == []


def test_an_event_told_twice_is_stored_once(house: House):
    ann = house.member("ann", "history")
    house.offer(ann, [1, 2])
    house.offer(ann, [2, 3])
    assert stored(house, ann) == ["film-1", "film-2", "film-3"]
