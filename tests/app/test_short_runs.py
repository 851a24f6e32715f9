"""Training where the data sets are not: a profile as the paper's, of which only one corpus' text is here.

Its models are tiny. MSCOCO is missing, so is the set to validate on, and nothing is drawn or trained.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import gradio as gr
import pytest
import torch
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from served import serve

from syntic.jobs import JobLimits, JobRequest, JobState, validation_set
from syntic.profiles import CorpusSettings, Profile
from syntic.profiles.profile import KarpathySplit
from syntic.service import SynticService
from syntic.ui.pages.train import Train
from syntic.ui.pages.train_layout import OWN

MOST = 12  # captions that a run may draw here
OWN_CAPTIONS = tuple(f"a {animal} in the park" for animal in ("dog", "cat", "bird", "cow", "bus"))
NOT_VALIDATED = "The validation pictures are not on this host, so the run goes without validation."


@pytest.fixture(scope="module")
def profile(tiny_profile, tmp_path_factory) -> Profile:
    folder = tmp_path_factory.mktemp("paper")

    def corpus(name: str, captions: Path, like: str | None = None) -> CorpusSettings:
        return CorpusSettings(
            captions=captions,
            features=folder / "features" / name,
            decoders=folder / "decoders" / name,
            like=like,
        )

    missing = folder / "coco" / "dataset_coco.json"
    pictures = KarpathySplit(captions=missing, images=folder / "coco" / "images")
    return replace(
        tiny_profile,
        corpora={
            "coco": corpus("coco", missing, "MSCOCO"),
            "everyday": corpus("everyday", tiny_profile.corpora["everyday"].captions),
        },
        test_sets={"coco": pictures, "coco-validation": replace(pictures, split="val")},
    )


@pytest.fixture(scope="module")
def service(profile, tmp_path_factory) -> Iterator[SynticService]:
    runs = tmp_path_factory.mktemp("runs")
    service = SynticService(profile, torch.device("cpu"), runs=runs, limits=JobLimits(captions=MOST))
    yield service
    service.jobs.close()


@pytest.fixture(scope="module")
def client(service) -> Iterator[Client]:
    with serve(service) as address:
        client = Client(address, verbose=False)
        yield client
        client.close()


@pytest.fixture(scope="module")
def page(service) -> Train:
    with gr.Blocks():
        return Train(service)


@pytest.fixture(scope="module")
def finished(client) -> dict:
    """A finished run on the corpus that was not drawn, by its status."""
    run = client.predict(corpus="everyday", variant="syntic", steps=4, api_name="/train_start")["run"]
    deadline = time.monotonic() + 180
    while (status := client.predict(run, api_name="/train_status"))["state"] != "finished":
        assert status["state"] != "failed", status["note"]
        assert time.monotonic() < deadline, status
        time.sleep(0.1)
    return status


def wait(service: SynticService, key: str, state: JobState) -> None:
    deadline = time.monotonic() + 180
    while (status := service.jobs.status(key)).state is not state:
        assert status.state is not JobState.FAILED, status.note
        assert time.monotonic() < deadline, status
        time.sleep(0.02)


def test_from_a_text_to_the_caption_of_a_picture(client, finished, profile, service):
    assert (finished["corpus"], finished["captions"], finished["step"]) == ("everyday", MOST, 4)
    assert finished["note"] == NOT_VALIDATED
    assert finished["curve"] == []
    picture = handle_file(next(iter(service.example_images.values())))
    trace = client.predict(text=None, image=picture, variant=finished["name"], api_name="/trace")["trace"]
    assert trace["settings"]["corpus"] == finished["name"]
    assert isinstance(trace["caption"]["text"], str)
    learned_from = profile.corpora["everyday"].captions.read_text().splitlines()[:MOST]
    assert set(trace["projection"]["top_captions"]) <= set(learned_from)
    for corpus in profile.corpora.values():
        assert not corpus.features.exists(), "the host's own files stay as they are"
        assert not corpus.decoders.exists(), "the host's own files stay as they are"


def test_the_page_offers_what_is_here_and_shows_what_is_drawn(page, finished):
    corpus = page.panel.settings["corpus"]
    assert corpus.value == "everyday"
    assert [label for label, _ in corpus.choices] == [
        "coco: its captions are not here",
        f"everyday: up to {MOST} captions, drawn by the run",
        "captions of my own",
    ]
    shown = page.look(finished["run"], None, [finished["run"]])
    assert shown[page.results.slots["draw"]].count("<img") == MOST
    assert NOT_VALIDATED in shown[page.results.slots["head"]]
    assert "not validated" in shown[page.results.slots["validate"]]


def test_a_corpus_whose_text_is_missing_is_refused_in_one_sentence(client):
    with pytest.raises(AppError, match="no corpus at .*dataset_coco.json"):
        client.predict(corpus="coco", variant="fp", steps=4, api_name="/train_start")


def test_where_no_text_is_here_ones_own_captions_are_chosen(profile):
    coco = {"coco": profile.corpora["coco"]}
    with gr.Blocks():
        panel = Train(SynticService(replace(profile, corpora=coco), torch.device("cpu"))).panel
    assert panel.settings["corpus"].value == OWN
    assert panel.own.visible is True


def test_drawing_a_corpus_is_stopped_and_goes_on_where_it_was(service, page, monkeypatch):
    generator = service.pipeline.generator
    generate, drawn = generator.generate, []

    def draw(texts, seeds, on_step=None):
        drawn.extend(texts)
        if len(drawn) == 4:
            service.jobs.stop(key)
        return generate(texts, seeds, on_step)

    monkeypatch.setattr(generator, "generate", draw)
    key = ""
    with service.jobs._condition:  # so that the run does not start before its key is known
        key = service.jobs.submit(JobRequest(corpus="everyday", variant="baseline", steps=3))
    wait(service, key, JobState.STOPPED)
    shown = page.look(key, None, [key])
    assert shown[page.results.slots["draw"]].count("<img") == 4
    assert 'class="stopped"><a>Draw' in shown[page.results.slots["head"]]
    service.jobs.resume(key)
    wait(service, key, JobState.FINISHED)
    assert len(drawn) == len(set(drawn)) == MOST


def test_own_captions_need_no_data_set_either(service):
    key = service.jobs.submit(JobRequest(captions=OWN_CAPTIONS, variant="fp", minutes=0.02))
    wait(service, key, JobState.FINISHED)
    assert service.jobs.status(key).note == NOT_VALIDATED


def test_a_host_that_draws_nothing_for_runs_says_so(profile):
    limits = JobLimits(captions=0)
    with pytest.raises(gr.Error, match="“everyday” is not drawn yet, and this host draws no pictures"):
        start_on(profile, limits)


def start_on(profile: Profile, limits: JobLimits) -> None:
    with gr.Blocks():
        page = Train(SynticService(profile, torch.device("cpu"), limits=limits))
    controls = {name: getattr(control, "value", None) for name, control in page.panel.settings.items()}
    page.start([], **controls)


def test_a_decoder_comes_back_only_where_there_are_texts_for_it(client, finished, service):
    packed = client.predict(finished["run"], api_name="/train_download")
    before = set(service.jobs._files.root.iterdir())
    with pytest.raises(AppError, match="no corpus that Eq. 3 could take instead"):
        client.predict([handle_file(packed)], api_name="/train_upload")
    assert set(service.jobs._files.root.iterdir()) == before


def test_a_validation_set_counts_only_where_its_pictures_are(profile, tiny_profile, tmp_path):
    assert validation_set(profile, "everyday") == validation_set(profile, None) == ""
    both = {**profile.test_sets, "everyday-validation": tiny_profile.test_sets["everyday"]}
    here = replace(profile, test_sets=both)
    assert validation_set(here, "everyday") == validation_set(here, None) == "everyday-validation"
    assert validation_set(here, "coco") == "", "its own is missing, and another domain's is no stand-in"
    split = KarpathySplit(captions=tmp_path / "dataset_coco.json", images=tmp_path / "images", split="val")
    split.captions.write_text(json.dumps({"images": []}))
    text_only = replace(profile, test_sets={"coco-validation": split})
    assert validation_set(text_only, "coco") == "", "the texts of MSCOCO alone"
    split.images.mkdir()
    assert validation_set(text_only, "everyday") == "coco-validation"
