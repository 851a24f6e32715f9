"""One piece of work at a time for every visitor: the newest one wins, and older ones leave the page alone."""

from __future__ import annotations

import threading

import gradio as gr


class Newest:
    """What stops the work of each visitor, by the session that asked for it."""

    def __init__(self) -> None:
        self._running: dict[str, threading.Event] = {}

    def __len__(self) -> int:
        """Return for how many visitors something is going on."""
        return len(self._running)

    def begin(self, request: gr.Request, stop: threading.Event | None = None) -> threading.Event:
        """Stop what the visitor asked for before; return what stops the new work, made here unless given."""
        self.stop(request)
        stop = stop or threading.Event()
        self._running[request.session_hash or ""] = stop
        return stop

    def is_newest(self, request: gr.Request, stop: threading.Event) -> bool:
        """Say whether the visitor asked for nothing since."""
        return self._running.get(request.session_hash or "") is stop

    def stop(self, request: gr.Request) -> None:
        """Stop what the visitor asked for last, at its next step."""
        if stop := self._running.get(request.session_hash or ""):
            stop.set()

    def end(self, request: gr.Request, stop: threading.Event) -> None:
        """Forget work that is done; newer work stays."""
        stop.set()
        if self.is_newest(request, stop):
            del self._running[request.session_hash or ""]
