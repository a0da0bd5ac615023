"""The start page and the console in a real browser: wide and narrow, light and dark, by keyboard."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from pages import new_place, served
from playwright.sync_api import Browser, Page, sync_playwright
from test_mail_in_a_browser import CONTRAST, FLAGS

PATHS = (
    "/",
    "/console/",
    "/console/outbox",
    "/console/members",
    "/console/campaigns",
    "/console/campaigns/first",
    "/console/campaigns/first/left-out",
    "/console/ledger",
)


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with served(new_place(tmp_path_factory.mktemp("console"), is_sent=True)) as found:
        yield found


@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator[Browser]:
    with sync_playwright() as play:
        started = play.chromium.launch(executable_path=chromium, args=FLAGS)
        yield started
        started.close()


@pytest.fixture(params=[(1200, "light"), (375, "dark"), (320, "light")], ids=str)
def page(browser: Browser, request: pytest.FixtureRequest) -> Iterator[Page]:
    width, scheme = request.param
    context = browser.new_context(viewport={"width": width, "height": 800}, color_scheme=scheme)
    yield context.new_page()
    context.close()


def every_path(page: Page, address: str) -> list[str]:
    """The fixed pages, a member's and a mail's."""
    found = list(PATHS)
    for listed, part in (("/console/members", "/console/members/"), ("/console/outbox", "/console/mail/")):
        page.goto(address + listed)
        found.append(str(page.locator(f"main td a[href^='{part}']").first.get_attribute("href")))
    return found


def test_every_page_fits_its_width_reads_well_and_is_free_of_complaints(page: Page, address: str):
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    for path in every_path(page, address):
        page.goto(address + path)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), path
        faint = [found for found in page.evaluate(CONTRAST) if found[1] < 4.5 or found[2] < 14]
        assert not faint, (path, faint[:3])
    assert not said


def test_headings_landmarks_and_plots_have_their_names(page: Page, address: str):
    for path in every_path(page, address):
        page.goto(address + path)
        assert page.locator("h1").count() == 1, path
        assert page.locator("main").count() == 1, path
        assert page.locator("img:not([alt])").count() == 0, path
        assert page.locator("svg:not([aria-label])").count() == 0, path
        assert page.locator("iframe:not([title])").count() == 0, path


def test_a_mail_is_shown_in_a_frame_that_fetches_nothing_and_runs_nothing(page: Page, address: str):
    asked: list[str] = []
    path = every_path(page, address)[-1]
    page.on("request", lambda request: asked.append(request.url))
    page.goto(address + path, wait_until="networkidle")
    assert all(url.startswith((address, "data:")) for url in asked)
    assert not any("/o/" in url or "/c/" in url for url in asked)
    frame = next(frame for frame in page.frames if frame.url.endswith("/page"))
    assert frame.locator("img").first.evaluate("picture => picture.naturalWidth") > 0
    link = frame.locator("a[href^='/preferences/']").first
    assert link.get_attribute("target") == "_blank"


def test_the_tour_can_be_followed_by_keyboard(browser: Browser, address: str):
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(address)
    page.locator(".tour a").first.focus()
    page.keyboard.press("Enter")
    page.wait_for_url("**/console/members/*")
    assert page.get_by_role("heading", level=1).inner_text().startswith("Member ")
    context.close()


def test_the_ledger_is_checked_at_the_press_of_a_button(browser: Browser, address: str):
    page = browser.new_page()
    page.goto(f"{address}/console/ledger")
    page.get_by_role("button", name="Check all of it").click()
    assert "All of it holds." in page.get_by_role("status").inner_text()
    page.close()


def test_what_is_switched_off_shows_in_the_console_at_once(browser: Browser, tmp_path: Path):
    with served(new_place(tmp_path, is_sent=True)) as address:
        page = browser.new_page()
        page.goto(f"{address}/console/members?q=ann")
        assert "A picks mail may go to them now." in page.locator("main").inner_text()
        page.get_by_role("link", name="Their unsubscribe page").click()
        page.get_by_role("button").first.click()
        page.goto(f"{address}/console/members?q=ann")
        assert "No picks mail goes to them" in page.locator("main").inner_text()
        page.close()
