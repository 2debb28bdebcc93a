"""From labels and probabilities to measures, intervals and tests; what was computed once of maps, the dataset and a model's cost."""
