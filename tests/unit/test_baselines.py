"""The compared systems on the tiny profile: what makes each what it is, and what it can be handed."""

from __future__ import annotations

import dataclasses
import json
import math
import typing
from pathlib import Path

import pytest
import torch
from torch.nn import functional as F

from syntic import SynTIC, load_profile
from syntic.__main__ import main
from syntic.baselines import (
    RECIPES,
    SYSTEMS,
    SystemRequest,
    TextOnly,
    build_system,
    capdec,
    clipre,
    close,
    decap,
    language_model,
    magic,
    zerocap,
)
from syntic.data import FeatureStore
from syntic.errors import Cancelled, CheckpointError, DataError, InputError
from syntic.evaluation import (
    Pictures,
    caption_encoded,
    encode_for,
    metrics,
    open_test_set,
)
from syntic.method import VARIANTS, load_checkpoint, project_onto_support
from syntic.method.components import Components
from syntic.profiles import Profile
from syntic.training import OptimizerSettings, RunSettings, TrainingFinished, make_validator, train
from syntic.training.preparation import TextModel
from syntic.training.texts import prepare_texts

CPU = torch.device("cpu")
TEXT_SYSTEMS = [name for name, system in SYSTEMS.items() if system.trains_on is TextOnly]


@pytest.fixture(scope="module")
def profile(tiny_profile: Profile, tmp_path_factory) -> Profile:
    """The tiny profile with two corpora of the same features and a folder of decoders of its own."""
    folder = tmp_path_factory.mktemp("decoders")
    corpus = dataclasses.replace(tiny_profile.corpus("everyday"), decoders=folder)
    return dataclasses.replace(tiny_profile, corpora={"everyday": corpus, "people": corpus})


@pytest.fixture(scope="module")
def components(profile: Profile) -> Components:
    """With one short training of each decoder that systems need."""
    components = Components(profile, CPU)
    for name in RECIPES:
        run_training(name, components, profile.corpus("everyday").decoders / name)
    return components


@pytest.fixture(scope="module")
def pictures(components: Components) -> Pictures:
    return encode_for(components, open_test_set(components.profile, "everyday"))


def run_settings(name: str, out: Path, steps: int = 3) -> RunSettings:
    return RunSettings(
        profile="tiny",
        system=name,
        optimizer=OptimizerSettings(steps=steps, batch_size=27, learning_rate=5e-3),
        out=out,
        work=out.parent / "runs",
    )


def run_training(name: str, components: Components, out: Path, **options) -> list:
    return list(
        train(
            run_settings(name, out, options.pop("steps", 3)),
            profile=components.profile,
            store=components.feature_store("everyday"),
            text_model=components.encoder,
            **options,
        )
    )


def build(name: str, components: Components, **options):
    return build_system(name, SystemRequest(components=components, corpus="everyday", **options))


def target_of(name: str) -> dict[str, str]:
    return {"target": "people"} if name == decap.TARGET_NAME else {}


# The protocol


@pytest.mark.parametrize("name", TEXT_SYSTEMS)
def test_every_text_only_system_captions_pictures_in_their_order(name, components, pictures):
    captioner = build(name, components, **target_of(name))
    assert captioner.name == name
    assert captioner.trains_on is TextOnly
    together = captioner.caption(pictures)
    assert len(together) == len(pictures)
    for row in (0, len(pictures) - 1):
        one = Pictures(
            names=pictures.names[row : row + 1],
            features=pictures.features[row : row + 1],
            tags=pictures.tags[row : row + 1],
        )
        assert captioner.caption(one)[0].text == together[row].text
    none = Pictures(names=[], features=pictures.features[:0], tags=[])
    assert captioner.caption(none) == []


@pytest.mark.parametrize("name", TEXT_SYSTEMS)
def test_a_system_that_writes_can_be_stopped_before_any_token(name, components, pictures):
    captioner, calls = build(name, components, **target_of(name)), []
    first = Pictures(names=pictures.names[:1], features=pictures.features[:1], tags=pictures.tags[:1])
    tokens = captioner.caption(first, on_token=lambda: calls.append(None))[0].trace.tokens
    if not tokens:
        assert not calls, "a caption that is retrieved is there at once"
        return
    assert len(calls) >= len(tokens) > 1

    def stop() -> None:
        calls.append(None)
        if len(calls) == 2:
            raise Cancelled("stop")

    calls.clear()
    with pytest.raises(Cancelled):
        captioner.caption(first, on_token=stop)
    assert len(calls) == 2
    assert captioner.caption(first)[0].trace.tokens == tokens, "and it still works"


