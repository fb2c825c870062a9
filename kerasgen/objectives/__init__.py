"""How models learn: one `train_step` per objective, made of free functions that return values and apply nothing."""
