"""ESPER-Style: a language model of the corpus learns from CLIP what to say of a picture. Unpaired.

Yu et al., "Multimodal Knowledge Alignment with Reinforcement Learning" (2022), which appeared as "Fusing
Pre-trained Language Models with Multimodal Prompts through Reinforcement Learning" (CVPR 2023).

    prefix = MLP(image feature),    caption ~ LM(. | prefix)
    reward = CLIP(picture, caption) - 0.15 log(p / p_LM)

Only the MLP learns; the language model, trained on texts in the style that is wanted, is fixed. By proximal
policy optimisation (PPO): captions are drawn, and four steps follow their advantages with the ratio to the
probabilities they were drawn with clipped.

From the paper's code (its configuration for styles): ClipCap's MLP with 10 positions and the fixed language
model; temperature 0.7; the weight of the divergence in the reward, four passes, clipping 0.2 of ratio and
value, discount 1 and 0.95 of the generalised advantages, normalised over a batch; no dropout; at first only
the divergence and the value are learned.

Deviations:
- The language model is `language-model`, the profile's decoder trained on the corpus, in place of GPT-2
  fine-tuned on styles; its style is the corpus', so there is no label for it.
- The picture's prefix stands before all that the language model has seen in training; its own positions
  stay.
- CLIP's cosine is scaled to mean 0 and deviation 1 over the training pictures with texts that are not
  theirs, which the code offers; its fixed 50 cos - 10 is for ViT-B/32.
- A pass is one step on the whole batch instead of 16; the value is read from the policy's last hidden states
  by an MLP, not from a second language model.
- The first stage is `ONLY_DIVERGENCE_SHARE` of the steps, 10 in the code, and has the divergence over all
  words, because the decoder, unlike GPT-2, has to get used to a prefix from nothing.
- No hinge that keeps drawn words near their probability in the language model (0.1 times it, in the code):
  measured on a small vocabulary, whose words are probable, it held the policy at the language model.
- No reward against repetition and for low entropy, and no repeated word is forbidden: captions of a corpus
  are short. Rewards are not brought to deviation 1 once more before the advantages are.
- The learning rate is 3e-4, the code's is 1e-5; it and the number of epochs are not tuned.
"""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..method import CaptionModel
from .clipcap import PREFIX_LENGTH, ClipCapModel
from .learning import Learner, LearnerTools, ModelSizes, PictureRecipe, TokenRows
from .real import UnpairedPictures
from .sampling import draw_captions, drawn_mask, log_probabilities, texts_of, with_start

NAME = "esper-style"
TEMPERATURE = 0.7
PASSES = 4
CLIP_RANGE = 0.2
DIVERGENCE_COST = 0.15
TRACE_DECAY = 0.95
ONLY_DIVERGENCE_SHARE = 0.05
NORMALISED_ON = 1000  # pictures and texts whose cosines set the scale of the reward


class PromptedModel(ClipCapModel):
    """ClipCap's prefix before a fixed language model.

    The language model's one prefix position, a learned constant, follows the picture's.

    Args:
        sizes: of the decoder, which are the language model's.
    """

    def __init__(self, sizes: ModelSizes) -> None:
        super().__init__(sizes, constants=1)
        for parameter in self.decoder.parameters():
            parameter.requires_grad_(False)
        for position in self.decoder.prefix_maps[:PREFIX_LENGTH]:
            position.requires_grad_(True)

    @torch.no_grad()
    def take(self, language_model: CaptionModel) -> None:
        """Copy the weights of a language model of the same sizes."""
        source, own = language_model.decoder, self.decoder
        for name in ("token_embedding", "blocks", "final_norm"):
            getattr(own, name).load_state_dict(getattr(source, name).state_dict())
        own.position_embedding.weight[:PREFIX_LENGTH] = 0
        own.position_embedding.weight[PREFIX_LENGTH:] = source.position_embedding.weight
        constant, known = own.prefix_maps[-1], source.prefix_maps[0]
        assert isinstance(constant, nn.Linear)
        assert isinstance(known, nn.Linear)
        constant.weight.zero_()
        constant.bias.copy_(known.bias)


