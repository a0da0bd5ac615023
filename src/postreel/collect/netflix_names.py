"""Names as Netflix exports write them: which are episodes, of which series and season, and which are no viewings.

No purpose: it looks at names alone. Used by `netflix`. A colon decides nothing: "John Wick: Chapter 2" is a film. An
episode is a name in three parts, the middle one a season in one of the languages that accounts are kept in.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from postreel.catalogue import Title
from postreel.collect.parsed import name_id

SOURCE = "netflix"

_SEASONS = (
    "Season|Series|Part|Saison|Partie|Staffel|Teil|Temporada|Parte|Stagione|Seizoen|Deel|Säsong|Del|Sesong|Sæson|Kausi|"
    "Osa|Sezon|Część|Série|Řada|Část|Évad|Rész|Sezonul|Partea|Sezona|Сезон|Часть|Частина|Κύκλος|Σεζόν|Μέρος|Musim|"
    "Bagian|Mùa|Phần|ซีซั่น|ปี|सीज़न|सीजन|시즌|파트|シーズン|パート|עונה|חלק|الموسم|الجزء|Kısım|Bölüm"
)
_WEAK = "Volume|Vol\\.|Chapter|Book|Collection|Chapitre|Livre|Band|Buch|Kapitel|Volumen|Libro|Livro|Capitolo|Capítulo"
_LIMITED = (
    "Limited Series|Miniseries|Mini-Series|Miniserie|Mini-?série|Minissérie|Série limitée|Serie limitada|"
    "Miniserie TV|Miniserial|Minisarja|Minisorozat|Мини-сериал|ミニシリーズ|리미티드 시리즈|限定剧|迷你剧"
)
_SEASON = re.compile(
    rf"(?:{_SEASONS})\s*(?P<after>\d{{1,3}})|(?P<before>\d{{1,3}})\s*\.\s*(?:{_SEASONS})|"
    rf"第\s*(?P<cjk>\d{{1,3}}|[一二三四五六七八九十])\s*[季部期]|(?P<limited>{_LIMITED})",
    re.IGNORECASE,
)
_BOOK = re.compile(rf"(?:{_WEAK})\s*(?P<after>\d{{1,3}})", re.IGNORECASE)
_COLON = re.compile(r"\s*[:：]\s+|[:：]")
_EPISODE = re.compile(
    r"(?:Episode|Épisode|Folge|Episodio|Episódio|Aflevering|Avsnitt|Afsnit|Jakso|Odcinek|Bölüm|Эпизод|Серия|"
    r"Chapter|Chapitre|Kapitel|Capítulo|エピソード|에피소드|第)\s*(\d{1,4})\s*[集話话]?",
    re.IGNORECASE,
)
_NO_VIEWING = re.compile(r"_hook_|_backfill|\b(?:Clip|Trailer|Teaser)\s*:", re.IGNORECASE)
_CJK_NUMBERS = "一二三四五六七八九十"


@dataclass(frozen=True)
class Name:
    """A name taken apart: `series`, `season` and `episode` are None for a film."""

    whole: str
    series: str | None = None
    season: int | None = None
    episode: str | None = None


def is_no_viewing(name: str) -> bool:
    """Whether the name marks a trailer, a hook or a clip."""
    return bool(_NO_VIEWING.search(name))


def names_of(whole: Sequence[str]) -> dict[str, Name]:
    """Each different name taken apart.

    "Volume 2" or "Chapter 2" also stands in the names of films, so such a middle part makes a series only where the
    file has two different episodes under it.
    """
    different = dict.fromkeys(whole)
    under = Counter(found.series for name in different if (found := _split(name, _BOOK)))
    named: dict[str, Name] = {}
    for name in different:
        sure = _split(name, _SEASON)
        weak = None if sure else _split(name, _BOOK)
        if weak and under[weak.series] < 2:
            weak = None
        named[name] = sure or weak or Name(name)
    return named


def titles_of(names: Iterable[Name]) -> list[Title]:
    """The titles of these names: films, episodes, and the series that they belong to."""
    titles: dict[str, Title] = {}
    for name in names:
        if name.series is None:
            title = Title(title_id_of(name), name.whole)
        else:
            series = series_id_of(name.series)
            titles.setdefault(series, Title(series, name.series, kind="series"))
            number = _EPISODE.fullmatch(name.episode or "")
            title = Title(
                title_id_of(name),
                name.episode or name.whole,
                kind="episode",
                series_id=series,
                season=name.season,
                episode=int(number[1]) if number else None,
            )
        titles.setdefault(title.title_id, title)
    return list(titles.values())


def title_id_of(name: Name) -> str:
    """The id of a film or an episode: the same whether a colon has a space before it or not."""
    return name_id(SOURCE, _COLON.sub(": ", name.whole))


def series_id_of(series: str) -> str:
    """The id of a series."""
    return name_id(f"{SOURCE}-series", series)


def _split(name: str, season: re.Pattern[str]) -> Name | None:
    """The name as series, season and episode; None where no middle part is a season."""
    colons = list(_COLON.finditer(name))
    for left, right in pairwise(colons):
        series, middle = name[: left.start()].strip(), name[left.end() : right.start()].strip()
        episode = name[right.end() :].strip()
        if not series or not episode:
            continue
        if found := season.fullmatch(middle):
            return Name(name, series, _number(found), episode)
        # "Stranger Things: Stranger Things 3: Chapter One"
        if season is _SEASON and (again := re.fullmatch(re.escape(series) + r"\s+(\d{1,2})", middle)):
            return Name(name, series, int(again[1]), episode)
    return None


def _number(found: re.Match[str]) -> int | None:
    groups = found.groupdict()
    if groups.get("limited"):
        return 1
    digits = next((g for key in ("after", "before", "cjk") if (g := groups.get(key))), None)
    if digits is None:
        return None
    return _CJK_NUMBERS.index(digits) + 1 if digits in _CJK_NUMBERS else int(digits)
