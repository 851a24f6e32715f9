"""Eq. 2 against autograd with torch's Adam, and what it should do to features."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from syntic.errors import Cancelled, InputError, ShapeError
from syntic.method import refine_features


def pairs(rows: int, width: int = 16) -> tuple[torch.Tensor, torch.Tensor]:
    """Texts, and images that resemble them a little and one another a lot, as CLIP's do."""
    generator = torch.Generator().manual_seed(rows)
    texts = torch.randn(rows, width, generator=generator)
    gap = 2 * torch.randn(1, width, generator=generator)
    images = 0.5 * texts + torch.randn(rows, width, generator=generator) + gap
    return F.normalize(images, dim=1), F.normalize(texts, dim=1)


def slow_refinement(images, texts, temperature, learning_rate, steps):
    """Eq. 1 and 2 as written, by autograd and torch.optim.Adam, one batch."""
    features = images.clone().requires_grad_(True)
    adam = torch.optim.Adam([features], lr=learning_rate)
    losses = []
    for _ in range(steps):
        similarities = torch.stack([F.cosine_similarity(feature, texts, dim=-1) for feature in features])
        loss = F.cross_entropy(similarities / temperature, torch.arange(len(texts)))
        adam.zero_grad()
        loss.backward()
        adam.step()
        losses.append(loss.detach())
    return F.normalize(features.detach(), dim=1), torch.stack(losses)


def test_it_equals_autograd_with_torchs_adam():
    images, texts = pairs(8)
    features, losses = slow_refinement(images, texts, 0.05, 1e-3, 40)
    refined = refine_features(images, texts, temperature=0.05, learning_rate=1e-3, steps=40, batch_size=8)
    assert (features - images).abs().max() > 0.03
    torch.testing.assert_close(refined.features, features, atol=2e-4, rtol=0)
    torch.testing.assert_close(refined.losses, losses, atol=1e-4, rtol=1e-4)


def test_the_loss_falls_and_each_image_finds_its_text():
    images, texts = pairs(64, width=64)
    refined = refine_features(images, texts, learning_rate=1e-4, steps=400, batch_size=64)
    assert (refined.losses.diff() < 1e-4).all()
    assert refined.losses[-1] < refined.losses[0] / 2

    def retrieved(features):
        return ((features @ texts.T).argmax(dim=1) == torch.arange(64)).float().mean()

    assert retrieved(refined.features) > retrieved(images) + 0.2
    torch.testing.assert_close(refined.features.norm(dim=1), torch.ones(64))


def test_it_does_not_close_the_gap_with_the_papers_settings():
    """What the pages must not oversell: 500 steps at 1e-5 hardly move the centroid."""
    images, texts = pairs(64, width=64)
    refined = refine_features(images, texts, batch_size=64).features
    before, after = ((x.mean(dim=0) - texts.mean(dim=0)).norm() for x in (images, refined))
    assert (refined * texts).sum(dim=1).mean() > (images * texts).sum(dim=1).mean()
    assert after > 0.97 * before


def test_texts_of_other_batches_and_the_order_of_rows_do_not_matter_within_a_batch():
    images, texts = pairs(12)
    order = torch.randperm(12, generator=torch.Generator().manual_seed(3))
    straight = refine_features(images, texts, learning_rate=1e-3, steps=20, batch_size=12).features
    shuffled = refine_features(
        images[order], texts[order], learning_rate=1e-3, steps=20, batch_size=12
    ).features
    torch.testing.assert_close(straight[order], shuffled, atol=1e-5, rtol=0)


def test_batches_are_drawn_by_seed_and_of_equal_size():
    images, texts = pairs(13)
    run = [
        refine_features(images, texts, learning_rate=1e-3, steps=5, batch_size=6, seed=s).features
        for s in (0, 0, 1)
    ]
    assert torch.equal(run[0], run[1])
    assert not torch.equal(run[0], run[2])
    moved = (run[0] - images).norm(dim=1)
    assert (
        moved > 0
    ).all()  # no row is left alone in a last batch, where Eq. 2 would have nothing to contrast


