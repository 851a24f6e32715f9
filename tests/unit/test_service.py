"""The use cases behind the app, on the tiny profile with real models."""

from __future__ import annotations

import dataclasses
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from syntic.errors import Cancelled, CheckpointError, InputError
from syntic.service import SynticService, Waiting, WalkRequest
from syntic.types import Finished, Stage, StageFinished, StageProgress, TraceSettings

CPU = torch.device("cpu")
TEXT = "a dog on a bench in the park"


@pytest.fixture(scope="module")
def service(tiny_profile) -> SynticService:
    return SynticService(tiny_profile, CPU)


def request_for(text: str = TEXT, **settings) -> WalkRequest:
    return WalkRequest(text=text, settings=TraceSettings(**{"refinement_steps": 5, **settings}))


def test_a_text_walks_through_every_stage(service):
    events = list(service.walk(request_for()))
    assert [e.stage for e in events if isinstance(e, StageFinished)] == list(Stage)
    previews = [e.preview for e in events if isinstance(e, StageProgress) and e.stage is Stage.GENERATE]
    assert any(preview is not None for preview in previews)
    assert isinstance(events[-1], Finished)
    assert events[-1].trace.caption is not None


def test_a_picture_file_is_decoded_here(service):
    path = next(iter(service.example_images.values()))
    events = list(service.walk(WalkRequest(image=path, settings=TraceSettings())))
    stages = [e.stage for e in events if isinstance(e, StageFinished)]
    assert Stage.GENERATE not in stages
    assert Stage.REFINE not in stages
    assert stages[-1] is Stage.DECODE


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        (WalkRequest(), "either a text or a picture"),
        (WalkRequest(text="  \n "), "empty"),
        (WalkRequest(text="dog " * 500), "500 words"),
        (request_for(variant="nonsense"), "no variant"),
        (request_for(corpus="nonsense"), "no corpus"),
        (request_for(temperature=0.0), "temperature"),
        (request_for(refinement_steps=5000), "refinement_steps"),
        (WalkRequest(image=Path("nowhere.png")), "nowhere.png"),
    ],
)
def test_bad_input_is_refused_in_one_sentence_before_anything_runs(service, request_, message):
    with pytest.raises(InputError, match=message):
        next(service.walk(request_))


def test_a_text_file_named_png_is_refused(service, tmp_path):
    path = tmp_path / "notes.png"
    path.write_text("not a picture")
    with pytest.raises(InputError, match="notes.png"):
        next(service.walk(WalkRequest(image=path)))


def test_should_stop_ends_the_run(service):
    seen: list[object] = []
    events = service.walk(request_for(), lambda: len(seen) > 2)
    with pytest.raises(Cancelled):
        seen.extend(events)
    assert not any(isinstance(event, Finished) for event in seen)


def test_closing_the_walk_stops_the_work_and_frees_the_models(service):
    before = set(threading.enumerate())  # other tests' workers may still be ending
    events = service.walk(request_for(refinement_steps=2000))
    for event in events:
        if isinstance(event, StageProgress) and event.stage is Stage.REFINE:
            break
    events.close()
    assert not [t for t in set(threading.enumerate()) - before if t.name.startswith("syntic-")]
    assert isinstance(list(service.walk(request_for()))[-1], Finished)


def test_a_second_visitor_waits_for_the_first_and_gets_the_own_result(service):
    first = service.walk(request_for(TEXT))
    next(first)  # now it holds the models
    others: list[object] = []
    text = "two cats in the grass at the beach"
    second = threading.Thread(target=lambda: others.extend(service.walk(request_for(text))))
    second.start()
    mine = list(first)
    second.join(60)
    assert mine[-1].trace.text == TEXT
    assert others[-1].trace.text == text
    assert Waiting(1) in others or not isinstance(others[0], Waiting)


def test_another_temperature_recomputes_the_same_weights_without_a_model(service):
    trace = list(service.walk(request_for(temperature=0.02)))[-1].trace
    again = service.reproject(trace.refined_feature, "everyday", 0.02)
    assert again.top_captions == trace.projection.top_captions
    np.testing.assert_allclose(again.top_weights, trace.projection.top_weights, rtol=1e-4)
    cold = service.reproject(trace.refined_feature, "everyday", 0.0005)
    hot = service.reproject(trace.refined_feature, "everyday", 100.0)
    assert cold.effective_captions < trace.projection.effective_captions < hot.effective_captions
    assert hot.effective_captions == pytest.approx(service.corpus_size("everyday"), rel=0.01)
    with pytest.raises(InputError, match="temperature"):
        service.reproject(trace.refined_feature, "everyday", 0.0)


def test_a_complete_profile_lacks_nothing(service):
    assert service.missing() == []


def test_what_is_missing_is_named_with_the_command_that_makes_it(tiny_profile, tmp_path):
    corpus = dataclasses.replace(tiny_profile.corpora["everyday"], decoders=tmp_path, map=tmp_path / "map")
    generator = dataclasses.replace(tiny_profile.generator, model=str(tmp_path / "generator"))
    profile = dataclasses.replace(tiny_profile, corpora={"everyday": corpus}, generator=generator)
    service = SynticService(profile, CPU)
    missing = {item.what: item.command for item in service.missing()}
    assert missing["the text-to-image model"] == "python -m syntic emoji pretrain generator"
    assert missing["the map of “everyday”"] == "python -m syntic emoji export"
    assert any(what.startswith("decoders of “everyday”: baseline") for what in missing)
    assert service.gap_map("everyday") is None
    with pytest.raises(CheckpointError, match="syntic train"):
        list(service.walk(request_for()))


def test_loading_in_the_background_survives_what_is_missing(tiny_profile, tmp_path):
    generator = dataclasses.replace(tiny_profile.generator, model=str(tmp_path / "generator"))
    service = SynticService(dataclasses.replace(tiny_profile, generator=generator), CPU)
    started = time.monotonic()
    thread = service.start()
    assert time.monotonic() - started < 1
    thread.join(60)
    path = next(iter(service.example_images.values()))
    assert isinstance(list(service.walk(WalkRequest(image=path)))[-1], Finished)
