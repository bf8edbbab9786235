"""Miniature archives in exactly the official layouts: names, folders, CSV columns, XML, DICOM and HDF5 keys."""

import csv
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import h5py
import numpy as np
import pydicom
from PIL import Image
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, SecondaryCaptureImageStorage, generate_uid

SIDE = 20


def pixels(seed: int, shape: tuple[int, ...] = (SIDE, SIDE)) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, shape, np.uint8)


def write_images(paths: Iterable[Path], shape: tuple[int, ...] = (SIDE, SIDE)) -> None:
    """An image of noise at every path, each another; the format follows the suffix."""
    for seed, path in enumerate(paths):
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels(seed, shape)).save(path)


def write_csv(path: Path, header: Sequence[str], rows: Iterable[Sequence]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([header, *rows] if header else rows)


def write_dicom(path: Path, array: np.ndarray, **tags) -> None:
    """A DICOM file that holds `array` (`h w`, or `frames h w`) and any further `tags`."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = SecondaryCaptureImageStorage
    meta.MediaStorageSOPInstanceUID = generate_uid()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    image = FileDataset(str(path), {}, file_meta=meta, preamble=b"\0" * 128)
    image.SOPClassUID, image.SOPInstanceUID = meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID
    image.PhotometricInterpretation, image.SamplesPerPixel = "MONOCHROME2", 1
    image.Rows, image.Columns = array.shape[-2:]
    image.BitsAllocated = image.BitsStored = 8 * array.itemsize
    image.HighBit, image.PixelRepresentation = image.BitsStored - 1, int(array.dtype.kind == "i")
    if array.ndim == 3:
        image.NumberOfFrames = len(array)
    image.PixelData = array.tobytes()
    for name, value in tags.items():
        setattr(image, name, value)
    path.parent.mkdir(parents=True, exist_ok=True)
    pydicom.dcmwrite(path, image)


def kinds(count: int, of: int) -> list[int]:
    """As many of each kind, in an order that no fold rule is in step with."""
    return np.random.default_rng(0).permutation(np.arange(count) % of).tolist()


def breast(root: Path) -> Path:
    folder = root / "Dataset_BUSI_with_GT"
    for label, count in {"benign": 30, "malignant": 26, "normal": 9}.items():
        names = [f"{label} ({number})" for number in range(1, count + 1)]
        write_images(folder / label / f"{name}.png" for name in names)
        write_images([folder / label / f"{names[0]}_mask.png", folder / label / f"{names[0]}_mask_1.png"])
    return root


def thyroid(root: Path) -> Path:
    """Sixty patients, fifteen each of grade 4a, 2, none and 5; every third has two images."""
    root.mkdir(exist_ok=True)
    grades = ("<tirads>4a</tirads>", "<tirads>2</tirads>", "<tirads />", "<tirads>5</tirads>")
    for patient, kind in enumerate(kinds(60, 4), 1):
        (root / f"{patient}.xml").write_text(f"<case><number>{patient}</number>{grades[kind]}<mark></mark></case>")
        write_images(root / f"{patient}_{image}.jpg" for image in range(1, 3 if patient % 3 == 0 else 2))
    return root


def chest(root: Path) -> Path:
    folder = root / "chest_xray"
    for number, part in enumerate(["train"] * 20 + ["val"] * 4 + ["test"] * 8, 1):
        kind = "bacteria" if number % 2 else "virus"
        write_images(
            folder / part / "PNEUMONIA" / f"person{number}_{kind}_{2 * number + image}.jpeg" for image in (0, 1)
        )
        prefix = "NORMAL2-" if number % 2 else ""
        write_images([folder / part / "NORMAL" / f"{prefix}IM-{number:04d}-0001.jpeg"])
    return root


CBIS_COLUMNS = ("patient_id", "image view", "abnormality id", "pathology", "image file path", "cropped image file path")


def _mammogram_views(root: Path) -> list[str]:
    """Writes the four tables and returns the views; every fifth has two findings."""
    views = []
    for table, kind in enumerate(("calc_train", "calc_test", "mass_train", "mass_test")):
        name, part = kind.split("_")
        rows = []
        for patient in range(10):
            view = f"{name.title()}-{'Training' if part == 'train' else 'Test'}_P_{10 * table + patient:05d}_LEFT_CC"
            pathology = ("MALIGNANT", "BENIGN", "BENIGN_WITHOUT_CALLBACK")[patient % 3]
            for finding in range(2 if patient % 5 == 0 else 1):
                place = f"{view}/1.3.6.1.4.1.9590.100.1/1.3.6.1.4.1.9590.100.2/000000.dcm"
                crop = f"{view}_{finding + 1}/1.3.6/1.3.7/000000.dcm\n"
                rows.append((f"P_{10 * table + patient:05d}", "CC", finding + 1, pathology, place, crop))
            views.append(view)
        write_csv(root / f"{name}_case_description_{part}_set.csv", CBIS_COLUMNS, rows)
    return views


def mammograms_png(root: Path) -> Path:
    write_images(root / "images" / f"{view}.png" for view in _mammogram_views(root))
    return root


def mammograms_dicom(root: Path) -> Path:
    """As the NBIA Data Retriever leaves it: findings in folders of their own, each a crop and a mask."""
    tree = root / "manifest-ZkhPvrLo5216730872708713142"
    for seed, view in enumerate(_mammogram_views(root)):
        folder = tree / "CBIS-DDSM" / view / "08-07-2016-DDSM-NA-96009" / "1.000000-full mammogram images-63992"
        write_dicom(folder / "1-1.dcm", pixels(seed).astype(np.uint16) * 200, WindowCenter=25000, WindowWidth=40000)
        finding = tree / "CBIS-DDSM" / f"{view}_1" / "08-07-2016-DDSM-NA-38515" / "1.000000-ROI mask images-50682"
        write_dicom(finding / "1-1.dcm", pixels(seed, (8, 8)))
        write_dicom(finding / "1-2.dcm", pixels(seed))
    write_csv(tree / "metadata.csv", ("Series UID", "Collection"), [("1.3.6.1", "CBIS-DDSM")])
    (tree / "LICENSE").write_text("CC BY 3.0")
    return root


def _knee_tables(root: Path) -> list[tuple[str, str, int]]:
    """Writes the six tables; returns (part, patient, kind): 0 acl, 1 meniscus, 2 normal, 3 otherwise abnormal."""
    names = [("train", f"{number:04d}") for number in range(96)] + [("valid", f"{1130 + n:04d}") for n in range(24)]
    patients = [(part, name, kind) for (part, name), kind in zip(names, kinds(120, 4), strict=True)]
    for part in ("train", "valid"):
        own = [(patient, kind) for where, patient, kind in patients if where == part]
        write_csv(root / f"{part}-acl.csv", (), [(patient, int(kind == 0)) for patient, kind in own])
        write_csv(root / f"{part}-meniscus.csv", (), [(patient, int(kind == 1)) for patient, kind in own])
        write_csv(root / f"{part}-abnormal.csv", (), [(patient, int(kind != 2)) for patient, kind in own])
    return patients


def knee_volumes(root: Path) -> Path:
    root = root / "MRNet-v1.0"
    for seed, (part, patient, _) in enumerate(_knee_tables(root)):
        path = root / part / "sagittal" / f"{patient}.npy"
        path.parent.mkdir(parents=True, exist_ok=True)
        np.save(path, pixels(seed, (9, SIDE, SIDE)))
    return root


def knee_slices(root: Path) -> Path:
    for _, patient, kind in _knee_tables(root):
        folder = root / "images" / ("meniscus" if kind else "acl")
        write_images(folder / f"{patient}_sagittal_{slice}.000000.png" for slice in (11, 12))
    return root


ISIC_CLASSES = ("MEL", "NV", "BCC", "AKIEC", "BKL", "DF", "VASC")


def isic(root: Path) -> Path:
    labels = ["NV"] * 30 + [label for label in ISIC_CLASSES for _ in range(12)]
    names = [f"ISIC_{24306 + number:07d}" for number in range(len(labels))]
    write_images((root / "ISIC2018_Task3_Training_Input" / f"{name}.jpg" for name in names), (SIDE, SIDE, 3))
    truth = root / "ISIC2018_Task3_Training_GroundTruth" / "ISIC2018_Task3_Training_GroundTruth.csv"
    marks = [[f"{float(label == other)}" for other in ISIC_CLASSES] for label in labels]
    write_csv(truth, ("image", *ISIC_CLASSES), [(name, *mark) for name, mark in zip(names, marks, strict=True)])
    return root


def isic_with_lesions(root: Path) -> Path:
    names = [path.stem for path in sorted(isic(root).rglob("*.jpg"))]
    rows = [(f"HAM_{number // 2:07d}", name, "nv") for number, name in enumerate(names)]
    write_csv(root / "HAM10000_metadata.csv", ("lesion_id", "image_id", "dx"), rows)
    return root


def pcam(root: Path) -> Path:
    root.mkdir(exist_ok=True)
    for seed, (split, count) in enumerate({"train": 60, "valid": 12, "test": 12}.items()):
        with h5py.File(root / f"camelyonpatch_level_2_split_{split}_x.h5", "w") as file:
            file["x"] = pixels(seed, (count, SIDE, SIDE, 3))
        with h5py.File(root / f"camelyonpatch_level_2_split_{split}_y.h5", "w") as file:
            file["y"] = (np.arange(count, dtype=np.uint8) % 2).reshape(-1, 1, 1, 1)
    return root


def kimia(root: Path) -> Path:
    counts = {letter: 26 if letter == "A" else 12 for letter in "ABCDEFGHIJKLMNOPQRST"}
    names = [f"{letter}{number}" for letter, count in counts.items() for number in range(1, count + 1)]
    write_images((root / "kimia_path_960" / f"{name}.tif" for name in names), (SIDE, SIDE, 3))
    return root


def medmnist(root: Path) -> Path:
    root.mkdir(exist_ok=True)
    arrays = {}
    for seed, (split, count) in enumerate({"train": 40, "val": 10, "test": 20}.items()):
        arrays[f"{split}_images"] = pixels(seed, (count, 28, 28))
        arrays[f"{split}_labels"] = (np.arange(count, dtype=np.uint8) % 2)[:, None]
    np.savez(root / "breastmnist.npz", **arrays)
    return root / "breastmnist.npz"


def folder(root: Path) -> Path:
    for label in ("cat", "dog"):
        write_images(root / label / f"{number}.png" for number in range(30))
    return root


def folder_inner(root: Path) -> Path:
    for hospital in ("hospital A", "hospital B"):
        for label in ("cat", "dog"):
            write_images(root / hospital / label / f"{hospital} {number}.png" for number in range(15))
    return root


def folder_outer(root: Path) -> Path:
    for label in ("cat", "dog"):
        for visit in ("first", "second"):
            write_images(root / label / visit / f"{label} {number}.png" for number in range(15))
    return root


ARCHIVES: dict[str, tuple[str, Callable[[Path], Path]]] = {
    "breast": ("breast", breast),
    "chest": ("chest", chest),
    "folder": ("folder", folder),
    "folder-inner": ("folder-inner", folder_inner),
    "folder-outer": ("folder-outer", folder_outer),
    "isic": ("isic", isic),
    "isic with lesions": ("isic", isic_with_lesions),
    "kimia": ("kimia", kimia),
    "knee volumes": ("knee", knee_volumes),
    "knee slices": ("knee", knee_slices),
    "mammograms dicom": ("mammograms", mammograms_dicom),
    "mammograms png": ("mammograms", mammograms_png),
    "medmnist": ("medmnist", medmnist),
    "pcam-middle": ("pcam-middle", pcam),
    "pcam-small": ("pcam-small", pcam),
    "rad_thyroid": ("rad_thyroid", thyroid),
    "thyroid": ("thyroid", thyroid),
}
