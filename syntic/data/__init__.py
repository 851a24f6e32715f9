"""Corpora, test sets and the feature store."""

from .captions import read_captions, read_corpus
from .coco import TestSet
from .features import FeatureStore, FeatureWriter, StoreHeader
from .synthesis import SynthesisProgress, SynthesisSettings, make_header, synthesize, synthesize_with
from .tags import TagTable, unique_tags

__all__ = [
    "FeatureStore",
    "FeatureWriter",
    "StoreHeader",
    "SynthesisProgress",
    "SynthesisSettings",
    "TagTable",
    "TestSet",
    "make_header",
    "read_captions",
    "read_corpus",
    "synthesize",
    "synthesize_with",
    "unique_tags",
]
