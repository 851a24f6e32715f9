"""The systems that learn from real pictures: what each is handed, how it learns, and what it says."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path

import pytest
import torch
from tiny_models import draw_picture
from torch.nn import functional as F

from syntic.__main__ import main
from syntic.baselines import (
    PICTURE_RECIPES,
    SYSTEMS,
    LearnerTools,
    ModelSizes,
    PictureCaptioner,
    PictureFeatures,
    RealPairs,
    SystemRequest,
    TextOnly,
    UnpairedPictures,
    View,
    barraco,
    build_system,
    butd,
    clipcap,
    esper,
    feng,
    is_upper_bound,
    laina,
)
from syntic.baselines.concepts import ConceptFinder, concept_labels, names_of
from syntic.baselines.sampling import draw_captions, drawn_mask, with_start
from syntic.data import TestSet, TrainingPictures
from syntic.errors import CheckpointError, DataError, InputError
from syntic.evaluation import Pictures, encode_pictures
from syntic.evaluation import pictures as pictures_module
from syntic.evaluation.pictures import encode_files
from syntic.method import CaptionModel, DecoderConfig, Variant, load_checkpoint, save_checkpoint
from syntic.method.components import Components
from syntic.profiles import Profile, load_profile
from syntic.training import OptimizerSettings, RunSettings, StepDone, TrainingFinished, load_run, train
from syntic.training.loop import decoder_config
from syntic.training.pictures import open_training_pictures, train_on_pictures

CPU = torch.device("cpu")
ALL_VIEWS = frozenset(View)
PAIRED = ("clipcap", "barraco", "butd")
UNPAIRED = ("feng", "laina", "esper-style")
COUNT = 9


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Nine training pictures, three of each caption, as `emoji scenes --train` writes them."""
    folder = tmp_path_factory.mktemp("pictures")
    captions = ["a dog on a bench in the park", "two cats in the grass", "a bird next to a car"]
    annotations = []
    for number in range(COUNT):
        draw_picture(50 + number).save(folder / f"{number:04d}.png")
        caption = captions[number % 3]
        annotations += [{"id": 2 * number, "image_id": number, "caption": caption}]
        annotations += [{"id": 2 * number + 1, "image_id": number, "caption": f"{caption} at the beach"}]
    images = [{"id": n, "file_name": f"{n:04d}.png"} for n in range(COUNT)]
    (folder / "annotations.json").write_text(json.dumps({"images": images, "annotations": annotations}))
    return folder


@pytest.fixture(scope="module")
def profile(tiny_profile: Profile, tmp_path_factory, folder) -> Profile:
    decoders = tmp_path_factory.mktemp("decoders")
    corpus = dataclasses.replace(tiny_profile.corpus("everyday"), decoders=decoders)
    return dataclasses.replace(
        tiny_profile, corpora={"everyday": corpus}, training_pictures={"everyday": folder}
    )


@pytest.fixture(scope="module")
def components(profile) -> Components:
    return Components(profile, CPU)


