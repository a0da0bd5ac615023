"""The door `verify_forgotten`: proof that the model holds nothing of a member.

The model's counts are hashed, and so are counts that are built anew from the tastes of those on its roster. Equal
hashes leave no room for anybody else. The rebuild runs under Training, on members with a live grant.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from postreel.catalogue import Catalogue
from postreel.errors import InputError
from postreel.gate.core import Core
from postreel.gate.erasing import members_named
from postreel.gate.learning import pending_in
from postreel.gate.reading import stream_at
from postreel.gate.roster import Roster, on_current, opened, readers
from postreel.purposes import Training
from postreel.recommend import Builder, Contributions, Counts, Model, contributions
from postreel.schema import Tastes, id_array, is_among


@dataclass(frozen=True)
class Forgotten:
    """What was found.

    Attributes:
        member: the id, in hexadecimal.
        ok: not on the roster, and the hashes are equal.
        counts_sha256: of the model's counts as they lie on disk; None where there is no model.
        rebuilt_sha256: of counts built anew.
        on_roster: whether the model holds a part of the member.
        pending: whether that part waits to be taken out; it is not served meanwhile.
        source: what the counts were built anew from: `sessions`, `roster`, or `nothing` where there is no model.
    """

    member: str
    ok: bool
    counts_sha256: str | None
    rebuilt_sha256: str | None
    on_roster: bool
    pending: bool
    source: str

    def facts(self) -> dict[str, Any]:
        """As the command prints it."""
        facts = {name: getattr(self, name) for name in self.__dataclass_fields__ if name != "source"}
        return facts | {"from": self.source}

    @property
    def said(self) -> str:
        """In words."""
        if self.source == "nothing":
            return "There is no model, so it holds nothing of them."
        if self.pending:
            return "Taken out of what is served; the stored model is solved anew by: postreel jobs"
        if self.on_roster:
            return "The model holds a part of this member, as their grant of training allows."
        if not self.ok:
            return "The model's counts are not those of its members. Build it anew: postreel train"
        proof = "the present tastes of its members"
        if self.source == "roster":
            proof = "what its members added (the model is older than their present tastes)"
        return f"Forgotten: the model's counts are exactly those of {proof}.\n{self.counts_sha256}"


def verify_forgotten(core: Core, catalogue: Catalogue, text: str) -> Forgotten:
    """Whether the model is that of a rebuild in which this member is not.

    Args:
        text: an id, alias or address, also of a member who was erased.

    Raises:
        InputError: it names nobody, or several.
    """
    named = members_named(core, text)
    if len(named) != 1:
        raise InputError(f"that names {len(named)} members; give the id that `member list` prints")
    nothing = Forgotten(named[0].hex(), True, None, None, False, False, "nothing")
    return on_current(core, lambda name: _verified(core, name, catalogue, named[0]), nothing)


def _verified(core: Core, name: str, catalogue: Catalogue, member: bytes) -> Forgotten:
    stored = Counts.from_parts(*readers(core, name))
    model = Model.from_parts(*readers(core, name))
    roster = Roster.of(core, name)
    key = core.member_key(member).hex()
    counts = stored.digest()
    source, rebuilt = (
        "sessions",
        _from_sessions(core, roster, Builder(model.settings, catalogue, stored.vocabulary)),
    )
    if rebuilt != counts:
        source, rebuilt = (
            "roster",
            _from_roster(core, roster, Builder(model.settings, catalogue, stored.vocabulary)),
        )
    on_roster = key in roster.places
    ok = not on_roster and rebuilt == counts == model.counts_sha256
    return Forgotten(member.hex(), ok, counts, rebuilt, on_roster, key in pending_in(core, name), source)


def _from_sessions(core: Core, roster: Roster, builder: Builder) -> str:
    """Of the present tastes of those who are on the roster and still grant training."""
    standing = core.standing()
    live = standing.members(Training)
    asked = id_array(m for m in map(bytes, live) if core.member_key(m).hex() in roster.places)

    def parts() -> Iterator[Contributions]:
        for batch in stream_at(core, Tastes, Training, standing):
            tastes = batch.unseal(core.seal)
            yield contributions(tastes.where(is_among(tastes.members, asked)), builder.vocabulary)

    for part in parts():
        builder.see_parts(part)
    for part in parts():
        builder.add_parts(part)
    return builder.counts.digest()


def _from_roster(core: Core, roster: Roster, builder: Builder) -> str:
    """Of the parts as they were added."""
    for part in opened(core, roster.places.items(), builder.vocabulary):
        builder.see_parts(part)
    for part in opened(core, roster.places.items(), builder.vocabulary):
        builder.add_parts(part)
    return builder.counts.digest()
