"""Consent: the policy that grants rest on, the ledger that proves them, and `Permitted`.

Public: `Permitted`, `Seal`, `Warrant`; `Policy`, `Question`, `Wording`; `Entry`, `Head`, `Finding`,
`new_entry`, `signed_head`, `checked`, `public_key_of`, `is_signed`, and the tree of RFC 9162:
`Frontier`, `leaf_hash`, `root_of`, `inclusion_proof`, `is_included`, `consistency_proof`, `is_consistent`.
"""

from postreel.consent.ledger import (
    Entry,
    Finding,
    Head,
    checked,
    content_of,
    is_signed,
    new_entry,
    public_key_of,
    signed_head,
)
from postreel.consent.permitted import Permitted, Seal, Warrant
from postreel.consent.policy import MAIL, Policy, Question, Wording
from postreel.consent.tree import (
    EMPTY_ROOT,
    Frontier,
    consistency_proof,
    inclusion_proof,
    is_consistent,
    is_included,
    leaf_hash,
    root_of,
)

__all__ = [
    "EMPTY_ROOT",
    "MAIL",
    "Entry",
    "Finding",
    "Frontier",
    "Head",
    "Permitted",
    "Policy",
    "Question",
    "Seal",
    "Warrant",
    "Wording",
    "checked",
    "consistency_proof",
    "content_of",
    "inclusion_proof",
    "is_consistent",
    "is_included",
    "is_signed",
    "leaf_hash",
    "new_entry",
    "public_key_of",
    "root_of",
    "signed_head",
]
