"""What the run records and the dataset's tables say: frames of numbers, and the sentences said of them.

A room is named like its chapter; what several chapters need has a room of its own.
"""
