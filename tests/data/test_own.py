"""One's own images: every rule, every source, and that a killed run ends as an unbroken one."""

import io
import json
import os
import re
import signal
import stat
import subprocess
import sys
import time
import zipfile

import numpy as np
import pytest
import tensorflow_datasets as tfds
from conftest import ROOT
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from jaxgan.config import load_config
from jaxgan.data import listing, own
from jaxgan.data.own import describe, prepare_images
from jaxgan.data.prepare import main
from jaxgan.data.sources import load_dataset
from jaxgan.errors import Failure, UsageError
from jaxgan.evaluate import open_images

RNG = np.random.default_rng(0)


def noise(height=8, width=8):
    return RNG.integers(0, 256, (height, width, 3), np.uint8)


def encoded(pixels, format="PNG", **kwargs):
    buffer = io.BytesIO()
    image = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)
    image.save(buffer, format, **kwargs)
    return buffer.getvalue()


def fill(folder, files):
    for name, data in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return folder


def zipped(path, files):
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return path


def read(out, split="train"):
    """{name: (pixels, label)} as TFDS reads it."""
    source = tfds.builder_from_directory(out).as_data_source(split)
    return {e["name"].decode(): (e["image"], e.get("label")) for e in source}


def one(tmp_path, data, name="a.png", **kwargs):
    """What becomes of one image."""
    source = fill(tmp_path / "source", {name: data})
    prepare_images(source, tmp_path / "out", **{"resolution": 8, **kwargs})
    return read(tmp_path / "out")[name][0]


def contents(out):
    return {path.name: path.read_bytes() for path in out.iterdir()}


def reasons(report):
    return {entry["file"]: entry["reason"] for entry in report["skipped"]}


@pytest.fixture(scope="module")
def many(tmp_path_factory):
    """40 images in two classes, a duplicate, and what is no image."""
    files = {f"{'cat' if i % 2 else 'dog'}/{i}.png": encoded(noise()) for i in range(40)}
    files |= {"cat/copy.png": files["dog/0.png"], "dog/bad.png": b"x", "notes.txt": b"x"}
    return fill(tmp_path_factory.mktemp("many"), files)


def test_what_comes_out_is_a_tfds_set_and_a_data_set_of_ours(many, tmp_path):
    out = tmp_path / "My flowers"
    report = prepare_images(many, out, resolution=8, held_out=0.3)
    train, test = read(out), read(out, "test")
    assert report["splits"] == {"train": len(train), "test": len(test)}
    assert len(train) + len(test) == 40 and not train.keys() & test.keys()
    assert 4 <= len(test) <= 20
    for name, (pixels, label) in (train | test).items():
        np.testing.assert_array_equal(pixels, Image.open(many / name))
        assert label == (name.startswith("dog") if "copy" not in name else 0)
    assert tfds.builder_from_directory(out).info.features["label"].names == ["cat", "dog"]
    ours = load_dataset("tfds", dir=str(out), labels=True)
    np.testing.assert_array_equal(ours.images, [pixels for pixels, _ in train.values()])
    assert ours.name == "my_flowers" and ours.classes == ("cat", "dog")
    half = load_dataset("tfds", dir=str(out), split="test[:50%]", resolution=4)
    assert half.images.shape == (round(len(test) / 2), 4, 4, 3)
    assert open_images(f"{out}:test", "").num_examples == len(test)
    config = load_config(
        f"{ROOT}/configs/dcgan_folder.py", ["--config.data.name=tfds", f"--config.data.dir={out}"]
    )
    assert (config.data.dir, config.data.crop) == (str(out), "center")
    with pytest.raises(UsageError, match="is a prepared data set.*--config.data.name=tfds"):
        load_dataset("folder", dir=str(out))
    with pytest.raises(UsageError, match="holds no prepared data set"):
        load_dataset("tfds", dir=str(many))


