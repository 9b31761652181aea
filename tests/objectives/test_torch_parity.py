"""The same mathematics written again in PyTorch, in float64; ours runs in float32."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxgan.objectives import penalties
from jaxgan.objectives.losses import LOSSES
from jaxgan.objectives.optimizers import OPTIMIZERS, learning_rate, make_optimizer
from jaxgan.objectives.penalties import TERMS

torch = pytest.importorskip("torch", reason="parity needs PyTorch: pip install 'jaxgan[parity]'")
F = torch.nn.functional


def to_torch(array):
    return torch.tensor(np.asarray(array, np.float64), requires_grad=True)


def assert_close(ours, theirs, rtol=2e-5, atol=2e-6):
    theirs = theirs.detach().numpy() if isinstance(theirs, torch.Tensor) else theirs
    np.testing.assert_allclose(np.asarray(ours), theirs, rtol=rtol, atol=atol)


def bce(logits, target):
    return F.binary_cross_entropy_with_logits(
        logits, torch.full_like(logits, target), reduction="none"
    )


def mse(logits, target):
    return F.mse_loss(logits, torch.full_like(logits, target), reduction="none") / 2


TORCH_LOSSES = {
    "minimax": (lambda r, f: bce(r, 1.0) + bce(f, 0.0), lambda r, f: -bce(f, 0.0)),
    "non_saturating": (lambda r, f: bce(r, 1.0) + bce(f, 0.0), lambda r, f: bce(f, 1.0)),
    "lsgan": (lambda r, f: mse(r, 1.0) + mse(f, 0.0), lambda r, f: mse(f, 1.0)),
    "hinge": (
        lambda r, f: -torch.clamp(r - 1, max=0) - torch.clamp(-f - 1, max=0),
        lambda r, f: -f,
    ),
    "wasserstein": (lambda r, f: -(r - f), lambda r, f: -f),
    "relativistic": (lambda r, f: bce(r - f, 1.0), lambda r, f: bce(f - r, 1.0)),
    "relativistic_average": (
        lambda r, f: bce(r - f.mean(), 1.0) + bce(f - r.mean(), 0.0),
        lambda r, f: bce(f - r.mean(), 1.0) + bce(r - f.mean(), 0.0),
    ),
}


@pytest.mark.parametrize("player", ["disc", "gen"])
@pytest.mark.parametrize("name", LOSSES)
def test_losses_and_their_gradients(name, player):
    real, fake = 3.0 * jax.random.normal(jax.random.key(0), (2, 16))
    ours = getattr(LOSSES[name], player)
    r, f = to_torch(real), to_torch(fake)
    theirs = TORCH_LOSSES[name][player == "gen"](r, f)
    assert_close(ours(real, fake), theirs)
    theirs.mean().backward()
    grad_real, grad_fake = jax.grad(lambda r, f: ours(r, f).mean(), argnums=(0, 1))(real, fake)
    assert_close(grad_real, r.grad if r.grad is not None else np.zeros(16))
    assert_close(grad_fake, f.grad if f.grad is not None else np.zeros(16))


def critic_params():
    keys = jax.random.split(jax.random.key(3), 3)
    shapes = {"w1": (12, 8), "b1": (8,), "w2": (8,)}
    return {
        name: jax.random.normal(key, shape) / np.sqrt(shape[0])
        for key, (name, shape) in zip(keys, shapes.items(), strict=True)
    }


def critic(params, images):
    hidden = jax.nn.softplus(images.reshape(len(images), -1) @ params["w1"] + params["b1"])
    return jnp.tanh(hidden) @ params["w2"]


def torch_critic(params, image):
    """One image to one logit, so that no example can leak into another's gradient."""
    return torch.tanh(F.softplus(image.flatten() @ params["w1"] + params["b1"])) @ params["w2"]


REAL, FAKE = 2.0 * jax.random.normal(jax.random.key(4), (2, 5, 2, 2, 3))
KEY = jax.random.key(5)

# Where each penalty is taken (drawn by our own, separately tested, samplers) and what it is there.
TORCH_PENALTIES = {
    "r1": (REAL, lambda g: g.square().sum() / 2),
    "r2": (FAKE, lambda g: g.square().sum() / 2),
    "wgan_gp": (penalties.interpolate(KEY, REAL, FAKE), lambda g: (g.norm() - 1) ** 2),
    "zero_centred_gp": (penalties.interpolate(KEY, REAL, FAKE), lambda g: g.norm() ** 2),
    "dragan": (penalties.perturb(KEY, REAL, 0.5), lambda g: (g.norm() - 1) ** 2),
}


@pytest.mark.parametrize("name", [n for n, term in TERMS.items() if "critic" in term.needs])
def test_gradient_penalties_and_their_second_derivatives(name):
    def ours(params):
        given = {"critic": lambda x: critic(params, x), "real": REAL, "fake": FAKE, "key": KEY}
        values = TERMS[name].fn(**{need: given[need] for need in TERMS[name].needs})
        return values.mean(), values

    params = critic_params()
    gradient, values = jax.grad(ours, has_aux=True)(params)

    points, penalty = TORCH_PENALTIES[name]
    weights = {name: to_torch(value) for name, value in params.items()}
    theirs = []
    for point in points:
        image = to_torch(point)
        (slope,) = torch.autograd.grad(torch_critic(weights, image), image, create_graph=True)
        theirs.append(penalty(slope))
    theirs = torch.stack(theirs)
    theirs.mean().backward()
    assert_close(values, theirs)
    for leaf in params:
        assert_close(gradient[leaf], weights[leaf].grad, rtol=2e-4, atol=2e-6)


