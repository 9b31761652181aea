import logging
import os
import struct
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

import jaxgan.data.folder
from jaxgan.data.sources import load_dataset
from jaxgan.errors import UsageError


def put(path, value=0, size=(6, 6), mode="RGB", **kwargs):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, size, value).save(path, **kwargs)


def load(root, **kwargs):
    return load_dataset("folder", dir=str(root), **{"resolution": 6, **kwargs})


@pytest.fixture
def animals(tmp_path):
    """Two classes, one with a nested folder; pixel values tell the sorted order."""
    put(tmp_path / "dog" / "a.png", (3, 3, 3))
    put(tmp_path / "cat" / "b.bmp", (1, 1, 1))
    put(tmp_path / "cat" / "deep" / "a.PNG", (2, 2, 2))
    put(tmp_path / "cat" / ".hidden.png", (9, 9, 9))
    (tmp_path / "readme.txt").write_text("no image")
    return tmp_path


@pytest.mark.parametrize("max_resident_mb", [2048, 0])
def test_classes_and_sorted_order_resident_and_lazy(animals, max_resident_mb):
    data = load(animals, max_resident_mb=max_resident_mb)
    assert data.is_resident == bool(max_resident_mb)
    assert [int(data.images[i][0, 0, 0]) for i in range(len(data.images))] == [1, 2, 3]
    assert data.classes == ("cat", "dog") and data.labels.tolist() == [0, 0, 1]
    assert data.image_shape == (6, 6, 3)


def test_classes_that_are_numbers_are_in_their_order(tmp_path):
    """As in a set that is prepared of the same folder."""
    for number in range(11):
        put(tmp_path / str(number) / "a.png", (number, 0, 0))
    data = load(tmp_path)
    assert data.classes == tuple(map(str, range(11)))
    assert [int(image[0, 0, 0]) for image in data.images] == [0, 1, 10, *range(2, 10)]
    assert data.labels.tolist() == [0, 1, 10, *range(2, 10)]


def test_images_directly_in_the_folder_have_no_labels(animals):
    put(animals / "loose.png")
    data = load(animals)
    assert data.num_examples == 4 and data.labels is None
    with pytest.raises(UsageError, match="has no labels.*folder of its own"):
        load(animals, labels=True)


def test_splits_are_subfolders(animals, tmp_path):
    put(tmp_path / "sets" / "train" / "x" / "a.png")
    put(tmp_path / "sets" / "test" / "y" / "a.png")
    assert load(tmp_path / "sets").classes == ("x",)
    assert load(tmp_path / "sets", split="test").classes == ("y",)
    with pytest.raises(UsageError, match="no split 'val' in .*choose from test, train"):
        load(tmp_path / "sets", split="val")
    with pytest.raises(UsageError, match="has no split 'test'"):
        load(animals / "cat", split="test")


def test_every_format(tmp_path):
    for suffix in ("png", "jpg", "jpeg", "webp", "bmp", "gif", "tif", "tiff"):
        put(tmp_path / f"{suffix}.{suffix}", (128, 128, 128))
    images = load(tmp_path).images
    assert images.shape == (8, 6, 6, 3)
    assert np.all(np.abs(images.astype(int) - 128) <= 3)


def test_an_animation_gives_its_first_frame(tmp_path):
    frames = [Image.new("RGB", (6, 6), (value, 0, 0)) for value in (200, 10)]
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:])
    assert load(tmp_path).images[0, 0, 0].tolist() == [200, 0, 0]


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_16_bit_grey_is_scaled(tmp_path, suffix):
    ramp = np.array([[0, 257, 65535], [128, 129, 32896]], np.uint16)
    Image.fromarray(ramp).save(tmp_path / f"a.{suffix}")
    images = load(tmp_path, resolution=3, crop="pad").images
    assert images.shape == (1, 3, 3, 1)  # all files are grey
    np.testing.assert_array_equal(images[0, :2, :, 0], [[0, 1, 255], [0, 1, 128]])


def test_exif_orientation_is_applied(tmp_path):
    image = Image.new("RGB", (6, 6))
    image.paste((255, 255, 255), (0, 0, 6, 3))  # white above
    exif = Image.Exif()
    exif[0x0112] = 3  # turned by 180 degrees
    image.save(tmp_path / "a.png", exif=exif)
    rows = load(tmp_path).images[0, :, 0, 0]
    assert rows[0] == 0 and rows[5] == 255


