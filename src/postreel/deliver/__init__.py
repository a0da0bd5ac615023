"""How mails leave: signed, so that who sent them and how to stop them cannot be changed on the way."""

from postreel.deliver.dkim import Signer, dkim_record, signed

__all__ = ["Signer", "dkim_record", "signed"]
