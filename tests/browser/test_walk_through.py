"""The page "Walk through" as a person sees it: from one click to the caption, in headless Chromium."""

from __future__ import annotations

import re

import pytest

pytest.importorskip("playwright")
from PIL import Image
from playwright.sync_api import Page, expect

pytestmark = pytest.mark.browser

SECONDS = re.compile(r"done in [\d.]+ m?s")
DONE = re.compile(r"· syntic · [\d.]+ m?s")


def head(page: Page, stage: str):
    return page.locator(f"#stage-{stage} .s-state")


def wait_for_the_caption(page: Page) -> None:
    expect(page.locator(".s-what")).to_have_text(DONE, timeout=90_000)
    expect(page.locator("#s-stop")).to_be_disabled()


def wait_for_the_map(page: Page) -> None:
    expect(page.locator("#s-map .js-plotly-plot .scatterlayer .trace").first).to_be_visible()


def test_one_click_on_a_picture_leads_to_its_caption(visit):
    page = visit()
    expect(page.locator(".s-caption")).to_have_text("Pick a picture or a sentence.")
    wait_for_the_map(page)
    page.locator(".s-pictures button").first.click()
    wait_for_the_caption(page)
    for stage in ("encode", "project", "detect", "attend", "decode"):
        expect(head(page, stage)).to_have_text(SECONDS)
    for stage, reason in (("generate", "your picture is used"), ("refine", "A real picture is not refined")):
        expect(head(page, stage)).to_have_text("left out")
        expect(page.locator(f"#stage-{stage}")).to_contain_text(reason)
    expect(page.locator("#stage-encode .s-strip img")).to_be_visible()
    expect(page.locator("#stage-project .s-bars li")).to_have_count(11)
    expect(page.locator("#stage-detect .s-boxes img")).to_be_visible()
    expect(page.locator("#stage-attend table tbody tr").first).to_be_visible()
    expect(page.locator("#stage-decode .s-token").first).to_be_visible()
    labels = page.locator("#s-map .textpoint text")
    expect(labels).to_have_text(["real", "projected"])
    expect(page.locator("#s-panel button[aria-current=true]")).to_have_attribute("data-index", "0")
    expect(page.locator("#s-panel button[aria-current=true]")).to_have_count(1)
    expect(page.locator("#stage-project .katex-display")).to_be_visible()


def test_one_click_on_a_sentence_draws_refines_and_captions_it(visit):
    page = visit()
    page.locator(".s-sentences button").first.click()
    wait_for_the_caption(page)
    for stage in ("generate", "encode", "refine", "project", "detect", "attend", "decode"):
        expect(head(page, stage)).to_have_text(SECONDS)
    expect(page.locator("#stage-generate .s-big")).to_be_visible()
    expect(page.locator("#stage-generate .s-frames img").first).to_be_visible()
    expect(page.locator("#stage-refine .s-curve path")).to_be_visible()
    expect(page.locator("#s-map .textpoint text")).to_have_text(["generated", "refined", "projected"])
    expect(page.locator(".s-sentences button[aria-current=true]")).to_have_attribute("data-index", "0")
    assert "text=" in page.url

    token = page.locator("#stage-decode .s-token").first
    choices = page.locator("#stage-decode .s-choices").first
    expect(choices).to_be_hidden()
    token.click()
    expect(choices).to_be_visible()
    expect(choices.locator("li").first).to_be_visible()

    bars = page.locator("#stage-project .s-bars").inner_text()
    page.locator("#s-live input[type=number]").fill("400")
    page.locator("#s-live input[type=number]").press("Enter")
    expect(page.locator("#stage-project .s-bars")).not_to_have_text(bars, use_inner_text=True)


def test_an_own_sentence_and_bad_ones(visit):
    page = visit()
    box = page.locator("#s-own-text textarea")
    box.fill("   ")
    page.get_by_role("button", name="Draw and caption it").click()
    expect(page.get_by_text("The text is empty")).to_be_visible()
    expect(page.locator(".s-caption")).to_have_text("Pick a picture or a sentence.")
    box.fill("two cats in the grass <b>at the beach</b>")
    box.press("Enter")
    wait_for_the_caption(page)
    expect(page.locator(".s-what")).to_contain_text("<b>at the beach</b>")


