"""Rules for labels that all sources share."""

from collections.abc import Iterable

import numpy as np

from jaxgan.errors import UsageError

# So many classes are believed of any data set, more of one that has as many images.
MAX_UNNAMED = 100_000


def check_labels(wanted: bool | None, present: bool, name: str, remedy: str) -> bool:
    """Whether to keep labels.

    Args:
      wanted: True (required), False (dropped) or None (as the set has them).
      present: whether the set has labels.
      name, remedy: for the message.

    Raises:
      UsageError: labels are required and the set has none.
    """
    if wanted and not present:
        raise UsageError(f"data set {name!r} has no labels, which were asked for; {remedy}")
    return present and wanted is not False


def class_numbers(labels: np.ndarray, name: str) -> tuple[str, ...]:
    """Names of classes that have none: "0" to the largest of the labels, int [N].

    Raises:
      UsageError: there are too many to be numbers of classes.
    """
    largest = int(labels.max(initial=0))
    if largest >= max(len(labels), MAX_UNNAMED):
        raise UsageError(
            f"labels of {name} reach {largest}, of {len(labels)} images; expected numbers of "
            "classes, from 0 without large gaps"
        )
    return tuple(map(str, range(largest + 1)))


def in_order(labels: Iterable[str]) -> list[str]:
    """Each label once: by value where all are whole numbers, else by the alphabet."""
    found = set(labels)
    numbers = all(label.removeprefix("-").isdecimal() for label in found)
    return sorted(found, key=(lambda label: (int(label), label)) if numbers else None)
