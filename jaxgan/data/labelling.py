"""Rules for labels that all sources share."""

from collections.abc import Iterable

from jaxgan.errors import UsageError


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


def in_order(labels: Iterable[str]) -> list[str]:
    """Each label once: by value where all are whole numbers, else by the alphabet."""
    found = set(labels)
    numbers = all(label.removeprefix("-").isdecimal() for label in found)
    return sorted(found, key=(lambda label: (int(label), label)) if numbers else None)
