"""`python -m syntic.emoji.pretraining NAME`, the same as `python -m syntic emoji pretrain NAME`."""

import argparse
import sys

from syntic.emoji.pretraining.cli import add_pretrain_arguments, run_pretrain

parser = argparse.ArgumentParser(prog="python -m syntic.emoji.pretraining", description=__doc__)
add_pretrain_arguments(parser)
sys.exit(run_pretrain(parser.parse_args()))
