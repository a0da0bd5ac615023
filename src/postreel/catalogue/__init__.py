"""What can be watched: titles and their facts, as one immutable catalogue with a version.

Public: `Title`, `Catalogue`.
"""

from postreel.catalogue.titles import MATURITIES, Catalogue, Title

__all__ = ["MATURITIES", "Catalogue", "Title"]
