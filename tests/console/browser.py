"""A real browser, without a window: Chromium as the system has it, driven by Playwright."""

import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from playwright.async_api import Browser, Page, async_playwright, expect

from tests.console.conftest import Console

_PROGRAMS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
# Of a busy machine; what is waited for is there at once on another.
PATIENCE_MS = 45_000
WIDE = {"width": 1280, "height": 900}


@asynccontextmanager
async def open_browser() -> AsyncIterator[Browser]:
    """Yield a browser; skip the test where there is none."""
    program = next((found for name in _PROGRAMS if (found := shutil.which(name))), None)
    if program is None:
        pytest.skip(f"THE PAGE IS NOT TESTED: none of {', '.join(_PROGRAMS)} is installed")
    expect.set_options(timeout=PATIENCE_MS)
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=program)
        try:
            yield browser
        finally:
            await browser.close()


@asynccontextmanager
async def open_page(
    browser: Browser,
    console: Console,
    *,
    viewport: dict[str, int] | None = None,
    dark: bool = False,
    text_percent: int = 100,
) -> AsyncIterator[Page]:
    """Yield the console's page; fail if the browser's own console has an error or a warning."""
    size = viewport or WIDE
    context = await browser.new_context(
        viewport={"width": size["width"], "height": size["height"]},
        color_scheme="dark" if dark else "light",
    )
    context.set_default_timeout(PATIENCE_MS)
    said: list[str] = []
    page = await context.new_page()
    page.on("console", lambda line: said.append(f"{line.type}: {line.text}"))
    page.on("pageerror", lambda error: said.append(f"error: {error}"))
    page.on("dialog", lambda dialog: said.append(f"dialog: {dialog.message}"))
    try:
        await page.goto(console.url)
        await page.evaluate("size => { document.documentElement.style.fontSize = size }", f"{text_percent}%")
        yield page
    finally:
        await context.close()
    assert said == []
