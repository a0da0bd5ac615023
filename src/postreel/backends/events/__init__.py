"""Events on files: an fsynced NDJSON spool that becomes Parquet, and the tables derived from it.

Public: `FileEvents`.
"""

from postreel.backends.events.files import FileEvents

__all__ = ["FileEvents"]
