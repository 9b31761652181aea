import numpy as np
import pytest
from PIL import Image

from jaxgan.data.shaping import CROPS, RESIZES, Shaping
from jaxgan.errors import UsageError

WIDE = np.zeros((4, 12, 3), np.uint8)
WIDE[:, 4:8] = 200  # the central square
WIDE[:, :4] = 50


def test_nothing_to_change_gives_the_same_array():
    images = WIDE[None]
    assert Shaping().arrays(images, "x") is images
    assert Shaping(channels=3).arrays(images, "x") is images


def test_center_takes_the_central_square():
    assert np.all(Shaping(resolution=4).array(WIDE) == 200)
    assert np.all(Shaping(resolution=7).array(WIDE) == 200)


def test_resize_keeps_everything():
    shaped = Shaping(resolution=6, crop="resize", resize="nearest").array(WIDE)
    np.testing.assert_array_equal(shaped[0, :, 0], [50, 50, 200, 200, 0, 0])


def test_pad_centres_with_zeros_and_never_enlarges():
    shaped = Shaping(resolution=14, crop="pad").array(WIDE + 1)
    np.testing.assert_array_equal(shaped[5:9, 1:13], WIDE + 1)
    assert shaped.sum() == (WIDE + 1).sum()
    fitted = Shaping(resolution=6, crop="pad", resize="bilinear").array(WIDE + 1)
    assert np.all(fitted[:2] == 0) and np.all(fitted[4:] == 0) and np.all(fitted[2:4] > 0)


@pytest.mark.parametrize("channels", [1, 3])
def test_the_colour_that_a_file_hides_is_white(channels, tmp_path):
    """PNG has a colour that means nothing is there, for RGB and grey."""
    pink = Image.new("RGB", (4, 4), (255, 0, 255))
    pink.putpixel((0, 0), (10, 10, 10))
    pink.save(tmp_path / "a.png", transparency=(255, 0, 255))
    with Image.open(tmp_path / "a.png") as image:
        shaped = Shaping(channels=channels).image(image)
    assert np.all(shaped[0, 0] == 10) and np.all(shaped[1:] == 255)


@pytest.mark.parametrize("crop", CROPS)
@pytest.mark.parametrize("resize", RESIZES)
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_every_combination_has_the_shape_asked_for(crop, resize, channels):
    shaping = Shaping(resolution=9, channels=channels, resize=resize, crop=crop)
    for own in (1, 3, 4):
        image = np.full((5, 12, own), 77, np.uint8)
        shaped = shaping.arrays(image[None], "x")
        assert shaped.shape == (1, 9, 9, channels) and shaped.dtype == np.uint8


def test_transparency_lies_on_white():
    clear_black = Image.new("RGBA", (2, 2), (0, 0, 0, 0))
    assert np.all(Shaping(channels=3).image(clear_black) == 255)
    assert np.all(Shaping(channels=1).image(clear_black) == 255)
    half_black = Image.new("LA", (2, 2), (0, 128))
    assert np.all(np.abs(Shaping(channels=3).image(half_black).astype(int) - 127) <= 1)
    assert Shaping(channels=4).image(clear_black)[0, 0].tolist() == [0, 0, 0, 0]


def test_grey_and_colour():
    grey = np.full((2, 2, 1), 9, np.uint8)
    assert np.all(Shaping(channels=3).array(grey) == 9)
    red = np.zeros((2, 2, 3), np.uint8)
    red[..., 0] = 255
    assert Shaping(channels=1).array(red)[0, 0, 0] == 76  # 0.299 * 255
    assert Shaping(channels=4).array(red)[0, 0].tolist() == [255, 0, 0, 255]


@pytest.mark.parametrize(
    "kwargs, message",
    [
        ({"resolution": -1}, "resolution is -1"),
        ({"resolution": "64"}, "resolution is '64'"),
        ({"channels": 2}, "channels is 2; expected 1"),
        ({"resize": "cubic"}, "unknown resize filter 'cubic'; did you mean 'bicubic'"),
        ({"crop": "centre"}, "unknown crop 'centre'; did you mean 'center'"),
    ],
)
def test_wrong_values_are_refused(kwargs, message):
    with pytest.raises(UsageError, match=message):
        Shaping(**kwargs)


def test_odd_channels_pass_untouched_or_are_refused():
    images = np.zeros((1, 4, 4, 2), np.uint8)
    assert Shaping().arrays(images, "x") is images
    with pytest.raises(UsageError, match="has 2 channels"):
        Shaping(resolution=2).arrays(images, "x")
