"""Training on tiny real models: what it learns, what it never sees, and what a kill does to it."""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from syntic.data import FeatureStore
from syntic.errors import CheckpointError, DataError, InputError
from syntic.method import (
    VARIANTS,
    CaptionModel,
    Variant,
    load_checkpoint,
    project_onto_support,
    refine_features,
)
from syntic.method.captioner import caption_mask
from syntic.method.projection import SupportSet
from syntic.method.tokens import encode_captions
from syntic.profiles import load_profile
from syntic.profiles.profile import PROFILES
from syntic.training import (
    OptimizerSettings,
    Preparing,
    RunSettings,
    StepDone,
    TrainingFinished,
    TrainingPaused,
    TrainingStarted,
    Validated,
    ValidationSettings,
    load_run,
    make_validator,
    train,
)
from syntic.training.loop import decoder_config
from syntic.training.preparation import prepare
from syntic.training.record import run_key

REPOSITORY = Path(__file__).parents[2]
SAVE_EVERY_STEP = """
import sys
from syntic.training import loop
loop.STATE_SECONDS = 0
from syntic.__main__ import main
sys.exit(main())
"""


@pytest.fixture
def store(tiny_syntic) -> FeatureStore:
    return tiny_syntic.feature_store


@pytest.fixture
def settings(tmp_path) -> RunSettings:
    return RunSettings(
        profile="tiny",
        variant="syntic",
        optimizer=OptimizerSettings(steps=12, batch_size=8, learning_rate=3e-3),
        validation=ValidationSettings(every_steps=5),
        out=tmp_path / "decoder",
        work=tmp_path / "runs",
    )


def run(settings: RunSettings, syntic, **options) -> list:
    return list(
        train(
            settings,
            profile=syntic.profile,
            store=syntic.feature_store,
            text_model=syntic.encoder,
            **options,
        )
    )


def weights(settings: RunSettings) -> dict[str, torch.Tensor]:
    assert settings.out is not None
    return load_file(settings.out.with_suffix(".safetensors"))


def record(out: Path) -> dict[str, list[list[float]]]:
    """Losses in full precision, where the weights on disk have half of it, and the validation curve."""
    sidecar = json.loads(out.with_suffix(".json").read_text())
    return {name: sidecar[name] for name in ("losses", "validation_curve")}


def assert_equal(left: dict[str, torch.Tensor], right: dict[str, torch.Tensor]) -> None:
    assert left.keys() == right.keys()
    for name, value in left.items():
        assert torch.equal(value, right[name]), name


@pytest.mark.parametrize("variant", VARIANTS, ids=lambda variant: variant.name)
def test_every_variant_trains_and_can_be_loaded(variant, settings, tiny_syntic):
    settings = dataclasses.replace(settings, variant=variant.name)
    events = run(settings, tiny_syntic)
    assert isinstance(events[-1], TrainingFinished)
    model, sidecar = load_checkpoint(settings.out, "tiny")
    assert model.variant == variant
    assert sidecar["store"]["fingerprint"] == tiny_syntic.feature_store.fingerprint
    assert sidecar["settings"]["optimizer"]["steps"] == 12
    assert sidecar["seed"] == 0
    assert {"torch", "numpy"} <= sidecar["versions"].keys()


def test_the_stream_tells_the_whole_run(settings, tiny_syntic):
    validator = make_validator(
        settings, tiny_syntic.profile, tiny_syntic.encoder, detector=tiny_syntic.detector
    )
    events = run(settings, tiny_syntic, validator=validator)
    stages = [event.stage for event in events if isinstance(event, Preparing)]
    assert list(dict.fromkeys(stages)) == ["refine", "project", "tags"]
    (started,) = [event for event in events if isinstance(event, TrainingStarted)]
    assert (started.step, started.total, started.steps_per_epoch) == (0, 12, 4)
    assert [event.step for event in events if isinstance(event, StepDone)] == list(range(1, 13))
    assert [event.step for event in events if isinstance(event, Validated)] == [5, 10, 12]
    finished = events[-1]
    assert [step for step, _ in finished.curve] == [5, 10, 12]
    sidecar = json.loads(settings.out.with_suffix(".json").read_text())
    assert [tuple(entry) for entry in sidecar["validation_curve"]] == finished.curve
    assert [step for step, _ in sidecar["losses"]] == list(range(1, 13))
    assert run(settings, tiny_syntic) == [finished]  # it is done; nothing is trained again


