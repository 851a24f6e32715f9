"""The page "Train": a run of one's own, from captions to a decoder that Walk through can use at once."""

from __future__ import annotations

from contextlib import suppress
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

import gradio as gr

from ...data import parse_captions
from ...errors import InputError, SynticError
from ...jobs import JobState, JobStatus
from ...service import SynticService
from ..components.pictures import thumbnail_uri
from ..components.training import run_buttons
from ..errors import describe, to_gradio
from ..own_runs import find_runs, own_runs, read_keys, with_key
from ..permalink import read_train_query, walk_query, write_train_query
from .train_api import offer_endpoints, pack, read_paths, read_request
from .train_layout import OWN, TICK_SECONDS, build_layout, markup

DRAWN_SHOWN = 12
_REPLACE_LINK = "(query) => { history.replaceState(null, '', location.pathname + query); }"

_TRAINING = ("head", "train", "validate")
_MOVING = dict.fromkeys(JobState, _TRAINING) | {JobState.DRAWING: ("head", "draw")}
"""Slots that change while a run stays in a state; what stands still is not sent again."""

GO_TO_RUN = """() => {
  const run = document.querySelector('.s-runhead .s-state');
  if (run && window.innerWidth <= 760) document.getElementById('s-sample').scrollIntoView();
}"""
"""On a phone the settings come first; who comes back to a run is led past them."""

Updates = dict[Any, Any]


