"""The ledger's tree: an append-only Merkle tree as RFC 9162, section 2.1, describes it.

A leaf is a salted commitment, never personal data, so that erasing what a leaf commits to leaves the tree whole.
Pure arithmetic on hashes; SHA-256 throughout.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from postreel.errors import InputError

EMPTY_ROOT = hashlib.sha256(b"").digest()


def leaf_hash(data: bytes) -> bytes:
    """Hash of one leaf (RFC 9162, 2.1.1): the 0x00 keeps leaves and nodes apart."""
    return hashlib.sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Hash of an inner node (RFC 9162, 2.1.1)."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def commitment(salt: bytes, content: bytes) -> bytes:
    """What a leaf holds: binds to the content, and tells nothing of it once the salt is gone."""
    return hashlib.sha256(salt + content).digest()


@dataclass(frozen=True)
class Frontier:
    """The right edge of a tree: all that is needed to go on appending.

    Attributes:
        size: leaves so far.
        peaks: roots of the complete subtrees, largest first; one for each set bit of the size.
    """

    size: int = 0
    peaks: tuple[bytes, ...] = ()

    def plus(self, leaves: Sequence[bytes]) -> Frontier:
        """The frontier after these leaf hashes are appended."""
        size, peaks = self.size, list(self.peaks)
        for leaf in leaves:
            node, carry = leaf, size
            while carry & 1:
                node = node_hash(peaks.pop(), node)
                carry >>= 1
            peaks.append(node)
            size += 1
        return Frontier(size, tuple(peaks))

    def root(self) -> bytes:
        """The tree's head."""
        if not self.peaks:
            return EMPTY_ROOT
        node = self.peaks[-1]
        for peak in reversed(self.peaks[:-1]):
            node = node_hash(peak, node)
        return node

    def packed(self) -> bytes:
        """The peaks end to end, for storing beside the size."""
        return b"".join(self.peaks)

    @classmethod
    def unpacked(cls, size: int, packed: bytes) -> Frontier:
        """The frontier that `packed` wrote.

        Raises:
            InputError: the number of peaks does not fit the size.
        """
        peaks = tuple(packed[i : i + 32] for i in range(0, len(packed), 32))
        if len(peaks) != size.bit_count() or len(packed) % 32:
            raise InputError(f"a tree of {size} leaves has {size.bit_count()} peaks, found {len(peaks)}")
        return cls(size, peaks)


def root_of(leaves: Sequence[bytes]) -> bytes:
    """The head of the tree over these leaf hashes."""
    return Frontier().plus(leaves).root()


def _split(size: int) -> int:
    return 1 << (size - 1).bit_length() - 1


def inclusion_proof(leaves: Sequence[bytes], index: int) -> list[bytes]:
    """The path from a leaf to the head (RFC 9162, 2.1.3.1), nearest first.

    Raises:
        InputError: there is no such leaf.
    """
    size = len(leaves)
    if not 0 <= index < size:
        raise InputError(f"the tree has leaves 0 to {size - 1}, not {index}")
    if size == 1:
        return []
    k = _split(size)
    if index < k:
        return [*inclusion_proof(leaves[:k], index), root_of(leaves[k:])]
    return [*inclusion_proof(leaves[k:], index - k), root_of(leaves[:k])]


def is_included(leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes) -> bool:
    """Whether the proof leads from this leaf to this root (RFC 9162, 2.1.3.2)."""
    if not 0 <= index < size:
        return False
    fn, sn, node = index, size - 1, leaf
    for step in proof:
        if sn == 0:
            return False
        if fn & 1 or fn == sn:
            node = node_hash(step, node)
            while not fn & 1 and fn:
                fn, sn = fn >> 1, sn >> 1
        else:
            node = node_hash(node, step)
        fn, sn = fn >> 1, sn >> 1
    return sn == 0 and node == root


def consistency_proof(leaves: Sequence[bytes], first: int) -> list[bytes]:
    """Proof that the tree of the first `first` leaves is the beginning of this one (RFC 9162, 2.1.4.1).

    Raises:
        InputError: `first` is not between 1 and the number of leaves.
    """
    if not 0 < first <= len(leaves):
        raise InputError(f"an earlier tree of 1 to {len(leaves)} leaves can be proven, not of {first}")
    return _subproof(leaves, first, whole=True)


def _subproof(leaves: Sequence[bytes], first: int, *, whole: bool) -> list[bytes]:
    size = len(leaves)
    if first == size:
        return [] if whole else [root_of(leaves)]
    k = _split(size)
    if first <= k:
        return [*_subproof(leaves[:k], first, whole=whole), root_of(leaves[k:])]
    return [*_subproof(leaves[k:], first - k, whole=False), root_of(leaves[:k])]


def is_consistent(
    first: int, first_root: bytes, second: int, second_root: bytes, proof: Sequence[bytes]
) -> bool:
    """Whether the proof shows the first tree to be the beginning of the second (RFC 9162, 2.1.4.2)."""
    if first == second:
        return not proof and first_root == second_root
    if not 0 < first < second or not proof:
        return False
    path = list(proof)
    if first & (first - 1) == 0:
        path.insert(0, first_root)
    fn, sn = first - 1, second - 1
    while fn & 1:
        fn, sn = fn >> 1, sn >> 1
    old = new = path[0]
    for step in path[1:]:
        if sn == 0:
            return False
        if fn & 1 or fn == sn:
            old, new = node_hash(step, old), node_hash(step, new)
            while not fn & 1 and fn:
                fn, sn = fn >> 1, sn >> 1
        else:
            new = node_hash(new, step)
        fn, sn = fn >> 1, sn >> 1
    return sn == 0 and old == first_root and new == second_root