def test_it_learns_the_corpus(settings, tiny_syntic):
    long = dataclasses.replace(
        settings, optimizer=OptimizerSettings(steps=150, batch_size=27, learning_rate=5e-3)
    )
    losses = [event.loss for event in run(long, tiny_syntic) if isinstance(event, StepDone)]
    assert sum(losses[-5:]) / 5 < 0.6 * losses[0]
    model, _ = load_checkpoint(long.out, "tiny")
    words = {word for caption in tiny_syntic.feature_store.captions for word in caption.split()}
    feature = torch.from_numpy(tiny_syntic.feature_store.text_features[:1])
    tags = torch.zeros(1, 0, feature.shape[1]), torch.zeros(1, 0, dtype=torch.bool)
    text = tiny_syntic.encoder.tokenizer.decode(model.decode(feature, feature, *tags)[0].tokens)
    assert len(text.split()) >= 4
    assert set(text.split()) <= words


def test_the_validation_pictures_change_nothing(settings, tiny_syntic):
    run(settings, tiny_syntic)
    without = weights(settings)
    other = dataclasses.replace(settings, out=settings.out.with_name("validated"))
    validator = make_validator(other, tiny_syntic.profile, tiny_syntic.encoder, detector=tiny_syntic.detector)
    run(other, tiny_syntic, validator=validator)
    assert_equal(without, weights(other))


@pytest.mark.parametrize("how", ["stopped", "closed"])
def test_an_interrupted_run_ends_with_the_weights_of_an_uninterrupted_one(
    how, settings, tiny_syntic, tmp_path
):
    validator = make_validator(
        settings, tiny_syntic.profile, tiny_syntic.encoder, detector=tiny_syntic.detector
    )
    run(settings, tiny_syntic, validator=validator)
    expected, expected_record = weights(settings), record(settings.out)
    again = dataclasses.replace(settings, out=tmp_path / "again", work=tmp_path / "again-runs")
    if how == "stopped":
        asked = iter([False] * 1000)  # while it is prepared, and for some steps
        steps = [0]

        def should_stop() -> bool:
            return steps[0] == 7 or next(asked)

        for event in train(
            again,
            profile=tiny_syntic.profile,
            store=tiny_syntic.feature_store,
            text_model=tiny_syntic.encoder,
            validator=validator,
            should_stop=should_stop,
        ):
            steps[0] = event.step if isinstance(event, StepDone) else steps[0]
        assert event == TrainingPaused(step=7, total=12)
    else:
        stream = train(
            again,
            profile=tiny_syntic.profile,
            store=tiny_syntic.feature_store,
            text_model=tiny_syntic.encoder,
            validator=validator,
        )
        for event in stream:
            if isinstance(event, StepDone) and event.step == 5:  # before its Validated is read
                break
        stream.close()
    torch.manual_seed(99)  # global randomness must not matter
    torch.rand(10)
    events = run(again, tiny_syntic, validator=validator)
    (started,) = [event for event in events if isinstance(event, TrainingStarted)]
    assert started.step == (7 if how == "stopped" else 5)
    assert_equal(expected, weights(again))
    assert record(again.out) == expected_record


