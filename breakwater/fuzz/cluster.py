"""The same campaign on a Ray cluster: one search on each worker, one corpus, failures once.

Nothing is shared but what passes through the driver: a worker's report brings the sequences it
added to its corpus, in memory, and the next call to it brings what the others added. The driver
keeps them all on its disk. Ray is imported here only.
"""

from __future__ import annotations

import contextlib
import os
import re
import socket
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from breakwater import artifacts
from breakwater.errors import UserError
from breakwater.evm import EvmHost
from breakwater.fuzz import campaign, native, search
from breakwater.fuzz.campaign import Show, Take, Totals
from breakwater.fuzz.corpus import Corpus, Entry
from breakwater.fuzz.search import Report, Search, Settings
from breakwater.fuzz.world import World

LOCAL = "local"
"""Address of a cluster of this process alone, with a worker for each job."""

_ADDRESS = re.compile(r"^(?:ray://)?(?P<host>[^:/]+):(?P<port>\d+)$")
_REACH_SECONDS = 5.0
_BATCH_SECONDS = 1.0
_STOP_SECONDS = 20.0
_OBJECTS = 128 * 2**20  # bytes of the object store of a local cluster

_ENVIRONMENT = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_DISABLE_IMPORT_WARNING": "1",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_DEDUP_LOGS": "0",
}


def run(settings: Settings, address: str, show: Show = lambda totals: None) -> Totals:
    """A campaign of `settings.jobs` workers on the cluster at `address`.

    UserError when the cluster does not answer, or has not as many free processors.
    """
    totals = Totals(settings)
    campaign.prepare(settings)
    with _cluster(address, settings.jobs) as ray, campaign.reporting(totals, show) as take:
        _drive(ray, settings, take)
    campaign.finish(totals, show)
    return totals


@contextlib.contextmanager
def _cluster(address: str, jobs: int) -> Iterator[Any]:
    """A connection to Ray: loopback only, no dashboard and no statistics where it is ours."""
    for key, value in _ENVIRONMENT.items():
        os.environ.setdefault(key, value)
    try:
        import ray
    except ImportError:
        raise UserError("ray is not installed: run `make setup`") from None
    if address != LOCAL:
        _reach(address)
    options: dict[str, Any] = {"log_to_driver": False, "logging_level": "ERROR"}
    with tempfile.TemporaryDirectory(prefix="ray", dir="/tmp") as folder:
        if address == LOCAL:
            options.update(
                num_cpus=jobs,
                include_dashboard=False,
                _node_ip_address="127.0.0.1",
                _temp_dir=folder,
                object_store_memory=_OBJECTS,
            )
        else:
            options["address"] = address
        said: list[str] = []
        try:
            with _stderr(said):
                ray.init(**options)
        except (ConnectionError, ValueError, RuntimeError, TimeoutError) as error:
            why = str(error).strip() or _reason(said)
            raise UserError(f"no Ray cluster at {address}: {why}") from None
        try:
            free = int(ray.cluster_resources().get("CPU", 0))
            if free < jobs:
                raise UserError(f"the Ray cluster has {free} processors, --jobs asks for {jobs}")
            yield ray
        finally:
            ray.shutdown()


@contextlib.contextmanager
def _stderr(said: list[str]) -> Iterator[None]:
    """Takes the lines that go to stderr meanwhile, those of libraries in other languages too."""
    sys.stderr.flush()
    kept = os.dup(2)
    with tempfile.TemporaryFile() as stream:
        os.dup2(stream.fileno(), 2)
        try:
            yield
        finally:
            sys.stderr.flush()
            os.dup2(kept, 2)
            os.close(kept)
            stream.seek(0)
            said += stream.read().decode(errors="replace").splitlines()


def _reason(said: list[str]) -> str:
    """Why Ray found no cluster, from what it logged: the last line, without its head."""
    logged = [line.rpartition("Error: ")[2].strip() for line in said if line.strip()]
    what = "what listens there does not answer as one"
    return f"{what} ({logged[-1]})" if logged else what


