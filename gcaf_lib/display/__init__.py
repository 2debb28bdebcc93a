"""How anything is shown: the book's style, tables, and pictures of arrays and frames. Measures are computed elsewhere."""