def test_sigkill_loses_nothing_but_time(settings, tiny_syntic, tiny_profile_path, tmp_path):
    """A real process, killed by SIGKILL amid its steps, then run again to its end."""
    command = [
        *(sys.executable, "-c", SAVE_EVERY_STEP, "train", "--profile", str(tiny_profile_path)),
        *(
            "--variant",
            "fp",
            "--set",
            "optimizer.steps=100",
            "--set",
            "optimizer.batch_size=8",
            "--set",
            "validation.test_set=''",
        ),
    ]
    environment = {**os.environ, "SYNTIC_THREADS": "1", "PYTHONPATH": str(REPOSITORY)}

    def start(name: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [*command, "--out", str(tmp_path / name), "--work", str(tmp_path / f"{name}-runs")],
            cwd=REPOSITORY,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    with start("whole") as whole:
        _, errors = whole.communicate(timeout=300)
        assert whole.returncode == 0, errors
    with start("killed") as killed:
        deadline = time.monotonic() + 300
        while not list((tmp_path / "killed-runs").rglob("fp-*.safetensors")):
            assert killed.poll() is None, "it ended before it could be killed"
            assert time.monotonic() < deadline
            time.sleep(0.01)
        killed.send_signal(signal.SIGKILL)
        killed.communicate()
    assert killed.returncode == -signal.SIGKILL
    assert not (tmp_path / "killed.safetensors").exists()
    with start("killed") as resumed:
        _, errors = resumed.communicate(timeout=300)
        assert resumed.returncode == 0, errors
    assert "continuing at step" in errors
    assert_equal(load_file(tmp_path / "whole.safetensors"), load_file(tmp_path / "killed.safetensors"))
    assert record(tmp_path / "whole") == record(tmp_path / "killed")


def test_a_damaged_state_is_said_and_not_trained_over(settings, tiny_syntic):
    stream = train(
        settings, profile=tiny_syntic.profile, store=tiny_syntic.feature_store, text_model=tiny_syntic.encoder
    )
    next(event for event in stream if isinstance(event, StepDone))
    stream.close()
    (state,) = settings.work.rglob("syntic-*.safetensors")
    state.write_bytes(state.read_bytes()[:-100])
    with pytest.raises(CheckpointError, match="damaged; delete it"):
        run(settings, tiny_syntic)


def test_features_of_another_profile_are_refused(settings, tiny_syntic):
    profile = dataclasses.replace(tiny_syntic.profile, name="other")
    with pytest.raises(DataError, match="profile 'tiny', not 'other'"):
        list(
            train(settings, profile=profile, store=tiny_syntic.feature_store, text_model=tiny_syntic.encoder)
        )


def test_the_prepared_features_are_those_of_the_equations(tiny_syntic, store):
    options = tiny_syntic.profile.refinement
    data = prepare(
        store,
        Variant.parse("syntic"),
        tiny_syntic.encoder,
        refinement=options,
        temperature=0.02,
        max_tokens=12,
    )
    refined = refine_features(
        store.image_features,
        store.text_features,
        temperature=options.temperature,
        learning_rate=options.learning_rate,
        steps=options.steps,
        batch_size=options.batch_size,
    ).features
    support = SupportSet(store.text_features, store.captions)
    torch.testing.assert_close(data.query, refined)
    torch.testing.assert_close(
        data.features, project_onto_support(refined, support, temperature=0.02).features
    )
    assert [store.tags[3][:8]] == [
        [data.tag_table.labels[p] for p in row if p < len(data.tag_table.labels)]
        for row in data.tag_positions[3:4].tolist()
    ]


def test_the_baseline_sees_the_generated_features_as_they_are(tiny_syntic, store):
    data = prepare(
        store,
        Variant.parse("baseline"),
        tiny_syntic.encoder,
        refinement=tiny_syntic.profile.refinement,
        temperature=0.01,
        max_tokens=12,
    )
    assert torch.equal(data.features, torch.from_numpy(store.image_features))
    assert data.tag_positions is None


def test_masking_keeps_the_own_caption_out(tiny_syntic, store):
    options = {
        "refinement": dataclasses.replace(tiny_syntic.profile.refinement, steps=0),
        "temperature": 0.001,
        "max_tokens": 12,
    }
    variant = Variant.parse("fp")
    # The features of the texts in place of the pictures': the own caption is then the nearest.
    store.__dict__["image_features"] = store.text_features
    try:
        kept = prepare(store, variant, tiny_syntic.encoder, **options).features
        masked = prepare(store, variant, tiny_syntic.encoder, mask_own_caption=True, **options).features
    finally:
        del store.__dict__["image_features"]
    own = torch.from_numpy(store.text_features)
    assert (kept * own).sum(dim=1).min() > (masked * own).sum(dim=1).max()


def test_refined_features_are_shared_and_a_damaged_cache_is_made_again(tiny_syntic, store, tmp_path):
    def prepared() -> tuple[torch.Tensor, list[str]]:
        stages: list[str] = []
        data = prepare(
            store,
            Variant.parse("fo"),
            tiny_syntic.encoder,
            refinement=tiny_syntic.profile.refinement,
            temperature=0.01,
            max_tokens=12,
            cache=tmp_path,
            report=lambda stage, done, total: stages.append(stage),
        )
        return data.features, stages

    first, stages = prepared()
    assert "refine" in stages
    second, stages = prepared()
    assert "refine" not in stages
    assert torch.equal(first, second)
    (cached,) = tmp_path.iterdir()
    cached.write_bytes(b"not safetensors")
    third, stages = prepared()
    assert "refine" in stages
    assert torch.equal(first, third)


def test_captions_become_marked_padded_tokens(tiny_syntic):
    tokenizer = tiny_syntic.encoder.tokenizer
    tokens, lengths = encode_captions(["a dog", "a dog on a bench in the park"], tokenizer, max_tokens=4)
    assert tokens.shape == (2, 6)
    assert lengths.tolist() == [4, 5]
    assert tokens[0].tolist() == [
        tokenizer.start_id,
        *tokenizer.encode("a dog"),
        tokenizer.end_id,
        *[tokenizer.pad_id] * 2,
    ]
    assert tokenizer.decode(tokens[1, 1:5].tolist()) == "a dog on a"
    assert tokenizer.end_id not in tokens[1].tolist()


@pytest.mark.parametrize("pads_with_the_end_mark", [False, True])
def test_nobody_learns_that_a_caption_ends_where_it_was_cut(pads_with_the_end_mark, tiny_syntic):
    tokenizer = tiny_syntic.encoder.tokenizer
    config = decoder_config(tiny_syntic.profile, tokenizer, 32)
    if pads_with_the_end_mark:
        config = dataclasses.replace(config, pad_id=config.end_id)
    tokens, _ = encode_captions(["a dog on a", "a dog on a bench in the park"], tokenizer, max_tokens=4)
    assert caption_mask(tokens[:, 1:], config).tolist() == [[True] * 5, [True] * 4 + [False]]


def test_only_a_run_that_refines_is_named_after_the_refinement(settings, store, tiny_syntic):
    profile = tiny_syntic.components.profile
    other = dataclasses.replace(profile, refinement=dataclasses.replace(profile.refinement, steps=77))

    def is_renamed(**changes: object) -> bool:
        changed = dataclasses.replace(settings, **changes)
        return run_key(changed, profile, store) != run_key(changed, other, store)

    assert is_renamed(variant="fo")
    assert not is_renamed(variant="fp+af")
    assert not is_renamed(variant="syntic", system="decap")


def test_a_loss_that_is_no_number_ends_the_run_with_one_sentence(settings, tiny_syntic, monkeypatch):
    monkeypatch.setattr(CaptionModel, "loss", lambda self, *batch: torch.tensor(float("nan")))
    with pytest.raises(InputError, match="became nan at step 1 of 12.*learning_rate` below 0.003"):
        run(settings, tiny_syntic)


def test_a_batch_is_cut_to_its_longest_caption(tiny_syntic, store):
    data = prepare(
        store,
        Variant.parse("baseline"),
        tiny_syntic.encoder,
        refinement=tiny_syntic.profile.refinement,
        temperature=0.01,
        max_tokens=12,
    )
    rows = torch.tensor([0, 1])
    *_, tokens = data.batch(rows)
    assert tokens.shape == (2, int(data.lengths[rows].max()))
    assert (tokens == tiny_syntic.encoder.tokenizer.end_id).any(dim=1).all()


def test_the_learning_rate_rises_then_falls_to_zero():
    options = OptimizerSettings(learning_rate=1.0, warmup_steps=1000)
    rates = [options.rate(step, 100) for step in range(100)]
    assert rates[0] == pytest.approx(0.1)  # a short run warms up for a tenth of it
    assert rates[9] == pytest.approx(1.0)
    assert rates[-1] == pytest.approx(1 / 90)
    assert options.rate(999, 44_000) == pytest.approx(1.0)
    assert options.total_steps(129) == 20
    assert OptimizerSettings(steps=3).total_steps(129) == 3


def test_a_run_file_and_what_is_set_on_the_command_line(tmp_path):
    path = tmp_path / "run.toml"
    path.write_text('variant = "fp"\nseed = 3\n[optimizer]\nepochs = 2\n')
    settings = load_run(path, ["optimizer.batch_size=64", "mask_own_caption=true"], seed=5, corpus=None)
    assert (settings.variant, settings.seed, settings.corpus) == ("fp", 5, "everyday")
    assert (settings.optimizer.epochs, settings.optimizer.batch_size) == (2, 64)
    assert settings.mask_own_caption is True
    assert load_run(None, ["variant=af"]).variant == "af"  # quotes may be left out


def test_a_run_is_trained_as_its_profile_says_unless_it_says_otherwise(tmp_path):
    path = tmp_path / "mine.toml"
    shipped = (PROFILES / "paper.toml").read_text(encoding="utf-8")
    before, after = shipped.split("[optimizer]")
    _, _, after = after.partition("\n[")
    path.write_text(f"{before}[optimizer]\nsteps = 70\nbatch_size = 8\n[{after}", encoding="utf-8")
    given = {"profile": str(path), "corpus": "coco"}
    usual = load_run(None, **given).optimizer
    assert (usual.steps, usual.batch_size, usual.learning_rate) == (70, 8, 1e-3)
    other = load_run(None, ["optimizer.epochs=3", "optimizer.learning_rate=0.5"], **given).optimizer
    assert (other.total_steps(16), other.batch_size) == (6, 8), "epochs take the place of the profile's steps"
    assert other.learning_rate == 0.5
    assert load_run(None, ["optimizer.steps=5"], **given).optimizer.steps == 5
    feng = load_run(None, system="feng", **given).optimizer
    assert (feng.steps, feng.batch_size) == (None, 8), "a recipe goes before the profile"
    assert load_run(None, known_profile=load_profile(path), profile="mine").optimizer == usual


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("epochs=2", "unknown key 'epochs'; allowed are profile, corpus"),
        ("optimizer.speed=2", "unknown key 'speed'; allowed are epochs, steps"),
        ("optimizer.epochs=two", "'epochs' must be int but is 'two'"),
        ("optimizer.epochs=0", "must be at least 1"),
        ("optimizer=3", "must be a table"),
        ("seed", "needs NAME=VALUE"),
        ("seed.x=3", "'seed' must be int"),
        ("variant=everything", "no variant 'everything'"),
        ("temperature=0", "above 0"),
        ("mask_own_caption=1", "must be bool"),
    ],
)
def test_a_wrong_setting_is_refused_with_what_is_allowed(override, message):
    with pytest.raises(InputError, match=message):
        load_run(None, [override])


