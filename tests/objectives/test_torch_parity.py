"""The same mathematics written again in PyTorch, in float64; ours runs in float32."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxgan.objectives import penalties
from jaxgan.objectives.losses import LOSSES
from jaxgan.objectives.optimizers import OPTIMIZERS, make_optimizer
from jaxgan.objectives.schedules import learning_rate
from jaxgan.objectives.terms import TERMS, needs

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


@pytest.mark.parametrize("name", [n for n, term in TERMS.items() if "critic" in term.needs("disc")])
def test_gradient_penalties_and_their_second_derivatives(name):
    def ours(params):
        given = {"critic": lambda x: critic(params, x), "real": REAL, "fake": FAKE, "key": KEY}
        values = TERMS[name].disc(**{need: given[need] for need in needs(TERMS[name].disc)})
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


LABELS = jax.random.randint(jax.random.key(9), (6,), 0, 3)
CLASSES = torch.tensor(np.asarray(LABELS), dtype=torch.long)
AVERAGES = {"real": 0.3, "fake": -0.2}
SHAPES = {"near": (6, 2, 2, 1), "fake": (6, 2, 2, 1), "real_logits": (6,), "fake_logits": (6,)}


def judge(images):
    """A discriminator of the parity of consistency terms, in JAX and in PyTorch."""
    return (images**3).reshape(len(images), -1).sum(1)


def torch_d2d(embedding, cosines):
    """Kang et al. 2021 as a loop over examples."""
    values = []
    for i in range(len(embedding)):
        positive = torch.clamp(cosines[i, CLASSES[i]] - 0.98, max=0) / 0.5
        others = [
            torch.exp(torch.clamp(embedding[i] @ embedding[j] - 0.02, min=0) / 0.5)
            for j in range(len(embedding))
            if CLASSES[i] != CLASSES[j]
        ]
        whole = torch.exp(positive) + sum(others)
        values.append(-torch.log(torch.exp(positive) / whole))
    return torch.stack(values)


def torch_ce(logits):
    return F.cross_entropy(logits, CLASSES, reduction="none")


# By term and player, of tensors by the names that the term's function has for them.
TORCH_TERMS = {
    ("feature_matching", "gen"): lambda real_features, fake_features: F.mse_loss(
        fake_features.mean(0), real_features.mean(0).detach(), reduction="sum"
    ).expand(len(fake_features)),
    ("drift", "disc"): lambda real_logits: real_logits.square(),
    ("label_smoothing", "disc"): lambda real_logits: (
        bce(real_logits, 0.9) / 0.1 - bce(real_logits, 1.0) / 0.1
    ),
    ("acgan", "disc"): lambda real_class_logits, fake_class_logits: (
        torch_ce(real_class_logits) + torch_ce(fake_class_logits)
    ),
    ("acgan", "gen"): torch_ce,
    ("d2d_ce", "disc"): torch_d2d,
    ("d2d_ce", "gen"): torch_d2d,
    ("zcr", "disc"): lambda fake_logits, near: 20 * (fake_logits - judge(near)) ** 2,
    ("zcr", "gen"): lambda fake, near: -0.5 * ((fake - near) ** 2).mean((1, 2, 3)),
    ("lecam", "disc"): lambda real_logits, fake_logits: (
        torch.clamp(real_logits + 0.2, min=0) ** 2 + torch.clamp(0.3 - fake_logits, min=0) ** 2
    ),
}
# Their values are random or of parameters alone: test_consistency.py, test_path_length.py and
# test_regularisers.py have them by hand, test_light.py those of pictures that were drawn.
ELSEWHERE = {("cr", "disc"), ("bcr", "disc"), ("orthogonal", "gen"), ("path_length", "gen"),
             ("reconstruction", "disc")}  # fmt: skip


@pytest.mark.parametrize("name, player", TORCH_TERMS)
def test_other_terms_and_their_gradients(name, player):
    fn = getattr(TERMS[name], player)
    constants = {"labels": LABELS, "judge": judge, "memory": AVERAGES, "step": 5000}
    wanted = [need for need in needs(fn) if need not in constants]
    keys = jax.random.split(jax.random.key(6), len(wanted))
    shapes = [SHAPES.get(need, (6, 3)) for need in wanted]
    arrays = [jax.random.normal(key, shape) for key, shape in zip(keys, shapes, strict=True)]
    tensors = [to_torch(array) for array in arrays]

    def ours(*arrays):
        given = constants | dict(zip(wanted, arrays, strict=True))
        return fn(**{need: given[need] for need in needs(fn)})

    theirs = TORCH_TERMS[name, player](*tensors)
    assert_close(ours(*arrays), theirs)
    theirs.mean().backward()
    gradients = jax.grad(lambda a: ours(*a).mean())(arrays)
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
    penalties = {(name, "disc") for name in TORCH_PENALTIES}
    every = {(name, player) for name, term in TERMS.items() for player in term.players}
    assert penalties | set(TORCH_TERMS) | ELSEWHERE == every
    assert {rule[0] for rule in RULES} == set(OPTIMIZERS)


def test_a_moving_beta_is_torchs_whose_betas_are_set_anew():
    steps, weight = 12, to_torch(jnp.array([0.5, -1.0]))
    optimizer = make_optimizer(
        "adam", 0.05, b1=0.0, b2=0.9, b2_final=0.99, b2_schedule="cosine", total_steps=8
    )
    params = jnp.array([0.5, -1.0])
    state, reference = optimizer.init(params), torch.optim.Adam([weight], lr=0.05)
    for count, gradient in enumerate(jax.random.normal(jax.random.key(0), (steps, 2))):
        updates, state = optimizer.update(gradient, state, params)
        params = optax.apply_updates(params, updates)
        weight.grad = to_torch(gradient).detach()
        done = 0.5 * (1 - np.cos(np.pi * min(1, count / 8)))
        reference.param_groups[0]["betas"] = (0.0, 0.9 + 0.09 * done)
        reference.step()
        assert_close(params, weight, rtol=1e-4, atol=1e-5)


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