@pytest.mark.parametrize("variant", VARIANTS, ids=lambda variant: variant.name)
def test_the_variants_fit_the_protocol_and_caption_as_they_do(variant, tiny_syntic, tiny_profile):
    components = tiny_syntic.components
    pictures = encode_for(components, open_test_set(tiny_profile, "everyday"))
    captioner = build(variant.name, components)
    assert captioner.trains_on is FeatureStore
    captions = captioner.caption(pictures)
    assert [c.text for c in captions] == caption_encoded(
        components, pictures, corpus="everyday", variant=variant
    )
    assert all(bool(c.support) == variant.project for c in captions)
    if variant.project:
        pipeline = SynTIC(components, variant=variant, corpus="everyday")
        trace = pipeline(image=open_test_set(tiny_profile, "everyday").images[0])
        assert [token.text for token in trace.caption.tokens] == [t.text for t in captions[0].trace.tokens]
        assert [s.caption for s in captions[0].support] == trace.projection.top_captions[:5]


def test_a_name_that_is_not_there_is_answered_with_those_that_are(components):
    with pytest.raises(InputError, match=r"no system 'blip'; choose one of clipre.*syntic"):
        build("blip", components)
    with pytest.raises(InputError, match="no system 'clipre' to train; choose one of decap, capdec"):
        RunSettings(system="clipre")


def test_a_decoder_that_is_not_trained_is_named(tiny_syntic):
    with pytest.raises(CheckpointError, match="decap.json; train this decoder"):
        build("decap", tiny_syntic.components)


# What text-only systems may learn from


def test_text_only_systems_cannot_be_handed_a_picture(components):
    """Neither type that reaches a text-only system has a place for a picture, real or generated."""
    hints = typing.get_type_hints(prepare_texts)
    assert hints["texts"] is TextOnly
    assert hints["text_model"] is TextModel
    assert typing.get_type_hints(clipre.ClipRetrieval.__init__)["texts"] is TextOnly
    assert {f.name for f in dataclasses.fields(TextOnly)} == {"captions", "features"}
    store = components.feature_store("everyday")
    texts = TextOnly.of_store(store)
    assert texts.captions == store.captions
    assert not torch.equal(texts.features, torch.from_numpy(store.image_features))
    again = TextOnly.encode(store.captions[:3], components.encoder)
    torch.testing.assert_close(again.features, texts.features[:3], atol=1e-3, rtol=0)  # stored as half
    with pytest.raises(DataError, match="one feature for each caption"):
        TextOnly(["a dog"], torch.zeros(2, 4))


def test_generated_pictures_change_nothing_in_a_text_only_decoder(components, tmp_path):
    store = components.feature_store("everyday")
    run_training("capdec", components, tmp_path / "with")
    kept = store.image_features
    store.__dict__["image_features"] = None
    try:
        run_training("capdec", components, tmp_path / "without")
    finally:
        store.__dict__["image_features"] = kept
    weights = [load_checkpoint(tmp_path / name, "tiny")[0].state_dict() for name in ("with", "without")]
    assert all(torch.equal(value, weights[1][name]) for name, value in weights[0].items())


# CLIPRe


def test_clipre_takes_the_caption_with_the_highest_cosine(components, pictures):
    store = components.feature_store("everyday")
    cosines = pictures.features @ torch.from_numpy(store.text_features).T
    captions = build("clipre", components).caption(pictures)
    best = cosines.max(dim=1)
    assert [c.text for c in captions] == [store.captions[i] for i in best.indices]
    assert [c.similarity for c in captions] == pytest.approx(best.values.tolist(), abs=1e-5)
    first = captions[0].support
    assert [s.weight for s in first] == [1, 0, 0, 0, 0]
    assert [s.similarity for s in first] == pytest.approx(cosines[0].topk(5).values.tolist(), abs=1e-5)


# DeCap, CapDec, CLOSE


@pytest.mark.parametrize("name", RECIPES)
def test_what_is_trained_on_texts_says_so(name, components):
    _, sidecar = load_checkpoint(components.profile.corpus("everyday").decoders / name, "tiny")
    assert sidecar["settings"]["system"] == name
    assert "variant" not in sidecar["settings"]
    assert "refinement" not in sidecar
    assert sidecar["variant"] == RECIPES[name].variant.name


