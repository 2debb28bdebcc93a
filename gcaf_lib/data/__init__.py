"""Files to arrays, and to who is on which side: the dataset, what of it are copies, and its splits."""
