"""`checked` finds whatever was done to the ledger after it was written."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import pytest

from postreel.consent import (
    Entry,
    Finding,
    Frontier,
    Head,
    checked,
    content_of,
    is_signed,
    leaf_hash,
    new_entry,
    public_key_of,
    signed_head,
)
from postreel.errors import InputError

KEY, OTHER_KEY = bytes(range(32)), bytes(range(1, 33))
PUBLIC = public_key_of(KEY)
NOW = datetime(2026, 3, 1, tzinfo=UTC)


def salt(n: int) -> bytes:
    return hashlib.sha256(b"salt %d" % n).digest()


def consent(n: int, state: str = "granted") -> dict[str, object]:
    return {
        "kind": "consent",
        "member": f"{n % 3:032x}",
        "purpose": "history",
        "state": state,
        "since": NOW.isoformat(),
    }


@dataclass
class Book:
    """A ledger as it is stored: entries, heads in the database, heads in the file."""

    entries: list[Entry]
    stored: list[Head]
    outside: list[Head]

    def checked(self, key: bytes = PUBLIC) -> Finding:
        return checked(self.entries, self.stored, self.outside, key)


def entries_of(facts: list[dict[str, object]]) -> list[Entry]:
    return [new_entry(n, told, salt(n)) for n, told in enumerate(facts)]


def heads_of(entries: list[Entry], every: int = 1, key: bytes = KEY) -> list[Head]:
    heads: list[Head] = []
    tree = Frontier()
    for n, entry in enumerate(entries, 1):
        tree = tree.plus([leaf_hash(entry.commitment)])
        if n % every == 0 or n == len(entries):
            heads.append(signed_head(tree, NOW + timedelta(seconds=n), key))
    return heads


def a_book(count: int = 9, every: int = 1) -> Book:
    entries = entries_of([consent(n) for n in range(count)])
    heads = heads_of(entries, every)
    return Book(entries, list(heads), list(heads))


def test_a_ledger_as_it_was_written_is_good():
    book = a_book()
    found = book.checked()
    assert found.is_ok
    assert (found.entries, found.first_bad, found.why) == (9, None, "")
    assert found.head == book.stored[-1]
    assert found.states[f"{1:032x}", "history"] == ("granted", NOW.isoformat())


def test_an_empty_ledger_is_good():
    found = Book([], [], []).checked()
    assert found.is_ok
    assert found.head is None


def test_a_database_ahead_of_the_file_is_good_and_one_behind_it_is_cut():
    book = a_book()
    book.outside = book.outside[:6]
    assert book.checked().is_ok
    book = a_book()
    book.entries, book.stored = book.entries[:6], book.stored[:6]
    found = book.checked()
    assert found.first_bad == 6
    assert "cut off" in found.why


def test_changed_content_is_found():
    book = a_book()
    changed = content_of({**consent(4, "refused"), "position": 4})
    book.entries[4] = replace(book.entries[4], content=changed)
    assert book.checked().first_bad == 4


def test_a_changed_salt_is_found():
    book = a_book()
    book.entries[4] = replace(book.entries[4], salt=salt(99))
    assert book.checked().first_bad == 4


def test_content_changed_together_with_its_commitment_is_found_by_the_head():
    book = a_book()
    book.entries[4] = new_entry(4, consent(4, "refused"), salt(99))
    found = book.checked()
    assert found.first_bad == 4
    assert "tree" in found.why


def test_a_commitment_without_content_cannot_be_slipped_in():
    book = a_book()
    book.entries[4] = Entry(4, salt(7), None, None)
    assert book.checked().first_bad == 4


def test_a_removed_entry_is_found():
    book = a_book()
    del book.entries[4]
    assert book.checked().first_bad == 4


def test_a_removed_entry_whose_followers_moved_up_is_found():
    book = a_book(every=9)
    del book.entries[4]
    book.entries = [replace(entry, position=n) for n, entry in enumerate(book.entries)]
    assert book.checked().first_bad == 4


@pytest.mark.parametrize("every", [1, 9])
def test_reordered_entries_are_found_at_the_first_of_them(every: int):
    book = a_book(every=every)
    three, six = book.entries[3], book.entries[6]
    book.entries[3], book.entries[6] = replace(six, position=3), replace(three, position=6)
    assert book.checked().first_bad == 3


def test_a_tree_rewritten_under_another_key_is_found():
    book = a_book()
    entries = entries_of([consent(n, "refused") for n in range(9)])
    heads = heads_of(entries, key=OTHER_KEY)
    assert Book(entries, heads, heads).checked().first_bad == 0
    assert not Book(entries, heads, book.outside).checked().is_ok


def test_a_tree_rewritten_with_the_right_key_disagrees_with_the_old_heads_outside():
    book = a_book()
    book.entries[5] = new_entry(5, consent(5, "refused"), salt(5))
    book.stored = heads_of(book.entries)
    found = book.checked()
    assert found.first_bad == 5
    assert "outside" in found.why


def test_without_the_file_of_heads_the_check_fails():
    book = a_book()
    book.outside = []
    found = book.checked()
    assert not found.is_ok
    assert "file of heads" in found.why


def test_without_the_last_head_or_any_the_check_fails():
    book = a_book()
    book.stored.pop()
    assert book.checked().first_bad == 8
    book.stored = []
    assert book.checked().first_bad == 0


@pytest.mark.parametrize("where", ["stored", "outside"])
def test_an_unsigned_head_is_found_wherever_it_stands(where: str):
    book = a_book()
    heads: list[Head] = getattr(book, where)
    heads[3] = replace(heads[3], signature=b"")
    found = book.checked()
    assert found.first_bad == 3
    assert "not signed" in found.why


def test_a_head_does_not_stand_for_another_root_size_or_time():
    head = a_book().stored[3]
    assert is_signed(head, PUBLIC)
    for forged in (
        replace(head, size=5),
        replace(head, root=salt(1)),
        replace(head, at=head.at + timedelta(microseconds=1)),
    ):
        assert not is_signed(forged, PUBLIC)
    assert not is_signed(head, public_key_of(OTHER_KEY))


def erased(book: Book, *leaves: int) -> None:
    for n in leaves:
        book.entries[n] = replace(book.entries[n], salt=None, content=None)


def test_erased_content_that_an_erasure_names_is_fine_and_any_other_is_not():
    facts: list[dict[str, object]] = [consent(n) for n in range(6)]
    entries = entries_of([*facts, {"kind": "erasure", "leaves": [1, 4]}])
    heads = heads_of(entries)
    book = Book(entries, heads, heads)
    erased(book, 1, 4)
    assert book.checked().is_ok
    erased(book, 2)
    found = book.checked()
    assert found.first_bad == 2
    assert "no erasure names it" in found.why


def test_the_erasure_itself_cannot_be_erased():
    entries = entries_of([consent(0), {"kind": "erasure", "leaves": [0]}])
    heads = heads_of(entries)
    book = Book(entries, heads, heads)
    erased(book, 0, 1)
    assert book.checked().first_bad == 0


def test_content_that_is_no_json_does_not_stop_the_check():
    book = a_book()
    junk = b"no json"
    book.entries[2] = Entry(2, hashlib.sha256(salt(2) + junk).digest(), salt(2), junk)
    assert book.checked().first_bad == 2


def test_equal_facts_are_equal_bytes_and_a_salt_hides_them():
    assert content_of({"b": 1, "a": "é"}) == content_of({"a": "é", "b": 1}) == b'{"a":"\\u00e9","b":1}'
    assert new_entry(0, consent(0), salt(0)).commitment != new_entry(0, consent(0), salt(1)).commitment


def test_a_head_survives_its_line_and_a_bad_line_is_refused():
    head = a_book().stored[-1]
    assert Head.from_line(head.line()) == head
    for line in ("", "{}", "[1]", '{"size": "x"}', head.line().replace("T", " x")):
        with pytest.raises(InputError):
            Head.from_line(line)
