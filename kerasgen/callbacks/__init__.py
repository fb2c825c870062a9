"""What happens beside training: exact resume, guards, sample grids, best weights, history and a progress bar.

They are ordinary Keras callbacks:

    from kerasgen.callbacks import BestWeights, SampleGrid

    model.fit(data.train, epochs=40, validation_data=data.validation,
              callbacks=[SampleGrid("runs/vae/samples"), BestWeights("val_loss")])
"""

from kerasgen.callbacks.best_weights import BestWeights
from kerasgen.callbacks.collapse import CollapseMonitor
from kerasgen.callbacks.history import CSVHistory
from kerasgen.callbacks.progress import Progress
from kerasgen.callbacks.resume import Resume, Stopped
from kerasgen.callbacks.sample_grid import SampleGrid
from kerasgen.core.guard import NonFinite, NonFiniteGuard, check_finite

__all__ = [
    "BestWeights", "CSVHistory", "CollapseMonitor", "NonFinite", "NonFiniteGuard", "Progress", "Resume", "SampleGrid",
    "Stopped", "check_finite",
]  # fmt: skip
