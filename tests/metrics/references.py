"""Plain NumPy forms of distances, for parity."""

import numpy as np


def squared_distances(x, y):
    x, y = np.asarray(x, np.float64), np.asarray(y, np.float64)
    return ((x[:, None] - y[None]) ** 2).sum(-1)


def correlated(seed: int, rows: int, features: int, shift: float = 0.0):
    """float32 features [rows, features] that are correlated and not centred, as a network's are."""
    rng = np.random.default_rng(seed)
    mix = np.random.default_rng(99).standard_normal((features, features))
    scales = np.arange(1, features + 1) ** -0.7
    return ((rng.standard_normal((rows, features)) * scales) @ mix + 2.0 + shift).astype(np.float32)
