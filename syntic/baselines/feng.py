"""Feng et al.: captions that pass for sentences and name what is in the picture. Unpaired.

Feng, Ma, Liu and Luo, "Unsupervised Image Captioning" (CVPR 2019). Real pictures and texts that do not
belong together meet in the labels of a detector. A sampled caption is rewarded, word by word, with

    log D(words so far)  +  10 for the first mention of a thing that was found in the picture
    -  c ||latent(picture) - latent(caption)||^2

(gamma 0.9, less the same of the most probable caption, clipped at 5), while the discriminator D learns to
tell captions from sentences and to give back the picture's latent, and sentences are reconstructed from
theirs.

From the paper and its code: the three rewards and their weights, the self-critical baseline, gamma, the
clipping, the LSTM discriminator with one verdict per word, the reconstruction of pictures and of sentences,
and the initialisation: a model writes sentences from concepts, its captions of the pictures' concepts are
learned first.

Deviations:
- The generator is the profile's decoder after a linear map of CLIP's feature; the paper has an LSTM after
  Inception v4. The latent is as wide as the decoder. c is 100 / 512, which is the code's 100 times the mean
  over 512 dimensions.
- The mention of a concept earns the same whatever the detector's score; the profile has a threshold already.
- All stages are one run: `WRITER_SHARE` of the steps for the writer, `PSEUDO_SHARE` for its captions, with
  which the discriminator and the reconstruction of sentences start, the rest is adversarial. The paper
  trains each until it is best on validation pictures, the discriminator with a sentence GAN of its own. The
  writer reads its concepts as a set, not with an LSTM.
- The number of epochs is ours and not tuned.
- One optimiser for both players; the code has two of the same settings (Adam, first moment 0.5).
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..method import CaptionDecoder, DecoderConfig
from ..method.captioner import caption_loss, caption_mask, decoding_loss
from ..method.decoder import INITIAL_STD
from .learning import LearnerTools, ModelSizes, PictureRecipe
from .real import UnpairedPictures
from .sampling import draw_captions, drawn_mask, log_probabilities, with_start
from .shared_space import SharedSpaceModel, UnpairedLearner

NAME = "feng"
CONCEPT_REWARD = 10.0
LATENT_WEIGHT = 100 / 512
DISCOUNT = 0.9
LARGEST_ADVANTAGE = 5.0
WRITER_SHARE = 0.2
PSEUDO_SHARE = 0.3


class LatentModel(SharedSpaceModel):
    """The generator: a picture's latent, from which the decoder speaks.

    Args:
        sizes: of the decoder.
    """

    def __init__(self, sizes: ModelSizes) -> None:
        super().__init__(sizes, nn.Linear(sizes.decoder.feature_width, sizes.decoder.width))


class Discriminator(nn.Module):
    """Reads a sentence word by word: is it one so far, and which latent does all of it have?

    Args:
        config: of the decoder, whose width is the LSTM's.
    """

    def __init__(self, config: DecoderConfig) -> None:
        super().__init__()
        self.embedding = nn.Embedding(config.vocabulary_size, config.width)
        nn.init.normal_(self.embedding.weight, std=INITIAL_STD)
        self.lstm = nn.LSTM(config.width, config.width, batch_first=True)
        self.verdict = nn.Linear(config.width, 1)
        self.latent = nn.Linear(config.width, config.width)

    def forward(self, tokens: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Return logits (B, L) of being a sentence up to each of the tokens (B, L), and latents (B, W)."""
        hidden, _ = self.lstm(self.embedding(tokens))  # (B, L, W)
        last = mask.sum(dim=1).clamp(min=1) - 1
        whole = hidden[torch.arange(len(tokens), device=tokens.device), last]
        return self.verdict(hidden).squeeze(-1), F.normalize(self.latent(whole), dim=1)


class ConceptWriter(nn.Module):
    """Writes a sentence that names some concepts; learned on texts alone.

    Args:
        concepts: K.
        config: of the decoder.
    """

    def __init__(self, concepts: int, config: DecoderConfig) -> None:
        super().__init__()
        self.decoder = CaptionDecoder(replace(config, feature_width=concepts, prefix_length=1))

    def forward(self, concepts: Tensor, tokens: Tensor) -> Tensor:
        """Return logits (B, L, V) after tokens (B, L), given concepts (B, K) as 0 and 1."""
        logits: Tensor = self.decoder(concepts[:, None], tokens)
        return logits

    def write(self, concepts: Tensor) -> Tensor:
        """Return the most probable sentences (B, max_tokens) with these concepts (B, K)."""
        return draw_captions(self.decoder.config, *self.decoder.begin(concepts[:, None]), temperature=None)


