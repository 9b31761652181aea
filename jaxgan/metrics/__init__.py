"""Scores of generated images, as pure functions of arrays."""

from jaxgan.metrics.frechet import (
    Moments,
    frechet_distance,
    frechet_distance_from_features,
    frechet_distance_infinity,
    statistics,
)
from jaxgan.metrics.inception_score import inception_score
from jaxgan.metrics.kernel import kernel_distance, kernel_distance_full
from jaxgan.metrics.memorization import authenticity, ct_score, distance_ratio, nearest
from jaxgan.metrics.modes import ModeCounts, mode_counts
from jaxgan.metrics.ms_ssim import ms_ssim, ms_ssim_diversity
from jaxgan.metrics.neighbours import density_coverage, prdc, precision_recall
from jaxgan.metrics.per_class import intra_class_frechet_distance
from jaxgan.metrics.sliced_wasserstein import sliced_wasserstein
from jaxgan.metrics.vendi import vendi_score

__all__ = [
    "ModeCounts",
    "Moments",
    "authenticity",
    "ct_score",
    "density_coverage",
    "distance_ratio",
    "frechet_distance",
    "frechet_distance_from_features",
    "frechet_distance_infinity",
    "inception_score",
    "intra_class_frechet_distance",
    "kernel_distance",
    "kernel_distance_full",
    "mode_counts",
    "ms_ssim",
    "ms_ssim_diversity",
    "nearest",
    "prdc",
    "precision_recall",
    "sliced_wasserstein",
    "statistics",
    "vendi_score",
]
