"""One result of a comparison: a measure of two layers, what its interval covers and why it may be unreliable."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from tljax.core.measures import COVERS
from tljax.similarity import modules
from tljax.similarity.independent import level
from tljax.similarity.results import Corrected
from tljax.similarity.views import Measurement

FEW_BLOCKS = {1: "one block", 2: "two blocks"}
CHANCE_WITHIN = "chance within patients"


@dataclass(frozen=True)
class Row:
    """One measure of two layers. An undefined value is None; `flag` states why."""

    model1: str
    model2: str
    protocol: str
    measure: str
    layer1: str
    layer2: str
    value: float | None  # 0..1; debiased CKA can be negative
    low: float | None  # of the 95 % interval: over blocks of images or patients (full), over the repeats (paper)
    high: float | None
    chance: float | None  # the measure of mismatched pairs: an image in model1, one of another patient in model2
    n: int  # samples
    rank1: int
    rank2: int
    condition1: float
    condition2: float
    flag: str  # why the value is less reliable than it seems; see `flags`
    pool: str
    excess: float | None  # value above chance
    independent: float | None  # the value of independent Gaussian samples, where a formula exists
    covers: str = ""  # what `low` to `high` covers, see `covered`; empty if there is no interval
    corrected: float | None = None  # the value without the bias of few samples, if the measure has a correction
    corrected_low: float | None = None  # of its 95 % interval, which covers the value for all images
    corrected_high: float | None = None

    @property
    def models(self) -> str:
        """The names of both networks."""
        return f"{self.model1} – {self.model2}"

    @property
    def layers(self) -> str:
        """The name of the layer, or both names where they differ."""
        return self.layer1 if self.layer1 == self.layer2 else f"{self.layer1} – {self.layer2}"

    @classmethod
    def of(
        cls,
        models: tuple[str, str],
        layers: tuple[str, str],
        measured: Measurement,
        *,
        measure: str,
        protocol: str,
        pool: str,
        interval: tuple[float, float] | None,
        chance: float,
        blocks: int | None = None,
        other_patient: bool = True,
        without_bias: Corrected | None = None,
    ) -> "Row":
        """Makes a row of a measurement.

        Args:
            interval: of the value; it is cut to the values that the measure can take.
            chance: the measure of mismatched pairs.
            blocks: the number of blocks from which the interval was computed; None for other intervals.
            other_patient: whether all mismatched pairs are of two different patients.
            without_bias: the value without the bias of few samples, if the measure has a correction.
        """
        n, rank1, rank2 = int(measured.n), int(measured.rank1), int(measured.rank2)
        constant = min(rank1, rank2) == 0
        value = None if constant else float(measured.value)
        lowest = getattr(modules()[measure], "LOWEST", 0.0)
        low, high = (float(np.clip(end, lowest, 1)) for end in interval) if interval and not constant else (None, None)
        unbiased = None if constant else without_bias
        return cls(
            model1=models[0],
            model2=models[1],
            protocol=protocol,
            measure=measure,
            layer1=layers[0],
            layer2=layers[1],
            value=value,
            low=low,
            high=high,
            chance=None if constant else chance,
            n=n,
            rank1=rank1,
            rank2=rank2,
            condition1=float(measured.condition1),
            condition2=float(measured.condition2),
            flag=flags(measured, blocks, other_patient),
            pool=pool,
            excess=None if value is None else value - chance,
            independent=level(measure, n, rank1, rank2),
            covers=covered(measure, protocol) if low is not None else "",
            corrected=unbiased and unbiased.value,
            corrected_low=unbiased and unbiased.low,
            corrected_high=unbiased and unbiased.high,
        )


def covered(measure: str, protocol: str) -> str:
    """Returns what the interval of a measure covers: a key of `COVERS`.

    `benchmarks/similarity_intervals.py` measures how often it does.
    """
    if protocol == "paper":
        return "draws"
    return "all images" if getattr(modules()[measure], "UNBIASED", False) else "this n"


def coverage_notes(rows: Iterable[Row]) -> list[str]:
    """Returns a sentence for each kind of interval: which measures have it, and what it covers."""
    measures: dict[str, dict[str, None]] = {}
    for row in rows:
        if row.covers:
            measures.setdefault(row.covers, {})[row.measure] = None
    return [f"95 % intervals of {', '.join(of)}: {COVERS[what]}." for what, of in measures.items()]


def flags(measured: Measurement, blocks: int | None = None, other_patient: bool = True) -> str:
    """Returns why a value, its interval or its chance level is unreliable; several reasons are joined by "; ".

    constant: no channel of one side varies, so there is no value. too few samples: any two representations would look
    similar. partly 1 by arithmetic: some canonical correlations are 1 because n <= rank1 + rank2. one block: there is
    no interval. two blocks: the interval is very wide. chance within patients: one patient has more than half of the
    images, so that some mismatched pairs are of one patient and `chance` is too high.
    """
    if min(int(measured.rank1), int(measured.rank2)) == 0:
        return "constant"
    found = []
    if not measured.enough:
        found.append("too few samples")
    elif measured.forced:
        found.append("partly 1 by arithmetic")
    if blocks in FEW_BLOCKS:
        found.append(FEW_BLOCKS[blocks])
    if not other_patient:
        found.append(CHANCE_WITHIN)
    return "; ".join(found)
