"""Why an image cannot be used."""


class BadImage(Exception):
    """One image cannot be used. The message is the reason; the caller adds the file's name."""


class NoDecoder(BadImage):
    """The image may be in order, but the package that reads it is not installed."""
