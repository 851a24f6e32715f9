"""SynTIC: text-only image captioning with synthetic pairs (AAAI 2024), as a library and a demo.

    from syntic import SynTIC, Variant, load_profile
    syntic = SynTIC.from_profile(load_profile("emoji"), variant=Variant.parse("syntic"))
    trace = syntic(image="picture.png")
    trace.caption.text

Names are loaded when they are first used, so that `import syntic` costs next to nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .errors import (
        BusyError,
        Cancelled,
        CheckpointError,
        DataError,
        InputError,
        MissingToolError,
        ShapeError,
        SynticError,
    )
    from .method import Variant
    from .method.pipeline import SynTIC
    from .profiles import Profile, load_profile
    from .types import Trace, TraceSettings

__version__ = "0.1.0"

__all__ = [
    "BusyError",
    "Cancelled",
    "CheckpointError",
    "DataError",
    "InputError",
    "MissingToolError",
    "Profile",
    "ShapeError",
    "SynTIC",
    "SynticError",
    "Trace",
    "TraceSettings",
    "Variant",
    "load_profile",
]

_MODULES = {
    "Profile": ".profiles",
    "SynTIC": ".method.pipeline",
    "Trace": ".types",
    "TraceSettings": ".types",
    "Variant": ".method.variant",
    "load_profile": ".profiles",
}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_MODULES.get(name, ".errors"), __name__), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
