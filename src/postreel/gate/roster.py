"""The roster of a model: each member's part as it was added, sealed, found by a keyed hash of the member.

Lies beside the model's counts. What is taken out later is so what was put in, whatever became of the sessions.
Used by `learning` and `forgetting`.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice, pairwise
from typing import Any, TypeVar

import numpy as np
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from numpy.typing import NDArray

from postreel.errors import InputError
from postreel.gate.core import Core
from postreel.recommend import Contributions, Vocabulary
from postreel.schema import id_array

KEY = "model roster"
NONCE_BYTES = 12
BATCH = 2_000
V = TypeVar("V")


@dataclass(frozen=True)
class Roster:
    """Each member's sealed part, by the keyed hash of the member in hexadecimal."""

    places: dict[str, bytes]

    def without(self, keys: set[str]) -> Roster:
        """The roster of the others."""
        return Roster({key: part for key, part in self.places.items() if key not in keys})

    def arrays(self) -> dict[str, NDArray[Any]]:
        """For the model's directory; `of` reads them."""
        keys = sorted(self.places)
        sizes = [len(self.places[key]) for key in keys]
        return {
            "roster_keys": np.frombuffer(b"".join(bytes.fromhex(key) for key in keys), np.uint8),
            "roster_offsets": np.concatenate([[0], np.cumsum(sizes, dtype=np.int64)]).astype(np.int64),
            "roster_parts": np.frombuffer(b"".join(self.places[key] for key in keys), np.uint8),
        }

    @classmethod
    def of(cls, core: Core, name: str) -> Roster:
        """The roster of a model."""
        keys = core.models.array(name, "roster_keys").tobytes()
        offsets = core.models.array(name, "roster_offsets").tolist()
        parts = core.models.array(name, "roster_parts").tobytes()
        return cls(
            {keys[i * 32 : i * 32 + 32].hex(): parts[a:b] for i, (a, b) in enumerate(pairwise(offsets))}
        )


def sealed(core: Core, parts: Sequence[Contributions]) -> Roster:
    """The roster of these members."""
    cipher = AESGCM(core.keys.secret(KEY))
    found: dict[str, bytes] = {}
    for batch in parts:
        for member, part in zip(batch.members, batch.packed(), strict=True):
            key = core.member_key(bytes(member)).hex()
            nonce = secrets.token_bytes(NONCE_BYTES)
            found[key] = nonce + cipher.encrypt(nonce, part, bytes.fromhex(key))
    return Roster(found)


def opened(core: Core, parts: Iterable[tuple[str, bytes]], vocabulary: Vocabulary) -> Iterator[Contributions]:
    """The parts of these (keyed hash, sealed part), in batches. The members in them are stand-ins.

    Which member a part belongs to does not enter the counts: any distinct ids serve.

    Raises:
        InputError: a part is damaged, or belongs to another model.
    """
    cipher = AESGCM(core.keys.secret(KEY))
    rest = iter(parts)
    while batch := list(islice(rest, BATCH)):
        plain = [
            cipher.decrypt(part[:NONCE_BYTES], part[NONCE_BYTES:], bytes.fromhex(key)) for key, part in batch
        ]
        stand_ins = id_array(bytes.fromhex(key)[:15] + b"\x01" for key, _ in batch)
        yield Contributions.unpacked(stand_ins, plain, vocabulary)


def part_of(core: Core, name: str, key: bytes) -> bytes | None:
    """The sealed part of one member, found without reading the roster through."""
    packed = core.models.array(name, "roster_keys")
    if packed.size == 0:
        return None
    keys = packed.view("S32")
    at = int(np.searchsorted(keys, np.bytes_(key)))
    if at == len(keys) or keys[at] != np.bytes_(key):
        return None
    start, end = core.models.array(name, "roster_offsets")[at : at + 2].tolist()
    return core.models.array(name, "roster_parts")[start:end].tobytes()


def readers(core: Core, name: str) -> tuple[Callable[[str], NDArray[Any]], Callable[[str], bytes]]:
    """What `Model.from_parts` and `Counts.from_parts` read a stored model with."""
    return partial(core.models.array, name), partial(core.models.text, name)


def on_current(core: Core, look: Callable[[str], V], otherwise: V) -> V:
    """What `look` finds in the current model, whatever is published and pruned meanwhile."""
    while (name := core.models.current()) is not None:
        try:
            return look(name)
        except InputError:
            if core.models.current() == name:
                raise
    return otherwise
