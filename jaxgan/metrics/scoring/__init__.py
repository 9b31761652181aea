"""Scores with a declared protocol: which images, which network, which arithmetic."""

from jaxgan.metrics.scoring.images import Images, images_of
from jaxgan.metrics.scoring.protocols import DEFAULT, PROTOCOLS, Protocol
from jaxgan.metrics.scoring.reference import Memory
from jaxgan.metrics.scoring.scorer import Offered, Scored, Scorer
from jaxgan.metrics.scoring.scores import OF_INCEPTION, SCORES, Score

__all__ = [
    "DEFAULT",
    "OF_INCEPTION",
    "PROTOCOLS",
    "SCORES",
    "Images",
    "Memory",
    "Offered",
    "Protocol",
    "Score",
    "Scored",
    "Scorer",
    "images_of",
]
