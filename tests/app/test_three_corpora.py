"""Every page on a profile with three corpora: two domains, and texts of the web without pictures.

The web has decoders of two variants only, so what needs another says so or is not offered.
"""

from __future__ import annotations

import time
from dataclasses import replace
from types import SimpleNamespace

import gradio as gr
import pytest
import torch
from inputs import COMPARE_CONTROLS, WALK_CONTROLS
from results import with_results
from served import with_map

from syntic.evaluation.controls import Control
from syntic.evaluation.map import Kind
from syntic.gap_service import GapView
from syntic.jobs import JobRequest, JobState
from syntic.jobs.work import validation_set
from syntic.lesson_service import Step
from syntic.service import SynticService
from syntic.types import Finished
from syntic.ui.lesson_answers import answer, exercise_link
from syntic.ui.pages.compare import Compare
from syntic.ui.pages.gap import ModalityGap, Seen
from syntic.ui.pages.learn import Learn
from syntic.ui.pages.train import Train
from syntic.ui.pages.walk_through import Choice, WalkThrough

OTHERS = ["people", "web"]


@pytest.fixture(scope="module")
def service(three_corpora, tmp_path_factory):
    folder = tmp_path_factory.mktemp("three")
    profile = with_results(with_map(three_corpora, folder), folder / "results")
    service = SynticService(profile, torch.device("cpu"), runs=folder / "runs")
    yield service
    service.jobs.close()


@pytest.fixture(scope="module")
def pages(service) -> SimpleNamespace:
    with gr.Blocks():
        return SimpleNamespace(
            walk=WalkThrough(service),
            gap=ModalityGap(service),
            compare=Compare(service),
            train=Train(service),
            learn=Learn(service),
        )


def visitor(**query) -> SimpleNamespace:
    return SimpleNamespace(session_hash="one", query_params=query)


class TestWalkThrough:
    @pytest.fixture
    def page(self, pages) -> WalkThrough:
        return pages.walk

    def test_another_corpus_brings_its_temperature_its_decoders_and_its_map(self, page):
        settings = page.panel.settings
        assert settings["corpus"].visible
        assert [name for _, name in settings["corpus"].choices] == ["everyday", "people", "web"]
        updates = page.follow_corpus("people", "fo+af")
        assert updates[settings["inverse_temperature"]] == 80
        assert updates[settings["variant"]]["value"] == "fo+af"
        assert len(updates[settings["variant"]]["choices"]) == 8
        updates = page.follow_corpus("web", "fo+af")
        assert updates[settings["inverse_temperature"]] == 50
        assert [name for _, name in updates[settings["variant"]]["choices"]] == ["baseline", "fp"]
        assert updates[settings["variant"]]["value"] == "fp"
        first = page.follow_corpus("everyday", "fp")
        here, there = (len(one[page.results.map]["value"].data) for one in (updates, first))
        assert here < there, "the map of the web has no real pictures"
        assert page.load_pictures("web") == {}, "no small pictures were drawn for it"

    @pytest.mark.parametrize("corpus", OTHERS)
    def test_a_run_uses_the_corpus_that_is_chosen(self, page, service, corpus):
        *_, last = page.run(
            Choice("text", "a dog on a bench"), visitor(), corpus=corpus, variant="fp", **WALK_CONTROLS
        )
        trace = last[page.shown].trace
        assert (trace.settings.corpus, trace.settings.variant) == (corpus, "fp")
        captions = service.pipeline.components.support_set(corpus).captions
        assert set(trace.projection.top_captions) <= set(captions)
        example = page.panel.picture_names[0]  # real pictures are judged with a corpus that has none, too
        *_, last = page.run(
            Choice("example", example), visitor(), corpus=corpus, variant="fp", **WALK_CONTROLS
        )
        assert last[page.shown].trace.caption is not None

    def test_a_variant_without_decoder_is_refused_in_one_sentence(self, page):
        seen = []
        run = page.run(Choice("text", "a dog"), visitor(), corpus="web", variant="af", **WALK_CONTROLS)
        with pytest.raises(gr.Error, match="“web” has no decoder of the variant “af” yet.*baseline, fp"):
            seen.extend(run)
        assert seen == [], "the page keeps what it shows"

    def test_links_name_a_corpus(self, page):
        settings = page.panel.settings
        updates = page.linked.restore(visitor(text="a dog", corpus="people", variant="af"))
        assert updates[settings["corpus"]] == "people"
        assert updates[settings["variant"]]["value"] == "af"
        assert updates[settings["inverse_temperature"]] == 80, "the corpus' own where the link names none"
        updates = page.linked.restore(visitor(text="a dog", corpus="web", variant="af"))
        assert "has no decoder of the variant “af”" in updates[page.results.notice]
        updates = page.linked.restore(visitor(text="a dog", corpus="nobody"))
        assert "it has: everyday, people, web" in updates[page.results.notice]

    def test_a_profile_without_any_decoder_still_opens(self, three_corpora, tmp_path):
        bare = {name: replace(one, decoders=tmp_path) for name, one in three_corpora.corpora.items()}
        service = SynticService(replace(three_corpora, corpora=bare), torch.device("cpu"))
        with gr.Blocks():
            page = WalkThrough(service)
        assert len(page.follow_corpus("web", "syntic")[page.panel.settings["variant"]]["choices"]) == 8
        with pytest.raises(gr.Error, match="it has none at all; `python -m syntic train --corpus web"):
            next(page.run(Choice("text", "a"), visitor(), corpus="web", variant="fp", **WALK_CONTROLS))


