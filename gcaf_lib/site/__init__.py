"""The built pages: Sphinx extensions and tools that work on what the book has become. No chapter sees them."""
