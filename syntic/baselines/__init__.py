"""The systems that the paper compares with, one file each, behind one protocol."""

from .decoding import DecoderCaptioner, decode_pictures
from .protocol import Captioned, Captioner, EncodedPictures, SupportText, TextOnly, TextRecipe
from .registry import RECIPES, SYSTEMS, SystemRequest, build_system

__all__ = [
    "RECIPES",
    "SYSTEMS",
    "Captioned",
    "Captioner",
    "DecoderCaptioner",
    "EncodedPictures",
    "SupportText",
    "SystemRequest",
    "TextOnly",
    "TextRecipe",
    "build_system",
    "decode_pictures",
]
