"""How mails leave: signed, so that who sent them and how to stop them cannot be changed on the way; and what
the next server's reply means.

Public: `Signer`, `signed`, `dkim_record`; `is_dead_address`, `retry_after`.
"""

from postreel.deliver.dkim import Signer, dkim_record, signed
from postreel.deliver.replies import is_dead_address, retry_after

__all__ = ["Signer", "dkim_record", "is_dead_address", "retry_after", "signed"]
