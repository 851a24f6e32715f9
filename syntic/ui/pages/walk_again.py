"""What a finished run can still be asked: another temperature, fewer tags, another word, a file of it all."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import gradio as gr

from ...errors import Cancelled, InputError, SynticError
from ...service import SynticService
from ...types import Trace
from ..components import stages as stage_figures
from ..components.stage_card import empty
from ..errors import describe
from ..newest import Newest

Updates = dict[Any, Any]


@dataclass(frozen=True)
class Shown:
    """The run that is on the page, as far as it is.

    Attributes:
        trace: of the run.
        corpus: whose texts it was projected onto.
    """

    trace: Trace
    corpus: str


class ReadAgain:
    """The handlers on one service; the newest question of a visitor wins."""

    def __init__(self, service: SynticService) -> None:
        self.service = service
        self._asked = Newest()

    def forget(self, request: gr.Request) -> None:
        """Drop what was asked of an older run."""
        self._asked.stop(request)

    def reweigh(self, shown: Shown | None, inverse_temperature: float) -> Any:
        """Recompute the weights of Eq. 3 at another temperature; no model takes part."""
        if shown is None or shown.trace.refined_feature is None:
            return gr.skip()
        try:
            projection = self.service.reproject(
                shown.trace.refined_feature, shown.corpus, 1.0 / inverse_temperature
            )
            return stage_figures.projection_bars(projection, self.service.corpus_size(shown.corpus))
        except SynticError as error:  # unqueued, so nobody would see a message box
            return empty(describe(error))

    def retag(self, shown: Shown | None, tags: list[str], request: gr.Request) -> Iterator[tuple[Any, Any]]:
        """Let the decoder read again with only these tags; yields the attention and the caption."""
        if shown is None or shown.trace.caption is None or shown.trace.attention is None:
            return
        caption = shown.trace.caption
        found = dict.fromkeys(detection.label for detection in shown.trace.detections or [])
        off = [tag for tag in found if tag not in (tags or [])]

        def answer(should_stop: Callable[[], bool]) -> tuple[str, str]:
            again = self.service.read_again(shown.trace, without=off, should_stop=should_stop)
            assert again.attention is not None
            assert again.caption is not None
            figure = stage_figures.attention(again.attention)
            return figure, stage_figures.tagged(caption, again.caption, off)

        yield from self._answer(request, answer, lambda words: (gr.skip(), words))

    def follow(self, shown: Shown | None, event: gr.EventData, request: gr.Request) -> Iterator[Any]:
        """Let the decoder go on from a word that it considered and did not take."""
        if shown is None or shown.trace.caption is None:
            return
        trace, caption = shown.trace, shown.trace.caption
        position, token = event._data.get("position"), event._data.get("token")

        def answer(should_stop: Callable[[], bool]) -> str:
            if not isinstance(position, int) or not 0 <= position < len(caption.tokens):
                raise InputError("There is no such word in the caption; choose one that is shown.")
            if not isinstance(token, int) or token not in caption.tokens[position].alternative_ids:
                raise InputError("The decoder did not consider this word there; choose one that is shown.")
            given = [*(one.id for one in caption.tokens[:position]), token]
            again = self.service.read_again(trace, given=given, should_stop=should_stop)
            assert again.caption is not None
            return stage_figures.followed(caption, again.caption, position)

        yield from self._answer(request, answer, lambda words: words)

    def save(self, shown: Shown | None) -> dict[str, str]:
        """Return the run's trace as the file that is saved."""
        if shown is None:
            return {}
        return {"name": "syntic-trace.json", "text": shown.trace.to_json()}

    def _answer(
        self,
        request: gr.Request,
        answer: Callable[[Callable[[], bool]], Any],
        say: Callable[[str], Any],
    ) -> Iterator[Any]:
        stop = self._asked.begin(request)
        try:
            with suppress(Cancelled):
                found = answer(stop.is_set)
                if self._asked.is_newest(request, stop) and not stop.is_set():
                    yield found
        except SynticError as error:
            yield say(empty(describe(error)))
        finally:
            self._asked.end(request, stop)
