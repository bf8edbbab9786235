"""Puts the page together: which sections there are, and what stands in each."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from importlib.resources import files
from pathlib import Path

import tljax
from tljax.report import evidence, published, tables
from tljax.report.explain import find_explanations
from tljax.report.figures import Figure, Gallery, inside, performance, saliency
from tljax.report.gather import Study
from tljax.report.names import file_stem, init_name, listed
from tljax.report.table import Table
from tljax.report.task import FREEZE, PREPROCESSING, Task


@dataclass
class Section:
    """A part of the page. Empty ones are not shown; `absent` then says, among what is missing, why."""

    anchor: str
    title: str
    text: str = ""
    figures: list[Figure] = field(default_factory=list)
    tables: list[Table] = field(default_factory=list)
    absent: str = ""

    def __post_init__(self):
        self.tables = [table for table in self.tables if table.rows]


def headline(study: Study) -> tuple[str, str]:
    """The first line of the page and the one beneath it, over all tasks."""
    if not study.tasks:
        return "No verdict: no run is finished yet.", "What was found is listed below."
    if len(study.tasks) == 1:
        return study.tasks[0].verdict.headline, study.tasks[0].verdict.detail
    judged = [task for task in study.tasks if task.verdict.kind != "cannot"]
    if not judged:
        return "No verdict on any task yet.", "The reasons stand with each task."
    inits = sorted({init for task in judged for init in task.verdict.leaders})
    unbeaten = [init for init in inits if all(init in task.verdict.leaders for task in judged)]
    won = {
        init: [t.name for t in judged if t.verdict.kind == "winner" and t.verdict.leaders[0] == init] for init in inits
    }
    wins = [f"{init_name(init)} is shown to be best on {listed(names)}" for init, names in won.items() if names]
    detail = (
        "; ".join(wins) + "." if wins else "No initialisation is shown to be best on any task."
    ) + " Task by task:"
    if all(task.verdict.kind == "none" for task in judged):
        names = listed([init_name(init) for init in inits])
        return f"No detectable difference between {names} on {_all_of(judged)}.", "Task by task:"
    if unbeaten:
        names = listed([init_name(init) for init in unbeaten], "or")
        return f"Start from {names}: nothing is shown to do better on {_all_of(judged)}.", detail
    return "It depends on the task which initialisation to start from.", detail


def _all_of(judged: Sequence[Task]) -> str:
    return f"any of {len(judged)} tasks" if len(judged) > 1 else f"{judged[0].name}, the one task with a verdict"


def sections(study: Study, gallery: Gallery) -> list[Section]:
    """Everything below the verdict, in reading order. Adds to `study.remarks` what cannot be drawn."""
    made = tables.all_tables(study)
    conditions = [(task, condition) for task in study.tasks for condition in tables.conditions(task)]
    names = [task.name for task in study.tasks]
    explained = list(find_explanations(study.workdir, study.remarks))
    explained.sort(key=lambda e: names.index(e.task) if e.task in names else len(names))
    kernels = [e for e in explained if e.kind == "filters"]
    maps = [e for e in explained if e.kind == "gradcam"]
    saliency_maps = [saliency.grad_cam(gallery, e.task, e.variant, e.arrays) for e in maps]
    contrasts = {
        axis: [performance.contrast(gallery, task, axis, means) for task in study.tasks]
        for axis, means in {
            PREPROCESSING: ("inputs as each network was pre-trained on", "the paper's ImageNet preprocessing for all"),
            FREEZE: ("the head alone first, on the frozen backbone, then all layers", "all layers from the start"),
        }.items()
    }
    rest = [table for table in made["results"] if table.name not in {t.name for t in first_tables(study)}]
    return [
        Section(
            "auc", "How well do they do?",
            "Every fold, every initialisation. The AUC is judged on test images that no choice was based on.",
            [performance.auc_boxes(gallery, study), *(performance.roc(gallery, *both) for both in conditions)],
            [*rest, *made["scores"], made["pairs"]],
        ),
        Section(
            "calibration", "Can their confidence be trusted?",
            "A network may rank well and still be too sure of itself.",
            [performance.calibration(gallery, *both) for both in conditions],
        ),
        Section(
            "learning", "How did they learn?", "",
            [figure for both in conditions for figure in performance.learning_curves(gallery, *both)],
        ),
        Section(
            "representations", "What does fine-tuning change inside?",
            "Canonical correlation compares what two networks compute on the same images, layer by layer: 1 where one "
            "is a linear map of the other, the chance level where they have nothing in common. The paper's protocol "
            "takes 64 channels and 10,000 positions at random; the full one takes all channels of all test images. CKA "
            "forgives rotation and scale alone, and so asks more.",
            [figure for task in study.tasks for figure in inside.layer_curves(gallery, study, task)]
            + [figure for task in study.tasks for figure in inside.heat_maps(gallery, study, task)],
            absent="Representations were not compared (results/representations.csv and comparisons/ hold none).",
        ),
        Section(
            "filters", "The first layer's filters", "",
            [inside.filters(gallery, e.task, e.variant, e.arrays["before"], e.arrays["after"]) for e in kernels],
            absent="No filters of the first layer were kept (explain/<task>/filters-*.npz).",
        ),
        Section(
            "agreement", "Do they err on the same images?",
            "Two good networks agree often by being right. What counts is how much more than independent errors would.",
            [figure for figure in [performance.agreements(gallery, study)] if figure],
            [made["agreements"]],
            absent="Prediction similarity needs two initialisations on the same folds.",
        ),
        Section(
            "gain", "Does similarity tell the gain?", "", inside.similarity_and_gain(gallery, study),
            absent="Similarity against gain needs compared representations and a random initialisation.",
        ),
        Section(
            "saliency", "Where do they look?", "", [figure for figure in saliency_maps if figure],
            absent="No Grad-CAM maps were kept (explain/<task>/gradcam-*.npz).",
        ),
        Section(
            "preprocessing", "Paper or native preprocessing?",
            "The paper fed every network the same inputs; each was pre-trained on its own.",
            [figure for figure in contrasts[PREPROCESSING] if figure],
            [made["preprocessing"]],
            absent="Only one preprocessing was trained: paper against native is not known.",
        ),
        Section(
            "freeze", "Does it help to train the head first?", "",
            [figure for figure in contrasts[FREEZE] if figure],
            [made["freeze"]],
            absent="Freezing the backbone at first was not tried both ways: whether it helps is not known.",
        ),
        Section("cost", "What did it cost?", tables=[made["cost"]]),
        Section("runs", "Every run and every setting", tables=[made["runs"], made["settings"]]),
    ]  # fmt: skip


def first_tables(study: Study) -> list[Table]:
    """The table of each task's own condition, shown with its verdict."""
    return [tables.results(task, task.condition) for task in study.tasks]


