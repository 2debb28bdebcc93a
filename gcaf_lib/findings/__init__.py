"""What the run records and the dataset's tables say: frames of numbers, and the sentences said of them.

A room is named like its chapter, or by its subject: a part of a chapter, or what several need.
"""