def _reach(address: str) -> None:
    """UserError when nobody listens there: Ray itself would try for minutes."""
    match = _ADDRESS.match(address)
    try:
        if match is None:
            raise OSError('write HOST:PORT, ray://HOST:PORT or "local"')
        with socket.create_connection((match["host"], int(match["port"])), _REACH_SECONDS):
            pass
    except (OSError, OverflowError) as error:
        raise UserError(f"no Ray cluster at {address}: {error}") from None


class _Worker:
    """One search, on a machine that need not share a disk with the driver."""

    def __init__(self, settings: Settings, index: int, inherited: dict[str, list[bytes]]) -> None:
        self._calls = campaign.share(settings, index)
        self._search = Search(replace(settings, corpus=None), index)
        for profile, genes in inherited.items():
            self._search.of(profile).begin_with(genes)

    def run(self, seconds: float, others: list[tuple[str, Entry]]) -> tuple[Report, bool]:
        """Take in what others found, search on, and say whether this one's calls are used up."""
        for profile, entry in others:
            self._search.of(profile).take([entry])
        calls = self._calls
        batch = campaign.BATCH_CALLS if calls is None else min(campaign.BATCH_CALLS, calls)
        report = self._search.run(batch, time.monotonic() + seconds)
        if self._calls is not None:
            self._calls -= report.calls
        return report, self._calls is not None and self._calls <= 0


def _drive(ray: Any, settings: Settings, take: Take) -> None:
    corpora: dict[str, Corpus] = {}
    for one in search.played(settings):
        world = World(EvmHost(), one.profile, search.compiler(one.planted))
        corpora[one.profile] = Corpus(one.corpus, one.profile, search.code(one, world))
    deadline = None if settings.seconds is None else time.monotonic() + settings.seconds
    # the driver's sources, so that workers search with the same laboratory
    variables = {"BREAKWATER_ROOT": str(artifacts.ROOT)}
    if native.active():
        variables[native.VARIABLE] = os.environ[native.VARIABLE]
    environment = {"env_vars": variables}
    kind = ray.remote(num_cpus=1, runtime_env=environment)(_Worker)
    old = {profile: found for profile, one in corpora.items() if (found := one.inherited())}
    workers = [
        kind.remote(settings, index, {name: old[name][index :: settings.jobs] for name in old})
        for index in range(settings.jobs)
    ]
    waiting: dict[Any, int] = {}
    known = [(name, entry) for name, one in corpora.items() for entry in one.entries.values()]
    unsent: list[list[tuple[str, Entry]]] = [list(known) for _ in workers]

    def send(index: int) -> None:
        left = _BATCH_SECONDS
        if deadline is not None:
            left = min(left, max(deadline - time.monotonic(), 0.0))
        entries, unsent[index] = unsent[index], []
        waiting[workers[index].run.remote(left, entries)] = index

    def receive(task: Any) -> bool:
        index = waiting.pop(task)
        try:
            report, done = ray.get(task)
        except ray.exceptions.RayTaskError as error:
            cause = error.cause
            raise cause if isinstance(cause, UserError) else RuntimeError(str(error)) from None
        except ray.exceptions.RayActorError as error:
            raise UserError(f"a worker of the cluster was lost: {error}") from None
        for name, found in report.entries.items():
            for entry in found:
                if corpora[name].consider(entry.genes, entry.features, entry.slack) is not None:
                    for other in range(len(workers)):
                        if other != index:
                            unsent[other].append((name, entry))
        report.corpus = sum(map(len, corpora.values()))
        take(report)
        return bool(done)

    for index in range(len(workers)):
        send(index)
    try:
        while waiting:
            ready, _ = ray.wait(list(waiting), timeout=0.5)
            for task in ready:
                index = waiting[task]
                done = receive(task)
                if not done and (deadline is None or time.monotonic() < deadline):
                    send(index)
    except KeyboardInterrupt:
        # what they found is worth a second
        ready, _ = ray.wait(list(waiting), num_returns=len(waiting), timeout=_STOP_SECONDS)
        for task in ready:
            receive(task)
        raise