class FengLearner(UnpairedLearner):
    """The three stages.

    Args:
        model: the generator.
        unpaired: pictures with their tags, and texts.
        tools: see there.
    """

    def __init__(self, model: LatentModel, unpaired: UnpairedPictures, tools: LearnerTools) -> None:
        super().__init__(model, unpaired, tools)
        self.writer = ConceptWriter(len(self.finder.labels), self.config)
        self.discriminator = Discriminator(self.config)

    def loss(self, rows: Tensor, step: int) -> Tensor:
        """Return the loss of the stage that a step belongs to."""
        share = step / self.total_steps
        if share < WRITER_SHARE:
            tokens = self.texts.batch(rows)
            return caption_loss(self.writer(self.text_concepts[rows], tokens[:, :-1]), tokens, self.config)
        drawn = torch.randint(len(self.pictures), (len(rows),), device=rows.device)
        if share < WRITER_SHARE + PSEUDO_SHARE:
            return self._pseudo_loss(rows, drawn) + self._reconstruct(rows)
        return self._adversarial_loss(rows, drawn) + self._reconstruct(rows)

    def _pseudo_loss(self, rows: Tensor, drawn: Tensor) -> Tensor:
        """Learn what the writer says of the pictures' concepts; start the discriminator with it."""
        self.writer.eval()
        words = self.writer.write(self.picture_concepts[drawn])
        tokens = with_start(words, self.config)
        pictures = self.pictures.rows(drawn)
        loss = caption_loss(self.model(pictures, tokens[:, :-1]), tokens, self.config)
        judged, latents = self._judge(rows, words)
        return loss + judged + self._distance(self.model.embed(pictures).detach(), latents).mean()

    def _adversarial_loss(self, rows: Tensor, drawn: Tensor) -> Tensor:
        """Let the generator follow its rewards, and the discriminator learn from what it said."""
        self.model.eval()  # what is drawn and what is learned from it have the same probability
        pictures, concepts = self.pictures.rows(drawn), self.picture_concepts[drawn]
        words = draw_captions(self.config, *self.model.begin(pictures))
        usual = draw_captions(self.config, *self.model.begin(pictures), temperature=None)
        latent = self.model.embed(pictures).detach()
        judged, latents = self._judge(rows, words)
        with torch.no_grad():
            advantage = self.rewards(words, concepts, latent) - self.rewards(usual, concepts, latent)
            advantage = advantage.clamp(-LARGEST_ADVANTAGE, LARGEST_ADVANTAGE)
        log_p = log_probabilities(self.model(pictures, with_start(words, self.config)[:, :-1]), words)
        policy = -(log_p * advantage)[drawn_mask(words, self.config)].mean()
        return policy + judged + self._distance(latent, latents).mean()

    def rewards(self, words: Tensor, concepts: Tensor, latent: Tensor) -> Tensor:
        """Return what each of some words (B, L) and those after it earn, (B, L).

        Args:
            words: of captions.
            concepts: (B, K) of their pictures.
            latent: (B, W) of their pictures.
        """
        mask = drawn_mask(words, self.config)
        logits, latents = self.discriminator(words, mask)
        earned = torch.where(mask, F.logsigmoid(logits) + self._mentions(words, concepts), 0.0)
        following = torch.zeros_like(earned[:, 0])
        sums = []
        for position in reversed(range(earned.shape[1])):
            following = earned[:, position] + DISCOUNT * following
            sums.append(following)
        return torch.stack(sums[::-1], dim=1) - self._distance(latent, latents)[:, None]

    def _mentions(self, words: Tensor, concepts: Tensor) -> Tensor:
        """Return (B, L) the reward for the first mention of each thing that is in the picture."""
        earned = torch.zeros(words.shape)
        for row, tokens in enumerate(words.tolist()):
            for concept, position in self.finder.find(tokens).items():
                earned[row, position] += CONCEPT_REWARD * float(concepts[row, concept])
        return earned.to(words.device)

    def _judge(self, rows: Tensor, words: Tensor) -> tuple[Tensor, Tensor]:
        """Return the discriminator's loss on sentences and captions, and the captions' latents."""
        sentences = self.texts.batch(rows)[:, 1:]
        losses, latents = [], torch.empty(0)
        for tokens, mask, target in (
            (sentences, caption_mask(sentences, self.config), 1.0),
            (words, drawn_mask(words, self.config), 0.0),
        ):
            logits, latents = self.discriminator(tokens, mask)
            verdicts = logits[mask]
            losses.append(F.binary_cross_entropy_with_logits(verdicts, torch.full_like(verdicts, target)))
        return losses[0] + losses[1], latents

    def _reconstruct(self, rows: Tensor) -> Tensor:
        """Return the loss of giving sentences back from their latents."""
        tokens = self.texts.batch(rows)
        sentences = tokens[:, 1:]
        _, latents = self.discriminator(sentences, caption_mask(sentences, self.config))
        return decoding_loss(self.model.decoder, latents[:, None], tokens)

    @staticmethod
    def _distance(picture: Tensor, caption: Tensor) -> Tensor:
        return LATENT_WEIGHT * (picture - caption).square().sum(dim=1)  # (B,)


RECIPE = PictureRecipe(
    name=NAME,
    trains_on=UnpairedPictures,
    make_model=LatentModel,
    make_learner=FengLearner,
    optimizer={"epochs": 40},
)
