"""What every other room stands on: settings, errors, files, progress, devices, checkpoints and run folders as data."""
