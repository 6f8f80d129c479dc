"""The console page in a real browser, on a pipeline that runs: what moves, what breaks and heals."""

import json
from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path

import asyncpg
import pytest
from playwright.async_api import Browser, Page, expect

from local.demo.pipeline import Pipeline
from tests.console.browser import open_browser, open_page
from tests.console.conftest import Console
from tests.support.real_servers import until

pytestmark = pytest.mark.timeout(300)
HOSTILE = b'{"product_id":"<img src=x onerror=alert(1)>","price":"<script>alert(1)</script>"}\x1b[2J\xff'
# As `xxd` has it, with a dot for what is not printable.
HOSTILE_DUMP = """\
000000  7b 22 70 72 6f 64 75 63 74 5f 69 64 22 3a 22 3c  {"product_id":"<
000010  69 6d 67 20 73 72 63 3d 78 20 6f 6e 65 72 72 6f  img src=x onerro
000020  72 3d 61 6c 65 72 74 28 31 29 3e 22 2c 22 70 72  r=alert(1)>","pr
000030  69 63 65 22 3a 22 3c 73 63 72 69 70 74 3e 61 6c  ice":"<script>al
000040  65 72 74 28 31 29 3c 2f 73 63 72 69 70 74 3e 22  ert(1)</script>"
000050  7d 1b 5b 32 4a ff                                }·[2J·"""


@pytest.fixture(scope="module")
async def browser() -> AsyncIterator[Browser]:
    """Browser of this module."""
    async with open_browser() as browser:
        yield browser


@pytest.fixture
async def page(browser: Browser, running_console: Console) -> AsyncIterator[Page]:
    """Page of a pipeline that runs, in a window of its own."""
    async with open_page(browser, running_console) as page:
        yield page


async def put(pipeline: tuple[Pipeline, Path], data: bytes) -> None:
    """Put a record on the stream."""
    account = pipeline[0].account
    await account.kinesis.put_record(StreamName=account.stream_name, Data=data, PartitionKey="key")


async def press(page: Page, word: str) -> None:
    """Press a switch, and wait until it is done."""
    await page.click(f'[data-word="{word}"]')
    await expect(page.locator("#switches .message")).to_contain_text(": ")


async def test_the_charts_move(page: Page) -> None:
    plot = page.locator(".chart .plot").first
    await press(page, "start-traffic")
    received = page.locator('[data-figure="received"] dd')
    await expect(received).not_to_have_text("0.0")
    first = await plot.screenshot()
    await expect(page.locator("#batch tbody tr").first).to_be_visible()
    value = await received.inner_text()
    await expect(received).not_to_have_text(value)
    assert await plot.screenshot() != first
    await expect(page.locator("#batch .stages li")).to_contain_text(
        ["decode", "archive", "catalog", "invalidate"]
    )
    await press(page, "stop-traffic")


async def test_a_stopped_redis_shows_and_heals(page: Page) -> None:
    state, pending = page.locator("#connection"), page.locator('[data-figure="pending"] dd')
    await press(page, "start-traffic")
    await expect(state).to_have_text("all is well")
    await press(page, "stop-cache")
    await expect(state).to_have_text("look at: cache")
    await expect(page.locator('[data-part="cache"] .chip')).to_have_text("away")
    await expect(pending).not_to_have_text("0")
    independent = page.locator('[data-invariant="I6"]')
    await expect(independent.locator(".chip")).to_have_text("holds")
    await expect(independent).to_contain_text("updates reached the catalog")
    await press(page, "start-cache")
    await expect(state).to_have_text("all is well")
    await expect(pending).to_have_text("0")
    await press(page, "stop-traffic")


async def test_a_stopped_database_shows_its_lag_and_heals(
    page: Page, pipeline: tuple[Pipeline, Path]
) -> None:
    await press(page, "stop-database")
    await expect(page.locator("#connection")).to_contain_text("database")
    await put(pipeline, b'{"product_id": "waits", "inventory": 1}')
    await expect(page.locator('[data-figure="lag"] dd')).not_to_have_text("0.0 s")
    await expect(page.locator("#batch tbody tr").first).to_contain_text("comes again")
    await press(page, "start-database")
    await expect(page.locator("#connection")).to_have_text("all is well")
    await expect(page.locator("#batch tbody tr").first).to_contain_text("done")


async def test_a_fix_is_tried_and_redriven(page: Page, pipeline: tuple[Pipeline, Path]) -> None:
    await put(pipeline, b'{"product_id": "to-fix", "price": 19.995, "supplier": "acme"}')
    await page.click("#quarantine-again")
    row = page.locator(".records button", has_text="19.995")
    await row.click()
    record = page.locator("#record")
    fix = record.locator(".fixes li", has_text="price: round to 2 decimals")
    await expect(fix.locator(".after")).to_have_text(
        '{"product_id":"to-fix","price":20.00,"supplier":"acme"}'
    )
    assert await price_of(pipeline, "to-fix") is None

    await fix.get_by_role("button", name="Send this …").click()
    await page.get_by_label("Why, for catalog history").fill("a test")
    await page.get_by_role("button", name="Send 1 record").click()
    await expect(record.locator(".message").first).to_have_text("Sent, and accepted by the processor.")
    assert await price_of(pipeline, "to-fix") == Decimal("20.00")
    await expect(row).to_have_count(0)


