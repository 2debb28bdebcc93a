"""From settings to one record of a run: feeding, stages, sweeps, and how records are kept and found."""
