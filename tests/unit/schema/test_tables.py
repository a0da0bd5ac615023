"""Typed tables and the conversions of member ids between Arrow and numpy."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from postreel.errors import InputError
from postreel.members import new_member_id
from postreel.schema import ID, Plays, Sessions, fixed_binary, id_array, ids_of, is_among, unique_ids

IDS = st.lists(st.binary(min_size=16, max_size=16).map(new_member_id), max_size=30)


@given(IDS)
@settings(max_examples=200)
def test_ids_survive_the_way_to_arrow_and_back(ids: list[bytes]):
    column = fixed_binary(id_array(ids))
    assert column.to_pylist() == ids
    assert [bytes(i) for i in ids_of(column)] == ids


@given(IDS, st.data())
@settings(max_examples=200)
def test_ids_of_a_slice_are_those_of_the_slice(ids: list[bytes], data: st.DataObject):
    start = data.draw(st.integers(0, len(ids)))
    stop = data.draw(st.integers(start, len(ids)))
    sliced = pa.array(ids, ID)[start:stop]
    assert [bytes(i) for i in ids_of(sliced)] == ids[start:stop]


def test_ids_of_a_column_in_chunks_keep_their_order():
    a, b, c = (bytes([n]) * 16 for n in (3, 1, 2))
    column = pa.chunked_array([pa.array([a], ID), pa.array([], ID), pa.array([c, b, c], ID)[1:]])
    assert ids_of(column).tolist() == [a, b, c]
    assert ids_of(pa.chunked_array([], ID)).tolist() == []


def test_an_id_that_ends_in_a_zero_byte_would_be_trimmed_and_is_therefore_never_made():
    zero = b"\x07" * 15 + b"\x00"
    assert id_array([zero])[0] == zero[:-1], "numpy trims it: this is why ids may not end in zero"
    made = new_member_id(zero)
    assert made[-1] != 0
    assert bytes(id_array([made])[0]) == made
    assert fixed_binary(id_array([made])).to_pylist() == [made]


def test_zero_bytes_elsewhere_in_an_id_survive():
    ids = [b"\x00" * 15 + b"\x01", b"\x05" + b"\x00" * 14 + b"\x09"]
    assert fixed_binary(id_array(ids)).to_pylist() == ids
    assert ids_of(pa.array(ids, ID)).tolist() == ids


@given(IDS, IDS)
@settings(max_examples=200)
def test_is_among_answers_as_a_set_would(ids: list[bytes], some: list[bytes]):
    mask = is_among(id_array(ids), unique_ids(id_array(some)))
    assert mask.dtype == np.bool_
    assert mask.tolist() == [i in set(some) for i in ids]


def test_a_number_that_is_not_one_becomes_null():
    plays = Plays.of(member=id_array([b"\x01" * 16] * 2), position_s=np.array([1.5, np.nan]))
    assert plays.table.column("position_s").to_pylist() == [1.5, None]
    assert plays.table.column("position_s").null_count == 1
    np.testing.assert_array_equal(plays.column("position_s"), [1.5, np.nan])


def test_a_column_left_out_is_all_null():
    sessions = Sessions.of(member=id_array([b"\x01" * 16] * 3))
    assert len(sessions) == 3
    assert sessions.table.column("title_id").null_count == 3


def test_an_unknown_column_is_refused():
    with pytest.raises(InputError, match="Plays has no column 'colour'"):
        Plays.of(member=id_array([]), colour=[])


def test_columns_of_unequal_length_are_refused():
    with pytest.raises(InputError, match=r"unequal lengths \[1, 2\]"):
        Plays.of(member=id_array([b"\x01" * 16] * 2), kind=["play"])


def test_a_table_with_another_schema_is_refused():
    with pytest.raises(InputError, match="a table of Sessions has columns"):
        Sessions(Plays.empty().table)


def test_times_go_in_aware_and_come_out_as_microseconds():
    at = datetime(2026, 3, 1, 12, 30, 0, 250, tzinfo=UTC)
    plays = Plays.of(member=id_array([b"\x01" * 16]), at=[at])
    assert plays.table.column("at").to_pylist() == [at]
    assert plays.column("at").dtype == np.dtype("datetime64[us]")


def test_parts_are_joined_in_order():
    one, two = (
        Plays.of(member=id_array([bytes([n]) * 16]), kind=[kind]) for n, kind in ((1, "play"), (2, "stop"))
    )
    assert Plays.concat([one, two]).column("kind").tolist() == ["play", "stop"]
    assert len(Plays.concat([])) == 0


def test_rows_are_narrowed_by_a_mask():
    plays = Plays.of(member=id_array([bytes([n]) * 16 for n in (1, 2, 3)]), kind=["play", "stop", "play"])
    assert plays.where(plays.column("kind") == "play").members.tolist() == [b"\x01" * 16, b"\x03" * 16]