def test_a_missing_or_broken_run_file_is_named(tmp_path):
    with pytest.raises(InputError, match="no run file"):
        load_run(tmp_path / "no.toml")
    (tmp_path / "broken.toml").write_text("variant = ")
    with pytest.raises(InputError, match="not valid TOML"):
        load_run(tmp_path / "broken.toml")


def test_minutes_pause_the_run_and_leave_the_result_alone(settings, tiny_syntic):
    paused = dataclasses.replace(settings, minutes=1e-9)
    events = run(paused, tiny_syntic)
    assert events[-1] == TrainingPaused(step=1, total=12)
    while not isinstance(events[-1], TrainingFinished):
        events = run(paused, tiny_syntic)
    other = dataclasses.replace(settings, out=settings.out.with_name("straight"))
    run(other, tiny_syntic)
    assert_equal(weights(paused), weights(other))


def test_training_takes_only_what_was_synthesised():
    """The argument that is trained on has a type that no real picture fits."""
    import inspect
    import typing

    hints = typing.get_type_hints(train)
    assert hints["store"] is FeatureStore
    assert "images" not in inspect.signature(train).parameters
    fields = {f.name for f in dataclasses.fields(typing.get_type_hints(prepare)["return"])}
    synthesised = {"features", "query", "tokens", "lengths", "tag_positions", "tag_table"}
    assert fields == synthesised | {"text_views", "improvement"}
    assert CaptionModel.loss.__code__.co_varnames[:6] == (
        *("self", "features", "query", "tag_features", "tag_mask", "tokens"),
    )


