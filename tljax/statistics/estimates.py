"""Estimates with their intervals, and differences with their p-values: the results of every test and interval.

All confidence levels and p-values are two-sided.
"""

from dataclasses import dataclass

LEVEL = 0.95
ROUNDING = 1e-12  # of scores in 0..1: a smaller standard error or difference is 0 up to rounding


@dataclass(frozen=True)
class Estimate:
    """An estimated value and its interval, which covers the true value in 95 % of studies unless stated otherwise."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Comparison(Estimate):
    """A difference (first minus second) with its interval, and the p-value of the hypothesis that it is 0."""

    p: float
    standard_error: float


def both_show(first: Comparison, second: Comparison, level: float = LEVEL) -> bool:
    """Returns whether two tests both find a difference, and in the same direction; False if a p-value is NaN."""
    return first.p < 1 - level and second.p < 1 - level and first.value * second.value > 0
