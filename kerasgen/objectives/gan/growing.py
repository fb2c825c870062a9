"""A game whose players grow: from the smallest pictures to full size, each resolution faded in and then trained.

Optimisers begin anew, without moments, when a resolution begins to fade in and when it has: gradients have another size
then, and moments of the old size would mislead them.

Reference: Karras, Aila, Laine, Lehtinen, 2017, Progressive Growing of GANs for Improved Quality, Stability, and
Variation, arXiv:1710.10196.
"""

from __future__ import annotations

from kerasgen.core.stages import Stage, restart
from kerasgen.nets.sizes import stages_of
from kerasgen.objectives.gan import game


class Growing(game.Game):
    """A game in stages, for networks of `kerasgen.nets.gan.growing`.

    A model calls `grow_through`, and gives its networks `self.grown`. Its `discriminator` is one of that module.
    """

    def grow_through(self, resolutions: int, begins: int = 0, epochs: tuple = (1, 1)):
        """Set the stages.

        Args:
            resolutions: number of them up to `self.image_shape`, each twice as large as the one before.
            begins: the first that is trained.
            epochs: of every stage, and of the last one, at full size.

        Raises:
            ValueError: the picture is too small for so many, or none is left to be trained.
        """
        if not 0 <= begins < resolutions:
            raise ValueError(f"begins: expected one of {resolutions} resolutions, counted from 0, got {begins}")
        height, width = stages_of(self.image_shape, resolutions - 1)
        sizes = [f"{height * 2**i}x{width * 2**i}" for i in range(begins, resolutions)]
        names = [sizes[0], *(word + size for size in sizes[1:] for word in ("fade in ", ""))]
        self.in_stages(*(Stage(name, epochs[0]) for name in names[:-1]), Stage(names[-1], epochs[1]))
        self.begins = begins

    def grown(self) -> tuple:
        """The resolution reached, and the share of its layers beside those of the one before, None for all."""
        stage = self.stages.index(self.stage)
        return self.begins + (stage + 1) // 2, self.progress if stage % 2 else None

    def begin_stage(self):
        for player in self.players:
            restart(self.player_optimizer(player))

    def real(self, x):
        return self.discriminator.blended(x)

    def seen(self, x, batch, step):
        return self.discriminator.shrunk(x)