def test_an_own_picture_is_captioned_and_a_text_file_is_refused(visit, service, tmp_path):
    page = visit()
    page.get_by_role("tab", name="Own picture").click()
    page.locator("input[type=file]").first.set_input_files(next(iter(service.example_images.values())))
    expect(page.locator("#s-panel .image-container img, #s-panel .image-frame img").first).to_be_visible()
    page.get_by_role("button", name="Caption it", exact=True).click()
    wait_for_the_caption(page)
    caption = page.locator(".s-caption").inner_text()
    notes = tmp_path / "notes.png"
    notes.write_text("not a picture at all")
    page.get_by_role("button", name="Remove Image").first.click()
    page.locator("input[type=file]").first.set_input_files(notes)
    expect(page.locator("#s-panel .image-container img, #s-panel .image-frame img").first).to_be_visible()
    page.get_by_role("button", name="Caption it", exact=True).click()
    expect(page.get_by_text("'notes.png' cannot be read as a picture; give a JPEG")).to_be_visible()
    expect(page.locator(".s-caption")).to_have_text(caption)


def test_settings_start_nothing_by_themselves(visit):
    page = visit()
    page.get_by_text("Settings", exact=True).click()
    page.get_by_label("beam", exact=True).click()
    expect(page.get_by_label("Beam size").first).to_be_visible()
    page.wait_for_timeout(1000)
    expect(page.locator(".s-caption")).to_have_text("Pick a picture or a sentence.")
    page.locator(".s-sentences button").first.click()
    wait_for_the_caption(page)
    expect(page.locator("#stage-decode .s-beams li").nth(1)).to_be_visible()


def test_a_link_restores_and_runs_only_on_a_click(visit):
    page = visit("/?text=two+cats+in+the+grass&variant=fp&refinement_steps=10")
    expect(page.locator(".s-caption")).to_have_text("Restored from the link. Press Run.")
    page.wait_for_timeout(1000)
    expect(head(page, "decode")).to_have_text("not run yet")
    page.locator("#s-run").click()
    expect(page.locator(".s-what")).to_have_text(re.compile(r"two cats.* · fp · "), timeout=90_000)
    expect(page.locator("#stage-refine")).to_contain_text("leaves the refinement (FO) out")


def test_a_link_s_picture_is_marked_where_it_is_from(visit, service):
    name = list(service.example_images)[1]
    page = visit(f"/?example={name}")
    expect(page.locator(".s-what")).to_have_text(f"From example picture {name}")
    expect(page.locator("#s-panel button[aria-current=true]")).to_have_attribute("data-value", name)


def test_a_picture_beside_the_pointer_leaves_the_point_s_name_in_sight(visit, filled):
    page = visit()
    filled(page)
    wait_for_the_map(page)
    expect(page.locator("#g-sheets img").first).to_be_attached()
    picture, name = page.locator(".s-thumb"), page.locator("#s-map .hoverlayer .hovertext")
    page.evaluate(  # not by the mouse: another mark may lie over one of those that have pictures here
        """() => {
          const plot = document.querySelector('#s-map .js-plotly-plot');
          const real = plot.data.findIndex((trace) => trace.meta === 'real');
          window.Plotly.Fx.hover(plot, [{curveNumber: real, pointNumber: 0}]);
          plot.emit('plotly_hover', {points: [{data: plot.data[real], pointNumber: 0}], event: {}});
        }"""
    )
    expect(picture).to_be_visible()
    expect(name).to_be_visible()
    page.wait_for_timeout(200)
    one, other = picture.bounding_box(), name.bounding_box()
    assert one["y"] + one["height"] <= other["y"] or other["y"] + other["height"] <= one["y"]
    expect(page.locator(".modebar-btn--logo")).to_be_hidden()


def test_stop_ends_a_run(visit, service, monkeypatch):
    generator = service.pipeline.generator
    generate = generator.generate

    def generate_for_long(texts, seeds, on_step=None):
        for _ in range(200):  # the real model, again and again: long enough to press Stop
            pictures = generate(texts, seeds, lambda step, total, preview: on_step(step, total, None))
        return pictures

    monkeypatch.setattr(generator, "generate", generate_for_long)
    page = visit("/?text=a+dog&refinement_steps=2000")
    page.locator("#s-run").click()
    page.locator("#s-stop").click()
    expect(page.locator(".s-caption")).to_have_text("Stopped.")
    expect(head(page, "decode")).to_have_text("not run yet")


