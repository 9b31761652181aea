"""A worker is a process that plays steps when told so and says how long they took.

The parent writes a line `steps N` or `matmul N`; the worker answers with a line of JSON. Between
two requests it waits and uses no processor, so that workers can take turns on one machine.
"""

import json
import resource
import sys
import time
from collections.abc import Callable


def serve(hello: dict, play: Callable[[int], None], matmul: Callable[[int], None]) -> None:
    """Answers requests until the input ends. hello: what is said first, compile seconds and so on.

    play(n): n steps, finished when it returns. matmul(n): a product of two [n, n] matrices.
    """
    say(hello)
    for request in sys.stdin:
        what, number = request.split()
        begin = time.perf_counter()
        {"steps": play, "matmul": matmul}[what](int(number))
        seconds = time.perf_counter() - begin
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        say({"seconds": seconds, "peak_mb": round(peak)})


def say(message: dict) -> None:
    print(json.dumps(message), flush=True)