@pytest.fixture(scope="module")
def encoded(components, folder) -> Pictures:
    """All views of the training pictures; for the random detector's tags stand those of the captions."""
    pictures = TrainingPictures.open(folder)
    encoded = encode_pictures(pictures.images, components.encoder, components.detector, views=ALL_VIEWS)
    tags = [["dog", "bench"], ["cat"], ["bird", "car"]] * (COUNT // 3)
    return dataclasses.replace(encoded, tags=tags)


@pytest.fixture(scope="module")
def pairs(encoded, folder) -> RealPairs:
    return RealPairs(PictureFeatures.of(encoded), TrainingPictures.open(folder).captions)


@pytest.fixture(scope="module")
def unpaired(components, encoded) -> UnpairedPictures:
    texts = TextOnly.of_store(components.feature_store("everyday"))
    return UnpairedPictures.separate(encoded, texts, seed=0)


@pytest.fixture(scope="module")
def config(components, profile) -> DecoderConfig:
    return decoder_config(profile, components.encoder.tokenizer, components.encoder.width)


@pytest.fixture(scope="module")
def language_model(components, profile) -> CaptionModel:
    """Trained for a moment, so that it says what a corpus says."""
    out = profile.corpus("everyday").decoders / "language-model"
    settings = RunSettings(
        profile="tiny",
        system="language-model",
        optimizer=OptimizerSettings(steps=40, batch_size=27, learning_rate=5e-3),
        out=out,
        work=out.parent / "runs",
    )
    store, encoder = components.feature_store("everyday"), components.encoder
    list(train(settings, profile=profile, store=store, text_model=encoder))
    return load_checkpoint(out, "tiny")[0]


def run_settings(name: str, out: Path, steps: int, learning_rate: float = 3e-3) -> RunSettings:
    return RunSettings(
        profile="tiny",
        system=name,
        optimizer=OptimizerSettings(steps=steps, batch_size=8, learning_rate=learning_rate),
        out=out,
        work=out.parent / "runs",
    )


@pytest.fixture
def run(components, profile, pairs, unpaired, language_model):
    """Trains a system for some steps and returns the events."""

    def run(name: str, out: Path, steps: int = 4, learning_rate: float = 3e-3, **options) -> list:
        recipe = PICTURE_RECIPES[name]
        return list(
            train_on_pictures(
                run_settings(name, out, steps, learning_rate),
                profile=profile,
                material=pairs if recipe.trains_on is RealPairs else unpaired,
                encoder=components.encoder,
                language_model=(language_model, "digest") if recipe.needs_language_model else None,
                **options,
            )
        )

    return run


def make_learner(
    name: str, components, config, material, language_model=None, steps: int = 100, batch: int = 8
):
    recipe = PICTURE_RECIPES[name]
    tools = LearnerTools(
        tokenizer=components.encoder.tokenizer,
        text_encoder=components.encoder,
        device=CPU,
        total_steps=steps,
        batch_size=batch,
        language_model=language_model,
    )
    return recipe.learner(recipe.make_model(ModelSizes.of(config, material.pictures)), material, tools)


# What a system may learn from


def test_the_upper_bounds_are_marked():
    assert {name for name in SYSTEMS if SYSTEMS[name].is_upper_bound} == set(PAIRED)
    assert {name for name, system in SYSTEMS.items() if system.trains_on is UnpairedPictures} == set(UNPAIRED)
    assert is_upper_bound("clipcap")
    assert not is_upper_bound("feng")
    assert not is_upper_bound("syntic")


@pytest.mark.parametrize("name", PICTURE_RECIPES)
def test_a_system_takes_only_its_own_kind_of_material(
    name, components, config, pairs, unpaired, language_model
):
    recipe = PICTURE_RECIPES[name]
    wrong = unpaired if recipe.trains_on is RealPairs else pairs
    with pytest.raises(InputError, match=f"{name!r} learns from {recipe.trains_on.__name__}, not from"):
        make_learner(name, components, config, wrong, language_model)
    store = components.feature_store("everyday")
    with pytest.raises(InputError, match="real pictures, which a feature store has none of"):
        list(train(RunSettings(system=name), profile=components.profile, store=store, text_model=None))


@pytest.mark.parametrize("system", [None, "decap", "language-model"])
def test_no_other_can_be_handed_a_picture(system, components, pairs, unpaired):
    with pytest.raises(InputError, match="learns without real pictures, so leave `pictures` out"):
        RunSettings(system=system, pictures="everyday")
    for material in (pairs, unpaired):
        with pytest.raises(InputError, match="learns without real pictures; `train` trains it"):
            list(
                train_on_pictures(
                    RunSettings(system=system),
                    profile=components.profile,
                    material=material,
                    encoder=components.encoder,
                )
            )


def test_pairs_need_a_caption_for_each_picture(pairs):
    with pytest.raises(DataError, match="9 pictures and captions for 8"):
        RealPairs(pairs.pictures, pairs.captions[1:])
    with pytest.raises(DataError, match=r"1 of 9 training pictures have no caption.*annotations\.json"):
        RealPairs(pairs.pictures, [[], *pairs.captions[1:]])
    assert len(pairs) == 2 * COUNT


def test_unpaired_pictures_and_texts_cannot_be_put_together_again(encoded, unpaired):
    assert {f.name for f in dataclasses.fields(UnpairedPictures)} == {"pictures", "concepts", "texts"}
    assert {f.name for f in dataclasses.fields(PictureFeatures)} == {"features", "grids", "regions"}
    assert not torch.equal(unpaired.pictures.features, encoded.features)
    order = [
        next(row for row, known in enumerate(encoded.features) if torch.equal(known, feature))
        for feature in unpaired.pictures.features
    ]
    assert sorted(order) == list(range(COUNT))
    assert unpaired.concepts == [encoded.tags[row] for row in order]  # a picture keeps its own tags
    again = UnpairedPictures.separate(encoded, unpaired.texts, seed=0)
    assert again.fingerprints == unpaired.fingerprints
    assert UnpairedPictures.separate(encoded, unpaired.texts, seed=1).fingerprints != unpaired.fingerprints
    with pytest.raises(DataError, match="0 pictures"):
        UnpairedPictures(unpaired.pictures.rows(slice(0, 0)), [], unpaired.texts)


def test_test_pictures_are_not_trained_on(profile, folder, tmp_path):
    settings = RunSettings(system="clipcap", corpus="everyday")
    assert len(open_training_pictures(settings, profile)) == COUNT
    tested = profile.test_sets["everyday"]
    for name in (tested, tmp_path / "copy"):
        if not name.exists():
            shutil.copytree(folder, name)
            image = TestSet.open(tested).images[2]
            shutil.copy(image, name / "0004.png")
        with pytest.raises(InputError, match="in the test set 'everyday', the first is .*; train on others"):
            open_training_pictures(dataclasses.replace(settings, pictures=str(name)), profile)


def test_missing_training_pictures_are_said_with_what_makes_them(profile, tmp_path):
    settings = RunSettings(system="clipcap", corpus="everyday")
    absent = dataclasses.replace(profile, training_pictures={"everyday": tmp_path / "none"})
    with pytest.raises(DataError, match=r"no training pictures at .*none.*emoji scenes --train 2000"):
        open_training_pictures(settings, absent)
    with pytest.raises(InputError, match="names none for 'everyday'; give a folder with --pictures"):
        open_training_pictures(settings, dataclasses.replace(profile, training_pictures={}))
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="holds no picture"):
        TrainingPictures.open(tmp_path / "empty")


