"""The command `python -m tljax.features`; what it does lies in `tljax.screen`."""
