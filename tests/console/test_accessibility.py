"""The console page for everybody: contrast, names, keyboard, a narrow window, large text; judged by axe."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, Page, expect

from local.demo.pipeline import Pipeline
from tests.console.browser import WIDE, open_browser, open_page
from tests.console.conftest import Console

pytestmark = pytest.mark.timeout(300)
NARROW = {"width": 360, "height": 740}
RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}
LONG = b'{"product_id":"' + b"long" * 60 + b'","price":"' + b"9" * 400 + b'"}'


@pytest.fixture(scope="module")
async def browser(pipeline: tuple[Pipeline, Path], running_console: Console) -> AsyncIterator[Browser]:
    """Browser of this module; the page has something of everything to show."""
    account = pipeline[0].account
    async with open_browser() as browser:
        for data in (LONG, b'{"product_id":"a","price":19.995}', b'{"product_id":"a","inventory":1}'):
            await account.kinesis.put_record(StreamName=account.stream_name, Data=data, PartitionKey="key")
        async with open_page(browser, running_console) as page:
            await filled(page)
        yield browser


async def filled(page: Page) -> None:
    """Let the page show a batch, a record with its fixes, and a product with its history."""
    await expect(page.locator("#batch tbody tr").first).to_be_visible()
    await page.locator(".records button", has_text="19.995").click()
    await page.get_by_role("button", name="Send this …").first.click()
    await page.get_by_label("Product id").fill("a")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("region", name="History")).to_be_visible()
    await expect(page.locator("#check")).to_be_enabled()


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("size", [WIDE, NARROW], ids=["wide", "narrow"])
async def test_axe_finds_nothing(
    browser: Browser, running_console: Console, size: dict[str, int], *, dark: bool
) -> None:
    async with open_page(browser, running_console, viewport=size, dark=dark) as page:
        await filled(page)
        found = await Axe().run(page, options=RULES)
    assert found.violations_count == 0, found.generate_report()


@pytest.mark.parametrize(
    ("size", "text_percent"), [(NARROW, 100), (NARROW, 200), (WIDE, 200)], ids=["narrow", "narrow-200", "200"]
)
async def test_nothing_is_cut_off_or_beside_the_window(
    browser: Browser, running_console: Console, size: dict[str, int], text_percent: int
) -> None:
    async with open_page(browser, running_console, viewport=size, text_percent=text_percent) as page:
        await filled(page)
        beside = await page.evaluate(
            """[...document.querySelectorAll("body *")]
               .filter((one) => !one.parentElement.closest(".scrolls, pre, .plot") && !one.matches(".skip"))
               .filter((one) => one.getBoundingClientRect().right > innerWidth)
               .map((one) => one.outerHTML.slice(0, 200))"""
        )
        assert beside == []
        cut = await page.evaluate(
            """[...document.querySelectorAll("button, h1, h2, h3, p, dd, .chip")]
               .filter((one) => getComputedStyle(one).display !== "inline")
               .filter((one) => one.scrollWidth > one.clientWidth + 1)
               .map((one) => one.outerHTML)"""
        )
        assert cut == []


async def test_the_keyboard_goes_through_the_page_in_order(
    browser: Browser, running_console: Console
) -> None:
    async with open_page(browser, running_console) as page:
        for last in ("#batch tbody tr", ".records button", '[data-switch="traffic"] button'):
            await expect(page.locator(last).first).to_be_visible()
        order = []
        for _ in range(60):
            await page.keyboard.press("Tab")
            order.append(
                await page.evaluate(
                    "document.activeElement.closest('section')?.id ?? document.activeElement.className"
                )
            )
    sections = list(dict.fromkeys(order))
    assert sections[0] == "skip"
    assert sections[1:4] == ["switches", "batch", "invariants"]
    assert "quarantine" in sections


async def test_nothing_moves_for_those_who_ask_for_it(browser: Browser, running_console: Console) -> None:
    async with open_page(browser, running_console) as page:
        await page.emulate_media(reduced_motion="reduce")
        assert await page.evaluate("document.getAnimations().length") == 0
