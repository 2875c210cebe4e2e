"""The report in a real browser: offline, without errors, with its 3-D plot, on a phone and in print."""

import io
import re
import shutil

import matplotlib.image
import numpy as np
import pytest
from workflow_project import MODELS, NASTY

FLAGS = [
    *("--no-sandbox", "--disable-quic", "--disable-background-networking", "--disable-component-update"),
    *("--disable-sync", "--no-first-run", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"),
]
DRAWN_MS = 30_000  # a software renderer on a busy machine is slow


@pytest.fixture(scope="module")
def browser():
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("no browser: chromium is not on PATH")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def opened(browser, finished):
    """Opens the report from disk in a window of a size; returns the page and the list of all that went wrong on it."""
    contexts = []

    def open_report(width, height):
        context = browser.new_context(viewport={"width": width, "height": height})
        contexts.append(context)
        page = context.new_page()
        address = finished.path("results/report.html").as_uri()
        wrong = []
        page.on("console", lambda message: wrong.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("dialog", lambda dialog: (wrong.append(f"dialog {dialog.message}"), dialog.dismiss()))
        page.on(
            "request",
            lambda request: None if request.url.startswith((address, "data:")) else wrong.append(request.url),
        )
        page.goto(address)
        return page, wrong

    yield open_report
    for context in contexts:
        context.close()


def draw(page, model):
    """Scroll to the 3-D plot of a model and wait until the browser draws it; returns its canvas."""
    box = page.locator(f'.plot3d[data-run="toy.{model}.0"]')
    box.scroll_into_view_if_needed()
    canvas = page.locator(f'.plot3d.live[data-run="toy.{model}.0"] canvas').first
    canvas.wait_for(state="visible", timeout=DRAWN_MS)
    return canvas


def colours(canvas):
    """The set of colours in a picture of the canvas."""
    picture = matplotlib.image.imread(io.BytesIO(canvas.screenshot()))[..., :3]
    return {tuple(colour) for colour in np.unique((picture * 255).round().astype(int).reshape(-1, 3), axis=0)}


def types_drawn(page, canvas, finished):
    """How many of the colours that the page gives to cell types the canvas shows."""
    html = finished.path("results/report.html").read_text(encoding="utf-8")
    swatches = set(re.findall(r'class="swatch" style="background: #(\w{6})"', html))
    wanted = {tuple(int(code[start : start + 2], 16) for start in (0, 2, 4)) for code in swatches}
    seen = np.array(sorted(colours(canvas)))
    return sum(bool((np.abs(seen - np.array(colour)).max(axis=1) <= 12).any()) for colour in wanted), len(wanted)


@pytest.mark.parametrize("model", MODELS)
def test_3d_plot_draws_every_cell_type_without_error_or_request(opened, finished, model):
    page, wrong = opened(1200, 900)
    canvas = draw(page, model)
    for _ in range(20):
        drawn, wanted = types_drawn(page, canvas, finished)
        if drawn == wanted:
            break
        page.wait_for_timeout(500)
    assert drawn == wanted == 3
    assert wrong == []


def test_plot_that_left_the_window_is_dropped_and_drawn_again(opened):
    page, wrong = opened(1200, 900)
    draw(page, MODELS[0])
    draw(page, MODELS[-1])
    page.wait_for_function(f"""!document.querySelector('.plot3d[data-run="toy.{MODELS[0]}.0"] canvas')""")
    draw(page, MODELS[0])
    assert wrong == []


def test_phone_shows_all_without_scrolling_sideways(opened):
    page, wrong = opened(390, 844)
    for model in MODELS:
        draw(page, model)
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    page.evaluate("document.querySelectorAll('details').forEach(details => details.open = true)")
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    assert wrong == []


def test_print_shows_the_static_plot_in_place_of_the_rotatable_one(opened):
    page, wrong = opened(1200, 900)
    draw(page, "dae")
    page.emulate_media(media="print")
    box = page.locator('.plot3d[data-run="toy.dae.0"]')
    assert box.locator("> img").is_visible()
    assert not box.locator("> div").is_visible()
    assert page.pdf().startswith(b"%PDF")
    assert wrong == []


def test_every_picture_of_the_page_is_inside_it_and_loads(opened):
    page, wrong = opened(1200, 900)
    pictures = page.evaluate(
        "[...document.images].map(image => [image.src.slice(0, 15), image.naturalWidth > 0, image.alt.length > 0])"
    )
    assert len(pictures) == 2 + 3 * len(MODELS)  # the heatmap and quality control beside those of each model
    assert all(picture == ["data:image/png;", True, True] for picture in pictures)
    assert wrong == []


def test_cell_type_that_looks_like_html_is_shown_as_text_on_the_page_and_in_the_plot(opened):
    page, wrong = opened(1200, 900)
    draw(page, "dae")
    legend = page.locator('.plot3d.live[data-run="toy.dae.0"] .legendtext')
    legend.first.wait_for(timeout=DRAWN_MS)
    assert NASTY in legend.all_text_contents()
    assert NASTY in page.locator("td").all_text_contents()
    assert NASTY in page.locator("th").all_text_contents()
    assert page.evaluate("document.querySelectorAll('img[src=x]').length") == 0
    assert wrong == []


def test_page_holds_the_plotting_library_once(finished):
    html = finished.path("results/report.html").read_text(encoding="utf-8")
    assert html.count("* plotly.js v") == 1
    assert not re.search(r"<(script|link|img)[^>]+(src|href)=[\"'](?!data:)", html.split("<script>")[0])
