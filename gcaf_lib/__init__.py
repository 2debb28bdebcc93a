"""gcaf_lib: the thin library behind the executable form of the GCAF brain-tumour MRI paper."""

__version__ = "0.1.0"