TORCH_TERMS = {
    "feature_matching": lambda real, fake: F.mse_loss(
        fake.mean(0), real.mean(0).detach(), reduction="sum"
    ).expand(len(fake)),
    "drift": lambda real, fake: real.square(),
    "label_smoothing": lambda real, fake: bce(real, 0.9) / 0.1 - bce(real, 1.0) / 0.1,
}


@pytest.mark.parametrize("name", [n for n, term in TERMS.items() if "critic" not in term.needs])
def test_other_terms_and_their_gradients(name):
    shape = (2, 6, 3) if "real_features" in TERMS[name].needs else (2, 6)
    arrays = jax.random.normal(jax.random.key(6), shape)
    tensors = [to_torch(array) for array in arrays]

    def ours(real, fake):
        given = {"real_logits": real, "real_features": real, "fake_features": fake}
        return TERMS[name].fn(**{need: given[need] for need in TERMS[name].needs})

    theirs = TORCH_TERMS[name](*tensors)
    assert_close(ours(*arrays), theirs)
    theirs.mean().backward()
    gradients = jax.grad(lambda *a: ours(*a).mean(), argnums=(0, 1))(*arrays)
    for gradient, tensor in zip(gradients, tensors, strict=True):
        assert_close(gradient, torch.zeros_like(tensor) if tensor.grad is None else tensor.grad)


class OptimisticAdam(torch.optim.Optimizer):
    """Daskalakis et al. 2018, algorithm 1, over what torch's Adam would subtract at a rate of 1."""

    def __init__(self, params, lr, betas=(0.0, 0.999)):
        super().__init__(params, {"lr": lr})
        self.pairs = [(p, p.detach().clone()) for p in self.param_groups[0]["params"]]
        self.adam = torch.optim.Adam([copy for _, copy in self.pairs], lr=1.0, betas=betas)
        self.last = None

    @torch.no_grad()
    def step(self):
        for weight, copy in self.pairs:
            copy.zero_()
            copy.grad = weight.grad
        self.adam.step()
        now = [-copy.clone() for _, copy in self.pairs]
        for (weight, _), a, before in zip(self.pairs, now, self.last or now, strict=True):
            weight -= self.param_groups[0]["lr"] * (2 * a - before)
        self.last = now


RULES = [
    ("adam", {}, torch.optim.Adam, {}),
    (
        "adam",
        {"b1": 0.0, "b2": 0.9, "eps": 1e-6},
        torch.optim.Adam,
        {"betas": (0.0, 0.9), "eps": 1e-6},
    ),
    (
        "adamw",
        {"b1": 0.5, "weight_decay": 0.1},
        torch.optim.AdamW,
        {"betas": (0.5, 0.999), "weight_decay": 0.1},
    ),
    ("optimistic_adam", {}, OptimisticAdam, {}),
    ("optimistic_adam", {"b1": 0.5, "b2": 0.9}, OptimisticAdam, {"betas": (0.5, 0.9)}),
    ("rmsprop", {}, torch.optim.RMSprop, {}),
    (
        "rmsprop",
        {"decay": 0.9, "eps": 1e-2, "momentum": 0.8},
        torch.optim.RMSprop,
        {"alpha": 0.9, "eps": 1e-2, "momentum": 0.8},
    ),
    ("sgd", {}, torch.optim.SGD, {}),
    ("sgd", {"momentum": 0.9}, torch.optim.SGD, {"momentum": 0.9}),
    (
        "sgd",
        {"momentum": 0.9, "nesterov": True},
        torch.optim.SGD,
        {"momentum": 0.9, "nesterov": True},
    ),
]


def test_every_entry_has_its_counterpart():
    assert set(TORCH_LOSSES) == set(LOSSES)
    assert set(TORCH_PENALTIES) | set(TORCH_TERMS) == set(TERMS)
    assert {rule[0] for rule in RULES} == set(OPTIMIZERS)


@pytest.mark.parametrize("clips", [{}, {"clip_weights": 0.5, "clip_grad_norm": 1.0}], ids=str)
@pytest.mark.parametrize("name, ours, torch_rule, theirs", RULES)
def test_optimizers_over_several_steps(name, ours, torch_rule, theirs, clips):
    steps, lr = 12, 0.05
    # The rate changes on the way: where momentum meets the learning rate only shows then.
    schedule = learning_rate(lr, schedule="cosine", warmup_steps=3, total_steps=steps, final=0.2)
    params = {"w": jax.random.normal(jax.random.key(7), (3, 2)), "b": jnp.zeros(2)}
    gradients = [
        {"w": jax.random.normal(key, (3, 2)), "b": 3.0 * jax.random.normal(key, (2,))}
        for key in jax.random.split(jax.random.key(8), steps)
    ]

    weights = {name: to_torch(value) for name, value in params.items()}
    reference = torch_rule(list(weights.values()), lr=lr, **theirs)
    optimizer = make_optimizer(name, schedule, **clips, **ours)
    state = optimizer.init(params)
    update = jax.jit(optimizer.update)
    for count, gradient in enumerate(gradients):
        updates, state = update(gradient, state, params)
        params = optax.apply_updates(params, updates)

        for leaf, weight in weights.items():
            weight.grad = to_torch(gradient[leaf]).detach()
        if clips:
            torch.nn.utils.clip_grad_norm_(weights.values(), clips["clip_grad_norm"])
        reference.param_groups[0]["lr"] = float(schedule(count))
        reference.step()
        if clips:
            with torch.no_grad():
                for weight in weights.values():
                    weight.clamp_(-clips["clip_weights"], clips["clip_weights"])
        for leaf, weight in weights.items():
            assert_close(params[leaf], weight, rtol=1e-4, atol=1e-5)
