"""LeCam regularisation (Tseng et al. 2021), a term (terms.py) with a memory.

It holds the logits of reals to the average logit of fakes and the other way round, which for small
data sets keeps the discriminator from telling them ever farther apart.
"""

import jax
import jax.numpy as jnp
from jax.nn import relu

from jaxgan.objectives.precision import at_least_float32

Averages = dict[str, jax.Array]  # of the logits, [] each


def first_averages() -> Averages:
    """Before the first batch; what is in them is never used."""
    return {"real": jnp.zeros(()), "fake": jnp.zeros(())}


def new_averages(
    memory, real_logits, fake_logits, step, *, decay: float = 0.99, start: int = 1000
) -> Averages:
    """The averages with this batch in them; before step `start` those of the batch alone."""
    keep = jnp.where(step < max(1, start), 0.0, decay)
    batch = {"real": jnp.mean(real_logits), "fake": jnp.mean(fake_logits)}
    mix = lambda average, value: keep * average + (1.0 - keep) * value
    return jax.lax.stop_gradient(jax.tree.map(mix, memory, batch))


def lecam(memory, real_logits, fake_logits, step, *, start: int = 1000, hinge: bool = True):
    """relu(D(x) - a_F)^2 + relu(a_R - D(G(z)))^2, and 0 before step `start`.

    a_R and a_F are moving averages of the logits of reals and of fakes. Tseng et al. 2021 write it
    without the relu (`hinge=False`); their program has it, and so have the published figures. The
    weight is lambda: 0.3 for all of CIFAR-10.
    """
    part = relu if hinge else lambda x: x
    real, fake = at_least_float32(real_logits), at_least_float32(fake_logits)
    values = part(real - memory["fake"]) ** 2 + part(memory["real"] - fake) ** 2
    return jnp.where(step < start, 0.0, values)