class EsperLearner(Learner):
    """PPO. What was drawn, and its rewards, are buffers, so that a run goes on in the midst of its passes.

    Args:
        model: the policy.
        unpaired: pictures, and texts for the scale of the reward.
        tools: with the language model.
    """

    model: PromptedModel
    pictures_drawn: Tensor
    words: Tensor
    old_log_p: Tensor
    old_values: Tensor
    advantages: Tensor

    def __init__(self, model: PromptedModel, unpaired: UnpairedPictures, tools: LearnerTools) -> None:
        super().__init__()
        assert tools.language_model is not None
        self.model = model
        model.take(tools.language_model)
        self.config = model.sizes.decoder
        self.tools = tools
        self._reference = (tools.language_model.to(tools.device).eval(),)  # in a tuple: not a part of the run
        self.texts = TokenRows(unpaired.texts.captions, self.config, tools)
        self.rows = len(self.texts)
        self.pictures = unpaired.pictures.to(tools.device)
        self.mean, self.deviation = _unrelated_cosines(unpaired)
        width = self.config.width
        self.value = nn.Sequential(nn.Linear(width, width), nn.Tanh(), nn.Linear(width, 1))
        shape = (tools.batch_size, self.config.max_tokens)
        self.register_buffer("pictures_drawn", torch.zeros(tools.batch_size, dtype=torch.long))
        self.register_buffer("words", torch.zeros(shape, dtype=torch.long))
        for name in ("old_log_p", "old_values", "advantages"):
            self.register_buffer(name, torch.zeros(shape))

    def loss(self, rows: Tensor, step: int) -> Tensor:
        """Draw new captions where it is their turn, and return the loss of one pass over them."""
        self.model.eval()
        if step % PASSES == 0:
            self.draw()
        mask = drawn_mask(self.words, self.config)
        logits, values = self._read(self.pictures_drawn, self.words)
        returns = self.advantages + self.old_values
        near = self.old_values + (values - self.old_values).clamp(-CLIP_RANGE, CLIP_RANGE)
        value = torch.maximum((values - returns).square(), (near - returns).square())[mask].mean() / 2
        if step < ONLY_DIVERGENCE_SHARE * self.tools.total_steps:
            return value + self._divergence(logits)[mask].mean()
        log_p = log_probabilities(logits, self.words)
        return policy_loss(log_p - self.old_log_p, self.advantages, mask) + value

    @torch.no_grad()
    def draw(self) -> None:
        """Let the policy caption some pictures, and reward it."""
        device, size = self.words.device, len(self.words)
        self.pictures_drawn = torch.randint(len(self.pictures), (size,), device=device)
        first, steps = self.model.begin(self.pictures.rows(self.pictures_drawn))
        self.words = draw_captions(self.config, first, steps, temperature=TEMPERATURE)
        logits, self.old_values = self._read(self.pictures_drawn, self.words)
        self.old_log_p = log_probabilities(logits, self.words)
        reference_log_p = log_probabilities(self._reference_logits(), self.words)
        mask = drawn_mask(self.words, self.config)
        rewards = -DIVERGENCE_COST * (self.old_log_p - reference_log_p)
        last = mask.sum(dim=1) - 1
        rewards[torch.arange(size, device=device), last] += self.clip_rewards()
        self.advantages = generalised_advantages(rewards, self.old_values, mask)

    def clip_rewards(self) -> Tensor:
        """Return (B,) the scaled cosine of each drawn caption and its picture."""
        texts = texts_of(self.words, self.config, self.tools.tokenizer)
        features = self.tools.text_encoder.encode_texts(texts).to(self.words.device)
        cosines = (features * self.pictures.features[self.pictures_drawn]).sum(dim=1)
        return (cosines - self.mean) / self.deviation

    def _read(self, drawn: Tensor, words: Tensor) -> tuple[Tensor, Tensor]:
        """Return the policy's logits (B, L, V) at its temperature, and the values (B, L) before each word."""
        prefix = self.model.prefix(self.pictures.rows(drawn))
        hidden = self.model.decoder.hidden_states(prefix, with_start(words, self.config)[:, :-1])
        return self.model.decoder.next_logits(hidden) / TEMPERATURE, self.value(hidden.detach()).squeeze(-1)

    @torch.no_grad()
    def _reference_logits(self) -> Tensor:
        """Return what the language model, which sees no picture, would have drawn from."""
        decoder = self._reference[0].decoder
        nothing = torch.zeros(len(self.words), 1, decoder.config.feature_width, device=self.words.device)
        return cast(Tensor, decoder(nothing, with_start(self.words, self.config)[:, :-1])) / TEMPERATURE

    def _divergence(self, logits: Tensor) -> Tensor:
        """Return (B, L) the divergence of the policy from the language model at each word."""
        log_p, reference = logits.log_softmax(dim=-1), self._reference_logits().log_softmax(dim=-1)
        return F.kl_div(reference, log_p, log_target=True, reduction="none").sum(dim=-1)


def policy_loss(log_ratio: Tensor, advantages: Tensor, mask: Tensor) -> Tensor:
    """Return PPO's clipped objective, negated, over the tokens that count.

    Args:
        log_ratio: (B, L) log probability now less that when it was drawn.
        advantages: (B, L); normalised here.
        mask: (B, L) tokens that count.
    """
    known = advantages[mask]
    normal = (known - known.mean()) / (known.std(correction=0) + 1e-8)
    ratio = log_ratio[mask].exp()
    return -torch.minimum(ratio * normal, ratio.clamp(1 - CLIP_RANGE, 1 + CLIP_RANGE) * normal).mean()


def generalised_advantages(rewards: Tensor, values: Tensor, mask: Tensor) -> Tensor:
    """Return (B, L) advantages (Schulman et al. 2016) with discount 1; 0 after a caption's end.

    Args:
        rewards: (B, L) of each token.
        values: (B, L) expected before each token.
        mask: (B, L) tokens that count.
    """
    following_value = torch.zeros_like(values[:, 0])
    following = torch.zeros_like(values[:, 0])
    advantages = []
    for position in reversed(range(rewards.shape[1])):
        counts = mask[:, position]
        surprise = rewards[:, position] + following_value - values[:, position]
        following = torch.where(counts, surprise + TRACE_DECAY * following, 0.0)
        following_value = torch.where(counts, values[:, position], 0.0)
        advantages.append(following)
    return torch.stack(advantages[::-1], dim=1)


def _unrelated_cosines(unpaired: UnpairedPictures) -> tuple[float, float]:
    """Return mean and deviation of CLIP's cosine over pictures and texts that were put together by chance."""
    texts = unpaired.texts.features[:: max(1, len(unpaired.texts) // NORMALISED_ON)]
    cosines = unpaired.pictures.features[:NORMALISED_ON].float() @ texts.float().T
    return float(cosines.mean()), max(float(cosines.std(correction=0)), 1e-4)


RECIPE = PictureRecipe(
    name=NAME,
    trains_on=UnpairedPictures,
    make_model=PromptedModel,
    make_learner=EsperLearner,
    needs_language_model=True,
    optimizer={"epochs": 40, "learning_rate": 3e-4},
)
