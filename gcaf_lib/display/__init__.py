"""How anything is shown: the book's style, tables, and pictures of arrays and frames. Nothing is computed here."""
