"""The commands of `python -m syntic`, one module each or a few that belong together.

A module has `add_arguments(words, parser)`, which also sets `run`, a function from the parsed arguments
to the exit status. `words` are the words of the command line that are no options, the command first.
"""

COMMANDS = {
    "caption": ("caption", "caption pictures"),
    "trace": ("caption", "follow one text or picture through every step, as JSON"),
    "synthesize": ("synthesize", "turn a text corpus into features and tags of generated pictures"),
    "train": ("train", "train a caption decoder on synthesized features"),
    "evaluate": ("evaluate", "score captions on a test set"),
    "experiment": ("experiment", "reproduce a table of the paper"),
    "gap": ("gap", "measure the modality gap at every step"),
    "plan": ("plan", "say what a run at full scale costs"),
    "bench": ("bench", "measure a part against the obvious way to write it"),
    "doctor": ("doctor", "say what is there and what is missing"),
    "emoji": ("emoji", "build the embedded world of emoji scenes"),
}
"""Name -> (module, one line of help)."""

__all__ = ["COMMANDS"]