class TestModalityGap:
    @pytest.fixture
    def page(self, pages) -> ModalityGap:
        return pages.gap

    def inputs(self, page, corpus: str, **changes) -> dict:
        sliders = {c.value: page.gap.range(corpus, c).standard for c in page.controls.sliders}
        view = {"corpus": corpus, "pictures": "everyday-validation", "layout": "pca", "dimensions": 2}
        return {**view, **sliders, "control": "temperature", "stage": "generated", "seen": Seen(), **changes}

    @pytest.mark.parametrize(("corpus", "pictures"), [("people", "people-validation"), ("web", None)])
    def test_another_corpus_comes_with_the_pictures_of_its_domain(self, page, corpus, pictures):
        *_, shown = page.change_corpus(**self.inputs(page, corpus))
        assert (shown[page.controls.corpus], shown[page.controls.pictures]) == (corpus, pictures)
        assert shown[page.link] == f"?corpus={corpus}&layout=pca"
        real = page.gap.sample(corpus, pictures).real
        assert (real and real.test_set) == pictures
        again = page.restore(visitor(corpus=corpus, layout="pca"))
        assert again[page.link] == shown[page.link]
        assert again[page.views.notice] == ""
        assert again[page.views.measures] == shown[page.views.measures]

    def test_the_web_can_be_shown_beside_pictures_of_a_domain(self, page):
        *_, shown = page.change_data(**self.inputs(page, "web", pictures="people"))
        assert shown[page.controls.pictures] == "people"
        assert "pictures=people" in shown[page.link]
        assert "real" in shown[page.views.measures]
        again = page.restore(visitor(corpus="web", pictures="people", layout="pca"))
        assert again[page.views.measures] == shown[page.views.measures]

    def test_captions_come_from_the_corpus_own_decoders_or_say_what_is_missing(self, page, service):
        for control in Control:
            own = {"control": control.value, "pictures": "people-validation"}
            assert "g-sample" in page.read(visitor(), **self.inputs(page, "people", **own)), control
        texts = {
            control: page.read(visitor(), **self.inputs(page, "web", control=control.value, pictures=None))
            for control in Control
        }
        assert "g-sample" in texts[Control.TEMPERATURE], "by the decoder of FP"
        assert any("syntic train" in text for text in texts.values()) or all(
            "g-sample" in text for text in texts.values()
        )

    def test_a_broken_link_says_which_corpora_there_are(self, page):
        shown = page.restore(visitor(corpus="nobody"))
        assert "it has: everyday, people, web" in shown[page.views.notice]


