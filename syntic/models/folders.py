"""Model names in profiles: a folder on disk or a name on the hub."""

from __future__ import annotations

from pathlib import Path

from ..errors import CheckpointError


def require_model(name: str, marker: str, what: str, command: str) -> None:
    """Refuse a folder that does not hold a model; names on the hub are left to the library.

    Args:
        name: as in a profile; profiles make the path of a folder absolute.
        marker: a file that every such model has.
        what: the model's role, for the message.
        command: what builds the shipped one.

    Raises:
        CheckpointError: saying what is missing and what to do.
    """
    folder = Path(name)
    if (folder.is_absolute() or folder.exists()) and not (folder / marker).is_file():
        raise CheckpointError(
            f"There is no {what} at {folder}, which has no {marker}; for the emoji profile run `{command}`, "
            "for another correct its path in the profile."
        )


def silence_loading_bars() -> None:
    """Keep the libraries' bars for reading weight files out of the terminal: these files are small."""
    import diffusers.utils.logging
    import transformers.utils.logging

    diffusers.utils.logging.disable_progress_bar()
    transformers.utils.logging.disable_progress_bar()
