"""What every test lives under: nothing left running, no way out but the loopback, properties that repeat."""

import asyncio
import contextlib
import inspect
import ipaddress
import os
import socket
import threading
from collections.abc import Callable, Coroutine, Iterator
from functools import wraps
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

LEFTOVER_JOIN_SECOND = 5.0
"""How long a thread that was already told to end may take to do so."""

# Where nobody keeps compiled modules, each of the hundreds of processes that tests start compiles ours anew.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

settings.register_profile(
    "ci", derandomize=True, database=None, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile("night", deadline=None, max_examples=5000, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))


async def _leaving_no_task(test: Coroutine[Any, Any, None]) -> None:
    await test
    leftover = asyncio.all_tasks() - {asyncio.current_task()}
    assert not leftover, f"tasks left behind: {[task.get_coro() for task in leftover]}"


def _as_sync(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    @wraps(test)
    def run(*args: Any, **kwargs: Any) -> None:
        with asyncio.Runner(debug=True) as runner:
            runner.run(_leaving_no_task(test(*args, **kwargs)))

    return run


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> None:
    """Run a coroutine test, hypothesis' too, in an event loop of its own."""
    test = pyfuncitem.obj
    if inspect.iscoroutinefunction(test):
        pyfuncitem.obj = _as_sync(test)
    if inspect.iscoroutinefunction(getattr(getattr(test, "hypothesis", None), "inner_test", None)):
        test.hypothesis.inner_test = _as_sync(test.hypothesis.inner_test)


def _is_loopback(address: Any) -> bool:
    if not isinstance(address, tuple):
        return True  # a Unix socket's path
    host = address[0]
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


@pytest.fixture(autouse=True)
def _loopback_only(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.config.getoption("station", None) is not None:
        return  # the contract suite on a real bench

    def guarded(connect: Callable[[socket.socket, Any], Any]) -> Callable[[socket.socket, Any], Any]:
        @wraps(connect)
        def connect_if_loopback(self: socket.socket, address: Any) -> Any:
            if not _is_loopback(address):
                raise PermissionError(f"a test tried to reach {address!r}; only the loopback is open")
            return connect(self, address)

        return connect_if_loopback

    monkeypatch.setattr(socket.socket, "connect", guarded(socket.socket.connect))
    monkeypatch.setattr(socket.socket, "connect_ex", guarded(socket.socket.connect_ex))


def _child_pids() -> set[int]:
    """Children of this process, living or not yet waited for."""
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return set()
    children = set[int]()
    for task in Path("/proc/self/task").iterdir():
        # A thread may end between the two.
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            children |= {int(pid) for pid in (task / "children").read_text().split()}
    return children


@pytest.fixture(autouse=True)
def _nothing_left_running() -> Iterator[None]:
    threads_before, children_before = set(threading.enumerate()), _child_pids()
    yield
    threads = set(threading.enumerate()) - threads_before
    for thread in threads:
        thread.join(LEFTOVER_JOIN_SECOND)
    assert not [thread.name for thread in threads if thread.is_alive()], "threads left behind"
    children = _child_pids() - children_before
    assert not children, f"child processes left behind: {sorted(children)}"
