"""How systems that train on real pictures are built, trained and asked for captions.

A system gives two things: a `PictureModel`, which captions and is what its checkpoint holds, and a
`Learner`, which has the model, whatever helps it to learn (a discriminator, a value network) and the loss of
one step. The rest, the order of the rows, the optimiser, validation and resuming, is the same for all.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from ..data.tags import TextEncoder
from ..errors import InputError
from ..method import CaptionDecoder, CaptionModel, Decoded, DecoderConfig
from ..method.captioner import DECODINGS, caption_loss
from ..method.search import OnToken, Steps, beam_search, greedy_search
from ..method.stages import read_caption
from ..method.tokens import encode_captions
from ..models import CaptionTokenizer
from .decoding import EVIDENCE
from .protocol import BATCH, NO_VIEWS, Captioned, EncodedPictures, View
from .real import PictureFeatures, RealPairs, UnpairedPictures

Material = RealPairs | UnpairedPictures


@dataclass(frozen=True, kw_only=True)
class ModelSizes:
    """What a picture model is built from.

    Attributes:
        decoder: the profile's; its `feature_width` is CLIP's D.
        grid_width: of CLIP's features before pooling; 0 where they are not looked at.
        region_width: of the detector's embeddings; 0 where they are not looked at.
    """

    decoder: DecoderConfig
    grid_width: int = 0
    region_width: int = 0

    @classmethod
    def of(cls, decoder: DecoderConfig, pictures: PictureFeatures) -> ModelSizes:
        """Return the sizes that fit some pictures."""
        return cls(
            decoder=decoder,
            grid_width=0 if pictures.grids is None else pictures.grids.shape[-1],
            region_width=0 if pictures.regions is None else pictures.regions.shape[-1],
        )

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return asdict(self)

    @classmethod
    def from_dict(cls, raw: Mapping[str, Any]) -> ModelSizes:
        """Read back what `to_dict` wrote."""
        return cls(**{**raw, "decoder": DecoderConfig(**raw["decoder"])})


class PictureModel(nn.Module, ABC):
    """Captions pictures, one token after another.

    Args:
        sizes: of everything in it.
    """

    def __init__(self, sizes: ModelSizes) -> None:
        super().__init__()
        self.sizes = sizes

    @abstractmethod
    def forward(self, pictures: PictureFeatures, tokens: Tensor) -> Tensor:
        """Return the logits (B, L, V) of the token after each of (B, L), the start mark first."""

    @abstractmethod
    def begin(self, pictures: PictureFeatures) -> tuple[Tensor, Steps]:
        """Return the first token's logits (B, V), and what predicts those that follow."""

    @torch.no_grad()
    def decode(
        self,
        pictures: PictureFeatures,
        *,
        decoding: str,
        beam_size: int = 5,
        alternatives: int = EVIDENCE,
        on_token: OnToken | None = None,
    ) -> list[Decoded]:
        """Decode one caption for each picture.

        Raises:
            InputError: if `decoding` is neither "greedy" nor "beam", or the beam size is out of range.
        """
        if decoding not in DECODINGS:
            raise InputError(f"`decoding` is {decoding!r} but must be one of {', '.join(DECODINGS)}.")
        config = self.sizes.decoder
        logits, steps = self.begin(pictures)
        if decoding == "greedy":
            return greedy_search(config, logits, steps, alternatives=alternatives, on_token=on_token)
        return beam_search(config, logits, steps, beam_size, alternatives=alternatives, on_token=on_token)


class PrefixedModel(PictureModel):
    """The profile's decoder, which continues a prefix that is made from a picture."""

    decoder: CaptionDecoder

    @abstractmethod
    def prefix(self, pictures: PictureFeatures) -> Tensor:
        """Return (B, P, D), as the decoder takes it."""

    def forward(self, pictures: PictureFeatures, tokens: Tensor) -> Tensor:
        """Return the logits (B, L, V) of the token after each of (B, L)."""
        logits: Tensor = self.decoder(self.prefix(pictures), tokens)
        return logits

    def begin(self, pictures: PictureFeatures) -> tuple[Tensor, Steps]:
        """Return the first token's logits (B, V), and what predicts those that follow."""
        return self.decoder.begin(self.prefix(pictures))


@dataclass(frozen=True, kw_only=True)
class LearnerTools:
    """What a learner may use beside its material.

    Attributes:
        tokenizer: of the captions.
        text_encoder: CLIP's text side, for rewards.
        device: where it trains.
        total_steps: of the whole run.
        batch_size: rows per step.
        language_model: of the corpus, where the recipe asks for it.
    """

    tokenizer: CaptionTokenizer
    text_encoder: TextEncoder
    device: torch.device
    total_steps: int
    batch_size: int
    language_model: CaptionModel | None = None


class Learner(nn.Module, ABC):
    """A model while it learns. All of its parameters and buffers are in the state of a run.

    Attributes:
        model: what will be stored.
        rows: of one epoch: captions.
    """

    model: PictureModel
    rows: int

    @abstractmethod
    def loss(self, rows: Tensor, step: int) -> Tensor:
        """Return the loss of a step, counted from 0, on some rows; random numbers are the step's own."""


