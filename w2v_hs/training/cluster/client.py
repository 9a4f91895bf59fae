"""Calls to Dask: connecting, submitting, waiting, progress, the places of shards, errors.

Scheduling, transport and recovery are Dask's (Rocklin 2015): a task whose worker was lost runs
again on another, and what it needs is computed anew.
"""

import contextlib
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError
from typing import Any

from w2v_hs.checks import shown
from w2v_hs.errors import ClusterError, W2VError
from w2v_hs.progress import Display
from w2v_hs.version import __version__

CONNECT = 10.0  # seconds to wait for a scheduler
LOOK = 0.2  # seconds between two looks at the tasks of a round
REPORT_EVERY = 0.5  # seconds between two messages of a worker about its progress
FAN_IN = 8  # results that one task merges
PATIENCE = 60.0  # seconds to wait for a worker where there is none


def connect(address: str, timeout: float = CONNECT) -> Any:
    """A `distributed.Client` of the scheduler at an address such as tcp://host:8786.

    timeout: seconds. Raises `ClusterError` if Dask is not installed or no scheduler answers.
    """
    try:
        import logging

        from distributed import Client
    except ImportError as error:
        raise ClusterError("--scheduler needs Dask: pip install 'w2v-hs[dask]'") from error
    # Errors are told once, by us. Dask gives its loggers levels of their own.
    for name in list(logging.root.manager.loggerDict):
        if name.split(".")[0] == "distributed":
            logging.getLogger(name).setLevel(logging.CRITICAL)
    try:
        return Client(address, timeout=timeout)
    except (OSError, ValueError, TypeError) as error:
        raise ClusterError(
            f"{shown(address)}: no Dask scheduler answers there; start one with 'dask scheduler' "
            "and give its address, as in tcp://host:8786"
        ) from error


@contextlib.contextmanager
def dask_errors(client: Any, advice: Callable[[], str]) -> Iterator[None]:
    """Turn what Dask raises into a `ClusterError` of one line, which ends in advice().

    What our own tasks raise stays as it is.
    """
    from distributed import KilledWorker
    from distributed.comm import CommClosedError

    if client.status in ("closing", "closed"):
        raise ClusterError("the client is closed; connect a new one to the scheduler")
    address = shown(client.scheduler.address)  # a client that has lost it does not know
    try:
        yield
    except W2VError:
        raise
    except KilledWorker as error:
        raise ClusterError(
            f"a task of this run was on {error.allowed_failures + 1} workers when they died, the "
            f"last was {error.last_worker.address}: they may need more memory, see their logs; "
            f"{advice()}"
        ) from error
    except ModuleNotFoundError as error:
        raise ClusterError(
            f"a worker lacks the package {error.name}: install w2v_hs with the extra dask on all"
        ) from error
    except (CancelledError, CommClosedError, OSError) as error:
        # Futures are cancelled where the scheduler is lost, or what they need cannot be made again.
        if not _alive(client):
            what = "the scheduler is lost"
        elif isinstance(error, CancelledError):
            what = "workers were lost, and with them what no other had"
        else:
            what = shown(_first_line(error))
        raise ClusterError(f"{address}: {what}; {advice()}") from error


def _first_line(error: BaseException) -> str:
    return next(iter(str(error).splitlines()), "") or type(error).__name__


def _alive(client: Any) -> bool:
    """Whether the scheduler still answers."""
    try:
        client.sync(client.scheduler.identity, callback_timeout=5)
    except Exception:
        return False
    return bool(client.status == "running")


def workers(client: Any) -> dict[str, int]:
    """The threads of each worker by address, sorted; `ClusterError` if none comes in a minute."""
    until = time.monotonic() + PATIENCE
    while not (found := client.nthreads()):
        if time.monotonic() > until:
            raise ClusterError(
                f"{shown(client.scheduler.address)}: no workers; start some with 'dask worker "
                f"{shown(client.scheduler.address)}'"
            )
        time.sleep(LOOK)
    return dict(sorted(found.items()))


def note_workers(client: Any, shows: Display) -> dict[str, int]:
    """As `workers`, with a note for people.

    Also raises `ClusterError` if a worker has another version of this package.
    """
    found = workers(client)
    for address, version in client.run(_version).items():
        if version != __version__:
            raise ClusterError(
                f"{address}: w2v_hs {version} is installed there, {__version__} here; install the same"
            )
    count, threads = len(found), sum(found.values())
    shows.note(f"{count} workers, {threads} threads; dashboard: {client.dashboard_link}")
    return found


def _version() -> str:
    return __version__


