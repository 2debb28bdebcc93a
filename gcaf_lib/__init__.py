"""gcaf_lib: the thin library behind the executable form of the GCAF brain-tumour MRI paper."""

import os

__version__ = "0.1.0"

# TensorFlow reads it once, when it is first imported. oneDNN's operations are its default only on some CPUs; on those
# without AVX-512 a training is 1.1 to 1.3 times faster with them
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
