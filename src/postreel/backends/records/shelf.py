"""Titles."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import func, select

from postreel.backends.records.base import Facet, cut
from postreel.backends.records.tables import titles


class CatalogueFacet(Facet):
    """`ports.CatalogueRecords` in SQL."""

    def put_titles(self, some: Sequence[tuple[str, str]]) -> int:
        stored: dict[str, str] = {}
        for part in cut([title_id for title_id, _ in some]):
            query = select(titles.c.id, titles.c.facts).where(titles.c.id.in_(part))
            stored.update({row.id: row.facts for row in self._run(query)})
        changed = {title_id: facts for title_id, facts in some if stored.get(title_id) != facts}
        version = self.catalogue_version() + 1
        self._insert(
            titles,
            ({"id": title_id, "facts": facts, "version": version} for title_id, facts in changed.items()),
            replace=True,
        )
        return len(changed)

    def titles(self) -> list[tuple[str, str]]:
        return [(row.id, row.facts) for row in self._run(select(titles.c.id, titles.c.facts))]

    def catalogue_version(self) -> int:
        return int(self._run(select(func.coalesce(func.max(titles.c.version), 0))).scalar_one())
