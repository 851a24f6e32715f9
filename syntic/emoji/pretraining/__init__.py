"""Pre-training of the embedded profile's frozen models on rendered emoji scenes.

SynTIC takes its generator, CLIP and detector frozen. The `paper` profile downloads them; the `emoji` profile
ships small ones of the same kinds, which these modules train from nothing on one processor core:

    tokenizer    byte-pair encoding of the scenes' captions, shared by CLIP and the generator
    clip         an open_clip model of its own
    planner      the generator's text encoder, which answers for each cell of the picture what it shows
    autoencoder  96x96 pictures <-> 6x6 latents, the generator's `vae`
    generator    a latent diffusion `StableDiffusionPipeline`
    detector     a DETR-family detector

Run them in that order with `python -m syntic emoji pretrain NAME`; the data come from
`python -m syntic emoji scenes`.
"""
