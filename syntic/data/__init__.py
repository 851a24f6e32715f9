"""Corpora, test sets and the feature store."""

from .captions import read_captions, read_corpus
from .coco import TestSet
from .features import FeatureStore, FeatureWriter, StoreHeader
from .handed_in import HandedIn, parse_captions
from .synthesis import SynthesisProgress, SynthesisSettings, make_header, synthesize, synthesize_with
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
    "read_corpus",
    "synthesize",
    "synthesize_with",
    "unique_tags",
]
