"""BLEU-4, METEOR, ROUGE-L, CIDEr and SPICE by pycocoevalcap, all x 100 as papers print them.

Captions go through the Penn Treebank tokenizer first, as in COCO's evaluation. That and METEOR are
Java programs inside pycocoevalcap; CIDEr alone also works without Java, on a simpler tokenizer.
pycocoevalcap's own wrappers leave open pipes, write into the installation and can hang when an error
falls between two calls, so the two programs are started and ended here, and so is SPICE, which is left out
where Stanford's parser, a download of 400 MB, has not been put beside it.
"""

from __future__ import annotations

import json
import logging
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from ..errors import InputError, MissingToolError

logger = logging.getLogger(__name__)

Captions = Mapping[str, Sequence[str]]
_SPICE_PARSER = ("stanford-corenlp-3.6.0.jar", "stanford-corenlp-3.6.0-models.jar")
_JAVA_HINT = "install a Java runtime (on Debian `apt-get install default-jre-headless`)"


@dataclass(frozen=True, kw_only=True)
class Scores:
    """Caption metrics x 100; None for what was not measured.

    Attributes:
        cider_each: CIDEr of every picture, in the references' order; `cider` is their mean.
        spice: None where its parser is not installed, see `spice_missing`.
    """

    bleu4: float
    meteor: float
    rouge_l: float
    cider: float
    spice: float | None = None
    cider_each: tuple[float, ...] = ()

    def to_dict(self) -> dict[str, float | None]:
        """Return the figures of the whole set, for JSON."""
        return {field.name: getattr(self, field.name) for field in fields(self) if field.name != "cider_each"}


def java_available() -> bool:
    """Say whether METEOR and the Penn Treebank tokenizer can run."""
    return shutil.which("java") is not None


def score(references: Captions, captions: Mapping[str, str]) -> Scores:
    """Score one caption per picture against its references.

    Args:
        references: picture -> its reference captions.
        captions: picture -> the caption to score; the same pictures.

    Raises:
        InputError: if the two name different pictures, or none.
        MissingToolError: if there is no Java, or METEOR fails.
    """
    return score_systems(references, {"": captions})[""]


def score_systems(references: Captions, systems: Mapping[str, Mapping[str, str]]) -> dict[str, Scores]:
    """Score several systems on the same pictures; METEOR, slow to start, is started once.

    Args:
        references: picture -> its reference captions.
        systems: name -> its captions, as for `score`.

    Raises:
        InputError: as `score`.
        MissingToolError: as `score`.
    """
    require_java("METEOR and the Penn Treebank tokenizer")
    tokenized = {name: _tokenized(references, captions, tokenize_ptb) for name, captions in systems.items()}
    with _meteor() as meteor:
        scores = {name: _score(meteor, *pair) for name, pair in tokenized.items()}
    if spice_missing() is not None:
        return scores
    return {
        name: replace(scores[name], spice=_spice(references, captions)) for name, captions in systems.items()
    }


def spice_missing() -> str | None:
    """Say what SPICE lacks here and how to get it, or None where it can run."""
    if not java_available():
        return f"it needs Java: {_JAVA_HINT}"
    folder = _spice_folder()
    if missing := [name for name in _SPICE_PARSER if not (folder / "lib" / name).is_file()]:
        return (
            f"it needs {' and '.join(missing)} in {folder / 'lib'}; they are in stanford-corenlp-full-"
            "2015-12-09.zip of Stanford NLP's site, which pycocoevalcap's get_stanford_models fetches"
        )
    return None


def _spice_folder() -> Path:
    from importlib.util import find_spec

    found = find_spec("pycocoevalcap")
    assert found is not None
    assert found.submodule_search_locations is not None
    return Path(found.submodule_search_locations[0]) / "spice"


def _spice(references: Captions, captions: Mapping[str, str]) -> float:
    """Return SPICE x 100; the program reads plain captions and parses them itself."""
    entries = [
        {"image_id": name, "test": caption, "refs": list(references[name])}
        for name, caption in captions.items()
    ]
    with tempfile.TemporaryDirectory() as folder:
        given, written = Path(folder, "in.json"), Path(folder, "out.json")
        given.write_text(json.dumps(entries), encoding="utf-8")
        command = ["java", "-Xmx8G", "-jar", "spice-1.0.jar", str(given), "-out", str(written), "-silent"]
        done = subprocess.run(command, cwd=_spice_folder(), capture_output=True, check=False)
        if done.returncode != 0 or not written.is_file():
            raise MissingToolError(f"SPICE failed: {done.stderr.decode()[-200:].strip()}.")
        values = [entry["scores"]["All"]["f"] for entry in json.loads(written.read_text(encoding="utf-8"))]
    return 100 * sum(0.0 if value is None else float(value) for value in values) / len(values)


