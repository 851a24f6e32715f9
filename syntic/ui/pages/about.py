"""The page "About": what this is, what is the paper's and what is ours."""

from __future__ import annotations

import gradio as gr

from ...service import SynticService

_TEXT = """
## What you see here

**SynTIC** (“Improving Cross-Modal Alignment with Synthetic Pairs for Text-Only Image Captioning”,
AAAI 2024, arXiv 2312.08865) learns to caption pictures from texts alone. A text-to-image model draws
every sentence of a corpus, CLIP encodes the drawings, and a small decoder learns to write the sentence
back. No real picture and no pair made by people takes part in training.

Two gaps stand in the way. Drawings differ from real pictures, and CLIP keeps pictures and texts in two
separate regions, the *modality gap*. Three additions answer them, and the eight variants switch them on
and off:

| addition | what it does | what it brings |
|---|---|---|
| **FO**, Eq. 2 | refines the feature of a drawing against its own sentence | sharper pairs; the gap stays |
| **FP**, Eq. 3 | writes the feature as a mixture of texts | closes the gap; the paper’s largest gain |
| **AF**, Eq. 4 and 5 | attends to the names of detected objects | names what the mixture blurs |

## What is ours, not the paper's

The paper does not state everything. What we chose: features are brought to unit length before Eq. 2 and
after Eq. 3; Eq. 2 runs with one Adam optimiser per batch of 128 and a fixed number of steps; Eq. 5 has a
learned null token for pictures in which nothing is found; the decoder's prefix is one position for v and
one for u. For a single sentence, the rest of Eq. 2's batch is drawn from the corpus with the seed of the
settings.

"""

_EMOJI = """
## The emoji world

This instance runs on a world small enough for a laptop: scenes rendered from emoji, captions in the style
of people, and small models trained on them in the formats of diffusers, open_clip and transformers. Real
photographs lie outside that world: the page takes them, but its models have never seen one.

"""

_PRIVACY = """
## Your pictures and sentences

They are used for your run only; uploads are deleted from the server within a day. Nothing is sent to
anyone else, and no other visitor sees them.

Captions that you train on, the pictures drawn for them and the decoder stay on the server until you
remove the run, or it is removed for new ones. A run is opened by its key alone, which your browser keeps
and which is in the link of the page “Train”: whoever you give that link may stop,
resume, download and remove the run.

## From a script

- **Walk through**: `/trace` streams every stage and ends with the whole trace as JSON; `/compose` draws a
  scene of emoji and returns the picture.
- **Modality gap**: `/gap_map`, `/gap_measures`, `/gap_neighbours`, `/gap_heatmap`, `/gap_loss` and
  `/gap_captions` answer what the page shows, for any setting of its sliders.
- **Compare**: `/compare_systems` lists who can caption, `/compare_picture` lets them; `/compare_tables` and
  `/compare_pair` hold what experiments left behind.
- **Train**: `/train_start`, `/train_status`, `/train_stop`, `/train_resume`, `/train_remove`,
  `/train_download` and `/train_upload`.
- **Learn**: `/lesson_steps` and `/lesson_figure` hold the lesson as data.

The link “Use via API” at the foot of the page shows how to call them.
"""


def build_about(service: SynticService) -> None:
    """Draw the page inside the current `gr.Blocks`."""
    emoji = _EMOJI if service.profile.name == "emoji" else ""
    gr.Markdown(_TEXT + emoji + _PRIVACY, elem_classes="s-article")