@pytest.mark.parametrize("name", ["decap", "capdec", "close"])
def test_training_on_texts_learns_the_corpus_and_validates(name, components, tmp_path):
    out = tmp_path / name
    validator = make_validator(
        run_settings(name, out), components.profile, components.encoder, detector=components.detector
    )
    steps = 120
    events = run_training(name, components, out, validator=validator, steps=steps)
    assert isinstance(events[-1], TrainingFinished)
    assert [step for step, _ in events[-1].curve] == [steps]
    losses = [loss for _, loss in json.loads(out.with_suffix(".json").read_text())["losses"]]
    assert sum(losses[-5:]) / 5 < 0.6 * losses[0]


def test_a_run_of_a_system_goes_on_where_it_was_stopped(components, tmp_path):
    whole = run_training("capdec", components, tmp_path / "whole", steps=6)
    out = tmp_path / "stopped"
    while True:
        events = run_training("capdec", components, out, steps=6, should_stop=lambda: True)
        if isinstance(events[-1], TrainingFinished):
            break
    sidecars = [json.loads((tmp_path / f"{name}.json").read_text()) for name in ("whole", "stopped")]
    assert sidecars[0]["losses"] == sidecars[1]["losses"]
    assert isinstance(whole[-1], TrainingFinished)


def test_decap_trains_on_the_text_feature_and_projects_the_picture(components, pictures):
    data = prepare_texts(
        TextOnly.of_store(components.feature_store("everyday")),
        decap.RECIPE,
        components.encoder,
        max_tokens=12,
    )
    rows = torch.tensor([3, 5])
    features, _, tags, mask, _ = data.batch(rows)
    assert torch.equal(features, data.features[rows])
    assert tags is mask is None
    captioner = build("decap", components)
    projected = project_onto_support(
        pictures.features, components.support_set("everyday"), temperature=0.01
    ).features
    expected = components.decoder("everyday", "decap").decode(projected)
    tokenizer = components.encoder.tokenizer
    captions = captioner.caption(pictures)
    assert [c.text for c in captions] == [tokenizer.decode(d.tokens) for d in expected]
    assert sum(s.weight for s in captions[0].support) <= 1 + 1e-5
    assert captioner.decoding == "greedy"


def test_decap_tt_projects_onto_another_domain(components):
    captioner = build("decap-tt", components, target="people")
    assert captioner.support is components.support_set("people")
    assert captioner.model is components.decoder("everyday", "decap")
    for target in (None, "everyday"):
        with pytest.raises(InputError, match="another corpus than 'everyday'.*one of: people"):
            build("decap-tt", components, target=target)


def test_syntic_tt_projects_onto_another_domain(components, tiny_profile):
    trained = components.having("everyday", decoders=tiny_profile.corpus("everyday").decoders)
    request = SystemRequest(components=trained, corpus="everyday", target="people")
    captioner = build_system("syntic-tt", request)
    assert captioner.name == "syntic-tt"
    assert captioner.support is trained.support_set("people")
    with pytest.raises(InputError, match="'syntic-tt' projects onto the texts of another corpus"):
        build("syntic-tt", components, target="everyday")


@pytest.mark.parametrize(("recipe", "std"), [(capdec.RECIPE, 0.016**0.5), (close.RECIPE, 0.12)])
@pytest.mark.parametrize("width", [512, 128])
def test_noise_is_as_long_as_in_the_papers_and_new_in_every_step(recipe, std, width):
    texts = F.normalize(torch.randn(2000, width), dim=1)
    noisy = recipe.training_features(texts)
    torch.testing.assert_close(noisy.norm(dim=1), torch.ones(2000))
    # |t + n|^2 is about 1 + D std^2, D = 512 in the papers, so the cosine to the text is its inverse root.
    assert (noisy * texts).sum(dim=1).mean().item() == pytest.approx((1 + 512 * std**2) ** -0.5, abs=0.01)
    assert not torch.equal(noisy, recipe.training_features(texts))


def test_noise_of_no_size_leaves_the_direction(components):
    texts = torch.randn(4, 8)
    torch.testing.assert_close(capdec.add_noise(texts, 0.0), F.normalize(texts, dim=1))
    with pytest.raises(InputError, match=r"must be 0 or more but is -0\.1"):
        capdec.add_noise(texts, -0.1)


