"""What the systems share that learn from pictures and texts which do not belong together (Feng, Laina).

Both lead pictures into a space that sentences lie in too; the labels of a detector tie it to the texts.
"""

from __future__ import annotations

from dataclasses import replace

from torch import Tensor, nn
from torch.nn import functional as F

from ..method import CaptionDecoder
from .concepts import ConceptFinder, concept_labels
from .learning import Learner, LearnerTools, ModelSizes, PrefixedModel, TokenRows
from .real import PictureFeatures, UnpairedPictures


class SharedSpaceModel(PrefixedModel):
    """Pictures into a space as wide as the decoder, and out of it as captions.

    Args:
        sizes: of the decoder.
        image_map: from CLIP's feature (B, D) to (B, W).
    """

    def __init__(self, sizes: ModelSizes, image_map: nn.Module) -> None:
        super().__init__(sizes)
        width = sizes.decoder.width
        self.image_map = image_map
        self.decoder = CaptionDecoder(replace(sizes.decoder, feature_width=width, prefix_length=1))

    def embed(self, pictures: PictureFeatures) -> Tensor:
        """Return the pictures' points (B, W), unit norm."""
        return F.normalize(self.image_map(pictures.features), dim=1)

    def prefix(self, pictures: PictureFeatures) -> Tensor:
        """Return (B, 1, W)."""
        return self.embed(pictures)[:, None]


class UnpairedLearner(Learner):
    """Texts, pictures, and which concepts each of them names.

    Args:
        model: to train.
        unpaired: pictures with their tags, and texts.
        tools: see there.

    Attributes:
        text_concepts: (N, K) as 0 and 1.
        picture_concepts: (P, K).
    """

    model: SharedSpaceModel

    def __init__(self, model: SharedSpaceModel, unpaired: UnpairedPictures, tools: LearnerTools) -> None:
        super().__init__()
        self.model = model
        self.config = model.sizes.decoder
        self.texts = TokenRows(unpaired.texts.captions, self.config, tools)
        self.rows = len(self.texts)
        self.pictures = unpaired.pictures.to(tools.device)
        self.finder = ConceptFinder(concept_labels(unpaired.concepts), tools.tokenizer)
        self.text_concepts = self.finder.of_captions(self.texts.tokens).to(tools.device)
        self.picture_concepts = self.finder.of_pictures(unpaired.concepts).to(tools.device)
        self.total_steps = tools.total_steps
