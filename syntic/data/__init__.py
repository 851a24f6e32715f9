"""Corpora, test sets and the feature store."""

from .captions import HandedIn, parse_captions, read_captions
from .coco import TestSet
from .features import FeatureStore, FeatureWriter, StoreHeader
from .synthesis import SynthesisProgress, SynthesisSettings, make_header, synthesize
from .tags import TagTable, unique_tags
from .training_pictures import TrainingPictures

__all__ = [
    "FeatureStore",
    "FeatureWriter",
    "HandedIn",
    "StoreHeader",
    "SynthesisProgress",
    "SynthesisSettings",
    "TagTable",
    "TestSet",
    "TrainingPictures",
    "make_header",
    "parse_captions",
    "read_captions",
    "synthesize",
    "unique_tags",
]
