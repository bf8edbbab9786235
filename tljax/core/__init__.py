"""Code that all rooms use: settings, errors, files, locks, progress, devices, checkpoints, run folders."""
