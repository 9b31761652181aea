"""Networks whose features scores are computed of, by name.

    network = FEATURES["inception"].load()        # or load("pt_inception-....pth")
    out = extract(network, batches)               # uint8 images -> {"features": [N, 2048], ...}

A score is named for its network, and states `network.sha256`. A protocol that differs in the input
only is `dataclasses.replace(FEATURES["inception"], resize="pil_bicubic")`.
"""

import functools

from jaxgan.metrics.features import classifier, dinov2, efficientnet, inception
from jaxgan.metrics.features.network import Description, FeatureNetwork, extract
from jaxgan.metrics.features.perceptual import perceptual_distance
from jaxgan.metrics.features.resize import RESIZES, quantize, resize
from jaxgan.metrics.features.weights import find_weights

__all__ = [
    "FEATURES",
    "RESIZES",
    "Description",
    "FeatureNetwork",
    "extract",
    "perceptual_distance",
    "quantize",
    "resize",
]


def _dinov2(name: str, sizes: dinov2.Sizes, published) -> Description:
    # Stein et al. 2023 resize by Pillow's bicubic filter (dgm-eval).
    return Description(
        name=name,
        size=dinov2.SIZE,
        channels=3,
        resize="pil_bicubic",
        mean=dinov2.MEAN,
        std=dinov2.STD,
        dimension=sizes.width,
        num_logits=0,
        module=dinov2.DINOv2(sizes),
        variables=functools.partial(dinov2.params_from_arrays, sizes=sizes),
        find=functools.partial(find_weights, published),
    )


def _classifier(name: str) -> Description:
    return Description(
        name=name,
        size=classifier.SIZE,
        channels=1,
        resize="pil_bicubic",
        mean=127.5,
        std=127.5,
        dimension=classifier.DIMENSION,
        num_logits=classifier.NUM_LOGITS,
        module=classifier.Classifier(),
        variables=classifier.unpack,
        find=functools.partial(classifier.find_weights, name),
    )


FEATURES: dict[str, Description] = {
    "inception": Description(
        name="inception",
        size=inception.SIZE,
        channels=3,
        resize="tf1",
        mean=128.0,
        std=128.0,
        dimension=inception.DIMENSION,
        num_logits=inception.NUM_LOGITS,
        module=inception.Inception(),
        variables=inception.params_from_arrays,
        find=functools.partial(find_weights, inception.PUBLISHED),
    ),
    "dinov2_vits14": _dinov2("dinov2_vits14", dinov2.VIT_S14, dinov2.PUBLISHED_S14),
    "dinov2_vitl14": _dinov2("dinov2_vitl14", dinov2.VIT_L14, dinov2.PUBLISHED_L14),
    "efficientnet_lite0": Description(
        name="efficientnet_lite0",
        size=efficientnet.SIZE,
        channels=3,
        resize="pil_bicubic",
        mean=127.0,
        std=128.0,
        dimension=efficientnet.DIMENSION,
        num_logits=efficientnet.NUM_LOGITS,
        module=efficientnet.EfficientNetLite0(),
        variables=efficientnet.params_from_arrays,
        find=efficientnet.find_weights,
    ),
    "mnist": _classifier("mnist"),
    "fashion_mnist": _classifier("fashion_mnist"),
}
