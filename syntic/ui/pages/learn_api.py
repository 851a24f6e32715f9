"""The endpoints of the page "Learn" for scripts: the lesson as data, for a handout or a quiz."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import gradio as gr
import numpy as np

from ...errors import InputError, SynticError
from ...lesson_service import LessonView, Reads, Step
from ...service import SynticService
from ..errors import to_gradio
from ..lesson_answers import answer
from ..lesson_texts import STEPS


class LessonEndpoints:
    """The endpoints on one service; their docstrings are their documentation."""

    def __init__(self, service: SynticService) -> None:
        self.service = service

    def add(self) -> None:
        """Name them inside the current `gr.Blocks`."""
        for endpoint in (self.lesson_steps, self.lesson_figure):
            gr.api(  # type: ignore[attr-defined]
                endpoint, api_name=endpoint.__name__, concurrency_limit=4
            )

    def lesson_steps(self, corpus: str = "") -> list[dict[str, str]]:
        """Return the lesson: words, exercises, questions and their answers, computed on a corpus.

        Args:
            corpus: a corpus of the profile; empty takes the first.

        Returns:
            One object for each step; `link` is relative to the app's address.
        """
        name = corpus or self.service.gap.corpora[0]
        try:
            return [
                {"step": step.value, **asdict(text), **_answered(self.service, step, name)}
                for step, text in STEPS.items()
            ]
        except SynticError as error:
            raise to_gradio(error) from error

    def lesson_figure(
        self,
        step: str,
        corpus: str = "",
        value: float | None = None,
        picture: int = 1,
        reads: str = "picture",
        without: str = "",
    ) -> dict[str, Any]:
        """Return the numbers that the figure of a step shows.

        Args:
            step: clip, cone, gap, texts, noise, projection, refinement or tags.
            corpus: a corpus of the profile; empty takes the first.
            value: of the step's slider; none is where the lesson starts.
            picture: 1..24, in the steps clip, projection and tags.
            reads: text, picture, moved or projected, in the step texts.
            without: tags with commas that are left out, in the step tags.

        Returns:
            An object that depends on the step; distributions hold the edges of their bins and the
            shares of every group.
        """
        try:
            if step not in list(Step):
                raise InputError(f"The step must be one of {', '.join(Step)} but is {step[:40]!r}.")
            if reads not in list(Reads):
                raise InputError(f"`reads` must be one of {', '.join(Reads)} but is {reads[:40]!r}.")
            view = LessonView(
                step=Step(step),
                corpus=corpus or self.service.gap.corpora[0],
                value=value,
                picture=picture,
                reads=Reads(reads),
                without=tuple(tag.strip() for tag in without.split(",") if tag.strip()),
            )
            return self._figure(self.service.lesson.check(view))
        except SynticError as error:
            raise to_gradio(error) from error

    def _figure(self, view: LessonView) -> dict[str, Any]:
        lesson, step = self.service.lesson, view.step
        if step is Step.GAP:
            return {
                panel.key: {
                    "distance": panel.distance,
                    "pictures": panel.images.round(5).tolist(),
                    "texts": panel.texts.round(5).tolist(),
                }
                for panel in lesson.panels(view)
            }
        if step is Step.TAGS:
            return asdict(lesson.tagging(view)) | asdict(lesson.read_tags(view))
        questions: dict[Step, Callable[[], Any]] = {
            Step.CLIP: lambda: lesson.matching(view),
            Step.CONE: lambda: lesson.cone(view),
            Step.TEXTS: lambda: lesson.inputs(view),
            Step.NOISE: lambda: lesson.blur(view),
            Step.PROJECTION: lambda: lesson.mixture(view),
            Step.REFINEMENT: lambda: lesson.complete_refinement(view.corpus),
        }
        return asdict(questions[step](), dict_factory=_plain)


def _answered(service: SynticService, step: Step, corpus: str) -> dict[str, str]:
    found = answer(service, step, corpus)
    return {"link": found.link, "answer": found.question, "task_answer": found.task}


def _plain(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    return {name: value.tolist() if isinstance(value, np.ndarray) else value for name, value in pairs}
