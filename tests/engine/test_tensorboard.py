import struct

import numpy as np
from tensorboardX.proto.event_pb2 import Event

from jaxgan.engine.tensorboard import TensorBoard


def events(path):
    data, at = path.read_bytes(), 0
    while at < len(data):
        (length,) = struct.unpack("<Q", data[at : at + 8])
        yield Event.FromString(data[at + 12 : at + 12 + length])
        at += 16 + length


def test_each_start_has_a_file_of_its_own_that_voids_later_steps(tmp_path):
    for first in (0, 5, 3):
        board = TensorBoard(tmp_path / "tensorboard", first_step=first)
        board.add_scalar("gen/loss", 0.5, first + 1)
        board.add_image("samples", np.zeros((2, 3, 3), np.uint8), first + 1)
        board.close()
    files = sorted((tmp_path / "tensorboard").iterdir())
    assert len(files) == 3
    for path in files:
        version, start, scalar, image = events(path)
        assert version.file_version and start.session_log.status == 1
        assert start.step == scalar.step == image.step
        assert scalar.summary.value[0].simple_value == 0.5
        assert (image.summary.value[0].image.height, image.summary.value[0].image.width) == (2, 3)
