"""Capabilities: short texts that let their holder do one thing, without a table of them.

Made when a mail is composed, opened when a link of it is followed. Used by compose, the web pages and the
intake of bounces.
"""

from postreel.tokens.capabilities import TokenKind, fingerprint, opened_token, sealed_token

__all__ = ["TokenKind", "fingerprint", "opened_token", "sealed_token"]
