"""Fine-tuning of one network on one fold of one data set."""
