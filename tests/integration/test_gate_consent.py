"""Grants, withdrawals, the ledger and its file of heads, on a real home."""

from __future__ import annotations

import sqlite3
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from rooms_of_members import LONG_AGO, House, a_house

from postreel.consent import Head, consistency_proof, is_consistent, is_included, is_signed, leaf_hash
from postreel.consent.tree import commitment
from postreel.errors import ConsentError, InputError, TransientError
from postreel.members import MemberRow
from postreel.ports import Change
from postreel.purposes import History, Recommendations, Training
from postreel.schema import Plays, id_array

DAY = timedelta(days=1)


@pytest.fixture
def house(tmp_path: Path) -> House:
    return a_house(tmp_path)


def live(house: House, member: bytes) -> set[str]:
    return {key for key, row in house.gate.rights(member).grants().items() if row.live_since is not None}


def test_a_purpose_waits_for_what_it_needs_and_is_live_from_the_later_of_the_two(house: House):
    ann = house.member("ann", "training", at=LONG_AGO)
    assert live(house, ann) == set()
    house.grant(ann, "history", at=LONG_AGO + DAY)
    assert live(house, ann) == {"history", "training"}
    assert house.gate.rights(ann).grants()["training"].live_since == LONG_AGO + DAY


def test_what_rests_on_a_withdrawn_need_ends_with_it_and_starts_afresh(house: House):
    ann = house.member("ann", "history", "recommendations", "training", "mail.picks")
    changed = house.withdraw(ann, "history")
    assert live(house, ann) == {"mail.picks"}
    assert changed.jobs[0].purposes == 1 | 4 | 8
    house.clock.go(100)
    house.grant(ann, "history")
    rights = house.gate.rights(ann).grants()
    assert rights["training"].state == "granted"
    assert rights["training"].live_since == rights["history"].since > LONG_AGO


def test_measurement_ends_with_the_last_kind_of_mail(house: House):
    ann = house.member("ann", "mail.picks", "mail.news", "measure.opens")
    house.withdraw(ann, "mail.picks")
    assert "measure.opens" in live(house, ann)
    changed = house.withdraw(ann, "mail.news")
    assert live(house, ann) == set()
    assert changed.jobs[0].purposes & 1 << 9


def test_a_child_grants_nothing(house: House):
    (child,) = house.gate.register([MemberRow(address="", alias="kid", is_child=True)]).ids
    with pytest.raises(ConsentError, match="child"):
        house.gate.rights(child).grant(["history"], "test", "yes")


def test_saying_the_same_again_writes_nothing(house: House):
    ann = house.member("ann", "history")
    size = house.gate.standing().position
    again = house.gate.rights(ann).grant(["history"], "test", "yes")
    assert again.entries == ()
    assert again.head is None
    assert house.gate.standing().position == size
    assert house.gate.receipt(again) == {"position": 0, "changed": False}


def test_a_no_to_what_was_never_granted_is_a_refusal_on_record(house: House):
    ann = house.member("ann")
    house.withdraw(ann, "mail.picks")
    house.withdraw(ann, "mail.picks")
    assert house.gate.rights(ann).grants()["mail.picks"].state == "refused"
    assert house.gate.standing().position == 1


def test_a_yes_after_a_no_never_reaches_back_before_the_no(house: House):
    ann = house.member("ann", "history")
    house.withdraw(ann, "history")
    no = house.clock.now()
    house.clock.at -= 3 * DAY  # the clock was set back
    house.gate.rights(ann).grant(["history"], "test", "yes")
    assert house.gate.rights(ann).grants()["history"].since == no


def test_a_no_and_a_yes_in_one_file_still_take_away_what_was_there(house: House):
    ann = house.member("ann", "history")
    house.watch(ann, [1, 2])
    now = house.clock.now()
    written = house.gate.simulate(
        [
            Change(ann, "history", "withdrawn", "simulation", "simulated", now),
            Change(ann, "history", "granted", "simulation", "simulated", now + DAY),
        ]
    )
    assert written == 2
    assert len(house.gate.rights(ann).shown(house.gate.read(Plays, id_array([ann]), History))) == 0


def test_one_transaction_refuses_two_answers_to_one_question(house: House):
    ann = house.member("ann")
    change = Change(ann, "history", "granted", "test", "", LONG_AGO)
    from postreel.gate.consenting import change as write

    with pytest.raises(InputError, match="twice"):
        write(house.core, [change, change])


