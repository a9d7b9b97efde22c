"""The page that shows which words mattered, in a headless browser: narrow and wide, by keyboard, for screen readers.

Runs by ``nox -s browser``, with the system's own Chromium or Chrome.
"""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from attention_neoml import Reader
from attention_page import Server
from playwright import sync_api

LONG_WORD = "supercalifragilistic" * 8
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with Server(Reader(engine="numpy"), 0) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    found = next((path for name in BROWSERS if (path := shutil.which(name))), None)
    assert found is not None, f"no browser: none of {', '.join(BROWSERS)} is installed"
    with sync_api.sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])
        yield running
        running.close()


@pytest.fixture(params=[360, 1280], ids=["360 px", "1280 px"])
def page(browser: Any, url: str, request: pytest.FixtureRequest) -> Iterator[Any]:
    opened = browser.new_page(viewport={"width": request.param, "height": 760})
    wrong: list[str] = []
    opened.on("pageerror", lambda error: wrong.append(str(error)))
    opened.goto(url)
    yield opened
    opened.close()
    assert wrong == []


def fits(page: Any) -> bool:
    """Whether nothing is wider than the window."""
    return bool(page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"))


def ask(page: Any, text: str) -> None:
    page.get_by_label("Description of a package").fill(text)
    with page.expect_navigation():
        page.keyboard.press("Enter")


def test_it_fits_the_window(page: Any) -> None:
    assert page.get_by_role("article").count() == 8
    assert fits(page)
    page.get_by_label("Description of a package").fill(f"midi {LONG_WORD} " * 3)
    with page.expect_navigation():
        page.get_by_role("button", name="Read").click()
    assert page.get_by_role("article").count() == 1
    assert fits(page)


def test_it_is_used_by_keyboard_alone(page: Any) -> None:
    assert page.evaluate("document.activeElement.id") == "text"
    page.keyboard.type("midi synthesizer")
    page.keyboard.press("Enter")
    page.wait_for_url("**/?text=midi+synthesizer")
    assert page.get_by_role("heading", level=2).inner_text().startswith("sound")
    assert page.get_by_label("Description of a package").input_value() == "midi synthesizer"
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Read"
    outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert outline == "solid"


def test_a_screen_reader_is_told_what_is_seen(page: Any) -> None:
    ask(page, "midi qqfoo")
    words = page.get_by_role("list", name="words, each with its weight").get_by_role("listitem")
    texts = words.all_inner_texts()
    assert texts[0].startswith("midi")
    assert "(not in the vocabulary)" in texts[1]
    assert page.get_by_role("main").count() == 1
    assert page.evaluate("document.documentElement.lang") == "en"


def test_what_is_not_read_is_said(page: Any) -> None:
    ask(page, "qqfoo zzyzx")
    assert page.get_by_text("The network knows none of these words").is_visible()
    ask(page, "midi " * 1000)
    assert "Nothing was read" in page.get_by_role("alert").inner_text()
    assert fits(page)


CONTRAST = """() => {
  const light = text => {
    const [r, g, b] = text.match(/[\\d.]+/g).map(Number).map(c => c / 255)
      .map(c => c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const over = text => {
    const [r, g, b, a = 1] = text.match(/[\\d.]+/g).map(Number);
    return `rgb(${[r, g, b].map(c => c * a + 255 * (1 - a)).join(' ')})`;
  };
  return [...document.querySelectorAll('.word, .word small, h2 small, p.note, button')].map(one => {
    const ground = one.closest('.word, button') || document.body;
    const [a, b] = [light(getComputedStyle(one).color), light(over(getComputedStyle(ground).backgroundColor))];
    return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
  });
}"""


def test_every_word_stands_out_from_its_ground(page: Any) -> None:
    """4.5 to 1, as WCAG 2 asks of text."""
    assert min(page.evaluate(CONTRAST)) >= 4.5
