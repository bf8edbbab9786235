"""Prepares matplotlib's SVG for a page that contains many figures."""

import re
import xml.etree.ElementTree as ElementTree

_NAMESPACES = {"": "http://www.w3.org/2000/svg", "xlink": "http://www.w3.org/1999/xlink"}
_SVG = f"{{{_NAMESPACES['']}}}"
_DIGITS = re.compile(r"(\.\d\d)\d+")  # a hundredth of a point is enough, and halves the page
_NUMBERS = ("d", "points", "x", "y", "width", "height", "transform", "style")

for _prefix, _uri in _NAMESPACES.items():
    ElementTree.register_namespace(_prefix, _uri)


def for_page(svg: str, name: str, caption: str) -> str:
    """Returns an `<svg>` element to put into HTML.

    Matplotlib numbers the groups of every figure from one, but an identifier must be unique in a page, so those of
    groups are removed. Clip paths and markers have unique identifiers if `svg.hashsalt` differs by figure. The size is
    left to the style sheet, as `--width` in inches.

    Args:
        svg: a file as matplotlib writes it.
        name: of the figure, unique in the page.
        caption: read aloud by screen readers.
    """
    root = ElementTree.fromstring(svg)
    for node in root.iter():
        if node.tag == f"{_SVG}g":
            node.attrib.pop("id", None)
        for key in _NUMBERS:
            if key in node.attrib:
                node.set(key, _DIGITS.sub(r"\1", " ".join(node.attrib[key].split())))
        node.tail = None
        if node.tag != f"{_SVG}text" and not (node.text or "").strip():
            node.text = None
    _, _, width, height = root.get("viewBox", "").split()
    for key in ("width", "height", "version", "id"):
        root.attrib.pop(key, None)
    root.set("viewBox", f"0 0 {float(width):.2f} {float(height):.2f}")
    root.set("style", f"--width:{float(width) / 72:.2f}")
    root.set("role", "img")
    root.set("aria-labelledby", f"{name}-label")
    title = ElementTree.Element(f"{_SVG}title", {"id": f"{name}-label"})
    title.text = caption
    root.insert(0, title)
    return ElementTree.tostring(root, encoding="unicode")
