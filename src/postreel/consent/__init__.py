"""Consent: grants, the policy they rest on, the ledger that proves them, and `Permitted`.

Public: `Permitted`, `Seal`, `Warrant`.
"""

from postreel.consent.permitted import Permitted, Seal, Warrant

__all__ = ["Permitted", "Seal", "Warrant"]
