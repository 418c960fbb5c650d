"""Simulated chillers of every make with the driver of each, and a bench's time that moves when told."""

import asyncio

from simulators.bath import Bath, BathBuild
from simulators.circulator import Circulator
from simulators.device import SECOND_NS
from simulators.huber import HuberChiller
from simulators.julabo import JulaboChiller
from simulators.lauda import LaudaChiller

DEVICES = {"lauda": LaudaChiller, "julabo": JulaboChiller, "huber": HuberChiller}
SETTINGS = {"julabo": {"family": "circulator", "external_probe": True}}
"""What a station must say of a unit so that it is asked for all it has."""
STRICT = {"julabo": {"deaf_after_write_second": 0.25}}
"""What makes a simulator punish who does not keep to the manual."""
PAUSE_AFTER_WRITE_SECOND = 0.25
PATIENCE_REAL_SECOND = 10.0


def circulator(*, bath_celsius=23.0, has_probe=True, build=None, **options):
    bath = Bath(build or BathBuild(), bath_celsius)
    probe = (lambda now_ns: bath.bath_celsius + 2.0) if has_probe else None
    return Circulator(bath, external_celsius_at=probe, **options)


class ChillerBench:
    """One chiller at its cable's far end."""

    def __init__(self, make, *, has_probe=True, build=None, **options):
        self.circulator = circulator(has_probe=has_probe, build=build)
        self.device = DEVICES[make]("cooler", self.circulator, **(STRICT.get(make, {}) | options))
        self.now_ns = 0
        self._writes_heard = self._writes_waited_for = 0
        self._news = asyncio.Event()

    def receive(self, data):
        self._writes_heard += bytes(code & 0x7F for code in data).lower().count(b"out_")
        self._news.set()
        return self.device.receive(data, self.now_ns)

    def pass_second(self, second):
        end_ns = self.now_ns + round(second * SECOND_NS)
        assert self.device.run_to(end_ns) == end_ns
        self.device.settle(end_ns)
        self.now_ns = end_ns

    async def wait(self, second):
        """Let time pass; after a command without a reply, not before it has come here."""
        if second == PAUSE_AFTER_WRITE_SECOND:
            self._writes_waited_for += 1
            async with asyncio.timeout(PATIENCE_REAL_SECOND):
                while self._writes_heard < self._writes_waited_for:
                    self._news.clear()
                    await self._news.wait()
        self.pass_second(second)

    async def serve(self, reader, writer):
        while data := await reader.read(4096):
            writer.write(self.receive(data))
