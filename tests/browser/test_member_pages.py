"""Members' pages in a real browser: with and without script, on a phone, by keyboard alone, light and dark."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from pages import Place, new_place, served
from playwright.sync_api import Browser, Page, sync_playwright
from test_mail_in_a_browser import CONTRAST, FLAGS

from postreel.purposes import SWITCHABLE, MailPicks
from postreel.tokens import TokenKind

PICKS = SWITCHABLE.index(MailPicks)
SMALL_TARGETS = """
() => [...document.querySelectorAll('button, a.button, label:has(input), summary, nav a, footer a, .links a')]
        .filter(e => e.checkVisibility() && e.getBoundingClientRect().height < 43.9)
        .map(e => e.textContent.trim())
"""
UNNAMED = """
() => [...document.querySelectorAll('input:not([type=hidden]), button, a')]
        .filter(e => !(e.labels?.length || e.getAttribute('aria-label') || e.textContent.trim()))
        .map(e => e.outerHTML)
"""


@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator[Browser]:
    with sync_playwright() as play:
        started = play.chromium.launch(executable_path=chromium, args=FLAGS)
        yield started
        started.close()


class Site:
    """The pages of one place, served."""

    def __init__(self, place: Place, base: str) -> None:
        self.place, self.base = place, base

    def link(self, name: str, what: str) -> str:
        return self.place.app.gate.new_link(self.place.member(name), what, 60)

    def token(self, kind: TokenKind, name: str, extra: int = 0) -> str:
        return self.place.token(kind, name, extra)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    place = new_place(tmp_path_factory.mktemp("site"), is_sent=True)
    with served(place) as base:
        yield Site(place, base)


@pytest.fixture(params=[True, False], ids=["script on", "script off"])
def phone(request: pytest.FixtureRequest, browser: Browser, site: Site) -> Iterator[Page]:
    context = browser.new_context(
        base_url=site.base, viewport={"width": 375, "height": 800}, java_script_enabled=request.param
    )
    yield context.new_page()
    context.close()


def grant_again(site: Site, name: str, *purposes: str) -> None:
    site.place.app.gate.rights(site.place.member(name)).grant(purposes, "test", "test")


def test_one_press_unsubscribes(phone: Page, site: Site) -> None:
    grant_again(site, "bob", "mail.picks")
    phone.goto(f"/unsubscribe/{site.token(TokenKind.UNSUBSCRIBE, 'bob', PICKS)}")
    phone.get_by_role("button", name="Stop these mails").click()
    assert phone.get_by_role("heading", level=1).inner_text() == "You are unsubscribed"
    assert site.place.state("bob", "mail.picks") == "withdrawn"


def test_a_switch_is_saved_and_said_in_place(phone: Page, site: Site) -> None:
    grant_again(site, "ann", "measure.clicks")
    phone.goto(f"/preferences/{site.token(TokenKind.PREFERENCES, 'ann')}")
    phone.get_by_role("checkbox", name="Tell you what I click").uncheck()
    phone.get_by_role("button", name="Save").click()
    assert "Off now: Tell you what I click" in phone.get_by_role("status").first.inner_text()
    assert not phone.get_by_role("checkbox", name="Tell you what I click").is_enabled()
    assert site.place.state("ann", "measure.clicks") == "withdrawn"
    assert site.place.state("ann", "mail.picks") == "granted"


def test_the_four_questions_are_answered(phone: Page, site: Site) -> None:
    phone.goto(f"/welcome/{site.link('cat', 'welcome')}")
    first = phone.get_by_role("group", name="May we recommend from what you watch?")
    assert not first.get_by_label("Yes").is_checked()
    assert not first.get_by_label("No").is_checked()
    first.get_by_text("What a yes is to").click()
    assert first.get_by_text("Titles that fit you, each with its true reason.").is_visible()
    first.get_by_label("No").check()
    phone.get_by_role("group", name="May we mail you?").get_by_label("Yes").check()
    phone.get_by_role("button", name="Save my answers").click()
    assert phone.get_by_role("heading", level=1).inner_text() == "Thank you"
    assert site.place.state("cat", "history") == "refused"
    assert site.place.state("cat", "mail.picks") == "granted"
    assert site.place.state("cat", "learn") == "unknown"


def test_signing_in_and_granting_by_keyboard_alone(phone: Page, site: Site) -> None:
    phone.goto(f"/confirm/{site.link('bob', 'sign in')}")
    press_until(phone, "Sign in")
    phone.keyboard.press("Enter")
    phone.wait_for_url("**/account/home")
    phone.goto("/account/preferences")
    box = phone.get_by_role("checkbox", name="Send me offers")
    was_on = box.is_checked()
    box.focus()
    phone.keyboard.press("Space")
    press_until(phone, "Save")
    phone.keyboard.press("Enter")
    word = "Off" if was_on else "On"
    assert f"{word} now: Send me offers" in phone.get_by_role("status").first.inner_text()


def press_until(page: Page, name: str) -> None:
    """Tab on until the button of this name has the focus, which must be seen."""
    button = page.get_by_role("button", name=name, exact=True)
    for _ in range(60):
        page.keyboard.press("Tab")
        if button.and_(page.locator(":focus")).count():
            return
    raise AssertionError(f"no number of tabs reaches {name!r}")


@pytest.mark.parametrize("width", [800, 375, 320])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_page_fits_can_be_read_and_asks_only_its_own_host(
    browser: Browser, site: Site, width: int, scheme: str
) -> None:
    context = browser.new_context(
        base_url=site.base,
        viewport={"width": width, "height": 900},
        color_scheme=scheme,  # type: ignore[arg-type]
    )
    page = context.new_page()
    asked: list[str] = []
    page.on("request", lambda r: asked.append(r.url))
    faults: list[str] = []
    page.on("console", lambda m: faults.append(m.text) if "Content Security" in m.text else None)
    why = f"/why/{site.token(TokenKind.WHY, 'ann')}"
    page.goto(f"/confirm/{site.link('ann', 'sign in')}")
    page.get_by_role("button", name="Sign in").click()
    for path in (
        f"/unsubscribe/{site.token(TokenKind.UNSUBSCRIBE, 'ann', PICKS)}",
        f"/preferences/{site.token(TokenKind.PREFERENCES, 'ann')}",
        f"/welcome/{site.link('cat', 'welcome')}",
        f"/confirm/{site.link('cat', 'grant measure.opens')}",
        "/confirm/none",
        "/account",
        "/account/home",
        "/account/known",
        "/account/preferences",
        "/account/erase",
        why,
        "/privacy",
    ):
        page.goto(path)
        page.evaluate("document.querySelectorAll('details').forEach(one => { one.open = true; })")
        assert page.evaluate("document.documentElement.scrollWidth") <= width, path
        texts = page.evaluate(CONTRAST)
        assert [t for t in texts if t[1] < 4.5] == [], path
        assert [t for t in texts if t[2] < 14] == [], path
        assert page.evaluate(SMALL_TARGETS) == [], path
        assert page.evaluate(UNNAMED) == [], path
    assert all(url.startswith((site.base, "data:")) for url in asked)
    assert faults == []
    context.close()
