"""From labels and probabilities to measures, intervals and tests, and what was computed once of maps and the dataset."""