def test_the_trajectory_leads_from_the_start_to_the_end():
    images, texts = pairs(10)
    refined = refine_features(images, texts, learning_rate=1e-3, steps=50, batch_size=5, trajectory_row=7)
    assert refined.trajectory.shape == (21, 16)
    assert refined.trajectory_steps[0] == 0
    assert refined.trajectory_steps[-1] == 50
    torch.testing.assert_close(refined.trajectory[0], images[7])
    torch.testing.assert_close(refined.trajectory[-1], refined.features[7])
    short = refine_features(images, texts, steps=3, trajectory_row=0)
    assert short.trajectory_steps.tolist() == [0, 1, 2, 3]
    assert refine_features(images, texts, steps=3).trajectory is None


def test_no_step_leaves_the_features():
    images, texts = pairs(4)
    refined = refine_features(images, texts, steps=0)
    torch.testing.assert_close(refined.features, images)
    assert len(refined.losses) == 0


def test_length_of_the_input_does_not_matter():
    images, texts = pairs(6)
    straight = refine_features(images, texts, steps=30).features
    scaled = refine_features(10 * images.numpy(), (3 * texts).numpy(), steps=30).features
    torch.testing.assert_close(straight, scaled, atol=1e-6, rtol=0)


def test_what_on_step_raises_ends_the_run():
    images, texts = pairs(6)
    seen = []

    def stop_at_four(step, total):
        seen.append((step, total))
        if step == 4:
            raise Cancelled("stop")

    with pytest.raises(Cancelled):
        refine_features(images, texts, steps=10, batch_size=3, on_step=stop_at_four)
    assert seen == [(1, 20), (2, 20), (3, 20), (4, 20)]


def test_the_input_is_not_changed():
    images, texts = pairs(6)
    copy = images.clone()
    refine_features(images, texts, learning_rate=1e-2, steps=5)
    assert torch.equal(images, copy)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"temperature": 0}, "temperature.*above 0.*0"),
        ({"temperature": float("nan")}, "temperature"),
        ({"learning_rate": -1}, "learning_rate.*-1"),
        ({"steps": -5}, "steps.*-5"),
        ({"batch_size": 1}, "batch_size.*at least 2.*1"),
        ({"trajectory_row": 6}, r"trajectory_row.*0\.\.5.*6"),
    ],
)
def test_settings_out_of_range_are_refused(settings, message):
    images, texts = pairs(6)
    with pytest.raises(InputError, match=message):
        refine_features(images, texts, **settings)


def test_features_that_do_not_fit_are_refused():
    images, texts = pairs(6)
    with pytest.raises(ShapeError, match="6 images and 5 texts"):
        refine_features(images, texts[:5])
    with pytest.raises(ShapeError, match="width 16 .* has 8"):
        refine_features(images, texts[:, :8])
    with pytest.raises(ShapeError, match="matrix"):
        refine_features(images[0], texts[0])
    broken = images.numpy().copy()
    broken[2, 3] = np.nan
    with pytest.raises(InputError, match="1 of 6 rows of `image_features` hold NaN"):
        refine_features(broken, texts)
    broken[2] = 0
    with pytest.raises(InputError, match="zeros"):
        refine_features(broken, texts)


def test_kept_steps_are_those_of_shorter_runs() -> None:
    generator = torch.Generator().manual_seed(3)
    images = torch.nn.functional.normalize(torch.randn(12, 16, generator=generator), dim=1)
    texts = torch.nn.functional.normalize(torch.randn(12, 16, generator=generator), dim=1)
    kept = refine_features(images, texts, steps=30, batch_size=5, keep_steps=[0, 7, 30]).kept
    assert list(kept) == [0, 7, 30]
    for steps, features in kept.items():
        alone = refine_features(images, texts, steps=steps, batch_size=5).features
        torch.testing.assert_close(features, alone)
    with pytest.raises(InputError, match="keep_steps"):
        refine_features(images, texts, steps=3, keep_steps=[4])
