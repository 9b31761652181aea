"""Features of image sets, those of real ones kept on disk."""

import hashlib
import json
import os
import tempfile
import zipfile
from pathlib import Path

import numpy as np

from jaxgan.metrics.features import FeatureNetwork, extract
from jaxgan.metrics.features.weights import cache_folder
from jaxgan.metrics.scoring.images import Images

Features = dict[str, np.ndarray]


def features_of(images: Images, network: FeatureNetwork, outputs: tuple[str, ...]) -> Features:
    """{"features": float32 [N, d], "logits": [N, K]}, what `outputs` says of it.

    The logits of the Inception are those without the last layer's biases: its score leaves them
    out, in the original as in all that follow it.
    """
    names = {name: name for name in outputs}
    if network.description.name == "inception" and "logits" in names:
        names["logits"] = "logits_unbiased"
    made = extract(network, images.batches(), outputs=tuple(names.values()))
    return {name: made[output] for name, output in names.items()}


class Memory:
    """Features of fakes that several protocols see alike are computed once, and kept with them."""

    def __init__(self):
        self._made: dict[tuple, Features] = {}

    def features_of(
        self, images: Images, network: FeatureNetwork, outputs: tuple[str, ...]
    ) -> Features:
        key = images, network.description, network.sha256, outputs
        if key not in self._made:
            self._made[key] = features_of(images, network, outputs)
        return self._made[key]


def kept_features_of(images: Images, network: FeatureNetwork) -> np.ndarray:
    """Features [N, d], from the cache if they were computed before, else computed and kept.

    The key is the content: the pixels themselves, the weights, and the network's input. A file
    that is damaged counts as missing. Everything in the folder may be deleted at any time.
    """
    path = cache_path(images, network)
    try:
        with np.load(path, allow_pickle=False) as file:
            features = file["features"]
        if features.shape == (images.count, network.description.dimension):
            return features
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        pass
    features = features_of(images, network, ("features",))["features"]
    _keep(path, features)
    return features


def cache_path(images: Images, network: FeatureNetwork) -> Path:
    description = network.description
    key = {
        "images": images.sha256(),
        "count": images.count,
        "network": description.name,
        "weights": network.sha256,
        "resize": description.resize,
        "mean": description.mean,
        "std": description.std,
    }
    digest = hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()
    return cache_folder() / "features" / f"{description.name}-{digest[:32]}.npz"


def _keep(path: Path, features: np.ndarray) -> None:
    """Writes the file whole or not at all; a full disk costs the cache and no more."""
    part = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, suffix=".part", delete=False) as file:
            part = Path(file.name)
            np.savez(file, features=features)
        os.replace(part, path)
    except OSError:
        if part is not None:
            part.unlink(missing_ok=True)
