"""Laina et al.: a space of sentences ordered by what they name, and pictures that are led into it. Unpaired.

Laina, Rupprecht and Navab, "Towards Unsupervised Image Captioning with Shared Multimodal Embeddings" (ICCV
2019).

    language:   phi(t) = GRU(t),   -log p(t | phi(t))  +  max(0, d(phi, phi+) - d(phi, phi-) + m)
    pictures:   sum_s softmin_s(d(psi(x), phi(s))) d(psi(x), phi(s))  +  adversarial

with squared distances d, a positive sentence that shares concepts with the anchor, a negative one that
shares none, sentences s that share concepts with the picture, and a discriminator that is told the picture's
concepts and must not tell psi of pictures from phi of sentences. Then a picture is decoded as if it were a
sentence.

From the paper's abstract: a language model with semantically structured embeddings, pictures translated into
them by a loss that is robust to noisy assignments, and a conditional adversarial part. From memory: the GRU,
the triplets by shared concepts, the two stages. The paper's settings could not be looked up; the softmin, the
margin, the number of sentences per picture, the weights and the epochs below are ours and not tuned.

Deviations:
- The decoder is the profile's after the embedding; the paper has a GRU. The embedding is as wide as the
  decoder and of unit norm.
- A positive shares two concepts or, where the anchor names fewer, all of them.
- Both stages are one run: `LANGUAGE_SHARE` of the steps for the first, after which the language side is
  fixed.
- The concepts are the labels of the profile's detector; the paper's are those of a detector on Open Images.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional as F

from ..method import DecoderConfig
from ..method.captioner import caption_mask, decoding_loss
from .learning import LearnerTools, ModelSizes, PictureRecipe
from .real import UnpairedPictures
from .shared_space import SharedSpaceModel, UnpairedLearner

NAME = "laina"
LANGUAGE_SHARE = 0.5
MARGIN = 0.2
TRIPLET_WEIGHT = 1.0
SENTENCES = 10  # per picture and step
SOFTMIN_SCALE = 10.0
ADVERSARIAL_WEIGHT = 0.1


class EmbeddingModel(SharedSpaceModel):
    """Pictures into the space of sentences, and out of it as captions.

    Args:
        sizes: of the decoder.
    """

    def __init__(self, sizes: ModelSizes) -> None:
        inputs, width = sizes.decoder.feature_width, sizes.decoder.width
        super().__init__(sizes, nn.Sequential(nn.Linear(inputs, width), nn.ReLU(), nn.Linear(width, width)))


class SentenceEncoder(nn.Module):
    """A GRU over the tokens of a sentence.

    Args:
        config: of the decoder, whose width is the GRU's.
    """

    def __init__(self, config: DecoderConfig) -> None:
        super().__init__()
        self.embedding = nn.Embedding(config.vocabulary_size, config.width)
        self.gru = nn.GRU(config.width, config.width, batch_first=True)
        self.config = config

    def forward(self, tokens: Tensor) -> Tensor:
        """Return phi (B, W), unit norm, of tokens (B, L) with their marks."""
        hidden, _ = self.gru(self.embedding(tokens[:, 1:]))
        last = caption_mask(tokens[:, 1:], self.config).sum(dim=1) - 1  # the end mark's position
        whole: Tensor = hidden[torch.arange(len(tokens), device=tokens.device), last]
        return F.normalize(whole, dim=1)


class LainaLearner(UnpairedLearner):
    """The two stages.

    Args:
        model: to train.
        unpaired: pictures with their tags, and texts.
        tools: see there.
    """

    def __init__(self, model: EmbeddingModel, unpaired: UnpairedPictures, tools: LearnerTools) -> None:
        super().__init__(model, unpaired, tools)
        width = self.config.width
        self.sentences = SentenceEncoder(self.config)
        self.discriminator = nn.Sequential(
            nn.Linear(width + len(self.finder.labels), width),
            nn.LeakyReLU(0.2),
            nn.Linear(width, 1),
        )

    def loss(self, rows: Tensor, step: int) -> Tensor:
        """Return the loss of the stage that a step belongs to."""
        if step < LANGUAGE_SHARE * self.total_steps:
            return self._language_loss(rows)
        return self._picture_loss(torch.randint(len(self.pictures), (len(rows),), device=rows.device))

    def _language_loss(self, rows: Tensor) -> Tensor:
        tokens = self.texts.batch(rows)
        phi = self.sentences(tokens)
        loss = decoding_loss(self.model.decoder, phi[:, None], tokens)
        return loss + TRIPLET_WEIGHT * triplet_loss(phi, self.text_concepts[rows])

    def _picture_loss(self, drawn: Tensor) -> Tensor:
        """Lead pictures towards the sentences that share their concepts, and fool the discriminator."""
        concepts = self.picture_concepts[drawn]
        candidates = self.candidates(concepts)  # (B, C)
        with torch.no_grad():
            self.sentences.eval()
            phi = self.sentences(self.texts.batch(candidates.flatten())).unflatten(0, candidates.shape)
        psi = self.model.embed(self.pictures.rows(drawn))
        distances = (psi[:, None] - phi).square().sum(dim=-1)  # (B, C)
        shares = (-SOFTMIN_SCALE * distances).softmax(dim=1).detach()
        robust = (shares * distances).sum(dim=1).mean()
        fixed = {name: value.detach() for name, value in self.discriminator.state_dict().items()}
        pictures, sentences = torch.cat([psi, concepts], dim=1), torch.cat([phi[:, 0], concepts], dim=1)
        fooled: Tensor = functional_call(self.discriminator, fixed, (pictures,))
        told: Tensor = self.discriminator(torch.cat([pictures.detach(), sentences]))
        truth = torch.zeros_like(told)
        truth[len(pictures) :] = 1
        loss: Tensor = (
            robust
            + ADVERSARIAL_WEIGHT * F.binary_cross_entropy_with_logits(fooled, torch.ones_like(fooled))
            + F.binary_cross_entropy_with_logits(told, truth)
        )
        return loss

    def candidates(self, concepts: Tensor) -> Tensor:
        """Return (B, C) texts that share most concepts with pictures (B, K); chance decides among equals."""
        shared = concepts @ self.text_concepts.T  # (B, N)
        other = self.text_concepts.sum(dim=1) - shared  # what a text names beside
        scores = shared - other / (1 + self.text_concepts.shape[1]) + 1e-3 * torch.rand_like(shared)
        return scores.topk(min(SENTENCES, scores.shape[1]), dim=1).indices


def triplet_loss(embeddings: Tensor, concepts: Tensor) -> Tensor:
    """Return the mean hinge over anchors that have both a positive and a negative in the batch.

    Args:
        embeddings: (B, W) of sentences.
        concepts: (B, K) that they name, as 0 and 1.
    """
    shared = concepts @ concepts.T  # (B, B)
    needed = concepts.sum(dim=1, keepdim=True).clamp(1, 2)
    itself = torch.eye(len(concepts), dtype=torch.bool, device=concepts.device)
    positive, negative = (shared >= needed) & ~itself, shared == 0
    valid = positive.any(dim=1) & negative.any(dim=1)
    if not bool(valid.any()):
        return embeddings.sum() * 0
    anchors = valid.nonzero().squeeze(1)
    chosen = [allowed[anchors].float().multinomial(1).squeeze(1) for allowed in (positive, negative)]
    near, far = ((embeddings[anchors] - embeddings[other]).square().sum(dim=1) for other in chosen)
    return (near - far + MARGIN).relu().mean()


RECIPE = PictureRecipe(
    name=NAME,
    trains_on=UnpairedPictures,
    make_model=EmbeddingModel,
    make_learner=LainaLearner,
    optimizer={"epochs": 20},
)
