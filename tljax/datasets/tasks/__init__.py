"""The tasks, one file each: a file here with a `CARD` and `examples(archive)` is a task.

A file whose name begins with an underscore holds what several tasks share.
"""
