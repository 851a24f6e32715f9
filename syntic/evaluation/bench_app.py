"""How fast the app starts, and how it bears many visitors at once: from outside, over HTTP.

The app runs in a process of its own, as visitors meet it. Starting is compared with importing the libraries
that it needs; many visitors with one who asks the same number of times.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import ResourceError
from ..profiles import REPOSITORY

START_SECONDS = 300.0  # how long the app may take to answer
ANSWER_SECONDS = 600.0
LIBRARIES = (
    *("accelerate", "diffusers", "gradio", "numpy", "open_clip", "pandas", "PIL", "plotly", "pyarrow"),
    *("safetensors", "scipy", "sklearn", "tokenizers", "torch", "torchvision", "transformers", "umap"),
)
_FIND = f"""
import sys, syntic.service, syntic.ui
print(" ".join(name for name in {LIBRARIES} if name in sys.modules))
"""


@dataclass(frozen=True, kw_only=True)
class StartTiming:
    """From nothing to an answer.

    Attributes:
        seconds: until the app answered with its first page, the fastest of the repeats.
        reference_seconds: of a process that imports the app's libraries and ends.
        libraries: that it imports.
    """

    seconds: float
    reference_seconds: float
    libraries: list[str]

    @property
    def ratio(self) -> float:
        """Our time over the imports'."""
        return self.seconds / self.reference_seconds


@dataclass(frozen=True, kw_only=True)
class LoadTiming:
    """Many visitors at once.

    Attributes:
        visitors: how many.
        seconds: until the last had an answer.
        reference_seconds: that one visitor took for the same requests, one after the other.
        errors: what went wrong, a line each.
        mixed_up: visitors whose answer was not what the same request gives alone.
    """

    visitors: int
    seconds: float
    reference_seconds: float
    errors: list[str]
    mixed_up: int

    @property
    def throughput(self) -> float:
        """Answers per second, as a share of what one visitor gets."""
        return self.reference_seconds / self.seconds


def measure_start(profile: str, *, repeats: int = 3) -> StartTiming:
    """Start the app and import its libraries, in turn, each in a new process."""
    found = subprocess.run(
        [sys.executable, "-c", _FIND], env=_environment(profile), capture_output=True, text=True, check=True
    )
    libraries = found.stdout.split()
    code = f"import {', '.join(libraries)}"
    starts, imports = [], []
    for _ in range(repeats):
        with serve_app(profile) as (_, seconds):
            starts.append(seconds)
        started = time.perf_counter()
        subprocess.run([sys.executable, "-c", code], env=_environment(profile), check=True)
        imports.append(time.perf_counter() - started)
    return StartTiming(seconds=min(starts), reference_seconds=min(imports), libraries=libraries)


def measure_load(profile: str, texts: Sequence[str], *, visitors: int = 16, steps: int = 20) -> LoadTiming:
    """Let one visitor ask for a number of walks, one after the other, then as many visitors for one each.

    Args:
        profile: of the app.
        texts: that the walks start from, in turn; each visitor has a seed of its own.
        visitors: how many.
        steps: of Eq. 2.
    """
    requests = [
        {"text": texts[number % len(texts)], "seed": number, "refinement_steps": steps}
        for number in range(visitors)
    ]
    errors: list[str] = []
    with serve_app(profile) as (address, _):
        walk(address, requests[0])  # loads the models
        started = time.perf_counter()
        alone = [walk(address, request) for request in requests]
        middle = time.perf_counter()

        def visit(request: dict[str, Any]) -> dict[str, Any] | None:
            try:
                return walk(address, request)
            except (ResourceError, OSError) as error:
                errors.append(str(error))
                return None

        with ThreadPoolExecutor(visitors) as pool:
            together = list(pool.map(visit, requests))
        ended = time.perf_counter()
    mixed_up = sum(
        there is not None and _answer(there) != _answer(here)
        for there, here in zip(together, alone, strict=True)
    )
    return LoadTiming(
        visitors=visitors,
        seconds=ended - middle,
        reference_seconds=middle - started,
        errors=errors,
        mixed_up=mixed_up,
    )


@contextmanager
def serve_app(profile: str) -> Iterator[tuple[str, float]]:
    """Run `app.py` in a process of its own; yields its address and the seconds until it answered.

    Raises:
        ResourceError: if it ends, or does not answer in time.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    address = f"http://127.0.0.1:{port}"
    with tempfile.TemporaryDirectory() as runs, tempfile.TemporaryFile("w+") as said:
        environment = {**_environment(profile), "GRADIO_SERVER_PORT": str(port), "SYNTIC_RUNS": runs}
        started = time.perf_counter()
        app = subprocess.Popen(
            [sys.executable, str(REPOSITORY / "app.py")],
            env=environment,
            stdout=said,
            stderr=said,
            cwd=REPOSITORY,
        )
        try:
            while not _answers(address):
                if app.poll() is not None or time.perf_counter() - started > START_SECONDS:
                    said.seek(0)
                    last = (said.read().strip().splitlines() or ["it said nothing"])[-1]
                    raise ResourceError(f"The app does not answer: {last}; start it with `make app`.")
                time.sleep(0.02)
            yield address, time.perf_counter() - started
        finally:
            app.terminate()
            app.wait()


def walk(address: str, request: dict[str, Any]) -> dict[str, Any]:
    """Ask the app's endpoint `trace` as a script does, and return the last event.

    Raises:
        ResourceError: if the app answers with an error.
    """
    described = json.loads(_get(f"{address}/gradio_api/info"))["named_endpoints"]["/trace"]["parameters"]
    values = [request.get(known["parameter_name"], known.get("parameter_default")) for known in described]
    data = json.dumps({"data": values}).encode()
    post = urllib.request.Request(
        f"{address}/gradio_api/call/trace", data, {"Content-Type": "application/json"}, method="POST"
    )
    with urllib.request.urlopen(post, timeout=ANSWER_SECONDS) as answer:
        event = json.loads(answer.read())["event_id"]
    last: dict[str, Any] | None = None
    kind = ""
    with urllib.request.urlopen(f"{address}/gradio_api/call/trace/{event}", timeout=ANSWER_SECONDS) as stream:
        for raw in stream:
            line = raw.decode("utf-8").rstrip("\n")
            name, _, value = line.partition(": ")
            if name == "event":
                kind = value
            elif name == "data" and kind == "error":
                raise ResourceError(f"The app answered with an error: {value[:200]}")
            elif name == "data" and kind in ("generating", "complete") and value not in ("", "null"):
                (found,) = json.loads(value) or [None]
                last = found or last
    if last is None or "trace" not in last:
        raise ResourceError(f"The app's last event held no trace: {str(last)[:200]}")
    return last


def _answer(event: dict[str, Any]) -> tuple[Any, ...]:
    """Return what must not depend on who else is there."""
    trace = event["trace"]
    return trace["text"], trace["settings"], trace["caption"]["text"], trace["image_feature"]


def _answers(address: str) -> bool:
    try:
        return bool(_get(address))
    except (urllib.error.URLError, OSError):
        return False


def _get(address: str) -> bytes:
    with urllib.request.urlopen(address, timeout=30) as answer:
        content: bytes = answer.read()
    return content


def _environment(profile: str) -> dict[str, str]:
    return {
        **os.environ,
        "SYNTIC_PROFILE": profile if not Path(profile).exists() else str(Path(profile).resolve()),
        "OMP_WAIT_POLICY": "PASSIVE",
        "GRADIO_ANALYTICS_ENABLED": "False",
        "PYTHONPATH": str(REPOSITORY),
        "NO_PROXY": "127.0.0.1,localhost",
    }
