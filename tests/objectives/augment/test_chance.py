"""p's controller against simulated discriminators."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxgan.objectives.augment.chance import chance, first_chance, next_chance

BATCH = 20


def simulate(overfitting, turns, **options):
    """p and r_t after each turn, where E sign(D(real)) is `overfitting(p)`."""

    @jax.jit
    def play(memory):
        def turn(memory, step):
            positive = jnp.round(BATCH * (1 + overfitting(memory["p"])) / 2)
            logits = jnp.where(jnp.arange(BATCH) < positive, 3.0, -0.1)
            memory = next_chance(memory, logits, step, **options)
            return memory, memory

        return jax.lax.scan(turn, memory, jnp.arange(turns))[1]

    return jax.tree.map(np.asarray, play(first_chance(**options)))


def test_p_rises_by_the_images_over_kimg_every_few_turns():
    seen = simulate(lambda p: 1.0, 60, kimg=1.0, every=4)
    moves = np.arange(1, 61) // 4
    np.testing.assert_allclose(seen["p"], np.minimum(1.0, moves * 4 * BATCH / 1000), rtol=1e-5)
    np.testing.assert_allclose(seen["sign"], 1.0)


def test_p_falls_to_0_and_stays():
    seen = simulate(lambda p: 0.5, 40, p=0.3, kimg=1.0, every=2)
    moves = np.arange(1, 41) // 2
    np.testing.assert_allclose(seen["p"], np.maximum(0, 0.3 - moves * 2 * BATCH / 1000), atol=1e-6)


def test_p_settles_where_the_discriminator_meets_the_target():
    """Overfitting falls as p rises, 1 - p: it meets the target of 0.6 at 0.4, and p swings there
    by a move."""
    seen = simulate(lambda p: 1.0 - p, 200, kimg=1.0, every=1)
    move = BATCH / 1000
    rise = np.arange(1, 201) * move
    np.testing.assert_allclose(seen["p"][:18], rise[:18], rtol=1e-5)
    # The simulated mean of signs moves in units of 2 / BATCH.
    np.testing.assert_allclose(seen["p"][40:], 0.4, atol=move + 1 / BATCH)
    assert np.ptp(seen["p"][40:]) <= 2 * move
    np.testing.assert_allclose(seen["sign"][40:].mean(), 0.6, atol=0.06)


def test_the_sign_is_the_mean_over_the_turns_since_p_moved():
    memory = first_chance(every=3)
    play = jax.jit(lambda memory, logits: next_chance(memory, logits, 0, every=3))
    rng = np.random.default_rng(0)
    for _ in range(2):
        means = []
        for _ in range(3):
            logits = rng.normal(size=BATCH).astype(np.float32)
            means.append(np.sign(logits).mean())
            memory = play(memory, logits)
            np.testing.assert_allclose(memory["sign"], np.mean(means), atol=1e-6)
        assert memory["turns"] == 0


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [("constant", [0.2, 0.2, 0.2]), ("linear", [0.2, 0.4, 0.6]), ("cosine", [0.2, 0.4, 0.6])],
)
def test_a_scheduled_p_does_not_listen(schedule, expected):
    options = {"p": 0.2, "final": 0.6, "steps": 10, "schedule": schedule}
    memory = next_chance(first_chance(**options), jnp.ones(4), 5, every=1, **options)
    np.testing.assert_allclose(memory["p"], expected[1], rtol=1e-6)
    found = [chance(memory, step, **options) for step in (0, 5, 30)]
    np.testing.assert_allclose(found, expected, rtol=1e-6)


@pytest.mark.parametrize(
    ("options", "part"),
    [
        ({"p": 1.5}, "probability"),
        ({"final": -0.1}, "probability"),
        ({"target": 1.0}, "target"),
        ({"kimg": 0.0}, "positive"),
        ({"every": 0}, "positive"),
        ({"schedule": "cosin"}, "did you mean 'cosine'"),
    ],
)
def test_wrong_options_are_named(options, part):
    with pytest.raises(ValueError, match=part):
        first_chance(**options)
