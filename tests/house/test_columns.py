"""Every stored column says why it is held, and what may be read under which purpose is one table."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import postreel.schema as schema
from postreel.purposes import BY_KEY, Mailing, Postable, Rights
from postreel.schema import KEEPABLE, READABLE, STORED, Facts, Rows

TABLES = sorted(
    (t for t in vars(schema).values() if isinstance(t, type) and issubclass(t, Rows) and t is not Rows),
    key=lambda table: table.__name__,
)


def columns_without_facts(table: type[Rows]) -> list[str]:
    """The columns of a table that do not say purpose, basis, retention and source."""
    wanting = []
    for name in table.SCHEMA.names:
        facts = table.FACTS.get(name)
        whole = isinstance(facts, Facts) and isinstance(facts.purpose, type)
        if not whole or not all(text.strip() for text in (facts.basis, facts.retention, facts.source)):
            wanting.append(name)
    return wanting


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.__name__)
def test_L_5a_every_column_says_why_it_is_held(table: type[Rows]):
    assert columns_without_facts(table) == []
    assert set(table.FACTS) == set(table.SCHEMA.names), "and no facts are about a column that is not there"


@pytest.mark.parametrize(
    "facts",
    [
        {},
        {"member": None},
        {"member": Facts(Rights, "", "90 days", "the member")},
        {"member": Facts(Rights, "law", " ", "the member")},
        {"member": Facts(Rights, "law", "90 days", "")},
        {"member": Facts("", "law", "90 days", "the member")},  # type: ignore[arg-type]
    ],
)
def test_L_5a_a_column_that_does_not_say_is_found(facts: dict[str, Facts]):
    class Planted(Rows):
        SCHEMA = schema.pa.schema([schema.pa.field("member", schema.ID, nullable=False)])
        FACTS = facts

    assert columns_without_facts(Planted) == ["member"]


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.__name__)
def test_every_row_of_every_table_belongs_to_a_member(table: type[Rows]):
    assert table.SCHEMA.names[0] == "member"
    assert table.SCHEMA.field("member").type == schema.ID
    assert not table.SCHEMA.field("member").nullable


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.__name__)
def test_a_column_is_named_once(table: type[Rows]):
    assert len(set(table.SCHEMA.names)) == len(table.SCHEMA.names)


def test_no_table_stands_twice_in_what_may_be_read_or_kept():
    # A dict forgets the first of two equal keys in silence, so this reads the source.
    tree = ast.parse(Path(schema.__file__).read_text("utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.AnnAssign) and getattr(node.target, "id", "") in {"READABLE", "KEEPABLE"}:
            assert isinstance(node.value, ast.Dict)
            keys = [ast.unparse(key) for key in node.value.keys if key]
            assert len(keys) == len(set(keys)), node.target


def test_what_may_be_read_names_purposes_that_exist_and_what_is_kept_is_stored():
    for table, purposes in (*READABLE.items(), *KEEPABLE.items()):
        assert purposes, table
        assert purposes <= set(BY_KEY.values()), table
    assert set(KEEPABLE) <= set(STORED)
    assert set(STORED) <= set(READABLE), "what is stored can be read back, if only for the member's rights"


def test_a_members_rights_reach_every_table_that_may_be_read():
    assert all(Rights in purposes for purposes in READABLE.values())


def test_playback_events_are_never_readable_under_a_purpose_that_mails():
    assert not any(issubclass(p, Mailing | Postable) for p in READABLE[schema.Plays])
