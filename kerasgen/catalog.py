"""Every system of the hub, one row each: id -> family, class, paper, year, tags.

The id is the file name, the prefix of its presets, the docs page and the test id. A row is added by hand and checked
against the files on disk by the tests, both ways. This module imports nothing heavy: `kerasgen list` reads it alone.
"""

from __future__ import annotations

import difflib
import importlib
from typing import NamedTuple


class System(NamedTuple):
    """One published model.

    Attributes: `family` is the folder under `kerasgen/models`; `name` the class in it; `title`, `authors`, `year` and
    `reference` cite the paper; `tags` are further words that people look for.
    """

    id: str
    family: str
    name: str
    title: str
    authors: str
    year: int
    reference: str
    tags: tuple

    @property
    def path(self) -> str:
        return f"kerasgen.models.{self.family}.{self.id}"

    def load(self):
        """The model class; this imports TensorFlow."""
        return getattr(importlib.import_module(self.path), self.name)

    def bibtex(self) -> str:
        """The paper as a BibTeX entry."""
        return (
            f"@misc{{{self.id},\n  title = {{{self.title}}},\n  author = {{{self.authors}}},\n"
            f"  year = {{{self.year}}},\n  note = {{{self.reference}}}\n}}"
        )


SYSTEMS = {
    row.id: row
    for row in (
        System(
            "gaussian", "density", "Gaussian",
            "On the mathematical foundations of theoretical statistics", "R. A. Fisher", 1922,
            "doi:10.1098/rsta.1922.0009", ("density", "maximum likelihood", "closed form"),
        ),
        System(
            "gaussian_mixture", "density", "GaussianMixture",
            "Maximum likelihood from incomplete data via the EM algorithm",
            "A. P. Dempster and N. M. Laird and D. B. Rubin", 1977,
            "doi:10.1111/j.2517-6161.1977.tb01600.x", ("density", "mixture", "clustering"),
        ),
        System(
            "vae", "vae", "VAE",
            "Auto-Encoding Variational Bayes", "D. P. Kingma and M. Welling", 2013,
            "arXiv:1312.6114", ("autoencoder", "latent variable", "bound"),
        ),
        System(
            "vae_gan", "vae", "VAEGAN",
            "Autoencoding beyond pixels using a learned similarity metric",
            "A. B. L. Larsen and S. K. Sonderby and H. Larochelle and O. Winther", 2015,
            "arXiv:1512.09300", ("autoencoder", "adversarial", "hybrid", "feature matching"),
        ),
        System(
            "dcgan", "gan", "DCGAN",
            "Unsupervised Representation Learning with Deep Convolutional Generative Adversarial Networks",
            "A. Radford and L. Metz and S. Chintala", 2015,
            "arXiv:1511.06434", ("adversarial", "convolutional"),
        ),
        System(
            "real_nvp", "flow", "RealNVP",
            "Density estimation using Real NVP", "L. Dinh and J. Sohl-Dickstein and S. Bengio", 2016,
            "arXiv:1605.08803", ("exact likelihood", "coupling", "bijector"),
        ),
        System(
            "pixel_cnn", "autoregressive", "PixelCNN",
            "Conditional Image Generation with PixelCNN Decoders",
            "A. van den Oord and N. Kalchbrenner and O. Vinyals and L. Espeholt and A. Graves and K. Kavukcuoglu", 2016,
            "arXiv:1606.05328", ("exact likelihood", "gated", "class-conditional"),
        ),
        System(
            "ddpm", "diffusion", "DDPM",
            "Denoising Diffusion Probabilistic Models", "J. Ho and A. Jain and P. Abbeel", 2020,
            "arXiv:2006.11239", ("score", "denoising", "U-Net", "DDIM"),
        ),
    )
}  # fmt: skip

FAMILIES = tuple(dict.fromkeys(system.family for system in SYSTEMS.values()))


def plain(name: str) -> str:
    """A name as look-up sees it: case, `-` and `_` do not matter."""
    return "".join(name.lower().replace("-", "_").split("_"))


def nearest(name: str, known) -> str:
    """`; did you mean X?` for the closest known name, or an empty string."""
    by_plain = {plain(k): k for k in known}
    match = difflib.get_close_matches(plain(name), by_plain, n=1, cutoff=0.5)
    return f"; did you mean {by_plain[match[0]]}?" if match else ""


def find(name: str) -> System:
    """The system of that id or class name.

    Raises:
        ValueError: no such system; the line names the nearest one.

    Example:
        >>> from kerasgen import catalog
        >>> catalog.find("Real-NVP").name
        'RealNVP'
    """
    for system in SYSTEMS.values():
        if plain(name) in (plain(system.id), plain(system.name)):
            return system
    raise ValueError(f"unknown system {name!r}{nearest(name, SYSTEMS)}")