def test_a_folder_of_pictures_alone_serves_unpaired_systems(folder, tmp_path):
    for image in folder.glob("*.png"):
        shutil.copy(image, tmp_path)
    pictures = TrainingPictures.open(tmp_path)
    assert len(pictures) == COUNT
    assert pictures.captions == [[]] * COUNT


# All of them


@pytest.mark.parametrize("name", PICTURE_RECIPES)
def test_a_system_trains_is_stored_and_captions(name, run, components, encoded, profile):
    out = profile.corpus("everyday").decoders / name
    events = run(name, out)
    assert isinstance(events[-1], TrainingFinished)
    sidecar = json.loads(out.with_suffix(".json").read_text())
    recipe = PICTURE_RECIPES[name]
    assert (sidecar["system"], sidecar["trained_on"]) == (name, recipe.trains_on.__name__)
    assert "variant" not in sidecar["settings"]
    captioner = build_system(name, SystemRequest(components=components, corpus="everyday"))
    assert isinstance(captioner, PictureCaptioner)
    assert (captioner.name, captioner.trains_on, captioner.decoding) == (name, recipe.trains_on, "beam")
    captions = captioner.caption(encoded)
    assert len(captions) == COUNT
    assert all(captioned.trace.tokens for captioned in captions)
    assert len(captions[0].trace.beams) == 5
    one = Pictures(
        names=["4"],
        features=encoded.features[4:5],
        tags=encoded.tags[4:5],
        grids=encoded.grids[4:5],
        regions=encoded.regions[4:5],
    )
    written = []
    assert captioner.caption(one, on_token=lambda: written.append(None))[0].text == captions[4].text
    assert len(written) >= len(captions[4].trace.tokens), "it can be stopped before each"
    greedy = build_system(name, SystemRequest(components=components, corpus="everyday", decoding="greedy"))
    assert greedy.decoding == "greedy"
    assert greedy.caption(one)[0].trace.tokens
    assert run(name, out) == [events[-1]]  # it is done; nothing is trained again


