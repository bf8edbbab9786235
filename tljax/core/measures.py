"""Names the measures of similarity, and states what their intervals cover, for tables, figures and the report."""

TITLES = {
    "cca": "mean CCA",
    "r2_cca": "mean squared CCA",
    "cka": "linear CKA",
    "debiased_cka": "debiased CKA",
    "pwcca": "PWCCA",
    "svcca": "SVCCA",
    "procrustes": "Procrustes",
}

COVERS = {  # the word in the column `covers` -> its meaning
    "all images": "the value for all images of the population",
    "this n": "the mean estimate at this number of images, not the value for the population",
    "draws": "the mean over draws of channels and positions from these images",
}


def measure_title(measure: str) -> str:
    """Returns the name of a measure for a reader; that of a measure without a title is its own, with spaces."""
    return TITLES.get(measure, measure.replace("_", " "))
