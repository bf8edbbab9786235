"""What the runs of a study show, as frozen data: runs -> trials -> tasks -> comparisons -> verdicts."""