@pytest.mark.parametrize("name", PICTURE_RECIPES)
def test_a_stopped_run_ends_as_one_that_was_not(name, run, tmp_path):
    whole = run(name, tmp_path / "whole", steps=5)
    assert isinstance(whole[-1], TrainingFinished)
    for _ in range(20):
        events = run(name, tmp_path / "stopped", steps=5, should_stop=lambda: True)
        if isinstance(events[-1], TrainingFinished):
            break
    sidecars = [json.loads((tmp_path / f"{end}.json").read_text()) for end in ("whole", "stopped")]
    assert sidecars[0]["losses"] == sidecars[1]["losses"]
    assert sidecars[0]["weights_sha256"] == sidecars[1]["weights_sha256"]


@pytest.mark.parametrize("name", ["barraco", "butd"])
def test_a_system_says_what_its_pictures_lack(name, run, components, encoded, tmp_path, config, pairs):
    recipe = PICTURE_RECIPES[name]
    model = recipe.make_model(ModelSizes.of(config, pairs.pictures)).eval()
    captioner = PictureCaptioner(recipe, model, components.encoder.tokenizer)
    plain = dataclasses.replace(encoded, grids=None, regions=None)
    with pytest.raises(InputError, match=f"{name!r} looks at {next(iter(recipe.views)).value}, which"):
        captioner.caption(plain)


def test_a_system_that_is_not_trained_is_named(tiny_syntic):
    request = SystemRequest(components=tiny_syntic.components, corpus="everyday")
    with pytest.raises(CheckpointError, match=r"butd\.json; train this decoder"):
        build_system("butd", request)


def test_a_systems_own_settings_give_way_to_those_of_the_run():
    assert load_run(system="feng").optimizer.epochs == feng.RECIPE.optimizer["epochs"]
    assert load_run(system="feng", overrides=["optimizer.epochs=3"]).optimizer.epochs == 3
    assert load_run(system="clipcap").optimizer == load_run().optimizer
    assert "pictures" not in load_run(system="decap").to_dict()
    assert load_run(system="feng", pictures="x").to_dict()["pictures"] == "x"


# With real pairs


@pytest.mark.parametrize("name", PAIRED)
def test_an_upper_bound_learns_its_pairs(name, run, tmp_path):
    events = run(name, tmp_path / name, steps=40, learning_rate=1e-2)
    losses = [event.loss for event in events if isinstance(event, StepDone)]
    assert sum(losses[-5:]) / 5 < 0.6 * losses[0]


@pytest.mark.parametrize("name", PAIRED)
def test_its_steps_predict_what_it_was_trained_on(name, config, pairs):
    """Decoding token by token, rows reordered on the way, agrees with the forward pass of training."""
    model = PICTURE_RECIPES[name].make_model(ModelSizes.of(config, pairs.pictures)).eval()
    pictures = pairs.pictures.rows(slice(0, 2))
    tokens = torch.tensor([[config.start_id, 3, 5, 2], [config.start_id, 4, 4, 6]])
    with torch.no_grad():
        expected = model(pictures, tokens)
        logits, steps = model.begin(pictures)
        found = [logits]
        for position in (1, 2, 3):
            steps.select(torch.tensor([1, 0]))
            found.append(steps.step(tokens.flip(0)[:, position]).flip(0))
            steps.select(torch.tensor([1, 0]))
    torch.testing.assert_close(torch.stack(found, dim=1), expected, atol=1e-4, rtol=1e-4)