@pytest.mark.parametrize("name", ["capdec", "close"])
def test_noisy_decoders_read_the_picture_as_it_is(name, components, pictures):
    captioner = build(name, components)
    assert captioner.decoding == "beam"
    expected = components.decoder("everyday", name).decode(pictures.features, decoding="beam", beam_size=5)
    captions = captioner.caption(pictures)
    tokenizer = components.encoder.tokenizer
    assert [c.text for c in captions] == [tokenizer.decode(d.tokens) for d in expected]
    assert len(captions[0].trace.beams) == 5
    assert captions[0].support == []
    assert build(name, components, decoding="greedy").decoding == "greedy"


# The language model and MAGIC


def test_the_language_model_has_nothing_to_look_at(components, tmp_path):
    data = prepare_texts(
        TextOnly.of_store(components.feature_store("everyday")),
        language_model.RECIPE,
        components.encoder,
        max_tokens=12,
    )
    features, *_ = data.batch(torch.tensor([0, 4]))
    assert torch.equal(features, torch.zeros_like(features))
    settings = run_settings("language-model", tmp_path / "lm")
    assert make_validator(settings, components.profile, components.encoder) is None


def test_the_language_model_steps_as_it_was_trained(components):
    model = components.decoder("everyday", "language-model")
    lm = language_model.LanguageModel(model, components.encoder.tokenizer)
    tokens = torch.tensor([[3, 5, 2], [4, 4, 6]])
    starts = torch.full((2, 1), model.config.start_id)
    expected = model.decoder(torch.zeros(2, 1, model.config.feature_width), torch.cat([starts, tokens], 1))
    hidden, cache = lm.start(2)
    steps = [lm.log_probabilities(hidden)]
    for position in range(3):
        steps.append(lm.log_probabilities(lm.step(tokens[:, position], cache)))
    torch.testing.assert_close(torch.stack(steps, dim=1), expected.log_softmax(-1), atol=1e-5, rtol=1e-4)


def test_magic_ranks_by_its_equation():
    probabilities = torch.tensor([[0.5, 0.3]])
    context = torch.tensor([[[1.0, 0.0], [0.0, 2.0]]])
    following = torch.tensor([[[3.0, 0.0], [1.0, 1.0]]])  # cosines to the context 1 and 0, .707 and .707
    similarities = torch.tensor([[0.2, 0.3]])
    scores = magic.magic_scores(
        probabilities, context, following, similarities, alpha=0.1, beta=2.0, logit_scale=10.0
    )
    share = 1 / (1 + math.e)
    expected = [0.9 * 0.5 - 0.1 * 1 + 2 * share, 0.9 * 0.3 - 0.1 * 0.5**0.5 + 2 * (1 - share)]
    assert scores[0].tolist() == pytest.approx(expected)


def magic_with(components: Components, **settings: float) -> magic.MagicCaptioner:
    return dataclasses.replace(build("magic", components), settings=magic.MagicSettings(**settings))


def test_magic_without_its_terms_is_the_greedy_language_model(components, pictures):
    model = components.decoder("everyday", "language-model")
    greedy = model.decode(torch.zeros_like(pictures.features))
    captions = magic_with(components, alpha=0, beta=0).caption(pictures)
    texts = [components.encoder.tokenizer.decode(d.tokens) for d in greedy]
    assert [c.text for c in captions] == texts
    assert [t.probability for t in captions[0].trace.tokens] == pytest.approx(
        greedy[0].probabilities, abs=1e-5
    )


def test_magic_follows_the_picture(components, pictures):
    """With CLIP alone the caption fits its picture better than the language model's own."""
    alone = magic_with(components, alpha=0, beta=0).caption(pictures)
    guided = magic_with(components, alpha=0, beta=1e6).caption(pictures)
    assert all(g.similarity > a.similarity for g, a in zip(guided, alone, strict=True))
    features = components.encoder.encode_texts([c.text for c in guided])
    cosines = (features * pictures.features).sum(dim=1)
    assert [c.similarity for c in guided] == pytest.approx(cosines.tolist(), abs=1e-5)


def test_magic_has_the_papers_settings_and_refuses_others_that_cannot_work():
    assert dataclasses.asdict(magic.MagicSettings()) == {
        "candidates": 45,
        "alpha": 0.1,
        "beta": 2.0,
        "max_tokens": 16,
    }
    with pytest.raises(InputError, match=r"`alpha` must lie in 0\.\.1"):
        magic.MagicSettings(alpha=1.5)
    with pytest.raises(InputError, match="at least 1 but are 0 and 16"):
        magic.MagicSettings(candidates=0)


