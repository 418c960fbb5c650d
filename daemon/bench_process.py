"""The simulated laboratory as a process of its own: started for a simulation, ended after it."""

from __future__ import annotations

import asyncio
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

START_WITHIN_SECOND = 20.0
END_WITHIN_SECOND = 15.0


class BenchStartError(Exception):
    """The bench did not start; the text is what it said."""


@dataclass
class BenchProcess:
    """A running bench: its control port, and its cables by the name of the instrument at their end."""

    process: asyncio.subprocess.Process
    control_address: str
    cables: dict[str, dict[str, Any]]

    @classmethod
    async def start(cls, bench_file: Path, *, log_file: Path, seed: int) -> BenchProcess:
        """Start a bench that ends by itself when we are gone.

        It gets a session of its own, so that what ends us does not end it before the cell is at open circuit.

        Raises:
            BenchStartError: it ended, or said nothing, within 20 s.
        """
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "simulators", str(bench_file), "--log", str(log_file), "--seed", str(seed)),
            "--end-when-owner-lost",
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            start_new_session=True,
        )
        if process.stdout is None:
            raise BenchStartError("the bench has no output")
        try:
            async with asyncio.timeout(START_WITHIN_SECOND):
                line = await process.stdout.readline()
        except TimeoutError as error:
            process.kill()
            await process.wait()
            raise BenchStartError(f"the bench said nothing within {START_WITHIN_SECOND:g} s") from error
        if not line:
            raise BenchStartError(f"the bench ended at once with exit code {await process.wait()}")
        hello = json.loads(line)
        return cls(process=process, control_address=hello["control"], cables=hello["cables"])

    async def wait_for_end(self) -> None:
        """Wait until it has ended by itself; kill it when it does not."""
        try:
            async with asyncio.timeout(END_WITHIN_SECOND):
                await self.process.wait()
        except TimeoutError:
            self.process.kill()
            await self.process.wait()