class TestCompare:
    INPUTS = {
        "systems_0": ["fp"],
        "systems_1": ["fp@people"],
        "systems_2": ["fp@web", "clipre@web"],
        "systems_3": [],  # the visitor's own runs
        **COMPARE_CONTROLS,
    }

    @pytest.fixture
    def page(self, pages) -> Compare:
        return pages.compare

    def test_only_what_is_trained_is_offered(self, page, service):
        known = {system.key: system.label for system in service.comparison.systems()}
        assert known["syntic@people"] == "SynTIC (people)"
        assert {key for key in known if key.endswith("@web")} == {"fp@web", "baseline@web", "clipre@web"}
        boxes = page.panel.boxes
        assert (boxes.corpora.value, boxes.corpora.visible) == (["everyday"], True)
        assert {name: box.visible for name, box in boxes.systems.items()} == {
            "everyday": True,
            "people": False,
            "web": False,
        }
        ticked = [key for box in boxes.systems.values() for key in box.value]
        assert ticked == ["syntic", "fp+af", "fp", "baseline", "clipre"], "of the first corpus"
        assert boxes.systems["people"].choices[0] == ("SynTIC", "syntic@people")

    def test_another_corpus_comes_with_the_systems_that_are_ticked(self, page):
        inputs = {**self.INPUTS, "systems_0": ["syntic", "fo"], "systems_1": [], "systems_2": []}
        inputs["systems_3"] = ["run-abc"]
        boxes = page.panel.boxes.systems
        updates = page.change_corpora(["everyday", "people", "web"], **inputs)
        shown = {name: (updates[box]["visible"], updates[box]["value"]) for name, box in boxes.items()}
        assert shown["everyday"] == (True, ["syntic", "fo"])
        assert shown["people"] == (True, ["syntic@people", "fo@people"])
        assert shown["web"] == (True, ["fp@web", "baseline@web", "clipre@web"]), "it has neither of the two"
        assert "run-abc" in updates[page.link], "one's own runs stay"
        updates = page.change_corpora(["people"], **inputs)
        assert updates[boxes["everyday"]]["visible"] is False
        assert updates[boxes["everyday"]]["value"] == []
        assert updates[boxes["people"]]["value"] == ["syntic@people", "fo@people"]
        updates = page.change_corpora(["web"], **{**inputs, "systems_0": []})
        assert updates[boxes["web"]]["value"] == ["fp@web", "baseline@web", "clipre@web"], "the usual ones"
        updates = page.change_corpora(None, **inputs)
        assert not any(updates[box]["visible"] or updates[box]["value"] for box in boxes.values())

    def test_systems_of_all_corpora_caption_a_picture_of_another_domain(self, page):
        picture = page.pick_test("people", SimpleNamespace(index=0, value="0002"))
        *_, last = page.run(visitor(), choice=picture, **self.INPUTS)
        shown = last[page.views.result]
        for label in ("FP (everyday)", "FP (people)", "FP (web)", "CLIPRe (web)"):
            assert label in shown
        assert "Test picture 0002 of “people”" in shown
        assert shown.count('class="words" colspan') == 0, "every system wrote something"

    def test_links_name_systems_and_sets_of_other_corpora(self, page):
        updates = page.restore(visitor(test="0002", set="people", systems="fp@web,syntic@people"))
        assert updates[page.views.notice] == ""
        boxes = page.panel.boxes
        assert updates[boxes.corpora] == ["people", "web"]
        assert updates[boxes.systems["everyday"]]["visible"] is False
        assert updates[boxes.systems["people"]]["value"] == ["syntic@people"]
        assert updates[boxes.systems["web"]]["value"] == ["fp@web"]
        assert updates[page.panel.mark] == {"kind": "test", "value": "0002", "of": "people"}
        assert updates[page.panel.test_set] == "people"
        assert updates[page.choice].test_set == "people"
        updates = page.restore(visitor(systems="af@web"))
        assert "There is no system" in updates[page.views.notice]
        assert "fp@web" in updates[page.views.notice]

    def test_wins_and_losses_name_whose_texts_a_system_learned_from(self, page):
        outcome = page.change_pair(**self.INPUTS)[page.views.outcome]
        assert "Both systems learned from the texts of “everyday”." in outcome
        assert "<small>SynTIC (everyday)</small>" in outcome
        assert ("baseline (everyday)", "baseline") in page.views.second.choices


