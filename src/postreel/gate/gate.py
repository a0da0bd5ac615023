"""`Gate`: all doors in one place. Each is a few lines here and a module of its own beside."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Any, TypeVar

from postreel.catalogue import Catalogue, Title
from postreel.consent import Finding, Permitted
from postreel.errors import InputError, PostreelError
from postreel.gate import (
    consenting,
    erasing,
    forgetting,
    jobs,
    judging,
    learning,
    posting,
    reading,
    registering,
    settling,
    shelf,
    signals,
    verifying,
)
from postreel.gate.consenting import Changed
from postreel.gate.core import Core
from postreel.gate.forgetting import Forgotten
from postreel.gate.judging import Tuned
from postreel.gate.learning import Learned, ServedModels
from postreel.gate.operator import Operator
from postreel.gate.posting import Briefing, Posted
from postreel.gate.reading import Admitted
from postreel.gate.registering import Registered
from postreel.gate.rights import MemberRights
from postreel.gate.standing import Standing
from postreel.members import MemberRow
from postreel.ports import Campaign, Change, MemberFacts, OutboxRow
from postreel.purposes import Mailing, Postable, Purpose, Recommendations
from postreel.recommend import Model, RecommendSettings
from postreel.schema import STORED, Ids, Messages, Picks, Plays, R, Sends

P = TypeVar("P", bound=Purpose)
M = TypeVar("M", bound=Postable)


class Gate:
    """The one door to members' data. Every method names the purpose that it works under, or asks for it."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._served = ServedModels()
        self._shelf: Catalogue | None = None
        verifying.repair_heads(core)

    @property
    def who(self) -> str:
        """The person or job on whose behalf this process works."""
        return self._core.who

    # -- events and what is worked out from them

    def admit(self, plays: Plays, *, is_own: bool = False) -> Admitted:
        """The events that a live grant of `history` covers; counts what it refused."""
        return reading.admit(self._core, plays, is_own=is_own)

    def store(self, admitted: Admitted) -> None:
        """Store admitted events; on disk when this returns."""
        self._core.events.append(admitted.plays)

    def known_events(self, event_ids: Ids) -> Sequence[bool]:
        """(n,) whether an event with this id is stored already: an import told twice adds nothing."""
        return self._core.events.known(event_ids).tolist()

    def compact(self) -> int:
        """Turn the spool into Parquet, admitting again. Rows written."""
        return self._core.events.compact(lambda plays: reading.admitted_again(self._core, plays))

    def stream(self, table: type[R], under: type[P]) -> Iterator[Permitted[R, P]]:
        """Batches under a purpose, a member never split, all at one ledger position."""
        return reading.stream(self._core, table, under)

    def stale(self) -> Ids:
        """Members whose events are newer than what was worked out from them."""
        return self._core.events.stale()

    def read(self, table: type[R], members: Ids, under: type[P], why: str = "a job") -> Permitted[R, P]:
        """The rows of these members for whom the purpose is live."""
        return reading.read(self._core, table, members, under, why)

    def keep(self, rows: Permitted[R, P]) -> None:
        """Store derived rows together with their warrant."""
        reading.keep(self._core, rows)

    def stored_count(self) -> dict[str, int]:
        """Rows stored, by table. Plain numbers about the installation, of nobody in particular."""
        return {table.__name__.lower(): self._core.events.count(table) for table in STORED}

    # -- the model

    def learn(self, settings: RecommendSettings) -> Learned:
        """Train on all members with a live `training` grant, and serve the result."""
        return learning.learn(self._core, self.catalogue(), settings)

    def model(self) -> Model:
        """The model to score with now; while a removal is not solved, one that is corrected for it."""
        return learning.served(self._core, self._served, self.catalogue())

    def evaluated(
        self, protocol: str, windows: Sequence[tuple[float, float]], *, is_tuned: bool
    ) -> dict[str, Any]:
        """The recommender beside popularity, on members who grant `training`: means over many of them."""
        return judging.evaluated(self._core, self.catalogue(), protocol, windows, is_tuned=is_tuned)

    def tune(self, budget_s: float, step: Callable[[], None] = lambda: None) -> Tuned:
        """Choose the recommender's settings on members who grant `training`, and remember them for `learn`."""
        return judging.tune(self._core, self.catalogue(), budget_s, step)

    def chosen_settings(self) -> tuple[RecommendSettings, bool]:
        """The settings to learn with, and whether they were tuned for this service."""
        return judging.chosen_settings(self._core)

    def is_pending(self, member: bytes) -> bool:
        """Whether this member's part still waits to be solved out of the model."""
        return learning.is_pending(self._core, member)

    def verify_forgotten(self, text: str) -> Forgotten:
        """Whether the model is that of a rebuild in which this member (an id, alias or address) is not."""
        return forgetting.verify_forgotten(self._core, self.catalogue(), text)

    # -- the mail

    def sending(self, *, notices: bool = False) -> AbstractContextManager[str]:
        """Be the one process that sends; first put right what a dead one left."""
        return posting.sending(self._core, notices=notices)

    def brief(
        self,
        kind: type[Mailing],
        claims: Sequence[OutboxRow],
        picks: Permitted[Picks, Recommendations],
        popular: Picks,
        known: Sequence[MemberFacts] = (),
        catalogue_version: int | None = None,
    ) -> Briefing:
        """One row a claimed mail; what rests on another purpose is there only where that is live.

        Args:
            known, catalogue_version: members and catalogue as they were before `picks` were chosen.
        """
        return posting.brief(self._core, kind, claims, picks, popular, known, catalogue_version)

    def ready_to_send(self) -> None:
        """Have the transport connect before `post`, so that mails in flight do not wait for it.

        Raises:
            TransientError: the server could not be reached; nothing was put in flight.
            SettingsError: the server refuses us; nothing was put in flight.
        """
        self._core.transport.ready()

    def post(self, mails: Permitted[Messages, M], sender: str) -> Posted:
        """Look again, and put in flight in one commit."""
        return posting.post(self._core, mails, sender)

    def hand_over(self, posted: Posted) -> Sends:
        """Give what was put in flight to the transport.

        Raises:
            TransientError: the server could not be reached; the mails went back to wait.
        """
        try:
            return self._core.transport.send(posted.leaving, deadline_s=posted.deadline_s)
        except PostreelError:
            # Whatever the transport raises, it handed nothing over.
            settling.take_back(self._core, posted.leaving)
            raise

    def settle(self, sends: Sends) -> dict[str, int]:
        """Write what became of what was put in flight."""
        return settling.settle(self._core, sends)

    def obstacle(self, member: bytes, kind: type[Mailing]) -> str | None:
        """What stands against a mail of this kind to this member now; None: nothing."""
        return posting.obstacle(self._core, member, kind)

    def add_campaign(self, campaign: Campaign, members: Ids) -> int:
        """Plan a mail to each of these members, once. How many were planned."""
        return settling.plan(self._core, campaign, members)

    def claim(self, campaign: str, sender: str, limit: int) -> list[OutboxRow]:
        """Take mails that are due."""
        with self._core.records.writing() as tx:
            return tx.claim(campaign, sender, self._core.now(), limit)

    def withhold_claimed(self, claims: Sequence[OutboxRow], sender: str, reason: str) -> int:
        """Withhold those of these mails that this sender still holds. How many."""
        return settling.withhold_claimed(self._core, claims, sender, reason)

    def set_campaign(self, campaign: str, state: str) -> None:
        """Pause, resume or end a campaign; `recalled` withholds all that has not left."""
        settling.set_campaign(self._core, campaign, state)

    def campaigns(self) -> list[Campaign]:
        """All campaigns, oldest first."""
        with self._core.records.reading() as tx:
            return tx.campaigns()

    def report(self, campaign: str) -> list[tuple[str, str | None, int]]:
        """How many mails stand where, and why. A job's own counts."""
        with self._core.records.reading() as tx:
            return tx.report(campaign)

    def sends(self, campaign: str | None = None) -> list[OutboxRow]:
        """The mails of a campaign, or all: where each stands."""
        with self._core.records.reading() as tx:
            return tx.outbox(campaign)

    def send(self, send_id: bytes) -> OutboxRow | None:
        """One mail."""
        with self._core.records.reading() as tx:
            return tx.send(send_id)

    def note_signal(self, send_id: bytes, kind: str, slot: int = 0) -> bool:
        """Count an open or a click where that may be; whether it was."""
        return signals.note_signal(self._core, send_id, kind, slot)

    # -- members and their rights

    def register(self, rows: Sequence[MemberRow]) -> Registered:
        """Add members, or bring them up to date. Grants nothing."""
        return registering.register(self._core, rows)

    def import_grants(self, rows: Sequence[MemberRow], registered: Registered, channel: str) -> int:
        """Write down the grants that an import brings, each with its evidence."""
        return registering.grant_with_evidence(self._core, rows, registered, channel)

    def simulate(self, changes: Sequence[Change]) -> int:
        """Write simulated answers; in a sandbox alone, where nobody is real.

        Raises:
            InputError: this is no sandbox.
        """
        if not self._core.is_sandbox:
            raise InputError(
                "grants are simulated in a sandbox only; here they come from the member, or with evidence"
            )
        count = consenting.change_many(self._core, changes)
        return count

    def rights(self, member: bytes) -> MemberRights:
        """The rights of one member."""
        return MemberRights(self._core, member)

    def as_operator(self, who: str, why: str) -> Operator:
        """A person looks at a member; logged where the member sees it."""
        return Operator(self._core, who, why)

    def find(self, text: str) -> MemberFacts:
        """The member with this address, id or alias."""
        return self._core.find(text)

    def members(self, some: Ids | None = None) -> list[MemberFacts]:
        """These members, or all, as the service knows them."""
        with self._core.records.reading() as tx:
            return tx.members(None if some is None else [bytes(member) for member in some])

    def resolve(self, names: Sequence[str]) -> dict[str, bytes]:
        """The members with these aliases or addresses; a shared address names nobody."""
        return reading.resolved(self._core, names)

    def standing(self) -> Standing:
        """Live grants at the ledger's head, for jobs that count and plan."""
        return self._core.standing()

    def receipt(self, changed: Changed) -> dict[str, object]:
        """The record given to a member of a change."""
        return consenting.receipt_of(self._core, changed)

    def run_jobs(self) -> int:
        """Carry open withdrawals and erasures through. How many."""
        return jobs.run_open_jobs(self._core)

    def verify_erased(self, text: str) -> list[str]:
        """Where anything of a member with this id or address is still found; empty where nothing is."""
        return erasing.traces(self._core, text)

    # -- proof

    def verify_ledger(self) -> Finding:
        """Go through the whole ledger and compare it with its heads and with the grants in use."""
        return verifying.verify_ledger(self._core)

    # -- the catalogue, which is about nobody

    def catalogue(self) -> Catalogue:
        """All titles at the present version."""
        with self._core.records.reading() as tx:
            version = tx.catalogue_version()
        if self._shelf is None or self._shelf.version != version:
            self._shelf = shelf.stored_catalogue(self._core)
        return self._shelf

    def put_titles(self, titles: Sequence[Title]) -> int:
        """Add titles, or replace those of the same id. How many changed."""
        return shelf.put_titles(self._core, titles)

    # -- single-use links

    def new_link(self, member: bytes, what: str, minutes: int) -> str:
        """A single-use link's token: the token itself is stored nowhere, its fingerprint is."""
        return signals.new_link(self._core, member, what, minutes)

    def link(self, token: str) -> tuple[bytes, str] | None:
        """Whose link this is and what for, while it can be used. Looking does not use it up."""
        return signals.link_of(self._core, token)

    def use_link(self, token: str) -> tuple[bytes, str] | None:
        """As `link`, and used up by it."""
        return signals.used_link(self._core, token)
