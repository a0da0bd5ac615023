"""Words: what Postreel says, by language. The wordings are data (`words/en.toml` and its like), read by `app.py`.

Public: `Wordings`, `joined`, `wrapped`.
"""

from postreel.words.wordings import Wordings, joined, wrapped

__all__ = ["Wordings", "joined", "wrapped"]
