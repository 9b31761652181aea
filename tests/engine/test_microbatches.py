"""Parts of a batch give the gradient of the whole, and take the memory of a part."""

import jax
import numpy as np
import pytest
from conftest import ROOT

from jaxgan.build import build
from jaxgan.config import load_config
from jaxgan.engine.calls import Calls, initializer, read_first_batch
from jaxgan.engine.microbatches import InParts
from jaxgan.errors import UsageError

SMOKE = f"{ROOT}/configs/mlp_mnist.py:smoke"
PLAIN = [
    "--config.gen.norm=none",
    "--config.disc.dropout=0.0",
    "--config.data.batch_size=24",
    # Adam would make steps of a size of their own out of what rounding leaves of a zero gradient.
    "--config.optim.gen={'name': 'sgd', 'lr': 0.1}",
    "--config.optim.disc={'name': 'sgd', 'lr': 0.1}",
]
GAMES = {
    "one turn each, R1": ["--config.terms.r1.weight=0.1"],
    "two disc turns, labels": ["--config.train.disc_turns=2", "--config.data.labels=True"],
    "packs": ["--config.train.packing=2", "--config.loss=hinge"],
    "at once": ["--config.method.name=simultaneous"],
    "consensus": ["--config.method.name=consensus", "--config.method.gamma=0.1"],
    "terms with weights that move": [
        "--config.terms={'drift': {'schedule': 'linear', 'final': 0}}"
    ],
}


@pytest.fixture(autouse=True, scope="module")
def quick():
    """Toy programs compile quickly."""
    jax.config.update("jax_disable_most_optimizations", True)
    yield
    jax.config.update("jax_disable_most_optimizations", False)


def after_a_step(*overrides):
    run = build(load_config(SMOKE, [*PLAIN, *overrides])).run
    state = initializer(run.game, run.optimizers, run.seed)(read_first_batch(run))
    return Calls(run).of(0, 1)(state, run.feed.inputs(0))


@pytest.mark.parametrize("game", GAMES)
def test_parts_equal_the_whole(game):
    whole, metrics = after_a_step(*GAMES[game])
    parts, others = after_a_step(*GAMES[game], "--config.train.microbatches=3")
    for a, b in zip(*(jax.tree.leaves(s.params) for s in (whole, parts)), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)
    assert metrics.keys() == others.keys()
    for name in metrics:
        np.testing.assert_allclose(metrics[name], others[name], rtol=1e-4, atol=1e-5, err_msg=name)


def test_every_example_is_in_one_part_and_comes_back_to_its_place():
    game = InParts(game=None, parts=3, packing=2)
    batch = np.arange(24).reshape(12, 2)
    parts = game._split(batch)
    assert parts.shape == (3, 4, 2)
    np.testing.assert_array_equal(game._join(parts), batch)
    packs = {tuple(pack) for pack in np.asarray(parts)[:, :, 0].reshape(-1, 2).tolist()}
    assert packs == {(i, i + 2) for i in range(0, 24, 4)}, "packs stay together"


@pytest.mark.parametrize(
    "overrides, message",
    [
        (["--config.gen.norm=batch"], "batch norm in the generator"),
        (["--config.disc.minibatch=stddev"], "mixes examples"),
        (["--config.loss=relativistic_average"], "the loss 'relativistic_average'"),
        (["--config.top_k.least=0.5"], "top_k need"),
        (["--config.terms.lecam.weight=0.1"], r"what is remembered of batches \(lecam\)"),
        (["--config.terms.feature_matching.weight=0.1"], "terms of a whole batch"),
        (
            ["--config.terms={'orthogonal': {'player': 'gen'}}"],
            "terms of the generator's parameters",
        ),
        (["--config.data.batch_size=16"], "1 devices times 3 microbatches, such as 15 or 18; got"),
    ],
)
def test_what_needs_the_whole_batch_is_refused(overrides, message):
    config = load_config(SMOKE, [*PLAIN, "--config.train.microbatches=3", *overrides])
    with pytest.raises(UsageError, match=message) as error:
        build(config)
    assert "\n" not in str(error.value)


def test_remat_changes_no_value():
    """Dropout, batch norm and a penalty's second derivatives included."""
    all_of_it = [
        "--config.gen.norm=batch",
        "--config.disc.dropout=0.3",
        *GAMES["one turn each, R1"],
    ]
    plain, metrics = after_a_step(*all_of_it)
    again, others = after_a_step(*all_of_it, "--config.train.remat=True")
    for a, b in zip(
        *(jax.tree.leaves((s.params, s.variables)) for s in (plain, again)), strict=True
    ):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-7)
    for name in metrics:
        np.testing.assert_allclose(metrics[name], others[name], rtol=1e-5, err_msg=name)


def used(*overrides):
    """Bytes within a step of networks whose activations outweigh parameters and images."""
    wide = ["--config.gen.hidden=(128, 128)", "--config.disc.hidden=(128, 128)",
            "--config.data.batch_size=1200", "--config.data.resolution=8"]  # fmt: skip
    run = build(load_config(SMOKE, [*PLAIN, *wide, *overrides])).run
    init = initializer(run.game, run.optimizers, run.seed)
    state = init.eval_shape(jax.eval_shape(lambda: read_first_batch(run)))
    lowered = Calls(run).of(0, 1).call.lower(state, run.feed.inputs(0))
    return lowered.compile().memory_analysis().temp_size_in_bytes


def test_it_saves_memory(optimized):
    whole = used()
    assert used("--config.train.microbatches=10") < 0.7 * whole
