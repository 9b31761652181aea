"""Parts of a batch give the gradient of the whole, and take the memory of a part."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from conftest import ROOT

from jaxgan.build import build
from jaxgan.config import load_config
from jaxgan.engine.calls import Calls, initializer, read_first_batch
from jaxgan.engine.microbatches import InParts
from jaxgan.engine.step import TrainState
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
    "one turn each, R1, labels": ["--config.terms.r1.weight=0.1", "--config.data.labels=True"],
    "two disc turns, packs": [
        "--config.train.disc_turns=2",
        "--config.train.packing=2",
        "--config.loss=hinge",
    ],
    "at once": ["--config.method.name=simultaneous"],
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


def test_what_a_generator_remembers_is_of_all_parts():
    """StyleGAN2's mean style, as of the whole batch."""
    config = f"{ROOT}/configs/stylegan2_fashion.py:smoke"
    # Styles to mix with are what a part draws for itself.
    overrides = ["--config.gen.style_mixing=0.0", "--config.data.batch_size=12"]
    game = build(load_config(config, overrides)).run.game
    batch = {"image": jnp.zeros((12, *game.gen.image_shape))}
    params, variables, extra = game.init(jax.random.key(0), batch)
    state = TrainState(
        step=jnp.int32(0), key=jax.random.key(0), params=params, variables=variables,
        opt_state={}, ema={}, extra=extra,
    )  # fmt: skip

    def mean_style(game):
        _, new = game.generate(params["gen"], state, batch, jax.random.key(1))
        return jax.tree.leaves(new["styles"])[0]

    whole, parts = mean_style(game), mean_style(InParts(game=game, parts=3))
    assert np.abs(whole - jax.tree.leaves(variables["gen"]["styles"])[0]).max() > 1e-4
    np.testing.assert_allclose(parts, whole, rtol=1e-5, atol=1e-7)


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
        (["--config.top_k.least=0.5"], "needed for top_k"),
        (["--config.terms.lecam.weight=0.1"], r"what is remembered of batches \(lecam\)"),
        (["--config.terms.feature_matching.weight=0.1"], "terms of a whole batch"),
        (
            ["--config.terms={'orthogonal': {'player': 'gen'}}"],
            "terms of the generator's parameters",
        ),
        (["--config.data.batch_size=16"], "a multiple of 3 microbatches, such as 15 or 18; got"),
    ],
)
def test_what_needs_the_whole_batch_is_refused(overrides, message):
    config = load_config(SMOKE, [*PLAIN, "--config.train.microbatches=3", *overrides])
    with pytest.raises(UsageError, match=message) as error:
        build(config)
    assert "\n" not in str(error.value)


def test_a_term_whose_examples_depend_on_the_others_is_refused():
    """The negatives of D2D-CE are the other examples of the batch."""
    config = f"{ROOT}/configs/dcgan_fashion.py:smoke"
    overrides = [
        "gen.norm=none", "data.labels=True", "disc.conditioning=d2d_ce",
        "terms.d2d_ce.weight=0.5", "data.batch_size=24", "train.microbatches=3",
    ]  # fmt: skip
    with pytest.raises(UsageError, match="terms of a whole batch"):
        build(load_config(config, [f"--config.{field}" for field in overrides]))


def test_remat_changes_no_value():
    """Dropout, batch norm and a penalty's second derivatives included."""
    game = ["--config.gen.norm=batch", "--config.disc.dropout=0.3", "--config.terms.r1.weight=0.1"]
    plain, metrics = after_a_step(*game)
    again, others = after_a_step(*game, "--config.train.remat=True")
    trees = [jax.tree.leaves((state.params, state.variables)) for state in (plain, again)]
    for a, b in zip(*trees, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-7)
    for name in metrics:
        np.testing.assert_allclose(metrics[name], others[name], rtol=1e-5, err_msg=name)


# Networks whose activations outweigh their parameters.
WIDE = [f"--config.{player}.hidden=(256, 256, 256)" for player in ("gen", "disc")]
WIDE.append("--config.data.batch_size=1200")


def test_parts_take_the_memory_of_a_part():
    """As the compiler has it."""

    def used(*overrides):
        run = build(load_config(SMOKE, [*PLAIN, *WIDE, *overrides])).run
        init = initializer(run.game, run.optimizers, run.seed)
        state = init.eval_shape(jax.eval_shape(lambda: read_first_batch(run)))
        lowered = Calls(run).of(0, 1).call.lower(state, run.feed.inputs(0))
        return lowered.compile().memory_analysis().temp_size_in_bytes

    assert used("--config.train.microbatches=10") < 0.8 * used()


def test_remat_keeps_inputs_alone_for_the_gradient():
    def kept(*overrides):
        """Bytes between the forward pass of a turn and its gradient."""
        run = build(load_config(SMOKE, [*PLAIN, *WIDE, *overrides])).run
        init = initializer(run.game, run.optimizers, run.seed)
        batch = jax.eval_shape(lambda: read_first_batch(run))

        def residuals(state, batch, key):
            fakes, _ = run.game.generate(state.params["gen"], state, batch, key)
            loss = lambda params: run.game.disc_loss(params, fakes, state, batch, key)[0]
            return jax.vjp(loss, state.params["disc"])[1]

        leaves = jax.tree.leaves(
            jax.eval_shape(residuals, init.eval_shape(batch), batch, jax.random.key(0))
        )
        return sum(leaf.size * leaf.dtype.itemsize for leaf in leaves if leaf.ndim)

    assert kept("--config.train.remat=True") < 0.8 * kept()
