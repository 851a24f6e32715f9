"""Why a frozen model could not be loaded, in words: the hub, the network, the rights, the memory.

The three libraries wrap what went wrong in their own exceptions. The cause stays in the chain, and is
one of huggingface_hub's, httpx2's (its HTTP client) or torch's, whichever library asked.
"""

from __future__ import annotations

from collections.abc import Iterator

import httpx2
import torch
from huggingface_hub import errors as hub

from ..errors import CheckpointError, ResourceError, SynticError

LOADING_ERRORS = (
    *(OSError, ValueError, KeyError, RuntimeError, TypeError, AttributeError, ImportError, MemoryError),
    *(httpx2.HTTPError, hub.EntryNotFoundError, hub.CachedRepoTreeNotFoundError),
)
"""What the libraries raise for a model that is missing, damaged or too large."""

_UNREACHABLE = (
    hub.OfflineModeIsEnabled,
    hub.LocalEntryNotFoundError,
    hub.CachedRepoTreeNotFoundError,
    httpx2.TransportError,
)
_MEMORY_WORDS = ("out of memory", "can't allocate memory", "not enough memory")


def explain(error: BaseException, what: str, name: str, revision: str | None = None) -> SynticError:
    """Say what is wrong with a model and what to do about it.

    Args:
        error: what a library raised.
        what: the model's role, "The generator".
        name: as in the profile.
        revision: as in the profile.

    Returns:
        ResourceError where memory was short, else CheckpointError.
    """
    chain = list(_chain(error))
    if is_out_of_memory(error):
        return ResourceError(
            f"{what} {name!r} does not fit into memory; take a smaller model, or for the generator set "
            '`precision = "float16"` or `offload = "model"` in the profile.'
        )
    for kind, advice in (
        (
            hub.GatedRepoError,
            "is gated; accept its terms on its page on the hub, then run `hf auth login` or set HF_TOKEN",
        ),
        (
            hub.RevisionNotFoundError,
            f"has no revision {revision!r}; correct `revision` in the profile or leave it out",
        ),
        (
            hub.RepositoryNotFoundError,
            "is not on the hub or is private; correct its name in the profile or run `hf auth login`",
        ),
        (
            hub.RemoteEntryNotFoundError,
            "lacks a file that is needed, for example its weights as safetensors; choose another `revision` "
            "or, for the generator, `variant` in the profile",
        ),
        (
            _UNREACHABLE,
            "is not in the hub's cache, and the hub cannot be reached; check the network, or copy the model "
            "here and point the profile at its folder",
        ),
        (hub.HfHubHTTPError, "cannot be had from the hub at the moment; try again later"),
    ):
        if any(isinstance(link, kind) for link in chain):
            return CheckpointError(f"{what} {name!r} {advice}.")
    return CheckpointError(
        f"{what} cannot be loaded from {name!r}; check the folder or the network: {first_line(error)}"
    )


def is_out_of_memory(error: BaseException) -> bool:
    """Say whether the machine or the GPU had too little memory."""
    return any(
        isinstance(link, torch.OutOfMemoryError | MemoryError)
        or (isinstance(link, RuntimeError) and any(words in str(link).lower() for words in _MEMORY_WORDS))
        for link in _chain(error)
    )


def first_line(error: BaseException) -> str:
    """Return the first line of an error's text, shortened."""
    return str(error).strip().split("\n", 1)[0][:300]


def _chain(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    link: BaseException | None = error
    while link is not None and id(link) not in seen:
        seen.add(id(link))
        yield link
        link = link.__cause__ or link.__context__
