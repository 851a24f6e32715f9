"""The figure of every stage, as markup."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import numpy as np
from PIL import Image

from ...evaluation.familiarity import Familiarity
from ...evaluation.map import Kind
from ...types import AttentionTrace, CaptionTrace, Detection, ProjectionTrace, RefinementTrace, TokenTrace
from ..numbers import number
from .pictures import data_uri, stripe_uri
from .trace_figures import save_attention, save_caption, save_projection, save_refinement, share
from .words import mark_words

# Boxes and tags: Okabe and Ito's colours in an order of good contrast on pictures.
BOX_COLOURS = ("#f0e442", "#56b4e9", "#e69f00", "#cc79a7", "#5fd3ae", "#ff8c5a", "#ffffff")
FRAMES_SHOWN = 10


def film(frames: Sequence[tuple[int, str]], picture: str | None, total: int) -> str:
    """Return the picture while it is denoised, and the steps that led to it.

    Args:
        frames: (step, data URI) of the previews so far.
        picture: data URI of the finished picture, or None while it is being made.
        total: denoising steps in all.
    """
    big = picture or (frames[-1][1] if frames else None)
    if big is None:
        return '<div class="s-empty">The first denoising step is on its way …</div>'
    stride = max(1, -(-total // FRAMES_SHOWN))
    shown = [(step, uri) for step, uri in frames if step % stride == 0 or step == total]
    small = "".join(
        f'<figure><img src="{uri}" alt="after step {step}"><figcaption>{step}</figcaption></figure>'
        for step, uri in shown
    )
    name = "The generated picture" if picture else "The picture so far"
    return (
        f'<div class="s-film"><img class="s-big" src="{big}" alt="{name}">'
        f'<div><p class="s-sub">After denoising step</p><div class="s-frames">{small}</div></div></div>'
    )


def given_picture(image: Image.Image, sentence: str) -> str:
    """Return a picture that was handed in, with the sentence that says so."""
    return (
        f'<div class="s-film"><img class="s-big" src="{data_uri(image)}" alt="The picture handed in">'
        f'<p class="s-note">{escape(sentence)}</p></div>'
    )


def strip(feature: np.ndarray, label: str, kind: Kind) -> str:
    """Return a feature as a row of colours, one per number."""
    return (
        f'<div class="s-strip" style="--strip:var(--kind-{kind})"><p class="s-sub">{escape(label)}</p>'
        f'<img src="{stripe_uri(feature)}" alt="{len(feature)} numbers as colours"></div>'
    )


def encoding(feature: np.ndarray, kind: Kind, known: Familiarity | None = None) -> str:
    """Return CLIP's feature of the picture, and how far it is from the known ones where that was asked."""
    world = "" if known is None else _world(known)
    colours = strip(feature, f"s, the image feature: {len(feature)} numbers, one colour each", kind)
    return (
        f'{world}{colours}<p class="s-note">Blue is below zero, orange above. No single number means '
        "anything by itself; what counts is the direction of the whole, which the map above shows in the "
        "plane.</p>"
    )


def _world(known: Familiarity) -> str:
    facts = [
        (
            f"{known.similarity:.2f}",
            f"cosine to the nearest drawn picture; usual is {known.usual_similarity:.2f} or more",
        )
    ]
    if np.isfinite(known.usual_texture):
        usual = f"{known.usual_texture:.1f} or less"
        facts.append((f"{known.texture:.1f}", f"distance of its texture from this world’s; usual is {usual}"))
    outside = f'<p class="s-outside">{escape(outside_words(known))}</p>' if known.is_outside else ""
    return outside + stats(*facts)


def outside_words(known: Familiarity) -> str:
    """Say that a picture is from outside the world that the decoder knows, and what shows it."""
    shown = []
    if known.similarity < known.usual_similarity:
        shown.append(
            f"the nearest picture that the decoder learned from has a cosine of {known.similarity:.2f}, "
            f"where 97.5 % of this world’s pictures have {known.usual_similarity:.2f} or more"
        )
    if known.texture > known.usual_texture:
        shown.append(
            f"it is drawn in another way, its texture {known.texture:.1f} from this world’s, where nearly "
            f"all of this world’s pictures lie within {known.usual_texture:.1f}"
        )
    return f"This picture seems to be from outside the world that the decoder knows: {'; '.join(shown)}."


def refinement(before: np.ndarray, trace: RefinementTrace) -> str:
    """Return the loss of Eq. 2 over its steps, and how far the feature moved."""
    angle = float(np.degrees(np.arccos(np.clip(before @ trace.feature, -1.0, 1.0))))
    numbers = stats(
        (f"{trace.losses[0]:.3f} → {trace.losses[-1]:.3f}", "loss of the batch, first and last step"),
        (f"{angle:.1f}°", "the feature turned by"),
        (str(len(trace.losses)), "gradient steps"),
    )
    label = "What changed: refined − generated (colours rescaled)"
    change = strip(trace.feature - before, label, Kind.REFINED)
    return f'{numbers}{_curve(trace.losses)}<div style="height:12px"></div>{change}{save_refinement(trace)}'