def test_features_and_decoders_of_another_clip_model_are_refused(profile, components):
    store = components.feature_store("everyday")
    models = {**store.header.models, "encoder": "another"}
    other = FeatureStore(dataclasses.replace(store.header, models=models), store._table)
    with pytest.raises(DataError, match="made with the CLIP model another.*synthesize them again"):
        other.require_encoder(store.header.models["encoder"])
    assert len(store.take([4, 2])) == 2
    assert store.take([4, 2]).captions == [store.captions[4], store.captions[2]]
    decoder = profile.corpus("everyday").decoders / "capdec.json"
    written = decoder.read_text()
    try:
        sidecar = json.loads(written)
        sidecar["store"]["models"]["encoder"] = "another"
        decoder.write_text(json.dumps(sidecar))
        with pytest.raises(CheckpointError, match="trained with the CLIP model another.*train it again"):
            Components(profile, CPU).decoder("everyday", "capdec")
    finally:
        decoder.write_text(written)


def test_magic_takes_its_settings_for_flickr30k_where_the_domain_is_like_it(components):
    corpora = components.profile.corpora
    people = dataclasses.replace(corpora["people"], like="Flickr30k")
    profile = dataclasses.replace(components.profile, corpora={**corpora, "people": people})
    request = SystemRequest(components=Components(profile, CPU), corpus="everyday")
    assert build_system("magic", request).settings == magic.MagicSettings()
    settings = build_system("magic", dataclasses.replace(request, target="people")).settings
    assert (settings.candidates, settings.max_tokens) == (25, 20)


# ZeroCap


def zerocap_with(components: Components, **settings: float) -> zerocap.ZeroCapCaptioner:
    return dataclasses.replace(build("zerocap", components), settings=zerocap.ZeroCapSettings(**settings))


