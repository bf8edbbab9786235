"""The methods paragraph and the CLAIM checklist."""

from tljax.report.analysis.study import Study
from tljax.report.drawing.gallery import Gallery
from tljax.report.elements import Section, Table, Text, section
from tljax.report.wording.claim import checklist
from tljax.report.wording.methods import methods_paragraph

ORDER = 130


def make(study: Study, gallery: Gallery) -> Section:
    """Returns the section."""
    paragraph = methods_paragraph(study)
    return section(
        "methods",
        "For the methods section of a paper",
        [Text("Methods paragraph", paragraph, "quotation") if paragraph else None, claim_table(study)],
        "The answers are read from the run folders. What the program cannot know is left to the author.",
    )


def claim_table(study: Study) -> Table:
    """Returns the checklist; items left to the author are muted."""
    items = checklist(study)
    known = sum(item.known for item in items)
    caption = (
        f"CLAIM checklist, 2024 update: {known} of {len(items)} items are filled in. The items are in our own words; "
        "the original is doi 10.1148/ryai.240300."
    )
    rows = [[str(item.number), item.section, item.asks, item.answer] for item in items]
    return Table(
        "claim", caption, ("item", "section", "asks for", "answer"), rows, words=4, heading="CLAIM checklist",
        muted=frozenset(number for number, item in enumerate(items) if not item.known),
    )  # fmt: skip
