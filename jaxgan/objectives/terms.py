"""Terms: weighted additions to the players' losses. Arrays in, `[B]` out, or a number.

The positional parameters of a term's functions say what they need, by name, from what a game offers
(`OFFERED`):

    critic          images -> logits [B]: the discriminator with its parameters, labels and key
                    closed over, for whoever takes its gradient in images: refused where the
                    discriminator mixes the examples of a batch
    judge           the same, for whoever takes no gradient of each example's logit
    real, fake      images [B, ...], NHWC for pictures
    real_logits, fake_logits        [B]
    labels          int [B] or float [B, K], of the reals and of the fakes
    step            of training, int []
    params          the parameters of the player whose loss it is
    key             a typed PRNG key of the term's own
    near            images of the latents that the term's own `near` gives, [B, ...]
    styled          n -> styles of n fresh latents [n, layers, w_dim], and styles -> their images,
                    of a generator that has styles, with its parameters closed over; n at most B
    memory          what the term remembers of earlier turns

and, real_ and fake_ each, from discriminators that sow it (`SOWN`):

    features        activations before the last layer, [B, ...]
    class_logits    [B, K]
    embedding       unit vectors [B, E]
    class_cosines   of the embedding and each class's own vector, [B, K]
    reconstructions pairs of pictures [B, ...]: what it drew of its features, what it was to draw

Hyper-parameters are keyword-only, with defaults. The game multiplies by the term's weight and
averages; each docstring says which constant of the paper that weight is.
"""

import inspect
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import jax

from jaxgan.objectives.class_terms import acgan_disc, acgan_gen, d2d_ce_disc, d2d_ce_gen
from jaxgan.objectives.consistency import bcr, cr, near_latents, zcr_disc, zcr_gen
from jaxgan.objectives.functions import Functions
from jaxgan.objectives.lecam import first_averages, lecam, new_averages
from jaxgan.objectives.orthogonal import orthogonal
from jaxgan.objectives.path_length import first_mean, path_length
from jaxgan.objectives.penalties import (
    dragan,
    drift,
    feature_matching,
    label_smoothing,
    r1,
    r2,
    wgan_gp,
    zero_centred_gp,
)
from jaxgan.objectives.reconstruction import reconstruction

# What discriminators sow, and what makes them.
SOWN = {
    "features": "a discriminator that sows them",
    "class_logits": "disc.conditioning='acgan' and data.labels=True",
    "embedding": "disc.conditioning='d2d_ce' and data.labels=True",
    "class_cosines": "disc.conditioning='d2d_ce' and data.labels=True",
    "reconstructions": "disc.name='light' with disc.decode=True",
}
OFFERED = (
    "critic",
    "judge",
    "real",
    "fake",
    "real_logits",
    "fake_logits",
    *(f"{side}_{name}" for name in SOWN for side in ("real", "fake")),
    "labels",
    "step",
    "params",
    "key",
    "near",
    "styled",
    "memory",
)
PLAYERS = ("disc", "gen")


@dataclass(frozen=True, kw_only=True)
class Term(Functions):
    """What joins whose loss: a function for each player that has one.

    near: `(latents [B, D], key) -> latents`, of which the term wants images too.
    first, update: `() -> memory` before training, and what makes of it, in each turn in which the
      term is due and before its value, the next: a function that asks for what it needs. With
      `first` alone the term's own functions return the next memory beside their values.
    of_batch: its value is of the whole batch, or that of an example depends on the others.

    Raises ValueError where a function asks for something that is not offered.
    """

    disc: Callable[..., jax.Array] | None = None
    gen: Callable[..., jax.Array] | None = None
    near: Callable[..., jax.Array] | None = None
    first: Callable[[], Any] | None = None
    update: Callable[..., Any] | None = None
    of_batch: bool = False

    def __post_init__(self):
        if not self.players:
            raise ValueError("a term has a function for disc, for gen, or for both")
        own = {"near": self.near, "memory": self.first}  # what is there for those that have it
        offered = [name for name in OFFERED if own.get(name, True)]
        for fn in filter(None, (self.disc, self.gen, self.update)):
            if unknown := [name for name in needs(fn) if name not in offered]:
                raise ValueError(
                    f"term {getattr(fn, '__name__', fn)!r} asks for {', '.join(unknown)}; a term "
                    f"may ask for {', '.join(offered)} (make hyper-parameters keyword-only)"
                )

    @property
    def players(self) -> tuple[str, ...]:
        return tuple(player for player in PLAYERS if getattr(self, player))

    def needs(self, player: str) -> tuple[str, ...]:
        """Names in `OFFERED` that are asked for in a turn of `player`."""
        asking = filter(None, (getattr(self, player), self.update))
        return tuple(dict.fromkeys(name for fn in asking for name in needs(fn)))

    def of(self, player: str) -> "Term":
        """The term in the loss of `player` alone.

        One function joins whichever player's loss it is told to; of two the player's own is kept.

        Raises ValueError for an unknown player.
        """
        if player not in PLAYERS:
            raise ValueError(f"a term's player is one of {', '.join(PLAYERS)}; got {player!r}")
        fn = getattr(self, player) or self.disc or self.gen
        return replace(self, **dict.fromkeys(PLAYERS) | {player: fn})


def needs(fn: Callable) -> tuple[str, ...]:
    """Names of the positional parameters of `fn`, to be passed by name."""
    named = (inspect.Parameter.KEYWORD_ONLY, inspect.Parameter.VAR_KEYWORD)
    parameters = inspect.signature(fn).parameters.values()
    return tuple(p.name for p in parameters if p.kind not in named)


TERMS: dict[str, Term] = {
    "r1": Term(disc=r1),
    "r2": Term(disc=r2),
    "wgan_gp": Term(disc=wgan_gp),
    "zero_centred_gp": Term(disc=zero_centred_gp),
    "dragan": Term(disc=dragan),
    "feature_matching": Term(gen=feature_matching, of_batch=True),
    "drift": Term(disc=drift),
    "label_smoothing": Term(disc=label_smoothing),
    "acgan": Term(disc=acgan_disc, gen=acgan_gen),
    "d2d_ce": Term(disc=d2d_ce_disc, gen=d2d_ce_gen, of_batch=True),
    "cr": Term(disc=cr),
    "bcr": Term(disc=bcr),
    "zcr": Term(disc=zcr_disc, gen=zcr_gen, near=near_latents),
    "lecam": Term(disc=lecam, first=first_averages, update=new_averages),
    "orthogonal": Term(gen=orthogonal),
    "path_length": Term(gen=path_length, first=first_mean, of_batch=True),
    "reconstruction": Term(disc=reconstruction),
}
