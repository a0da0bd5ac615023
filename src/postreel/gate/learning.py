"""The door `learn`: a model from the histories of members who grant `training`, which can lose any one of them.

Beside the model lie its counts and its roster: each member's part as it was added, encrypted, found by a keyed
hash. A withdrawal copies the part to the sealed removal journal before it is answered; from then on the model
served is corrected, recounted without that member and to rounding what a new solve would be, until that is published.
Where it cannot be corrected (`Model.inverse`) it is the one without a solve.

An entry of the journal is pending while its member is on the current model's roster and its ledger position is
not below the model's: so a kill between any two steps takes a part out neither twice nor never. An entry is
written for who is on no roster as well: a model may be in the making that holds them.
"""

from __future__ import annotations

import base64
import json
import secrets
import threading
from collections.abc import Callable, Container, Generator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from postreel.catalogue import Catalogue
from postreel.errors import TransientError
from postreel.gate.core import Core
from postreel.gate.reading import stream_at
from postreel.gate.roster import Roster, on_current, opened, part_of, readers, sealed
from postreel.ports import Job
from postreel.purposes import BIT, Training
from postreel.recommend import (
    Builder,
    Counts,
    Model,
    RecommendSettings,
    corrected,
    model_of,
    unsolved,
)
from postreel.schema import Ids, Tastes, id_array, unique_ids

WAIT_S = 120.0
"""How long a removal waits for who trains."""
STEP_S = 0.02


@dataclass(frozen=True)
class Learned:
    """A model as trained.

    Attributes:
        ledger_position: the ledger's size when the grants were looked at.
        members: how many are in it.
    """

    model: Model
    ledger_position: int
    members: int


@dataclass(frozen=True)
class _Entry:
    position: int
    member_key: str
    part: bytes

    def line(self) -> bytes:
        facts = {
            "position": self.position,
            "member": self.member_key,
            "part": base64.b64encode(self.part).decode(),
        }
        return json.dumps(facts).encode()

    @classmethod
    def of(cls, line: bytes) -> _Entry:
        facts = json.loads(line)
        return cls(facts["position"], facts["member"], base64.b64decode(facts["part"]))


@dataclass
class ServedModels:
    """The model that this process serves, loaded once and again when it changes."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    key: tuple[Any, ...] = ()
    model: Model | None = None


def learn(core: Core, catalogue: Catalogue, settings: RecommendSettings) -> Learned:
    """Train on all members with a live `training` grant, and serve the result.

    Raises:
        TransientError: another process is training.
    """
    with core.locks.held("model"):
        standing = core.standing()
        builder = Builder(settings, catalogue)
        for batch in stream_at(core, Tastes, Training, standing):
            builder.see(batch.unseal(core.seal))
        parts = [builder.add(b.unseal(core.seal)) for b in stream_at(core, Tastes, Training, standing)]
        model = builder.finish(core.now())
        members = unique_ids(np.concatenate([p.members for p in parts])) if parts else id_array([])
        roster = sealed(core, parts)
        _publish(core, model, builder.counts, roster, standing.position)
    _take_out_gone(core, members, catalogue)
    return Learned(model, standing.position, len(members))


@contextmanager
def held_in_turn(core: Core, name: str, wait_s: float) -> Generator[None, None, None]:
    """Hold a lock, waiting for it.

    Raises:
        TransientError: another process held it all that time.
    """
    until_s = core.clock.monotonic_s() + wait_s
    while True:
        with ExitStack() as stack:
            try:
                stack.enter_context(core.locks.held(name))
            except TransientError:
                if core.clock.monotonic_s() >= until_s:
                    raise
            else:
                yield
                return
        core.clock.sleep(STEP_S)


def _take_out_gone(core: Core, members: Ids, catalogue: Catalogue) -> None:
    """Those whose grant went while the model was built: what they answered must hold in it as well."""
    gone = members[~core.standing().is_live(Training, members)]
    position = core.standing().position
    for member in gone:
        journal_removal(core, bytes(member), position)
    if len(gone):
        solve_removals(core, lambda: catalogue)


def journal_removal(core: Core, member: bytes, position: int) -> bool:
    """Copy a member's part to the removal journal, fsynced; False where the model does not hold them (yet)."""
    key = core.member_key(member)
    part = on_current(core, lambda name: part_of(core, name, key), None)
    core.models.append_journal(_Entry(position, key.hex(), part or b"").line())
    return part is not None


