"""The page of a run in a real browser: what it loads, how it fits, who can use it, and what it never runs."""

from __future__ import annotations

import itertools
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import pytest
from playwright.sync_api import Browser, Dialog, Page, sync_playwright

from usersapi_async import write_report

from .support import SCRIPT, a_bit_of_everything, busy_facts, page_of, report_of

CHROMIUM = Path(os.environ.get("CHROMIUM", "/usr/bin/chromium"))
ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
Scheme = Literal["light", "dark"]
WIDTHS = [360, 768, 1400]
SCHEMES: list[Scheme] = ["light", "dark"]
LONG = "unbroken" * 40

# For each text that is seen, the contrast of its colour with what lies behind it. Colours are read back from
# a canvas, which gives them as plain numbers however the style sheet writes them.
CONTRASTS = """() => {
  const canvas = document.createElement("canvas").getContext("2d", {willReadFrequently: true});
  const channels = colour => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = colour;
    canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data];
  };
  const light = colour => {
    const [red, green, blue] = channels(colour).map(value => {
      const part = value / 255;
      return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  };
  const behind = element => {
    for (let at = element; at; at = at.parentElement) {
      const colour = getComputedStyle(at).backgroundColor;
      if (channels(colour)[3] === 255) return colour;
    }
    return "white";
  };
  const contrast = (one, two) => {
    const [dark, bright] = [light(one), light(two)].sort((a, b) => a - b);
    return (bright + 0.05) / (dark + 0.05);
  };
  const texts = [], drawn = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    if (!walker.currentNode.data.trim() || !element.checkVisibility() || element.closest("svg")) continue;
    texts.push([walker.currentNode.data.trim(), contrast(getComputedStyle(element).color, behind(element))]);
  }
  for (const shape of document.querySelectorAll("svg .line, svg .area")) {
    const style = getComputedStyle(shape);
    const colour = style.stroke === "none" ? style.fill : style.stroke;
    drawn.push([shape.getAttribute("class"), contrast(colour, behind(shape.closest("svg")))]);
  }
  for (const edged of document.querySelectorAll(".tile, .kinds > li")) {
    if (!edged.className.replace("tile", "").trim()) continue;
    drawn.push([edged.className, contrast(getComputedStyle(edged).borderLeftColor, behind(edged))]);
  }
  return {texts, drawn};
}"""
FOCUSED = """() => {
  const element = document.activeElement, style = getComputedStyle(element);
  const box = element.getBoundingClientRect();
  return {
    tag: element.tagName.toLowerCase(),
    text: element.textContent.trim().slice(0, 30),
    name: element.getAttribute("aria-labelledby"),
    outlined: style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2,
    seen: box.right > 0 && box.bottom > 0 && box.left < innerWidth && box.top < innerHeight,
  };
}"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium, as the machine has it."""
    if not CHROMIUM.exists():
        missing = f"no {CHROMIUM}: `apt-get install chromium`, or name one in the variable CHROMIUM"
        if "NEED_CHROMIUM" in os.environ:
            pytest.fail(missing)
        pytest.skip(missing)
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield chromium
        chromium.close()


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page with everything on it, keys and texts that can't be broken into lines among that."""
    path = tmp_path_factory.mktemp("report") / "run.html"
    outcomes = a_bit_of_everything()
    path.write_text(
        page_of(
            outcomes,
            busy_facts(outcomes),
            report=report_of(outcomes, exhausted=False, stopped_by=f"{SCRIPT} {LONG}"),
            title=LONG,
            show_key=lambda key: f"{LONG}{key}",
        ),
        "utf-8",
    )
    return path


