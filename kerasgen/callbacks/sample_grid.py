"""Pictures of how a model learns."""

from pathlib import Path

import keras

from kerasgen import averages, pictures

FRAMES = 200  # of the animation, at most; the last ones


class SampleGrid(keras.callbacks.Callback):
    """Draw samples of one seed after every few epochs, so that only the model changes between the pictures.

    Writes `epoch_0001.png`, `epoch_0002.png`, ..., counted from 1, and at the end `samples.gif`. Pictures are laid out
    as a grid, points as a scatter. Where optimisers average the weights (`use_ema`), the averages are drawn.

    Args:
        directory: for the files; it is made.
        every: epochs between two pictures; the last epoch is always drawn.
        count: samples; left out, 64 pictures or 1,000 points.
        seed: of the samples.
        tensorboard: directory for the same pictures as TensorBoard summaries, if any.
        **ports: further inputs of `sample`, such as `label` or `steps`.

    Example:
        >>> model.fit(data.train, epochs=40, callbacks=[SampleGrid("runs/dcgan/samples", every=5)])    # doctest: +SKIP
    """

    def __init__(self, directory, every=1, count=None, seed=0, tensorboard=None, **ports):
        super().__init__()
        self.directory, self.every, self.tensorboard = Path(directory), every, tensorboard
        self.count, self.seed, self.ports = count, seed, ports

    def on_train_begin(self, logs=None):
        self.paths, self.epoch, self.drawn, self.writer = [], None, None, None
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
        kind = self.model.kind
        count = self.count or pictures.COUNTS[kind]
        with averages.averaged(self.model):
            picture = pictures.draw(self.model.sample(count, seed=self.seed, **self.ports), kind)
        self.paths.append(pictures.write(self.directory / f"epoch_{self.epoch + 1:04d}.png", picture))
        self.drawn = self.epoch
        if self.writer:
            import tensorflow as tf

            with self.writer.as_default():
                tf.summary.image("samples", picture[None], step=self.epoch + 1)
            self.writer.flush()