@pytest.mark.parametrize("orientation, quarters", [(6, 3), (8, 1)])
def test_a_turned_grey_tiff_keeps_its_pixels(tmp_path, orientation, quarters):
    pixels = np.random.default_rng(0).integers(0, 256, (30, 40), np.uint8)
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(pixels).save(tmp_path / "a.tif", exif=exif)
    np.testing.assert_array_equal(
        load(tmp_path, resolution=0).images[0, :, :, 0], np.rot90(pixels, quarters)
    )


def test_mixed_modes_become_rgb_and_palettes_with_transparency_white(tmp_path):
    put(tmp_path / "a.png", 7, mode="L")
    put(tmp_path / "b.png", 0, mode="P", transparency=0)
    put(tmp_path / "c.png", (0, 0, 0, 0), mode="RGBA")
    images = load(tmp_path).images
    assert images.shape[-1] == 3
    assert [int(image[0, 0, 0]) for image in images] == [7, 255, 255]


def damage(path):
    noise = np.random.default_rng(0).integers(0, 256, (60, 60, 3), np.uint8)
    Image.fromarray(noise).save(path)
    path.write_bytes(path.read_bytes()[:5000])


@pytest.mark.parametrize("channels", [0, 3])
def test_a_bad_image_is_named(animals, channels):
    damage(animals / "dog" / "bad.png")
    with pytest.raises(UsageError, match="cannot read image .*dog/bad.png.*on_bad_image='skip'"):
        load(animals, channels=channels)


@pytest.mark.parametrize("channels", [0, 3])
@pytest.mark.parametrize("max_resident_mb", [2048, 0])
def test_bad_images_are_skipped_and_counted(animals, caplog, channels, max_resident_mb):
    damage(animals / "cat" / "bad.png")
    (animals / "dog" / "text.jpg").write_text("no image")
    with caplog.at_level(logging.WARNING):
        data = load(
            animals, on_bad_image="skip", channels=channels, max_resident_mb=max_resident_mb
        )
    assert data.num_examples == 3 and data.labels.tolist() == [0, 0, 1]
    assert "left out 2 of 5 images" in caplog.text
    for path in animals.rglob("*.*"):
        if path.suffix in (".png", ".PNG", ".bmp"):
            path.write_text("no image")
    with pytest.raises(UsageError, match="cannot read image"):
        load(animals, on_bad_image="skip", channels=channels)


def test_a_lazy_set_names_the_bad_image_when_its_turn_comes(animals):
    damage(animals / "dog" / "bad.png")
    data = load(animals, channels=3, max_resident_mb=0)
    with pytest.raises(UsageError, match="dog/bad.png"):
        data.images[3]


def test_huge_images_are_refused_before_decoding(animals, monkeypatch):
    monkeypatch.setattr(jaxgan.data.folder, "MAX_PIXELS", 35)
    with pytest.raises(UsageError, match="6 x 6 pixels, limit 35"):
        load(animals)


@pytest.mark.parametrize(
    "kwargs, message",
    [
        ({"dir": ""}, "needs dir"),
        ({"dir": "/no/such/folder"}, "no folder /no/such/folder"),
        ({"on_bad_image": "ignore"}, "expected 'raise' or 'skip'"),
    ],
)
def test_wrong_arguments_are_refused(animals, kwargs, message):
    with pytest.raises(UsageError, match=message):
        load_dataset("folder", **{"dir": str(animals), "resolution": 6, **kwargs})


@pytest.mark.parametrize("max_resident_mb", [2048, 0])
def test_without_a_resolution_images_keep_their_size_which_must_be_one(animals, max_resident_mb):
    data = load(animals, resolution=0, max_resident_mb=max_resident_mb)
    assert data.image_shape == (6, 6, 3)
    put(animals / "dog" / "b.png", size=(6, 7))
    with pytest.raises(UsageError, match="7 x 6 pixels.*6 x 6; give resolution"):
        data = load(animals, resolution=0, max_resident_mb=max_resident_mb)
        data.images[3]


def test_an_empty_folder_is_refused(tmp_path):
    with pytest.raises(UsageError, match="no images in"):
        load(tmp_path)