class Shown:
    """A page in the browser, with what it asked for and complained of."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.requests: list[str] = []
        self.complaints: list[str] = []
        page.on("request", lambda request: self.requests.append(request.url))
        page.on("console", lambda message: self.complaints.append(message.text))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))


@contextmanager
def showing(browser: Browser, path: Path, width: int = 1400, scheme: Scheme = "light") -> Iterator[Shown]:
    """The file, opened as somebody does who double-clicks it."""
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
    try:
        shown = Shown(context.new_page())
        shown.page.goto(path.as_uri())
        yield shown
    finally:
        context.close()


def open_all(page: Page) -> None:
    """Opens what is folded."""
    page.evaluate("document.querySelectorAll('details').forEach(one => { one.open = true })")


def comes_true(page: Page, condition: str) -> None:
    """Looks at each frame that is drawn until it does. The page's policy forbids playwright's own way."""
    came = page.evaluate(
        "() => new Promise(done => { let left = 600;"
        f"const look = () => ({condition}) ? done(true) : left-- ? requestAnimationFrame(look) : done(false);"
        "look(); })"
    )
    assert came, condition


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("width", WIDTHS)
def test_it_loads_nothing_and_fits(browser: Browser, written: Path, width: int, scheme: Scheme) -> None:
    """One request, for the file itself; no complaint; only tables are scrolled sideways, each by itself."""
    with showing(browser, written, width, scheme) as shown:
        open_all(shown.page)
        shown.page.mouse.wheel(0, 5000)
        assert shown.page.evaluate("document.documentElement.scrollWidth") <= width
        too_wide = shown.page.evaluate(
            "width => [...document.querySelectorAll('main *')]"
            ".filter(one => !one.closest('.scroll, svg') && one.getBoundingClientRect().right > width + 0.5)"
            ".map(one => one.outerHTML.slice(0, 80))",
            width,
        )
        assert too_wide == []
        assert shown.page.evaluate("document.querySelectorAll('.scroll').length") > 3
        assert shown.requests == [written.as_uri()]
        assert shown.complaints == []


@pytest.mark.parametrize("width", WIDTHS)
def test_charts_and_text_can_be_read(browser: Browser, written: Path, width: int) -> None:
    """Drawings are as wide as there is room, and no text is smaller than 12 pixels."""
    with showing(browser, written, width) as shown:
        sizes = shown.page.evaluate(
            "[...document.querySelectorAll('.plot > svg')].map(one => one.getBoundingClientRect())"
            ".map(box => [box.width, box.height])"
        )
        assert len(sizes) == 4
        assert all(wide > 200 and high > 100 for wide, high in sizes)
        smallest = shown.page.evaluate(
            "Math.min(...[...document.querySelectorAll('body *')].filter(one => one.checkVisibility())"
            ".map(one => parseFloat(getComputedStyle(one).fontSize)))"
        )
        assert smallest >= 12
        columns = shown.page.evaluate(
            "new Set([...document.querySelectorAll('.chart')]"
            ".map(one => one.getBoundingClientRect().left)).size"
        )
        assert columns == (2 if width > 1000 else 1)


@pytest.mark.parametrize("media", ["screen", "print"])
@pytest.mark.parametrize("scheme", SCHEMES)
def test_contrast(browser: Browser, written: Path, scheme: Scheme, media: Literal["screen", "print"]) -> None:
    """Text by 4.5 to 1 at the least, what is drawn by 3 to 1, in both modes and on paper."""
    with showing(browser, written, 1400, scheme) as shown:
        shown.page.emulate_media(media=media, color_scheme=scheme)
        open_all(shown.page)
        found: dict[str, list[tuple[str, float]]] = shown.page.evaluate(CONTRASTS)
        assert len(found["texts"]) > 200
        assert len(found["drawn"]) > 20
        assert [pair for pair in found["texts"] if pair[1] < 4.5] == []
        assert [pair for pair in found["drawn"] if pair[1] < 3] == []
        assert shown.page.locator("nav").is_visible() == (media == "screen")


def test_the_mode_is_the_systems(browser: Browser, written: Path) -> None:
    """Dark on light or light on dark; paper is always white."""

    def background(scheme: Scheme, media: Literal["screen", "print"] = "screen") -> str:
        with showing(browser, written, 1400, scheme) as shown:
            shown.page.emulate_media(media=media, color_scheme=scheme)
            return str(shown.page.evaluate("getComputedStyle(document.body).backgroundColor"))

    assert background("light") == "rgb(245, 246, 248)"
    assert background("dark") == "rgb(14, 17, 22)"
    assert background("dark", "print") == background("light", "print") == "rgb(255, 255, 255)"


def test_the_keyboard_reaches_everything(browser: Browser, written: Path) -> None:
    """In the order of the page, each with a visible focus: links, tables that scroll, what unfolds."""
    with showing(browser, written, 360) as shown:
        page = shown.page
        reached: list[dict[str, Any]] = []
        page.keyboard.press("Tab")
        while (at := page.evaluate(FOCUSED))["tag"] != "body" and len(reached) < 60:
            reached.append(at)
            page.keyboard.press("Tab")
        assert all(at["outlined"] and at["seen"] for at in reached)
        links = [at["text"] for at in reached if at["tag"] == "a"]
        assert links[0] == "Skip to the totals"
        assert links[1:] == page.evaluate(
            "[...document.querySelectorAll('nav a')].map(one => one.textContent)"
        )
        assert [at["text"] for at in reached if at["tag"] == "summary"] == ["The same as a table", "15 more"]
        assert [at["name"] for at in reached if at["tag"] == "div"] == [
            "durations-caption",
            "waits-caption",
            "doubtful-caption",
        ]


def test_the_keyboard_unfolds_and_scrolls(browser: Browser, written: Path) -> None:
    """Enter unfolds the numbers, which can then be scrolled with the arrows."""
    with showing(browser, written, 360) as shown:
        page = shown.page
        numbers = page.locator(".scroll[aria-labelledby=numbers-caption]")
        assert not numbers.is_visible()
        page.locator("summary").first.focus()
        page.keyboard.press("Enter")
        assert numbers.is_visible()
        page.keyboard.press("Tab")
        assert page.evaluate(FOCUSED)["name"] == "numbers-caption"
        page.keyboard.press("ArrowRight")
        comes_true(page, "document.querySelector('.scroll[aria-labelledby=numbers-caption]').scrollLeft > 0")


def test_links_lead_to_their_sections(browser: Browser, written: Path) -> None:
    """Enter goes there, and the next Tab goes on from there."""
    with showing(browser, written, 360) as shown:
        page = shown.page
        page.locator("nav a", has_text="In doubt").focus()
        page.keyboard.press("Enter")
        assert page.evaluate("location.hash") == "#doubts"
        comes_true(page, "Math.abs(document.querySelector('#doubts').getBoundingClientRect().top) < 100")
        page.keyboard.press("Tab")
        assert page.evaluate(FOCUSED)["name"] == "doubtful-caption"


def test_it_can_be_heard(browser: Browser, written: Path) -> None:
    """What assistive technology is told: landmarks, headings, tables by name, drawings in words."""
    with showing(browser, written) as shown:
        told = shown.page.locator("body").aria_snapshot()
        for part in (
            "- banner:",
            "- main:",
            '- navigation "On this page":',
            '- region "What to do next":',
            '- heading "Over time" [level=2]',
            'img "Throughput over 1 min 0 s: succeeded ',
            '- table "Half, 90 % and 99 % took so long or less":',
            '- columnheader "p99"',
            '- rowheader "calls, with all waits and retries"',
        ):
            assert part in told
        headings = shown.page.evaluate(
            "[...document.querySelectorAll('h1, h2, h3')].map(one => Number(one.tagName[1]))"
        )
        assert headings[0] == 1
        assert headings.count(1) == 1
        assert all(below <= above + 1 for above, below in itertools.pairwise(headings))
        assert shown.page.evaluate("document.documentElement.lang") == "en"


def test_a_pointer_is_told_the_numbers(browser: Browser, written: Path) -> None:
    """Each span of time has a tip with its values, in every chart."""
    with showing(browser, written) as shown:
        tips = shown.page.evaluate(
            "[...document.querySelectorAll('.plot > svg')]"
            ".map(one => [...one.querySelectorAll('.tip title')].map(tip => tip.textContent))"
        )
        assert [len(one) for one in tips] == [100] * 4
        assert all(": succeeded " in tip and "/s, requests " in tip for tip in tips[0])
        shown.page.locator(".plot > svg").first.hover()
        hovered = "getComputedStyle(document.querySelector('.tip:hover')).fillOpacity"
        assert float(shown.page.evaluate(hovered)) > 0


def test_a_message_is_text(browser: Browser, written: Path) -> None:
    """A script in a server's words is read, not run."""
    with showing(browser, written) as shown:
        dialogs: list[str] = []

        def note(dialog: Dialog) -> None:
            dialogs.append(dialog.message)
            dialog.dismiss()

        shown.page.on("dialog", note)
        shown.page.reload()
        assert shown.page.get_by_text(SCRIPT).count() == 2
        assert shown.page.evaluate("document.querySelectorAll('script, img').length") == 0
        assert dialogs == []
        assert shown.complaints == []