class Train:
    """The page and its handlers, on one service; making it inside a `gr.Blocks` draws it."""

    def __init__(self, service: SynticService) -> None:
        self.service = service
        self.jobs = service.jobs
        self.keys = own_runs()
        self.current = gr.State(None)  # the key of the run that is shown
        self.seen = gr.State(None)  # what of it the page shows already
        self.link = gr.Textbox(visible="hidden", elem_id="s-link")
        self.timer = gr.Timer(TICK_SECONDS, active=False)
        self.panel, self.results = build_layout(service)
        self._thumbnail = cache(self._validation_thumbnail)
        self._wire()

    # -- wiring --------------------------------------------------------------------------------

    @property
    def shown(self) -> list[Any]:
        """The components that show a run."""
        results = self.results
        buttons = [results.stop, results.resume, results.download, results.remove, results.copy]
        own = [results.warning, results.use, self.panel.runs, self.current, self.seen, self.link, self.timer]
        return [*results.slots.values(), *buttons, *own, self.panel.settings["keep_going"]]

    @property
    def restored(self) -> list[Any]:
        """The components that `restore` may change."""
        own = [value for name, value in self.panel.settings.items() if name != "keep_going"]
        return [*self.shown, *own, self.panel.own]

    def _wire(self) -> None:
        panel, results, current = self.panel, self.results, self.current
        settings = panel.settings
        visible: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
        quick: dict[str, Any] = {"queue": False, **visible}  # an error would not be shown: these raise none
        changes: dict[str, Any] = {"outputs": [self.keys, *self.shown], **visible}
        panel.start.click(self.start, inputs_kwargs={"keys": self.keys, **settings}, **changes)
        panel.bring.upload(self.bring, [panel.bring, self.keys], **changes)
        panel.runs.select(self.pick, [self.keys], self.shown, **visible)
        panel.file.upload(self.read_file, panel.file, settings["captions"], **visible)
        results.stop.click(self.stop, [current, self.keys], self.shown, **visible)
        results.resume.click(self.resume, [current, self.keys], self.shown, **visible)
        results.remove.click(self.remove, [current, self.keys], **changes)
        self.timer.tick(self.look, [current, self.seen, self.keys], self.shown, **quick)
        settings["keep_going"].input(self.keep_going, [current, settings["keep_going"]], None, **quick)
        settings["corpus"].change(self.follow_corpus, settings["corpus"], panel.own, **quick)
        settings["budget"].change(
            self.follow_budget, settings["budget"], [settings["steps"], settings["minutes"]], **quick
        )
        settings["captions"].change(
            self.count, settings["captions"], panel.count, trigger_mode="always_last", **quick
        )
        self.link.change(None, self.link, None, js=_REPLACE_LINK)
        offer_endpoints(self.service, results.download)

    # -- handlers ------------------------------------------------------------------------------

    def start(self, keys: Any, **controls: Any) -> Updates:
        """Put a run into the queue and show it."""
        try:
            key = self.jobs.submit(read_request(**controls))
        except SynticError as error:
            raise to_gradio(error) from error
        keys = with_key(keys, key)
        return {self.keys: keys, **self._show(key, keys)}

    def bring(self, files: list[str] | None, keys: Any) -> Updates:
        """Take in a decoder that was trained before."""
        try:
            key = self.jobs.unpack(read_paths(files))
        except SynticError as error:
            raise to_gradio(error) from error
        keys = with_key(keys, key)
        return {self.keys: keys, **self._show(key, keys)}

    def look(self, key: str | None, seen: Any, keys: Any) -> Any:
        """Show what is new of the run; called again and again while the page is open."""
        if key is None:
            return gr.skip()
        try:
            status = self.jobs.status(key)
        except InputError as error:
            return self._show(None, keys, describe(error))
        if seen == _version(status):
            return gr.skip()
        updates = self._show(key, keys)
        if not isinstance(seen, list) or seen[:2] != _version(status)[:2]:
            return updates
        moving = {self.results.slots[name] for name in _MOVING[status.state]} | {self.panel.runs, self.seen}
        return {component: update for component, update in updates.items() if component in moving}

    def pick(self, keys: Any, event: gr.SelectData) -> Updates:
        """Show the run that was clicked."""
        runs = list(find_runs(self.service, keys))
        if not isinstance(event.index, int) or not 0 <= event.index < len(runs):
            raise to_gradio(InputError("This run is not here any more; reload the page."))
        return self._show(runs[event.index], keys)

    def stop(self, key: str | None, keys: Any) -> Updates:
        """Stop the run at its next step."""
        return self._do(self.jobs.stop, key, keys)

    def resume(self, key: str | None, keys: Any) -> Updates:
        """Let a stopped run go on."""
        return self._do(self.jobs.resume, key, keys)

    def remove(self, key: str | None, keys: Any) -> Updates:
        """Remove the run with its files."""
        updates = self._do(self.jobs.remove, key, keys, then=None)
        return {self.keys: [other for other in read_keys(keys) if other != key], **updates}

    def keep_going(self, key: str | None, keep_going: bool) -> None:
        """Change what happens to the run that is shown when the page is closed."""
        with suppress(InputError):  # the next look says that it is gone
            if key is not None:
                self.jobs.keep_going(key, keep_going)

    def follow_corpus(self, corpus: str) -> dict[str, Any]:
        """Show where to write captions where they are one's own."""
        return gr.update(visible=corpus == OWN)

    def follow_budget(self, budget: str) -> list[dict[str, Any]]:
        """Show the slider of the budget."""
        return [gr.update(visible=budget == "steps"), gr.update(visible=budget == "minutes")]

    def count(self, text: str) -> str:
        """Say how many captions there are, or why there are none."""
        if not text.strip():
            return '<p class="s-note">A caption per line; each gets a picture first.</p>'
        try:
            found = parse_captions(text)
        except SynticError as error:
            return f'<p class="s-note">{describe(error)}</p>'
        left_out = f", {found.doubles} said twice" if found.doubles else ""
        left_out += f", {found.too_long} too long left out" if found.too_long else ""
        most = self.jobs.limits.captions
        return (
            f'<p class="s-note"><b>{len(found.captions):,}</b> captions{left_out}; at most {most:,} here.</p>'
        )

    def read_file(self, path: str) -> str:
        """Put a file's captions into the box, where they can be seen and changed."""
        try:
            found = parse_captions(Path(path).read_bytes(), Path(path).name)
            most = self.jobs.limits.captions
            if len(found.captions) > most:
                raise InputError(
                    f"{Path(path).name!r} holds {len(found.captions):,} captions, but this host draws "
                    f"pictures for at most {most:,}; leave some out."
                )
        except SynticError as error:
            raise to_gradio(error) from error
        return "\n".join(found.captions)

    def restore(self, keys: Any, request: gr.Request) -> Updates:
        """Show the link's run or settings, else the visitor's newest run."""
        query, sentence = dict(request.query_params), ""
        try:
            key, values = read_train_query(query)
            if values.get("corpus", OWN) != OWN:
                self.service.profile.corpus(values["corpus"])
            if key is not None:
                self.jobs.status(key)
            elif runs := find_runs(self.service, keys):
                key = next(iter(runs))
        except SynticError as error:
            sentence = f"This link cannot be restored as it is. {describe(error)}"
            key, values = None, {}
        updates: Updates = {self.panel.settings[name]: value for name, value in values.items()}
        if "corpus" in values:
            updates[self.panel.own] = gr.update(visible=values["corpus"] == OWN)
        if key is None and not sentence:  # a visitor may have set or started something already
            return {self.panel.runs: run_buttons({}, None), **updates}
        return {**self._show(key, keys, sentence), **updates}

    # -- inside --------------------------------------------------------------------------------

    def _do(self, action: Any, key: str | None, keys: Any, then: str | None = "same") -> Updates:
        if key is None:
            raise to_gradio(InputError("There is no run yet; start one first."))
        try:
            action(key)
        except SynticError as error:
            raise to_gradio(error) from error
        return self._show(key if then else None, [k for k in read_keys(keys) if then or k != key])

    def _show(self, key: str | None, keys: Any, sentence: str = "") -> Updates:
        """Put a run on the page, or for None the empty page, with a sentence on why where there is one."""
        status = self.jobs.status(key) if key is not None else None
        results = self.results
        slots = markup(status, self._thumbnails(status), self._drawn(key, status), sentence)
        state = status.state if status else None
        finished = state is JobState.FINISHED
        over = state in (JobState.STOPPED, JobState.FAILED)
        updates: Updates = {results.slots[name]: value for name, value in slots.items()}
        updates |= {
            results.stop: gr.update(visible=bool(state and state.is_active)),
            results.resume: gr.update(visible=over),
            results.remove: gr.update(visible=finished or over),
            results.copy: gr.update(visible=status is not None),
            results.warning: gr.update(visible=status is not None),
            results.download: gr.update(
                visible=finished,
                value=pack(self.service, self.results.download, key) if finished and key else None,
            ),
            results.use: _use_link(status) if status and finished else "",
            self.panel.runs: run_buttons(find_runs(self.service, keys), key),
            self.current: key,
            self.seen: _version(status) if status else None,
            self.link: write_train_query(key) if key else "",
            self.timer: gr.Timer(active=bool(state and state.is_active)),
        }
        if status is not None:
            updates[self.panel.settings["keep_going"]] = status.keep_going
        return updates

    def _drawn(self, key: str | None, status: JobStatus | None) -> list[tuple[str, str]]:
        if key is None or status is None or not status.draws:
            return []
        return [(text, _drawn_thumbnail(path)) for text, path in self.jobs.pictures(key, DRAWN_SHOWN)]

    def _thumbnails(self, status: JobStatus | None) -> dict[str, str]:
        if status is None or not status.samples:
            return {}
        return {name: self._thumbnail(status.corpus, name) for name, _ in status.samples[-1][1]}

    def _validation_thumbnail(self, corpus: str | None, name: str) -> str:
        path = self.service.validation_pictures(corpus).get(name)
        return thumbnail_uri(path) if path is not None else ""


@lru_cache(maxsize=256)
def _drawn_thumbnail(path: Path) -> str:
    return thumbnail_uri(path)


def _version(status: JobStatus) -> list[Any]:
    return [status.name, status.state.value, status.version, status.ahead]


def _use_link(status: JobStatus) -> str:
    query = walk_query(corpus=status.name, variant=status.variant)
    return f'<a class="s-button" href="./{query}">Use in Walk through</a>'
