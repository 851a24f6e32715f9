"""The use cases of "Compare" on the tiny profile with real models."""

from __future__ import annotations

import dataclasses
import shutil

import pytest
import torch
from results import with_results

from syntic.compare_service import (
    CompareRequest,
    Group,
    PairView,
    PictureChoice,
    PictureRead,
    Source,
    SystemCaption,
    SystemFailed,
    SystemKey,
    SystemStarted,
    name_for_people,
)
from syntic.errors import Cancelled, InputError
from syntic.method.decoder import CachedSteps
from syntic.profiles import load_profile
from syntic.service import SynticService

PICTURE = PictureChoice(Source.TEST, "0001", "everyday")


@pytest.fixture(scope="module")
def service(tiny_profile, tmp_path_factory) -> SynticService:
    return SynticService(with_results(tiny_profile, tmp_path_factory.mktemp("results")), torch.device("cpu"))


@pytest.fixture(scope="module")
def comparison(service):
    return service.comparison


def test_it_lists_what_can_caption_here_and_nothing_else(comparison):
    found = {system.key: system for system in comparison.systems()}
    assert list(found)[0] == "syntic"
    assert len(found) == 9
    assert found["clipre"].group is Group.TEXTS
    assert found["clipre"].label == "CLIPRe"
    assert found["fp+af"].label == "FP + AF"
    assert not any(system.is_upper_bound for system in found.values())


def test_a_checkpoint_on_disk_makes_a_system_appear(tiny_profile, tmp_path):
    corpus = tiny_profile.corpora["everyday"]
    shutil.copytree(corpus.decoders, tmp_path / "decoders")
    for suffix in ("safetensors", "json"):
        (tmp_path / "decoders" / f"clipcap.{suffix}").write_bytes(b"damaged")
        (tmp_path / "decoders" / f"decap.{suffix}").write_bytes(
            (corpus.decoders / f"fp.{suffix}").read_bytes()
        )
    settings = dataclasses.replace(corpus, decoders=tmp_path / "decoders")
    profile = dataclasses.replace(tiny_profile, corpora={"everyday": settings})
    comparison = SynticService(profile, torch.device("cpu")).comparison
    found = {system.key: system for system in comparison.systems()}
    assert {"decap", "clipcap"} <= set(found)
    assert found["clipcap"].is_upper_bound
    request = CompareRequest(picture=PICTURE, systems=("clipcap", "decap"))
    events = list(comparison.compare(request))
    failed = [event for event in events if isinstance(event, SystemFailed)]
    assert [event.key for event in failed] == ["clipcap"], "one that is damaged does not stop the others"
    assert [event.key for event in events if isinstance(event, SystemCaption)] == ["decap"]


def test_every_system_captions_one_picture_with_its_scores(service, comparison):
    request = CompareRequest(picture=PICTURE, systems=("syntic", "clipre", "syntic"))
    events = list(comparison.compare(request))
    read = events[0]
    assert isinstance(read, PictureRead)
    assert len(read.references) == 5
    assert read.scored_with == 4
    captions = {event.key: event for event in events if isinstance(event, SystemCaption)}
    assert list(captions) == ["syntic", "clipre"]
    retrieved = captions["clipre"]
    assert retrieved.caption in service.pipeline.components.support_set("everyday").captions
    assert retrieved.support[0].similarity == pytest.approx(retrieved.similarity, abs=1e-3)
    assert all(one.cider is not None and one.cider >= 0 for one in captions.values())


def test_an_upload_has_no_references_but_still_a_similarity(comparison):
    path = comparison.picture(PICTURE)
    upload = CompareRequest(picture=PictureChoice(Source.UPLOAD, str(path)), systems=("fp",))
    captions = [event for event in comparison.compare(upload) if isinstance(event, SystemCaption)]
    assert captions[0].cider is None
    assert -1 <= captions[0].similarity <= 1


def test_stopping_ends_it_between_two_systems(comparison):
    done: list[str] = []
    request = CompareRequest(picture=PICTURE, systems=("syntic", "fp", "af"))
    run = comparison.compare(request, should_stop=lambda: bool(done))
    with pytest.raises(Cancelled):
        done.extend(event.key for event in run if isinstance(event, SystemCaption))


def test_stopping_ends_it_within_a_caption(comparison, monkeypatch):
    fed: list[torch.Tensor] = []
    step = CachedSteps.step
    monkeypatch.setattr(CachedSteps, "step", lambda self, tokens: fed.append(tokens) or step(self, tokens))
    request = CompareRequest(picture=PICTURE, systems=("syntic", "fp"))
    events: list[object] = []
    with pytest.raises(Cancelled):
        events.extend(comparison.compare(request, should_stop=lambda: bool(fed)))
    assert isinstance(events[-1], SystemStarted)
    assert len(fed) == 1, "no token after the one at which it was stopped"


