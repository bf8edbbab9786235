"""The whole report: one self-contained page that names what is missing and is displayed correctly by a browser."""

import csv
import json
import re
import shutil
import subprocess
import sys
import tarfile
import xml.etree.ElementTree as ElementTree
from html import escape
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from workdirs import CLASSES, write_run

from tljax.core import runs
from tljax.core.files import write_csv
from tljax.core.paper import LAYERS
from tljax.report import write_report
from tljax.report.sections import find_sections

MARKUP_TASK = "t'<script>alert(1)<&$_{}%"
MARKUP_CLASSES = ('<img src=x onerror="alert(2)">', r"50% \end{table} $x_1$", "größer 日本")


@pytest.fixture(scope="module")
def workdir(tmp_path_factory):
    """Finished, unfinished and corrupt runs, two tasks (one with markup in its names), tables and arrays."""
    folder = tmp_path_factory.mktemp("study")
    for fold in (1, 2):
        for init, signal in (("imagenet", 2.0), ("random", 0.3)):
            write_run(folder, "breast", init, fold=fold, signal=signal)
        write_run(folder, MARKUP_TASK, fold=fold, classes=MARKUP_CLASSES, prefix='<b>"&')
    write_run(folder, "breast", "radimagenet", finished=False)
    (write_run(folder, "breast", "radimagenet", fold=2) / runs.RESULT).write_text("{")
    rows = [
        ["breast", "imagenet-nofreeze", "imagenet", fold, "paper", "cca", first, second, 0.9 - 0.1 * i, 0.07]
        for fold in (1, 2)
        for i, first in enumerate(LAYERS)
        for second in LAYERS
    ]
    header = ["task", "model1", "model2", "fold", "protocol", "measure", "layer1", "layer2", "value", "chance"]
    write_csv(folder / "results" / "representations.csv", header, rows)
    explain = folder / "explain" / "breast"
    explain.mkdir(parents=True)
    rng = np.random.default_rng(0)
    kernels = rng.normal(size=(7, 7, 3, 64))
    np.savez(explain / "filters-imagenet-nofreeze.npz", before=kernels, after=1.1 * kernels)
    np.savez(
        explain / "gradcam-imagenet-nofreeze.npz",
        images=rng.integers(255, size=(4, 32, 32, 3), dtype=np.uint8), maps=rng.random((4, 32, 32)),
        files=np.array(list("abcd")), labels=np.array([0, 0, 1, 1]), predicted=np.array([0, 1, 1, 0]),
        probability=np.array([0.9, 0.8, 0.7, 0.6]), classes=np.array(CLASSES),
    )  # fmt: skip
    (explain / "filters-broken.npz").write_bytes(b"PK nonsense")
    planned = [f"breast/random-nofreeze/fold{fold}" for fold in range(1, 5)]
    failed = [{"run": "isic/x", "reason": "no <archive>"}]
    (folder / "study.json").write_text(json.dumps({"failed": failed, "planned": planned}))
    return folder


@pytest.fixture(scope="module")
def page(workdir):
    return write_report(workdir).read_text(encoding="utf-8")


