"""The keys of a visitor's training runs, kept in the visitor's browser and nowhere else."""

from __future__ import annotations

from typing import Any

import gradio as gr

from ..errors import InputError
from ..jobs import JobState, JobStatus
from ..service import SynticService

KEYS_KEPT = 20


def own_runs() -> gr.BrowserState:
    """Return the list of keys, the newest last; every page that has one sees the same list."""
    return gr.BrowserState([], storage_key="syntic-runs", secret="syntic-runs")


def read_keys(value: Any) -> list[str]:
    """Return the keys in what a browser sent, which may be anything."""
    keys = value if isinstance(value, list) else []
    return [key for key in keys if isinstance(key, str) and len(key) < 100][-KEYS_KEPT:]


def with_key(value: Any, key: str) -> list[str]:
    """Return the keys with one more, or an old one as the newest."""
    return [*(other for other in read_keys(value) if other != key), key][-KEYS_KEPT:]


def find_runs(service: SynticService, value: Any) -> dict[str, JobStatus]:
    """Return the runs that are still there by their keys, the newest first."""
    found: dict[str, JobStatus] = {}
    for key in reversed(read_keys(value)):
        try:
            found[key] = service.jobs.status(key)
        except InputError:
            continue
    return found


def decoder_choices(service: SynticService, value: Any) -> list[tuple[str, str]]:
    """Return (label, name of the run) of every finished run, for a chooser of variants."""
    runs = find_runs(service, value).values()
    return [(decoder_label(run), run.name) for run in runs if run.state is JobState.FINISHED]


def decoder_label(status: JobStatus) -> str:
    """Return what a trained decoder is called among the variants."""
    return f"yours: {status.label}"
