"""Transports: hand finished mails to a folder or to the next mail server, each at most once.

Public: `MaildirTransport`, `SmtpTransport`.
"""

from postreel.backends.transports.maildir import MaildirTransport
from postreel.backends.transports.smtp import SmtpTransport

__all__ = ["MaildirTransport", "SmtpTransport"]
