"""Mails composed and signed, beside the RSA operation alone and beside the plain stack of the standard library.

The plain stack is frozen here: a template filled, an `EmailMessage` built, dkimpy signing. It is what one would
write first, so it is what ours has to beat.
"""

from __future__ import annotations

from email.message import EmailMessage

import dkim
import numpy as np
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.hashes import SHA256
from minijinja import Environment

from bench.measuring import EARLIER, NOW, Figure, a_service, best_seconds
from postreel.app import App
from postreel.compose import messages_of
from postreel.flows.choose import popular
from postreel.ports import Change
from postreel.purposes import BIT
from postreel.schema import Briefs

MEMBERS = 256
PLAIN = 32


def run() -> list[Figure]:
    """Mails a second, six titles each, pictures inside, RSA-2048."""
    with a_service(MEMBERS) as (app, _, members):
        app.gate.simulate([Change(m, "mail.picks", "granted", "bench", "", EARLIER) for m in members])
        briefs = _briefs(app, members)
        catalogue = app.gate.catalogue()
        messages_of(briefs, app.kit, catalogue, NOW)  # posters are drawn once, before the clock starts
        ours = best_seconds(lambda: messages_of(briefs, app.kit, catalogue, NOW))
        key, payload = app.signer.key, b"x" * 32
        ceiling = best_seconds(
            lambda: [key.sign(payload, padding.PKCS1v15(), SHA256()) for _ in range(MEMBERS)]
        )
        raw = messages_of(briefs.where(np.arange(MEMBERS) < PLAIN), app.kit, catalogue, NOW).column("raw")
        plain = best_seconds(lambda: [_plainly(app, bytes(one)) for one in raw], repeats=2)
    return [
        Figure(
            "mails composed and signed a second", MEMBERS / ours, "ceiling: RSA-2048 alone", MEMBERS / ceiling
        ),
        Figure(
            "mails composed and signed a second", MEMBERS / ours, "baseline: the plain stack", PLAIN / plain
        ),
    ]


def _briefs(app: App, members: list[bytes]) -> Briefs:
    facts = app.gate.members()
    picks = popular(app.gate, NOW).table.column("picks")[0].as_py()
    rows = [who for who in facts if who.address]
    count = len(rows)
    return Briefs.of(
        member=[who.member for who in rows],
        send_id=[who.member for who in rows],
        campaign=["bench"] * count,
        kind=["mail.picks"] * count,
        address=[who.address for who in rows],
        name=[None] * count,
        language=["en"] * count,
        timezone=["UTC"] * count,
        picks=[picks] * count,
        is_personal=[False] * count,
        has_opens=[False] * count,
        has_clicks=[False] * count,
        has_learn=[False] * count,
        data_seq=[0] * count,
        catalogue_version=[1] * count,
        used=[BIT["mail.picks"]] * count,
    )


_PAGE = Environment(
    templates={"page.html": "<p>{{ greeting }}</p>{% for line in lines %}<p>{{ line }}</p>{% endfor %}"}
)


def _plainly(app: App, raw: bytes) -> bytes:
    """A mail of the same size the plain way."""
    lines = [raw[i : i + 70].decode("ascii", "replace") for i in range(0, min(len(raw), 24_000), 70)]
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = "a@postreel.example", "b@example.invalid", "Picks"
    message.set_content("\n".join(lines[:60]))
    message.add_alternative(_PAGE.render_template("page.html", greeting="Hello", lines=lines), subtype="html")
    body = message.as_bytes()
    return dkim.sign(body, b"postreel", b"postreel.example", app.keys.dkim_key()) + body
