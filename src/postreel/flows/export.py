"""A member's own data, as a zip of JSON and CSV with a page that says what each file is (GDPR Art. 15 and 20)."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
import os
import zipfile
from datetime import datetime
from pathlib import Path
from typing import Any

from postreel.errors import InputError
from postreel.gate import Gate, MemberRights
from postreel.schema import READABLE

ABOUT = {
    "contacts": "Where and how you are written to.",
    "plays": "What you played, paused, rated and searched for.",
    "sessions": "Your sittings, worked out from the above.",
    "tastes": "What your sittings say of each title; what recommendations rest on.",
    "grants": "What you agreed to or refused, since when, by which wording.",
    "mails": "Every mail to you: where it stands, which data it used, the titles and the reasons.",
    "engagement": "Every open and click on record.",
    "access_log": "For which purpose your data was used, when and by whom.",
}


def export_member(gate: Gate, member: bytes, out: Path, at: datetime) -> dict[str, Any]:
    """Write everything that is known about a member to a zip. How many rows each part has.

    Raises:
        InputError: the file exists, or cannot be written.
    """
    parts = export_parts(gate.rights(member))
    try:
        with os.fdopen(os.open(out, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(zipped(parts, at))
    except OSError as fault:
        raise InputError(f"{out} cannot be written: {fault.strerror}") from None
    return {"out": str(out), "rows": {name: len(rows) for name, rows in parts.items()}}


def export_parts(rights: MemberRights) -> dict[str, list[dict[str, Any]]]:
    """Every part with its rows."""
    parts: dict[str, list[dict[str, Any]]] = {
        name: [_plain(row) for row in table.to_pylist()] for name, table in rights.everything().items()
    }
    parts["grants"] = [_plain(dataclasses.asdict(row)) for row in rights.grants().values()]
    parts["mails"] = [_plain(dataclasses.asdict(row)) for row in rights.mails()]
    names = ("send_id", "kind", "slot", "count")
    parts["engagement"] = [_plain(dict(zip(names, row, strict=True))) for row in rights.engagement()]
    parts["access_log"] = [_plain(dataclasses.asdict(row)) for row in rights.accesses()]
    return parts


def zipped(parts: dict[str, list[dict[str, Any]]], at: datetime) -> bytes:
    """The zip: for each part a JSON and a CSV, and CONTENTS.md and schema.json that say what they are."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        lines = [f"# Your data, as of {at:%Y-%m-%d %H:%M} UTC", ""]
        for name, rows in parts.items():
            lines.append(f"- `{name}.json`, `{name}.csv`: {ABOUT[name]} {len(rows)} rows.")
            archive.writestr(f"{name}.json", json.dumps(rows, ensure_ascii=False, indent=1))
            archive.writestr(f"{name}.csv", _csv(rows))
        archive.writestr("schema.json", json.dumps(_schema(), indent=1))
        archive.writestr("CONTENTS.md", "\n".join(lines) + "\n")
    return buffer.getvalue()


def _schema() -> dict[str, Any]:
    """A JSON Schema of the tables that have one."""
    kinds = {
        "string": "string",
        "double": "number",
        "int32": "integer",
        "int64": "integer",
        "bool": "boolean",
    }
    tables = {
        table.__name__.lower(): {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    f.name: {"type": [kinds.get(str(f.type), "string"), "null"]} for f in table.SCHEMA
                },
            },
        }
        for table in READABLE
    }
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "$defs": tables}


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    return {key: _value(value) for key, value in row.items()}


def _value(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.hex()
    return value.isoformat() if isinstance(value, datetime) else value


def _csv(rows: list[dict[str, Any]]) -> str:
    if not rows:
        return ""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()
