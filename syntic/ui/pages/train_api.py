"""Training for scripts: named endpoints, in which a run is known by its key."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.events import api

from ...data import parse_captions
from ...errors import InputError
from ...jobs import JobRequest
from ...service import SynticService
from ..errors import to_gradio
from .train_layout import OWN


def offer_endpoints(service: SynticService, download_button: gr.DownloadButton) -> None:
    """Add the endpoints to the current `gr.Blocks`.

    Args:
        service: the app's.
        download_button: in whose cache packed decoders are kept for a day.
    """
    endpoints = _Endpoints(service, download_button)
    for name in ("start", "status", "stop", "resume", "remove"):
        api(getattr(endpoints, name), api_name=f"train_{name}", queue=False)
    key = gr.Textbox(visible=False, label="run")
    found = gr.JSON(visible=False, label="run and its status")
    files = gr.File(visible=False, file_count="multiple", label="files")
    packed = gr.File(visible=False, label="zip")
    hidden = gr.Button(visible=False)
    hidden.click(endpoints.download, key, packed, api_name="train_download", queue=False)
    hidden.click(endpoints.upload, files, found, api_name="train_upload", queue=False)


class _Endpoints:
    def __init__(self, service: SynticService, download_button: gr.DownloadButton) -> None:
        self.service = service
        self.jobs = service.jobs
        self.download_button = download_button

    def start(
        self,
        corpus: str = "",
        captions: str = "",
        variant: str = "syntic",
        steps: int | None = None,
        minutes: float | None = None,
        device: str | None = None,
        keep_going: bool = True,
        name: str = "",
    ) -> dict[str, Any]:
        """Start a training run; its key, under "run", is needed for everything else.

        Args:
            corpus: a corpus of the profile; leave it out for captions of your own.
            captions: your own, one per line.
            variant: baseline, fo, fp, af, fo+af, fp+fo, fp+af or syntic.
            steps: the budget in steps, or
            minutes: in minutes of training.
            device: cpu or cuda; the host's first where it is left out.
            keep_going: whether the run goes on while nobody asks for its status.
            name: what to call it.
        """
        budget = "steps" if steps is not None or minutes is None else "minutes"
        try:
            request = read_request(
                corpus=corpus,
                captions=captions,
                variant=variant,
                budget=budget,
                steps=200 if steps is None else steps,
                minutes=minutes,
                device=device or self.jobs.devices[0],
                keep_going=keep_going,
                name=name,
            )
            key = self.jobs.submit(request)
        except Exception as error:
            raise to_gradio(error) from error
        return self.status(key)

    def status(self, run: str) -> dict[str, Any]:
        """Return how far a run is.

        Args:
            run: its key.
        """
        try:
            return {"run": run, **self.jobs.status(run).to_dict()}
        except Exception as error:
            raise to_gradio(error) from error

    def stop(self, run: str) -> dict[str, Any]:
        """Stop a run at its next step.

        Args:
            run: its key.
        """
        try:
            self.jobs.stop(run)
        except Exception as error:
            raise to_gradio(error) from error
        return self.status(run)

    def resume(self, run: str) -> dict[str, Any]:
        """Let a stopped run go on.

        Args:
            run: its key.
        """
        try:
            self.jobs.resume(run)
        except Exception as error:
            raise to_gradio(error) from error
        return self.status(run)

    def remove(self, run: str) -> dict[str, Any]:
        """Remove a run and its files.

        Args:
            run: its key.
        """
        try:
            self.jobs.remove(run)
        except Exception as error:
            raise to_gradio(error) from error
        return {"run": run, "state": "removed"}

    def download(self, run: str) -> str:
        """Return a finished run's decoder: a zip of its safetensors file and its JSON sidecar.

        Args:
            run: its key.
        """
        try:
            return pack(self.service, self.download_button, run)
        except Exception as error:
            raise to_gradio(error) from error

    def upload(self, files: list[str] | None) -> dict[str, Any]:
        """Take in a decoder; the answer holds the key of its run.

        Args:
            files: a downloaded zip, or its two files.
        """
        try:
            return self.status(self.jobs.unpack(read_paths(files)))
        except Exception as error:
            raise to_gradio(error) from error


def pack(service: SynticService, button: gr.DownloadButton, key: str) -> str:
    """Return the path of a finished run's zip in the app's cache, from where it can be downloaded."""
    with tempfile.TemporaryDirectory() as folder:
        packed = service.jobs.pack(key, Path(folder))
        path = button.move_resource_to_block_cache(packed)
    assert path is not None
    return path


def read_request(
    *,
    corpus: str,
    captions: str,
    variant: str,
    budget: str,
    steps: float | None,
    minutes: float | None,
    device: str,
    keep_going: bool,
    name: str,
) -> JobRequest:
    """Turn the controls' values, whose numbers may be floats, into a request.

    Raises:
        InputError: if the captions are one's own and none is usable.
    """
    is_own = corpus in ("", OWN)
    own = parse_captions(captions or "").captions if is_own else ()
    return JobRequest(
        corpus=None if is_own else corpus,
        captions=own,
        variant=variant,
        steps=int(steps or 0) if budget == "steps" else None,
        minutes=float(minutes or 0) if budget == "minutes" else None,
        device=device,
        keep_going=bool(keep_going),
        name=name or "",
    )


def read_paths(files: list[str] | None) -> list[Path]:
    """Return the paths of uploaded files, or raise InputError where there is none."""
    if not files:
        raise InputError("There is no file yet; drop the zip, or both files, into the box first.")
    return [Path(path) for path in files]
