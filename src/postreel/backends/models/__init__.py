"""Models on files: a directory a model, and the removal journal beside them.

Public: `FileModels`.
"""

from postreel.backends.models.files import FileModels

__all__ = ["FileModels"]
