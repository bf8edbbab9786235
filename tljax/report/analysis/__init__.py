"""The analysis of a study as frozen data, in the order runs, trials, tasks, comparisons, verdicts."""
