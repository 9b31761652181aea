"""Inception score (Salimans et al. 2016, sec. 4): exp E_x KL(p(y|x) || p(y))."""

from typing import NamedTuple

import numpy as np

from jaxgan.errors import UsageError
from jaxgan.metrics.inputs import Rng, at_least, generator, matrix


class InceptionScore(NamedTuple):
    """mean and std (ddof 0) over the splits."""

    mean: float
    std: float


def inception_score(
    logits_or_probs, *, splits: int = 10, shuffle: Rng | None = None, inputs: str = "auto"
) -> InceptionScore:
    """The score of class scores [N, K], between 1 and K, averaged over `splits` parts of the rows.

    Args:
      logits_or_probs: [N, K]; computed in float64.
      splits: rows i N // splits to (i + 1) N // splits make part i. The score grows with the part,
        so scores of different sizes do not compare.
      shuffle: None takes the rows in order, which is wrong where they are sorted by class; a seed
        or a generator permutes them first. `numpy.random.RandomState(2020)` is torch-fidelity's
        order; StyleGAN's code does not shuffle.
      inputs: "logits", "probs", or "auto", which takes rows for probabilities where all are at
        least 0 and sum to 1 within 1e-3.

    Raises:
      UsageError: fewer rows than splits, NaN or infinity, or `inputs="probs"` of other rows.
    """
    scores = matrix("logits_or_probs", logits_or_probs).astype(np.float64)
    at_least("splits", splits, 1)
    if len(scores) < splits:
        raise UsageError(f"logits_or_probs has {len(scores)} samples, too few for {splits} splits")
    if inputs not in ("auto", "logits", "probs"):
        raise UsageError(f"inputs must be auto, logits or probs; got {inputs!r}")
    distributions = scores.min() >= 0.0 and np.abs(scores.sum(axis=1) - 1.0).max() < 1e-3
    if inputs == "probs" and not distributions:
        raise UsageError("logits_or_probs has rows that are no probabilities, but inputs='probs'")
    probs = scores if distributions and inputs != "logits" else _softmax(scores)
    if shuffle is not None:
        probs = probs[generator(shuffle).permutation(len(probs))]
    edges = [i * len(probs) // splits for i in range(splits + 1)]
    values = [
        np.exp(_mean_divergence(probs[a:b])) for a, b in zip(edges[:-1], edges[1:], strict=True)
    ]
    return InceptionScore(float(np.mean(values)), float(np.std(values)))


def _softmax(logits: np.ndarray) -> np.ndarray:
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def _mean_divergence(probs: np.ndarray) -> float:
    """Mean over rows of KL(row || mean row); 0 log 0 is 0."""
    entropies = probs * np.log(np.where(probs > 0.0, probs, 1.0))
    marginal = probs.mean(axis=0)
    of_marginal = marginal * np.log(np.where(marginal > 0.0, marginal, 1.0))
    return entropies.sum(axis=1).mean() - of_marginal.sum()