KINDS = ["png", "jpg", "webp", "bmp", "gif", "tif"]


@settings(max_examples=100)
@given(
    files=st.lists(
        st.tuples(
            st.sampled_from(KINDS),
            st.sampled_from(["", "a", "b", "train"]),
            st.floats(0, 1),
            st.lists(st.tuples(st.floats(0, 1), st.integers(0, 7)), max_size=3),
        ),
        max_size=4,
    ),
    bad=st.sampled_from(["raise", "skip"]),
    resolution=st.sampled_from([0, 4]),
)
@pytest.mark.filterwarnings("ignore")
def test_of_whatever_a_folder_holds_images_come_or_one_line(
    files, bad, resolution, tmp_path_factory
):
    root = tmp_path_factory.mktemp("fuzzed")
    for index, (kind, folder, cut, flips) in enumerate(files):
        path = root / folder / f"{index}.{kind}"
        put(path, (index, 100, 200))
        data = bytearray(path.read_bytes())
        data = data[: 1 + int(cut * (len(data) - 1))]
        for place, bit in flips:
            data[int(place * (len(data) - 1))] ^= 1 << bit
        path.write_bytes(data)
    try:
        data = load_dataset("folder", dir=str(root), resolution=resolution, on_bad_image=bad)
        assert 1 <= data.num_examples <= len(files)
        data.take(np.arange(data.num_examples))
    except UsageError as error:
        assert str(root) in str(error)


def test_pipes_and_circles_of_links_are_no_hang(tmp_path):
    put(tmp_path / "good.png")
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "loop").symlink_to(tmp_path)
    (tmp_path / "gone.png").symlink_to(tmp_path / "nothing")
    assert load(tmp_path).num_examples == 1


def png(depth: int, colour: int, rows: bytes, hidden: bytes) -> bytes:
    """A PNG of one row of two pixels with a colour that means nothing is there."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        body = kind + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    header = struct.pack(">IIBBBBB", 2, 1, depth, colour, 0, 0, 0)
    data = zlib.compress(b"\0" + rows)
    parts = [(b"IHDR", header), (b"tRNS", hidden), (b"IDAT", data), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(kind, data) for kind, data in parts)


@pytest.mark.parametrize(
    ("depth", "colour", "rows", "hidden"),
    [
        (16, 0, struct.pack(">HH", 0x1234, 0x5678), struct.pack(">H", 0x1234)),
        (4, 0, bytes([0x15]), struct.pack(">H", 1)),
        (2, 0, bytes([0b01100000]), struct.pack(">H", 1)),
        (8, 0, bytes([0x12, 0x56]), struct.pack(">H", 0x12)),
        (
            16,
            2,
            struct.pack(">6H", *[0x1234] * 3, *[0x3456] * 3),
            struct.pack(">3H", *[0x1234] * 3),
        ),
    ],
    ids=["grey 16", "grey 4", "grey 2", "grey 8", "RGB 16"],
)
def test_a_colour_that_hides_is_found_at_every_depth(depth, colour, rows, hidden, tmp_path):
    (tmp_path / "a.png").write_bytes(png(depth, colour, rows, hidden))
    (image,) = load(tmp_path, resolution=0, channels=3).images
    assert (image[0, 0] == 255).all() and (image[0, 1] < 255).all()


@pytest.mark.parametrize("max_resident_mb", [2048, 0])
def test_where_the_first_file_is_bad_the_next_sets_the_size(animals, max_resident_mb):
    (animals / "cat" / "a.png").write_text("no image")
    how = {"resolution": 0, "on_bad_image": "skip", "max_resident_mb": max_resident_mb}
    assert load(animals, **how).num_examples == 3
    for path in animals.rglob("*.*"):
        path.write_text("no image")
    with pytest.raises(UsageError, match="cannot read image"):
        load(animals, **how)


@pytest.mark.parametrize("max_resident_mb", [2048, 0])
def test_an_image_of_another_size_is_not_skipped(animals, max_resident_mb):
    put(animals / "dog" / "b.png", size=(6, 7))
    with pytest.raises(UsageError, match="7 x 6 pixels.*6 x 6; give resolution"):
        load(animals, resolution=0, on_bad_image="skip", max_resident_mb=max_resident_mb)
