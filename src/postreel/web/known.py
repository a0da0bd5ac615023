"""What is known about a member, as a page tells it to them. Runs under `rights`."""

from __future__ import annotations

from typing import Any

from postreel.app import App
from postreel.catalogue import Catalogue
from postreel.habits import habits_of
from postreel.ports import MemberFacts, OutboxRow
from postreel.purposes import keys_in
from postreel.schema import Plays, Sessions, Tastes
from postreel.web.telling import moment, record_of, short_day, short_moment, titles_named

LAST = 50
WEEKDAYS = ("Mondays", "Tuesdays", "Wednesdays", "Thursdays", "Fridays", "Saturdays", "Sundays")
STATES = {
    "accepted": "delivered",
    "withheld": "not sent",
    "refused": "refused by your mail server",
    "ambiguous": "perhaps delivered",
}


def known_of(app: App, who: MemberFacts) -> dict[str, Any]:
    """Values of the page: habits, sittings, tastes, mails with their reasons, and who looked."""
    rights = app.gate.rights(who.member)
    held = rights.everything()
    catalogue = app.gate.catalogue()
    plays, sittings, tastes = Plays(held["plays"]), Sessions(held["sessions"]), Tastes(held["tastes"])
    habits = habits_of(plays, sittings, tastes, catalogue, who.timezone)
    mails = rights.mails()
    return {
        "habits": habits.facts(),
        "rhythm": _rhythm(habits.hours_of_day, habits.rhythm),
        "event_count": len(plays),
        "sessions": _sessions(sittings, catalogue),
        "session_count": len(sittings),
        "tastes": _tastes(tastes, catalogue),
        "taste_count": len(tastes),
        "mails": [mail_told(app, row, catalogue) for row in mails[::-1][:LAST]],
        "mail_count": len(mails),
        "signal_count": sum(count for _, _, _, count in rights.engagement()),
        "accesses": [
            {
                "at": short_moment(row.at),
                "table": row.table,
                "purpose": row.purpose,
                "who": row.who,
                "why": row.why,
            }
            for row in rights.accesses()[::-1][:LAST]
        ],
        "retention": app.policy.retention_days,
    }


def mail_told(app: App, row: OutboxRow, catalogue: Catalogue) -> dict[str, Any]:
    """One mail to a member: what it was, which data it used, each title with its reasons."""
    record = record_of(row)
    is_notice = row.kind == "service"
    return {
        "subject": record.get("subject") or ("A notice about your account" if is_notice else "A mail"),
        "kind": row.kind,
        "state": STATES.get(row.state, "waiting to leave"),
        "reason": row.reason,
        "at": "" if row.settled_at is None else moment(row.settled_at),
        "used": titles_named(app.policy, keys_in(row.used)),
        "is_personal": bool(record.get("is_personal")),
        "has_opens": bool(record.get("has_opens")),
        "has_clicks": bool(record.get("has_clicks")),
        "model": record.get("model"),
        "titles": [_title_told(title, catalogue) for title in record.get("titles", ())],
    }


def _title_told(title: dict[str, Any], catalogue: Catalogue) -> dict[str, Any]:
    return {
        "name": name_of(title["title_id"], catalogue),
        "reasons": [
            {
                "name": name_of(reason["title_id"], catalogue),
                "evidence": reason["evidence"],
                "share": f"{reason['share']:.0%}",
            }
            for reason in title.get("reasons", ())
        ],
        "also": ", ".join(title.get("also", ())),
    }


def name_of(title_id: str | None, catalogue: Catalogue) -> str:
    """A title's name, or its id where the catalogue has it no more."""
    title = catalogue.get(title_id or "")
    return title_id or "" if title is None else title.name


def _rhythm(hours: list[int], rhythm: dict[str, Any]) -> str:
    """When they watch, as one sentence; empty where nothing tells."""
    shares: list[float] = rhythm.get("weekday") or []
    if not any(shares):
        return ""
    best = shares.index(max(shares))
    if not any(hours):
        return f"You watch most on {WEEKDAYS[best]}."
    hour = hours.index(max(hours))
    return f"You watch most on {WEEKDAYS[best]}, and most often begin between {hour}:00 and {(hour + 1) % 24}:00."


def _sessions(rows: Sessions, catalogue: Catalogue) -> list[dict[str, Any]]:
    some = rows.table.sort_by([("started", "descending")]).slice(0, LAST).to_pylist()
    return [
        {
            "name": name_of(row["title_id"], catalogue),
            "on": short_day(row["started"]),
            "iso": row["started"].isoformat(timespec="minutes"),
            "minutes": None if row["watched_s"] is None else round(row["watched_s"] / 60),
            "completion": None if row["completion"] is None else f"{row['completion']:.0%}",
            "pauses": row["pause_count"],
            "device": row["device_type"] or "",
        }
        for row in some
    ]


def _tastes(rows: Tastes, catalogue: Catalogue) -> list[dict[str, Any]]:
    some = rows.table.sort_by([("weight", "descending")]).slice(0, LAST).to_pylist()
    return [
        {
            "name": name_of(row["title_id"], catalogue),
            "evidence": row["evidence"],
            "weight": f"{row['weight'] or 0.0:.0%}",
        }
        for row in some
    ]
