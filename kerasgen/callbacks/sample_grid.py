"""Pictures of how a model learns."""

import contextlib
import time
from pathlib import Path

import keras

from kerasgen import pictures
from kerasgen.core import averages
from kerasgen.data import asking

FRAMES = 200  # of the animation, at most; the last ones
FREE = 5.0  # seconds of drawing that a run of any length may take


class SampleGrid(keras.callbacks.Callback):
    """Draw samples of one seed after every few epochs, so that only the model changes between the pictures.

    Writes `epoch_0001.png`, `epoch_0002.png`, ..., counted from 1, and at the end `samples.gif`. Pictures are laid out
    as a grid, points as a scatter. Where optimisers average the weights (`use_ema`), the averages are drawn.

    Args:
        directory: for the files; it is made.
        every: epochs between two pictures; the last epoch is drawn too.
        count: samples; left out, 64 pictures or 1,000 points.
        seed: of the samples.
        tensorboard: directory for the same pictures as TensorBoard summaries, if any.
        share: of the time since training began, at most, that goes into drawing; a picture that would make it more,
            and more than five seconds in all, is left out, unless it is the first. None draws them all.
        progress: a `Progress`, whose bar says so while a picture is drawn.
        data: whose validation pictures are shown beside what becomes of them, where a model changes pictures.
        **ports: further inputs of `sample`, such as `label` or `steps`.

    Example:
        >>> model.fit(data.train, epochs=40, callbacks=[SampleGrid("runs/dcgan/samples", every=5)])    # doctest: +SKIP
    """

    def __init__(
        self, directory, every=1, count=None, seed=0, tensorboard=None, share=None, progress=None, data=None, **ports
    ):
        super().__init__()
        self.directory, self.every, self.tensorboard = Path(directory), every, tensorboard
        self.count, self.seed, self.ports = count, seed, ports
        self.share, self.progress, self.data = share, progress, data

    def on_train_begin(self, logs=None):
        self.paths, self.epoch, self.drawn, self.writer = [], None, None, None
        self.begun, self.spent, self.last = (
            time.perf_counter(),
            0.0,
            0.0,
        )  # seconds in all pictures, in the last
        if self.tensorboard:
            import tensorflow as tf

            self.writer = tf.summary.create_file_writer(str(self.tensorboard))

    def state(self):
        return {"names": [path.name for path in self.paths], "epoch": self.epoch, "drawn": self.drawn}

    def restore(self, state):
        paths = [self.directory / name for name in state["names"]]
        self.paths = [path for path in paths if path.exists()]
        self.epoch, self.drawn = state["epoch"], state["drawn"]

    def on_epoch_end(self, epoch, logs=None):
        self.epoch = epoch
        if (epoch + 1) % self.every == 0:
            self._draw()

    def on_train_end(self, logs=None):
        if self.drawn != self.epoch:
            self._draw()
        if self.paths:
            import imageio.v3 as imageio

            frames = [imageio.imread(path) for path in self.paths[-FRAMES:]]
            pictures.animate(self.directory / "samples.gif", frames)

    def _draw(self):
        start = time.perf_counter()
        if self.share is not None and self.spent + self.last > max(FREE, self.share * (start - self.begun)):
            return
        with self.progress.saying("drawing") if self.progress else contextlib.nullcontext():
            self._draw_now()
        self.last = time.perf_counter() - start
        self.spent += self.last

    def _draw_now(self):
        kind = self.model.kind
        count = self.count or pictures.COUNTS[kind]
        with averages.averaged(self.model):
            if "sample" in self.model.serves:
                picture = pictures.draw(self.model.sample(count, seed=self.seed, **self.ports), kind)
            else:
                few = min(count, self.data.count("validation"))
                picture = pictures.versions(*asking.versions(self.model, self.data, "validation", few, self.seed))
        self.paths.append(pictures.write(self.directory / f"epoch_{self.epoch + 1:04d}.png", picture))
        self.drawn = self.epoch
        if self.writer:
            import tensorflow as tf

            with self.writer.as_default():
                tf.summary.image("samples", picture[None], step=self.epoch + 1)
            self.writer.flush()
