"""Paths between latents, truncation and lists of seeds."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import stats

from jaxgan.errors import UsageError
from jaxgan.latents import (
    PATHS,
    between,
    closed_walk,
    draw,
    parse_seeds,
    slerp,
    truncated_normal,
)

few = settings(max_examples=40, deadline=None)
VECTORS = hnp.arrays(np.float32, (2, 5), elements=st.floats(-3, 3, width=32))
T = jnp.linspace(0, 1, 9)[:, None]


def angle(a, b):
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    cosine = (a * b).sum(-1) / np.linalg.norm(a, axis=-1) / np.linalg.norm(b, axis=-1)
    return np.arccos(np.clip(cosine, -1, 1))


def far_apart(ends) -> bool:
    norms = np.linalg.norm(ends, axis=1)
    return norms.min() > 0.1 and 0.1 < angle(*ends) < np.pi - 0.1


@pytest.mark.parametrize("path", PATHS)
@few
@given(ends=VECTORS)
def test_paths_lead_from_start_to_end_and_back_the_same_way(path, ends):
    way = PATHS[path](*ends, T)
    chex.assert_tree_all_finite(way)
    np.testing.assert_allclose(way[0], ends[0], atol=1e-4)
    np.testing.assert_allclose(way[-1], ends[1], atol=1e-4)
    np.testing.assert_allclose(PATHS[path](*ends[::-1], T)[::-1], way, atol=1e-3)


@few
@given(ends=VECTORS.filter(far_apart))
def test_slerp_keeps_the_norm_and_turns_at_a_constant_speed(ends):
    ends = ends / np.linalg.norm(ends, axis=1, keepdims=True) * 2.0
    way = slerp(*ends, T)
    np.testing.assert_allclose(np.linalg.norm(way, axis=1), 2.0, rtol=1e-3)
    np.testing.assert_allclose(angle(way[:-1], way[1:]), angle(*ends) / 8, rtol=1e-2)


@few
@given(ends=VECTORS.filter(far_apart), t=st.floats(0, 1))
def test_slerp_stays_in_the_plane_of_its_ends(ends, t):
    place = np.asarray(slerp(*ends, jnp.array([t])), np.float64)
    _, residual, *_ = np.linalg.lstsq(ends.T.astype(np.float64), place, rcond=None)
    np.testing.assert_allclose(residual, 0.0, atol=1e-5)


def test_a_quarter_of_a_circle_by_hand():
    way = slerp(jnp.array([1.0, 0.0]), jnp.array([0.0, 1.0]), jnp.array([[1 / 3]]))
    np.testing.assert_allclose(way, [[np.cos(np.pi / 6), 0.5]], rtol=1e-5)


def test_rows_run_from_each_start_to_its_end():
    starts, ends = jax.random.normal(jax.random.key(0), (2, 3, 4))
    rows = between(starts, ends, 5, "linear").reshape(3, 5, 4)
    np.testing.assert_allclose(rows[:, 0], starts, atol=1e-6)
    np.testing.assert_allclose(rows[:, 4], ends, atol=1e-6)
    np.testing.assert_allclose(rows[:, 2], (starts + ends) / 2, atol=1e-6)


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("stops, count", [(3, 12), (4, 10), (2, 2), (5, 3)])
def test_a_walk_comes_back_in_equal_steps(path, stops, count):
    latents = jax.random.normal(jax.random.key(0), (stops, 6))
    walk = closed_walk(latents, count, path)
    chex.assert_shape(walk, (count, 6))
    for index in range(count):
        place = index * stops / count
        leg, t = int(place + 1e-9), place - int(place + 1e-9)
        expected = PATHS[path](latents[leg], latents[(leg + 1) % stops], jnp.array([t]))
        np.testing.assert_allclose(walk[index], expected, atol=1e-4)


@few
@given(threshold=st.floats(0.05, 4), seed=st.integers(0, 2**31))
def test_truncated_latents_are_within_their_threshold(threshold, seed):
    latents = truncated_normal(jax.random.key(seed), (100, 8), threshold)
    assert jnp.abs(latents).max() <= threshold * (1 + 1e-6)


def test_truncation_is_drawing_anew():
    drawn = np.random.default_rng(0).normal(size=200_000)
    anew = drawn[np.abs(drawn) <= 0.7][:50_000]
    ours = np.asarray(truncated_normal(jax.random.key(0), (50_000,), 0.7))
    assert stats.ks_2samp(ours, anew).pvalue > 0.01


def test_a_wide_truncation_is_the_normal_distribution():
    latents = truncated_normal(jax.random.key(0), (50_000,), 30.0)
    assert stats.kstest(np.asarray(latents), "norm").pvalue > 0.01


def test_draws_are_those_of_their_seed():
    prior = lambda key, count: jax.random.normal(key, (count, 3))
    chex.assert_trees_all_equal(draw(prior, 3, 4, 1), draw(prior, 3, 4, 1))
    assert jnp.any(draw(prior, 3, 4, 1) != draw(prior, 3, 5, 1))
    chex.assert_shape(draw(prior, 3, 4, 6, 0.5), (6, 3))


@pytest.mark.parametrize(
    ("text", "seeds"), [("7", [7]), ("1,2,5-8", [1, 2, 5, 6, 7, 8]), ("3-3, 0", [3, 0])]
)
def test_lists_of_seeds(text, seeds):
    assert parse_seeds(text) == seeds


@pytest.mark.parametrize("text", ["a", "1,,2", "5-3", "-1", "4294967296", "1-99999999", "1;2"])
def test_what_is_no_list_of_seeds(text):
    with pytest.raises(UsageError, match="must look like 1,2,5-8"):
        parse_seeds(text)