@pytest.mark.parametrize("path", ["/", "/about"])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_phone_needs_no_scrolling_to_the_side(visit, path, theme):
    page = visit(f"{path}?__theme={theme}", width=390, height=844)
    expect(page.locator(".s-brand")).to_be_visible()
    if path == "/":
        page.locator(".s-sentences button").first.click()
        wait_for_the_caption(page)
        expect(page.locator(".s-sample")).to_be_in_viewport()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    wide = "[...document.querySelectorAll('main *')].filter(e => e.getBoundingClientRect().right > 391)"
    outside = f"{wide}.filter(e => !e.closest('.katex, .js-plotly-plot, .s-heat-box')).map(e => e.className)"
    assert page.evaluate(outside) == []


def test_the_theme_button_switches_and_is_remembered(visit):
    page = visit("/?__theme=light")
    assert "dark" not in (page.locator("body").get_attribute("class") or "")
    wait_for_the_map(page)  # leaving a page that still loads makes Gradio complain
    page.locator(".s-theme").click()
    expect(page.locator("body")).to_have_class(re.compile("dark"))
    wait_for_the_map(page)
    page.goto(page.url.split("?")[0])
    expect(page.locator("body")).to_have_class(re.compile("dark"))
    wait_for_the_map(page)


def test_the_about_page_is_one_click_away_and_back(visit, filled):
    page = visit()
    filled(page)
    wait_for_the_map(page)
    page.wait_for_timeout(1000)  # Gradio complains of a page that is left while anything is under way
    page.locator(".s-nav").get_by_role("link", name="About").click()
    expect(page.get_by_role("heading", name="What you see here")).to_be_visible()
    filled(page)
    page.locator(".s-nav").get_by_role("link", name="Walk through").click()
    expect(page.locator(".s-pictures")).to_be_visible()


def test_a_finished_run_can_be_asked_for_more(visit):
    page = visit("/?text=two+cats+in+the+grass&refinement_steps=10")
    page.locator("#s-run").click()
    wait_for_the_caption(page)
    steps = page.locator("#s-map .s-steps output")
    expect(steps).to_have_text(re.compile("step 10 of 10"))
    page.locator("#s-step").focus()
    page.keyboard.press("Home")
    expect(steps).to_have_text(re.compile(r"step 0 of 10, turned by 0\.0°"))
    expect(page.locator("#s-map .annotation-arrow-g")).not_to_have_count(0)

    page.locator(".s-pictures button").first.click()
    expect(page.locator(".s-what")).to_have_text(re.compile(r"example picture.*· syntic · "), timeout=90_000)
    page.locator("#s-tagging input").first.uncheck()
    expect(page.locator("#stage-attend .s-follow")).to_contain_text("Without ")
    item = page.locator("#stage-decode .s-token-item").first
    item.locator(".s-token").click()
    item.locator(".s-other").first.click()
    expect(page.locator("#stage-decode .s-follow")).to_contain_text("instead of")


def test_a_run_and_its_figures_are_saved(visit):
    page = visit("/?text=two+cats+in+the+grass&refinement_steps=10")
    page.locator("#s-run").click()
    wait_for_the_caption(page)
    for button, name in (
        ("#s-save", "syntic-trace.json"),
        ("#stage-refine [data-save=svg]", "refinement-loss.svg"),
        ("#stage-project [data-save=png]", "projection.png"),
        ("#stage-decode [data-save=csv]", "caption-tokens.csv"),
        ("[data-map-save=svg]", "feature-map.svg"),
        ("[data-map-save=csv]", "feature-map.csv"),
    ):
        with page.expect_download() as saved:
            page.locator(button).click()
        assert saved.value.suggested_filename == name
        text = saved.value.path().read_bytes()
        assert len(text) > 100, name
    assert text.count(b"\n") > 50, "the map's own marks are in the file as well"


def test_a_broken_link_and_a_picture_from_outside_say_so_on_the_page(visit, tmp_path):
    page = visit("/?variant=everything")
    expect(page.locator("#s-notice")).to_contain_text("cannot be restored")
    path = tmp_path / "plain.png"
    Image.new("RGB", (64, 64), (255, 0, 255)).save(path)
    page.get_by_role("tab", name="Own picture").click()
    page.locator("input[type=file]").first.set_input_files(path)
    expect(page.locator("#s-panel .image-container img, #s-panel .image-frame img").first).to_be_visible()
    page.get_by_role("button", name="Caption it", exact=True).click()
    wait_for_the_caption(page)
    expect(page.locator("#s-sample .s-outside")).to_contain_text("outside the world")