class Seen(HTMLParser):
    """The tags, attributes and ids of a page."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.ids, self.targets, self.depth = [], [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        for name, value in attributes:
            assert not name.startswith("on"), f"an event handler: {name}={value}"
            if name == "id":
                self.ids.append(value)
            if name in ("src", "href", "xlink:href"):
                self.targets.append(value)


def test_the_page_loads_nothing_from_other_files_or_sites(page):
    seen = Seen(page)
    assert not {"script", "link", "iframe", "object"} & set(seen.tags)
    for target in seen.targets:
        assert target.startswith(("#", "data:image/", "figures/")), target
    assert "default-src 'none'" in page
    assert not re.search(r"url\((?!['\"]?#)", page) and "@import" not in page


def test_ids_are_unique_and_every_link_has_a_target(page, workdir):
    seen = Seen(page)
    assert len(seen.ids) == len(set(seen.ids))
    for target in seen.targets:
        if target.startswith("#"):
            assert target[1:] in seen.ids
        elif target.startswith("figures/"):
            assert (workdir / "report" / target).stat().st_size > 500


def test_the_first_heading_is_the_verdict_and_each_task_has_its_own(page):
    first = re.search(r"<h1>(.*?)</h1>", page, re.DOTALL)[1]
    assert "Start from ImageNet" in first and "on breast, the one task with a verdict" in first
    assert "only ImageNet has finished runs" in page  # of the other task
    assert "0.905 ± 0.038" in page  # published, next to our own


def test_the_overview_of_several_tasks_is_first(page, workdir):
    with (workdir / "report" / "tables" / "overview.csv").open(newline="", encoding="utf-8") as lines:
        rows = {row["task"].lstrip("'"): row for row in csv.DictReader(lines)}
    assert rows["breast"]["start from"] == "ImageNet" and rows[MARKUP_TASK]["start from"] == "no verdict"
    assert re.fullmatch(r"\d\.\d{3} ± \d\.\d{3}", rows["breast"]["ImageNet"])
    assert rows[MARKUP_TASK]["ImageNet"] != "–" and rows[MARKUP_TASK]["random"] == "–"
    assert page.index("not shown to be worse than another, and") < page.index("<nav") < page.index("<article")
    assert ">breast</a></li>" in page and 'href="#task-1"' in page and page.count("<nav") == 1


def test_what_is_missing_is_named(page):
    assert "Unfinished run breast/radimagenet-nofreeze/fold1: stopped after 4 epochs" in page
    assert "Unreadable run breast/radimagenet-nofreeze/fold2" in page and "is not JSON" in page
    assert "Failed: run isic/x, reason no &lt;archive&gt;" in page
    assert "filters-broken.npz cannot be read" in page
    assert "Only one preprocessing was trained" in page
    assert page.count("All runs have the same seed") == 1  # of both tasks
    assert "Not started: breast/random-nofreeze, folds 3 and 4." in page and "6 of 10 runs finished" in page


def test_names_with_markup_are_escaped(page, workdir):
    assert "<script" not in page and "<img src=x" not in page
    assert escape(MARKUP_TASK) in page.replace("&#39;", "&#x27;")
    assert "größer 日本" in page
    for table in (workdir / "report" / "tables").glob("*.tex"):
        assert table.read_text(encoding="utf-8").count(r"\end{table}") == 1


def test_numbers_and_percent_signs_stay_on_one_line(page):
    seen = re.sub(r"<(svg|style).*?</\1>|<[^>]*>", "", page, flags=re.DOTALL)
    assert "95\u00a0% interval of the mean" in seen and "95 % interval of the mean" not in seen
    assert re.search(r"p\u00a0[<=]\u00a0", seen) and not re.search(r"\bp [<=] ", seen)


def test_every_figure_has_a_description_and_is_well_formed(page):
    drawings = re.findall(r"<svg.*?</svg>", page, re.DOTALL)
    assert len(drawings) >= 10
    for drawing in drawings:
        root = ElementTree.fromstring(drawing)
        label = root.get("aria-labelledby")
        described = [node for node in root.iter() if node.get("id") == label]
        assert root.get("role") == "img" and described and described[0].text
    for image in re.findall(r"<img [^>]*>", page):
        assert re.search(r'alt="[^"]{20,}"', image)


def test_figures_show_the_numbers_of_the_tables(page):
    mean = re.search(r"ImageNet</th><td[^>]*>(\d\.\d{3}) ", page)[1]
    assert f"ImageNet {mean}" in page  # the legend of the ROC


def test_the_checklist_is_filled_in_from_the_run_folders(page):
    assert "disjoint by patient (checked in every fold)" in page or "not disjoint by patient" in page
    assert page.count("For the author to supply.") >= 10
    assert "python -m tljax.train --dataset breast" in page
    assert "learning rate" in page and "the highest AUC on the validation images" in page
    assert "The 5\u00a0% level holds for each task by itself; there is no adjustment over tasks." in page
    assert "Methods paragraph" in page and "0123456789abcdef" in page


def test_permitted_leakage_is_stated_directly_below_the_headline(tmp_path):
    for fold in (1, 2):
        folder = write_run(tmp_path, fold=fold, allow_leakage=fold == 2)
        lines = (folder / runs.SPLIT).read_text().splitlines()
        file, label, _, split = lines[-1].split(",")
        (folder / runs.SPLIT).write_text("\n".join([*lines[:-1], f"{file},{label},p{fold}-0,{split}"]) + "\n")
    page = write_report(tmp_path).read_text(encoding="utf-8")
    assert "1 patient has images in more than one part of fold 2, which --allow-leakage permitted" in page
    assert page.index("</h1>") < page.index('class="warning"') < page.index("<figure")


def test_sections_are_found_by_their_files():
    names = list(find_sections())
    files = {path.stem for path in Path("tljax/report/sections").glob("*.py")} - {"__init__"}
    assert set(names) == files and names[-3:] == ["terms", "methods", "provenance"]


def test_a_workdir_without_a_finished_run_still_gets_a_page(tmp_path):
    write_run(tmp_path, finished=False)
    page = write_report(tmp_path).read_text(encoding="utf-8")
    assert "No verdict: no run is finished yet." in page and "stopped after 4 epochs" in page


def test_the_command_prints_the_path_or_one_line_of_error(tmp_path):
    code = (
        "import sys; from tljax.core.errors import run_command; from tljax.report.__main__ import main;"
        "run_command(main); assert 'jax' not in sys.modules"
    )
    write_run(tmp_path / "good", finished=False)
    good = subprocess.run([sys.executable, "-c", code, str(tmp_path / "good")], capture_output=True, text=True)
    assert (good.returncode, good.stderr) == (0, "")
    assert good.stdout.strip() == str(tmp_path / "good" / "report" / "index.html")
    bad = subprocess.run(
        [sys.executable, "-m", "tljax.report", str(tmp_path / "nowhere")], capture_output=True, text=True
    )
    assert bad.returncode == 2 and bad.stderr.startswith("error: ") and "Traceback" not in bad.stderr


@pytest.mark.parametrize("width", [360, 1280])
def test_a_browser_shows_the_page_without_overflow(page, tmp_path, width):
    """The page is shown in a frame with the width of a phone or a desktop, and measured by a script around it."""
    browser = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if browser is None:
        pytest.skip("no chromium on this machine: the page cannot be shown in a browser")
    script = """
    const frame = document.querySelector('iframe');
    frame.onload = () => {
      const page = frame.contentDocument, view = page.documentElement;
      const figures = [...page.querySelectorAll('figure svg, figure img')];
      document.title = JSON.stringify({
        overflow: view.scrollWidth - view.clientWidth, figures: figures.length,
        empty: figures.filter(f => f.getBoundingClientRect().width < 100).length,
        heading: page.querySelector('h1').getBoundingClientRect().bottom,
        focusable: page.querySelectorAll('a[href], summary, [tabindex="0"]').length});
    };
    frame.srcdoc = document.querySelector('template').innerHTML;
    """
    frame = f'<iframe style="width:{width}px;height:800px;border:0"></iframe>'
    inner = page.replace("<!doctype html>", "", 1)
    (tmp_path / "frame.html").write_text(
        f"<!doctype html><meta charset=utf-8><title>none</title>{frame}<template>{inner}</template>"
        f"<script>{script}</script>",
        encoding="utf-8",
    )
    shown = subprocess.run(
        [browser, "--headless=new", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path / 'profile'}",
         "--virtual-time-budget=5000", "--dump-dom", f"file://{tmp_path / 'frame.html'}"],
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    measured = json.loads(re.search(r"<title>(\{.*?\})</title>", shown.stdout)[1])
    assert measured["overflow"] <= 0
    assert measured["figures"] >= 10 and measured["empty"] == 0
    assert measured["heading"] < 420  # the verdict is on the first screen
    assert measured["focusable"] > 30


def test_studies_of_an_earlier_version_are_reported(tmp_path):
    """`tests/golden/old_folders.py` says which version made it."""
    with tarfile.open("tests/golden/old_folders.tar.gz") as archive:
        archive.extractall(tmp_path, filter="data")
    page = write_report(tmp_path / "study").read_text(encoding="utf-8")
    assert "No verdict: only random initialisation has finished runs." in page and "1 of 1 runs finished" in page
    assert "Before and after fine-tuning: phantom, mean CCA, paper protocol" in page
    assert "First layer: phantom, random (fine-tuned)" in page and "Grad-CAM: phantom, random (fine-tuned)" in page
    assert "python -m tljax.study --config config.py" in page
    interrupted = write_report(tmp_path / "interrupted").read_text(encoding="utf-8")
    assert "Unfinished run phantom/random-freeze/fold1: stopped after 3 epochs" in interrupted
