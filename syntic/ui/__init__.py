"""The app: the only part that knows Gradio and plotly."""

from .app import build_app, launch_options

__all__ = ["build_app", "launch_options"]
