"""A small byte-pair tokenizer for the emoji world, read alike by open_clip, transformers and diffusers.

It follows CLIP's: lower case, words split from punctuation, an end-of-word mark, `<|startoftext|>` and
`<|endoftext|>` around every text. All printable ASCII characters are in its alphabet, so any text can be
encoded; accents are taken off and other characters left out. `<|endoftext|>` has the highest id, because
CLIP's text tower pools where the id is highest, and it is a token of its own apart from the padding, id 0.
"""

from __future__ import annotations

import json
import string
from collections.abc import Iterable
from pathlib import Path

from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast

CONTEXT_LENGTH = 32
PAD, UNKNOWN, START, END = "<|pad|>", "<|unknown|>", "<|startoftext|>", "<|endoftext|>"
WORD_END = "</w>"
WORDS = r"'s|'t|'re|'ve|'m|'ll|'d|[a-z]+|[0-9]|[^\sa-z0-9]+"
CHARACTERS = sorted(set(string.printable.lower()) - set(string.whitespace))
TOKENIZER_FILES = ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json")


def train_tokenizer(captions: Iterable[str], out: Path, size: int = 1200) -> PreTrainedTokenizerFast:
    """Learn the merges and save the tokenizer.

    Args:
        captions: any number of texts.
        out: folder to write tokenizer.json and tokenizer_config.json into; other files there stay.
        size: entries at most.

    Returns:
        The tokenizer.
    """
    learned = _new_tokenizer(models.BPE(end_of_word_suffix=WORD_END, unk_token=UNKNOWN))
    trainer = trainers.BpeTrainer(
        vocab_size=size - 1,
        special_tokens=[PAD, UNKNOWN, START],
        initial_alphabet=CHARACTERS,
        end_of_word_suffix=WORD_END,
        show_progress=False,
    )
    learned.train_from_iterator(captions, trainer)
    return _save(_with_all_characters(learned), out)


def _new_tokenizer(model: models.BPE) -> Tokenizer:
    tokenizer = Tokenizer(model)
    tokenizer.normalizer = normalizers.Sequence(
        [
            normalizers.NFKD(),
            normalizers.StripAccents(),
            normalizers.Lowercase(),
            normalizers.Replace(Regex(r"[^\x20-\x7e]+"), " "),
        ]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(WORDS), behavior="removed", invert=True)
    tokenizer.decoder = decoders.BPEDecoder(suffix=WORD_END)
    return tokenizer


def _with_all_characters(learned: Tokenizer) -> Tokenizer:
    """Renumber: specials, every character inside and at the end of a word, the merges, the end token last."""
    model = json.loads(learned.to_str())["model"]
    entries = [PAD, UNKNOWN, START, *CHARACTERS, *(character + WORD_END for character in CHARACTERS)]
    by_number = sorted(model["vocab"], key=model["vocab"].__getitem__)
    entries += [entry for entry in by_number if entry not in set(entries)]
    vocabulary = {entry: number for number, entry in enumerate([*entries, END])}
    merges = [tuple(merge) for merge in model["merges"]]
    bpe = models.BPE(vocab=vocabulary, merges=merges, end_of_word_suffix=WORD_END, unk_token=UNKNOWN)
    tokenizer = _new_tokenizer(bpe)
    tokenizer.add_special_tokens([PAD, UNKNOWN, START, END])
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{START} $A {END}",
        pair=f"{START} $A {END} $B {END}",
        special_tokens=[(START, vocabulary[START]), (END, vocabulary[END])],
    )
    return tokenizer


def _save(tokenizer: Tokenizer, out: Path) -> PreTrainedTokenizerFast:
    out.mkdir(parents=True, exist_ok=True)
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token=START,
        eos_token=END,
        pad_token=PAD,
        unk_token=UNKNOWN,
        model_max_length=CONTEXT_LENGTH,
        clean_up_tokenization_spaces=False,
    )
    fast.save_pretrained(out)
    return fast


def load_tokenizer(folder: Path) -> PreTrainedTokenizerFast:
    """Read the tokenizer that lies beside the CLIP weights."""
    tokenizer: PreTrainedTokenizerFast = PreTrainedTokenizerFast.from_pretrained(folder)
    return tokenizer
