"""The floating-point operations of matrix products and convolutions in a traced function."""

import math

import jax
from jax.interpreters import partial_eval


def count_flops(traced) -> int:
    """Multiplications and additions of every product and convolution of a jaxpr.

    What nobody uses is dropped first, and equal operations on equal operands count once, as the
    compiler has it. A convolution costs 2 * outputs * kernel * inputs and each of its adjoints the
    same; products with the zeros of a dilated operand are not counted, those with the zeros around
    an image are.
    """
    jaxpr = getattr(traced, "jaxpr", traced)
    jaxpr, _ = partial_eval.dce_jaxpr(jaxpr, [True] * len(jaxpr.outvars))
    first = {}  # of equal values: the one that stands for them
    made, total = {}, 0
    for eqn in jaxpr.eqns:
        operands = tuple(
            repr(var.val) if hasattr(var, "val") else id(first.get(var, var)) for var in eqn.invars
        )
        key = (eqn.primitive.name, operands, str(eqn.params))
        if key in made:
            first.update(zip(eqn.outvars, made[key], strict=True))
            continue
        made[key] = eqn.outvars
        total += _flops(eqn) + sum(count_flops(inner) for inner in _inner(eqn))
    return total


def _inner(eqn) -> list:
    is_jaxpr = lambda value: hasattr(value, "eqns") or hasattr(value, "jaxpr")
    return [v for v in jax.tree.leaves(dict(eqn.params), is_leaf=is_jaxpr) if is_jaxpr(v)]


def _flops(eqn) -> int:
    shapes = [var.aval.shape for var in (*eqn.invars, *eqn.outvars)]
    match eqn.primitive.name:
        case "dot_general":
            (contracting, _), _ = eqn.params["dimension_numbers"]
            return 2 * math.prod(shapes[2]) * math.prod(shapes[0][i] for i in contracting)
        case "jaxgan_conv":  # x, w -> y
            return 2 * math.prod(shapes[2]) * math.prod(shapes[1][:-1])
        case "jaxgan_conv_input_grad":  # y, w -> x
            return 2 * math.prod(shapes[0]) * math.prod(shapes[1][:-1])
        case "jaxgan_conv_weight_grad":  # x, y -> w
            return 2 * math.prod(shapes[1]) * math.prod(shapes[2][:-1])
    return 0
