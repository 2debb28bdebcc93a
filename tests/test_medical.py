"""DICOM and NIfTI: pydicom's own sample files, small ones made here, orientation, and what is refused or kept silent."""

import gzip
import logging
import os
import threading
import warnings
from pathlib import Path

import cv2
import numpy as np
import pytest

from gcaf_lib import cli
from gcaf_lib.data import medical, outside
from gcaf_lib.data.dataset import DataError

pydicom = pytest.importorskip("pydicom")
nibabel = pytest.importorskip("nibabel")
SAMPLES = Path(pydicom.__file__).parent / "data" / "test_files"


def dicom(path, stored, **tags):
    """A DICOM file of stored values (H,W) or (frames,H,W), as a scanner would write it, with a patient's name in it."""
    from pydicom.dataset import FileDataset, FileMetaDataset
    from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage, generate_uid

    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = MRImageStorage, generate_uid()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    held = FileDataset(str(path), {}, file_meta=meta, preamble=b"\0" * 128)
    held.PatientName, held.PatientID, held.PatientBirthDate = "Doe^Jane", "SECRET-7", "19700101"
    held.Rows, held.Columns = stored.shape[-2:]
    held.SamplesPerPixel, held.PhotometricInterpretation = 1, "MONOCHROME2"
    held.BitsAllocated, held.BitsStored, held.HighBit = 16, 12, 11
    held.PixelRepresentation = int(stored.dtype.kind == "i")
    if stored.ndim == 3:
        held.NumberOfFrames = len(stored)
    held.PixelData = stored.tobytes()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # some are wrong on purpose
        for name, value in tags.items():
            setattr(held, name, value)
        held.save_as(path, enforce_file_format=True)
    return path


RAMP = np.tile(np.arange(64, dtype=np.uint16) * 10, (32, 1))  # 0 to 630


def nifti(path, volume, affine):
    nibabel.Nifti1Image(volume, affine).to_filename(path)
    return path


def test_a_view_of_an_image_file_is_the_image(tmp_path):
    picture = np.random.default_rng(0).integers(0, 256, (40, 50), np.uint8)
    cv2.imwrite(str(tmp_path / "a.png"), picture)
    for look in (medical.pixels, medical.grey):
        assert np.array_equal(look(medical.View(str(tmp_path / "a.png"))), picture)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs pipes")
@pytest.mark.parametrize("look", [medical.view, medical.pixels, medical.grey])
def test_a_pipe_is_looked_into_by_nobody(tmp_path, look):
    os.mkfifo(tmp_path / "pipe")  # to open it would wait for ever
    said = []

    def ask():
        try:
            said.append(str(look(tmp_path / "pipe")))
        except DataError as error:
            said.append(str(error))

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(20)
    assert said and ("pipe" in said[0]) and (look is medical.view or "is no file (a pipe" in said[0])


@pytest.mark.parametrize(
    "coding", ["", "_RLE", "_bigendian", "_expb", "_implicit", "_jp2klossless", "_padded"]
)
def test_one_slice_in_every_coding_is_one_picture(coding):
    held = pydicom.dcmread(SAMPLES / "MR_small.dcm")
    centre, width = float(held.WindowCenter), float(held.WindowWidth)
    by_hand = (held.pixel_array.astype(float) - (centre - 0.5)) / (width - 1) + 0.5  # part 3, C.11.2.1.2
    wanted = np.clip(by_hand, 0, 1) * 255
    seen = medical.pixels(SAMPLES / f"MR_small{coding}.dcm")
    assert seen.dtype == np.uint8 and np.abs(seen - wanted).max() <= 0.51
    assert seen.std() > 20


def test_slope_window_and_monochrome1(tmp_path):
    plain = medical.pixels(dicom(tmp_path / "a.dcm", RAMP))
    assert (plain[0, 0], plain[0, -1]) == (0, 255) and (np.diff(plain[0].astype(int)) > 0).all()
    window = {"WindowCenter": [1200.0, 5.0], "WindowWidth": [401.0, 5.0]}
    rescaled = {"RescaleSlope": "2", "RescaleIntercept": "1000"}
    seen = medical.pixels(dicom(tmp_path / "b.dcm", RAMP, **window, **rescaled))
    values = 1000 + 2.0 * RAMP
    wanted = np.clip((values - (1200 - 200.5)) / 400, 0, 1) * 255
    assert np.abs(seen - wanted).max() <= 1 and 0 < np.median(seen) <= 255
    inverse = dicom(tmp_path / "c.dcm", RAMP, PhotometricInterpretation="MONOCHROME1", **window, **rescaled)
    np.testing.assert_array_equal(medical.pixels(inverse), 255 - seen)


