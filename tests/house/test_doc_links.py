"""Links between the documents lead somewhere, headings included."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)#\s]*)(?:#([^)\s]+))?\)")


def anchors(page: Path) -> set[str]:
    """What GitHub calls the headings of a page."""
    headings = re.findall(r"^#+ (.*)$", page.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


def dead_links(page: Path) -> list[str]:
    """Links of a page to a file or a heading that is not there."""
    dead: list[str] = []
    for path, anchor in LINK.findall(page.read_text("utf-8")):
        if ":" in path:
            continue
        target = (page.parent / path) if path else page
        is_dead = not target.exists() or (anchor and anchor not in anchors(target))
        if is_dead:
            dead.append(f"{path}#{anchor}" if anchor else path)
    return dead


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_of_a_page_leads_somewhere(page: Path):
    assert dead_links(page) == []


def test_a_dead_link_and_a_dead_heading_are_found(tmp_path: Path):
    page = tmp_path / "page.md"
    page.write_text("# One thing\n[a](gone.md) [b](#one-thing) [c](#another) [d](https://example.org/x)\n")
    assert dead_links(page) == ["gone.md", "#another"]
