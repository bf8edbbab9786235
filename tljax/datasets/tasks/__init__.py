"""The tasks, one file each: a file here that holds a `CARD` and `examples(archive)` is a task.

A file whose name begins with an underscore is what several tasks share.
"""