@pytest.mark.parametrize("broken", [float("nan"), float("inf")])
def test_a_loss_that_is_not_finite_ends_the_run_and_spoils_nothing(
    broken, settings, tiny_syntic, monkeypatch
):
    loss, calls = CaptionModel.loss, []

    def breaks(self: CaptionModel, *batch: torch.Tensor) -> torch.Tensor:
        calls.append(1)
        return loss(self, *batch) * (broken if len(calls) == 6 else 1.0)

    monkeypatch.setattr(CaptionModel, "loss", breaks)
    with pytest.raises(
        InputError, match=r"became (nan|inf) at step 6 of 12.*an `optimizer.learning_rate` below"
    ):
        run(settings, tiny_syntic)
    assert not settings.out.with_suffix(".json").exists()
    (state,) = settings.work.rglob("syntic-*.safetensors")
    assert all(torch.isfinite(value.float()).all() for value in load_file(state).values())
    monkeypatch.undo()
    events = run(settings, tiny_syntic)
    assert next(event for event in events if isinstance(event, TrainingStarted)).step == 5
    assert isinstance(events[-1], TrainingFinished)


def test_a_large_store_trains_to_the_same_weights(settings, tiny_syntic, monkeypatch):
    run(settings, tiny_syntic)
    monkeypatch.setattr("syntic.data.features.LARGE_BYTES", 0)
    store = FeatureStore.open(tiny_syntic.profile.corpora["everyday"].features)
    assert store.is_large
    other = dataclasses.replace(
        settings, out=settings.out.with_name("large"), work=settings.work.with_name("large-runs")
    )
    list(train(other, profile=tiny_syntic.profile, store=store, text_model=tiny_syntic.encoder))
    assert_equal(weights(settings), weights(other))
    assert list(other.work.rglob("projected-*"))  # kept, so that a new start reads it
    for path in tiny_syntic.profile.corpora["everyday"].features.glob("*.npy"):
        path.unlink()


@pytest.mark.parametrize("variant", ["baseline", "syntic"])
def test_a_step_in_half_precision_is_close(variant, settings, tiny_syntic, monkeypatch):
    """What a GPU with bfloat16 does, on the CPU."""
    settings = dataclasses.replace(settings, variant=variant)
    exact = [event.loss for event in run(settings, tiny_syntic) if isinstance(event, StepDone)]
    monkeypatch.setattr("syntic.training.loop.precision_of", lambda device: "bfloat16")
    other = dataclasses.replace(
        settings, out=settings.out.with_name("half"), work=settings.work.with_name("half-runs")
    )
    half = [event.loss for event in run(other, tiny_syntic) if isinstance(event, StepDone)]
    assert half != exact
    assert half == pytest.approx(exact, rel=0.02)
    assert json.loads(other.out.with_suffix(".json").read_text())["precision"] == "bfloat16"
