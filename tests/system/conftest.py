"""Running the command line as people do, and reading what the simulated laboratory itself saw."""

import json
import os
import select
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.command_line import CommandLine


@pytest.fixture
def command_line(tmp_path: Path) -> CommandLine:
    return CommandLine(tmp_path)


@pytest.fixture(scope="session")
def bench_log() -> Any:
    """Reads a bench's log: all its lines, of one event if named."""

    def read(directory: Path, event: str | None = None) -> list[dict[str, Any]]:
        lines = [json.loads(line) for line in (directory / "bench.jsonl").read_text().splitlines()]
        return [line for line in lines if event in (None, line["event"])]

    return read


@pytest.fixture
def watched() -> Iterator[Any]:
    """Waits for the end of a process that need not be a child of ours."""
    descriptors: list[int] = []

    def watch(pid: int) -> Any:
        descriptor = os.pidfd_open(pid)
        descriptors.append(descriptor)

        def wait_for_end(within_second: float) -> bool:
            ready, _, _ = select.select([descriptor], [], [], within_second)
            return bool(ready)

        return wait_for_end

    yield watch
    for descriptor in descriptors:
        os.close(descriptor)