def projection_bars(trace: ProjectionTrace, corpus_size: int) -> str:
    """Return the texts with the largest weights of Eq. 3 as bars, and what the others share."""
    pairs = list(zip(trace.top_captions, trace.top_weights, strict=True))
    items = "".join(_bar(caption, weight) for caption, weight in pairs)
    others = max(0.0, 1.0 - sum(trace.top_weights))
    rest = corpus_size - len(pairs)
    if rest > 0:
        items += _bar(f"the other {rest:,} texts together", others, "rest")
    numbers = stats(
        (f"{trace.effective_captions:.1f}", "effective number of texts, exp(entropy)"),
        (f"{corpus_size:,}", "texts in the corpus"),
    )
    return f'{numbers}<ol class="s-bars">{items}</ol>{save_projection(trace)}'


def detections(image: Image.Image, found: Sequence[Detection], *, used: bool) -> str:
    """Return the picture with labelled boxes, and the tags with their scores.

    Args:
        image: what was looked at.
        found: the objects, best first.
        used: whether the variant attends to the tags.
    """
    colours = {label: BOX_COLOURS[i % len(BOX_COLOURS)] for i, label in enumerate(_labels(found))}
    width, height = image.size
    boxes = labels = ""
    for detection in found:
        left, top, right, bottom = detection.box
        colour = colours[detection.label]
        boxes += (
            f'<rect x="{left:.1f}" y="{top:.1f}" width="{right - left:.1f}" height="{bottom - top:.1f}" '
            f'stroke="{colour}"/>'
        )
        x = f"left:{left / width:.1%}" if left < 0.6 * width else f"right:{1 - right / width:.1%}"
        labels += (
            f'<span class="s-label" style="{x};top:{top / height:.1%};background:{colour}">'
            f"{escape(detection.label)} {detection.score:.2f}</span>"
        )
    picture = (
        f'<div class="s-boxes"><img src="{data_uri(image, side_px=640)}" alt="The picture, boxes over it">'
        f'<svg viewBox="0 0 {width} {height}" preserveAspectRatio="none" aria-hidden="true">{boxes}</svg>'
        f"{labels}</div>"
    )
    if not found:
        note = "Nothing was found above the threshold."
        note += " The attention falls on a learned null token." if used else ""
        return f'<div class="s-found">{picture}<p class="s-note">{note}</p></div>'
    note = "Each label counts once, however many boxes carry it."
    if not used:
        note = "Shown for comparison: this variant does not use the tags."
    best = {label: max(d.score for d in found if d.label == label) for label in colours}
    counts = {label: sum(d.label == label for d in found) for label in colours}
    names = {label: f"{label} × {counts[label]}" if counts[label] > 1 else label for label in colours}
    tags = "".join(
        f'<li><i style="background:{colours[label]}"></i><span>{escape(name)}</span>'
        f'<span class="v">{best[label]:.2f}</span></li>'
        for label, name in names.items()
    )
    return (
        f'<div class="s-found">{picture}<div><p class="s-sub">Tags, with the best score of each</p>'
        f'<ul class="s-tags">{tags}</ul><p class="s-note">{note}</p></div></div>'
    )


def attention(trace: AttentionTrace) -> str:
    """Return Eq. 5's attention as a table: a row per tag, a column per head and their mean."""
    heads = trace.weights.shape[0]
    top = "".join(f'<th scope="col">{i + 1}</th>' for i in range(heads))
    rows = ""
    for i, tag in enumerate(trace.tags):
        cells = "".join(_cell(float(weight)) for weight in trace.weights[:, i])
        mean = _cell(float(trace.weights[:, i].mean()), "mean")
        rows += f'<tr><th scope="row">{escape(tag)}</th>{mean}{cells}</tr>'
    return (
        '<div class="s-heat-box" tabindex="0" role="region" aria-label="Attention of each head">'
        '<table class="s-heat"><thead><tr><th scope="row">tag \\ head</th>'
        f'<th scope="col" class="mean">mean</th>{top}</tr></thead><tbody>{rows}</tbody></table></div>'
        '<p class="s-note">Attention in per cent; every column sums to 100. The more colour, the more of u '
        f"comes from that tag.</p>{save_attention(trace)}"
    )


def caption(trace: CaptionTrace) -> str:
    """Return the caption token by token, what else was considered, and the other beams."""
    tokens = "".join(_token(position, token) for position, token in enumerate(trace.tokens))
    hint = "Tap a word to see what else the decoder considered there; choose one of them to read on from it."
    figure = (
        f'<div class="s-tokens"><div class="s-words-row">{tokens}</div></div>'
        f'<div class="s-inspect"><p class="s-note">{hint}</p></div>'
    )
    if len(trace.beams) > 1:
        beams = "".join(
            f'<li><span>{escape(text)}</span><span class="v">{number(score, 2)}</span></li>'
            for text, score in trace.beams
        )
        figure += (
            '<p class="s-sub">All beams, with their mean log probability per token</p>'
            f'<ol class="s-beams">{beams}</ol>'
        )
    return figure + save_caption(trace)


