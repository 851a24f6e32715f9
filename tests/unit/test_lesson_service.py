"""The numbers of the page "Learn" on the tiny profile, with real models."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from served import with_map

from syntic.errors import InputError
from syntic.evaluation.cosines import cosines_of_any_two, own_first
from syntic.evaluation.gap import add_noise, centroid_distance, measure, random_pairs
from syntic.evaluation.map import Kind
from syntic.lesson_service import CONTROLS, Lesson, LessonView, Reads, Step, TagReading
from syntic.lesson_service.tag_reading import Gain, gain_of, names, read_with_tags, variant_with_tags
from syntic.method import project_onto_support, refine_features
from syntic.service import SynticService


@pytest.fixture(scope="module")
def service(tiny_profile, tmp_path_factory) -> SynticService:
    return SynticService(with_map(tiny_profile, tmp_path_factory.mktemp("maps")), torch.device("cpu"))


@pytest.fixture(scope="module")
def lesson(service) -> Lesson:
    return service.lesson


def view(step: Step, **changes) -> LessonView:
    return LessonView(step=step, corpus="everyday", **changes)


def test_a_first_look_at_any_step_waits_for_no_model(tiny_profile, tmp_path):
    fresh = SynticService(with_map(tiny_profile, tmp_path), torch.device("cpu"))
    lesson = fresh.lesson
    lesson.matching(view(Step.CLIP))
    lesson.cone(view(Step.CONE))
    lesson.panels(view(Step.GAP))
    lesson.inputs(view(Step.TEXTS))
    lesson.blur(view(Step.NOISE))
    lesson.mixture(view(Step.PROJECTION))
    assert not lesson.refinement("everyday").complete
    lesson.tagging(view(Step.TAGS))
    models = {"generator", "encoder", "detector", "decoder"}
    assert not {key if isinstance(key, str) else key[0] for key in fresh.pipeline.components._loaded} & models


def test_cosines_of_any_two_have_the_mean_that_the_measures_call_cone():
    images, texts = random_pairs(40, 16)
    assert cosines_of_any_two(images).shape == (40 * 39 / 2,)
    assert cosines_of_any_two(images).mean() == pytest.approx(measure(images, texts).image_cone, abs=1e-6)
    assert cosines_of_any_two(random_pairs(300, 400)[0]).std() == pytest.approx(400**-0.5, rel=0.05)


def test_own_first_counts_a_text_that_is_there_twice_as_the_same():
    texts = np.eye(4, dtype=np.float32)[[0, 1, 2, 2]]
    assert own_first(texts, texts) == 1
    assert own_first(texts[[1, 1, 2, 2]], texts) == 0.75


def test_a_picture_finds_its_texts_by_cosine(lesson, service):
    sample = service.gap.sample("everyday")
    found = lesson.matching(view(Step.CLIP, picture=2))
    cosines = sample.features[Kind.TEXT] @ sample.features[Kind.GENERATED][found.item]
    assert [c.cosine for c in found.candidates][:5] == pytest.approx(np.sort(cosines)[::-1][:5].tolist())
    assert [c.caption for c in found.candidates if c.is_own] == [sample.captions[found.item]]
    assert found.place == 1 + int((cosines > cosines[found.item]).sum())
    assert sum(c.probability for c in found.candidates) <= 1 + 1e-6


def test_random_directions_narrow_with_their_dimensions_and_features_stay(lesson):
    low, high = (lesson.cone(view(Step.CONE, value=width)) for width in (2, 512))
    assert [group.key for group in low.groups] == ["generated", "text", "random"]
    np.testing.assert_array_equal(low.groups[0].shares, high.groups[0].shares)
    assert high.groups[2].shares.max() > low.groups[2].shares.max()
    for group in (*low.groups, *high.groups):
        assert group.shares.sum() == pytest.approx(1)


def test_what_is_read_lies_where_it_was_moved_to(lesson):
    beyond = {r: lesson.inputs(view(Step.TEXTS, reads=r)) for r in Reads}
    assert beyond[Reads.PICTURE].groups[1].mean > 0 > beyond[Reads.PICTURE].groups[0].mean
    distances = {r: found.facts["distance"] for r, found in beyond.items()}
    assert distances[Reads.MOVED] < distances[Reads.PICTURE]


def test_noise_throws_texts_further_and_mixes_them_up(lesson, service):
    sample = service.gap.sample("everyday")
    none, much = (lesson.blur(view(Step.NOISE, value=value)) for value in (0, 0.3))
    assert none.groups[1].mean == pytest.approx(0, abs=1e-5)
    assert none.facts["own first"] == 1 > much.facts["own first"]
    assert none.facts["distance"] == pytest.approx(none.facts["distance before"])
    noisy = add_noise(sample.features[Kind.TEXT], 0.3, sample.seed)
    expected = centroid_distance(sample.features[Kind.GENERATED], noisy)
    assert much.facts["distance"] == pytest.approx(expected)


def test_a_mixture_is_eq_3_on_the_whole_corpus(lesson, service):
    sample = service.gap.sample("everyday")
    found = lesson.mixture(view(Step.PROJECTION, picture=3, value=50))
    support = service.pipeline.components.support_set("everyday")
    feature = torch.from_numpy(sample.features[Kind.GENERATED][[found.item]])
    expected = project_onto_support(feature, support, temperature=1 / 50, top_k=6)
    assert found.weights == pytest.approx(expected.top_weights[0].tolist(), rel=1e-4)
    assert found.effective == pytest.approx(float(expected.effective_captions[0]), rel=1e-4)
    hot = lesson.mixture(view(Step.PROJECTION, picture=3, value=5))
    assert hot.effective > found.effective
    assert hot.texts == len(support)


def test_refinement_shows_two_steps_first_and_then_all(tiny_profile, tmp_path):
    service = SynticService(with_map(tiny_profile, tmp_path), torch.device("cpu"))
    lesson, sample = service.lesson, service.gap.sample("everyday")
    first = lesson.refinement("everyday")
    assert first.steps.tolist() == [0, sample.refinement.steps]
    curve = lesson.complete_refinement("everyday")
    assert curve.complete
    assert curve.steps.tolist() == sample.steps
    options = sample.refinement
    run = refine_features(
        sample.features[Kind.GENERATED],
        sample.features[Kind.TEXT],
        learning_rate=options.learning_rate,
        steps=101,
        batch_size=options.batch_size,
        seed=sample.seed,
    )
    assert curve.losses[curve.nearest(100)] == pytest.approx(float(run.losses[100]), rel=1e-4)
    assert curve.losses[-1] < curve.losses[0]
    assert lesson.refinement("everyday") is curve


def test_the_decoder_reads_the_tags_it_is_given(lesson, service):
    store = service.pipeline.components.feature_store("everyday")
    found = store.tags
    store.tags = [["dog", "bench"] for _ in found]  # the tiny detector has learned nothing
    try:
        _read_with_and_without(lesson, store)
    finally:
        store.tags = found


def test_the_step_on_tags_opens_with_the_picture_that_gains_most(tiny_profile, tmp_path):
    service = SynticService(with_map(tiny_profile, tmp_path), torch.device("cpu"))
    lesson, sample = service.lesson, service.gap.sample("everyday")
    store = service.pipeline.components.feature_store("everyday")
    before = lesson.pictures(Step.TAGS, "everyday")
    assert sorted(before) == sorted(set(before)), "nothing is tagged: all are drawn"
    store.tags = [["dog", "bench"] for _ in store.tags]
    items = lesson.pictures(Step.TAGS, "everyday")
    assert sorted(items) == sorted(set(items))
    variant = lesson.variant_with_tags("everyday")
    found = read_with_tags(
        service.pipeline.components, sample, variant, items, [["dog", "bench"]] * len(items)
    )
    cosines = (sample.features[Kind.GENERATED] * sample.features[Kind.TEXT]).sum(axis=1)
    gains = [
        gain_of(reading, ["dog", "bench"], sample.captions[item], float(cosines[item]))
        for reading, item in zip(found, items, strict=True)
    ]
    assert gains[0] == max(gains)
    assert lesson.pictures(Step.TAGS, "everyday") == items


def test_a_caption_gains_what_its_text_says_and_only_the_tags_brought():
    text, tags = "a dog beside two knives", ["dog", "knife", "cat"]

    def gain(with_tags: str, without: str) -> Gain:
        return gain_of(TagReading(attention=[], with_tags=with_tags, without_tags=without), tags, text, 0.5)

    best = gain("a knife and a dog", "a kitchen with a cat")
    assert best == Gain(gained=2, named=2, missed=-1, cosine=0.5)
    assert best > gain("a dog and a knife", "a dog") > gain("a dog", "a dog") > gain("a cat", "a cat")
    assert gain("a cat", "a dog").gained == -1
    assert names("a person skiing, two people watch", "person")
    assert not names("a carrot on a catwalk", "cat")


def test_the_fullest_variant_that_is_trained_reads_the_tags():
    names = {
        tuple(t): variant_with_tags(t) for t in (["baseline", "fp"], ["af", "fp+af", "fp"], ["syntic", "af"])
    }
    assert [variant and variant.name for variant in names.values()] == [None, "fp+af", "syntic"]


def _read_with_and_without(lesson, store):
    tagging = lesson.tagging(view(Step.TAGS))
    assert tagging.tags == store.tags[store.captions.index(tagging.caption)]
    reading = lesson.read_tags(view(Step.TAGS))
    assert sum(reading.attention) == pytest.approx(1, abs=1e-5)
    left_out = tagging.tags[0]
    without = view(Step.TAGS, without=(left_out,))
    assert lesson.tagging(without).given == tagging.tags[1:]
    assert len(lesson.read_tags(without).attention) == len(tagging.tags) - 1
    none = lesson.read_tags(view(Step.TAGS, without=tuple(tagging.tags)))
    assert none.attention == []
    assert none.with_tags == none.without_tags


@pytest.mark.parametrize("step", [Step.TEXTS, *CONTROLS])
def test_captions_are_those_of_the_page_of_the_gap(lesson, service, step):
    shown = view(step)
    found = lesson.captions(shown)
    expected = service.gap.samples(lesson.gap_view(shown))
    assert [(s.item, s.now) for s in found] == [(s.item, s.now) for s in expected]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (view(Step.NOISE, value=7), r"0\.\.0\.3 but is 7"),
        (view(Step.CLIP, picture=99), "no 99"),
        (view(Step.TAGS, without=("unicorn",)), "no tag 'unicorn'"),
        (LessonView(step=Step.CONE, corpus="nowhere"), "no corpus 'nowhere'"),
    ],
)
def test_a_view_that_cannot_be_is_refused_in_one_sentence(lesson, wrong, message):
    with pytest.raises(InputError, match=message):
        lesson.check(wrong)
