"""Working on batches of facts on a few threads."""

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from segmentation.engine.facts import Facts

THREADS = 2

R = TypeVar("R")


def in_threads(work: Callable[[Facts], R], batches: Iterator[Facts]) -> Iterator[R]:
    """The results of batches, in order and few of them in memory; the kernels release the interpreter's lock."""
    with ThreadPoolExecutor(THREADS) as pool:
        waiting: deque[Future[R]] = deque()
        for facts in batches:
            waiting.append(pool.submit(work, facts))
            if len(waiting) > THREADS:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
