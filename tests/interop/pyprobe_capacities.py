"""Prints, as PyProBE sees an exported file, the capacity of each step in Ah. Runs where PyProBE is installed.

Usage: pyprobe_capacities.py FILE.bdf.csv
"""

import json
import sys
import tempfile
from pathlib import Path

import polars as pl
import pyprobe
from pyprobe.cyclers import column_maps

IMPORTERS = [
    column_maps.ConvertUnitsMap("Time [s]", "Test Time / *"),
    column_maps.CastAndRenameMap("Step", "Step Count / 1", pl.Int64),
    column_maps.ConvertUnitsMap("Current [A]", "Current / *"),
    column_maps.ConvertUnitsMap("Voltage [V]", "Voltage / *"),
    column_maps.CapacityFromChDchMap("Charging Capacity / *", "Discharging Capacity / *"),
]


def main(file: str) -> None:
    cell = pyprobe.Cell(info={"Name": "exported"})
    with tempfile.TemporaryDirectory() as folder:
        cell.import_from_cycler(
            procedure_name="run",
            cycler="generic",
            input_data_path=file,
            output_data_path=str(Path(folder) / "run.parquet"),
            column_importers=IMPORTERS,
        )
        procedure = cell.procedure["run"]
        steps = procedure.data["Step"].unique(maintain_order=True).to_list()
        capacities = {int(step): float(procedure.step(index).capacity) for index, step in enumerate(steps)}
    sys.stdout.write(json.dumps({"version": pyprobe.__version__, "capacities_ampere_hour": capacities}) + "\n")


if __name__ == "__main__":
    main(sys.argv[1])
