"""Profiles: which frozen models, corpora and checkpoints a run uses."""

from .profile import REPOSITORY, CorpusSettings, KarpathySplit, OptimizerSettings, Profile, load_profile

__all__ = ["REPOSITORY", "CorpusSettings", "KarpathySplit", "OptimizerSettings", "Profile", "load_profile"]
