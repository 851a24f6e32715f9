"""The paper's method, one equation at a time.

The pipeline and what it loads are in `pipeline` and `components`; they alone import the three libraries.
"""

from .auxiliary import TagAttention
from .captioner import CaptionModel
from .checkpoint import load_checkpoint, save_checkpoint
from .decoder import CaptionDecoder, DecoderConfig
from .projection import Projection, SupportSet, project_onto_support
from .refinement import Refinement, refine_features
from .search import Decoded
from .variant import VARIANTS, Variant

__all__ = [
    "VARIANTS",
    "CaptionDecoder",
    "CaptionModel",
    "Decoded",
    "DecoderConfig",
    "Projection",
    "Refinement",
    "SupportSet",
    "TagAttention",
    "Variant",
    "load_checkpoint",
    "project_onto_support",
    "refine_features",
    "save_checkpoint",
]
