"""Compose: titles become a mail, and titles become pictures.

The picks mail runs under `mail.picks`, notices under `service`. Both read what the gate hands out and give
`Messages`, signed and ready to leave. Nothing here reads a file: templates, wordings, fonts and keys come in
with the `Kit`.

Public: `messages_of`, `notice_of`, `Kit`, `Template`, `Brush`, `poster`, `ground_of`, `title_ref`.
"""

from postreel.compose.kit import Kit, Template, title_ref
from postreel.compose.notices import notice_of
from postreel.compose.picks import MAX_HTML, MAX_TITLES, messages_of
from postreel.compose.posters import Brush, ground_of, poster

__all__ = [
    "MAX_HTML",
    "MAX_TITLES",
    "Brush",
    "Kit",
    "Template",
    "ground_of",
    "messages_of",
    "notice_of",
    "poster",
    "title_ref",
]
