"""What the paper prints, and whether it can be true: its figures, what others print, and checks that need no run."""
