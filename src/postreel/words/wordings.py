"""A catalogue of wordings in one language, and the small arts of setting text.

No purpose: nothing here is about a member. Used by compose and by the pages.
"""

from __future__ import annotations

import string
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass

from postreel.errors import InputError


@dataclass(frozen=True)
class Wordings:
    """What is said, in one language.

    Attributes:
        language: BCP 47.
        direction: `ltr` or `rtl`.
        texts: wordings by dotted key; a list gives several ways to say one thing.
    """

    language: str
    direction: str
    texts: dict[str, str | tuple[str, ...]]

    @classmethod
    def of(cls, toml: str) -> Wordings:
        """Wordings from a TOML text with `language`, `direction` and tables of strings and lists of strings.

        Raises:
            InputError: it is no TOML, or holds something else.
        """
        try:
            whole = tomllib.loads(toml)
        except tomllib.TOMLDecodeError as error:
            raise InputError(f"the wordings are no TOML: {error}") from error
        texts: dict[str, str | tuple[str, ...]] = {}
        _flatten("", whole, texts)
        language, direction = texts.pop("language", ""), texts.pop("direction", "")
        if not isinstance(language, str) or not language or direction not in ("ltr", "rtl"):
            raise InputError(
                'wordings begin with language = "en" or the like, and direction = "ltr" or "rtl"'
            )
        return cls(language, str(direction), texts)

    def say(self, key: str, /, **named: object) -> str:
        """One wording, its `{names}` filled in.

        Raises:
            InputError: no such wording, or a name that it asks for was not given.
        """
        text = self.texts.get(key)
        if not isinstance(text, str):
            raise InputError(f"there is no wording {key!r} in {self.language}")
        if not named:
            return text
        try:
            return text.format_map(named)
        except (KeyError, IndexError) as error:
            raise InputError(
                f"the wording {key!r} in {self.language} asks for {error}, which is not given"
            ) from error

    def ways(self, key: str) -> tuple[str, ...]:
        """The several ways to say one thing.

        Raises:
            InputError: no such list.
        """
        texts = self.texts.get(key)
        if not isinstance(texts, tuple):
            raise InputError(f"there is no list of wordings {key!r} in {self.language}")
        return texts

    def under(self, prefix: str) -> dict[str, str]:
        """All single wordings whose key begins with this prefix and a dot, by the rest of their keys."""
        start = prefix + "."
        return {
            k[len(start) :]: v for k, v in self.texts.items() if k.startswith(start) and isinstance(v, str)
        }

    def asked(self, key: str) -> frozenset[str]:
        """The names that a wording, or any way of saying it, asks for."""
        text = self.texts[key]
        parts = (text,) if isinstance(text, str) else text
        return frozenset(n for p in parts for _, n, _, _ in string.Formatter().parse(p) if n)


def joined(parts: Sequence[str], last: str) -> str:
    """Parts as a list in words: "a", "a and b", "a, b and c"; `last` is the word with its spaces."""
    return parts[0] if len(parts) == 1 else ", ".join(parts[:-1]) + last + parts[-1]


def wrapped(text: str, width: int = 72) -> str:
    """The text with every line broken at spaces to at most `width` characters; a longer word keeps its line."""
    lines: list[str] = []
    for line in text.split("\n"):
        if len(line) <= width:
            lines.append(line)
            continue
        now = ""
        for word in line.split(" "):
            if now and len(now) + 1 + len(word) > width:
                lines.append(now)
                now = word
            else:
                now = f"{now} {word}" if now else word
        lines.append(now)
    return "\n".join(lines)


def _flatten(prefix: str, table: dict[str, object], texts: dict[str, str | tuple[str, ...]]) -> None:
    for name, value in table.items():
        key = prefix + name
        if isinstance(value, str):
            texts[key] = value
        elif isinstance(value, dict):
            _flatten(key + ".", value, texts)
        elif isinstance(value, list) and value and all(isinstance(v, str) for v in value):
            texts[key] = tuple(str(v) for v in value)
        else:
            raise InputError(f"the wording {key!r} is neither a string nor a list of strings")
