"""A bench with its cables: all there is behind a control port."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from simulators.bench import Bench
from simulators.cable import Cable
from simulators.device import SECOND_NS
from simulators.pace import ENDLESS_NS

Answer = dict[str, Any]


@dataclass(frozen=True)
class Laboratory:
    """All there is behind a control port. `cells` names the cell of each cable, where a bench has several."""

    name: str
    seed: int
    utc_start_ns: int
    bench: Bench
    cables: Mapping[str, Cable]
    models: Mapping[str, str]
    cells: Mapping[str, str] = field(default_factory=dict)

    def hello(self) -> Answer:
        """What the bench says of itself."""
        return {
            "name": self.name,
            "seed": self.seed,
            "simulated": True,
            **self.times(),
            "cables": {
                name: {
                    "transport": cable.transport,
                    "address": cable.address,
                    "model": self.models[name],
                    **({"cell": self.cells[name]} if name in self.cells else {}),
                    "sent_total": cable.sent_total,
                    "received_total": cable.received_total,
                }
                for name, cable in self.cables.items()
            },
        }

    def deliver(self) -> None:
        """Put what instruments sent unasked on their cables."""
        for name, frames in self.bench.take_emitted().items():
            self.cables[name].emit(frames)

    def reach_ns(self) -> int:
        """How much bench time may pass until a host must read; 0 or less when none may."""
        reaches_ns = [ENDLESS_NS]
        for name, cable in self.cables.items():
            rate, room_bytes = self.bench.bytes_per_second(name), cable.room_bytes
            if rate and room_bytes is not None:
                reaches_ns.append(int(room_bytes / rate * SECOND_NS))
        return min(reaches_ns)

    def times(self) -> Answer:
        """The present time of the bench and its UTC, both in seconds."""
        now_ns = self.bench.now_ns
        return {"now_second": now_ns / SECOND_NS, "utc_second": (self.utc_start_ns + now_ns) / SECOND_NS}