def test_signed_values_tables_and_padding(tmp_path):
    signed = medical.pixels(dicom(tmp_path / "a.dcm", RAMP.astype(np.int16) - 300))
    np.testing.assert_array_equal(signed, medical.pixels(dicom(tmp_path / "b.dcm", RAMP)))
    table = pydicom.Dataset()
    table.LUTDescriptor, table.LUTData = [1024, 0, 8], np.linspace(255, 0, 1024).astype(np.uint16).tobytes()
    falling = medical.pixels(dicom(tmp_path / "c.dcm", RAMP, VOILUTSequence=[table]))
    assert falling[0, 0] == 255 and (np.diff(falling[0].astype(int)) <= 0).all()
    padded = RAMP.copy()
    padded[:, :8] = 4000
    seen = medical.pixels(dicom(tmp_path / "d.dcm", padded, PixelPaddingValue=4000))
    assert (seen[:, :8] == 0).all() and seen[0, -1] == 255


def test_frames_are_chosen_or_refused(tmp_path):
    frames = np.stack([RAMP, RAMP[:, ::-1]])
    path = dicom(tmp_path / "two.dcm", frames)
    with pytest.raises(DataError, match=r"two\.dcm holds 2 frames: choose one with --slice 0 to 1"):
        medical.pixels(path)
    first, second = (medical.pixels(medical.View(path, at=n)) for n in (0, 1))
    np.testing.assert_array_equal(second, first[:, ::-1])
    assert first[0, 0] < first[0, -1]
    with pytest.raises(DataError, match="has no frame 2"):
        medical.pixels(medical.View(path, at=2))


def test_colour_samples(tmp_path):
    """Red, green, ... bars of pydicom's sample, by whatever coding."""
    plain = medical.pixels(SAMPLES / "SC_rgb_rle.dcm")
    assert plain.shape == (100, 100, 3) and tuple(plain[5, 50]) == (255, 0, 0)
    for name in ("SC_rgb_rle_16bit.dcm", "SC_rgb_rle_32bit.dcm"):
        np.testing.assert_array_equal(medical.pixels(SAMPLES / name), plain)
    other = medical.pixels(SAMPLES / "SC_ybr_full_422_uncompressed.dcm").astype(int)
    assert np.median(np.abs(other - plain)) <= 3
    assert medical.grey(SAMPLES / "SC_rgb_rle.dcm").shape == (100, 100)
    assert medical.pixels(SAMPLES / "examples_palette.dcm").std() > 10


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("MR_truncated.dcm", "can't be decoded from Explicit VR Little Endian"),
        ("MR_small_jpeg_ls_lossless.dcm", "can't be decoded from JPEG-LS Lossless Image Compression: export"),
        ("test-SR.dcm", "is a DICOM file without a picture"),
        ("badVR.dcm", "is a DICOM file that can't be read"),
        ("rtdose_1frame.dcm", "has 10×10 pixels"),
        ("rtdose.dcm", "holds 15 frames"),
        ("no_meta.dcm", "is not an image that can be read"),
    ],
)
def test_what_is_no_picture_is_named(name, said):
    with pytest.raises(DataError) as error:
        medical.pixels(SAMPLES / name)
    assert name in str(error.value) and said in str(error.value)