def test_a_second_simulated_file_may_reach_further_back_but_not_past_a_no(house: House):
    ann = house.member("ann", "history", at=LONG_AGO)
    house.grant(ann, "history", at=LONG_AGO - 9 * DAY)
    assert house.gate.rights(ann).grants()["history"].live_since == LONG_AGO - 9 * DAY
    house.withdraw(ann, "history")
    no = house.clock.now()
    house.clock.go(86_400)
    house.grant(ann, "history")
    house.grant(ann, "history", at=LONG_AGO)
    assert house.gate.rights(ann).grants()["history"].since == no
    assert house.gate.verify_ledger().is_ok


def test_law_based_purposes_cannot_be_switched(house: House):
    ann = house.member("ann")
    with pytest.raises(InputError, match="rests on law"):
        house.gate.rights(ann).refuse(["service"], "test")


def test_the_head_stands_in_the_file_as_soon_as_a_change_is_answered(house: House):
    house.member("ann", "history", "training")
    last = Head.from_line(house.core.heads.lines()[-1])
    assert last.size == house.gate.standing().position == 2


def test_a_receipt_can_be_checked_without_the_installation(house: House):
    ann = house.member("ann", "history")
    house.member("bob", "history", "training", "mail.picks")
    changed = house.withdraw(ann, "history")
    house.member("eve", "history")
    told: Any = house.gate.receipt(changed)
    (entry,) = told["entries"]
    head = Head.from_line(__import__("json").dumps(told["head"]))
    assert is_signed(head, bytes.fromhex(told["key"]))
    from postreel.consent import content_of

    leaf = leaf_hash(commitment(bytes.fromhex(entry["salt"]), content_of(entry["content"])))
    proof = [bytes.fromhex(step) for step in entry["proof"]]
    assert is_included(leaf, entry["position"], head.size, proof, head.root)
    with house.core.records.reading() as tx:
        leaves = [leaf_hash(e.commitment) for e in tx.entries()]
        now = tx.heads()[-1]
    assert is_consistent(head.size, head.root, now.size, now.root, consistency_proof(leaves, head.size))


def test_a_process_that_died_before_the_line_of_the_head_is_made_up_for(house: House):
    ann = house.member("ann", "history")
    house.withdraw(ann, "history")
    path = house.opened.settings.home / "ledger-heads.ndjson"
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:-1]) + lines[-1][:20])
    again = house.again()
    assert Head.from_line(again.core.heads.lines()[-1]).size == 2
    assert again.gate.verify_ledger().is_ok


def test_a_head_that_somebody_else_wrote_is_not_carried_into_the_file(house: House):
    house.member("ann", "history")
    touch(house, "INSERT INTO heads SELECT 9, root, peaks, at, signature FROM heads")
    again = house.again()
    assert len(again.core.heads.lines()) == 1
    assert not again.gate.verify_ledger().is_ok


def touch(house: House, *statements: str) -> None:
    """What somebody with the database in their hands does."""
    house.opened.close()
    with sqlite3.connect(house.opened.settings.home / "postreel.db") as db:
        for statement in statements:
            db.execute(statement)
    db.close()


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE ledger SET content = replace(content, 'granted', 'refused') WHERE position = 1",
        "UPDATE ledger SET content = 'x', commitment = 7 WHERE position = 1",
        "UPDATE heads SET at = 'noon' WHERE size = 2",
        "UPDATE grants SET since = 'noon' WHERE purpose = 'history'",
        "UPDATE ledger SET salt = zeroblob(32) WHERE position = 1",
        "UPDATE ledger SET content = NULL, salt = NULL WHERE position = 1",
        "DELETE FROM ledger WHERE position = 1",
        "DELETE FROM ledger WHERE position = 2",
        "DELETE FROM heads WHERE size = 3",
        "UPDATE heads SET signature = zeroblob(64) WHERE size = 2",
        "UPDATE heads SET peaks = zeroblob(64) WHERE size = 3",
        "UPDATE grants SET state = 'granted' WHERE purpose = 'mail.picks'",
        "UPDATE grants SET live_since = since WHERE purpose = 'mail.picks'",
        "UPDATE grants SET since = since - 86400000000 WHERE purpose = 'history'",
        "UPDATE grants SET live_since = live_since - 86400000000 WHERE purpose = 'history'",
        "DELETE FROM grants WHERE purpose = 'mail.picks'",
        "INSERT INTO grants SELECT member, 'training', state, since, live_since, wording, channel, position,"
        " touched FROM grants WHERE purpose = 'history'",
    ],
)
def test_verify_finds_what_was_touched(house: House, statement: str):
    ann = house.member("ann")
    for purpose in ("history", "mail.picks"):
        house.gate.rights(ann).grant([purpose], "test", "yes")
    house.withdraw(ann, "mail.picks")
    assert house.gate.verify_ledger().is_ok
    touch(house, statement)
    found = house.again().gate.verify_ledger()
    assert not found.is_ok
    assert found.first_bad is not None
    assert found.why


