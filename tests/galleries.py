"""A gallery whose figures a test can inspect."""

from tljax.report.drawing.gallery import Gallery


class Watched(Gallery):
    """A gallery that also keeps the last matplotlib figure."""

    def keep(self, figure, *about):
        self.figure = figure
        return super().keep(figure, *about)