def test_nothing_else_of_a_header_is_kept_or_said(tmp_path, monkeypatch, caplog):
    path = dicom(tmp_path / "a.dcm", RAMP, PhotometricInterpretation="Doe^Jane")
    kept, read = [], pydicom.dcmread
    monkeypatch.setattr(pydicom, "dcmread", lambda *a, **k: kept.append(read(*a, **k)) or kept[-1])
    caplog.clear()
    with pytest.raises(DataError) as error:
        medical.pixels(path)
    assert "Doe" not in str(error.value)
    coded, own = b"1.2.840.10008.1.2.1\0", b"1.2.Doe.Jane.1.2.3.\0"
    path.write_bytes(dicom(path, RAMP).read_bytes().replace(coded, own, 1))
    with pytest.raises(DataError, match="from a coding that the standard doesn't know: export") as error:
        medical.pixels(path)
    assert "Doe" not in str(error.value)
    medical.pixels(dicom(path, RAMP))
    allowed = {*medical.NEEDED, "SpecificCharacterSet"}
    assert len(kept) == 3 and all({e.keyword for e in one} <= allowed for one in kept)
    damaged = bytearray(path.read_bytes())
    at = damaged.index(b"SECRET-7")
    damaged[at - 4 : at] = b"XXXX"  # a header whose lengths lie
    path.write_bytes(damaged)
    with pytest.raises(DataError) as error:
        medical.pixels(path)
    assert "SECRET" not in str(error.value) and "Jane" not in str(error.value)
    assert not caplog.records and logging.getLogger("pydicom").disabled is False


def marked(orientation):
    """A volume of (right, anterior, superior) 20×24×28 in which each direction is told by a bright block, stored
    in any orientation (three letters, as nibabel writes them)."""
    volume = np.zeros((20, 24, 28), np.int16)
    volume[12:18, 9:15, 11:17] = 100  # towards the right
    volume[7:13, 18:22, 11:17] = 200  # towards the front
    volume[7:13, 9:15, 22:26] = 300  # towards the head
    image = nibabel.Nifti1Image(volume, np.diag([2.0, 2, 2, 1]))
    turn = nibabel.orientations.ornt_transform(
        nibabel.orientations.axcodes2ornt("RAS"), nibabel.orientations.axcodes2ornt(orientation)
    )
    return image.as_reoriented(turn)


@pytest.mark.parametrize("orientation", ["RAS", "LPS", "PIR", "SLA", "LAS"])
@pytest.mark.parametrize("ending", [".nii", ".nii.gz"])
def test_orientation_is_honoured(tmp_path, orientation, ending):
    path = tmp_path / f"scan{ending}"
    marked(orientation).to_filename(path)

    def seen(plane, at):
        return medical.pixels(medical.View(path, plane, at))

    axial = seen("axial", 14)
    assert axial.shape == (24, 20)
    rows, columns = np.nonzero(axial == 255)  # the front's block is the brightest here
    assert rows.max() < 8, "the front is up"
    columns = np.nonzero((axial > 0) & (axial < 255))[1]
    assert columns.max() < 10, "the patient's right is at the left"
    coronal = seen("coronal", 12)
    assert coronal.shape == (28, 20) and np.nonzero(coronal == 255)[0].max() < 8, "the head is up"
    sagittal = seen("sagittal", 10)
    assert sagittal.shape == (28, 24) and np.nonzero(sagittal == 255)[0].max() < 8
    assert np.nonzero((sagittal > 0) & (sagittal < 255))[1].max() < 8, "the front is at the left"
    np.testing.assert_array_equal(seen("axial", None), axial)
    assert seen("axial", 24).max() == 255 and np.count_nonzero(seen("axial", 24)) == 36
    assert seen("axial", 3).max() == 0, "slices count from the feet"


def test_pixels_are_made_square_and_scaling_is_applied(tmp_path):
    path = tmp_path / "a.nii"
    volume = np.tile(np.arange(40, dtype=np.int16)[:, None, None], (1, 30, 20))
    image = nibabel.Nifti1Image(volume, np.diag([1.0, 1, 3, 1]))
    image.header.set_slope_inter(2.5, -7)
    image.to_filename(path)
    assert medical.pixels(medical.View(path)).shape == (30, 40)
    assert medical.pixels(medical.View(path, "coronal")).shape == (60, 40)
    seen = medical.pixels(path)[0].astype(int)
    assert (seen[0], seen[-1]) == (255, 0) and (np.diff(seen) < 0).all()


