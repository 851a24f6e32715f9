"""The systems by name, each built from the same components."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ..data.features import FeatureStore
from ..errors import InputError
from ..method import VARIANTS, Variant
from ..method.components import Components
from ..models import ClipEncoder
from . import (
    barraco,
    butd,
    capdec,
    clipcap,
    clipre,
    close,
    decap,
    esper,
    feng,
    laina,
    language_model,
    magic,
    zerocap,
)
from .decoding import DecoderCaptioner
from .learning import ModelSizes, PictureCaptioner, PictureRecipe
from .protocol import Captioner, TextOnly, TextRecipe
from .real import RealPairs

FULL = Variant.parse("syntic")
TARGET_NAME = "syntic-tt"  # SynTIC, projecting onto the texts of the domain that is tested

RECIPES: dict[str, TextRecipe] = {
    recipe.name: recipe for recipe in (decap.RECIPE, capdec.RECIPE, close.RECIPE, language_model.RECIPE)
}
"""What can be trained on texts alone, by name."""

PICTURE_RECIPES: dict[str, PictureRecipe] = {
    system.RECIPE.name: system.RECIPE for system in (clipcap, barraco, butd, feng, laina, esper)
}
"""What trains on real pictures, by name."""


@dataclass(frozen=True, kw_only=True)
class System:
    """A compared system, before anything of it is loaded.

    Attributes:
        trains_on: the type of what it learns from.
        build: makes it ready to caption.
        checkpoint: name of what has to be trained first, or None where nothing has.
    """

    trains_on: type
    build: Callable[[SystemRequest], Captioner]
    checkpoint: str | None

    @property
    def is_upper_bound(self) -> bool:
        """Whether it learns from real pairs, which the others have to do without."""
        return self.trains_on is RealPairs


@dataclass(frozen=True, kw_only=True)
class SystemRequest:
    """Which system to build, and from what.

    Attributes:
        components: the profile's models and data.
        corpus: the texts it learned from.
        target: another corpus, of the domain that is tested; `decap-tt` and `syntic-tt` need it, and
            MAGIC has settings by domain.
        decoding: "greedy" or "beam"; None is what the system's paper does. Systems with a search of their
            own have no other.
        beam_size: of "beam".
    """

    components: Components
    corpus: str
    target: str | None = None
    decoding: str | None = None
    beam_size: int = 5


def build_system(name: str, request: SystemRequest) -> Captioner:
    """Return a system ready to caption: a compared one, or one of SynTIC's variants.

    Raises:
        InputError: if there is none of that name, or the request does not fit it.
        CheckpointError: if it needs a decoder that is not trained.
        DataError: if the corpus has no features.
    """
    wanted = name.strip().lower()
    if wanted == TARGET_NAME:
        return _variant(FULL, request, support=_target(TARGET_NAME, request))
    if wanted in SYSTEMS:
        return SYSTEMS[wanted].build(request)
    if wanted in {variant.name for variant in VARIANTS}:
        return _variant(Variant.parse(wanted), request)
    known = ", ".join([*SYSTEMS, *(variant.name for variant in VARIANTS), TARGET_NAME])
    raise InputError(f"There is no system {name!r}; choose one of {known}.")


def is_upper_bound(name: str) -> bool:
    """Say whether a system or variant learned from real pairs; tables and the app mark it."""
    return name in SYSTEMS and SYSTEMS[name].is_upper_bound


def _variant(variant: Variant, request: SystemRequest, support: str | None = None) -> Captioner:
    """One of the eight ablations, which learned from synthetic pairs; `support` is another corpus' name."""
    components, corpus = request.components, request.corpus
    projected = support or corpus
    return DecoderCaptioner(
        variant.name if support is None else TARGET_NAME,
        components.captioner(corpus, variant),
        components.encoder.tokenizer,
        trains_on=FeatureStore,
        support=components.support_set(projected) if variant.project else None,
        temperature=components.profile.corpus(projected).temperature,
        text_encoder=components.encoder,
        decoding=request.decoding or "greedy",
        beam_size=request.beam_size,
    )


def _clipre(request: SystemRequest) -> Captioner:
    components = request.components
    texts = TextOnly.of_store(components.feature_store(request.corpus))
    return clipre.ClipRetrieval(texts, components.device)


