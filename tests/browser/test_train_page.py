"""The page "Train" as a person sees it: captions, a run, stop, resume, download, and the decoder in use."""

from __future__ import annotations

import re
import zipfile

import pytest

pytest.importorskip("playwright")
from playwright.sync_api import Page, expect

pytestmark = pytest.mark.browser

OWN = [
    f"a {animal} in the {place}"
    for animal in ("dog", "cat", "bird", "cow", "fox")
    for place in ("park", "sea")
]
PATIENCE = 120_000


def state(page: Page):
    return page.locator(".s-runhead .s-state")


def wait_for(page: Page, *names: str) -> None:
    expect(state(page)).to_have_attribute("data-state", re.compile("|".join(names)), timeout=PATIENCE)


def fill_number(page: Page, label: str, value: int) -> None:
    box = page.locator(f"input[type=number][aria-label*='{label}']")
    box.fill(str(value))
    box.press("Tab")


def test_own_captions_become_a_decoder_that_walk_through_uses(visit, service, tmp_path):
    page = visit("/train")
    expect(page.locator(".s-runhead")).to_contain_text("press Start")
    page.get_by_label("captions of my own").check()
    page.locator("#s-captions textarea").fill("\n".join(OWN[:3]))
    expect(page.locator("#s-panel")).to_contain_text("3 captions")
    page.locator("#s-start").click()
    expect(page.get_by_text("give at least 5")).to_be_visible()
    file = tmp_path / "captions.csv"
    file.write_text("caption\n" + "\n".join(OWN), encoding="utf-8")
    page.locator("#s-file input, input#s-file, input[type=file]").first.set_input_files(file)
    expect(page.locator("#s-captions textarea")).to_have_value("\n".join(OWN))
    page.get_by_label("Variant").click()
    page.get_by_role("option", name=re.compile("^FP: ")).click()
    page.get_by_label("Name").fill("<b>mine</b>")
    fill_number(page, "Steps", 1500)
    page.locator("#s-start").click()

    wait_for(page, "training")
    expect(page.locator(".s-runhead .s-caption")).to_have_text("<b>mine</b>")
    expect(page.locator("#stage-draw figure")).to_have_count(10)
    expect(page.locator("#stage-train .s-curve path").first).to_be_visible()
    assert "/train?run=" in page.url
    expect(page.get_by_text("Whoever has this run’s link")).to_be_visible()
    with page.expect_download() as saved:  # while it runs
        page.locator("#stage-train [data-save=csv]").click()
    assert saved.value.suggested_filename == "training-loss.csv"
    assert saved.value.path().read_text(encoding="utf-8").startswith(',"loss","moving average"\n"step ')
    page.locator("#s-stop").click()
    wait_for(page, "stopped")
    expect(page.locator(".s-runhead")).to_contain_text("You stopped it.")

    again = page.context.new_page()  # a new tab of the same browser finds the run by itself
    again.goto(page.url.split("?")[0])
    wait_for(again, "stopped")
    again.locator("#s-resume").click()
    wait_for(again, "training", "preparing", "waiting")
    again.close()
    page.reload()  # and the link finds it, too
    wait_for(page, "finished")
    expect(page.locator("#stage-validate .s-plot i").first).to_be_visible()
    expect(page.locator("#stage-validate .s-written img")).to_have_count(4)
    for kind in ("png", "svg", "csv"):
        with page.expect_download() as saved:
            page.locator(f"#stage-validate [data-save={kind}]").click()
        assert saved.value.suggested_filename == f"training-cider.{kind}"

    with page.expect_download() as download:
        page.locator("#s-download").click()
    assert download.value.suggested_filename.endswith(".zip")
    download.value.save_as(tmp_path / "decoder.zip")
    page.locator("#s-bring input[type=file], input[type=file]").last.set_input_files(tmp_path / "decoder.zip")
    expect(page.locator(".s-runhead .s-caption")).to_have_text("decoder")
    expect(page.locator(".s-runhead")).to_contain_text("are not here")
    page.locator(".s-runs button").filter(has_text="mine").click()
    expect(page.locator(".s-runhead .s-caption")).to_have_text("<b>mine</b>")

    page.get_by_role("link", name="Use in Walk through").click()
    page.locator(".s-pictures button").first.wait_for()
    page.get_by_text("Settings", exact=True).click()
    expect(page.get_by_label("Variant").first).to_have_value("yours: <b>mine</b>")
    page.locator(".s-pictures button").first.click()
    expect(page.locator(".s-what")).to_have_text(re.compile(r"· fp · [\d.]+ m?s"), timeout=PATIENCE)
    texts = page.locator("#stage-project .s-bars li span:first-child")
    expect(texts).to_have_count(10)
    assert set(texts.all_inner_texts()) == set(OWN)


def test_files_that_cannot_be_read_are_refused_in_one_sentence(visit, tmp_path):
    page = visit("/train")
    page.get_by_label("captions of my own").check()
    captions, archive = tmp_path / "captions.json", tmp_path / "decoder.zip"
    captions.write_bytes(b'{"captions": [')
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("decoder.json", "as it was")
    archive.write_bytes(archive.read_bytes().replace(b"as it was", b"broken up"))
    page.locator("#s-file input, input#s-file, input[type=file]").first.set_input_files(captions)
    expect(page.get_by_text("'captions.json'")).to_be_visible()
    expect(page.locator("#s-captions textarea")).to_have_value("")
    page.locator("#s-bring input[type=file], input[type=file]").last.set_input_files(archive)
    expect(page.get_by_text("'decoder.zip' is a damaged zip file")).to_be_visible()
    expect(page.locator(".s-runhead")).to_contain_text("press Start")
    expect(page.locator(".s-runs button")).to_have_count(0)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_phone_needs_no_scrolling_to_the_side(visit, theme):
    page = visit(f"/train?__theme={theme}&variant=fp&steps=30", width=390, height=844)
    expect(page.get_by_label("Variant")).to_have_value(re.compile("^FP: "))
    page.locator("#s-start").click()
    wait_for(page, "finished")
    expect(page.locator(".s-runhead")).to_be_in_viewport()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    wide = "[...document.querySelectorAll('main *')].filter(e => e.getBoundingClientRect().right > 391)"
    assert page.evaluate(f"{wide}.filter(e => !e.closest('.katex')).map(e => e.className)") == []
    page.evaluate("window.scrollTo(0, 0)")
    page.reload()
    expect(page.locator(".s-runhead .s-stats")).to_be_in_viewport()


def test_a_stranger_sees_no_run_of_another_visitor(visit):
    page = visit("/train?variant=fp&steps=10")
    page.locator("#s-start").click()
    wait_for(page, "finished")
    stranger = visit("/train")
    expect(stranger.locator(".s-runhead")).to_contain_text("press Start")
    expect(stranger.locator(".s-runs button")).to_have_count(0)
    wrong = visit("/train?run=nobody")
    expect(wrong.get_by_text("no such run")).to_be_visible()
