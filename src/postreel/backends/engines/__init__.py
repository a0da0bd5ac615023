"""Engines: map a batch function over partitions of members, in this process or over several.

Public: `LocalEngine`, `PoolEngine`.
"""

from postreel.backends.engines.local import LocalEngine, PoolEngine

__all__ = ["LocalEngine", "PoolEngine"]