def followed(trace: CaptionTrace, again: CaptionTrace, position: int) -> str:
    """Return what would have followed, had the decoder taken another word there.

    Args:
        trace: the run's caption.
        again: the one that starts like it and goes on from the other word.
        position: of that word.
    """
    old, new = trace.tokens[position], again.tokens[position]
    return (
        f'<div class="s-follow" role="status"><p class="s-sub">With “{escape(new.text)}” '
        f"({_percent(new.probability)}) instead of “{escape(old.text)}” "
        f"({_percent(old.probability)})</p>"
        f"<p>{mark_words(trace.text, again.text) or '(nothing)'}</p>"
        f'<p class="s-note">Mean log probability per token {number(_mean(again), 2)}; of the run’s '
        f"caption {number(_mean(trace), 2)}.</p></div>"
    )


def tagged(trace: CaptionTrace, again: CaptionTrace, off: Sequence[str]) -> str:
    """Return the caption with some tags switched off, beside the run's."""
    if not off:
        words = "All tags are on, as in the run."
    else:
        words = f"Without {', '.join(off)}; marked is what differs from the run’s caption."
    return (
        f'<div class="s-follow" role="status"><p class="s-sub">With these tags</p>'
        f"<p>{mark_words(trace.text, again.text) or '(nothing)'}</p>"
        f'<p class="s-note">{escape(words)}</p></div>'
    )


def _mean(trace: CaptionTrace) -> float:
    values = [np.log(max(token.probability, 1e-12)) for token in trace.tokens]
    return float(np.mean(values)) if values else 0.0


def _labels(found: Sequence[Detection]) -> list[str]:
    return list(dict.fromkeys(detection.label for detection in found))


def _bar(text: str, weight: float, kind: str = "") -> str:
    return (
        f'<li class="{kind}" style="--w:{min(max(weight, 0.0), 1.0):.4f}"><span>{escape(text)}</span>'
        f'<span class="v">{share(weight)}</span></li>'
    )


def _percent(weight: float) -> str:
    return f"{100 * weight:.0f} %" if round(100 * weight) or not weight else "&lt; 1 %"


def _cell(weight: float, kind: str = "") -> str:
    shown = _percent(weight).removesuffix(" %")
    return f'<td class="{kind}" style="--w:{weight:.3f}">{shown}</td>'


def _token(position: int, token: TokenTrace) -> str:
    shown = token.text.strip() or "␣"
    end = shown.startswith("(") and shown.endswith(")")  # the end mark
    ids = token.alternative_ids or [-1] * len(token.alternatives)
    choices = "".join(
        _choice(position, number, other.strip() or "␣", p)
        for number, (other, p) in zip(ids, token.alternatives, strict=True)
    )
    return (
        f'<span class="s-token-item"><button type="button" class="s-token{" end" if end else ""}" '
        f'style="--w:{token.probability:.3f}">{escape(shown)}<small>{_probability(token)}</small></button>'
        f'<span class="s-choices"><span class="s-sub">Considered instead of “{escape(shown)}” '
        f'({_percent(token.probability)})</span><ol class="s-bars">{choices}</ol></span></span>'
    )


def _probability(token: TokenTrace) -> str:
    return f"{token.probability:.2f}" if token.probability >= 0.005 else "&lt; 0.01"


def _choice(position: int, token: int, text: str, probability: float) -> str:
    """A word that was considered, as a button to read on from it."""
    return (
        f'<li style="--w:{min(max(probability, 0.0), 1.0):.4f}"><button type="button" class="s-other" '
        f'data-position="{position}" data-token="{token}">{escape(text)}</button>'
        f'<span class="v">{share(probability)}</span></li>'
    )


def stats(*pairs: tuple[str, str]) -> str:
    """Return a row of numbers, each with what it is."""
    items = "".join(f"<div><strong>{escape(value)}</strong>{escape(label)}</div>" for value, label in pairs)
    return f'<div class="s-stats">{items}</div>'


def _curve(losses: np.ndarray) -> str:
    shown = np.linspace(0, len(losses) - 1, min(len(losses), 200)).round().astype(int)
    low, high = float(losses.min()), float(losses.max())
    x = 100.0 * shown / max(1, len(losses) - 1)
    y = 100.0 - 100.0 * (losses[shown] - low) / max(high - low, 1e-9)
    path = "M" + "L".join(f"{a:.2f} {b:.2f}" for a, b in zip(x, y, strict=True))
    return (
        f'<div class="s-curve-box"><div class="y"><span>{high:.3f}</span><span>{low:.3f}</span></div>'
        f'<div class="frame"><svg class="s-curve" viewBox="0 0 100 100" preserveAspectRatio="none" '
        f'role="img" aria-label="{high:.3f} at most, {low:.3f} at least"><path d="{path}"/></svg></div>'
        f'<div class="x"><span>step 1</span><span>loss of Eq. 2</span><span>{len(losses)}</span></div></div>'
    )
