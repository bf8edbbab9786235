"""Full mammograms (CBIS-DDSM), one row per finding: an image with two findings appears twice, as in the paper.

`BENIGN_WITHOUT_CALLBACK` is benign. The images are TCIA's DICOM files. For a view without one, a PNG or JPEG file is
read: in a folder named after the series, as in Kaggle's copy, or named after the first folder of its path.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path

from tljax.core.errors import UserError
from tljax.datasets.dataset import Card, Example
from tljax.datasets.listing import list_files, without_copies
from tljax.datasets.tables import read_table

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
    dicom, pictures = _images(files, (".dcm",)), _images(files, (".png", ".jpg"))
    tables = {path.name: path for path in without_copies(path for path in files if path.name in TABLES)}
    seen: Counter[str] = Counter()
    for name in TABLES:
        table = tables.get(name, archive / name)
        for line, row in read_table(table, ("patient_id", "pathology", "image file path")):
            place = row["image file path"].split("/")  # view, study, series, file
            view, series = place[0], place[-2:][0]
            if row["pathology"] not in CLASS_OF:
                raise UserError(f"{table}, line {line}: {view} has the unknown pathology {row['pathology']!r}")
            match dicom[view] or dicom[series] or pictures[view] or pictures[series]:
                case [path]:
                    seen[view] += 1
                    finding = f"#{seen[view]}" if seen[view] > 1 else ""
                    yield Example(f"{view}{path.suffix}{finding}", CLASS_OF[row["pathology"]], path, row["patient_id"])
                case []:
                    raise UserError(
                        f"{table}, line {line}, names {view}, but there is no image of that name, nor one in a folder "
                        f"{view} or {series}"
                    )
                case several:
                    raise UserError(
                        f"{view} has {len(several)} images, e.g. {several[0]} and {several[1]}; keep the complete one"
                    )


def _images(files: list[Path], suffixes: tuple[str, ...]) -> defaultdict[str, list[Path]]:
    """Returns the images of some suffixes by every name that may refer to them: the file and each folder above it."""
    images = defaultdict(list)
    for path in files:
        if path.suffix.lower() in suffixes:
            for name in {path.stem, *(folder.name for folder in path.parents)}:
                images[name].append(path)
    return images
