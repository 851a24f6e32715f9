"""The emoji world: scenes of emoji in painted settings, with captions and boxes."""