def _decap(request: SystemRequest) -> Captioner:
    return _projecting(decap.NAME, request.corpus, request)


def _decap_tt(request: SystemRequest) -> Captioner:
    return _projecting(decap.TARGET_NAME, _target(decap.TARGET_NAME, request), request)


def _target(system: str, request: SystemRequest) -> str:
    """The corpus of the tested domain, for a system that projects onto it."""
    if request.target is None or request.target == request.corpus:
        corpora = [name for name in request.components.profile.corpora if name != request.corpus]
        raise InputError(
            f"System {system!r} projects onto the texts of another corpus than "
            f"{request.corpus!r}; name it as the target, one of: {', '.join(corpora) or 'none'}."
        )
    return request.target


def _projecting(name: str, support: str, request: SystemRequest) -> Captioner:
    """DeCap's decoder, which reads pictures projected onto the texts of a corpus."""
    components = request.components
    return DecoderCaptioner(
        name,
        components.decoder(request.corpus, decap.RECIPE.name),
        components.encoder.tokenizer,
        trains_on=TextOnly,
        support=components.support_set(support),
        temperature=components.profile.corpus(support).temperature,
        decoding=request.decoding or "greedy",
        beam_size=request.beam_size,
    )


def _noisy(recipe: TextRecipe) -> Callable[[SystemRequest], Captioner]:
    """CapDec's and CLOSE's decoders, which read pictures as they are."""

    def build(request: SystemRequest) -> Captioner:
        components = request.components
        return DecoderCaptioner(
            recipe.name,
            components.decoder(request.corpus, recipe.name),
            components.encoder.tokenizer,
            trains_on=TextOnly,
            decoding=request.decoding or "beam",
            beam_size=request.beam_size,
        )

    return build


def magic_settings(request: SystemRequest) -> magic.MagicSettings:
    """Return MAGIC's settings for the domain that is tested."""
    domain = request.components.profile.corpus(request.target or request.corpus).like
    return magic.SETTINGS.get(domain or "", magic.MagicSettings())


def _magic(request: SystemRequest) -> Captioner:
    return magic.MagicCaptioner(*_steering(request), settings=magic_settings(request))


def _zerocap(request: SystemRequest) -> Captioner:
    return zerocap.ZeroCapCaptioner(*_steering(request))


def _steering(request: SystemRequest) -> tuple[language_model.LanguageModel, ClipEncoder, float]:
    """A corpus' language model, CLIP to steer it with, and CLIP's logit scale."""
    encoder = request.components.encoder
    model = request.components.decoder(request.corpus, language_model.RECIPE.name)
    lm = language_model.LanguageModel(model, encoder.tokenizer)
    return lm, encoder, float(encoder.model.logit_scale.exp())


def _on_pictures(recipe: PictureRecipe) -> Callable[[SystemRequest], Captioner]:
    """A system that learned from real pictures."""

    def build(request: SystemRequest) -> Captioner:
        components = request.components
        model = components.weights(
            request.corpus,
            recipe.name,
            lambda sidecar: recipe.make_model(ModelSizes.from_dict(sidecar["sizes"])),
            config_of=lambda model: model.sizes.decoder,
        )
        return PictureCaptioner(
            recipe,
            model,
            components.encoder.tokenizer,
            decoding=request.decoding,
            beam_size=request.beam_size,
        )

    return build


SYSTEMS: dict[str, System] = {
    name: System(trains_on=TextOnly, build=build, checkpoint=checkpoint)
    for name, build, checkpoint in (
        (clipre.NAME, _clipre, None),
        (decap.NAME, _decap, decap.RECIPE.name),
        (decap.TARGET_NAME, _decap_tt, decap.RECIPE.name),
        (capdec.NAME, _noisy(capdec.RECIPE), capdec.RECIPE.name),
        (close.NAME, _noisy(close.RECIPE), close.RECIPE.name),
        (magic.NAME, _magic, language_model.RECIPE.name),
        (zerocap.NAME, _zerocap, language_model.RECIPE.name),
    )
} | {
    name: System(trains_on=recipe.trains_on, build=_on_pictures(recipe), checkpoint=recipe.name)
    for name, recipe in PICTURE_RECIPES.items()
}
"""The compared systems by name. SynTIC's variants are not listed."""
