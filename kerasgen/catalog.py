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

    Attributes: `folder` is where it lies under `kerasgen/models`; `name` the class in it; `title`, `authors`, `year`
    and `reference` cite the paper; `tags` are further words that people look for.
    """

    id: str
    folder: str
    name: str
    title: str
    authors: str
    year: int
    reference: str
    tags: tuple

    @property
    def path(self) -> str:
        return f"kerasgen.models.{self.folder.replace('/', '.')}.{self.id}"

    @property
    def family(self) -> str:
        """The first folder under `kerasgen/models`: `gan`, `vae`, ..."""
        return self.folder.partition("/")[0]

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
            "vq_vae_2", "vq", "VQVAE2",
            "Generating Diverse High-Fidelity Images with VQ-VAE-2",
            "A. Razavi and A. van den Oord and O. Vinyals", 2019,
            "arXiv:1906.00446", ("autoencoder", "codebook", "hierarchical", "PixelSNAIL", "class-conditional"),
        ),
        System(
            "vqgan", "vq", "VQGAN",
            "Taming Transformers for High-Resolution Image Synthesis", "P. Esser and R. Rombach and B. Ommer", 2020,
            "arXiv:2012.09841",
            ("autoencoder", "codebook", "adversarial", "transformer", "perceptual", "class-conditional"),
        ),
        System(
            "dall_e", "vq", "DALLE",
            "Zero-Shot Text-to-Image Generation",
            "A. Ramesh and M. Pavlov and G. Goh and S. Gray and C. Voss and A. Radford and M. Chen and "
            "I. Sutskever", 2021,
            "arXiv:2102.12092", ("autoencoder", "Gumbel-softmax", "transformer", "text to image", "discrete VAE"),
        ),
        System(
            "dcgan", "gan/architecture", "DCGAN",
            "Unsupervised Representation Learning with Deep Convolutional Generative Adversarial Networks",
            "A. Radford and L. Metz and S. Chintala", 2015,
            "arXiv:1511.06434", ("adversarial", "convolutional"),
        ),
        System(
            "progan", "gan/architecture", "ProGAN",
            "Progressive Growing of GANs for Improved Quality, Stability, and Variation",
            "T. Karras and T. Aila and S. Laine and J. Lehtinen", 2017,
            "arXiv:1710.10196", ("adversarial", "growing", "Wasserstein", "equalised learning rate"),
        ),
        System(
            "biggan", "gan/conditional", "BigGAN",
            "Large Scale GAN Training for High Fidelity Natural Image Synthesis",
            "A. Brock and J. Donahue and K. Simonyan", 2018,
            "arXiv:1809.11096", ("adversarial", "class-conditional", "spectral normalisation", "attention", "hinge"),
        ),
        System(
            "cyclegan", "gan/translation", "CycleGAN",
            "Unpaired Image-to-Image Translation using Cycle-Consistent Adversarial Networks",
            "J.-Y. Zhu and T. Park and P. Isola and A. A. Efros", 2017,
            "arXiv:1703.10593", ("adversarial", "translation", "unpaired", "PatchGAN", "least squares", "LSGAN"),
        ),
        System(
            "gan_cls", "gan/text", "GANCLS",
            "Generative Adversarial Text to Image Synthesis",
            "S. Reed and Z. Akata and X. Yan and L. Logeswaran and B. Schiele and H. Lee", 2016,
            "arXiv:1605.05396", ("adversarial", "text to image", "matching-aware", "GAN-INT-CLS", "interpolation"),
        ),
        System(
            "layout2im", "gan/conditional", "Layout2Im",
            "Image Generation from Layout", "B. Zhao and L. Meng and W. Yin and L. Sigal", 2018,
            "arXiv:1811.11389", ("adversarial", "layout", "boxes", "scenes", "convolutional LSTM"),
        ),
        System(
            "stylegan2", "gan/architecture", "StyleGAN2",
            "Analyzing and Improving the Image Quality of StyleGAN",
            "T. Karras and S. Laine and M. Aittala and J. Hellsten and J. Lehtinen and T. Aila", 2019,
            "arXiv:1912.04958", ("adversarial", "style", "modulation", "path length", "R1", "DiffAugment"),
        ),
        System(
            "real_nvp", "flow", "RealNVP",
            "Density estimation using Real NVP", "L. Dinh and J. Sohl-Dickstein and S. Bengio", 2016,
            "arXiv:1605.08803", ("exact likelihood", "coupling", "bijector"),
        ),
        System(
            "glow", "flow", "Glow",
            "Glow: Generative Flow with Invertible 1x1 Convolutions", "D. P. Kingma and P. Dhariwal", 2018,
            "arXiv:1807.03039", ("exact likelihood", "coupling", "actnorm", "bijector"),
        ),
        System(
            "nade", "autoregressive", "NADE",
            "The Neural Autoregressive Distribution Estimator", "H. Larochelle and I. Murray", 2011,
            "arXiv:1605.02226", ("exact likelihood", "weight sharing", "recurrence"),
        ),
        System(
            "made", "autoregressive", "MADE",
            "MADE: Masked Autoencoder for Distribution Estimation",
            "M. Germain and K. Gregor and I. Murray and H. Larochelle", 2015,
            "arXiv:1502.03509", ("exact likelihood", "masks", "FVSBN", "sigmoid belief net"),
        ),
        System(
            "pixel_cnn", "autoregressive", "PixelCNN",
            "Conditional Image Generation with PixelCNN Decoders",
            "A. van den Oord and N. Kalchbrenner and O. Vinyals and L. Espeholt and A. Graves and K. Kavukcuoglu", 2016,
            "arXiv:1606.05328", ("exact likelihood", "gated", "class-conditional"),
        ),
        System(
            "pixel_cnn_pp", "autoregressive", "PixelCNNPP",
            "PixelCNN++: Improving the PixelCNN with Discretized Logistic Mixture Likelihood and Other Modifications",
            "T. Salimans and A. Karpathy and X. Chen and D. P. Kingma", 2017,
            "arXiv:1701.05517", ("exact likelihood", "logistic mixture", "class-conditional", "multi-scale"),
        ),
        System(
            "char_rnn", "autoregressive", "CharRNN",
            "Generating Sequences With Recurrent Neural Networks", "A. Graves", 2013,
            "arXiv:1308.0850", ("exact likelihood", "text", "LSTM", "recurrent", "language model"),
        ),
        System(
            "wavenet", "autoregressive", "WaveNet",
            "WaveNet: A Generative Model for Raw Audio",
            "A. van den Oord and S. Dieleman and H. Zen and K. Simonyan and O. Vinyals and A. Graves and "
            "N. Kalchbrenner and A. Senior and K. Kavukcuoglu", 2016,
            "arXiv:1609.03499", ("exact likelihood", "sound", "dilated convolution", "mu-law", "class-conditional"),
        ),
        System(
            "ddpm", "diffusion", "DDPM",
            "Denoising Diffusion Probabilistic Models", "J. Ho and A. Jain and P. Abbeel", 2020,
            "arXiv:2006.11239", ("score", "denoising", "U-Net", "DDIM"),
        ),
        System(
            "guided_diffusion", "diffusion", "GuidedDiffusion",
            "Diffusion Models Beat GANs on Image Synthesis", "P. Dhariwal and A. Nichol", 2021,
            "arXiv:2105.05233",
            ("ADM", "classifier guidance", "classifier-free guidance", "class-conditional", "learned variances"),
        ),
        System(
            "score_sde", "diffusion", "ScoreSDE",
            "Score-Based Generative Modeling through Stochastic Differential Equations",
            "Y. Song and J. Sohl-Dickstein and D. P. Kingma and A. Kumar and S. Ermon and B. Poole", 2020,
            "arXiv:2011.13456", ("score", "predictor-corrector", "probability flow", "NCSN", "DDPM++", "Langevin"),
        ),
        System(
            "rbm", "energy", "RBM",
            "Training Products of Experts by Minimizing Contrastive Divergence", "G. E. Hinton", 2002,
            "doi:10.1162/089976602760128018",
            ("Boltzmann machine", "contrastive divergence", "Gibbs sampling", "binary"),
        ),
        System(
            "imle", "implicit", "IMLE",
            "Implicit Maximum Likelihood Estimation", "K. Li and J. Malik", 2018,
            "arXiv:1809.09087", ("generator", "nearest neighbour", "mode coverage"),
        ),
        System(
            "texture_synthesis", "single_image", "TextureSynthesis",
            "Texture Synthesis by Non-parametric Sampling", "A. A. Efros and T. K. Leung", 1999,
            "doi:10.1109/ICCV.1999.790383",
            ("texture", "one picture", "Markov random field", "hole filling", "no training"),
        ),
        System(
            "gpnn", "single_image", "GPNN",
            "Drop the GAN: In Defense of Patches Nearest Neighbors as Single Image Generative Models",
            "N. Granot and B. Feinstein and A. Shocher and S. Bagon and M. Irani", 2021,
            "arXiv:2103.15545",
            ("one picture", "patches", "nearest neighbour", "retargeting", "structural analogy", "no training"),
        ),
        System(
            "singan", "single_image", "SinGAN",
            "SinGAN: Learning a Generative Model from a Single Natural Image",
            "T. Rott Shaham and T. Dekel and T. Michaeli", 2019,
            "arXiv:1905.01164", ("one picture", "adversarial", "pyramid", "harmonisation", "editing", "Wasserstein"),
        ),
    )
}  # fmt: skip

FAMILIES = tuple(dict.fromkeys(system.family for system in SYSTEMS.values()))


def of(cls) -> System | None:
    """The system that a model class is; None for a class of somebody else, whatever it is called."""
    return next((row for row in SYSTEMS.values() if (row.path, row.name) == (cls.__module__, cls.__name__)), None)


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
