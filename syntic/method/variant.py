"""The eight ablations of Table 4: which of the three additions a decoder is trained with."""

from __future__ import annotations

from dataclasses import dataclass

from ..errors import InputError


@dataclass(frozen=True)
class Variant:
    """One row of Table 4.

    Attributes:
        refine: FO, optimise the image features of generated pictures (Eq. 2).
        project: FP, express image features by the texts of the support set (Eq. 3).
        tags: AF, attend to the labels of detected objects (Eq. 4 and 5).
    """

    refine: bool
    project: bool
    tags: bool

    @property
    def name(self) -> str:
        """The name in Table 4, for example `fo+af`; `baseline` for none, `syntic` for all three."""
        return _NAMES[self]

    @classmethod
    def parse(cls, name: str) -> Variant:
        """Return the variant of that name.

        Raises:
            InputError: if there is none.
        """
        for variant, known in _NAMES.items():
            if known == name.strip().lower():
                return variant
        raise InputError(f"There is no variant {name!r}; choose one of {', '.join(_NAMES.values())}.")


_NAMES = {
    Variant(refine=False, project=False, tags=False): "baseline",
    Variant(refine=True, project=False, tags=False): "fo",
    Variant(refine=False, project=True, tags=False): "fp",
    Variant(refine=False, project=False, tags=True): "af",
    Variant(refine=True, project=False, tags=True): "fo+af",
    Variant(refine=True, project=True, tags=False): "fp+fo",
    Variant(refine=False, project=True, tags=True): "fp+af",
    Variant(refine=True, project=True, tags=True): "syntic",
}
VARIANTS = tuple(_NAMES)
"""The eight variants in Table 4's order."""
