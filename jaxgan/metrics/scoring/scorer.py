"""Scores of fakes against one set of real images, by one protocol and one network."""

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from jaxgan.errors import UsageError
from jaxgan.metrics.features import FeatureNetwork
from jaxgan.metrics.scoring.images import Images
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
    input. held_out: real images that were not trained on.

    Raises:
      UsageError: an unknown metric, or one that needs what is not there.
    """

    def __init__(
        self,
        metrics: Sequence[str],
        *,
        protocol: Protocol,
        network: FeatureNetwork | None,
        real: Images,
        held_out: Images | None = None,
    ):
        self.protocol, self.network, self.real, self._held_out = protocol, network, real, held_out
        name = network.description.name if network else ""
        self.scores = {metric: choose_score(metric, name) for metric in metrics}
        if not self.scores:
            raise UsageError("no metrics are named; give some, such as swd or fd")
        for metric, score in self.scores.items():
            self._check(metric, score.needs)

    def _check(self, metric: str, needs: tuple[str, ...]) -> None:
        if held_out := [need for need in needs if need.startswith("held_out")]:
            if self._held_out is None:
                raise UsageError(
                    f"metric {metric!r} needs held-out real images, which were not trained on"
                )
            if "held_out_labels" in held_out and self._held_out.labels is None:
                raise UsageError(f"metric {metric!r} needs labels of the held-out images")
        if "real_labels" in needs and self.real.labels is None:
            raise UsageError(f"metric {metric!r} needs labels of the real images")
        if "fake_logits" in needs and not self.network.description.num_logits:
            name = self.network.description.name
            raise UsageError(f"metric {metric!r} needs class logits, which {name} has not")

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
        offered = _Offered(self, fake)
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

    @cached_property
    def real_images(self) -> np.ndarray:
        return self.real.pixels(PIXELS)

    @cached_property
    def held_out_images(self) -> np.ndarray:
        return self._held_out.pixels(PIXELS)


class _Offered:
    """What scores may ask for, made when it is first asked for."""

    def __init__(self, scorer: Scorer, fake: Images):
        self._scorer, self._fake = scorer, fake
        self._made: dict[str, Any] = {}

    def get(self, name: str) -> Any:
        if name not in self._made:
            self._made[name] = self._makers[name](self)
        return self._made[name]

    def _extracted(self) -> dict[str, np.ndarray]:
        if "extracted" not in self._made:
            scorer = self._scorer
            outputs = ["features"]
            if scorer.asks_for("fake_logits"):
                outputs += ["logits", "logits_unbiased"]
            made = features_of(self._fake, scorer.network, tuple(outputs))
            bad = sum(~np.isfinite(made["features"]).all(axis=1))
            if bad:
                raise UsageError(f"features of {bad} of {self._fake.count} fakes are not finite")
            self._made["extracted"] = made
        return self._made["extracted"]

    def _logits(self) -> np.ndarray:
        extracted = self._extracted()
        return extracted.get(self._scorer.protocol.logits, extracted["logits"])

    def _fake_labels(self) -> np.ndarray:
        if self._fake.labels is None:
            raise UsageError("a metric needs labels of the fakes: the generator has no classes")
        return self._fake.labels

    _makers: dict[str, Callable[["_Offered"], Any]] = {
        "real_features": lambda self: self._scorer.real_features,
        "held_out_features": lambda self: self._scorer.held_out_features,
        "fake_features": lambda self: self._extracted()["features"],
        "fake_logits": _logits,
        "real_labels": lambda self: self._scorer.real.labels,
        "fake_labels": _fake_labels,
        "held_out_labels": lambda self: self._scorer._held_out.labels,
        "real_images": lambda self: self._scorer.real_images,
        "held_out_images": lambda self: self._scorer.held_out_images,
        "fake_images": lambda self: self._fake.pixels(PIXELS),
        "protocol": lambda self: self._scorer.protocol,
    }
