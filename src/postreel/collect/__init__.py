"""Collect: parse and validate what players, services and exports tell of viewing. One file a source.

Every parser of events takes bytes or lines and gives a `Parsed`: rows that name members by text, what was refused
and why, and the titles the source told of. `plays_of` attaches the ids. `parse_members` and `parse_catalogue` read
who is written to and what can be watched. Nothing here stores; the gate admits first.
"""

from postreel.collect.catalogue_file import ParsedTitles, TitleLine, parse_catalogue, parse_title
from postreel.collect.events import Event, format_events, parse_events, read_events
from postreel.collect.members_file import ParsedMembers, parse_members
from postreel.collect.movielens import movielens_titles, read_movielens
from postreel.collect.netflix import parse_netflix, read_netflix
from postreel.collect.parsed import Parsed, Refused, plays_of
from postreel.collect.viewings import read_viewings

__all__ = [
    "Event",
    "Parsed",
    "ParsedMembers",
    "ParsedTitles",
    "Refused",
    "TitleLine",
    "format_events",
    "movielens_titles",
    "parse_catalogue",
    "parse_events",
    "parse_members",
    "parse_netflix",
    "parse_title",
    "plays_of",
    "read_events",
    "read_movielens",
    "read_netflix",
    "read_viewings",
]
