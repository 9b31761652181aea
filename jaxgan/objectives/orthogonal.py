"""Orthogonal regularisation of kernels, a term (terms.py) of the parameters alone."""

import jax
import jax.numpy as jnp


def orthogonal(params):
    """The sum over kernels W of ||W^T W * (1 - I)||_F^2, a number.

    Brock et al. 2019, eq. 3, which leaves the norms of the filters free; the weight is beta, 1e-4.
    W is a leaf named "kernel" as a matrix [-1, O] of its O filters. Embeddings and scales are none.
    The authors' program in PyTorch adds half of this gradient.
    """
    total = jnp.zeros(())
    for path, kernel in jax.tree_util.tree_leaves_with_path(params):
        if getattr(path[-1], "key", None) == "kernel" and kernel.ndim > 1:
            matrix = kernel.reshape(-1, kernel.shape[-1]).astype(jnp.float32)
            gram = matrix.T @ matrix
            total += jnp.sum((gram * (1.0 - jnp.eye(len(gram)))) ** 2)
    return total