def test_clipcap_is_an_mlp_before_the_decoder(config, pairs):
    model = clipcap.ClipCapModel(ModelSizes.of(config, pairs.pictures))
    hidden = config.width * 10 // 2
    features = pairs.pictures.features[:2]
    second = torch.cat([position.weight for position in model.decoder.prefix_maps])  # (10 W, H)
    bias = torch.cat([position.bias for position in model.decoder.prefix_maps])
    expected = F.linear(model.hidden(features).tanh(), second, bias).view(2, 10, config.width)
    assert model.hidden.out_features == hidden
    prefix = model.prefix(pairs.pictures.rows(slice(0, 2)))
    torch.testing.assert_close(model.decoder.embed_prefix(prefix), expected)


def test_barracos_decoder_looks_at_every_position_of_the_grid(config, pairs):
    model = barraco.GridModel(ModelSizes.of(config, pairs.pictures)).eval()
    pictures = pairs.pictures.rows(slice(0, 1))
    grids = pictures.grids.clone().requires_grad_()
    tokens = torch.tensor([[config.start_id, 3]])
    model(dataclasses.replace(pictures, grids=grids), tokens).sum().backward()
    assert (grids.grad.norm(dim=-1) > 0).all()
    without = model(dataclasses.replace(pictures, features=torch.zeros_like(pictures.features)), tokens)
    torch.testing.assert_close(without, model(pictures, tokens))  # the pooled feature is not used


def test_butd_attends_to_regions_by_its_equation(config, pairs):
    model = butd.TwoLayerModel(ModelSizes.of(config, pairs.pictures)).eval()
    pictures = pairs.pictures.rows(slice(0, 2))
    state = model.look(pictures)
    model.advance(state, torch.tensor([3, 4]))
    shares = model.attend(state)
    torch.testing.assert_close(shares.sum(dim=1), torch.ones(2))
    h1 = state.attention[0]
    for row in range(2):
        a = [
            model.attention.weight[0]
            @ torch.tanh(model.region_map.weight @ v + model.hidden_map.weight @ h1[row])
            for v in pictures.regions[row]
        ]
        torch.testing.assert_close(shares[row], torch.stack(a).softmax(0))
    order = torch.tensor([2, 0, 1, 4, 3])
    tokens = torch.tensor([[config.start_id, 3], [config.start_id, 4]])
    shuffled = dataclasses.replace(pictures, regions=pictures.regions[:, order])
    torch.testing.assert_close(model(shuffled, tokens), model(pictures, tokens))  # a set of regions


# Concepts


def test_labels_are_found_under_all_their_names(components):
    assert names_of("dog") == ["dog", "dogs"]
    assert names_of("wine glass") == ["wine glass", "wine glasses"]
    assert names_of("knife") == ["knife", "knives"]
    assert {"person", "people", "man", "women", "boys"} <= set(names_of("person"))
    tokenizer = components.encoder.tokenizer
    finder = ConceptFinder(["bird", "car", "cat", "dog"], tokenizer)
    tokens = tokenizer.encode("a dog and two cats next to a dog")
    assert finder.find(tokens) == {3: 1, 2: 4}
    rows = torch.tensor([tokenizer.encode("a bird in the"), tokenizer.encode("a cat on a")])
    assert finder.of_captions(rows).tolist() == [[1, 0, 0, 0], [0, 0, 1, 0]]
    assert finder.of_pictures([["dog", "bench"], []]).tolist() == [[0, 0, 0, 1], [0, 0, 0, 0]]
    assert concept_labels([["dog", "cat"], ["dog"]]) == ["cat", "dog"]
    with pytest.raises(DataError, match="found nothing in any of the 2 training pictures"):
        concept_labels([[], []])


# Without pairs


