"""The frozen models: text-to-image, CLIP, object detection."""

from .detector import Detector, Regions
from .encoder import CaptionTokenizer, ClipEncoder
from .generator import Generator

__all__ = ["CaptionTokenizer", "ClipEncoder", "Detector", "Generator", "Regions"]
