import gc
import shutil

import pytest

from syntic.errors import InputError, MissingToolError
from syntic.evaluation import metrics

needs_java = pytest.mark.skipif(not metrics.java_available(), reason="there is no Java")

REFERENCES = {
    "one": ["A dog runs on the beach.", "a brown dog is running along the sea", "the dog's at the beach"],
    "two": ["two cats sleep on a red couch", "a pair of cats, asleep on the sofa"],
    "three": ["a man rides a bicycle down the street", "a cyclist on a road"],
}
PERFECT = {name: texts[0] for name, texts in REFERENCES.items()}
SHUFFLED = {"one": PERFECT["two"], "two": PERFECT["three"], "three": PERFECT["one"]}


@pytest.mark.java
@needs_java
def test_a_reference_scores_full_marks_a_wrong_caption_none_and_an_empty_one_breaks_nothing() -> None:
    systems = {"perfect": PERFECT, "wrong": SHUFFLED, "gap": {**PERFECT, "two": ""}}
    scores = metrics.score_systems(REFERENCES, systems)
    perfect, wrong, gap = scores["perfect"], scores["wrong"], scores["gap"]
    assert perfect.bleu4 == pytest.approx(100, abs=0.01)
    assert perfect.rouge_l == pytest.approx(100)
    assert perfect.meteor == pytest.approx(100)
    assert perfect.cider > 300
    assert perfect.spice is None
    assert wrong.bleu4 < 1
    assert wrong.meteor < 15
    assert wrong.cider < 20
    assert metrics.cider(REFERENCES, SHUFFLED) == pytest.approx(wrong.cider)  # the quick way to the same
    assert 0 < gap.cider < perfect.cider
    assert 0 < gap.meteor < perfect.meteor


@pytest.mark.java
@needs_java
def test_the_tokenizer_agrees_with_pycocoevalcap(capfd: pytest.CaptureFixture[str]) -> None:
    import warnings

    from pycocoevalcap.tokenizer.ptbtokenizer import PTBTokenizer

    texts = [*REFERENCES["one"], "A café, naïve; isn't it -- (50% off)?", 'it\'s "quoted"', "semi-final 3:2"]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        theirs = PTBTokenizer().tokenize({index: [{"caption": text}] for index, text in enumerate(texts)})
        gc.collect()
    assert metrics.tokenize_ptb(texts) == [theirs[index][0] for index in range(len(texts))]
    assert metrics.tokenize_ptb(["", "a dog", ""]) == ["", "a dog", ""]


@pytest.mark.java
@needs_java
def test_a_meteor_that_dies_is_said_in_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    from pycocoevalcap.meteor import meteor

    monkeypatch.setattr(meteor, "METEOR_JAR", "nothing.jar")
    with pytest.raises(MissingToolError, match="METEOR failed"):
        metrics.score(REFERENCES, PERFECT)


@pytest.mark.java
@needs_java
def test_meteor_ends_its_process_even_after_an_error() -> None:
    processes = []

    def use_and_fail() -> None:
        with metrics._meteor() as meteor:
            processes.append(meteor.meteor_p)
            meteor.lock.acquire()
            raise RuntimeError("in between")

    with pytest.raises(RuntimeError):
        use_and_fail()
    gc.collect()  # __del__ would hang here on the lock
    assert processes[0].poll() is not None
    assert processes[0].stdout.closed


def test_cider_needs_no_java(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    assert metrics.tokenizer_name() == "simple"
    assert metrics.cider(REFERENCES, PERFECT) > 300
    assert metrics.cider(REFERENCES, SHUFFLED) < 20
    with pytest.raises(MissingToolError, match="no Java"):
        metrics.score(REFERENCES, PERFECT)


def test_the_simple_tokenizer() -> None:
    assert metrics.tokenize_simply(["A dog, isn't it?", "Ein Hündchen - 3 Katzen!"]) == [
        "a dog isn't it",
        "ein hündchen 3 katzen",
    ]


def test_pictures_must_match() -> None:
    with pytest.raises(InputError, match="two"):
        metrics.cider(REFERENCES, {"one": "a", "three": "b"})
    with pytest.raises(InputError, match="no caption"):
        metrics.cider({}, {})
    with pytest.raises(InputError, match="no reference"):
        metrics.cider({"one": []}, {"one": "a"})