def first_step(captioner: zerocap.ZeroCapCaptioner, image: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """The arguments of `guided` before the first word, and the guide."""
    lm = captioner.language_model
    with torch.no_grad():
        hidden, cache = lm.start(1)
        before = lm.log_probabilities(hidden)
    past = cache.values[..., : cache.length - 1, :]
    last = torch.tensor([lm.config.start_id])
    return past, last, before, [()], zerocap._Guide(image, captioner._texts)


def test_a_cache_that_is_not_moved_predicts_what_the_language_model_does(components, pictures):
    captioner = zerocap_with(components, iterations=0)
    arguments = first_step(captioner, pictures.features[0])
    torch.testing.assert_close(captioner.guided(*arguments), arguments[2], atol=1e-5, rtol=1e-5)


def test_zerocap_without_steps_is_the_language_models_beam_search(components, pictures):
    """But for the choice among its beams, which is CLIP's."""
    model, tokenizer = components.decoder("everyday", "language-model"), components.encoder.tokenizer
    (beams,) = [d.beams for d in model.decode(torch.zeros(1, 32), decoding="beam", beam_size=5)]
    captions = zerocap_with(components, iterations=0).caption(pictures)
    for captioned, image in zip(captions, pictures.features, strict=True):
        expected = {tokenizer.decode(tokens): score for tokens, score in beams}
        assert dict(captioned.trace.beams) == pytest.approx(expected, abs=1e-4)
        texts = [text for text, _ in captioned.trace.beams]
        cosines = components.encoder.encode_texts(texts) @ image
        assert captioned.text == texts[0]
        assert captioned.similarity == pytest.approx(float(cosines.max()), abs=1e-5)


def test_the_steps_move_the_next_word_towards_the_picture(components, pictures):
    """The loss of the equation falls, the weights stay, and fluency holds the distribution back."""
    captioner = zerocap_with(components)
    arguments = first_step(captioner, pictures.features[0])
    before, guide = arguments[2], arguments[4]
    weights = {name: value.clone() for name, value in captioner.language_model.decoder.state_dict().items()}
    moved = captioner.guided(*arguments)
    target = captioner._target(before, [()], guide)
    torch.testing.assert_close(target.sum(), torch.tensor(1.0))
    assert -(target * moved).sum() < -(target * before).sum() - 0.01
    after = captioner.language_model.decoder.state_dict()
    assert all(torch.equal(value, after[name]) for name, value in weights.items())
    assert all(p.grad is None for p in captioner.language_model.decoder.parameters())

    def divergence(log_p: torch.Tensor) -> float:
        return float((log_p.exp() * (log_p - before)).sum())

    held = zerocap_with(components, fluency=100.0).guided(*arguments)
    assert divergence(held) < divergence(moved)


def test_the_gradient_is_scaled_by_its_norm(components, pictures):
    """One step with g = 1 has length s in each layer's keys and values; checked on a copy of the loop."""
    captioner = zerocap_with(components, iterations=1, norm_power=1.0, step_size=0.3, fusion=1.0)
    past, last, before, tokens, guide = first_step(captioner, pictures.features[0])
    lm = captioner.language_model
    caches = [past.clone()[layer, part].requires_grad_() for layer in range(2) for part in range(2)]
    stacked = torch.stack(caches).unflatten(0, (2, 2))
    log_p = lm.log_probabilities(lm.step(last, zerocap.FixedCache(stacked)))
    target = captioner._target(log_p.detach(), tokens, guide)
    kl = F.kl_div(before, log_p, log_target=True, reduction="sum")
    (-(target * log_p).sum() + 0.2 * kl).backward()
    moved = torch.stack([c.detach() - 0.3 * c.grad / c.grad.norm() for c in caches]).unflatten(0, (2, 2))
    with torch.no_grad():
        expected = lm.log_probabilities(lm.step(last, zerocap.FixedCache(moved)))
    torch.testing.assert_close(captioner.guided(past, last, before, tokens, guide), expected)


def test_zerocap_encodes_each_text_once(components, pictures):
    captioner, encoded = zerocap_with(components, max_tokens=3), []

    class Counting:
        width = components.encoder.width

        def encode_texts(self, texts: list[str]) -> torch.Tensor:
            encoded.extend(texts)
            return components.encoder.encode_texts(texts)

    captioner.text_encoder = Counting()
    assert captioner.caption(pictures)[0].text  # one guide for each of the four pictures
    assert max(encoded.count(text) for text in set(encoded)) <= len(pictures)


def test_zerocap_has_the_papers_settings_and_scales_its_candidates():
    settings = zerocap.ZeroCapSettings()
    assert dataclasses.asdict(settings) == {
        "iterations": 5,
        "candidates": 512,
        "fluency": 0.2,
        "step_size": 0.3,
        "norm_power": 0.9,
        "fusion": 0.99,
        "beam_size": 5,
        "max_tokens": 15,
    }
    assert [settings.candidates_of(size) for size in (49_408, 2000, 400, 30)] == [512, 200, 64, 30]
    with pytest.raises(InputError, match="`beam_size` must be at least 1 but is 0"):
        zerocap.ZeroCapSettings(beam_size=0)
    with pytest.raises(InputError, match=r"`fusion` lie in 0\.\.1"):
        zerocap.ZeroCapSettings(fusion=2)


# The command line


def test_train_takes_a_system(tiny_profile_path, capsys, tmp_path):
    command = ["train", "--profile", str(tiny_profile_path), "--out", str(tmp_path / "decap"), "--json"]
    command += ["--work", str(tmp_path / "runs"), "--set", "optimizer.steps=2", "--system"]
    assert main([*command, "decap"]) == 0
    assert json.loads(capsys.readouterr().out)["checkpoint"] == str(tmp_path / "decap")
    assert json.loads((tmp_path / "decap.json").read_text())["settings"]["system"] == "decap"
    assert main([*command, "clip"]) == 2
    assert "no system 'clip' to train" in capsys.readouterr().err


@pytest.mark.java
@pytest.mark.skipif(not metrics.java_available(), reason="there is no Java")
def test_evaluate_takes_a_system(tiny_profile_path, capsys, tmp_path):
    out = tmp_path / "captions.json"
    command = ["evaluate", "--profile", str(tiny_profile_path), "--out", str(out), "--json", "--system"]
    assert main([*command, "clipre"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert (report["system"], report["pictures"]) == ("clipre", 4)
    corpus = load_profile(tiny_profile_path).corpora["everyday"].captions.read_text().splitlines()
    assert set(json.loads(out.read_text()).values()) <= set(corpus)
    assert main([*command, "decap-tt"]) == 2
    assert "name it as the target" in capsys.readouterr().err
