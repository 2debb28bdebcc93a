"""How fast the images are preprocessed, and in how much memory (Eq 1; `gcaf_lib.data.preprocess`).

    python benchmarks/preprocessing.py [--data DIR] [--size 224]

Times one cold pass into an empty cache, one warm call, and, in the same run, the plain way: one
thread, decode → CLAHE → resize, a list of arrays. Quote the ratio; absolute speeds are the machine's.
"""

from __future__ import annotations

import argparse
import os
import resource
import tempfile
import time


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--data", help="folder of the real images (else GCAF_DATA)")
    parser.add_argument("--size", type=int, default=224, help="side of the output, pixels")
    parser.add_argument("--plain", type=int, default=700, help="images for the plain way")
    given = parser.parse_args()

    with tempfile.TemporaryDirectory() as cache:
        os.environ["GCAF_CACHE"] = cache
        from gcaf_lib.data import dataset, preprocess
        from gcaf_lib.settings import load

        settings = load("paper", {"data.image_size": given.size}).data
        opened = dataset.open_dataset(settings, given.data)
        count = len(opened.frame)

        start = time.perf_counter()
        preprocess.images(opened, settings, progress=False)
        cold = count / (time.perf_counter() - start)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20

        start = time.perf_counter()
        preprocess.images(opened, settings, progress=False)
        warm = time.perf_counter() - start

        names = opened.frame["file"].iloc[:: max(1, count // given.plain)]
        start = time.perf_counter()
        kept = [preprocess.preprocess(opened.root / name, settings) for name in names]
        plain = len(kept) / (time.perf_counter() - start)

    print(f"cold pass      {cold:8.0f} images/s   ({count} images to {given.size} px)")
    print(f"plain way      {plain:8.0f} images/s   (one thread, {len(kept)} images)")
    print(f"ratio          {cold / plain:8.2f}")
    print(f"second call    {warm * 1e3:8.1f} ms")
    print(f"peak memory    {peak:8.2f} GiB")


if __name__ == "__main__":
    main()
