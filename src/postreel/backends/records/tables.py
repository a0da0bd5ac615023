"""The tables of the record store, each column with why it is held (see `schema.Facts`).

Written for SQLite and Postgres alike: times are integer microseconds since 1970 UTC, ids sixteen raw bytes.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
)
from sqlalchemy.types import TypeEngine

from postreel.purposes import MeasureOpens, Proof, Rights, Service
from postreel.schema import ADDRESSED, BLOCKED, MAILED, PROVEN, Facts

metadata = MetaData()

FILM = Facts(Service, "no personal data", "while in the catalogue", "the service")
TASK = Facts(Rights, "legal duty (GDPR Art. 17)", "90 days after it is done", "written by Postreel")
SIGNAL = Facts(MeasureOpens, "consent (GDPR Art. 6(1)(a), ePrivacy Art. 5(3))", "13 months", "a mail program")
DOOR = Facts(Service, "contract (GDPR Art. 6(1)(b))", "until used or expired", "asked for by the member")
SYSTEM = Facts(Proof, "no personal data", "as long as the installation", "written by Postreel")


def _c(facts: Facts, name: str, kind: Any, *more: Any, null: bool = False, key: bool = False) -> Column[Any]:
    typed: TypeEngine[Any] = kind() if isinstance(kind, type) else kind
    return Column(name, typed, *more, nullable=null and not key, primary_key=key, info={"facts": facts})


members = Table(
    "members",
    metadata,
    _c(ADDRESSED, "id", LargeBinary(16), key=True),
    _c(ADDRESSED, "address", Text, null=True),
    _c(ADDRESSED, "address_key", LargeBinary(32), null=True),
    _c(ADDRESSED, "name", Text, null=True),
    _c(ADDRESSED, "language", Text),
    _c(ADDRESSED, "timezone", Text),
    _c(ADDRESSED, "region", Text, null=True),
    _c(ADDRESSED, "maturity", Integer),
    _c(ADDRESSED, "household", Text, null=True),
    _c(ADDRESSED, "is_child", Boolean),
    _c(ADDRESSED, "data_seq", BigInteger),
    _c(ADDRESSED, "created_at", BigInteger),
    Index("members_by_address", "address_key"),
)

aliases = Table(
    "aliases",
    metadata,
    _c(ADDRESSED, "alias", Text, key=True),
    _c(ADDRESSED, "member", LargeBinary(16), ForeignKey("members.id")),
    Index("aliases_by_member", "member"),
)

grants = Table(
    "grants",
    metadata,
    _c(PROVEN, "member", LargeBinary(16), ForeignKey("members.id"), key=True),
    _c(PROVEN, "purpose", Text, key=True),
    _c(PROVEN, "state", Text),
    _c(PROVEN, "since", BigInteger),
    _c(PROVEN, "live_since", BigInteger, null=True),
    _c(PROVEN, "wording", Text),
    _c(PROVEN, "channel", Text),
    _c(PROVEN, "position", BigInteger),
    _c(PROVEN, "touched", BigInteger),
    Index("grants_by_touched", "touched"),
)

ledger = Table(
    "ledger",
    metadata,
    _c(PROVEN, "position", BigInteger().with_variant(Integer, "sqlite"), key=True),
    _c(PROVEN, "commitment", LargeBinary(32)),
    _c(PROVEN, "salt", LargeBinary(32), null=True),
    _c(PROVEN, "content", LargeBinary, null=True),
    _c(PROVEN, "member", LargeBinary(16), null=True),
    Index("ledger_by_member", "member"),
)

heads = Table(
    "heads",
    metadata,
    _c(PROVEN, "size", BigInteger().with_variant(Integer, "sqlite"), key=True),
    _c(PROVEN, "root", LargeBinary(32)),
    _c(PROVEN, "peaks", LargeBinary),
    _c(PROVEN, "at", BigInteger),
    _c(PROVEN, "signature", LargeBinary(64)),
)

titles = Table(
    "titles",
    metadata,
    _c(FILM, "id", Text, key=True),
    _c(FILM, "facts", Text),
    _c(FILM, "version", BigInteger),
)

meta = Table(
    "meta",
    metadata,
    _c(SYSTEM, "key", Text, key=True),
    _c(SYSTEM, "value", Text),
)

campaigns = Table(
    "campaigns",
    metadata,
    _c(MAILED, "id", Text, key=True),
    _c(MAILED, "kind", Text),
    _c(MAILED, "name", Text),
    _c(MAILED, "state", Text),
    _c(MAILED, "created_at", BigInteger),
    _c(MAILED, "model", Text, null=True),
    _c(MAILED, "excluded", Text),
)

outbox = Table(
    "outbox",
    metadata,
    _c(MAILED, "send_id", LargeBinary(16), key=True),
    _c(MAILED, "campaign", Text, ForeignKey("campaigns.id")),
    _c(MAILED, "member", LargeBinary(16)),
    _c(MAILED, "kind", Text),
    _c(MAILED, "state", Text),
    _c(MAILED, "reason", Text, null=True),
    _c(MAILED, "message_id", Text, null=True),
    _c(MAILED, "used", BigInteger),
    _c(MAILED, "position", BigInteger),
    _c(MAILED, "attempts", Integer),
    _c(MAILED, "not_before", BigInteger),
    _c(MAILED, "deadline", BigInteger, null=True),
    _c(MAILED, "sender", Text, null=True),
    _c(MAILED, "reply", Text, null=True),
    _c(MAILED, "record", Text, null=True),
    _c(MAILED, "planned_at", BigInteger),
    _c(MAILED, "settled_at", BigInteger, null=True),
    Index("outbox_once", "campaign", "member", unique=True),
    Index("outbox_by_state", "campaign", "state", "not_before"),
    Index("outbox_by_member", "member", "state"),
)

suppressions = Table(
    "suppressions",
    metadata,
    _c(BLOCKED, "address_key", LargeBinary(32), key=True),
    _c(BLOCKED, "reason", Text),
    _c(BLOCKED, "at", BigInteger),
)

engagement = Table(
    "engagement",
    metadata,
    _c(SIGNAL, "send_id", LargeBinary(16), key=True),
    _c(SIGNAL, "kind", Text, key=True),
    _c(SIGNAL, "slot", Integer, key=True),
    _c(SIGNAL, "member", LargeBinary(16)),
    _c(SIGNAL, "first_at", BigInteger),
    _c(SIGNAL, "count", Integer),
    Index("engagement_by_member", "member", "kind"),
)

one_time = Table(
    "one_time",
    metadata,
    _c(DOOR, "fingerprint", LargeBinary(32), key=True),
    _c(DOOR, "member", LargeBinary(16)),
    _c(DOOR, "what", Text),
    _c(DOOR, "expires_at", BigInteger),
    _c(DOOR, "used_at", BigInteger, null=True),
    Index("one_time_by_member", "member"),
)

jobs = Table(
    "jobs",
    metadata,
    _c(TASK, "id", Text, key=True),
    _c(TASK, "kind", Text),
    _c(TASK, "member", LargeBinary(16)),
    _c(TASK, "purposes", BigInteger),
    _c(TASK, "position", BigInteger),
    _c(TASK, "step", Text),
    _c(TASK, "created_at", BigInteger),
    _c(TASK, "done_at", BigInteger, null=True),
    _c(TASK, "certificate", Text, null=True),
    Index("jobs_by_step", "done_at"),
)

access_log = Table(
    "access_log",
    metadata,
    _c(PROVEN, "id", BigInteger().with_variant(Integer, "sqlite"), key=True),
    _c(PROVEN, "at", BigInteger),
    _c(PROVEN, "purpose", Text),
    _c(PROVEN, "table_name", Text),
    _c(PROVEN, "who", Text),
    _c(PROVEN, "why", Text),
    _c(PROVEN, "member", LargeBinary(16), null=True),
    _c(PROVEN, "member_count", BigInteger),
    _c(PROVEN, "position", BigInteger),
    Index("access_log_by_member", "member"),
)

erased = Table(
    "erased",
    metadata,
    _c(BLOCKED, "member_key", LargeBinary(32), key=True),
    _c(BLOCKED, "address_key", LargeBinary(32), null=True),
    _c(BLOCKED, "at", BigInteger),
    Index("erased_by_address", "address_key"),
)
