"""Scores by name. An entry's parameters say what it needs, by name, from what is `OFFERED`:

    real_features, fake_features, held_out_features     [N, d], of one network
    fake_logits                                         [N, K], of the same network
    real_labels, fake_labels, held_out_labels           int32 [N]
    real_images, fake_images, held_out_images           uint8 [n, H, W, C], at most `PIXELS`, or
                                                        points float32 [n, d]
    fake                                                all fakes, as `Images`
    modes                                               `Modes` of the distribution
    network                                             a `FeatureNetwork`
    protocol                                            see protocols.py

held_out is real images that the generator was not trained on. An entry returns {name: value}, or
{name: (value, spread)}, the spread being what the entry says.

A score is named for its network: `fd` with the features of EfficientNet is `fd_efficientnet_lite0`.
With those of the FID Inception, its published weights and no others, it is `fid`.
"""

import inspect
from collections.abc import Callable, Mapping
from typing import NamedTuple

import jax
import numpy as np

from jaxgan import metrics
from jaxgan.choices import choose
from jaxgan.data.dataset import Modes
from jaxgan.data.feed import to_float
from jaxgan.errors import UsageError
from jaxgan.metrics.features import FeatureNetwork, extract, perceptual_distance
from jaxgan.metrics.modes import divergences
from jaxgan.metrics.scoring.accuracy import classification_accuracy
from jaxgan.metrics.scoring.images import BATCH, Images
from jaxgan.metrics.scoring.protocols import Protocol

OFFERED = (
    "real_features",
    "fake_features",
    "held_out_features",
    "fake_logits",
    "real_labels",
    "fake_labels",
    "held_out_labels",
    "real_images",
    "fake_images",
    "held_out_images",
    "fake",
    "modes",
    "network",
    "protocol",
)
PIXELS = 10_000
PAIRS = 256
CELLS = 3  # of C_T; Meehan et al. 2020 take a handful for thousands of samples
Values = Mapping[str, float | tuple[float, float]]


class Score(NamedTuple):
    """fn: see above. better: whether "lower" or "higher" is better of `value`, a name it returns.

    value: "" where it is the name of the entry.
    of_all: whether it is of all training images, any of which may have been copied.
    """

    fn: Callable[..., Values]
    better: str
    value: str = ""
    of_all: bool = False

    @property
    def needs(self) -> tuple[str, ...]:
        return tuple(inspect.signature(self.fn).parameters)

    @property
    def of_network(self) -> bool:
        return any(name.endswith(("_features", "_logits", "network")) for name in self.needs)


def fd(real_features, fake_features, protocol: Protocol) -> Values:
    """Fréchet distance; FID with the Inception (Heusel et al. 2017)."""
    distance = metrics.frechet_distance_from_features(
        real_features, fake_features, ddof=protocol.ddof
    )
    return {"fd": distance}


