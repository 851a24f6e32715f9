"""The frame of the app: its pages, and how it is served."""

from __future__ import annotations

from typing import Any

import gradio as gr

from ..service import SynticService
from .frame import HEAD, answers_after, header, notice
from .pages.about import build_about
from .pages.compare import Compare
from .pages.gap import ModalityGap
from .pages.learn import Learn
from .pages.train import GO_TO_RUN, Train
from .pages.walk_through import WalkThrough
from .theme import build_theme, style_sheet

UPLOADS_KEPT_SECONDS = 24 * 60 * 60


def build_app(service: SynticService) -> gr.Blocks:
    """Return the app on a service; `launch(**launch_options())` serves it.

    A later page is one more `demo.route` here and one more file in `pages`.
    """
    demo = gr.Blocks(
        title="SynTIC: captions learned from texts alone",
        analytics_enabled=False,
        delete_cache=(3600, UPLOADS_KEPT_SECONDS),
        fill_width=True,
    )
    on_load: dict[str, Any] = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}
    with demo:
        header("")
        missing = gr.HTML(notice(service.missing(), service.profile.name))
        page = WalkThrough(service)
        answers_after(page.load(demo))
        demo.load(lambda: notice(service.missing(), service.profile.name), None, missing, **on_load)
    with demo.route("Modality gap", "/gap"):
        header("gap")
        gap = ModalityGap(service)
        answers_after(gap.load(demo))
    with demo.route("Compare", "/compare"):
        header("compare")
        compare = Compare(service)
        answers_after(compare.load(demo))
    with demo.route("Train", "/train"):
        header("train")
        train = Train(service)
        restored = demo.load(train.restore, train.keys, train.restored, **on_load)
        restored.then(None, js=GO_TO_RUN)
        answers_after(restored)
    with demo.route("Learn", "/learn"):
        header("learn")
        learn = Learn(service)
        answers_after(learn.load(demo))
    with demo.route("About", "/about"):
        header("about", waits=False)
        build_about(service)
    demo.queue(max_size=64, default_concurrency_limit=8)
    return demo


def launch_options() -> dict[str, Any]:
    """Return what `launch` needs to look and behave as meant; nothing is recorded or sent out."""
    return {
        "theme": build_theme(),
        "css": style_sheet(),
        "head": HEAD,
        "footer_links": ["api"],
        "run_history": False,
        "enable_monitoring": False,
        "state_session_capacity": 500,
        "max_file_size": "30mb",
        "ssr_mode": False,
    }