class TestTrain:
    CONTROLS = {
        "captions": "",
        "variant": "fp",
        "budget": "steps",
        "steps": 2.0,
        "minutes": 1.0,
        "device": "cpu",
        "keep_going": True,
        "name": "",
    }

    @pytest.fixture
    def page(self, pages) -> Train:
        return pages.train

    def test_every_corpus_is_offered_and_a_link_may_name_one(self, page):
        labels = [label for label, _ in page.panel.settings["corpus"].choices]
        assert labels[1:3] == ["people: 22 captions, drawn already", "web: 18 captions, drawn already"]
        assert page.restore([], visitor(corpus="web"))[page.panel.settings["corpus"]] == "web"
        refused = page.restore([], visitor(corpus="nobody"))
        assert "it has: everyday, people, web" in refused[page.results.slots["head"]]

    def test_texts_of_the_web_are_watched_with_the_first_domain_s_pictures(
        self, pages, page, service, monkeypatch
    ):
        assert validation_set(service.profile, "people") == "people-validation"
        assert validation_set(service.profile, "web") == "everyday-validation"
        assert validation_set(service.profile, None) == "everyday-validation"
        elsewhere = replace(service.profile.corpora["web"], validation_set="people-validation")
        profile = replace(service.jobs.profile, corpora={**service.jobs.profile.corpora, "web": elsewhere})
        assert validation_set(profile, "web") == "people-validation"

        monkeypatch.setattr("syntic.evaluation.metrics.java_available", lambda: False)
        key = page.start([], corpus="web", **self.CONTROLS)[page.current]
        deadline = time.monotonic() + 300
        while service.jobs.status(key).state.is_active and time.monotonic() < deadline:
            time.sleep(0.2)
        status = service.jobs.status(key)
        assert (status.state, status.corpus) == (JobState.FINISHED, "web")
        assert status.samples

        folder = service.jobs._files.root / "packed"
        folder.mkdir()
        zipped = service.jobs.pack(key, folder)
        undrawn = replace(service.profile.corpora["people"], features=folder / "nowhere")
        monkeypatch.setitem(service.profile.corpora, "people", undrawn)
        brought = service.jobs.status(service.jobs.unpack([zipped]))
        assert brought.corpus == "web", "found past a corpus that is not drawn yet"

        updates = pages.walk.follow_corpus("web", status.name, [key])
        assert updates[pages.walk.panel.settings["variant"]]["value"] == status.name, "of any corpus"

    def test_the_profile_says_how_a_run_is_trained(self, three_corpora):
        optimizer = replace(three_corpora.optimizer, steps=450, batch_size=16)
        service = SynticService(replace(three_corpora, optimizer=optimizer), torch.device("cpu"))
        with gr.Blocks():
            page = Train(service)
        assert page.panel.settings["steps"].value == 450
        assert page.panel.settings["steps"].info == "16 captions each."

    def test_a_corpus_that_is_not_drawn_says_so(self, three_corpora, tmp_path):
        everyday = replace(three_corpora.corpora["everyday"], features=tmp_path)
        people = replace(three_corpora.corpora["people"], features=tmp_path, captions=tmp_path / "nowhere")
        corpora = {**three_corpora.corpora, "everyday": everyday, "people": people}
        service = SynticService(replace(three_corpora, corpora=corpora), torch.device("cpu"))
        with gr.Blocks():
            corpus = Train(service).panel.settings["corpus"]
        labels = [label for label, _ in corpus.choices]
        assert labels[:2] == [
            "everyday: up to 500 captions, drawn by the run",
            "people: its captions are not here",
        ]
        assert corpus.value == "web", "what is drawn already takes the least time"
        assert JobRequest(corpus="people").corpus_name == "people"


class TestLearn:
    @pytest.fixture
    def page(self, pages) -> Learn:
        return pages.learn

    def inputs(self, page, step: Step, corpus: str) -> dict:
        sliders = {s.value: page.lesson.range(s, corpus).standard for s in page.controls.sliders}
        return {"step": step, "corpus": corpus, "picture": 1, "reads": "picture", "tags": [], **sliders}

    @pytest.mark.parametrize("corpus", OTHERS)
    @pytest.mark.parametrize("step", list(Step))
    def test_every_step_on_every_corpus(self, page, service, step, corpus):
        shown = page.change_corpus(**self.inputs(page, step, corpus))
        assert "<svg" in shown[page.views.figure]
        assert shown[page.link].startswith(f"?step={step}&corpus={corpus}")
        assert (
            page.restore(visitor(step=step.value, corpus=corpus))[page.views.figure]
            == shown[page.views.figure]
        )
        link = exercise_link(service, step, corpus)
        assert f"corpus={corpus}" in link
        assert "None" not in link
        assert len(answer(service, step, corpus).task) > 80

    def test_a_missing_decoder_is_said_where_the_caption_would_stand(self, page):
        read = page.read(visitor(), **self.inputs(page, Step.TAGS, "web"))
        assert "syntic train" in read[page.views.captions]
        read = page.read(visitor(), **self.inputs(page, Step.TAGS, "people"))
        assert "syntic train" not in str(read[page.views.captions])


def test_what_is_usual_follows_from_the_real_pictures_of_all_domains(service):
    """Else every real picture would be strange to a corpus that has none of its own."""
    real = service.gap_map("people").points[Kind.REAL].features
    outside = [service.familiarity(feature, "web").is_outside for feature in real]
    assert sum(outside) <= 2, "by definition the farthest and the least similar of all eight"


def test_real_pictures_are_those_of_the_corpus_domain(service):
    assert service.gap.standard_view("people").pictures == "people-validation"
    assert service.gap.standard_view("web").pictures is None
    assert Kind.REAL not in service.gap.places(GapView(corpus="web")).coordinates
    last = list(service.walk(_request(corpus="people")))[-1]
    assert isinstance(last, Finished)


def _request(corpus: str):
    from syntic.service import WalkRequest
    from syntic.types import TraceSettings

    settings = TraceSettings(corpus=corpus, refinement_steps=2)
    return WalkRequest(text="a dog on a bench in the park", settings=settings)