def wait_for(client: Any, futures: list[Any], look: Callable[[], None] = lambda: None) -> None:
    """Wait until tasks are done, or one fails.

    look() is called some times a second, and may raise.
    """
    from distributed import wait

    checked = time.monotonic()
    while True:
        with contextlib.suppress(TimeoutError):
            wait(futures, timeout=LOOK)
            break
        for future in futures:
            if future.status == "error":
                future.result()
        look()
        if time.monotonic() - checked > 5:
            workers(client)  # tasks of a cluster without workers would wait for ever
            checked = time.monotonic()
    for future in futures:
        if future.status != "finished":
            future.result()


def submit(client: Any, function: Callable[..., Any], *arguments: Any, worker: str | None = None) -> Any:
    """A task that Dask runs once, preferably on `worker`."""
    key = f"{function.__name__.strip('_')}-{uuid.uuid4().hex}"
    where = {"workers": [worker], "allow_other_workers": True} if worker else {}
    return client.submit(function, *arguments, key=key, **where)


def scatter(client: Any, value: object, workers: list[str]) -> Any:
    """Send a value to some workers, without the scheduler; a future of it."""
    name = f"scattered-{uuid.uuid4().hex}"
    return client.scatter({name: value}, workers=workers, broadcast=True, direct=True)[name]


def reduce_in_groups(client: Any, function: Callable[..., Any], parts: list[Any]) -> list[Any]:
    """Reduce many futures to at most `FAN_IN` of them, with function(list) on groups of them."""
    while len(parts) > FAN_IN:
        groups = [parts[i : i + FAN_IN] for i in range(0, len(parts), FAN_IN)]
        parts = [submit(client, function, group) for group in groups]
    return parts


def pick(values: Any, place: int) -> Any:
    return values[place]


class ProgressReporter:
    """Reports to the client, from a task, how many tokens of a part of a round are trained."""

    def __init__(self, topic: str, number: int, part: int):
        self.topic, self.number, self.part, self.last = topic, number, part, 0.0

    def __call__(self, tokens: int) -> None:
        from distributed import get_worker

        if time.monotonic() - self.last > REPORT_EVERY:
            self.last = time.monotonic()
            worker = get_worker()
            place = {"round": self.number, "part": self.part, "worker": worker.address}
            worker.log_event(self.topic, {**place, "tokens": int(tokens)})


class ProgressListener:
    """Collects what `ProgressReporter`s report: tokens of all parts of a round."""

    def __init__(self, client: Any, topic: str):
        self.client, self.topic = client, topic
        self.parts: dict[tuple[int, int], int] = {}
        client.subscribe_topic(topic, self._hear)

    def _hear(self, event: Any) -> None:
        _, message = event
        # If a worker was lost, its part starts again.
        self.parts[message["round"], message["part"]] = message["tokens"]

    def tokens(self, number: int) -> int:
        """Tokens of all parts of round `number`."""
        return sum(n for (found, _), n in list(self.parts.items()) if found == number)

    def stop(self) -> None:
        """Stop listening."""
        with contextlib.suppress(Exception):
            self.client.unsubscribe_topic(self.topic)


def place_shards(sizes: list[int], before: list[str | None], addresses: list[str]) -> list[str]:
    """A worker for each shard: the one that has it, unless that has much more text than others.

    sizes: tokens of the shards. before: the worker that has each; None: none has it.
    """
    load = dict.fromkeys(addresses, 0)
    share = sum(sizes) / len(addresses)
    if set(before) == set(addresses):
        loads = [
            sum(size for size, here in zip(sizes, before, strict=True) if here == address)
            for address in addresses
        ]
        if max(loads) <= share + max(sizes):
            return [here for here in before if here is not None]
    chosen: dict[int, str] = {}
    for shard in sorted(range(len(sizes)), key=lambda shard: -sizes[shard]):
        here = before[shard]
        if here is None or here not in load:
            continue
        idle = sum(not text for text in load.values())
        left = len(sizes) - len(chosen) - 1  # for workers that have none yet
        # Half of a shard may be too much: else none could be full.
        if load[here] + sizes[shard] / 2 <= share and (not load[here] or left >= idle):
            chosen[shard] = here
            load[here] += sizes[shard]
    for shard in sorted(range(len(sizes)), key=lambda shard: -sizes[shard]):
        if shard not in chosen:
            chosen[shard] = min(load, key=load.__getitem__)
            load[chosen[shard]] += sizes[shard]
    return [chosen[shard] for shard in range(len(sizes))]


def sent_bytes(client: Any) -> dict[str, int]:
    """Bytes that each worker has sent to others and to clients, by its own count."""
    sent: dict[str, int] = client.run(_sent)
    return sent


def _sent(dask_worker: Any) -> int:
    return int(dask_worker.transfer_outgoing_bytes_total)
