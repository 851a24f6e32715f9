"""The systems that the paper compares with, one file each, behind one protocol."""

from .decoding import DecoderCaptioner, decode_pictures
from .learning import Learner, LearnerTools, ModelSizes, PictureCaptioner, PictureModel, PictureRecipe
from .protocol import (
    NO_VIEWS,
    Captioned,
    Captioner,
    EncodedPictures,
    SupportText,
    TextOnly,
    TextRecipe,
    View,
)
from .real import PictureFeatures, RealPairs, UnpairedPictures
from .registry import (
    PICTURE_RECIPES,
    RECIPES,
    SYSTEMS,
    System,
    SystemRequest,
    build_system,
    is_upper_bound,
    magic_settings,
)

__all__ = [
    "NO_VIEWS",
    "PICTURE_RECIPES",
    "RECIPES",
    "SYSTEMS",
    "Captioned",
    "Captioner",
    "DecoderCaptioner",
    "EncodedPictures",
    "Learner",
    "LearnerTools",
    "ModelSizes",
    "PictureCaptioner",
    "PictureFeatures",
    "PictureModel",
    "PictureRecipe",
    "RealPairs",
    "SupportText",
    "System",
    "SystemRequest",
    "TextOnly",
    "TextRecipe",
    "UnpairedPictures",
    "View",
    "build_system",
    "decode_pictures",
    "is_upper_bound",
    "magic_settings",
]
