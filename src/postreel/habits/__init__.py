"""Habits: from playback events to sessions, tastes and one member's profile. Pure; purpose History.

Public: `sessions_of` (sittings), defined rule by rule in docs/reference/habits.md.
"""

from postreel.habits.sessions import sessions_of

__all__ = ["sessions_of"]
