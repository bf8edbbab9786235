"""What do the intervals of the similarity measures cover? Simulates features of a known population.

    python -m benchmarks.similarity_intervals [--trials 200] [--scenario NUMBER ...]

Every image has several positions. The features of a position have a part that all positions of its image share
(`alike`, a share of the variance). They may also have a part that this position has in every image, as at the borders
of images (`common`, its variance; that of the rest is 1). Two views have known canonical correlations. Ten blocks of
images give the interval, as in the full protocol. "covers: mean" is the share of intervals that contain the mean of the
estimate at this number of images. "population" is the share that contain the value for all images.

Three corrections follow, each with its mean and the share of its intervals that contain the value for all images.
"jackknife": B v - (B - 1) mean(v without a block). "halves": 2 v(n) - mean v(n / 2). Both remove a bias of 1/n.
"corrected": `r2_cca.corrected`, which `tljax compare --pool gap` offers; for positions it is shown to explain why it is
not offered there.
"""

import argparse
from collections import defaultdict
from dataclasses import dataclass
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from tljax.similarity import measures, moments
from tljax.similarity.moments import Moments
from tljax.similarity.results import corrected, interval, jackknifed, replicates
from tljax.similarity.views import MomentPair, moment_pairs

BLOCKS = 10
WAYS = ("as it is", "jackknife", "halves", "corrected")
PAIR = ("x", "y")
HALVES = np.array([np.roll(np.arange(BLOCKS) < BLOCKS // 2, k) for k in range(BLOCKS)], np.float32)


@dataclass(frozen=True)
class Scenario:
    """A kind of images and two views of `channels` channels each."""

    images: int
    positions: int
    alike: float
    common: float = 0.0
    highest: float = 0.9  # canonical correlation; the others fall to 0, or all are equal where `flat`
    flat: bool = False
    channels: int = 64


SCENARIOS = (
    Scenario(100, 49, 0.5), Scenario(400, 49, 0.5), Scenario(1000, 49, 0.5),
    Scenario(400, 49, 0.5, common=0.3), Scenario(1000, 49, 0.5, common=0.3),
    Scenario(200, 1, 0.0), Scenario(300, 1, 0.0), Scenario(400, 1, 0.0), Scenario(1000, 1, 0.0),
    Scenario(400, 1, 0.0, flat=True), Scenario(200, 5, 0.5),
)  # fmt: skip


class Population:
    """Draws two views `n d`. Their covariances, and so the value of every measure, are known."""

    def __init__(self, scenario: Scenario, rng: np.random.Generator):
        self.scenario, d = scenario, scenario.channels
        profile = np.ones(d) if scenario.flat else np.linspace(1, 0, d) ** 2
        self.rho = scenario.highest * profile
        scale = np.arange(1, d + 1) ** -0.5  # principal components of falling variance
        self.maps = [np.linalg.qr(rng.normal(size=(d, d)))[0] * scale for _ in PAIR]
        shared, *own = rng.normal(size=(3, scenario.positions, d))
        self.common = [np.sqrt(scenario.common / 2) * (shared + each) for each in own]
        self.common = [each - each.mean(axis=0) for each in self.common]

    def draw(self, rng: np.random.Generator) -> list[np.ndarray]:
        of = self.scenario
        shape = (of.images, of.positions, of.channels)

        def part() -> np.ndarray:
            by_image = rng.normal(size=(of.images, 1, of.channels))
            return np.sqrt(of.alike) * by_image + np.sqrt(1 - of.alike) * rng.normal(size=shape)

        both = part()
        views = [np.sqrt(self.rho) * both + np.sqrt(1 - self.rho) * part() + common for common in self.common]
        return [(view @ turn.T).astype(np.float32) for view, turn in zip(views, self.maps, strict=True)]

    def values(self) -> dict[str, float]:
        """The value of every measure for all images."""
        x, y = self.common
        count, unit = self.scenario.positions, np.eye(self.scenario.channels)
        turn, other = self.maps
        own = [turn @ (unit + x.T @ x / count) @ turn.T, other @ (unit + y.T @ y / count) @ other.T]
        cross = turn @ (np.diag(self.rho) + x.T @ y / count) @ other.T
        n = 1e7  # so many that no bias is left
        width = self.scenario.channels
        empty = moments.empty(dict.fromkeys(PAIR, width), [PAIR])
        second = {("x", "x"): own[0], ("y", "y"): own[1], PAIR: cross}
        cells = {
            names: cell._replace(
                second=jnp.asarray(n * second[names], jnp.float32),
                quartic=jnp.asarray(n * np.trace(second[names[0], names[0]]) ** 2, jnp.float32),
            )
            for names, cell in empty.cross.items()
        }
        pair = moment_pairs(empty._replace(n=jnp.asarray(n, jnp.float32), cross=cells))[PAIR]
        return {name: float(value) for name, value in _values(pair).items()}


def _values(pair: MomentPair) -> dict[str, Float[Array, ""]]:
    return {name: measure(pair).value for name, measure in measures().items()}


@jax.jit
def gathered(x: Float[Array, "n p d"], y: Float[Array, "n p d"]) -> tuple[Moments, Moments]:
    """The moments of each block of images, stacked, and of mismatched images."""
    other, width = moments.mismatched("y"), x.shape[-1]
    views = {"x": x.reshape(BLOCKS, -1, width), "y": y.reshape(BLOCKS, -1, width)}
    nothing = moments.empty(dict.fromkeys(PAIR, width), [PAIR])
    blocks = jax.vmap(partial(moments.added, nothing))(views)
    mismatched = {"x": x.reshape(-1, width), other: jnp.roll(y, 1, axis=0).reshape(-1, width)}
    nothing = moments.empty(dict.fromkeys(mismatched, width), [("x", other)], own=False)
    return blocks, moments.added(nothing, mismatched)


@jax.jit
def all_of(blocks: Moments, mismatched: Moments):
    """What the full protocol computes, and the values of halves of the blocks."""
    names = tuple(measures())
    return *jackknifed(blocks, mismatched, names), replicates(blocks, jnp.asarray(HALVES), names)


def simulate(scenario: Scenario, trials: int, seed: int = 0) -> None:
    """Prints a row for each measure, and for each way to correct it."""
    rng = np.random.default_rng(seed)
    population = Population(scenario, rng)
    found: dict[tuple[str, str], list[tuple[float, float, float]]] = defaultdict(list)
    for _ in range(trials):
        everything = jax.device_get(all_of(*gathered(*population.draw(rng))))
        measured, chance, left_out, halves = (each[PAIR] for each in everything)
        for name in measures():
            whole, replicate = float(measured[name].value), left_out[name]
            low, high = interval(whole, replicate) or (np.nan, np.nan)
            found[name, "as it is"].append((whole, low, high))
            for way, moved in (
                ("jackknife", (BLOCKS - 1) * (whole - replicate.mean())),
                ("halves", whole - halves[name].mean()),
            ):
                found[name, way].append((whole + moved, low + moved, high + moved))
            if without_bias := corrected(name, measured[name], replicate, float(chance[name].value)):
                found[name, "corrected"].append(without_bias)
    truths = population.values()
    kind = f"{scenario.images} x {scenario.positions} | {scenario.alike} | {scenario.common}"
    for name in measures():
        truth, cells = truths[name], []
        for way in WAYS:
            value, low, high = np.transpose(found[name, way] or [(np.nan,) * 3])
            of_mean, of_truth = (np.mean((low <= true) & (true <= high)) for true in (value.mean(), truth))
            if way == "as it is":
                cells += [f"{value.mean():.3f}", f"{of_mean:.2f}", f"{of_truth:.2f}"]
            else:
                cells += [f"{value.mean():.3f} ({of_truth:.2f})" if found[name, way] else ""]
        print(f"| {kind} | {name} | {truth:.3f} | {' | '.join(cells)} |", flush=True)


def main() -> None:
    """Prints the table in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trials", type=int, default=200)
    parser.add_argument("--scenario", type=int, nargs="*", help=f"0 to {len(SCENARIOS) - 1}; default: all")
    arguments = parser.parse_args()
    columns = [
        "images x positions",
        "alike",
        "common",
        "measure",
        "population",
        "estimate",
        "covers: mean",
        "population",
    ]
    columns += [f"{way} (covers)" for way in WAYS[1:]]
    print(f"{arguments.trials} trials\n\n| {' | '.join(columns)} |\n{'|---' * len(columns)}|")
    for number in arguments.scenario or range(len(SCENARIOS)):
        simulate(SCENARIOS[number], arguments.trials)


if __name__ == "__main__":
    main()
