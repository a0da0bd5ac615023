"""The ledger's tree against hand-worked hashes and a slow obvious version of RFC 9162, section 2.1."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from postreel.consent import (
    EMPTY_ROOT,
    Frontier,
    consistency_proof,
    inclusion_proof,
    is_consistent,
    is_included,
    leaf_hash,
    root_of,
)
from postreel.errors import InputError

SIZES = range(41)
LEAVES = [leaf_hash(bytes([n])) for n in range(40)]


def sha(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def leaf(data: bytes) -> bytes:
    return sha(b"\x00" + data)


def node(left: bytes, right: bytes) -> bytes:
    return sha(b"\x01" + left + right)


def slow_root(leaves: list[bytes]) -> bytes:
    """MTH of RFC 9162, 2.1.1, word for word, over leaf hashes."""
    if not leaves:
        return sha(b"")
    if len(leaves) == 1:
        return leaves[0]
    k = 1
    while k * 2 < len(leaves):
        k *= 2
    return node(slow_root(leaves[:k]), slow_root(leaves[k:]))


def slow_path(leaves: list[bytes], index: int) -> list[bytes]:
    """PATH of RFC 9162, 2.1.3.1."""
    if len(leaves) == 1:
        return []
    k = 1
    while k * 2 < len(leaves):
        k *= 2
    if index < k:
        return [*slow_path(leaves[:k], index), slow_root(leaves[k:])]
    return [*slow_path(leaves[k:], index - k), slow_root(leaves[:k])]


def slow_subproof(first: int, leaves: list[bytes], whole: bool) -> list[bytes]:
    """SUBPROOF of RFC 9162, 2.1.4.1."""
    if first == len(leaves):
        return [] if whole else [slow_root(leaves)]
    k = 1
    while k * 2 < len(leaves):
        k *= 2
    if first <= k:
        return [*slow_subproof(first, leaves[:k], whole), slow_root(leaves[k:])]
    return [*slow_subproof(first - k, leaves[k:], False), slow_root(leaves[:k])]


def test_roots_of_small_trees_are_as_worked_by_hand():
    a, b, c, d, e, f, g = (leaf(bytes([n])) for n in range(7))
    assert root_of([]) == EMPTY_ROOT == sha(b"")
    assert EMPTY_ROOT.hex() == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert root_of([a]) == a
    assert root_of([a, b]) == node(a, b)
    assert root_of([a, b, c]) == node(node(a, b), c)
    assert root_of([a, b, c, d, e, f, g]) == node(node(node(a, b), node(c, d)), node(node(e, f), g))


def test_a_leaf_and_a_node_of_the_same_bytes_differ():
    a, b = leaf(b"a"), leaf(b"b")
    assert leaf_hash(a + b) != node(a, b)


def test_proofs_of_seven_leaves_are_those_of_the_rfcs_example():
    # RFC 9162, 2.1.5: paths of d0, d3, d4, d6, and consistency from 3, 4 and 6 leaves.
    a, b, c, d, e, f, j = LEAVES[:7]
    g, h, i = node(a, b), node(c, d), node(e, f)
    k, el = node(g, h), node(i, j)
    seven = LEAVES[:7]
    assert inclusion_proof(seven, 0) == [b, h, el]
    assert inclusion_proof(seven, 3) == [c, g, el]
    assert inclusion_proof(seven, 4) == [f, j, k]
    assert inclusion_proof(seven, 6) == [i, k]
    assert consistency_proof(seven, 3) == [c, d, g, el]
    assert consistency_proof(seven, 4) == [el]
    assert consistency_proof(seven, 6) == [i, j, k]


@pytest.mark.parametrize("size", SIZES)
def test_root_and_frontier_agree_with_the_slow_version(size: int):
    assert root_of(LEAVES[:size]) == slow_root(LEAVES[:size])
    whole = Frontier().plus(LEAVES[:size])
    for cut in range(size + 1):
        assert Frontier().plus(LEAVES[:cut]).plus(LEAVES[cut:size]) == whole
    assert len(whole.peaks) == size.bit_count()
    assert Frontier.unpacked(size, whole.packed()) == whole


@pytest.mark.parametrize("size", SIZES[1:])
def test_every_leaf_is_proven_and_at_no_other_place(size: int):
    leaves, root = LEAVES[:size], slow_root(LEAVES[:size])
    for index in range(size):
        proof = inclusion_proof(leaves, index)
        assert proof == slow_path(leaves, index)
        places = [at for at in range(size) if is_included(leaves[index], at, size, proof, root)]
        assert places == [index]


@pytest.mark.parametrize("size", SIZES[1:])
def test_every_earlier_tree_is_proven_to_be_the_beginning(size: int):
    leaves, root = LEAVES[:size], slow_root(LEAVES[:size])
    for first in range(1, size + 1):
        proof = consistency_proof(leaves, first)
        assert proof == slow_subproof(first, leaves, True)
        assert is_consistent(first, slow_root(leaves[:first]), size, root, proof)
        assert not is_consistent(first, sha(b"another"), size, root, proof)
        assert not is_consistent(first, slow_root(leaves[:first]), size, sha(b"another"), proof)


@pytest.mark.parametrize("index", [-1, 5])
def test_what_is_not_in_the_tree_cannot_be_proven(index: int):
    with pytest.raises(InputError):
        inclusion_proof(LEAVES[:5], index)
    assert not is_included(LEAVES[0], index, 5, [], root_of(LEAVES[:5]))


@pytest.mark.parametrize("first", [0, 6])
def test_a_tree_is_not_the_beginning_of_a_smaller_one(first: int):
    with pytest.raises(InputError):
        consistency_proof(LEAVES[:5], first)
    assert not is_consistent(first, root_of(LEAVES[:first]), 5, root_of(LEAVES[:5]), [LEAVES[0]])


@pytest.mark.parametrize(("size", "packed"), [(1, b""), (3, b"x" * 32), (2, b"x" * 33), (0, b"x" * 32)])
def test_peaks_that_do_not_fit_the_size_are_refused(size: int, packed: bytes):
    with pytest.raises(InputError):
        Frontier.unpacked(size, packed)


def mutated(draw: st.DrawFn, proof: list[bytes]) -> list[bytes]:
    """A proof that differs from this one."""
    kind = draw(st.sampled_from(["flip", "drop", "add", "swap"]))
    new = list(proof)
    if kind == "add" or not new:
        new.insert(draw(st.integers(0, len(new))), draw(st.binary(min_size=32, max_size=32)))
    elif kind == "drop":
        del new[draw(st.integers(0, len(new) - 1))]
    elif kind == "swap" and len(new) > 1 and new[0] != new[-1]:
        new[0], new[-1] = new[-1], new[0]
    else:
        at, bit = draw(st.integers(0, len(new) - 1)), draw(st.integers(0, 255))
        new[at] = (int.from_bytes(new[at]) ^ 1 << bit).to_bytes(32)
    return new


@settings(max_examples=400)
@given(st.data())
def test_no_changed_proof_is_accepted(data: st.DataObject):
    size = data.draw(st.integers(1, 40))
    leaves, root = LEAVES[:size], root_of(LEAVES[:size])
    index = data.draw(st.integers(0, size - 1))
    wrong = mutated(data.draw, inclusion_proof(leaves, index))
    assert not is_included(leaves[index], index, size, wrong, root)
    first = data.draw(st.integers(1, size))
    wrong = mutated(data.draw, consistency_proof(leaves, first))
    assert not is_consistent(first, root_of(leaves[:first]), size, root, wrong)
