"""The detector's training: targets, measures, one real tiny run, and the folder it leaves."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from syntic.emoji.cells import CELL_CHANNELS, GRID
from syntic.emoji.pretraining.data import SceneData
from syntic.emoji.pretraining.detector import (
    DetectorInTraining,
    DetectorSettings,
    DetectorTask,
    build_detector,
    centre_loss,
    centre_targets,
    export_detector,
    soften,
)
from syntic.emoji.pretraining.loop import LoopSettings, Run
from syntic.emoji.pretraining.precision import Found, average_precision_50, precision_and_recall
from syntic.models.detector import Detector
from syntic.profiles.profile import DetectorSettings as ProfileSettings

LABELS = ["apple", "banana"]
COLOURS = {"apple": (220, 20, 20), "banana": (240, 220, 20)}
TINY = DetectorSettings(
    image_size_px=64,
    stem_channels=16,
    backbone_channels=(16, 16, 32),
    backbone_depths=(1, 1, 1),
    width=32,
    heads=2,
    queries=6,
    denoising_queries=4,
    decoder_layers=2,
    soften_share=0,
)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> SceneData:
    """60 pictures of 64 px with one coloured rectangle each; two are held out."""
    folder = tmp_path_factory.mktemp("scenes")
    random = np.random.default_rng(0)
    pictures = np.full((60, 64, 64, 3), 128, dtype=np.uint8)
    lines = []
    for picture in pictures:
        label = LABELS[random.integers(2)]
        left, top = (int(x) for x in random.integers(0, 32, 2))
        picture[top : top + 24, left : left + 32] = COLOURS[label]
        box = [label, left, top, left + 32, top + 24]
        lines.append(json.dumps({"captions": [f"a {label}"], "boxes": [box], "style": "plain"}))
    np.save(folder / "images.npy", pictures)
    np.save(folder / "cells.npy", np.zeros((60, CELL_CHANNELS, GRID, GRID), np.float16))
    (folder / "scenes.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    (folder / "labels.json").write_text(json.dumps(LABELS), encoding="utf-8")
    return SceneData.open(folder)


def found(*objects: tuple[int, float, tuple[float, ...]]) -> Found:
    return Found(
        labels=torch.tensor([o[0] for o in objects], dtype=torch.int64),
        scores=torch.tensor([o[1] for o in objects]),
        boxes=torch.tensor([o[2] for o in objects]).reshape(-1, 4),
    )


def test_softened_pictures_keep_their_size_and_lose_detail() -> None:
    pixels = torch.rand(3, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    soft = soften(pixels, 0.5)
    assert soft.shape == pixels.shape
    assert soft.mean() == pytest.approx(float(pixels.mean()), abs=0.02)
    assert soft.diff(dim=3).abs().mean() < 0.5 * pixels.diff(dim=3).abs().mean()
    assert soften(pixels[:0], 0.5).shape == (0, 3, 64, 64)


def test_a_mirrored_target_lies_where_the_mirrored_pixels_are(data: SceneData) -> None:
    task = DetectorTask(data, TINY, 4)
    pixels = data.pictures(np.array([3]), np.array([True]))[0]
    target = task.target(3, is_flipped=True)
    x, y, width, height = (target["boxes"][0] * 64).tolist()
    is_object = (pixels - 128 / 255).abs().sum(0) > 0.1
    rows, columns = is_object.nonzero().unbind(1)
    assert (x - width / 2, x + width / 2) == (columns.min(), columns.max() + 1)
    assert (y - height / 2, y + height / 2) == (rows.min(), rows.max() + 1)
    assert data.labels[int(target["class_labels"][0])] == data.scenes[3].boxes[0][0]


def test_tidy_pictures_take_their_share_of_a_batch(data: SceneData) -> None:
    tidy = replace(data, scenes=[replace(scene, boxes=[]) for scene in data.scenes])
    task = DetectorTask(data, replace(TINY, tidy_share=0.25), 8, tidy)
    assert task.batch_size == 8
    assert (task.sampler.batch_size, task.tidy_sampler.batch_size) == (6, 2)  # type: ignore[union-attr]
    assert len(task.target(3, data=tidy)["class_labels"]) == 0
    loss, _ = task.loss(0, np.random.default_rng(0))
    assert torch.isfinite(loss)


def test_centre_targets_peak_in_the_cell_of_each_object() -> None:
    target = {
        "class_labels": torch.tensor([1, 0]),
        "boxes": torch.tensor([[0.35, 0.75, 0.4, 0.2], [0.8, 0.1, 0.2, 0.2]]),
    }
    empty = {"class_labels": torch.zeros(0, dtype=torch.int64), "boxes": torch.zeros(0, 4)}
    heatmap = centre_targets([empty, target], label_count=3, height=10, width=10)
    assert heatmap.shape == (2, 3, 10, 10)
    assert heatmap[0].max() == 0
    assert heatmap[1, 2].max() == 0
    assert heatmap[1, 1].argmax() == 7 * 10 + 3
    assert heatmap[1, 1, 7, 3] == pytest.approx(1)
    assert heatmap[1, 1, 7, 5] > heatmap[1, 1, 5, 3]  # the box is wider than high, so its bump is, too


def test_the_centre_loss_is_least_at_its_target() -> None:
    target = {"class_labels": torch.tensor([0]), "boxes": torch.tensor([[0.5, 0.5, 0.5, 0.5]])}
    wanted = centre_targets([target], 2, 4, 4).clamp(1e-4, 1 - 1e-4).logit()
    exact = centre_loss(wanted, [target])
    assert exact < 1e-3
    assert centre_loss(wanted + 1, [target]) > 10 * exact
    assert centre_loss(wanted - 1, [target]) > 10 * exact


def test_average_precision_of_known_cases() -> None:
    truth = [found((0, 1, (0, 0, 10, 10)), (1, 1, (20, 20, 40, 40))), found((0, 1, (5, 5, 15, 15)))]
    perfect = [found((0, 0.9, (0, 0, 10, 10)), (1, 0.2, (20, 20, 40, 40))), found((0, 0.8, (5, 5, 15, 15)))]
    assert average_precision_50(perfect, truth) == 1.0
    assert average_precision_50([found(), found()], truth) == 0.0
    # class 0: hit, duplicate (wrong), hit -> precision 1 up to recall 0.5, then 2/3; class 1: missed.
    doubled = [found((0, 0.9, (0, 0, 10, 10)), (0, 0.7, (0, 0, 10, 9))), found((0, 0.5, (5, 5, 15, 15)))]
    assert average_precision_50(doubled, truth) == pytest.approx((51 + 50 * 2 / 3) / 101 / 2)
    assert precision_and_recall(doubled, truth, 0.6) == (0.5, pytest.approx(1 / 3))


def test_the_average_precision_agrees_with_coco() -> None:
    coco = pytest.importorskip("pycocotools.coco")
    evaluation = pytest.importorskip("pycocotools.cocoeval")
    random = np.random.default_rng(3)
    truth, detections, annotations, results = [], [], [], []
    for picture in range(30):
        count = int(random.integers(1, 5))
        corner, size = random.uniform(0, 60, (count, 2)), random.uniform(15, 50, (count, 2))
        labels = random.integers(0, 3, count)
        guesses = corner + random.normal(0, 6, (count, 2))
        guessed = np.where(random.random(count) < 0.8, labels, random.integers(0, 3, count))
        scores = random.random(count)
        truth.append(
            found(*((int(k), 1.0, (*c, *(c + s))) for k, c, s in zip(labels, corner, size, strict=True)))
        )
        detections.append(
            found(
                *(
                    (int(k), float(p), (*c, *(c + s)))
                    for k, p, c, s in zip(guessed, scores, guesses, size, strict=True)
                )
            )
        )
        for n in range(count):
            box = [*corner[n], *size[n]]
            shared = {"image_id": picture, "bbox": box, "area": float(size[n].prod())}
            annotations.append(
                {**shared, "id": len(annotations) + 1, "category_id": int(labels[n]), "iscrowd": 0}
            )
            results.append(
                {
                    **shared,
                    "bbox": [*guesses[n], *size[n]],
                    "category_id": int(guessed[n]),
                    "score": float(scores[n]),
                }
            )
    reference = coco.COCO()
    reference.dataset = {
        "images": [{"id": n} for n in range(30)],
        "annotations": annotations,
        "categories": [{"id": n} for n in range(3)],
    }
    reference.createIndex()
    run = evaluation.COCOeval(reference, reference.loadRes(results), "bbox")
    run.evaluate()
    run.accumulate()
    run.summarize()
    assert average_precision_50(detections, truth) == pytest.approx(run.stats[1], abs=1e-6)


def test_the_backbone_learns_with_its_batch_norms() -> None:
    model = build_detector(TINY, LABELS)
    scales = [
        p for name, p in model.named_parameters() if "normalization.weight" in name and "backbone" in name
    ]
    assert scales
    assert all(scale.requires_grad and bool((scale == 1).all()) for scale in scales)


@pytest.fixture(scope="module")
def trained(data: SceneData, tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, list[float], Path]:
    """A run after some steps, their losses, and the folder of its model."""
    torch.manual_seed(0)
    work = tmp_path_factory.mktemp("run")
    settings = LoopSettings(work=work, minutes=1, learning_rate=2e-3, warmup_steps=1, average_decay=0.5)
    run = Run(DetectorTask(data, TINY, 8), settings)
    run.task.model.train()
    losses = [run.step()["loss"] for _ in range(40)]
    export_detector(run.average, TINY, work / "out")
    return run, losses, work / "out"


def test_training_lowers_the_loss_and_reports(trained: tuple[Run, list[float], Path], tmp_path: Path) -> None:
    run, losses, _ = trained
    assert losses[-1] < 0.7 * losses[0]
    with torch.no_grad():
        values = run.task.report(run.average, tmp_path)
    assert set(values) == {"held_out_ap50", "precision", "recall"}
    assert 0 <= values["held_out_ap50"] <= 1
    with Image.open(tmp_path / "detections.png") as sheet:
        assert sheet.width == 8 * 128


def test_the_exported_folder_finds_the_same_in_pictures_of_any_size(
    trained: tuple[Run, list[float], Path], data: SceneData
) -> None:
    run, _, folder = trained
    detector = Detector.from_settings(ProfileSettings(model=str(folder), threshold=0.0), torch.device("cpu"))
    assert detector.labels == LABELS
    assert {parameter.dtype for parameter in detector.model.parameters()} == {torch.float32}
    picture = Image.fromarray(np.asarray(data.images[0]))
    same, enlarged = detector.detect([picture, picture.resize((128, 192), Image.Resampling.NEAREST)])
    assert isinstance(run.average, DetectorInTraining)
    with torch.no_grad():
        expected = run.task.detect(run.average.detector, np.array([0]))[0]  # type: ignore[attr-defined]
    assert same[0].score == pytest.approx(float(expected.scores.max()), abs=2e-3)  # half precision
    left, top, right, bottom = same[0].box
    assert enlarged[0].box == pytest.approx((2 * left, 3 * top, 2 * right, 3 * bottom), abs=4)
    assert all(path.stat().st_size < 10e6 for path in folder.iterdir())
