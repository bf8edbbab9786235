"""The report of a workdir: verdict, tables, figures and evidence in one self-contained page. Never imports jax."""

import os
from pathlib import Path

PAGE = "index.html"


def write_report(workdir: Path) -> Path:
    """Writes `<workdir>/report/index.html`, with its figures and tables beside it, and returns its path.

    Raises `UserError` where the workdir holds no run folder. Runs that are missing, unfinished or corrupt are named in
    the report.
    """
    from tljax.report.gather import gather
    from tljax.report.page import render

    study = gather(workdir)
    folder = Path(workdir) / "report"
    html = render(study, folder)
    half = folder / f".{PAGE}.part"
    half.write_text(html, encoding="utf-8")
    os.replace(half, folder / PAGE)
    return folder / PAGE