def fd_infinity(real_features, fake_features, protocol: Protocol) -> Values:
    """Fréchet distance extrapolated to infinitely many fakes (Chong & Forsyth 2020)."""
    distance = metrics.frechet_distance_infinity(
        real_features,
        fake_features,
        smallest=max(protocol.ddof + 1, min(5000, len(fake_features) // 2)),
        rng=protocol.rng(),
        ddof=protocol.ddof,
    )
    return {"fd_infinity": distance}


def kd(real_features, fake_features, protocol: Protocol) -> Values:
    """Kernel distance; KID with the Inception (Bińkowski et al. 2018). Spread: standard error.

    Over the subsets; where one takes all images of a set, which says nothing of these, that of
    fresh draws of both sets.
    """
    smaller = min(len(real_features), len(fake_features))
    distance = metrics.kernel_distance(
        real_features,
        fake_features,
        subsets=protocol.subsets,
        subset_size=min(protocol.subset_size, smaller),
        rng=protocol.rng(),
    )
    error = distance.standard_error
    if smaller <= protocol.subset_size:
        error = metrics.kernel_distance_full(real_features, fake_features).standard_error
    return {"kd": (distance.mean, error)}


def cs(fake_logits, protocol: Protocol) -> Values:
    """Classifier score: the Inception score's formula with any network's classes.

    IS with the Inception (Salimans et al. 2016). Spread: standard deviation over the splits.
    """
    score = metrics.inception_score(
        fake_logits,
        splits=protocol.splits,
        shuffle=protocol.rng() if protocol.shuffle else None,
        inputs="logits",
    )
    return {"cs": (score.mean, score.std)}


def pr(real_features, fake_features, protocol: Protocol) -> Values:
    """Precision and recall (Kynkäänniemi et al. 2019)."""
    found = metrics.precision_recall(real_features, fake_features, convention=protocol.convention)
    return found._asdict()


def dc(real_features, fake_features) -> Values:
    """Density and coverage (Naeem et al. 2020)."""
    return metrics.density_coverage(real_features, fake_features)._asdict()


def prdc(real_features, fake_features, protocol: Protocol) -> Values:
    """Precision and recall by the protocol's convention, density and coverage."""
    return {**pr(real_features, fake_features, protocol), **dc(real_features, fake_features)}


def vendi(fake_features) -> Values:
    """Effective number of different fakes (Friedman & Dieng 2023)."""
    return {"vendi": metrics.vendi_score(fake_features)}


def intra_fd(real_features, real_labels, fake_features, fake_labels, protocol: Protocol) -> Values:
    """Mean over classes of the Fréchet distance within each (Miyato & Koyama 2018)."""
    distance = metrics.intra_class_frechet_distance(
        real_features, real_labels, fake_features, fake_labels, ddof=protocol.ddof
    )
    return {"intra_fd": distance.mean}


def authenticity(real_features, fake_features) -> Values:
    """Share of fakes that are no copies of training images (Alaa et al. 2022)."""
    return {"authenticity": metrics.authenticity(real_features, fake_features)}


def memorization(real_features, held_out_features, fake_features) -> Values:
    """Has the training set been copied? Authenticity, the ratio of distances, and C_T."""
    train, held_out = real_features, held_out_features
    return {
        "authenticity": metrics.authenticity(train, fake_features),
        "distance_ratio": metrics.distance_ratio(train, held_out, fake_features),
        "ct": metrics.ct_score(train, held_out, fake_features, cells=CELLS, key=jax.random.key(0)),
    }


def cas(fake_images, fake_labels, held_out_images, held_out_labels) -> Values:
    """Classification accuracy score (Ravuri & Vinyals 2019), in [0, 1]."""
    accuracy = classification_accuracy(
        fake_images,
        fake_labels[: len(fake_images)],
        held_out_images,
        held_out_labels[: len(held_out_images)],
    )
    return {"cas": accuracy}


def swd(real_images, fake_images) -> Values:
    """Sliced Wasserstein distance on pixels in [-1, 1], of equally many images."""
    count = min(len(real_images), len(fake_images))
    sets = (to_float(images[:count]) for images in (real_images, fake_images))
    return {"swd": float(_swd(*sets, jax.random.key(0)))}


_swd = jax.jit(metrics.sliced_wasserstein)


def ms_ssim(fake_images) -> Values:
    """Mean MS-SSIM of pairs of fakes (Odena et al. 2017): less, more diverse. Spread: its error."""
    diversity = metrics.ms_ssim_diversity(fake_images, limits=(0.0, 255.0))
    return {"ms_ssim": (diversity.mean, diversity.standard_error)}


def perceptual_diversity(fake_images, network: FeatureNetwork, protocol: Protocol) -> Values:
    """Mean perceptual distance of `PAIRS` pairs of fakes: more, more diverse. Spread: its error."""
    if len(fake_images) < 2:
        raise UsageError(f"perceptual_diversity is of pairs; got {len(fake_images)} fakes")
    rng = protocol.rng()
    first = rng.permutation(len(fake_images))[:PAIRS]
    second = (first + rng.randint(1, len(fake_images), len(first))) % len(fake_images)
    found = perceptual_distance(network, fake_images[first], fake_images[second])
    return {"perceptual_diversity": (found.mean(), found.std(ddof=1) / len(found) ** 0.5)}


def mode_counts(fake_images, modes: Modes) -> Values:
    """Modes found, share of samples of high quality, divergences (metrics/modes.py)."""
    return metrics.mode_counts(fake_images, *modes)._asdict()


def stacked_modes(fake: Images, network: FeatureNetwork) -> Values:
    """Modes of Stacked-MNIST of 1,000, and KL(fakes || uniform), by a classifier of each channel.

    The published numbers are of 26,000 fakes (Lin et al. 2018), or of 25,600 (Metz et al. 2017).
    Any network with logits of ten classes and one channel will do; it is for the caller to name the
    one that knows these images: `mnist`, or for stacked_fashion_mnist_10k `fashion_mnist`.
    """
    if network.description.channels != 1 or fake.read(0, 1).shape[-1] != 3:
        raise UsageError("stacked_modes needs features of grey images, mnist, and three channels")
    channels = (batch[..., i : i + 1] for batch in fake.batches() for i in range(3))
    digits = extract(network, channels, outputs=("logits",))["logits"].argmax(axis=1)
    numbers = []
    for begin in range(0, fake.count, BATCH):  # three channels of a batch follow each other
        size = min(BATCH, fake.count - begin)
        hundreds, tens, ones = digits[3 * begin : 3 * (begin + size)].reshape(3, size)
        numbers.append(100 * hundreds + 10 * tens + ones)
    counts = np.bincount(np.concatenate(numbers), minlength=1000)
    return {"stacked_modes": float(np.count_nonzero(counts)), "stacked_kl": divergences(counts)[0]}


SCORES: dict[str, Score] = {
    "mode_counts": Score(mode_counts, "lower", "reverse_kl"),
    "stacked_modes": Score(stacked_modes, "lower", "stacked_kl"),
    "fd": Score(fd, "lower"),
    "fd_infinity": Score(fd_infinity, "lower"),
    "kd": Score(kd, "lower"),
    "cs": Score(cs, "higher"),
    "pr": Score(pr, "higher", "precision"),
    "dc": Score(dc, "higher", "coverage"),
    "prdc": Score(prdc, "higher", "coverage"),
    "vendi": Score(vendi, "higher"),
    "intra_fd": Score(intra_fd, "lower"),
    "authenticity": Score(authenticity, "higher", of_all=True),
    "memorization": Score(memorization, "higher", "authenticity", of_all=True),
    "cas": Score(cas, "higher"),
    "perceptual_diversity": Score(perceptual_diversity, "higher"),
    "swd": Score(swd, "lower"),
    "ms_ssim": Score(ms_ssim, "lower"),
}
# Names that belong to the FID Inception, and what they are with another network.
OF_INCEPTION = {
    "fid": "fd",
    "fid_infinity": "fd_infinity",
    "kid": "kd",
    "is": "cs",
    "intra_fid": "intra_fd",
}


def choose_score(name: str, network: str) -> Score:
    """The entry of `SCORES`, or "package.module:function" (lower is better), that `name` names.

    network: the name of the feature network, "" for none.

    Raises:
      UsageError: there is none, it needs a network and there is none, or it is one of the
        Inception's and the network is another.
    """
    if name in OF_INCEPTION:
        if network != "inception":
            raise UsageError(
                f"{name} means the features of inception; with {network or 'no features'} "
                f"ask for {OF_INCEPTION[name]}, which will be named for its network, or name "
                "inception as the features"
            )
        name = OF_INCEPTION[name]
    chosen = choose("metric", {**SCORES, **dict.fromkeys(OF_INCEPTION)}, name)
    score = chosen if isinstance(chosen, Score) else Score(chosen, "lower")
    score = score._replace(value=score.value or name.rpartition(":")[2])
    if unknown := [need for need in score.needs if need not in OFFERED]:
        raise UsageError(
            f"metric {name!r} asks for {', '.join(unknown)}; it may ask for {', '.join(OFFERED)}"
        )
    if score.of_network and not network:
        raise UsageError(
            f"metric {name!r} needs a feature network; give features, such as fashion_mnist"
        )
    return score


def full_name(name: str, network: str, verified: bool) -> str:
    """The name under which a value is reported: never one of the Inception's but by its weights."""
    if network == "inception" and verified:
        return next((ours for ours, kind in OF_INCEPTION.items() if kind == name), name)
    return f"{name}_{network}" if verified else f"{name}_{network}_unverified"


def as_pair(value: float | tuple[float, float]) -> tuple[float, float | None]:
    """Value and spread."""
    value, spread = value if isinstance(value, tuple) else (value, None)
    return float(value), None if spread is None else float(np.asarray(spread))
