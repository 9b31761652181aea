"""Plays a workload in PyTorch.

python experiments/speed/torch_worker.py WORKLOAD_JSON eager|channels_last|compiled DTYPE
"""

import json
import sys
import time

import torch
from protocol import serve
from torch_gans import Gan
from workloads import Workload


def main() -> None:
    fields, mode, dtype = sys.argv[1:]
    device = "cuda" if torch.cuda.is_available() else "cpu"
    compiled, last = mode.startswith("compiled"), mode.endswith("channels_last")
    workload = Workload(**json.loads(fields))
    gan = Gan(workload, device, channels_last=last, compiled=compiled, dtype=dtype)

    def wait() -> None:
        if device == "cuda":
            torch.cuda.synchronize()

    def play(steps: int) -> None:
        for _ in range(steps):
            gan.step()
        wait()

    def matmul(size: int) -> None:
        matrix = torch.ones(size, size, device=device, dtype=getattr(torch, dtype))
        torch.mm(matrix, matrix)
        wait()

    begin = time.perf_counter()
    play(2)
    hello = {
        "compile_seconds": round(time.perf_counter() - begin, 2),
        "device": torch.cuda.get_device_name() if device == "cuda" else "cpu",
        "version": f"torch {torch.__version__}, {torch.get_num_threads()} threads",
        "parameters": {
            player: sum(param.numel() for param in params) for player, params in gan.params.items()
        },
    }
    serve(hello, play, matmul)


if __name__ == "__main__":
    main()
