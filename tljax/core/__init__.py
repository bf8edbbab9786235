"""The ground floor: settings, errors, files, locks, progress, devices, checkpoints and run folders as data."""
