"""Writes the page: the answer first, then every section that has something to show."""

import re
from collections.abc import Sequence
from datetime import date
from importlib.resources import files
from pathlib import Path

import tljax
from tljax.report.analysis.study import Study
from tljax.report.answer import overview_table, results_table
from tljax.report.drawing.gallery import Gallery
from tljax.report.elements import Table
from tljax.report.figures import auc_intervals
from tljax.report.published import results as published
from tljax.report.sections import find_sections
from tljax.report.wording.names import file_stem
from tljax.report.wording.notes import warnings, what_is_missing
from tljax.report.wording.verdict import details, headline, study_headline

WITHOUT_TASKS = ("runs",)  # sections that are shown even if no run is finished


def render(study: Study, folder: Path) -> str:
    """Returns the page; its figures and tables are written to `figures` and `tables` in `folder`."""
    from jinja2 import Environment, StrictUndefined
    from markupsafe import Markup

    gallery = Gallery(folder / "figures")
    with gallery.style():
        tasks = [
            {
                "name": task.name,
                "headline": headline(task.verdict),
                "details": details(task.verdict),
                "figure": auc_intervals.draw(gallery, task),
                "table": results_table(task, task.condition),
            }
            for task in study.tasks
        ]
        makers = find_sections()
        sections = [
            make(study, gallery) for name, make in makers.items() if study.tasks or name in WITHOUT_TASKS
        ]  # fmt: skip
    overview = overview_table(study) if len(study.tasks) > 1 else None
    first_tables = [*([overview] if overview else []), *(task["table"] for task in tasks)]
    _write_tables(folder / "tables", [*first_tables, *(table for part in sections for table in part.tables)])
    shown = [part for part in sections if part.elements]
    absent = [part.absent for part in sections if part.absent and not part.elements]
    first, below = study_headline(study)
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters["unbroken"] = _unbroken
    return environment.from_string(_read("page.html.j2")).render(
        css=Markup(_read("page.css")),
        markup=Markup,
        version=tljax.__version__,
        today=date.today().isoformat(),
        finished=len(study.of_status("finished")),
        runs=len(study.runs) + len(study.not_started),
        headline=first,
        details=below,
        warnings=warnings(study),
        overview=overview,
        tasks=tasks,
        missing=what_is_missing(study) + absent,
        sections=shown,
        published=published.SOURCE,
    )


def _write_tables(folder: Path, tables: Sequence[Table]) -> None:
    taken: set[str] = set()
    for table in tables:
        table.write(folder, file_stem(table.name, taken))


def _unbroken(text: str) -> str:
    """Replaces spaces so that `95 %` and `p < 0.001` stay on one line."""
    return re.sub(r"\bp ([<=]) ", "p\u00a0\\1\u00a0", text.replace(" %", "\u00a0%"))


def _read(name: str) -> str:
    return files("tljax.report").joinpath(name).read_text(encoding="utf-8")