def test_verify_finds_swapped_entries_at_the_first_of_them(house: House):
    ann = house.member("ann")
    house.grant(ann, "history", "devices", "training", "mail.picks")
    swap = (
        "UPDATE ledger SET position = 99 WHERE position = 1",
        "UPDATE ledger SET position = 1 WHERE position = 2",
        "UPDATE ledger SET position = 2 WHERE position = 99",
    )
    touch(house, *swap)
    assert house.again().gate.verify_ledger().first_bad == 1


def test_verify_finds_a_cut_tail_even_where_the_ledger_goes_on(house: House):
    ann = house.member("ann", "history")
    house.withdraw(ann, "history")
    house.gate.run_jobs()
    touch(house, "DELETE FROM ledger WHERE position = 1", "DELETE FROM heads WHERE size = 2")
    began = (LONG_AGO - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
    touch(house, f"UPDATE grants SET state = 'granted', live_since = {began}, since = {began}, position = 0")
    again = house.again()
    found = again.gate.verify_ledger()
    assert found.first_bad == 1
    again.member("bob", "history", "training")
    assert again.gate.verify_ledger().first_bad == 1


def test_verify_says_so_where_the_file_of_heads_is_gone_or_unreadable(house: House):
    house.member("ann", "history")
    path = house.opened.settings.home / "ledger-heads.ndjson"
    lines = path.read_bytes()
    path.write_bytes(lines + b"\xff\xfe no head\n")
    found = house.again().gate.verify_ledger()
    assert not found.is_ok
    assert "file of heads" in found.why
    path.write_bytes(b"")
    assert not house.gate.verify_ledger().is_ok


def test_another_process_sees_a_grant_a_withdrawal_and_an_erasure_at_its_next_look(house: House):
    other = house.again()
    assert len(other.gate.standing().members(History)) == 0
    ann = house.member("ann", "history", "recommendations")
    bob = house.member("bob", "history")
    assert set(other.gate.standing().members(History).tolist()) == {ann, bob}
    house.withdraw(ann, "history")
    assert other.gate.standing().members(History).tolist() == [bob]
    assert len(other.gate.standing().members(Recommendations)) == 0
    house.gate.rights(bob).erase()
    assert len(other.gate.standing().members(History)) == 0


class Cut(Exception):
    """The process died."""


class DyingModels:
    """Models whose journal cannot be written, as often as it is told."""

    def __init__(self, held: Any, faults: list[Exception]) -> None:
        self._held, self.faults = held, faults

    def __getattr__(self, name: str) -> Any:
        return getattr(self._held, name)

    def append_journal(self, entry: bytes) -> None:
        if self.faults:
            raise self.faults.pop()
        self._held.append_journal(entry)


def test_a_withdrawal_repeated_after_a_failed_answer_is_made_to_hold(tmp_path: Path):
    faults: list[Exception] = []
    house = a_house(tmp_path, around_models=lambda held: DyingModels(held, faults))
    ann = house.member("ann", "history", "training")
    house.member("bob", "history", "training")
    house.watch(ann, [1, 2, 3])
    house.train()
    faults.append(TransientError("disk full"))
    with pytest.raises(TransientError):
        house.withdraw(ann, "training")
    assert not house.gate.is_pending(ann)
    again = house.withdraw(ann, "training")
    assert again.entries == ()
    assert house.gate.is_pending(ann)
    assert not house.gate.standing().is_live(Training, id_array([ann])).any()


def test_a_member_who_turns_out_to_be_a_child_loses_all_grants_and_what_rests_on_them(house: House):
    ann = house.member("ann", "history", "mail.picks", alias="7")
    house.watch(ann, [1])
    house.gate.register([MemberRow(address="ann@example.org", alias="7", is_child=True)])
    assert live(house, ann) == set()
    assert house.gate.stored_count() == {"plays": 0, "sessions": 0, "tastes": 0}