def test_drawn_captions_end_with_their_mark(config, language_model):
    logits, steps = language_model.decoder.begin(torch.zeros(6, 1, config.feature_width))
    words = draw_captions(config, logits, steps)
    mask = drawn_mask(words, config)
    for row, counts in zip(words.tolist(), mask.tolist(), strict=True):
        length = row.index(config.end_id) + 1 if config.end_id in row else len(row)
        assert counts == [True] * length + [False] * (len(row) - length)
        assert set(row[length:]) <= {config.end_id}
    logits, steps = language_model.decoder.begin(torch.zeros(2, 1, config.feature_width))
    usual = draw_captions(config, logits, steps, temperature=None)
    (decoded,) = language_model.decode(torch.zeros(1, config.feature_width))
    assert usual[0, : len(decoded.tokens)].tolist() == decoded.tokens
    assert with_start(usual, config)[:, 0].tolist() == [config.start_id] * 2


@pytest.mark.parametrize("name", ["feng", "laina"])
def test_each_stage_of_an_unpaired_system_lowers_its_loss(name, run, tmp_path):
    steps = 50
    losses = [event.loss for event in run(name, tmp_path / name, steps=steps) if isinstance(event, StepDone)]
    ends = (0.2, 0.5) if name == "feng" else (laina.LANGUAGE_SHARE, 1.0)
    start = 0
    for end in ends:
        stage = losses[start : int(end * steps)]
        assert sum(stage[-5:]) < sum(stage[:5])
        start = int(end * steps)


def test_fengs_rewards_are_those_of_the_paper(components, config, unpaired):
    learner = make_learner("feng", components, config, unpaired).eval()
    tokenizer = components.encoder.tokenizer
    end = config.end_id
    words = torch.tensor([[*tokenizer.encode("a dog on a bench"), end, end]])
    present = learner.finder.of_pictures([["dog"]])
    latent = F.normalize(torch.randn(1, config.width), dim=1)
    mask = drawn_mask(words, config)
    with torch.no_grad():
        rewards = learner.rewards(words, present, latent)[0]
        logits, latents = learner.discriminator(words, mask)
    judged = F.logsigmoid(logits[0]) * mask[0]
    distance = 100 / 512 * float((latent - latents).square().sum())
    for position in range(words.shape[1]):
        expected = sum(0.9 ** (later - position) * float(judged[later]) for later in range(position, 7))
        expected += 10 * 0.9 ** (1 - position) if position <= 1 else 0  # "dog" is the second word
        assert float(rewards[position]) == pytest.approx(expected - distance, abs=1e-4)
    with torch.no_grad():
        nothing = learner.rewards(words, torch.zeros_like(present), latent)[0]
    assert float(rewards[0] - nothing[0]) == pytest.approx(9.0, abs=1e-4)
    torch.testing.assert_close(rewards[2:], nothing[2:])


def test_fengs_captions_come_to_name_what_is_there(components, config, unpaired):
    """With the concept's reward alone, by policy gradient: captions mention more of the tags."""
    torch.manual_seed(0)
    learner = make_learner("feng", components, config, unpaired, steps=1)
    optimizer = torch.optim.Adam(learner.parameters(), lr=1e-2)

    def mentions() -> float:
        drawn = torch.arange(COUNT).repeat(8)
        pictures, concepts = unpaired.pictures.rows(drawn), learner.picture_concepts[drawn]
        words = draw_captions(config, *learner.model.eval().begin(pictures))
        return float(learner._mentions(words, concepts).sum() / len(drawn))

    before = mentions()
    for _ in range(12):
        optimizer.zero_grad()
        learner._adversarial_loss(torch.arange(8), torch.randint(COUNT, (24,))).backward()
        optimizer.step()
    assert mentions() > before + 1


def test_lainas_triplets_follow_the_concepts():
    concepts = torch.tensor([[1, 1, 0], [1, 1, 0], [0, 0, 1.0]])
    near, far = torch.tensor([1.0, 0]), torch.tensor([0, 1.0])
    right = torch.stack([near, near, far])
    wrong = torch.stack([near, far, near])
    assert float(laina.triplet_loss(right, concepts)) == 0
    assert float(laina.triplet_loss(wrong, concepts)) == pytest.approx((2.2 + 0.2) / 2)
    alone = torch.ones(2, 3)
    assert float(laina.triplet_loss(right[:2], alone)) == 0  # no negative, no triplet


