"""The plain game: a generator of images from latents against a discriminator of images or packs.

An image is an array of any shape, which the data set sets: [H, W, C] in [-1, 1] for pictures, [D]
for points, which are in no range.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from jaxgan.choices import choose
from jaxgan.engine.step import Batch, Outcome, TrainState
from jaxgan.games.augments import Augments, augmented, first_memories, remembered
from jaxgan.games.terms import Made, WeightedTerm, asks_generator, join, made, memories
from jaxgan.keys import fold
from jaxgan.networks.apply import apply, init
from jaxgan.networks.parts import PRIORS
from jaxgan.objectives.losses import Loss
from jaxgan.objectives.terms import SOWN

GenMean = Callable[[jax.Array, jax.Array, jax.Array], jax.Array]  # values, fake_logits, step


def mean(values: jax.Array, fake_logits: jax.Array, step: jax.Array) -> jax.Array:
    return jnp.mean(values)


def pack(images: jax.Array, size: int) -> jax.Array:
    """Every `size` consecutive images side by side: [B, ..., C] -> [B / size, ..., size * C].

    Raises:
      ValueError: the batch is no multiple of `size`.
    """
    if size < 1 or len(images) % size:
        raise ValueError(
            f"packs of {size} images (train.packing) need a batch that is a multiple of {size}; "
            f"got {len(images)} (data.batch_size)"
        )
    if size == 1:
        return images
    grouped = images.reshape(-1, size, *images.shape[1:])
    beside = jnp.moveaxis(grouped, 1, -2)
    return beside.reshape(*beside.shape[:-2], -1)


def unpack(packs: jax.Array, size: int) -> jax.Array:
    """The images of packs: the inverse of `pack`."""
    if size == 1:
        return packs
    beside = packs.reshape(*packs.shape[:-1], size, -1)
    grouped = jnp.moveaxis(beside, -2, 1)
    return grouped.reshape(-1, *grouped.shape[2:])


@dataclass(frozen=True, kw_only=True)
class AdversarialGame:
    """Any loss with any terms on any networks.

    augments: what happens to every image, real or fake, before the discriminator sees it, by name;
      to those of a pack one by one.
    packing: m images side by side on the last axis, [B / m, ..., m C], are one to the discriminator
      and to every loss and term (PacGAN, Lin et al. 2018). B counts images, so B / m
      packs are seen: the authors' batches of 100 and 64 count packs and are B = 100 m and 64 m.
    gen_mean: how the generator's loss is averaged, as by `top_k_mean` (objectives/top_k.py).
    disc_weight, gen_weight: of `loss` in each player's total; 0 leaves the terms alone, as when
      a generator does nothing but match features.
    dtype: what the networks compute in, "float32" or "bfloat16"; losses and terms are float32.
    remat: a pass through a network keeps no activations for its gradient, which passes once more.
    label_vectors: where labels are no classes but vectors, some of those of the data.
    """

    gen: nn.Module
    disc: nn.Module
    loss: Loss
    terms: tuple[WeightedTerm, ...] = ()
    augments: Augments = ()
    packing: int = 1
    schedule: tuple[str, ...] = ("disc", "gen")
    gen_mean: GenMean = mean
    disc_weight: float = 1.0
    gen_weight: float = 1.0
    dtype: str = "float32"
    remat: bool = False
    label_vectors: tuple[tuple[float, ...], ...] = ()

    def __post_init__(self):
        if self.packing > 1 and self.gen.num_classes:
            raise ValueError(
                f"packs of {self.packing} images have no one label; "
                "set train.packing=1 or data.labels=False"
            )
        for term in self.terms:
            needs = {need for player in term.term.players for need in term.term.needs(player)}
            summed = getattr(self.disc, "penalized_as_sum", False)
            if self.disc.mixes_examples and not summed and "critic" in needs:
                raise ValueError(
                    f"term {term.name!r} needs the gradient of each example's logit, but this "
                    "discriminator mixes the examples of a batch (disc.norm='batch', or "
                    "disc.minibatch); use disc.norm='layer' or 'none', and disc.minibatch='none'"
                )

    def due(self, step: int) -> "AdversarialGame":
        terms = tuple(t for t in self.terms if step % t.interval == 0)
        return self if terms == self.terms else replace(self, terms=terms)

    @partial(jax.jit, static_argnums=0)  # traced once: what is built asks for it several times
    def init(self, key: jax.Array, batch: Batch) -> tuple[Any, Any, Any]:
        inputs = self.inputs(batch, fold(key, "latents"))
        gen_params, gen_variables = init(self.gen, fold(key, "gen"), *inputs["gen"])
        disc_params, disc_variables = init(self.disc, fold(key, "disc"), *inputs["disc"])
        params = {"gen": gen_params, "disc": disc_params}
        variables = {"gen": gen_variables, "disc": disc_variables}
        return params, variables, self.memories()

    def inputs(self, batch: Batch, key: jax.Array) -> dict[str, tuple[Any, ...]]:
        """What each network is called with, by player."""
        images, labels = batch["image"], batch.get("label")
        latents = self.latents(key, len(images))
        return {"gen": (latents, labels), "disc": (pack(images, self.packing), labels)}

    def memories(self) -> dict[str, Any]:
        """The state's `extra` before training: what terms and augmentations remember."""
        return memories(self.terms) | first_memories(self.augments)

    def latents(self, key: jax.Array, count: int) -> jax.Array:
        """Draws from the generator's prior, [count, latent_dim]."""
        prior = choose("prior", PRIORS, self.gen.prior)
        return prior(key, (count, self.gen.latent_dim))

    def draw(self, batch: Batch, key: jax.Array) -> Batch:
        """The batch with its latents, which `generate` else draws itself."""
        if "latents" in batch:
            return batch
        return {**batch, "latents": self.latents(fold(key, "latents"), len(batch["image"]))}

    def generate(self, gen_params: Any, state: TrainState, batch: Batch, key: jax.Array):
        """Fakes [B, ...], with the labels of the reals, and the generator's new variables.

        Where a term asks for more of the generator they are `Made`.
        """
        latents = self.draw(batch, key)["latents"]
        fakes, variables = self.make_fakes(gen_params, state, batch, latents, key)
        near = {}
        for term in self.terms:
            if term.term.near:
                others = term.term.near(latents, fold(key, term.name))
                again, _ = self.make_fakes(gen_params, state, batch, others, key)
                near[term.name] = self.sides(again, batch)[1]
        asked = any(asks_generator(term.term) for term in self.terms)
        if near or asked:
            fakes = Made(fakes, near, gen_params if asked else None)
        return fakes, variables

    def make_fakes(self, gen_params, state: TrainState, batch: Batch, latents, key: jax.Array):
        """Fakes of these latents, and the generator's new variables."""
        fakes, variables, _ = apply(
            self.gen,
            gen_params,
            state.variables["gen"],
            latents,
            batch.get("label"),
            train=True,
            key=fold(key, "dropout"),
            dtype=self.dtype,
            remat=self.remat,
        )
        return fakes, variables

    def disc_loss(self, disc_params, fakes, state: TrainState, batch: Batch, key: jax.Array):
        seen, variables = self._look(disc_params, fakes, state, batch, key)
        seen["params"] = disc_params
        seen["styled"] = self.styled(state.params["gen"], state, batch, key)
        adversarial = jnp.mean(self.loss.disc(seen["real_logits"], seen["fake_logits"]))
        loss, metrics, extra = self._total("disc", adversarial, seen, state, key)
        own, extra = remembered(self.augments, seen["real_logits"], state.step, extra)
        metrics |= own
        metrics["real_logit"] = jnp.mean(seen["real_logits"])
        metrics["fake_logit"] = jnp.mean(seen["fake_logits"])
        return loss, Outcome(metrics, variables, extra)

    def gen_loss(self, fakes, disc_params, state: TrainState, batch: Batch, key: jax.Array):
        seen, _ = self._look(disc_params, fakes, state, batch, key)
        seen["params"] = made(fakes).params
        seen["styled"] = self.styled(made(fakes).params, state, batch, key)
        values = self.gen_values(seen["real_logits"], seen["fake_logits"])
        adversarial = self.gen_mean(values, seen["fake_logits"], state.step)
        loss, metrics, extra = self._total("gen", adversarial, seen, state, key)
        metrics["fake_logit"] = jnp.mean(seen["fake_logits"])
        return loss, Outcome(metrics, state.variables["gen"], extra)

    def styled(self, params: Any, state: TrainState, batch: Batch, key: jax.Array):
        """See objectives/terms.py; None for a generator that has no styles."""
        if not hasattr(self.gen, "synthesize"):
            return None
        key, variables, labels = fold(key, "styled"), state.variables["gen"], batch.get("label")
        run = partial(apply, self.gen, params, variables, train=True, dtype=self.dtype)

        def of(count: int):
            latents = self.latents(fold(key, "latents"), count)
            own = None if labels is None else labels[:count]
            styles, _, _ = run(latents, own, key=fold(key, "dropout"), method="styles")
            draw = lambda styles: run(styles, key=fold(key, "noise"), method="synthesize")[0]
            return styles, draw

        return of

    def gen_values(self, real_logits: jax.Array, fake_logits: jax.Array) -> jax.Array:
        """What the generator minimises, [B]."""
        return self.loss.gen(real_logits, fake_logits)

    def sides(self, fakes: Any, batch: Batch) -> tuple[jax.Array, jax.Array]:
        """What the discriminator is to tell apart: what is real, what is fake."""
        return batch["image"], fakes

    def images_of(self, fakes: Any) -> jax.Array:
        """The images among the fakes, or their cotangents, [B, ...]."""
        return made(fakes).fakes

    def opinion(self, state: TrainState, images: jax.Array) -> jax.Array:
        """The discriminator's logit of each image, [B], in a pack of its equals."""
        packs = jnp.tile(images, self.packing)
        params, variables = state.params["disc"], state.variables["disc"]
        return apply(self.disc, params, variables, packs, None, train=False, dtype=self.dtype)[0]

    def preview(self, params: Any, variables: Any, batch: Batch, key: jax.Array) -> jax.Array:
        """8 rows of 8; with labels a row for each of the first 16."""
        rows, columns = min(self.num_labels, 16) or 8, 8
        labels = self.labels(jnp.repeat(jnp.arange(rows), columns))
        images = self.sample(params, variables, self.latents(key, rows * columns), labels)
        return images.reshape(rows, columns, *images.shape[1:])

    @property
    def num_labels(self) -> int:
        """Of the labels to choose from for a fake: of classes, or `label_vectors`; 0: of none."""
        return len(self.label_vectors) or self.gen.num_classes

    def labels(self, numbers: jax.Array) -> jax.Array | None:
        """Those labels, going round: classes [N], or vectors [N, K]; None without labels."""
        if not self.num_labels:
            return None
        numbers = numbers % self.num_labels
        return jnp.array(self.label_vectors)[numbers] if self.label_vectors else numbers

    def sample(
        self,
        params: Any,
        variables: Any,
        latents: jax.Array,
        labels: jax.Array | None,
        key: jax.Array | None = None,
    ):
        """Images [B, ...] of a trained generator; batch norm by its averages.

        key: of what a generator draws besides its latents, as StyleGAN2's noise; without one that
          is the same for every image.
        """
        return apply(
            self.gen, params, variables, latents, labels, train=False, key=key, dtype=self.dtype
        )[0]

    def _look(self, disc_params, fakes, state: TrainState, batch: Batch, key: jax.Array):
        """What is offered to terms (objectives/terms.py), and the discriminator's variables.

        What nobody uses of it costs nothing: the compiler drops it.
        """

        def look(images, variables, key):
            if self.augments:
                alone = unpack(images, self.packing)
                alone = augmented(self.augments, alone, key, state.step, state.extra)
                images = pack(alone, self.packing)
            return apply(
                self.disc,
                disc_params,
                variables,
                images,
                batch.get("label"),
                train=True,
                key=fold(key, "dropout"),
                dtype=self.dtype,
                remat=self.remat,
            )

        def again(name):
            """Images to logits, each time with the same variables and key."""
            return lambda images: look(images, state.variables["disc"], fold(key, name))[0]

        fakes, near, _ = made(fakes)
        real, fake = (pack(side, self.packing) for side in self.sides(fakes, batch))
        variables = state.variables["disc"]
        real_logits, variables, real_sown = look(real, variables, fold(key, "real"))
        fake_logits, variables, fake_sown = look(fake, variables, fold(key, "fake"))
        seen = {
            "critic": again("critic"),
            "judge": again("judge"),
            "real": real,
            "fake": fake,
            "near": {name: pack(images, self.packing) for name, images in near.items()},
            "real_logits": real_logits,
            "fake_logits": fake_logits,
            "labels": batch.get("label"),
            "step": state.step,
        }
        for name in SOWN:
            seen[f"real_{name}"] = real_sown.get(name, (None,))[0]
            seen[f"fake_{name}"] = fake_sown.get(name, (None,))[0]
        return seen, variables

    def _total(self, player: str, adversarial: jax.Array, seen: dict, state, key: jax.Array):
        """The player's loss with its terms, the metrics, and what the terms remember."""
        added, metrics, extra = join(self.terms, player, seen, state.extra, key)
        weight = {"disc": self.disc_weight, "gen": self.gen_weight}[player]
        total = weight * adversarial + added
        return total, {"adversarial": adversarial} | metrics | {"loss": total}, extra
