"""Full mammograms (CBIS-DDSM), a row for each finding: an image with two findings is there twice, as in the paper.

`BENIGN_WITHOUT_CALLBACK` is benign. The images are TCIA's DICOM tree, or PNG files named after its first folder.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path

from tljax.datasets.common.archive import list_files
from tljax.datasets.common.base import Card, Example
from tljax.datasets.common.tables import read_table
from tljax.errors import UserError

CARD = Card(
    name="mammograms",
    title="Masses and calcifications in mammograms (CBIS-DDSM)",
    classes=("BENIGN", "MALIGNANT"),
    images=3568,
    image_size=224,
    batch_size=128,
    flip=True,
    grouped_by="patient",
    licence="CC BY 3.0; cite Lee et al. 2017, doi:10.1038/sdata.2017.177",
    source="https://www.cancerimagingarchive.net/collection/cbis-ddsm",
)

TABLES = tuple(f"{kind}_case_description_{part}_set.csv" for kind in ("calc", "mass") for part in ("train", "test"))
CLASS_OF = {"BENIGN": "BENIGN", "BENIGN_WITHOUT_CALLBACK": "BENIGN", "MALIGNANT": "MALIGNANT"}


def examples(archive: Path) -> Iterator[Example]:
    files = list_files(archive)
    images, tables = _images(files), {path.name: path for path in files if path.suffix.lower() == ".csv"}
    seen: Counter[str] = Counter()
    for name in TABLES:
        table = tables.get(name, archive / name)
        for line, row in read_table(table, ("patient_id", "pathology", "image file path")):
            view = row["image file path"].split("/")[0]
            if row["pathology"] not in CLASS_OF:
                raise UserError(f"{table}, line {line}: {view} has the unknown pathology {row['pathology']!r}")
            match images[view]:
                case [path]:
                    seen[view] += 1
                    finding = f"#{seen[view]}" if seen[view] > 1 else ""
                    yield Example(f"{view}{path.suffix}{finding}", CLASS_OF[row["pathology"]], path, row["patient_id"])
                case []:
                    raise UserError(
                        f"{table}, line {line}, names {view}, but there is no {view}.png and no DICOM file in {view}/"
                    )
                case several:
                    raise UserError(
                        f"{view} has {len(several)} images, as {several[0]} and {several[1]}; keep the whole one"
                    )


def _images(files: list[Path]) -> defaultdict[str, list[Path]]:
    """The images of each view: a PNG by its stem, a DICOM file by every folder above it."""
    images = defaultdict(list)
    for path in files:
        if path.suffix.lower() == ".png":
            images[path.stem].append(path)
        elif path.suffix.lower() == ".dcm":
            for folder in path.parents:
                images[folder.name].append(path)
    return images