@pytest.mark.parametrize(
    ("volume", "said"),
    [
        (np.zeros((20, 20, 20, 3), np.int16), "20×20×20×3 of int16: one volume of plain numbers"),
        (np.zeros((20, 20, 20), np.complex64), "of complex64"),
        (np.full((20, 20, 20), np.nan, np.float32), "values that are no numbers"),
        (np.zeros((20, 20, 5, 1), np.int16), None),
        (np.zeros((8, 8, 8), np.int16), "has 8×8 pixels"),
    ],
)
def test_what_is_no_volume_is_named(tmp_path, volume, said):
    path = nifti(tmp_path / "v.nii.gz", volume, np.eye(4))
    if said is None:
        assert medical.pixels(path).shape == (20, 20)
        return
    with pytest.raises(DataError) as error:
        medical.pixels(path)
    assert said in str(error.value) and "v.nii.gz" in str(error.value)


def test_wrong_slices_planes_and_broken_files(tmp_path):
    noise = np.random.default_rng(0).integers(0, 999, (20, 20, 30)).astype(np.int16)
    path = nifti(tmp_path / "v.nii", noise, np.eye(4))
    with pytest.raises(DataError, match=r"v\.nii has no axial slice 30: choose one with --slice 0 to 29"):
        medical.pixels(medical.View(path, at=30))
    with pytest.raises(DataError, match="plane 'oblique' is none of sagittal, coronal, axial"):
        medical.pixels(medical.View(path, "oblique"))
    cut = tmp_path / "cut.nii.gz"
    cut.write_bytes(gzip.compress(path.read_bytes())[:9000])
    with pytest.raises(DataError, match="can't be read"):
        medical.pixels(cut)
    cut.write_bytes(gzip.compress(b"no volume at all"))
    with pytest.raises(DataError, match="not an image"):
        medical.pixels(cut)


def test_without_the_extra_the_message_says_what_to_install(monkeypatch):
    def gone(name):
        raise ImportError(name)

    monkeypatch.setattr(medical.importlib, "import_module", gone)
    with pytest.raises(DataError, match=r"pip install 'gcaf_lib\[medical\]'"):
        medical.pixels(SAMPLES / "MR_small.dcm")


def test_folders_and_lists_hold_them_too(tmp_path):
    dicom_ = tmp_path / "set" / "glioma" / "p1" / "IM0001"
    dicom_.parent.mkdir(parents=True)
    dicom(dicom_, RAMP)
    (dicom_.parent / "README").write_text("x")
    volume = tmp_path / "set" / "no tumor" / "v.nii.gz"
    volume.parent.mkdir()
    marked("LPS").to_filename(volume)
    table = outside.find_copies(outside.read(tmp_path / "set", "coronal", None), progress=False)
    assert table["class"].tolist() == ["glioma", "notumor"] and (table["copy_of"] == "").all()
    assert table["path"].map(str).tolist() == [f"{dicom_}[coronal]", f"{volume}[coronal]"]
    assert table.attrs["aside"] == [str(dicom_.parent / "README")]
    text = (
        "file,class,plane,slice\nset/no tumor/v.nii.gz,notumor,axial,14\nset/no tumor/v.nii.gz,notumor,,13\n"
    )
    (tmp_path / "list.csv").write_text(text)
    listed = outside.read(tmp_path / "list.csv", "sagittal")
    assert listed["path"].tolist() == [
        medical.View(str(volume), "axial", 14),
        medical.View(str(volume), "sagittal", 13),
    ]
    (tmp_path / "list.csv").write_text(text.replace(",13", ",x"))
    with pytest.raises(DataError, match="line 3: slice 'x' is no whole number"):
        outside.read(tmp_path / "list.csv")


def test_predict_reads_them(tmp_path, monkeypatch, capsys):
    from test_outside import demo_record

    monkeypatch.setenv("GCAF_RESULTS", str(tmp_path / "results"))
    monkeypatch.setenv("GCAF_CACHE", str(tmp_path / "cache"))
    demo_record(tmp_path)
    path = tmp_path / "v.nii.gz"
    marked("PIR").to_filename(path)
    given = ["predict", "3f2a", str(path), str(SAMPLES / "MR_small.dcm"), "--plane", "coronal", "--slice"]
    assert cli.main([*given, "0"]) == 0
    out = capsys.readouterr().out
    assert f"{path}[coronal 0]" in out and "MR_small.dcm" in out and "CompressedSamples" not in out
    assert cli.main([*given, "99"]) == 2
    assert "has no coronal slice 99" in capsys.readouterr().err
