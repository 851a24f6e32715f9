"""The demo's entry point, for `make app`, for Docker and for Hugging Face Spaces.

Environment, all optional:
    SYNTIC_PROFILE          `emoji` (shipped, the default), `paper`, or the path of a TOML file
    SYNTIC_THREADS          threads of torch; measured where it is not set
    SYNTIC_RUNS             folder of the training runs that visitors start, `runs/app` by default
    SYNTIC_TRAIN_MINUTES    largest budget of such a run in minutes, 30 by default; 0 switches training off
    SYNTIC_TRAIN_STEPS, SYNTIC_TRAIN_CAPTIONS, SYNTIC_TRAIN_WAITING, SYNTIC_TRAIN_KEPT,
    SYNTIC_TRAIN_DAYS, SYNTIC_TRAIN_MEGABYTES
                            further limits of these runs, see `syntic.jobs.JobLimits`
    SPACES_ZERO_GPU         set by Hugging Face where GPUs are lent to single calls (ZeroGPU); training
                            borrows one then, and all else runs on the CPU
    GRADIO_SERVER_NAME      the address to listen on: 127.0.0.1, or 0.0.0.0 in a container
    GRADIO_SERVER_PORT      the port, 7860; PORT is understood as well
"""

from __future__ import annotations

import logging
import os
import sys
from pathlib import Path

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # before torch loads OpenMP
os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")

import torch

from syntic import SynticError, load_profile
from syntic.jobs import JobLimits
from syntic.profiles import REPOSITORY
from syntic.runtime import set_threads
from syntic.service import SynticService
from syntic.ui import borrow_gpu, build_app, launch_options, on_zero_gpu

DEFAULT_PORT = 7860


def main() -> int:
    """Serve the app until it is interrupted."""
    logging.basicConfig(format="%(asctime)s %(name)s: %(message)s", datefmt="%H:%M:%S", level=logging.WARNING)
    logging.getLogger("syntic").setLevel(logging.INFO)
    try:
        set_threads()
        zero_gpu = on_zero_gpu(os.environ)
        service = SynticService(
            load_profile(os.environ.get("SYNTIC_PROFILE", "emoji")),
            torch.device("cpu") if zero_gpu else None,
            runs=Path(os.environ.get("SYNTIC_RUNS") or REPOSITORY / "runs" / "app"),
            limits=JobLimits.from_environment(os.environ),
            apart=borrow_gpu() if zero_gpu else None,
        )
        port = int(os.environ.get("GRADIO_SERVER_PORT") or os.environ.get("PORT") or DEFAULT_PORT)
    except (SynticError, ValueError) as error:
        print(f"The app cannot start: {error}", file=sys.stderr)
        return 2
    app = build_app(service)
    app.launch(
        server_name=os.environ.get("GRADIO_SERVER_NAME", "127.0.0.1"),
        server_port=port,
        prevent_thread_lock=True,
        **launch_options(),
    )
    service.start()  # not sooner: Gradio gives its own server a few seconds to answer
    try:
        app.block_thread()
    finally:
        service.jobs.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
