"""Scores of fakes against one set of real images, by one protocol and one network."""

from collections.abc import Callable, Sequence
from functools import cached_property, partial
from typing import Any, NamedTuple

import jax
import numpy as np

from jaxgan.data.dataset import Modes
from jaxgan.errors import UsageError
from jaxgan.metrics.features import FeatureNetwork
from jaxgan.metrics.features.network import prepare
from jaxgan.metrics.scoring.images import Images, in_classes_of
from jaxgan.metrics.scoring.protocols import Protocol
from jaxgan.metrics.scoring.reference import features_of, kept_features_of
from jaxgan.metrics.scoring.scores import PIXELS, Score, as_pair, choose_score, full_name


class Scored(NamedTuple):
    """values: by full name. spread: of those that have one; what it is the score's entry says."""

    values: dict[str, float]
    spread: dict[str, float]


class Scorer:
    """What is asked of every set of fakes; the real images are looked at once.

    metrics: names, see scores.py. network: None where no metric needs one; with the protocol's
    input. held_out: real images that were not trained on. features_of: computes the features of
    fakes; `Memory().features_of` lets scorers share them.

    Raises:
      UsageError: an unknown metric, or one that needs what is not there; images that the network
        does not take.
    """

    def __init__(
        self,
        metrics: Sequence[str],
        *,
        protocol: Protocol,
        network: FeatureNetwork | None,
        real: Images,
        held_out: Images | None = None,
        features_of: Callable = features_of,
    ):
        self.protocol, self.network, self.real, self._held_out = protocol, network, real, held_out
        self.features_of = features_of
        name = network.description.name if network else ""
        self.scores = {metric: choose_score(metric, name) for metric in metrics}
        if not self.scores:
            raise UsageError("no metrics are named; give some, such as swd or fd")
        for metric, score in self.scores.items():
            self._check(metric, score.needs)
        if any(self.asks_for(f"fake_{kind}") for kind in ("features", "logits")):
            self._check_images()
        if self.asks_for("held_out_labels"):
            self._held_out = in_classes_of(self._held_out, real)

    def _check(self, metric: str, needs: tuple[str, ...]) -> None:
        if held_out := [need for need in needs if need.startswith("held_out")]:
            if self._held_out is None:
                raise UsageError(
                    f"metric {metric!r} needs held-out real images, which were not trained on"
                )
            if "held_out_labels" in held_out and not has_classes(self._held_out):
                raise UsageError(f"metric {metric!r} needs classes of the held-out images")
        if "real_labels" in needs and not has_classes(self.real):
            raise UsageError(f"metric {metric!r} needs classes of the real images")
        if "modes" in needs and self.real.modes is None:
            raise UsageError(f"metric {metric!r} needs a distribution whose modes are known")
        if "fake_logits" in needs and not self.network.description.num_logits:
            name = self.network.description.name
            raise UsageError(f"metric {metric!r} needs class logits, which {name} has not")

    def _check_images(self) -> None:
        one = jax.ShapeDtypeStruct(self.real.read(0, 1).shape, np.uint8)
        try:
            jax.eval_shape(partial(prepare, description=self.network.description), one)
        except UsageError as error:
            raise UsageError(f"{error}; choose other features or metrics for these data") from error

    @property
    def watched(self) -> tuple[str, bool]:
        """The full name of the first metric's value, and whether lower is better."""
        score = next(iter(self.scores.values()))
        return self._full_name(score, score.value), score.better == "lower"

    def asks_for(self, need: str) -> bool:
        """Whether any metric does, one of `OFFERED`."""
        return any(need in score.needs for score in self.scores.values())

    def _full_name(self, score: Score, name: str) -> str:
        if not score.of_network:
            return name
        return full_name(name, self.network.description.name, self.network.verified)

    def __call__(self, fake: Images) -> Scored:
        """The scores of `fake`.

        Raises:
          UsageError: too few images for a metric, or a value that is no number.
        """
        return self.score(self.look(fake))

    def look(self, fake: Images) -> "Offered":
        """What scores may ask for of `fake`, made when it is first asked for."""
        if self.asks_for("fake_labels"):
            fake = in_classes_of(fake, self.real)
        return Offered(self, fake)

    def score(self, offered: "Offered") -> Scored:
        values, spread = {}, {}
        for score in self.scores.values():
            found = score.fn(**{need: offered.get(need) for need in score.needs})
            if not isinstance(found, dict):  # one of elsewhere may return its value alone
                found = {score.value: found}
            for name, pair in found.items():
                name = self._full_name(score, name)
                values[name], error = as_pair(pair)
                if error is not None:
                    spread[name] = error
                if not np.isfinite(values[name]):
                    raise UsageError(f"{name} is {values[name]}: no score of these images")
        return Scored(values, spread)

    @cached_property
    def real_features(self) -> np.ndarray:
        return kept_features_of(self.real, self.network)

    @cached_property
    def held_out_features(self) -> np.ndarray:
        return kept_features_of(self._held_out, self.network)

    @property
    def modes(self) -> Modes:
        return self.real.modes

    @property
    def real_labels(self) -> np.ndarray:
        return self.real.labels

    @property
    def held_out_labels(self) -> np.ndarray:
        return self._held_out.labels

    @cached_property
    def real_images(self) -> np.ndarray:
        return self.real.pixels(PIXELS)

    @cached_property
    def held_out_images(self) -> np.ndarray:
        return self._held_out.pixels(PIXELS)


def has_classes(images: Images) -> bool:
    """Whether every image has one; vectors are none."""
    return images.labels is not None and images.labels.ndim == 1


class Offered:
    """See `Scorer.look`; `get` takes a name of `scores.OFFERED`."""

    def __init__(self, scorer: Scorer, fake: Images):
        self.scorer, self.fake = scorer, fake

    def get(self, name: str) -> Any:
        return getattr(self, name) if name.startswith("fake") else getattr(self.scorer, name)

    @cached_property
    def _extracted(self) -> dict[str, np.ndarray]:
        outputs = ("features", "logits") if self.scorer.asks_for("fake_logits") else ("features",)
        extracted = self.scorer.features_of(self.fake, self.scorer.network, outputs)
        bad = np.count_nonzero(~np.isfinite(extracted["features"]).all(axis=1))
        if bad:
            raise UsageError(f"features of {bad} of {self.fake.count} fakes are not finite")
        return extracted

    @property
    def fake_features(self) -> np.ndarray:
        return self._extracted["features"]

    @property
    def fake_logits(self) -> np.ndarray:
        return self._extracted["logits"]

    @property
    def fake_labels(self) -> np.ndarray:
        if not has_classes(self.fake):
            raise UsageError("a metric needs classes of the fakes, and they have none")
        return self.fake.labels

    @cached_property
    def fake_images(self) -> np.ndarray:
        return self.fake.pixels(PIXELS)
