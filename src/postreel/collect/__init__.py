"""Collect: parse and validate what players, services and exports tell of viewing. One file a source.

Every parser takes bytes or lines and gives a `Parsed`: rows that name members by text, what was refused and why,
and the titles the source told of. `plays_of` attaches the ids. Nothing here stores; the gate admits first.
"""

from postreel.collect.events import Event, format_events, parse_events, read_events
from postreel.collect.parsed import Parsed, Refused, plays_of

__all__ = [
    "Event",
    "Parsed",
    "Refused",
    "format_events",
    "parse_events",
    "plays_of",
    "read_events",
]
