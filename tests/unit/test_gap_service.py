"""The use cases of the page "Modality gap" on the tiny profile, with real models."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from served import with_map

from syntic.errors import Cancelled, InputError
from syntic.evaluation.controls import Control
from syntic.evaluation.gap import measure, shift_gap
from syntic.evaluation.map import Kind
from syntic.gap_service import GapExplorer, GapView, Layout
from syntic.method import project_onto_support
from syntic.service import SynticService

VIEW = GapView(corpus="everyday")


@pytest.fixture(scope="module")
def service(tiny_profile, tmp_path_factory) -> SynticService:
    return SynticService(with_map(tiny_profile, tmp_path_factory.mktemp("maps")), torch.device("cpu"))


@pytest.fixture(scope="module")
def gap(service) -> GapExplorer:
    return service.gap


def test_a_first_view_waits_for_no_model(tiny_profile, tmp_path):
    fresh = SynticService(with_map(tiny_profile, tmp_path), torch.device("cpu"))
    fresh.gap.places(VIEW)
    fresh.gap.measures(VIEW)
    fresh.gap.panels(VIEW)
    fresh.gap.heatmap(VIEW, "generated")
    assert fresh.pipeline.components._loaded == {}


def test_points_that_nothing_moved_lie_where_the_map_has_them(gap, service):
    places, shipped = gap.places(VIEW), service.gap_map("everyday")
    assert set(places.coordinates) == set(Kind)
    for kind, coordinates in places.coordinates.items():
        np.testing.assert_array_equal(coordinates, shipped.points[kind].coordinates)


def test_pca_is_a_product_and_says_what_it_explains(gap):
    places = gap.places(replace(VIEW, layout=Layout.PCA, dimensions=3))
    assert places.coordinates[Kind.TEXT].shape == (27, 3)
    assert 0 < places.explained.sum() <= 1
    assert gap.is_laid_out(replace(VIEW, layout=Layout.PCA, dimensions=3))
    assert not gap.is_laid_out(replace(VIEW, dimensions=3)), "the tiny map has no third dimension"


@pytest.mark.parametrize(
    ("control", "value", "moved"),
    [
        (Control.TEMPERATURE, 20, {Kind.PROJECTED}),
        (Control.REFINEMENT, 100, {Kind.REFINED, Kind.PROJECTED}),
        (Control.NOISE, 0.1, {Kind.TEXT}),
        (Control.SHIFT, 1, {Kind.TEXT, Kind.GENERATED}),
    ],
)
def test_a_control_moves_its_kinds_and_no_other(gap, control, value, moved):
    view = replace(VIEW, control=control, value=value)
    before, now = gap.places(VIEW).coordinates, gap.places(view).coordinates
    changed = {kind for kind in Kind if not np.array_equal(before[kind], now[kind])}
    assert changed == moved
    columns = gap.measures(view)
    assert columns[0].is_now
    assert [c.key for c in columns if not c.is_now] == ["generated", "refined", "projected", "random"]
    assert not any(c.is_now for c in gap.measures(VIEW))


def test_the_measures_are_those_of_the_library(gap, service):
    sample = gap.sample("everyday")
    texts, generated = sample.features[Kind.TEXT], sample.features[Kind.GENERATED]
    shifted = gap.measures(replace(VIEW, control=Control.SHIFT, value=1.0))[0].measures
    assert shifted == measure(*shift_gap(generated, texts, 1.0))
    support = service.pipeline.components.support_set("everyday")
    projected = project_onto_support(sample.features[Kind.REFINED], support, temperature=1 / 20).features
    turned = gap.measures(replace(VIEW, value=20))[0].measures
    assert replace(turned, effective_texts=None, own_weight=None) == measure(projected.numpy(), texts)


def test_a_selection_restricts_the_measures(gap):
    sample = gap.sample("everyday")
    view = gap.check(replace(VIEW, selection=(5, 3, 9, 11, 11, 28)))
    assert view.selection == (3, 5, 9, 11, 28)
    column = gap.measures(view)[0]
    rows = [3, 5, 9, 11]
    assert column.pairs == 4
    assert column.measures == measure(sample.features[Kind.GENERATED][rows], sample.features[Kind.TEXT][rows])
    assert gap.measures(replace(VIEW, selection=(1, 2)))[0].measures is None
    with pytest.raises(InputError, match=r"0\.\.30"):
        gap.check(replace(VIEW, selection=(31,)))
    with pytest.raises(InputError, match="2 or 3 dimensions"):
        gap.check(replace(VIEW, dimensions=4))
    with pytest.raises(InputError, match=r"5\.\.500"):
        gap.check(replace(VIEW, value=0))


def test_what_eq_3_mixes_is_there_once_it_is_asked_for(tiny_profile, tmp_path):
    gap = SynticService(with_map(tiny_profile, tmp_path), torch.device("cpu")).gap
    assert all(column.measures.effective_texts is None for column in gap.measures(VIEW))
    gap.mix(VIEW)
    columns = {column.key: column.measures for column in gap.measures(VIEW)}
    found = gap.sample("everyday").mix(
        gap.sample("everyday").features[Kind.GENERATED],
        gap.sample("everyday").temperature,
        gap.sample("everyday").features[Kind.TEXT],
    )
    assert columns["generated"].effective_texts == pytest.approx(np.median(found.effective_texts))
    assert columns["generated"].own_weight == pytest.approx(np.median(found.own_weights))
    assert columns["projected"].effective_texts is None
    assert columns["random"].own_weight is None
    rows = [3, 5, 9, 11]
    some = gap.measures(replace(VIEW, selection=tuple(rows)))[0].measures
    assert some.own_weight == pytest.approx(np.median(found.own_weights[rows]))


def test_a_colder_projection_mixes_fewer_texts(gap):
    warm, cold = (gap.measures(replace(VIEW, value=value))[0] for value in (20, 400))
    assert warm.is_now
    assert warm.measures.effective_texts > cold.measures.effective_texts >= 1
    steps = gap.measures(replace(VIEW, control=Control.REFINEMENT, value=1000))
    assert [column.measures.own_weight is None for column in steps[:2]] == [False, True]


def test_neighbours_are_the_largest_cosines_and_not_the_point_itself(gap):
    sample = gap.sample("everyday")
    near = gap.neighbours(VIEW, Kind.REAL, 28, 3)
    feature = sample.real.features[1]
    cosines = sample.features[Kind.TEXT] @ feature
    assert [n.item for n in near[Kind.TEXT]] == np.argsort(-cosines)[:3].tolist()
    assert near[Kind.TEXT][0].cosine == pytest.approx(float(cosines.max()), abs=1e-5)
    assert 28 not in [n.item for n in near[Kind.REAL]]
    with pytest.raises(InputError, match="no point 99"):
        gap.neighbours(VIEW, Kind.TEXT, 99)


def test_the_heatmap_takes_the_selection_and_the_stage(gap):
    selection = tuple(range(10))
    found = gap.heatmap(replace(VIEW, selection=selection), "projected")
    assert sorted(found.items) == list(selection)
    assert found.heatmap.similarities.shape == (20, 20)
    random = gap.heatmap(VIEW, "random").heatmap
    assert abs(random.image_text) < 0.1
    with pytest.raises(InputError, match="no heatmap of 'x'"):
        gap.heatmap(VIEW, "x")


def test_panels_end_with_the_control_and_show_what_was_turned(gap):
    assert [p.key for p in gap.panels(VIEW)] == ["generated", "refined", "projected", "random"]
    turned = gap.panels(replace(VIEW, control=Control.SHIFT, value=1))
    assert [p.key for p in turned] == ["generated", "refined", "projected", "now", "random"]
    apart = turned[0].images.mean(axis=0) - turned[0].texts.mean(axis=0)
    np.testing.assert_allclose(apart, [turned[0].distance, 0], atol=1e-5)
    assert turned[3].distance < turned[0].distance


@pytest.mark.parametrize("control", list(Control))
def test_captions_before_and_now_agree_where_nothing_is_turned(gap, control):
    value = gap.range("everyday", control).standard
    samples = gap.samples(replace(VIEW, control=control, value=value))
    assert samples
    for sample in samples:
        assert sample.before == sample.now
        assert sample.reference == gap.sample("everyday").caption(sample.item)


def test_captions_follow_the_selection_and_can_be_stopped(gap, service):
    chosen = gap.samples(replace(VIEW, value=50, selection=(28, 29)))
    assert [sample.item for sample in chosen] == [28, 29]
    with service._turns.hold(), pytest.raises(Cancelled):
        gap.samples(replace(VIEW, value=30), lambda: True)


def test_other_pictures_are_encoded_once_and_placed_on_the_same_map(gap):
    view = replace(VIEW, pictures="everyday")
    assert not gap.is_encoded("everyday", "everyday")
    done = []
    gap.encode("everyday", on_batch=lambda n, total: done.append((n, total)))
    assert done == [(4, 4)]
    assert gap.is_encoded("everyday", "everyday")
    assert gap.places(view).coordinates[Kind.REAL].shape == (4, 2)
    assert gap.measures(view)[3].key == "real"
    assert len(gap.pictures(view)) == 1
    with pytest.raises(InputError, match="no set 'coco'"):
        gap.encode("coco")


def test_the_loss_falls_on_the_way_from_a_wider_gap(gap):
    curves = gap.shift_curves("everyday")
    assert set(curves) == {Kind.GENERATED, Kind.REFINED, Kind.PROJECTED}
    assert all(len(curve.losses) == 25 and np.isfinite(curve.losses).all() for curve in curves.values())
    generated = curves[Kind.GENERATED].distances
    assert generated[0] == generated.max()
