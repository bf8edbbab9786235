"""A user's own images: tables written in many ways, folders nested and named in many ways."""

import unicodedata
from pathlib import Path

import numpy as np
import pytest
from archives import pixels, write_dicom, write_images

from tljax import datasets
from tljax.datasets import Example
from tljax.datasets.tasks import folder as task


@pytest.fixture
def own(tmp_path) -> Path:
    root = tmp_path / "own images"
    write_images([root / "Tumor" / "Müller 1.PNG", root / "scans" / "b.jpeg", root / "c.tif"])
    return root


def write_table(root: Path, text: str, encoding: str = "utf-8") -> None:
    (root / "labels.csv").write_bytes(text.format(root=root).encode(encoding))


def labels(root: Path) -> dict[str, str]:
    return {example.file: example.label for example in task.examples(root)}


NAMED = {"Tumor/Müller 1.PNG": "1", "scans/b.jpeg": "0", "c.tif": "0"}
TABLES = {
    "plain": "file,label\nTumor/Müller 1.PNG,1\nscans/b.jpeg,0\nc.tif,0\n",
    "semicolons": "file;label\nTumor/Müller 1.PNG;1\nscans/b.jpeg;0\nc.tif;0\n",
    "tabs and CRLF": "file\tlabel\r\nTumor/Müller 1.PNG\t1\r\nscans/b.jpeg\t0\r\nc.tif\t0\r\n",
    "quotes, spaces, an index": '"","file","label"\n0,"Tumor/Müller 1.PNG","1"\n1,scans/b.jpeg,0\n2, c.tif,0\n\n',
    "backslashes and dots": "file,label\n.\\Tumor\\Müller 1.PNG,1\n./scans/b.jpeg,0\n.//c.tif,0\n",
    "capitals": "FILE,Label\nTumor/Müller 1.PNG,1\nscans/b.jpeg,0\nc.tif,0\n",
    "rows of commas": "file,label,\nTumor/Müller 1.PNG,1,\n,,\nscans/b.jpeg,0,\nc.tif,0,\n,,,,\n , ,\n,\n",
    "absolute": "file,label\n{root}/Tumor/Müller 1.PNG,1\n{root}/scans/b.jpeg,0\n{root}/c.tif,0\n",
    "accents in two letters": unicodedata.normalize(
        "NFD", "file,label\nTumor/Müller 1.PNG,1\nscans/b.jpeg,0\nc.tif,0\n"
    ),
}


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("kind", TABLES)
def test_a_table_may_be_written_in_many_ways(own, kind):
    write_table(own, TABLES[kind])
    assert labels(own) == NAMED


def test_a_table_may_begin_with_a_byte_order_mark_as_excel_writes_it(own):
    write_table(own, TABLES["semicolons"], "utf-8-sig")
    assert labels(own) == NAMED


@pytest.mark.parametrize("column", ["patient", "Patient", "patient_id", "Patient ID", "PatientID"])
def test_the_case_of_the_table_and_of_its_columns_does_not_matter(own, column, capsys):
    table = f"file,label,{column}\nTumor/Müller 1.PNG,1,p\nscans/b.jpeg,0,q\nc.tif,0,q\n"
    (own / "Labels.CSV").write_text(table, encoding="utf-8")
    assert [example.patient for example in task.examples(own)] == ["p", "q", "q"]
    assert capsys.readouterr().err == ""


def test_a_column_that_may_hold_the_patients_is_warned_of(own, capsys):
    write_table(own, "file,label,patient_no\nTumor/Müller 1.PNG,1,1\nscans/b.jpeg,0,2\nc.tif,0,2\n")
    assert all(example.patient is None for example in task.examples(own))
    assert (
        "WARNING: labels.csv: the column patient_no is not read; if it holds the patients, name it patient"
        in capsys.readouterr().err
    )


def test_parts_of_a_split_may_have_their_usual_names(tmp_path):
    for part in ("Training", "valid", "TEST"):
        write_images(tmp_path / part / label / "0.png" for label in ("cat", "dog"))
    assert {example.split for example in task.examples(tmp_path)} == {"train", "val", "test"}
    lines = [
        "file,label,split",
        *(f"{p}/{c}/0.png,{c},{p}" for p in ("Training", "valid", "TEST") for c in ("cat", "dog")),
    ]
    write_table(tmp_path, "\n".join(lines))
    assert {example.split for example in task.examples(tmp_path)} == {"train", "val", "test"}


def test_folders_inside_a_class_are_not_interpreted_as_patients_and_a_warning_says_so(tmp_path, capsys):
    write_images(tmp_path / label / f"patient {n} {label}" / "0.png" for label in ("cat", "dog") for n in range(2))
    found = list(task.examples(tmp_path))
    assert {(example.label, example.patient) for example in found} == {("cat", None), ("dog", None)}
    assert "Folders inside or around the folder of a class are not taken for patients" in capsys.readouterr().err


def test_files_that_are_not_images_are_left_out_with_a_message(tmp_path, capsys):
    write_images(tmp_path / label / "0.png" for label in ("cat", "dog"))
    for name in ("report.docx", "scan.NII", "other.nii"):
        (tmp_path / "cat" / name).touch()
    assert len(list(task.examples(tmp_path))) == 2
    said = capsys.readouterr().err
    assert "3 files are not images and are left out (2 .nii, 1 .docx), e.g. cat/other.nii" in said
    assert "WARNING: images of these kinds are not read: 2 .nii; save them as PNG" in said


def test_jfif_and_webp_are_images(tmp_path):
    write_images(tmp_path / label / name for label in ("cat", "dog") for name in ("0.jfif", "1.webp", "2.JFIF"))
    dataset = datasets.load("folder", tmp_path, 16, cache_dir=tmp_path.with_suffix(".cache"), progress=False)
    assert len(dataset) == 6 and not dataset.skipped


def test_dicom_without_suffix_is_an_image_but_the_index_of_a_medium_is_not(tmp_path):
    write_images([tmp_path / "dog" / "0.png"])
    for name in ("IM00001", "1.2.840.113", "DICOMDIR"):
        write_dicom(tmp_path / "cat" / name, pixels(0).astype(np.uint16))
    files: list[Example] = list(task.examples(tmp_path))
    assert sorted(example.file for example in files) == ["cat/1.2.840.113", "cat/IM00001", "dog/0.png"]
