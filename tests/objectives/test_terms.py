"""What holds for every term, and how terms say what they need."""

from functools import partial

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxgan.objectives import penalties
from jaxgan.objectives.terms import OFFERED, TERMS, Term, needs

BATCH = 4
SHAPES = {"pictures": (BATCH, 9, 9, 2), "points": (BATCH, 2)}
PARTS = [(name, player) for name, term in TERMS.items() for player in term.players]
WITHOUT_BATCH = {"orthogonal"}
COUNTS = {"path_length": BATCH // 2}  # values, where they are not as many as examples


def offered(term, w, shape, dtype=jnp.float32):
    """All that a game might offer, as functions of `w`."""
    real, fake, near = jnp.asarray(np.random.default_rng(0).normal(size=(3, *shape)), dtype)
    judge = lambda x: jnp.tanh(jnp.tensordot(x, w, axes=w.ndim)) + jnp.mean(x * w)
    rows = lambda x: (x * w).reshape(BATCH, -1)[:, :2]
    sown = {
        f"{side}_{name}": rows(images)
        for side, images in (("real", real), ("fake", fake))
        for name in ("features", "class_logits", "embedding", "class_cosines")
    }
    drawn = {
        f"{side}_reconstructions": [(jnp.tanh(images * w), images)]
        for side, images in (("real", real), ("fake", fake))
    }
    return (
        sown
        | drawn
        | {
            "critic": judge,
            "judge": judge,
            "real": real,
            "fake": fake * w,
            "near": near * w,
            "styled": lambda n: (
                real[:n].reshape(n, 1, -1),
                lambda s: s.reshape(fake[:n].shape) * w**2,
            ),
            "real_logits": judge(real),
            "fake_logits": judge(fake),
            "labels": jnp.array([0, 1, 1, 0]),
            "step": jnp.int32(2000),
            "params": {"layer": {"kernel": jnp.stack([w.ravel(), (w.ravel() + 1) ** 2], 1)}},
            "memory": term.first() if term.first else None,
            "key": jax.random.key(2),
        }
    )


def values_of(term, found):
    """A term that remembers, and has no `update`, returns its memory too."""
    return found[0] if term.first and not term.update else found


def fitting(name, shape):
    """The term with options that fit images of that shape."""
    return TERMS[name].with_options({} if len(shape) == 4 else {"alteration": "noise"})


def test_the_offers_here_are_all_there_are():
    assert set(offered(TERMS["r1"], jnp.ones(2), (BATCH, 2))) == set(OFFERED)


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
@pytest.mark.parametrize("name, player", PARTS)
def test_every_term_gives_one_finite_float_per_example(name, player, shape):
    term = fitting(name, shape)
    fn = getattr(term, player)

    @jax.jit
    def value_and_gradient(w):
        def mean(w):
            given = offered(term, w, shape)
            values = values_of(term, fn(**{need: given[need] for need in needs(fn)}))
            return values.mean(), values

        return jax.grad(mean, has_aux=True)(w)

    w = jnp.linspace(-1, 1, np.prod(shape[1:])).reshape(shape[1:])
    gradient, values = value_and_gradient(w)
    chex.assert_shape(values, () if name in WITHOUT_BATCH else (COUNTS.get(name, BATCH),))
    assert values.dtype == jnp.float32
    chex.assert_tree_all_finite((values, gradient))
    assert jnp.any(gradient != 0)


@pytest.mark.parametrize("name, player", PARTS)
def test_every_term_widens_half_precision(name, player):
    term = fitting(name, (BATCH, 2))
    fn = getattr(term, player)
    given = offered(term, jnp.array([1.0, -0.5], jnp.bfloat16), (BATCH, 2), jnp.bfloat16)
    values = values_of(term, fn(**{need: given[need] for need in needs(fn)}))
    assert values.dtype == jnp.float32


def test_terms_declare_what_they_need():
    assert TERMS["r1"].needs("disc") == ("critic", "real")
    assert TERMS["r1"].players == ("disc",) and TERMS["feature_matching"].players == ("gen",)
    assert TERMS["acgan"].players == ("disc", "gen")
    assert "memory" in TERMS["lecam"].needs("disc")


def test_keyword_only_parameters_are_not_needs():
    assert needs(lambda real, *, scale=1.0, **others: real) == ("real",)
    assert needs(partial(penalties.wgan_gp, target=0.0)) == needs(penalties.wgan_gp)


def test_each_function_gets_the_options_that_it_takes():
    term = TERMS["zcr"].with_options({"sigma": 0.0, "disc_weight": 3.0, "gen_weight": 7.0})
    latents = jnp.ones((2, 3))
    chex.assert_trees_all_equal(term.near(latents, jax.random.key(0)), latents)
    ones, images = jnp.ones(2), jnp.ones((2, 1))
    chex.assert_trees_all_close(term.disc(lambda x: 2 * ones, ones, images), 3.0 * ones)
    chex.assert_trees_all_close(term.gen(images, images + 1), -7.0 * ones)


def test_a_term_moves_to_another_player():
    assert TERMS["orthogonal"].of("disc").players == ("disc",)
    assert TERMS["acgan"].of("gen").gen is TERMS["acgan"].gen
    assert TERMS["acgan"].of("gen").players == ("gen",)
    with pytest.raises(ValueError, match="one of disc, gen; got 'critic'"):
        TERMS["r1"].of("critic")


@pytest.mark.parametrize("fn", [lambda reals: reals, lambda real, lam=1.0: real, lambda *args: 0])
def test_unknown_needs_are_refused(fn):
    with pytest.raises(ValueError, match="asks for .*; a term may ask for critic, judge, real"):
        Term(disc=fn)


@pytest.mark.parametrize("need", ["near", "memory"])
def test_what_a_term_does_not_make_is_not_offered(need):
    with pytest.raises(ValueError, match=f"asks for {need}"):
        Term(disc=TERMS["lecam" if need == "memory" else "zcr"].disc)


def test_a_term_without_functions_is_refused():
    with pytest.raises(ValueError, match="for disc, for gen, or for both"):
        Term()
