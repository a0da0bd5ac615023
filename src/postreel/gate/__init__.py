"""The one door to members' data. Read this first.

Nothing outside this room opens a store of members' rows. Each door names the purpose that it works under; what it
gives out is a `Permitted`, which a ground-floor function can be mapped over and a sink can open, and nobody else.

    admit, store, compact      events come in: only what a live grant covers
    stream, read, keep         rows go out under a purpose; derived rows come back with their warrant
    learn, model               a model that can lose any member
    tune, evaluated            settings for it, and how good it is: means over many members
    brief, post, settle        mails: composed under grants, looked at again as they leave, written down
    register, rights           members: known, granting, withdrawing, erased
    as_operator                a person looks at a member, and the member sees that they did
    verify_ledger              proof

A withdrawal that is answered holds: queued mail is withheld in the ledger's own transaction, mail in flight is
waited for, the model's removal journal is on disk, and what is left to erase is a job that survives a crash.

Public: `Gate`, `Core` and what the doors return.
"""

from postreel.gate.consenting import FLIGHT_S, MAILS, Changed
from postreel.gate.core import Core
from postreel.gate.erasing import Erasure
from postreel.gate.gate import Gate
from postreel.gate.judging import Tuned
from postreel.gate.learning import Learned
from postreel.gate.operator import Operator
from postreel.gate.posting import GROUP, Briefing, Posted
from postreel.gate.reading import Admitted
from postreel.gate.registering import Registered
from postreel.gate.rights import MemberRights
from postreel.gate.standing import Standing

__all__ = [
    "FLIGHT_S",
    "GROUP",
    "MAILS",
    "Admitted",
    "Briefing",
    "Changed",
    "Core",
    "Erasure",
    "Gate",
    "Learned",
    "MemberRights",
    "Operator",
    "Posted",
    "Registered",
    "Standing",
    "Tuned",
]
