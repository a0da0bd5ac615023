"""The catalogue's way in and out of the store. Nothing here is about a member."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from postreel.catalogue import Catalogue, Title
from postreel.gate.core import Core

CHUNK = 500
_TIMES = ("available_from", "available_until")


def stored_catalogue(core: Core) -> Catalogue:
    """All titles at the present version."""
    with core.records.reading() as tx:
        version = tx.catalogue_version()
        rows = tx.titles()
    return Catalogue.of((_title(facts) for _, facts in rows), version)


def put_titles(core: Core, titles: Sequence[Title]) -> int:
    """Add titles, or replace those of the same id. How many changed."""
    changed = 0
    for start in range(0, len(titles), CHUNK):
        with core.records.writing() as tx:
            changed += tx.put_titles([(t.title_id, _facts(t)) for t in titles[start : start + CHUNK]])
    return changed


def _facts(title: Title) -> str:
    facts = dataclasses.asdict(title)
    for name in _TIMES:
        facts[name] = None if facts[name] is None else facts[name].isoformat()
    return json.dumps(facts, sort_keys=True, ensure_ascii=False)


def _title(text: str) -> Title:
    facts: dict[str, Any] = json.loads(text)
    for name, value in facts.items():
        if isinstance(value, list):
            facts[name] = tuple(value)
        elif name in _TIMES and value is not None:
            facts[name] = datetime.fromisoformat(value)
    return Title(**facts)