class PairedLearner(Learner):
    """Cross-entropy on real pairs: how ClipCap, Barraco et al. and BUTD learn here.

    Args:
        model: to train.
        pairs: pictures and captions; each caption is a row.
        tools: see there.
    """

    def __init__(self, model: PictureModel, pairs: RealPairs, tools: LearnerTools) -> None:
        super().__init__()
        self.model = model
        captions = [caption for captions in pairs.captions for caption in captions]
        self.rows = len(captions)
        self.texts = TokenRows(captions, model.sizes.decoder, tools)
        self.owners = torch.tensor(
            [row for row, captions in enumerate(pairs.captions) for _ in captions], device=tools.device
        )
        self.pictures = pairs.pictures.to(tools.device)

    def loss(self, rows: Tensor, step: int) -> Tensor:
        """Return the cross-entropy of some captions, given their pictures."""
        tokens = self.texts.batch(rows)
        logits = self.model(self.pictures.rows(self.owners[rows]), tokens[:, :-1])
        return caption_loss(logits, tokens, self.model.sizes.decoder)


class TokenRows:
    """Captions as token ids on a device."""

    def __init__(self, captions: list[str], config: DecoderConfig, tools: LearnerTools) -> None:
        tokens, lengths = encode_captions(captions, tools.tokenizer, config.max_tokens)
        self.tokens, self.lengths = tokens.to(tools.device), lengths.to(tools.device)

    def __len__(self) -> int:
        """Return the number of captions N."""
        return len(self.tokens)

    def batch(self, rows: Tensor) -> Tensor:
        """Return (B, L) start mark, caption, end mark, padding; L is the longest caption's."""
        return self.tokens[rows, : int(self.lengths[rows].max())]


@dataclass(frozen=True, kw_only=True)
class PictureRecipe:
    """A system that trains on real pictures.

    Attributes:
        name: of the system and its checkpoint.
        trains_on: RealPairs or UnpairedPictures; it cannot be handed the other.
        make_model: builds the model.
        make_learner: from the model, the material and the tools to what trains it.
        views: what it looks at beside feature and tags.
        needs_language_model: whether it starts from the corpus' language model.
        decoding: as in its paper.
        optimizer: settings of a run in place of the defaults, which were chosen for decoders on texts.
    """

    name: str
    trains_on: type[RealPairs] | type[UnpairedPictures]
    make_model: Callable[[ModelSizes], PictureModel]
    make_learner: Callable[[Any, Any, LearnerTools], Learner]
    views: frozenset[View] = NO_VIEWS
    needs_language_model: bool = False
    decoding: str = "beam"
    optimizer: Mapping[str, float] = field(default_factory=dict)

    def learner(self, model: PictureModel, material: Material, tools: LearnerTools) -> Learner:
        """Build what trains the model.

        Raises:
            InputError: if the material is of another type than the system learns from.
        """
        if not isinstance(material, self.trains_on):
            raise InputError(
                f"System {self.name!r} learns from {self.trains_on.__name__}, not from "
                f"{type(material).__name__}."
            )
        return self.make_learner(model, material, tools)


class PictureCaptioner:
    """A picture model behind the protocol of all systems.

    Args:
        recipe: of the system.
        model: trained, in evaluation mode.
        tokenizer: that it was trained with.
        decoding: "greedy" or "beam"; None is its paper's.
        beam_size: of "beam".
    """

    def __init__(
        self,
        recipe: PictureRecipe,
        model: PictureModel,
        tokenizer: CaptionTokenizer,
        *,
        decoding: str | None = None,
        beam_size: int = 5,
    ) -> None:
        self.name = recipe.name
        self.trains_on: type = recipe.trains_on
        self.views = recipe.views
        self.model = model
        self.tokenizer = tokenizer
        self.decoding = decoding or recipe.decoding
        self.beam_size = beam_size

    def caption(self, pictures: EncodedPictures, on_token: OnToken | None = None) -> list[Captioned]:
        """Caption B pictures; the evidence is the decoded tokens.

        Raises:
            InputError: if the pictures were encoded without what the system looks at.
        """
        missing = [view.value for view in self.views if getattr(pictures, view.value) is None]
        if missing:
            raise InputError(
                f"System {self.name!r} looks at {' and '.join(missing)}, which these pictures were encoded "
                "without; encode them with its `views`."
            )
        device = next(self.model.parameters()).device
        features, captions = PictureFeatures.of(pictures), []
        for start in range(0, len(features), BATCH):
            batch = features.rows(slice(start, start + BATCH)).to(device)
            captions += [
                Captioned(trace=read_caption(decoded, self.tokenizer))
                for decoded in self.model.decode(
                    batch, decoding=self.decoding, beam_size=self.beam_size, on_token=on_token
                )
            ]
        return captions
