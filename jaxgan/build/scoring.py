"""Scorers, and what scores the generator while it is trained."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np
from ml_collections import ConfigDict

from jaxgan.choices import choose
from jaxgan.data.dataset import Dataset
from jaxgan.engine.run import Evaluator
from jaxgan.errors import UsageError
from jaxgan.games.adversarial import AdversarialGame
from jaxgan.games.fakes import FakeMaker
from jaxgan.games.standing import BATCH_STATISTICS
from jaxgan.metrics.features import FEATURES
from jaxgan.metrics.scoring import PROTOCOLS, SCORES, Images, Scorer, images_of
from jaxgan.metrics.scoring.reference import features_of


def build_scorer(
    metrics: Sequence[str],
    protocol: str,
    features: str,
    real: Images,
    *,
    held_out: Images | None = None,
    weights: str = "",
    verify: bool = True,
    features_of: Callable = features_of,
) -> Scorer:
    """A scorer of what these names say. features: "" for metrics that need no network."""
    chosen = choose("protocol", PROTOCOLS, protocol)
    network = None
    if features:
        description = choose("feature network", FEATURES, features)
        network = chosen.of(description).load(weights, verify=verify)
    return Scorer(
        metrics,
        protocol=chosen,
        network=network,
        real=real,
        held_out=held_out,
        features_of=features_of,
    )


class TrainingEvaluator(NamedTuple):
    """Scores of the averaged generator by `config.eval`, as `eval/<name>`."""

    scorer: Scorer
    game: AdversarialGame
    make_fakes: FakeMaker
    statistics: Callable  # of standing.BATCH_STATISTICS
    count: int
    labels: np.ndarray | None
    watched: str
    lower_is_better: bool

    def __call__(self, ema: Any, key: jax.Array) -> dict[str, float]:
        generator = self.statistics(self.game, ema, key)
        scored = self.scorer(self.make_fakes(generator, self.count, key, self.labels))
        return {f"eval/{name}": value for name, value in scored.values.items()}


def build_evaluator(config: ConfigDict, game: AdversarialGame, dataset: Dataset) -> Evaluator:
    """What scores the averaged generator while it is trained.

    The latents are the same at every call, and so are the classes of a conditional generator,
    which are as frequent as in the data.
    """
    fields = config.eval
    real = images_of(dataset, number_of_reals(fields.metrics, fields.num_real, dataset))
    scorer = build_scorer(
        fields.metrics, fields.protocol, fields.features, real, weights=fields.weights
    )
    if scorer.asks_for("fake_labels") and not config.data.num_classes:
        raise UsageError("a metric needs classes of the fakes; set data.labels=True, or drop it")
    watched, lower = scorer.watched
    return TrainingEvaluator(
        scorer=scorer,
        game=game,
        make_fakes=FakeMaker(game),
        statistics=choose("eval.batch_stats", BATCH_STATISTICS, fields.batch_stats),
        count=fields.num,
        labels=fake_labels(real.labels, fields.num) if config.data.num_classes else None,
        watched=f"eval/{watched}",
        lower_is_better=lower,
    )


def number_of_reals(metrics: Sequence[str], wanted: int, dataset: Dataset) -> int:
    """How many reals these metrics are of: as many as wanted, or all where one is of all."""
    of_all = any(name in SCORES and SCORES[name].of_all for name in metrics)
    return dataset.num_examples if of_all else min(wanted, dataset.num_examples)


def fake_labels(labels: np.ndarray, count: int) -> np.ndarray:
    """Labels of `count` fakes, as frequent as among the real ones."""
    return np.resize(labels, (count, *labels.shape[1:]))