def _score(meteor: Any, truth: dict[str, list[str]], candidates: dict[str, list[str]]) -> Scores:
    from pycocoevalcap.bleu.bleu import Bleu
    from pycocoevalcap.cider.cider import Cider
    from pycocoevalcap.rouge.rouge import Rouge

    bleu, _ = Bleu(4).compute_score(truth, candidates, verbose=0)
    rouge, _ = Rouge().compute_score(truth, candidates)
    cider, cider_each = Cider().compute_score(truth, candidates)
    try:
        meteor_score, _ = meteor.compute_score(truth, candidates)
    except (OSError, ValueError) as error:  # it ended, so there is nothing to read
        raise MissingToolError(
            "METEOR failed to start; it needs a Java runtime and 2 GB of memory."
        ) from error
    return Scores(
        bleu4=100 * float(bleu[3]),
        meteor=100 * float(meteor_score),
        rouge_l=100 * float(rouge),
        cider=100 * float(cider),
        cider_each=tuple(100 * float(value) for value in cider_each),
    )


def cider(references: Captions, captions: Mapping[str, str]) -> float:
    """Return CIDEr x 100 alone: quick, and without Java on `tokenize_simply`.

    Args:
        references: as for `score`.
        captions: as for `score`.

    Raises:
        InputError: if the two name different pictures, or none.
    """
    from pycocoevalcap.cider.cider import Cider

    tokenize = tokenize_ptb if java_available() else tokenize_simply
    value, _ = Cider().compute_score(*_tokenized(references, captions, tokenize))
    return 100 * float(value)


def tokenizer_name() -> str:
    """Name the tokenizer that `cider` uses here, for the record."""
    return "ptb" if java_available() else "simple"


def tokenize_simply(texts: Sequence[str]) -> list[str]:
    """Lower the case and keep runs of letters, digits and inner apostrophes, joined by spaces.

    Close to the Penn Treebank tokenizer on plain captions; that one splits "isn't" into two tokens.
    """
    return [" ".join(re.findall(r"\w+(?:['’]\w+)*", text.lower())) for text in texts]


def tokenize_ptb(texts: Sequence[str]) -> list[str]:
    """Tokenize as COCO's evaluation does: Stanford's PTB tokenizer, lower case, no punctuation.

    Raises:
        MissingToolError: if there is no Java or the tokenizer fails.
    """
    from pycocoevalcap.tokenizer import ptbtokenizer

    require_java("the Penn Treebank tokenizer")
    command = [
        "java",
        "-cp",
        ptbtokenizer.STANFORD_CORENLP_3_4_1_JAR,
        "edu.stanford.nlp.process.PTBTokenizer",
    ]
    lines = "".join(" ".join(text.split()) + "\n" for text in texts)
    done = subprocess.run(
        [*command, "-preserveLines", "-lowerCase", "-encoding", "utf-8"],
        cwd=Path(ptbtokenizer.__file__).parent,
        input=lines.encode(),
        capture_output=True,
        check=False,
    )
    tokenized = done.stdout.decode().split("\n")
    if done.returncode != 0 or len(tokenized) < len(texts):
        raise MissingToolError(f"The Penn Treebank tokenizer failed: {done.stderr.decode()[-200:].strip()}.")
    punctuation = set(ptbtokenizer.PUNCTUATIONS)
    return [
        " ".join(word for word in line.split() if word not in punctuation) for line in tokenized[: len(texts)]
    ]


def _tokenized(
    references: Captions, captions: Mapping[str, str], tokenize: Any
) -> tuple[dict[str, list[str]], dict[str, list[str]]]:
    """Tokenize both in one call, keyed and ordered as pycocoevalcap wants them."""
    if references.keys() != captions.keys():
        odd = sorted(references.keys() ^ captions.keys())[:3]
        raise InputError(
            f"References and captions must be of the same pictures; {', '.join(odd)} are in only one."
        )
    if not captions:
        raise InputError("There is no caption to score.")
    names = list(captions)
    if empty := [name for name in names if not references[name]]:
        raise InputError(f"The picture {empty[0]!r} has no reference caption.")
    texts = [text for name in names for text in references[name]] + [captions[name] for name in names]
    words = iter(tokenize(texts))
    truth = {name: [next(words) for _ in references[name]] for name in names}
    return truth, {name: [next(words)] for name in names}


def require_java(what: str) -> None:
    """Raise MissingToolError unless there is Java; `what` says what needs it."""
    if not java_available():
        raise MissingToolError(f"There is no Java, which {what} need; {_JAVA_HINT}.")


@contextmanager
def _meteor() -> Iterator[Any]:
    """Start METEOR and end it again with all its pipes, whatever happens in between."""
    from pycocoevalcap.meteor.meteor import Meteor

    meteor = Meteor()
    try:
        yield meteor
    finally:
        process = meteor.meteor_p
        process.kill()
        for pipe in (process.stdin, process.stdout, process.stderr):
            with suppress(OSError):  # what was not yet written has no reader any more
                pipe.close()
        process.wait()
        if meteor.lock.locked():  # an error left it locked, and __del__ would wait for it for ever
            meteor.lock.release()
