"""The picks mail as a reader sees it: wide and narrow, light and dark, pictures on and off, fetching nothing."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

import pytest
from mails import AT, CATALOGUE, TITLES, Mail, a_brief, a_kit, a_pick, a_reason, briefs_of
from playwright.sync_api import Browser, Page, sync_playwright

from postreel.compose import messages_of

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

CONTRAST = """
() => {
  const linear = x => x <= 10.31475 ? x / 255 / 12.92 : ((x / 255 + 0.055) / 1.055) ** 2.4;
  const light = c => { const v = c.map(linear);
                       return 0.2126 * v[0] + 0.7152 * v[1] + 0.0722 * v[2]; };
  const rgb = s => s.match(/[\\d.]+/g).map(Number);
  const ground = e => { for (; e; e = e.parentElement) { const c = rgb(getComputedStyle(e).backgroundColor);
                        if (c.length < 4 || c[3] > 0) return c.slice(0, 3); } return [255, 255, 255]; };
  const found = [];
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walk.nextNode()) {
    const e = walk.currentNode.parentElement;
    if (!walk.currentNode.textContent.trim() || !e.checkVisibility() || getComputedStyle(e).opacity === '0') continue;
    if (e.getBoundingClientRect().height < 2) continue;
    const style = getComputedStyle(e);
    const [a, b] = [light(rgb(style.color).slice(0, 3)), light(ground(e))].sort((x, y) => y - x);
    const text = walk.currentNode.textContent.trim().slice(0, 30);
    found.push([text, (a + 0.05) / (b + 0.05), parseFloat(style.fontSize)]);
  }
  return found;
}
"""


@cache
def a_mail() -> Mail:
    picks = [a_pick(t.title_id, a_reason("metropolis", 0.5)) for t in TITLES[1:7]]
    brief = a_brief(picks=picks, name="Ann")
    return Mail.of(messages_of(briefs_of(brief), a_kit(), CATALOGUE, AT).column("raw")[0])


@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator[Browser]:
    with sync_playwright() as play:
        started = play.chromium.launch(executable_path=chromium, args=FLAGS)
        yield started
        started.close()


def shown(browser: Browser, width: int, scheme: str, *, has_pictures: bool = True) -> tuple[Page, list[str]]:
    page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)  # type: ignore[arg-type]
    asked: list[str] = []
    page.on("request", lambda r: None if r.url.startswith(("data:", "about:")) else asked.append(r.url))
    page.set_content(a_mail().page if has_pictures else a_mail().html.replace('src="cid:', 'data-off="'))
    return page, asked


@pytest.mark.parametrize("width", [800, 375, 320])
def test_a_mail_fits_the_screen_and_its_rows_stay_rows(browser: Browser, width: int) -> None:
    page, _ = shown(browser, width, "light")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    for row in range(5):
        picture = page.locator("img[width='80']").nth(row).bounding_box()
        name = page.locator("h3").nth(row).bounding_box()
        assert picture is not None
        assert name is not None
        assert name["x"] >= picture["x"] + picture["width"]
        assert picture["y"] <= name["y"] + name["height"] <= picture["y"] + picture["height"]
    page.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_can_be_read_in_both_schemes(browser: Browser, scheme: str) -> None:
    page, _ = shown(browser, 800, scheme)
    texts = page.evaluate(CONTRAST)
    assert len(texts) > 20
    assert [t for t in texts if t[1] < 4.5] == []
    assert [t for t in texts if t[2] < 14] == []
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert ground == ("rgb(251, 248, 241)" if scheme == "light" else "rgb(21, 20, 27)")
    page.close()


def test_reading_a_mail_without_grants_asks_nobody_for_anything(browser: Browser) -> None:
    page, asked = shown(browser, 800, "light")
    page.wait_for_timeout(200)
    assert asked == []
    assert page.evaluate("[...document.images].every(i => i.complete && i.naturalWidth > 0)")
    page.close()


def test_with_pictures_off_the_words_say_it_all(browser: Browser) -> None:
    page, _ = shown(browser, 375, "light", has_pictures=False)
    text = page.inner_text("body")
    for title in TITLES[1:7]:
        assert title.name in text
    assert "Play" in text
    plate = page.locator("td[width='80'][height='120']").first.bounding_box()
    assert plate is not None
    assert (round(plate["width"]), round(plate["height"])) == (80, 120)
    page.close()


def test_what_is_tapped_is_large_enough(browser: Browser) -> None:
    page, _ = shown(browser, 375, "light")
    for name in ("Play Sunrise", "Preferences", "Stop these mails", "Why this mail?"):
        box = page.get_by_role("link", name=name).bounding_box()
        assert box is not None
        assert box["height"] >= 43.9, name
    page.close()
