"""Compose: titles become a mail, and titles become pictures.

Runs under the purpose of the mail it writes (`mail.picks`); reads briefs and gives messages.

Public: `Brush`, `poster`.
"""

from postreel.compose.posters import Brush, poster

__all__ = ["Brush", "poster"]