async def test_what_is_written_by_hand_is_checked_first(page: Page, pipeline: tuple[Pipeline, Path]) -> None:
    await put(pipeline, b'{"product_id": "by-hand", "inventory": "many"}')
    await page.click("#quarantine-again")
    await page.locator(".records button", has_text='"many"').click()
    form = page.locator(".by-hand")
    await form.locator("textarea").fill('{"product_id": "by-hand", "inventory": -1}')
    await form.get_by_role("button", name="Try").click()
    await expect(form.locator(".message")).to_contain_text("still rejected: invalid_inventory")
    await form.locator("textarea").fill('{"product_id": "by-hand", "inventory": 12}')
    await form.get_by_role("button", name="Try").click()
    await expect(form.locator(".after")).to_have_text('{"product_id": "by-hand", "inventory": 12}')


async def test_hostile_bytes_stay_bytes(page: Page, pipeline: tuple[Pipeline, Path]) -> None:
    await put(pipeline, HOSTILE)
    await press(page, "poison")
    await expect(page.locator("#quarantine .reason", has_text="invalid_utf8")).to_be_visible()
    await page.locator("#quarantine .reason", has_text="invalid_utf8").click()
    record = page.locator("#record")
    rows = page.locator(".records button", has_text="byte 86")
    await rows.first.click()
    await expect(record.locator(".bytes")).to_have_text(HOSTILE_DUMP, use_inner_text=True)
    await page.locator("#quarantine .reason", has_text="invalid_utf8").click()
    for message in await page.locator(".records button").all():
        await message.click()
    assert await page.locator("section :is(img, script, svg, iframe, b b)").count() == 0


async def test_a_product_shows_its_row_its_copy_and_its_history(
    page: Page, pipeline: tuple[Pipeline, Path]
) -> None:
    for update in ({"inventory": 1, "price": 2.5}, {"inventory": 7}):
        await put(pipeline, json.dumps({"product_id": "<b>shown</b>", "supplier": "acme", **update}).encode())
    # The page suggests what the catalog has when somebody types.
    catalog = await asyncpg.connect(pipeline[0].servers.postgres.address.dsn, ssl=False)
    row = "SELECT 1 FROM products WHERE product_id = '<b>shown</b>' AND inventory = 7"
    await until(lambda: catalog.fetchval(row))
    await catalog.close()
    box = page.locator("#product")
    await box.get_by_label("Product id").fill("<b>")
    await expect(box.locator("datalist option")).to_have_attribute("value", "<b>shown</b>")
    await box.get_by_label("Product id").fill("<b>shown</b>")
    await page.keyboard.press("Enter")
    await expect(box.locator("h3 code")).to_have_text("<b>shown</b>")
    await expect(box.get_by_role("region", name="Row")).to_contain_text("2.50")
    await expect(box.locator(".cached .chip")).to_have_text("not cached")
    await expect(box.locator(".history .chip").first).to_have_text("the row is what these updates make")
    await expect(box.get_by_role("region", name="History").locator("tbody tr")).to_contain_text(
        ["replaced by 2", "current"]
    )


async def test_the_invariants_are_measured(page: Page) -> None:
    button = page.locator("#check")
    await expect(button).to_be_enabled()
    await button.click()
    await expect(page.locator("#check-state")).to_contain_text("it took")
    for number in range(1, 6):
        await expect(page.locator(f'[data-invariant="I{number}"] .chip')).to_have_text("holds")
    await expect(page.locator('[data-invariant="I1"]')).to_contain_text("by catalog diff")


async def test_switches_are_pressed_with_the_keyboard(page: Page) -> None:
    button = page.locator('[data-switch="cache"] button')
    await button.focus()
    await page.keyboard.press("Enter")
    await expect(button).to_have_text("Start Redis")
    await expect(button).to_be_focused()
    await page.keyboard.press("Enter")
    await expect(button).to_have_text("Stop Redis")
    await expect(page.locator("#connection")).to_have_text("all is well")


async def price_of(pipeline: tuple[Pipeline, Path], product_id: str) -> Decimal | None:
    connection = await asyncpg.connect(pipeline[0].servers.postgres.address.dsn, ssl=False)
    try:
        price: Decimal | None = await connection.fetchval(
            "SELECT price FROM products WHERE product_id = $1", product_id
        )
    finally:
        await connection.close()
    return price
