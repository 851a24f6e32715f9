"""What stands on the page "Compare" without any model: pictures to pick, two systems' outcome, a table."""

from __future__ import annotations

import numpy as np

from ...compare_service import PairOutcome, PairView, PictureChoice, Source
from ...errors import DataError, SynticError
from ...evaluation.results import ResultTable
from ...service import SynticService
from ..components.chooser import picture_buttons
from ..components.comparison import SideBySide, outcome_markup, result_table
from ..components.pictures import thumbnail_uri
from ..components.share_figure import share_figure
from ..components.stage_card import empty
from ..errors import describe
from .compare_layout import NO_CAPTIONS

SHOWN = 20  # test pictures at a time


def describe_picture(choice: PictureChoice) -> str:
    """Say where a picture is from."""
    return {
        Source.TEST: f"Test picture {choice.value} of “{choice.test_set}”",
        Source.EXAMPLE: f"Example picture {choice.value}",
        Source.UPLOAD: "Your picture",
    }[choice.source]


def restored_picture(service: SynticService, choice: PictureChoice) -> str:
    """Return a link's picture with what people wrote of it, before anything ran."""
    comparison = service.comparison
    picture = thumbnail_uri(comparison.picture(choice), side_px=296)
    line = f"{describe_picture(choice)}. Restored from the link; press Compare."
    return SideBySide(line, {}, picture=picture, references=comparison.references(choice)).markup()


def some_pictures(service: SynticService, test_set: str | None, seed: int, first: str = "") -> str:
    """Return pictures of a test set as buttons.

    Args:
        service: of the profile.
        test_set: its name.
        seed: which pictures.
        first: a picture that stands before them.
    """
    try:
        known = service.comparison.test_set(test_set or "")
    except SynticError as error:
        return empty(describe(error))
    rows = np.random.default_rng(seed).permutation(len(known)).tolist()
    names = [known.names[row] for row in rows]
    if first in names:
        names = [first, *(name for name in names if name != first)]
    images = dict(zip(known.names, known.images, strict=True))
    pictures = {name: thumbnail_uri(images[name]) for name in names[:SHOWN]}
    return picture_buttons(pictures, "Test picture", of=test_set or "")


def shown_outcome(service: SynticService, pair: PairView | None) -> str:
    """Return two systems against each other, or why that cannot be."""
    if pair is None:
        return empty(NO_CAPTIONS)
    try:
        outcome = service.comparison.pair(pair)
    except SynticError as error:  # its handler is unqueued: nobody would see a message box
        return empty(describe(error))
    first, second = (service.comparison.label(pair.test_set, one) for one in (pair.first, pair.second))
    world = f"The profile “{service.profile.name}”, pictures of its test set “{pair.test_set}”."
    if len(service.profile.corpora) > 1:
        world += _learned_from(outcome, first, second)
    return outcome_markup(outcome, first, second, world)


def shown_table(service: SynticService, experiment: str) -> str:
    """Return an experiment's table, or what makes it."""
    table = service.comparison.tables().get(experiment)
    if table is None:
        return empty(service.comparison.missing(experiment))
    if isinstance(table, DataError):
        return empty(describe(table))
    corpora = service.profile.corpora.items()
    return result_table(table, {name: corpus.like for name, corpus in corpora if corpus.like})


def shown_figure(service: SynticService, experiment: str) -> str:
    """Return Figure 2 as a chart, which stands above its table; nothing for a table, or before it is made."""
    table = service.comparison.tables().get(experiment)
    return share_figure(table) if experiment == "figure2" and isinstance(table, ResultTable) else ""


def _learned_from(outcome: PairOutcome, first: str, second: str) -> str:
    ours, others = outcome.first_corpus, outcome.second_corpus
    if not (ours and others):
        return ""
    if ours == others:
        return f" Both systems learned from the texts of “{ours}”."
    return f" {first} learned from the texts of “{ours}”, {second} from those of “{others}”."
