"""How fast the simulated cell is: blocks, single samples, and 1000 cycles at 2 C of both cells."""

import time

import numpy as np

from simulators.cell import BARE, BM_05, CellParameters, PressCell
from simulators.device import SECOND_NS

BLOCK = 600


def main() -> None:
    for samples in (1, 60, BLOCK):
        second = forecast_second(samples)
        print(f"forecast of {samples:4d}: {second * 1e6:6.1f} µs, {samples / second / 1e6:5.2f} M samples/s")
    for name, parameters in (("BM-05", BM_05), ("bare", BARE)):
        start_second = time.perf_counter()
        first, last, samples = cycled(parameters, 1000)
        wall_second = time.perf_counter() - start_second
        print(
            f"{name}: 1000 cycles at 2 C, {samples} samples in {wall_second:.2f} s; "
            f"{first:.1f} -> {last:.1f} mAh/g, {100 * last / first:.1f} %"
        )


def forecast_second(samples: int) -> float:
    cell = PressCell()
    cell.set_current(1.5e-4)
    times_ns = 500 * SECOND_NS * np.arange(1, samples + 1) // samples
    best_second = float("inf")
    for _ in range(5):
        start_second = time.perf_counter()
        for _ in range(1000):
            cell.forecast(times_ns)
        best_second = min(best_second, (time.perf_counter() - start_second) / 1000)
    return best_second


def cycled(parameters: CellParameters, cycles: int) -> tuple[float, float, int]:
    """First and last discharge capacity at 2 C in mAh/g, and how many samples that took."""
    cell, capacities, samples = PressCell(parameters), [], 0
    cell.advance_to(36000 * SECOND_NS)
    for current_ampere in (1.5e-4, -1.5e-4, *[3e-3, -3e-3] * cycles):
        taken = half_cycle(cell, current_ampere)
        samples += taken
        capacities.append(abs(current_ampere) * taken / 3.6 / parameters.active_mass_gram)
    return capacities[3], capacities[-1], samples


def half_cycle(cell: PressCell, current_ampere: float) -> int:
    cell.set_current(current_ampere)
    taken = 0
    while True:
        times_ns = cell.now_ns + SECOND_NS * np.arange(1, BLOCK + 1)
        volt = cell.forecast(times_ns).voltage_volt
        past = volt >= 3.7 if current_ampere > 0 else volt <= 2.0
        last = int(past.argmax()) if past.any() else BLOCK - 1
        cell.advance_to(int(times_ns[last]))
        taken += last + 1
        if past.any():
            return taken


if __name__ == "__main__":
    main()
