"""Divergence without NaN: a discriminator that is never wrong, a generator that draws one image.

Either keeps its losses finite and teaches nothing any more. Both are looked for where values are
on the host anyway, and warned of once.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from jaxgan.engine.distributed import is_first
from jaxgan.engine.history import COLLAPSED, SATURATED, History
from jaxgan.errors import warn

# Saturated: the discriminator's own loss is next to nothing, though real and fake logits are apart
# (that of the Wasserstein loss is minus their distance, and so never), in so many lines running.
LOSS, APART, LINES = 1e-3, 0.5, 3
# Collapsed: the samples are so many times closer to each other than the reals are.
CLOSER = 0.1
EARLY = 100  # steps in which little is expected: the generator has hardly begun


class Health:
    """Watches a run. real: images or points of the first batch, [B, ...]."""

    def __init__(self, real: Any, history: History):
        self._real, self._history = spread(real), history
        self._saturated = 0
        self._warned = {event["event"] for event in history.warnings}

    def see_metrics(self, step: int, metrics: Mapping[str, Any]) -> None:
        """metrics: of a line; of many seeds arrays. Saturated is a run that is so in any seed."""
        names = ("disc/adversarial", "disc/real_logit", "disc/fake_logit")
        if not all(name in metrics for name in names):
            return
        loss, real, fake = (np.asarray(metrics[name], np.float64) for name in names)
        saturated = (0 <= loss) & (loss < LOSS) & (real - fake > APART)
        self._saturated = self._saturated + 1 if saturated.any() else 0
        if self._saturated == LINES:
            self._warn(
                SATURATED,
                step,
                f"the discriminator is saturated: its loss is {loss[saturated].min():.1e}; weaken "
                "it (terms.r1, optim.disc.lr, augment.instance_noise)",
                disc_loss=float(loss[saturated].min()),
            )

    def see_samples(self, step: int, samples: Any) -> None:
        """samples: at fixed latents, [seeds, N, ...]; the closest to each other of any seed count.

        Those of a seed that has diverged, whose spread is nan, do not.
        """
        ratio = np.fmin.reduce([spread(own) for own in samples]) / max(self._real, 1e-12)
        if step >= EARLY and ratio < CLOSER:
            self._warn(
                COLLAPSED,
                step,
                f"the generator has collapsed: its samples are {ratio:.2g} times as far from each "
                "other as the reals are",
                spread=float(ratio),
            )

    def _warn(self, event: str, step: int, message: str, **facts: float) -> None:
        if event not in self._warned:
            self._warned.add(event)
            if is_first():
                warn(f"step {step}: {message}")
            self._history.add(event, step, **facts)


def spread(samples: Any) -> float:
    """The root mean square of the distances between samples [N, ...], which is a deviation.

    The mean over pairs of |x - y|^2 is twice the variance, summed over the values of a sample.
    """
    rows = np.asarray(samples, np.float32).reshape(len(samples), -1)
    variances = rows.var(axis=0, ddof=1, dtype=np.float64) if len(rows) > 1 else np.zeros(1)
    return float(np.sqrt(2 * variances.sum()))