def test_the_policy_holds(browser: Browser, written: Path) -> None:
    """Even what would get into the page runs nothing, loads nothing and styles nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server, showing(browser, written) as shown:
        server.setblocking(False)
        shown.page.evaluate(
            """async url => {
              const script = document.createElement("script");
              script.textContent = "window.ran = true";
              const picture = document.createElement("img");
              const style = document.createElement("style");
              style.textContent = "body { display: none }";
              document.body.append(script, picture, style);
              await new Promise(done => { picture.onerror = done; picture.src = url; });
              await fetch(url).catch(() => null);
            }""",
            f"http://127.0.0.1:{server.getsockname()[1]}/x.png",
        )
        assert shown.page.evaluate("window.ran") is None
        assert shown.page.locator("h1").is_visible()
        assert sum("Content Security Policy" in text for text in shown.complaints) >= 4
        with pytest.raises(BlockingIOError):
            server.accept()


def test_the_smallest_page(browser: Browser, tmp_path: Path) -> None:
    """A report of nothing is a page too."""
    path = tmp_path / "run.html"
    write_report(path, report_of([]))
    with showing(browser, path, 360) as shown:
        assert shown.page.get_by_text("No row was taken").is_visible()
        assert shown.page.evaluate("document.documentElement.scrollWidth") <= 360
        assert (shown.requests, shown.complaints) == ([path.as_uri()], [])