def missing(study: Study, parts: list[Section]) -> list[str]:
    """What is not there, and what cannot be said for it."""
    lines = [f"Unfinished run {_place(study, run)}: {run.problem}." for run in study.of_status("unfinished")]
    lines += [f"Corrupt run {_place(study, run)}: {run.problem}." for run in study.of_status("corrupt")]
    waiting: dict[str, list[str]] = defaultdict(list)
    for place in study.not_started:
        waiting[place.parent.as_posix()].append(place.name.removeprefix("fold"))
    lines += [f"Not started: {variant}, fold {listed(folds)}." for variant, folds in waiting.items()]
    for key, told in (("failed", "Failed"), ("left_out", "Left out")):
        lines += [f"{told}: {entry}" for entry in _entries(study.settings.get(key))]
    tasks_of: dict[str, list[str]] = defaultdict(list)
    for task in study.tasks:
        for remark in task.remarks:
            tasks_of[remark].append(task.name)
    lines += [f"{listed(names)}: {remark}" for remark, names in tasks_of.items()]
    lines += study.remarks
    return lines + [part.absent for part in parts if part.absent and not part.figures and not part.tables]


def _entries(value: object) -> list[str]:
    if isinstance(value, dict):
        return [f"{key}: {reason}" for key, reason in value.items()]
    if not isinstance(value, list):
        return []
    return [
        ", ".join(f"{k} {v}" for k, v in entry.items()) if isinstance(entry, dict) else str(entry) for entry in value
    ]


def _place(study: Study, run) -> str:
    return run.path.relative_to(study.workdir).as_posix()


def render(study: Study, folder: Path) -> str:
    """The page; figures and tables are written beside it, into `folder`."""
    from jinja2 import Environment, StrictUndefined
    from markupsafe import Markup

    gallery = Gallery(folder / "figures")
    with gallery.style():
        tasks: list[tuple[Task, Figure, Table]] = [
            (task, performance.forest(gallery, task), table)
            for task, table in zip(study.tasks, first_tables(study), strict=True)
        ]
        parts = sections(study, gallery) if study.tasks else []
    overview = tables.overview(study) if len(study.tasks) > 1 else None
    if not study.tasks:
        parts = [Section("runs", "Every run", tables=[tables.runs(study)])]
    taken: set[str] = set()
    first_page = [overview] * bool(overview) + [table for _, _, table in tasks]
    for table in first_page + [table for part in parts for table in part.tables]:
        table.write(folder / "tables", file_stem(table.name, taken))
    checklist = evidence.checklist(study)
    claim = [[str(item.number), item.section, item.asks, item.answer] for item in checklist]
    Table("claim", "CLAIM checklist, 2024 update", ("item", "section", "asks for", "answer"), claim, words=4).write(
        folder / "tables", file_stem("claim", taken)
    )
    first, second = headline(study)
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters["unbroken"] = lambda text: text.replace(" %", "\u00a0%")  # "95 %" stays on one line
    template = environment.from_string(_read("page.html.j2"))
    return template.render(
        css=Markup(_read("page.css")),
        markup=Markup,
        version=tljax.__version__,
        today=date.today().isoformat(),
        study=study,
        headline=first,
        detail=second,
        overview=overview,
        tasks=tasks,
        missing=missing(study, parts),
        parts=[part for part in parts if part.figures or part.tables],
        checklist=checklist,
        methods=evidence.methods(study),
        hashes=evidence.hashes(study),
        replay=evidence.replay(study),
        failures=evidence.failures(study),
        published=published.SOURCE,
    )


def _read(name: str) -> str:
    return files(__package__).joinpath(name).read_text(encoding="utf-8")