@pytest.mark.parametrize(
    ("picture", "systems", "message"),
    [
        (PICTURE, (), "No system is chosen"),
        (PICTURE, ("nobody",), "no system 'nobody'"),
        (PICTURE, ("run-abc",), "no system 'run-abc'"),
        (PICTURE, ("syntic@nowhere",), "no system"),
        (PictureChoice(Source.TEST, "9999", "everyday"), ("fp",), "no picture '9999'"),
        (PictureChoice(Source.TEST, "0000", "nowhere"), ("fp",), "no test set 'nowhere'"),
        (PictureChoice(Source.EXAMPLE, "../x"), ("fp",), "no example picture"),
        (PictureChoice(Source.UPLOAD, "/nowhere/x.png"), ("fp",), "x.png"),
    ],
)
def test_what_cannot_be_compared_is_refused_before_any_work(comparison, picture, systems, message):
    with pytest.raises(InputError, match=message):
        comparison.compare(CompareRequest(picture=picture, systems=systems))


def test_keys_name_a_corpus_only_where_it_is_another(tiny_profile):
    for key in ("syntic", "decap-tt@everyday>people", "clipre@web"):
        assert SystemKey.parse(key, tiny_profile).write(tiny_profile) == key
    assert SystemKey.parse("fp@everyday", tiny_profile).write(tiny_profile) == "fp"
    assert [name_for_people(name) for name in ("fp+fo", "syntic", "butd", "baseline")] == [
        "FP + FO",
        "SynTIC",
        "BUTD",
        "baseline",
    ]
    assert name_for_people("syntic 10%") == "SynTIC 10%"


def test_two_systems_picture_by_picture(comparison):
    view = PairView(test_set="everyday", first="syntic", second="baseline")
    outcome = comparison.pair(view)
    assert outcome.pictures == 4
    assert outcome.better + outcome.worse <= 4
    assert all(one.gain > 0 for one in outcome.wins)
    assert [one.gain for one in outcome.wins] == sorted((one.gain for one in outcome.wins), reverse=True)
    mirrored = comparison.pair(dataclasses.replace(view, first="baseline", second="syntic"))
    assert [one.name for one in mirrored.losses] == [one.name for one in outcome.wins]
    assert mirrored.first_mean == outcome.second_mean
    assert (outcome.first_corpus, outcome.second_corpus) == ("everyday", "everyday")


def test_the_shipped_captions_say_whose_texts_they_were_learned_from():
    comparison = SynticService(load_profile("emoji"), torch.device("cpu")).comparison
    assert list(comparison.captioned()) == ["everyday", "people"], "in the profile's order"
    assert comparison.label("people", "syntic") == "SynTIC (people)"
    assert comparison.label("people", "MSCOCO -> Flickr30k · syntic") == "SynTIC (everyday)"
    for test_set, systems in comparison.captioned().items():
        labels = [comparison.label(test_set, system) for system in systems]
        assert len(set(labels)) == len(labels), "no two are called the same"


def test_pictures_are_told_apart_by_what_texts_show_together():
    comparison = SynticService(load_profile("emoji"), torch.device("cpu")).comparison
    assert comparison.filters("people").combinations == ("single", "seen", "unseen")
    view = PairView(test_set="people", first="syntic", second="baseline")
    parts = [
        comparison.pair(dataclasses.replace(view, combination=combination)).pictures
        for combination in comparison.filters("people").combinations
    ]
    assert min(parts) > 100
    assert sum(parts) == comparison.pair(view).pictures == 500


def test_filters_restrict_the_pictures_that_count(comparison):
    filters = comparison.filters("everyday")
    assert filters.labels == ("dog",)
    assert filters.counts == (1,)
    assert filters.settings == ()
    assert filters.combinations == ()
    view = PairView(test_set="everyday", first="syntic", second="baseline", label="dog", count=1)
    assert comparison.pair(view).pictures == 4
    for wrong in ({"label": "cow"}, {"count": 3}, {"setting": "moon"}, {"combination": "seen"}):
        with pytest.raises(InputError, match="there are"):
            comparison.pair(dataclasses.replace(view, **wrong))
    with pytest.raises(InputError, match="no captions by 'magic'"):
        comparison.pair(dataclasses.replace(view, first="magic"))


def test_tables_that_are_there_are_read_and_others_named(comparison, tiny_syntic):
    tables = comparison.tables()
    assert [row.system for row in tables["table4"].rows] == ["baseline", "syntic"]
    assert tables["table1"] is None
    assert "python -m syntic experiment table1" in comparison.missing("table1")
    without = SynticService(tiny_syntic.profile, torch.device("cpu")).comparison
    assert set(without.tables().values()) == {None}
    assert without.captioned() == {}
