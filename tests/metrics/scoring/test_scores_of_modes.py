"""Scores of distributions whose modes are known."""

import numpy as np
import pytest

from jaxgan.data.dataset import Dataset
from jaxgan.data.sources import load_dataset
from jaxgan.data.stacked import stack
from jaxgan.errors import UsageError
from jaxgan.metrics.features import FEATURES
from jaxgan.metrics.scoring import PROTOCOLS, Scorer, images_of

PROTOCOL = PROTOCOLS["torch-fidelity"]


def test_other_points_of_the_grid_find_all_its_modes():
    real, fake = (
        images_of(load_dataset("grid", num_points=2500, points_seed=seed)) for seed in (0, 1)
    )
    scored = Scorer(["mode_counts"], protocol=PROTOCOL, network=None, real=real)(fake).values
    assert scored["modes"] == 25
    # 1.1% of a Gaussian in the plane lie beyond 3 sigma.
    assert 0.98 < scored["high_quality"] < 0.995
    # Of 2,500 draws a uniform histogram of 25 expects a divergence of 24 / 5,000.
    assert scored["reverse_kl"] == pytest.approx(24 / 5000, rel=0.7)


def test_modes_need_a_distribution():
    real = images_of(load_dataset("two_moons", num_points=10))
    with pytest.raises(UsageError, match="whose modes are known"):
        Scorer(["mode_counts"], protocol=PROTOCOL, network=None, real=real)


@pytest.fixture(scope="module")
def network():
    return FEATURES["mnist"].load()


def bars():
    """Two digits that the classifier knows, 50 times: 8 stacks of them are possible."""
    rows, columns = np.mgrid[:28, :28] - 13.5
    bar = 255 * ((np.abs(columns) < 1.5) & (np.abs(rows) < 9))
    ring = np.hypot(rows, columns * 1.3)
    ring = 255 * ((ring > 6.5) & (ring < 9))
    digits = np.tile(np.stack([bar, ring])[..., None], (50, 1, 1, 1)).astype(np.uint8)
    return Dataset(name="digits", images=digits)


def test_stacks_are_named_by_their_three_digits(network):
    """Ones and zeros make 8 of the 1,000 modes."""
    fake = images_of(stack(bars(), 600, "stacked"))
    scorer = Scorer(["stacked_modes"], protocol=PROTOCOL, network=network, real=fake)
    values = scorer(fake).values
    pictures = fake.pixels(600)[:, 14, 14]  # the bar is lit at its centre, the ring is not
    present = {tuple((pixel > 0).tolist()) for pixel in pictures}
    assert values["stacked_modes_mnist"] == len(present) == 8
    shares = np.unique(pictures > 0, axis=0, return_counts=True)[1] / 600
    wanted = np.sum(shares * np.log(shares * 1000))
    assert values["stacked_kl_mnist"] == pytest.approx(wanted, rel=1e-6)


def test_stacks_have_three_grey_channels(network):
    fake = images_of(bars())
    scorer = Scorer(["stacked_modes"], protocol=PROTOCOL, network=network, real=fake)
    with pytest.raises(UsageError, match="grey images, mnist, and three channels"):
        scorer(fake)