def journal_removals(core: Core, jobs: Sequence[Job]) -> None:
    """Make sure, before an answer, that the model stops using what these members took back."""
    for job in jobs:
        if job.purposes & BIT[Training.key]:
            journal_removal(core, job.member, job.position)


def solve_removals(core: Core, catalogue: Callable[[], Catalogue]) -> bool:
    """Take all pending parts out of the counts, solve anew, and publish. False where nothing was pending.

    Args:
        catalogue: reads it; called only where something is pending.
    """
    with held_in_turn(core, "model", WAIT_S):
        name = core.models.current()
        if name is None:
            core.models.trim_journal(lambda _: False)
            return False
        pending = pending_in(core, name)
        if pending:
            counts = _counts_without(core, name, pending)
            roster = Roster.of(core, name).without(set(pending))
            old = Model.from_parts(*readers(core, name))
            model = model_of(counts, catalogue(), old.settings, core.now())
            _publish(core, model, counts, roster, _position(core, name))
        _trim_journal(core)
    return bool(pending)


def _trim_journal(core: Core) -> None:
    """Drop what is not pending in the current model. Under the model's lock: a model in the making may hold them."""
    name = core.models.current() or ""
    keys, position = set(Roster.of(core, name).places), _position(core, name)
    # Looked at line by line as it is rewritten: what a withdrawal adds meanwhile stays.
    core.models.trim_journal(lambda line: _is_pending(_Entry.of(line), keys, position))


def served(core: Core, cache: ServedModels, catalogue: Catalogue) -> Model:
    """The model to score with now: the current one, corrected while a removal is not solved (see the module)."""
    with cache.lock:
        name = core.models.current()
        key = (name, tuple(core.models.journal()), catalogue.version)
        if cache.model is None or cache.key != key:
            cache.model = on_current(core, lambda name: _loaded(core, name, catalogue), None)
            cache.model = cache.model or _of_nobody(core, catalogue)
            cache.key = key
        return cache.model


def _of_nobody(core: Core, catalogue: Catalogue) -> Model:
    settings = RecommendSettings()
    return unsolved(Builder(settings, catalogue).counts, catalogue, settings, core.now())


def _loaded(core: Core, name: str, catalogue: Catalogue) -> Model:
    model = Model.from_parts(*readers(core, name))
    pending = pending_in(core, name)
    if not pending:
        return model
    counts = Counts.from_parts(*readers(core, name), is_mapped=True)
    removed = list(opened(core, pending.items(), counts.vocabulary))
    return corrected(model, counts, removed, catalogue, core.now())


def is_pending(core: Core, member: bytes) -> bool:
    """Whether this member's part still waits to be solved out of the model."""
    key = core.member_key(member).hex()
    return on_current(core, lambda name: key in pending_in(core, name), False)


def is_on_roster(core: Core, member: bytes) -> bool:
    """Whether the current model holds a part of this member."""
    key = core.member_key(member)
    return on_current(core, lambda name: part_of(core, name, key) is not None, False)


def _position(core: Core, name: str) -> int:
    return int(core.models.text(name, "ledger_position"))


def _is_pending(entry: _Entry, keys: Container[str], position: int) -> bool:
    return entry.position >= position and entry.member_key in keys


def pending_in(core: Core, name: str) -> dict[str, bytes]:
    """The sealed part of each member who is to be taken out of this model, as it was put in."""
    entries = [_Entry.of(line) for line in core.models.journal()]
    position = _position(core, name) if entries else 0
    found = {
        e.member_key: part_of(core, name, bytes.fromhex(e.member_key))
        for e in entries
        if e.position >= position
    }
    return {key: part for key, part in found.items() if part is not None}


def _counts_without(core: Core, name: str, pending: Mapping[str, bytes]) -> Counts:
    counts = Counts.from_parts(*readers(core, name))
    for parts in opened(core, pending.items(), counts.vocabulary):
        counts.take_out(parts)
    return counts


def _publish(core: Core, model: Model, counts: Counts, roster: Roster, position: int) -> None:
    if model.name == core.models.current():
        # Solved anew within one second to the same figures: a published model is never changed.
        model = replace(model, name=f"{model.name}-{secrets.token_hex(3)}")
    arrays, texts = model.to_parts()
    more_arrays, more_texts = counts.to_parts()
    texts = {**texts, **more_texts, "ledger_position": str(position).encode()}
    core.models.publish(model.name, {**arrays, **more_arrays, **roster.arrays()}, texts)
    core.models.prune(model.name)
