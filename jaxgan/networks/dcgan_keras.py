"""DCGAN with 5x5 kernels in the form of the Keras and TensorFlow tutorials, made for 28x28 digits.

Generator: dense to a quarter of the side with 256 channels, then transposed convolutions to 128
(stride 1), 64 (stride 2) and the image (stride 2), without biases. Discriminator: convolutions of
stride 2 to 64 and 128 channels with dropout. LeakyReLU slopes, batch-norm constants and the Glorot
initialisation are Keras' defaults, which the tutorials leave as they are.
"""

import flax.linen as nn
import jax

from jaxgan.networks.layers import Conv, ConvTranspose
from jaxgan.networks.parts import LabelMap, LabelVector

SLOPE = 0.3
GLOROT = nn.initializers.glorot_uniform()


def quarter(image_shape: tuple[int, int, int]) -> tuple[int, int]:
    """Height and width at the generator's start.

    Raises:
      ValueError: a side is no multiple of 4.
    """
    height, width, _ = image_shape
    if height % 4 or width % 4:
        raise ValueError(
            f"dcgan_keras makes images with sides that are multiples of 4; "
            f"got {height}x{width} (set data.resolution)"
        )
    return height // 4, width // 4


class Generator(nn.Module):
    """Latents to images in [-1, 1]; `width` is the number of channels before the last layer."""

    image_shape: tuple[int, int, int]
    num_classes: int = 0
    latent_dim: int = 100
    prior: str = "normal"
    width: int = 64

    @nn.compact
    def __call__(
        self, latents: jax.Array, labels: jax.Array | None = None, *, train: bool
    ) -> jax.Array:
        def norm(x):
            x = nn.BatchNorm(use_running_average=not train, momentum=0.99, epsilon=1e-3)(x)
            return nn.leaky_relu(x, negative_slope=SLOPE)

        height, width = quarter(self.image_shape)
        x = LabelVector(self.num_classes, self.latent_dim)(latents, labels)
        x = nn.Dense(height * width * 4 * self.width, use_bias=False, kernel_init=GLOROT)(x)
        x = norm(x).reshape(-1, height, width, 4 * self.width)
        for channels, stride in ((2 * self.width, 1), (self.width, 2)):
            x = norm(
                ConvTranspose(
                    channels,
                    (5, 5),
                    strides=(stride, stride),
                    use_bias=False,
                    kernel_init=GLOROT,
                )(x)
            )
        x = ConvTranspose(
            self.image_shape[-1], (5, 5), strides=(2, 2), use_bias=False, kernel_init=GLOROT
        )(x)
        return nn.tanh(x)


class Discriminator(nn.Module):
    """Images to logits; `width` is the number of channels after the first layer."""

    image_shape: tuple[int, int, int]
    num_classes: int = 0
    width: int = 64
    dropout: float = 0.3

    @property
    def mixes_examples(self) -> bool:
        return False

    @nn.compact
    def __call__(
        self, images: jax.Array, labels: jax.Array | None = None, *, train: bool
    ) -> jax.Array:
        x = LabelMap(self.num_classes)(images, labels)
        for channels in (self.width, 2 * self.width):
            x = Conv(channels, (5, 5), strides=(2, 2), kernel_init=GLOROT)(x)
            x = nn.leaky_relu(x, negative_slope=SLOPE)
            x = nn.Dropout(self.dropout, deterministic=not train)(x)
        x = x.reshape(x.shape[0], -1)
        self.sow("intermediates", "features", x)
        return nn.Dense(1, kernel_init=GLOROT)(x)[:, 0]
