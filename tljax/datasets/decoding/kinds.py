"""Names the kind of a file that is not read, by its first bytes, so that its owner knows what it is."""

import codecs
import contextlib

from tljax.datasets.decoding.codestreams import JPEG_LS, read_jpeg_header
from tljax.datasets.decoding.errors import BadImage

VOLUME = "save its slices as PNG or DICOM"
IMAGE = "save it as PNG or JPEG"
UNPACK = "unpack it"
DOWNLOAD = "download the image itself"

KINDS: tuple[tuple[int, bytes, str, str], ...] = (
    # the place of the bytes, the bytes, what such a file is, what to do
    (344, b"n+1\0", "a NIfTI volume", VOLUME),
    (344, b"ni1\0", "a NIfTI volume", VOLUME),
    (0, b"NRRD", "an NRRD volume", VOLUME),
    (0, b"ObjectType", "a MetaImage volume", VOLUME),
    (0, b"\x93NUMPY", "a NumPy array", VOLUME),
    (0, b"\x89HDF\r\n\x1a\n", "an HDF5 file", VOLUME),
    (4, b"ftyphei", "an HEIF image", IMAGE),
    (4, b"ftypmif1", "an HEIF image", IMAGE),
    (4, b"ftypavi", "an AVIF image", IMAGE),
    (4, b"JXL ", "a JPEG XL image", IMAGE),
    (0, b"\xff\x0a", "a JPEG XL image", IMAGE),
    (0, b"II\xbc\x01", "a JPEG XR image", IMAGE),
    (0, b"8BPS", "a Photoshop file", IMAGE),
    (0, b"v/1\x01", "an OpenEXR image", IMAGE),
    (0, b"\0\0\x01\0", "an icon", IMAGE),
    (0, b"gimp xcf", "a GIMP file", IMAGE),
    (0, b"<svg", "an SVG drawing", IMAGE),
    (0, b"%!PS", "a PostScript file", IMAGE),
    *((0, b"P%d" % kind, "a PNM image", IMAGE) for kind in range(1, 8)),
    (0, b"%PDF", "a PDF document", IMAGE),
    (0, b"PK\x03\x04", "a zip archive", UNPACK),
    (0, b"\x1f\x8b", "a gzip archive", UNPACK),
    (257, b"ustar", "a tar archive", UNPACK),
    (0, b"Rar!", "a RAR archive", UNPACK),
    (0, b"7z\xbc\xaf\x27\x1c", "a 7z archive", UNPACK),
    (0, b"version https://git-lfs", "a Git LFS pointer to an image", "`git lfs pull` brings the image"),
    (0, b"<!doctype html", "a web page", DOWNLOAD),
    (0, b"<html", "a web page", DOWNLOAD),
)
JPEG, TIFF = b"\xff\xd8\xff", (b"II*\0", b"MM\0*", b"II+\0")
IMAGES = (JPEG, *TIFF, b"\x89PNG", b"GIF8", b"BM", b"RIFF", b"\0\0\0\x0cjP", b"\xff\x4f\xff\x51")


def describe_unread(content: bytes) -> str:
    """Returns why a file that no decoder opens is not read, and what to do."""
    text = content[:512].removeprefix(codecs.BOM_UTF8).lstrip().lower()
    for place, mark, name, advice in KINDS:
        if content[place : place + len(mark)] == mark or (mark[:1] == b"<" and text.startswith(mark)):
            return f"is {name}, which is not read; {advice}"
    if content.startswith(JPEG):
        with contextlib.suppress(BadImage):
            header = read_jpeg_header(content)
            if header.process == JPEG_LS:
                return f"is a JPEG-LS image, which is not read outside DICOM; {IMAGE}"
            if header.bits != 8:
                return f"is a JPEG of {header.bits} bits, which is not read; save it as PNG"
    if content.startswith(IMAGES):
        return "is corrupt or truncated (no decoder opens it)"
    if not content.strip(b"\0"):
        return "holds nothing but zeros; copy or download it again"
    return "is not an image that Pillow or pydicom can read"
