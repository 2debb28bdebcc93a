"""`known.match`: published files by their bytes and by their look; nothing from elsewhere passes for one."""

import cv2
import numpy as np
import pytest

from gcaf_lib.data import groups, known, twins
from gcaf_lib.data.dataset import DataError
from gcaf_lib.data.decode import grey


def altered(image, rng):
    """An image as somebody might pass it on, and what was done."""
    way = rng.choice(["shrunk", "brighter", "mirrored", "upside down"])
    if way == "shrunk":
        image = cv2.resize(image, (96, 96), interpolation=cv2.INTER_AREA)
    elif way == "brighter":
        image = np.clip(image.astype(float) * 1.2 + 10, 0, 255).astype(np.uint8)
    else:
        image = image[:, ::-1] if way == "mirrored" else image[::-1]
    return image, str(way)


def test_published_files_are_recognised_whatever_was_done_to_them(real_data, tmp_path):
    rng = np.random.default_rng(0)
    frame = groups.load()
    some = frame.iloc[rng.choice(len(frame), 40, replace=False)]
    paths, ways = [], []
    for number, file in enumerate(some["file"]):
        image, way = altered(grey(real_data / file), rng)
        paths.append(tmp_path / f"{number}.jpg")
        ways.append(way)
        cv2.imwrite(str(paths[-1]), image, [cv2.IMWRITE_JPEG_QUALITY, 50])
    found = known.match([*paths, real_data / some["file"].iloc[0]], progress=False)
    assert found["how"].tolist() == ["copy"] * len(paths) + ["bytes"]
    assert found["similarity"].min() > 0.8
    patient = frame.set_index("file")["patient"]
    assert (patient[found["file"][:-1]].to_numpy() == some["patient"].to_numpy()).mean() >= 0.95
    picture = frame.set_index("file")["picture"]
    # a picture whose mirror image is in the dataset too may be found there, as it stands
    plain = [w in ("shrunk", "brighter") for w in ways]
    assert (picture[found["file"][:-1]].to_numpy() == some["picture"].to_numpy())[plain].mean() >= 0.95


def test_images_from_elsewhere_are_not(real_data, tmp_path):
    outside = real_data.parent / "external"
    if not outside.is_dir():
        pytest.skip("needs the images from elsewhere, beside the dataset's folder")
    paths = [
        p
        for s in ("radiopaedia", "rsna", "medpix", "tiantan", "ixi")
        for p in sorted((outside / s).rglob("*.jpg"))[::20]
    ]
    assert len(paths) > 90
    assert known.match(paths, progress=False)["similarity"].max() < known.THRESHOLD
    _, table = known.table()
    nearest = max(known._again(path, table)[1] for path in paths)
    assert nearest < known.AGAIN - 0.02, "0.736 of all 2,197"
    assert (known.match(paths[:20], progress=False, again=True)["how"] == "").all()
    copied = known.match(sorted((outside / "pmram").rglob("*.jpg"))[::20], progress=False)
    assert (copied["how"] != "").mean() > 0.85  # an "external" set that is made of this one


def test_copies_turned_cut_or_inverted_are_found_at_a_second_look(real_data, tmp_path):
    frame = groups.load()
    some = frame.iloc[np.random.default_rng(5).choice(len(frame), 8, replace=False)]
    changes = {
        "10°": lambda x: cv2.warpAffine(x, cv2.getRotationMatrix2D((x.shape[1] / 2, x.shape[0] / 2), 10, 1), x.shape[::-1]),
        "a quarter": np.rot90,
        "inverted": lambda x: 255 - x,
        "cut by 5%": lambda x: x[len(x) // 20 : -(len(x) // 20), x.shape[1] // 20 : -(x.shape[1] // 20)],
    }  # fmt: skip
    paths = [tmp_path / f"{change}-{n}.png" for change in changes for n in range(len(some))]
    for path, (change, file) in zip(paths, ((c, f) for c in changes.values() for f in some["file"])):
        cv2.imwrite(str(path), np.ascontiguousarray(change(grey(real_data / file))))
    once, again = (known.match(paths, progress=False, again=k) for k in (False, True))
    share = [(t["how"] == "copy").to_numpy().reshape(4, -1).mean(1) for t in (once, again)]
    assert share[0][1] == share[0][2] == 0 and share[0][0] < 0.5
    assert share[1].tolist()[1:3] == [1, 1] and share[1].min() >= 0.75, dict(zip(changes, share[1]))
    picture, hit = frame.set_index("file")["picture"], (again["how"] != "").to_numpy()
    true = np.tile(picture[some["file"]].to_numpy(), 4)
    assert (picture[again["file"][hit]].to_numpy() == true[hit]).all(), "no hit names another picture"
    assert again.loc[hit, "similarity"].min() >= known.THRESHOLD and known.AGAIN > known.THRESHOLD
    assert (again[~hit].drop(columns="file") == once[~hit].drop(columns="file")).all(axis=None)


def test_phantoms_are_of_no_dataset(phantom_root):
    found = known.match(
        sorted(phantom_root.rglob("*.jpg"))[:10] or sorted(phantom_root.rglob("*.png"))[:10], progress=False
    )
    assert len(found) == 10 and (found["how"] == "").all() and (found["file"] == "").all()
    assert tuple(found.columns) == known.COLUMNS


def test_two_bits_a_pixel_keep_what_tells_images_apart():
    rng = np.random.default_rng(1)
    looks = np.stack(
        [cv2.GaussianBlur(rng.integers(0, 255, (128, 128), np.uint8), (0, 0), 4) for _ in range(12)]
    )
    described = known.describe(np.stack([looks, looks], 1))
    back = known.unpack(known.pack(described))
    assert known.pack(described).shape == (12, known.SIDE**2 * 2 // 4)
    alike = described[:, 0].reshape(12, -1) @ back[:, 0].T
    assert alike.diagonal().min() > 0.85 and (alike.argmax(1) == np.arange(12)).all()
    row, value, way = known._nearest(np.stack([twins.turn(described[:, k], 1) for k in (0, 1)], 1), back)
    assert (row == np.arange(12)).all() and (way == 1).all() and value.min() > 0.85


def test_files_of_one_description_differ_by_rounding_and_the_first_it_is():
    rng = np.random.default_rng(2)
    back = known.unpack(rng.integers(0, 256, (5, 288), np.uint8))
    back[[1, 3]] = back[1], back[1] * (1 + 1e-6)  # what another batch's size does to a product
    described = back[[4, 3]].reshape(2, 2, known.SIDE, known.SIDE)
    row, value, way = known._nearest(described, back)
    assert row.tolist() == [4, 1] and way.tolist() == [0, 0] and value == pytest.approx(1, abs=1e-4)
    back[3] *= 1.001
    assert known._nearest(described, back)[0].tolist() == [4, 3], "more than rounding"


def test_what_is_no_image_is_named(tmp_path):
    (tmp_path / "a.jpg").write_text("hello")
    with pytest.raises(DataError, match=r"a\.jpg is not an image"):
        known.match([tmp_path / "a.jpg"], progress=False)
    with pytest.raises(DataError, match=r"b\.jpg does not exist"):
        known.match([tmp_path / "b.jpg"], progress=False)
    assert known.match([], progress=False).empty
