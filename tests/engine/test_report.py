import numpy as np
import pytest
from PIL import Image

from jaxgan.engine.report import Report, read_metrics, save_grid, to_uint8


def test_quantization_is_floor_and_reaches_both_ends():
    levels = to_uint8(np.array([-1.0, -1.1, 0.0, 1.0, 2.0, 0.9999, -0.9999]))
    assert levels.tolist() == [0, 0, 128, 255, 255, 255, 0]
    pixels = np.arange(256)
    np.testing.assert_array_equal(to_uint8((pixels * 2 - 255) / 255), pixels)


@pytest.mark.parametrize(("channels", "mode"), [(1, "L"), (2, "L"), (3, "RGB"), (4, "RGBA")])
def test_grid_places_rows_and_columns(channels, mode, tmp_path):
    images = np.full((2, 3, 4, 5, channels), -1.0)
    images[1, 2] = 1.0
    save_grid(tmp_path / "new" / "grid.png", images)
    picture = Image.open(tmp_path / "new" / "grid.png")
    assert picture.mode == mode
    scale = 512 // 15
    assert picture.size == (3 * 5 * scale, 2 * 4 * scale)
    pixels = np.asarray(picture).reshape(*picture.size[::-1], -1)
    assert pixels[4 * scale :, 10 * scale :].min() == 255
    assert pixels[: 4 * scale].max() == 0


def test_lines_after_the_restored_step_and_torn_lines_are_dropped(tmp_path):
    def report(first_step):
        return Report(tmp_path, config="{}", first_step=first_step, steps=9, images=4)

    with report(0) as first:
        for step in (1, 2, 3):
            first.log(step, {"gen/loss": step}, seconds=step, steps_per_sec=None)
    with (tmp_path / "metrics.jsonl").open("a") as file:
        file.write('{"step": 4, "gen/l')
    assert [line["step"] for line in read_metrics(tmp_path / "metrics.jsonl")] == [1, 2, 3]
    with report(2) as second:
        line = second.log(3, {"gen/loss": 7}, seconds=0.5, steps_per_sec=2.5)
    assert (line["images"], line["seconds"], line["images_per_sec"]) == (12, 2.5, 10)
    lines = read_metrics(tmp_path / "metrics.jsonl")
    assert [(line["step"], line["gen/loss"]) for line in lines] == [(1, 1), (2, 2), (3, 7)]
    assert (tmp_path / "config.json").read_text() == "{}"


def test_a_film_is_in_the_order_of_steps(tmp_path):
    with Report(tmp_path, config="{}", first_step=0, steps=9, images=4) as report:
        for shade, name in enumerate(("init", "999000", "1000000")):
            report.picture(name, np.full((4, 4, 3), 80 * shade, np.uint8), 0)
        report.film()
    with Image.open(tmp_path / "samples" / "training.gif") as film:
        shades = []
        for frame in range(film.n_frames):
            film.seek(frame)
            shades.append(film.convert("L").getpixel((0, 0)))
    assert shades == [0, 80, 160]
