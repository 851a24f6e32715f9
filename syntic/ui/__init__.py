"""The app: the only part that knows Gradio and plotly."""

from .app import build_app, launch_options
from .zero_gpu import borrow_gpu, on_zero_gpu

__all__ = ["borrow_gpu", "build_app", "launch_options", "on_zero_gpu"]