def test_lainas_pictures_are_led_to_sentences_that_share_their_concepts(components, config, unpaired):
    learner = make_learner("laina", components, config, unpaired)
    candidates = learner.candidates(learner.picture_concepts)
    shared = (learner.picture_concepts[:, None] * learner.text_concepts[candidates]).sum(dim=-1)
    best = (learner.picture_concepts @ learner.text_concepts.T).max(dim=1).values
    assert torch.equal(shared[:, 0], best)
    learner.zero_grad()
    learner._picture_loss(torch.arange(COUNT)).backward()
    moved = {name.split(".")[0] for name, p in learner.named_parameters() if p.grad is not None}
    assert moved == {"model", "discriminator"}  # the sentences' space is fixed
    assert all(p.grad is None for p in learner.model.decoder.parameters())


def test_esper_starts_as_the_language_model(components, config, unpaired, language_model):
    """Its own positions and constant are in place: only the picture's prefix stands before."""
    learner = make_learner("esper-style", components, config, unpaired, language_model)
    own, source = learner.model.decoder, language_model.decoder
    trained = {name for name, p in learner.model.named_parameters() if p.requires_grad}
    assert trained == {"hidden.weight", "hidden.bias"} | {
        f"decoder.prefix_maps.{i}.{kind}" for i in range(10) for kind in ("weight", "bias")
    }
    torch.testing.assert_close(own.position_embedding.weight[10:], source.position_embedding.weight)
    constant = own.embed_prefix(learner.model.prefix(unpaired.pictures.rows(slice(0, 1))))[:, -1]
    torch.testing.assert_close(constant, source.embed_prefix(torch.zeros(1, 1, config.feature_width))[:, 0])
    learner.draw()
    before = {name: value.clone() for name, value in own.named_parameters() if not value.requires_grad}
    learner.loss(torch.arange(8), 99).backward()
    torch.optim.SGD(learner.parameters(), lr=0.1).step()
    assert all(torch.equal(value, dict(own.named_parameters())[name]) for name, value in before.items())


def test_esper_learns_to_say_what_is_rewarded(components, config, unpaired, language_model):
    """A stand-in for CLIP likes captions of cats: the fixed language model is led to speak of them."""
    torch.manual_seed(0)

    class LikesCats:
        width = config.feature_width

        def encode_texts(self, texts: list[str]) -> torch.Tensor:
            liked = torch.tensor([1.0 if "cat" in text else -1.0 for text in texts])
            return liked[:, None] * F.normalize(torch.ones(1, self.width), dim=1)

    learner = make_learner("esper-style", components, config, unpaired, language_model, steps=1, batch=36)
    learner.tools = dataclasses.replace(learner.tools, text_encoder=LikesCats())
    same = F.normalize(torch.ones_like(learner.pictures.features), dim=1)
    learner.pictures = dataclasses.replace(learner.pictures, features=same)
    learner.mean, learner.deviation = 0.0, 0.2
    optimizer = torch.optim.Adam([p for p in learner.parameters() if p.requires_grad], lr=3e-3)
    shares = []
    for step in range(esper.PASSES, 13 * esper.PASSES):
        optimizer.zero_grad()
        learner.loss(torch.arange(36), step).backward()
        optimizer.step()
        if step % esper.PASSES == 0:
            shares.append(float((learner.clip_rewards() > 0).float().mean()))
    assert sum(shares[-3:]) / 3 > sum(shares[:2]) / 2 + 0.1


def test_espers_objective_is_ppos():
    mask = torch.tensor([[True, True, False]])
    advantages = torch.tensor([[1.0, -1.0, 9.0]])
    torch.testing.assert_close(esper.policy_loss(torch.zeros(1, 3), advantages, mask), torch.tensor(0.0))
    ratios = torch.tensor([[2.0, 2.0, 2.0]]).log()
    loss = esper.policy_loss(ratios, advantages, mask)  # clipped where it would gain, not where it loses
    assert float(loss) == pytest.approx(-(1.2 - 2.0) / 2)


