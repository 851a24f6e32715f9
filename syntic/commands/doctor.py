"""`doctor`: what is there, what is missing, and what to do about it."""

from __future__ import annotations

import argparse
import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from ..errors import SynticError
from ..profiles import Profile
from .options import add_json, add_profile, describe, open_profile, print_json


@dataclass(frozen=True)
class Check:
    """One thing that was looked for.

    Attributes:
        name: what.
        found: whether it is there and can be used.
        detail: what was found, or what to do.
        needed: whether captioning is impossible without it.
    """

    name: str
    found: bool
    detail: str
    needed: bool = False


def add_arguments(words: Sequence[str], parser: argparse.ArgumentParser) -> None:
    """Add the options of `doctor`."""
    describe(
        parser,
        "Look for models, corpora, features, decoders and programs. Ends with status 0 if pictures can be\n"
        "captioned with this profile, else 1.",
        "python -m syntic doctor --profile paper",
    )
    add_json(parser)
    add_profile(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Check everything and print one line each."""
    profile = open_profile(args)
    checks = [*_check_models(profile), *_check_data(profile), *_check_tools(), *_check_packages()]
    able = all(check.found for check in checks if check.needed) and _has_decoder(profile)
    if args.json:
        print_json({"profile": profile.name, "can_caption": able, "checks": checks})
    else:
        for check in checks:
            print(f"{'ok     ' if check.found else 'MISSING'}  {check.name}: {check.detail}")
        print(f"Profile {profile.name} {'can' if able else 'cannot'} caption pictures.")
    return 0 if able else 1


def _check_models(profile: Profile) -> list[Check]:
    """Look for the frozen models and the memory for them; nothing is loaded or downloaded."""
    from ..models.availability import find_models, memory_free, memory_needed
    from ..runtime import pick_device

    models = find_models(profile)
    checks = [
        Check(model.role, model.found, model.detail, needed=model.role != "text-to-image model")
        for model in models
    ]
    device = pick_device()
    needed, free = memory_needed(profile, models, device), memory_free(device)
    if needed is not None and free is not None:
        detail = (
            f"the models need about {needed / 2**30:.1f} GiB, {device.type} has {free / 2**30:.1f} GiB free"
        )
        if needed > free:
            detail += '; set `offload = "model"` and `attention_slicing = true` in [generator], or use less'
        checks.append(Check("memory", needed <= free, detail))
    return checks


def _check_data(profile: Profile) -> list[Check]:
    from ..data import FeatureStore, TestSet, TrainingPictures, read_corpus
    from ..data.fingerprints import identify_encoder

    def look_at_features(folder: Path) -> str:
        store = FeatureStore.open(folder)
        store.require_encoder(identify_encoder(profile.encoder))
        return f"{len(store):,} captions in {folder}"

    checks = []
    for name, corpus in profile.corpora.items():
        checks.append(_try(f"corpus {name}", lambda c=corpus: f"{len(read_corpus(c)):,} captions"))
        checks.append(
            _try(
                f"features of {name}",
                lambda c=corpus: look_at_features(c.features),
                f"make them with `python -m syntic synthesize {name}`",
            )
        )
        checks.append(_check_decoders(profile, name))
    for name, folder in profile.test_sets.items():
        checks.append(_try(f"test set {name}", lambda f=folder: f"{len(TestSet.open(f))} pictures"))
    for name, folder in profile.training_pictures.items():
        checks.append(
            _try(
                f"training pictures {name}",
                lambda f=folder: f"{len(TrainingPictures.open(f))} pictures",
                "needed only by the compared systems that learn from real pictures",
            )
        )
    return checks


def _check_decoders(profile: Profile, corpus: str) -> Check:
    from ..method import VARIANTS

    folder = profile.corpus(corpus).decoders
    missing = [variant.name for variant in VARIANTS if not _is_decoder(folder / variant.name, profile.name)]
    what = f"decoders of {corpus}"
    if not missing:
        return Check(what, True, f"all {len(VARIANTS)} variants in {folder}")
    advice = f"{', '.join(missing)}: `python -m syntic train --corpus {corpus} --variant {missing[0]}`"
    return Check(what, False, advice)


def _has_decoder(profile: Profile) -> bool:
    """Say whether any corpus has the default variant's decoder and the features it projects onto."""
    from ..data import FeatureStore

    for corpus in profile.corpora.values():
        if _is_decoder(corpus.decoders / "syntic", profile.name):
            try:
                FeatureStore.open(corpus.features)
            except SynticError:
                continue
            return True
    return False


def _is_decoder(path: Path, profile_name: str) -> bool:
    try:
        sidecar = json.loads((path.parent / f"{path.name}.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return sidecar.get("profile") == profile_name and (path.parent / f"{path.name}.safetensors").is_file()


def _check_tools() -> list[Check]:
    import torch

    from ..evaluation.metrics import java_available, spice_missing
    from ..runtime import describe_threads

    browser = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    cuda = torch.cuda.get_device_name() if torch.cuda.is_available() else "none, the CPU is used"
    return [
        Check(
            "Java",
            java_available(),
            "for METEOR and the tokenizer of the metrics"
            if java_available()
            else "needed for METEOR; on Debian `apt-get install default-jre-headless`",
        ),
        Check(
            "SPICE",
            spice_missing() is None,
            spice_missing() or "ready, for the column S of the paper's tables",
        ),
        Check(
            "Chromium",
            browser is not None,
            browser or "needed for the browser tests alone; on Debian `apt-get install chromium`",
        ),
        Check("CUDA", True, cuda),
        Check("threads", True, describe_threads()),
    ]


def _check_packages() -> list[Check]:
    """Look for the packages that only runs at full scale need; nothing is imported."""
    advice = "run `pip install -r requirements-scale.txt`"
    return [
        Check(title, found, what if found else f"needed {what}; {advice}")
        for title, package, what in (
            ("Ray", "ray", "for `synthesize --engine ray`, on many GPUs or machines"),
            ("FAISS", "faiss", "for Eq. 3 over more texts than `exact_limit`"),
        )
        for found in [find_spec(package) is not None]
    ]


def _try(name: str, look: object, advice: str = "") -> Check:
    assert callable(look)
    try:
        return Check(name, True, str(look()))
    except SynticError as error:
        problem, _, usual_advice = error.detail.partition("; ")
        return Check(name, False, f"{problem}; {advice or usual_advice}")
