"""Capabilities: short texts that let their holder do one thing, without a table of them.

Made when a mail is composed, opened when a link of it is followed. Used by compose, the web pages and the
intake of bounces.

Public: `TokenKind`, `sealed_token`, `opened_token`, `fingerprint`, `return_path`, `returned_send_id`.
"""

from postreel.tokens.capabilities import TokenKind, fingerprint, opened_token, sealed_token
from postreel.tokens.returns import return_path, returned_send_id

__all__ = ["TokenKind", "fingerprint", "opened_token", "return_path", "returned_send_id", "sealed_token"]
