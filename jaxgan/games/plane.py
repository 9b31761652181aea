"""A drawing of a game over points in the plane: who sees what where."""

import jax
import jax.numpy as jnp
import numpy as np
from PIL import Image, ImageDraw

from jaxgan.engine.step import Batch, TrainState
from jaxgan.games.adversarial import AdversarialGame
from jaxgan.keys import fold

PIXELS = 320
MESH = 40  # places a side at which the discriminator is asked
SAMPLES = 512
ARROWS = 48
MARGIN = 1.4  # the drawing reaches so much farther than the data
ARROW = 0.06  # length of the longest arrow, of the drawing's side
COLD, WARM = np.array([66, 110, 180]), np.array([214, 96, 77])  # the discriminator says fake, real
REAL, FAKE, GRADIENT = (40, 40, 40), (20, 140, 60), (0, 0, 0)


class Drawing:
    """state, batch -> uint8 [320, 320, 3].

    The ground is the discriminator's logit, from blue (fake) to red (real) by its rank, and plain
    where it judges a point by the rest of its batch (`disc.minibatch`), which a mesh is not, or by
    a label, which a mesh has not; grey dots are real points, green ones samples of the averaged
    generator; lines begin at samples of the generator as it is and go where its loss falls, the
    longest where it falls fastest. The frame is that of the first batch drawn.
    """

    def __init__(self, game: AdversarialGame):
        self._compute = jax.jit(lambda state, batch, reach: _fields(game, state, batch, reach))
        self._reach = 0.0

    def __call__(self, state: TrainState, batch: Batch) -> np.ndarray:
        real = np.asarray(batch["image"])
        self._reach = self._reach or MARGIN * float(np.abs(real).max())
        logits, fakes, starts, slopes = jax.device_get(self._compute(state, batch, self._reach))
        picture = Image.fromarray(_ground(logits)).resize((PIXELS, PIXELS), Image.BILINEAR)
        draw = ImageDraw.Draw(picture)
        for points, colour in ((real[:SAMPLES], REAL), (fakes, FAKE)):
            for x, y in self._places(points):
                draw.rectangle((x - 1, y - 1, x, y), fill=colour)
        longest = np.linalg.norm(slopes, axis=1).max()
        ends = starts + slopes / max(longest, 1e-12) * ARROW * 2 * self._reach
        for start, end in zip(self._places(starts), self._places(ends), strict=True):
            draw.line((*start, *end), fill=GRADIENT)
        return np.asarray(picture)

    def _places(self, points: np.ndarray) -> list[tuple[float, float]]:
        """Pixels of points [N, 2]; up is up."""
        across = (points / self._reach + 1) / 2 * (PIXELS - 1)
        across[:, 1] = PIXELS - 1 - across[:, 1]
        across = np.where(np.isfinite(across), across, -10.0)
        return [tuple(place) for place in np.clip(across, -10, PIXELS + 10).tolist()]


def _fields(game: AdversarialGame, state: TrainState, batch: Batch, reach: jax.Array):
    """Logits [MESH, MESH], fakes, and of some samples their places and minus their gradients."""
    side = reach * jnp.linspace(-1.0, 1.0, MESH)
    mesh = jnp.stack(jnp.meshgrid(side, side[::-1]), axis=-1).reshape(-1, 2)
    alone = getattr(game.disc, "minibatch", "none") == "none" and not game.num_labels
    logits = game.opinion(state, mesh) if alone else jnp.zeros(len(mesh))
    key = fold(state.key, "drawing")
    latents = game.latents(fold(key, "latents"), SAMPLES)
    labels = game.labels(jnp.arange(SAMPLES))
    fakes = game.sample(state.ema["params"], state.ema["variables"], latents, labels)
    now, _ = game.generate(state.params["gen"], state, batch, fold(key, "generate"))
    loss = lambda fakes: game.gen_loss(fakes, state.params["disc"], state, batch, key)[0]
    starts, slopes = game.images_of(now), -game.images_of(jax.grad(loss)(now))
    return logits.reshape(MESH, MESH), fakes, starts[:ARROWS], slopes[:ARROWS]


def _ground(logits: np.ndarray) -> np.ndarray:
    """uint8 [MESH, MESH, 3]: ranks, so that one far corner does not bleach all the rest."""
    _, ranks, counts = np.unique(logits, return_inverse=True, return_counts=True)
    middles = np.cumsum(counts) - (counts + 1) / 2  # of places that share a rank
    warmth = (middles[ranks.ravel()] / (logits.size - 1)).reshape(*logits.shape, 1)
    pale = lambda colour: 255 - 0.7 * (255 - colour)
    low, high = pale(COLD), pale(WARM)
    middle = np.full(3, 250.0)
    mixed = np.where(
        warmth < 0.5,
        low + (middle - low) * (2 * warmth),
        middle + (high - middle) * (2 * warmth - 1),
    )
    return mixed.astype(np.uint8)
