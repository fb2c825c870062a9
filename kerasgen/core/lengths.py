"""Which settings of an optimiser are lengths, and so follow the length of a run."""

LENGTHS = ("decay_steps", "first_decay_steps", "warmup_steps", "boundaries")  # of Keras' schedules, in steps
MOMENTUM = "ema_momentum"  # the share of the old average that is kept: it looks back over 1 / (1 - m) steps
