"""Keithley 2450, 2460 and 2461 source-measure units, as they are met on their cable."""

from simulators.keithley.smu import KeithleySMU

__all__ = ["KeithleySMU"]