def test_the_report_names_what_was_left_out_and_why(many, tmp_path, capsys):
    out = tmp_path / "out"
    assert main(["--source", str(many), "--out", str(out), "--resolution", "8"]) == 0
    report = json.loads((out / "preparation.json").read_text())
    assert reasons(report) == {
        "dog/bad.png": "unreadable", "notes.txt": "not an image, by its suffix"}  # fmt: skip
    pair = report["duplicates"][0]
    assert {pair["file"], pair["of"]} == {"cat/copy.png", "dog/0.png"}
    assert report["classes"].keys() == {"cat", "dog"} and sum(report["classes"].values()) == 40
    text = capsys.readouterr().out
    for part in ("40 images (train 40), 2 classes", "skipped 1: unreadable: dog/bad.png (in no",
                 "left out 1: the same pixels", "--config.data.name=tfds"):  # fmt: skip
        assert part in text
    kept = prepare_images(many, tmp_path / "kept", resolution=8, keep_duplicates=True)
    assert kept["duplicates"] == report["duplicates"] and kept["splits"] == {"train": 41}
    assert "kept 1: the same pixels" in describe(kept, out)


def test_a_killed_run_goes_on_to_the_same_bytes(many, tmp_path, monkeypatch):
    """Stopped after every image in turn, at the ends of groups, and while it finishes."""
    monkeypatch.setattr(own, "_GROUP", 10)
    options = {"resolution": 8, "held_out": 0.3, "progress": False}
    prepare_images(many, tmp_path / "whole" / "out", **options)
    whole = contents(tmp_path / "whole" / "out")
    assert len([name for name in whole if "array_record" in name]) > 6
    record = own._Writer._record
    for stop in (1, 13, 25, 39, "finish"):
        left = stop if stop != "finish" else 10**6

        def interrupted(self, name, image):
            nonlocal left
            left -= 1
            if left < 0:
                raise KeyboardInterrupt
            return record(self, name, image)

        out = tmp_path / str(stop) / "out"
        with monkeypatch.context() as patch:
            patch.setattr(own._Writer, "_record", interrupted)
            if stop == "finish":
                patch.setattr(tfds.folder_dataset, "write_metadata", lambda **_: 1 / 0)
            with pytest.raises((KeyboardInterrupt, ZeroDivisionError)):
                prepare_images(many, out, **options)
        assert not out.exists()
        journal = out.with_name("out.preparing") / "journal.jsonl"
        with journal.open("a") as file:
            file.write('{"files": 10, "shape"')  # torn
        prepare_images(many, out, **options)
        assert contents(out) == whole
        assert not journal.parent.exists()


def test_kill_9_and_the_same_command(many, tmp_path):
    out = tmp_path / "out"
    program = "from jaxgan.data import own, prepare; own._GROUP = 2; import sys, time;" \
        "slow = own.Rules.shaped; own._AHEAD = 1;" \
        "own.Rules.shaped = lambda *a: (time.sleep(0.02), slow(*a))[1];" \
        "sys.exit(prepare.main())"  # fmt: skip
    arguments = ["--source", str(many), "--out", str(out), "--resolution", "8"]
    process = subprocess.Popen([sys.executable, "-c", program, *arguments], cwd=ROOT)
    journal, deadline = out.with_name("out.preparing") / "journal.jsonl", time.time() + 60
    while time.time() < deadline and not (
        journal.exists() and journal.read_text().count("\n") >= 4
    ):
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert not out.exists() and 3 <= journal.read_text().count("\n") < 20
    own_group = own._GROUP
    try:
        own._GROUP = 2
        prepare_images(many, out, resolution=8)
        prepare_images(many, tmp_path / "unbroken" / "out", resolution=8)
    finally:
        own._GROUP = own_group
    assert contents(out) == contents(tmp_path / "unbroken" / "out")


