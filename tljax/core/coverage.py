"""States what the intervals of similarities cover, for the tables and for the report."""

COVERS = {  # the word in the column `covers` -> its meaning
    "all images": "the value for all images of the population",
    "this n": "the mean estimate at this number of images, not the value for the population",
    "draws": "the mean over draws of channels and positions from these images",
}
