"""Hashes and commands, so that the results can be repeated."""

from tljax.report.analysis.study import Study
from tljax.report.drawing.gallery import Gallery
from tljax.report.elements import Definitions, Section, Text, section
from tljax.report.wording import provenance

ORDER = 140


def make(study: Study, gallery: Gallery) -> Section:
    """Returns the section."""
    commands = provenance.commands(study)
    how = "A finished run is left as it is. To train it again, give another --workdir."
    return section(
        "provenance",
        "How can the results be repeated?",
        [
            Definitions("Hashes", provenance.hashes(study), code=True),
            Text("Commands", how, "commands", commands) if commands else None,
        ],
    )