def test_what_was_begun_otherwise_is_not_gone_on_with(many, tmp_path, monkeypatch):
    out = tmp_path / "out"
    with monkeypatch.context() as patch:
        patch.setattr(own.Shards, "finish", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            prepare_images(many, out, resolution=8)
    with pytest.raises(UsageError, match="begun with other channels, min_side, resolution"):
        prepare_images(many, out, resolution=6, channels=1)
    prepare_images(many, out, resolution=8)
    with pytest.raises(UsageError, match="is there already"):
        prepare_images(many, out, resolution=8)
    shards = own.Shards(tmp_path / "other", {})
    with pytest.raises(UsageError, match="another process prepares"):
        own.Shards(tmp_path / "other", {})
    shards.discard()


def test_a_zip_is_what_its_folder_is(many, tmp_path):
    files = {p.relative_to(many).as_posix(): p.read_bytes() for p in many.rglob("*.*")}
    for name, prefix in (("flat", ""), ("nested", "photos/")):
        path = zipped(tmp_path / f"{name}.zip", {prefix + k: v for k, v in files.items()})
        prepare_images(path, tmp_path / name / "out", resolution=8)
    prepare_images(many, tmp_path / "folder" / "out", resolution=8)
    first, second, third = (read(tmp_path / n / "out") for n in ("flat", "nested", "folder"))
    assert first.keys() == second.keys() == third.keys()
    for name in first:
        np.testing.assert_array_equal(first[name][0], third[name][0])
        assert first[name][1] == second[name][1] == third[name][1]


def test_no_name_leads_out_of_an_archive_and_no_link_is_followed(tmp_path):
    good, path = encoded(noise()), tmp_path / "x.zip"
    bad = ["../up.png", "a/../../up.png", "/abs.png", "C:/x.png", "..\\up.png", "a//b.png"]
    zipped(path, {"good.png": good} | {name: good for name in bad})
    with zipfile.ZipFile(path, "a") as archive:
        link = zipfile.ZipInfo("link.png")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(link, "/etc/passwd")
        with pytest.warns(UserWarning):
            archive.writestr("good.png", good)
        archive.writestr("also.png", good)
    report = prepare_images(path, tmp_path / "out", resolution=8)
    assert read(tmp_path / "out").keys() == {"also.png"}
    found = reasons(report)
    assert {found[name] for name in bad} == {"a name that leads out of the archive"}
    assert found["link.png"] == "no plain file" and found["good.png"] == "its name occurs twice"
    assert {p.name for p in tmp_path.iterdir()} == {"x.zip", "out"}


def test_what_was_made_to_fill_the_memory_is_refused(tmp_path, monkeypatch):
    with zipfile.ZipFile(tmp_path / "x.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.png", bytes(10_000_000))
        archive.writestr("good.png", encoded(noise()))
    monkeypatch.setattr(listing, "MAX_BYTES", 100_000)
    report = prepare_images(tmp_path / "x.zip", tmp_path / "out", resolution=8)
    assert reasons(report) == {"a.png": "more than 100000 bytes"}
    fill(tmp_path / "f", {"a.png": bytes(200_000), "b.png": encoded(noise())})
    report = prepare_images(tmp_path / "f", tmp_path / "out2", resolution=8)
    assert reasons(report) == {"a.png": "too many bytes"}
    monkeypatch.setattr(listing, "FREE", 1000)
    with pytest.raises(UsageError, match="declares 100.* no images are compressed so far"):
        prepare_images(tmp_path / "x.zip", tmp_path / "out3", resolution=8)
    monkeypatch.setattr("jaxgan.data.folder.MAX_PIXELS", 50)
    with pytest.raises(UsageError, match="no image .* could be used.*1 too many pixels"):
        prepare_images(tmp_path / "f", tmp_path / "out4", resolution=8)


@settings(max_examples=60)
@given(cut=st.floats(0, 1), flips=st.lists(st.tuples(st.floats(0, 1), st.integers(0, 7))))
def test_a_damaged_archive_is_a_report_or_one_line(cut, flips, tmp_path_factory):
    folder = tmp_path_factory.mktemp("damaged")
    whole = zipped(folder / "x.zip", {"a.png": encoded(noise()), "b/c.png": encoded(noise())})
    data = bytearray(whole.read_bytes())
    data = data[: 1 + int(cut * (len(data) - 1))]
    for place, bit in flips:
        data[int(place * (len(data) - 1))] ^= 1 << bit
    whole.write_bytes(data)
    try:
        files = listing.open_source(whole)
        for name in files.names:
            try:
                files.read(name)
            except own.BadImage as error:
                assert error.reason
    except UsageError as error:
        assert str(whole) in str(error)


def test_transparency_lies_on_white(tmp_path):
    pixels = np.zeros((8, 8, 4), np.uint8)
    pixels[:4] = (255, 0, 0, 255)
    pixels[4:] = (255, 0, 0, 0)
    image = one(tmp_path, encoded(pixels))
    assert (image[:4] == (255, 0, 0)).all() and (image[4:] == 255).all()
    palette = Image.new("P", (8, 8), 0)
    image = one(tmp_path / "p", encoded(palette, transparency=0))
    assert (image == 255).all()
    image = one(tmp_path / "4", encoded(pixels), channels=4)
    np.testing.assert_array_equal(image, pixels)


def test_grey_is_repeated_or_kept_and_16_bit_is_scaled(tmp_path):
    grey = np.arange(64, dtype=np.uint8).reshape(8, 8)
    image = one(tmp_path / "a", encoded(grey))
    np.testing.assert_array_equal(image, np.repeat(grey[..., None], 3, 2))
    image = one(tmp_path / "b", encoded(grey), channels=1)
    np.testing.assert_array_equal(image[..., 0], grey)
    deep = np.linspace(0, 65535, 64).astype(np.uint16).reshape(8, 8)
    image = one(tmp_path / "c", encoded(deep), channels=1)
    np.testing.assert_array_equal(image[..., 0], np.floor(deep / 257 + 0.5))
    colour = noise()
    weights = colour @ np.array([299, 587, 114]) / 1000
    image = one(tmp_path / "d", encoded(colour), channels=1)
    assert np.abs(image[..., 0] - weights).max() <= 1
    with pytest.raises(UsageError, match="1 unreadable"):
        one(tmp_path / "e", encoded(np.ones((8, 8), np.float32), "TIFF"), "a.tif")


def test_exif_orientation_and_first_frames(tmp_path):
    pixels = noise(8, 8)
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees, clockwise
    image = one(tmp_path, encoded(pixels, exif=exif))
    np.testing.assert_array_equal(image, np.rot90(pixels, -1))
    frames = [Image.new("RGB", (8, 8), (value, 0, 0)) for value in (200, 10)]
    data = encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert one(tmp_path / "g", data, "a.gif")[0, 0].tolist() == [200, 0, 0]


def test_unequal_sizes_by_each_crop(tmp_path):
    pixels = noise(8, 12)
    image = one(tmp_path / "a", encoded(pixels))
    np.testing.assert_array_equal(image, pixels[:, 2:10])
    image = one(tmp_path / "b", encoded(pixels), crop="resize")
    resized = Image.fromarray(pixels).resize((8, 8), Image.Resampling.LANCZOS)
    np.testing.assert_array_equal(image, resized)
    image = one(tmp_path / "c", encoded(pixels), crop="pad", resolution=12)
    np.testing.assert_array_equal(image[2:10], pixels)
    assert not image[:2].any() and not image[10:].any()
    sizes = {f"{i}.png": encoded(noise(8, 12)) for i in range(3)} | {"a.png": encoded(noise(8, 8))}
    report = prepare_images(
        fill(tmp_path / "d", sizes), tmp_path / "none", resolution=8, crop="none"
    )
    assert set(read(tmp_path / "none")) == {"a.png"}
    assert reasons(report) == dict.fromkeys(("0.png", "1.png", "2.png"), "another size")
    report = prepare_images(tmp_path / "d", tmp_path / "own", resolution=0, crop="none")
    shapes = {pixels.shape for pixels, _ in read(tmp_path / "own").values()}
    assert len(shapes) == 1 and set(reasons(report).values()) == {"another size"}


def test_what_is_too_small(tmp_path):
    sizes = {
        "3.png": encoded(noise(3, 9)),
        "4.png": encoded(noise(4, 9)),
        "8.png": encoded(noise()),
    }
    source = fill(tmp_path / "s", sizes)
    assert reasons(prepare_images(source, tmp_path / "a", resolution=8)) == {"3.png": "too small"}
    assert not reasons(prepare_images(source, tmp_path / "b", resolution=8, min_side=0))
    report = prepare_images(source, tmp_path / "c", resolution=8, min_side=8)
    assert reasons(report).keys() == {"3.png", "4.png"}
    report = prepare_images(source, tmp_path / "d", resolution=0, crop="none", min_side=5)
    assert reasons(report) == {"3.png": "too small", "4.png": "too small"}


def test_labels_from_a_table(tmp_path):
    source = fill(tmp_path / "s", {f"d/{i}.png": encoded(noise()) for i in range(5)})
    table = tmp_path / "labels.csv"
    table.write_text('\ufefffile,x,label\nd/0.png,,10\nd/1.png,,9\n"d/2.png",,10\ngone.png,,9\n')
    report = prepare_images(source, tmp_path / "out", resolution=8, labels=str(table))
    labels = {name: label for name, (_, label) in read(tmp_path / "out").items()}
    assert labels == {"d/0.png": 1, "d/1.png": 0, "d/2.png": 1}
    assert report["classes"] == {"9": 1, "10": 2}, "numbers are in order"
    assert reasons(report) == dict.fromkeys(("d/3.png", "d/4.png"), f"no label in {table}")
    assert report["labels_without_a_file"] == ["gone.png"]
    assert "1 labels have no file: gone.png" in describe(report, "out")
    prepare_images(source, tmp_path / "none", resolution=8, labels="none")
    assert read(tmp_path / "none")["d/0.png"][1] is None


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("", "names nothing; expected the columns file,label"),
        ("name,label\na,b\n", "names name, label; expected"),
        ("file,label\na.png\n", "line 2: expected a file and its label"),
        ("file,label\na.png,x\na.png,y\n", "a.png is labelled x and y"),
        (b"file,label\n\xff\xff,x\n", "cannot read --labels"),
        (None, "cannot read --labels"),
    ],
)
def test_tables_that_cannot_be_used(text, part, tmp_path):
    source = fill(tmp_path / "s", {"a.png": encoded(noise())})
    table = tmp_path / "labels.csv"
    if text is not None:
        table.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(UsageError, match=part) as error:
        prepare_images(source, tmp_path / "out", resolution=8, labels=str(table))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (["--resolution", "0"], "--resolution must be positive"),
        (["--crop", "centre"], "did you mean 'center'"),
        (["--channels", "2"], "must be 1, 3 or 4"),
        (["--held_out", "1"], r"share in \[0, 1\)"),
        (["--resize", "cubic"], "resize filter"),
        (["--source", "nowhere"], "--source nowhere does not exist"),
        (["--source", "s/a.png"], "is no zip archive"),
        (["--source", "empty"], "holds no images"),
        (["--source", "text"], "holds no images: 1 not an image"),
        (["--source", "splits"], "the folders test, train are splits"),
        (["--out", "s"], "--out s is there already"),
        (["--name", "cifar10"], "give --name, a published data set, or"),
        (["--dir", "d"], "--dir is of --name"),
    ],
)
def test_wrong_input_is_one_line(arguments, part, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    image = encoded(noise())
    fill(tmp_path, {"s/a.png": image, "text/a.txt": b"x", "splits/train/a.png": image,
                    "splits/test/b.png": image})  # fmt: skip
    (tmp_path / "empty").mkdir()
    given = ["--source", "s", "--out", "out", "--resolution", "8", *arguments]
    before = sorted(os.listdir(tmp_path))
    assert main(given) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ") and error.count("\n") == 1
    assert re.search(part, error)
    assert sorted(os.listdir(tmp_path)) == before


def test_neither_a_name_nor_a_source(capsys):
    assert main(["--out", "x"]) == 2 and "give --name" in capsys.readouterr().err
    assert main(["--name", "cifar10", "--crop", "pad"]) == 2
    assert "--crop is of --source" in capsys.readouterr().err


def test_a_part_that_is_not_whole_is_a_failure(many, tmp_path, monkeypatch):
    monkeypatch.setattr("jaxgan.data.shards._count", lambda path: 0)
    with pytest.raises(Failure, match="could not be written whole"):
        prepare_images(many, tmp_path / "out", resolution=8)
    monkeypatch.undo()
    prepare_images(many, tmp_path / "out", resolution=8)


def test_a_name_that_is_no_text_is_kept(tmp_path):
    """File names are bytes, and old ones may be Latin-1."""
    source = tmp_path / "source"
    source.mkdir()
    with open(os.fsencode(source) + b"/caf\xe9.png", "wb") as file:
        file.write(encoded(noise()))
    prepare_images(source, tmp_path / "out", resolution=8, progress=False)
    assert load_dataset("tfds", dir=str(tmp_path / "out")).num_examples == 1
    examples = tfds.builder_from_directory(tmp_path / "out").as_data_source("train")
    assert examples[0]["name"] == b"caf\xe9.png"


def test_wrong_flags_are_told_in_a_line(capsys):
    assert main(["--nane", "mnist"]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: unrecognized arguments: --nane") and error.count("\n") == 1
