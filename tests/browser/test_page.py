"""The observer's page, as who opens it in a browser sees and uses it."""

from __future__ import annotations

import re
from collections.abc import Callable

from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import Opens

Picture = Callable[..., None]


def row(page: Page, title: str) -> Locator:
    """The row of a process, by its title."""
    exact = re.compile(f"^{re.escape(title)}$")
    return page.locator(".row:visible", has=page.locator(".title", has_text=exact))


def find(page: Page, words: str) -> None:
    """Filter, choose what is found, and clear the filter; with the keyboard alone."""
    expect(page.locator(".row:visible").first).to_be_visible()
    page.keyboard.press("/")
    page.keyboard.type(words)
    expect(page.locator("#shown")).to_contain_text("of")
    page.keyboard.press("Enter")
    page.keyboard.press("Escape")


def test_tree_shows_who_supervises_whom(page: Page, opens: Opens, picture: Picture) -> None:
    page.goto(opens().url)
    levels = {
        "main": "1",
        "shop": "2",
        "cart": "3",
        "store": "3",
        "shelf-1": "4",
        "packing": "3",
        "packer-7": "4",
    }
    for title, level in levels.items():
        expect(row(page, title)).to_have_attribute("aria-level", level)
    expect(row(page, "store")).to_contain_text("Supervisor rest_for_one")
    expect(row(page, "packer-0").locator(".cell").nth(2)).not_to_have_text("0")  # messages a second
    expect(page.locator("#f-processes")).to_have_text("17")
    expect(page).to_have_title(re.compile(r"^shop\."))
    find(page, "cart")
    expect(page.locator("#detail h2")).to_have_text("cart")
    picture("light", after=6000)


def test_crash_and_restart_are_seen_as_they_happen_among_a_thousand(
    page: Page, opens: Opens, picture: Picture
) -> None:
    seen = opens(workers=1000)
    page.goto(seen.url)
    expect(page.locator("#f-processes")).to_have_text("1,009")
    assert page.locator(".row").count() < 100  # only what is in view is drawn
    seen.run(seen.node.send, "packer-3", "crash")
    expect(row(page, "packer-3").and_(page.locator(".gone"))).to_be_visible()
    again = row(page, "packer-3").and_(page.locator(".born"))
    expect(again).to_contain_text("↻ 1")
    expect(page.locator("#log li").first).to_contain_text("ValueError: out of <i>tea</i>; restarting it")
    picture("restart")
    expect(page.locator("#f-restarts")).to_have_text("1")
    expect(page.locator("#f-crashes")).to_have_text("1")
    expect(page.locator(".row.gone:visible")).to_have_count(0)
    expect(row(page, "packer-3")).to_have_count(1)
    find(page, "packer-999")
    expect(row(page, "packer-999")).to_have_class(re.compile("selected"))
    page.keyboard.press("Home")
    expect(row(page, "main")).to_have_class(re.compile("selected"))


def test_process_is_shown_in_full_and_its_messages_once_they_are_recorded(
    page: Page, opens: Opens, picture: Picture
) -> None:
    seen = opens()
    page.goto(seen.url)
    find(page, "cart")
    detail = page.locator("#detail")
    expect(detail.locator(".facts")).to_contain_text("Cart")
    expect(detail).to_contain_text('"customer": "<b>Ada</b>"')
    expect(detail.locator("b")).to_have_count(0)
    expect(detail).to_contain_text("where it waits")
    detail.get_by_role("button", name="record").click()
    expect(detail).to_contain_text("nothing has come yet")
    seen.run(seen.node.call, "cart", "add", "<img src=x onerror=alert(1)>")
    expect(detail.locator("table.messages")).to_contain_text("<img src=x onerror=alert(1)>")
    expect(detail.locator("img")).to_have_count(0)
    page.emulate_media(color_scheme="dark")
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    picture("detail")
    detail.get_by_role("button", name="shop").first.click()
    expect(page.locator("#detail h2")).to_have_text("shop")


def test_durable_processes_are_in_the_tree_and_link_to_temporal(
    page: Page, opens: Opens, picture: Picture
) -> None:
    page.goto(opens(workers=3, durable=True).url)
    expect(row(page, "order-1")).to_have_attribute("aria-level", "2")
    expect(row(page, "order-1")).to_contain_text("durable")
    expect(row(page, "parcel-1")).to_have_attribute("aria-level", "3")
    find(page, "delivery")
    link = page.get_by_role("link", name="history of this process")
    expect(link).to_have_attribute(
        "href", re.compile(r"^http://localhost:8233/namespaces/default/workflows/delivery/")
    )
    expect(link).to_have_attribute("rel", "noopener noreferrer")
    page.keyboard.press("d")
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    picture("dark")


def test_keyboard_is_enough(page: Page, opens: Opens) -> None:
    page.goto(opens().url)
    expect(row(page, "packer-7")).to_be_visible()
    page.keyboard.press("j")
    expect(row(page, "main")).to_have_class(re.compile("selected"))
    page.keyboard.press("ArrowDown")
    expect(row(page, "shop")).to_have_class(re.compile("selected"))
    page.keyboard.press("ArrowLeft")
    expect(row(page, "shop")).to_have_attribute("aria-expanded", "false")
    expect(row(page, "packer-7")).to_have_count(0)
    page.keyboard.press("ArrowLeft")
    expect(row(page, "main")).to_have_class(re.compile("selected"))
    page.keyboard.press("k")
    page.keyboard.press("End")
    page.keyboard.press("Home")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    expect(row(page, "packer-7")).to_be_visible()
    page.keyboard.press("/")
    page.keyboard.type("packer")
    expect(page.locator("#shown")).to_have_text("11 of 17")
    page.keyboard.press("Escape")
    expect(page.locator("#shown")).to_have_text("")
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)


def test_theme_that_was_chosen_is_kept(page: Page, opens: Opens) -> None:
    url = opens().url
    page.goto(url)
    expect(page.locator("html")).to_have_attribute("data-theme", "light")
    page.keyboard.press("d")
    page.reload()
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")


def test_page_that_only_looks_has_nothing_to_act_with(page: Page, opens: Opens) -> None:
    page.goto(opens().url)
    find(page, "cart")
    expect(page.locator("#detail h2")).to_have_text("cart")
    expect(page.get_by_role("button", name="Terminate")).to_have_count(0)


def test_page_that_may_act_terminates_at_the_second_click_and_sends(page: Page, opens: Opens) -> None:
    seen = opens(allow_actions=True)
    page.goto(seen.url)
    find(page, "packer-5")
    before = seen.node.whereis("packer-5")
    page.get_by_label("topic").fill("hello")
    page.get_by_label("payload").fill('{"n": 1}')
    page.get_by_role("button", name="Send").click()
    expect(page.locator(".said")).to_have_text("sent")
    page.get_by_label("payload").fill("{broken")
    page.get_by_role("button", name="Send").click()
    expect(page.locator(".said")).to_contain_text("JSON")
    page.get_by_role("button", name="Terminate").click()
    assert seen.node.whereis("packer-5") == before
    page.get_by_role("button", name="Really terminate?").click()
    expect(row(page, "packer-5").locator(".again").last).to_have_text("↻ 1")