def test_advantages_are_generalised():
    rewards, values = torch.tensor([[1.0, 2.0, 5.0]]), torch.tensor([[0.5, 0.25, 7.0]])
    mask = torch.tensor([[True, True, False]])
    last = 2.0 - 0.25
    first = 1.0 + 0.25 - 0.5 + 0.95 * last
    found = esper.generalised_advantages(rewards, values, mask)
    assert found[0].tolist() == pytest.approx([first, last, 0.0])


# The command line


def test_train_takes_pictures(tiny_profile_path, folder, capsys, tmp_path):
    out = tmp_path / "clipcap"
    command = ["train", "--profile", str(tiny_profile_path), "--out", str(out), "--json"]
    command += [
        "--work",
        str(tmp_path / "runs"),
        "--set",
        "optimizer.steps=2",
        "--set",
        "validation.test_set=",
    ]
    assert main([*command, "--system", "clipcap", "--pictures", str(folder)]) == 0
    assert json.loads(capsys.readouterr().out)["checkpoint"] == str(out)
    assert json.loads(out.with_suffix(".json").read_text())["trained_on"] == "RealPairs"
    assert main([*command, "--system", "clipcap"]) == 2
    assert "give a folder with --pictures" in capsys.readouterr().err
    assert main([*command, "--system", "decap", "--pictures", str(folder)]) == 2
    assert "'decap' learns without real pictures" in capsys.readouterr().err
    assert main([*command, "--system", "esper-style", "--pictures", str(folder)]) == 2
    assert "train --system language-model --corpus everyday" in capsys.readouterr().err


def test_the_emoji_profile_names_a_set_to_render():
    profile = load_profile("emoji")
    assert profile.training_pictures["everyday"].parts[-4:] == ("build", "emoji", "pictures", "everyday")


def test_another_systems_checkpoint_is_refused(components, profile, config, tmp_path):
    path = profile.corpus("everyday").decoders / "feng"
    kept = {suffix: path.with_suffix(suffix) for suffix in (".json", ".safetensors")}
    saved = {suffix: file.read_bytes() for suffix, file in kept.items() if file.exists()}
    try:
        save_checkpoint(path, CaptionModel(Variant.parse("baseline"), config), {"profile": "tiny"})
        with pytest.raises(CheckpointError, match="cannot be read; train it again"):
            build_system("feng", SystemRequest(components=Components(profile, CPU), corpus="everyday"))
    finally:
        for suffix, data in saved.items():
            kept[suffix].write_bytes(data)


def test_many_pictures_are_encoded_part_by_part(components, folder, tmp_path, monkeypatch):
    """As for MSCOCO's: memory for one part, and a kill loses one part."""
    images = TrainingPictures.open(folder).images
    models = (components.profile, components.encoder, components.detector)
    whole = encode_files(images, *models, cache=tmp_path / "whole", views=ALL_VIEWS)
    monkeypatch.setattr(pictures_module, "PART", 4)
    cache, done = tmp_path / "parts", []

    def kill(so_far: int, total: int) -> None:
        done.append((so_far, total))
        if so_far > 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        encode_files(images, *models, cache=cache, views=ALL_VIEWS, on_batch=kill)
    assert done == [(4, COUNT), (8, COUNT)]
    again: list[int] = []
    for _ in range(2):
        parts = encode_files(
            images, *models, cache=cache, views=ALL_VIEWS, on_batch=lambda so_far, total: again.append(so_far)
        )
        assert again == [8, 9]  # the first part is kept, and then the whole
        assert (parts.names, parts.tags) == (whole.names, whole.tags)
        for name in ("features", "grids", "regions"):
            torch.testing.assert_close(getattr(parts, name), getattr(whole, name))
    assert not list(cache.glob("*.safetensors"))
    assert RealPairs(PictureFeatures.of(parts), [["a"]] * COUNT).fingerprints["pictures"]
