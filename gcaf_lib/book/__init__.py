"""How a page is made: chapters opened, executed and dated, and the pages that are computed without a chapter."""
