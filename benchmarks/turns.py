"""Ways that are compared run in turns, so that whatever else the machine does slows all of them alike."""

import time

import numpy as np


def seconds_in_turns(runs, rounds, warm_up=0):
    """Median seconds of each way.

    Args:
        runs: dict of name to a function without arguments; where it returns a float, these are its seconds.
        rounds: how often each way runs.
        warm_up: rounds before these, which do not count.

    Returns:
        Dict of name to seconds.
    """
    taken = {name: [] for name in runs}
    for _ in range(warm_up + rounds):
        for name, run in runs.items():
            start = time.perf_counter()
            own = run()
            taken[name].append(own if isinstance(own, float) else time.perf_counter() - start)
    return {name: float(np.median(times[warm_up:])) for name, times in taken.items()}


if __name__ == "__main__":
    print("Used by the other benchmarks.")
