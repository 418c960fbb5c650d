"""PyMeasure's Keithley 2450 sources, measures and reads a buffer. Usage: python client_pymeasure.py RESOURCE."""

import json
import sys
from importlib.metadata import version
from time import sleep  # noqa: TID251 - real time is the point

from pymeasure.adapters import VISAAdapter
from pymeasure.instruments.keithley import Keithley2450

CHARGE_AMPERE, HELD_STEP_VOLT = 0.15e-3, 0.02
BUFFER_POINTS = 10


def main(resource: str) -> None:
    adapter = VISAAdapter(resource, "@py", read_termination="\n", write_termination="\n", timeout=5000)
    smu = Keithley2450(adapter)
    found = {"version": version("pymeasure"), "identity": smu.id, "errors": []}
    smu.reset()
    smu.current_output_off_state = smu.voltage_output_off_state = "HIMP"
    smu.use_rear_terminals()
    found["charge"] = charge(smu)
    found["buffer"] = buffered(smu)
    found["held"] = hold(smu, found["charge"]["rest_volt"] + HELD_STEP_VOLT)
    found["errors"] = [str(error) for error in smu.check_errors()]
    smu.shutdown()
    sys.stdout.write(json.dumps(found) + "\n")


def charge(smu: Keithley2450) -> dict[str, object]:
    """Rest, then a constant current; voltages as PyMeasure has them."""
    smu.apply_current(current_range=1e-3, compliance_voltage=4)
    smu.measure_voltage(nplc=1, voltage=20, auto_range=False)
    smu.source_current = 0
    smu.enable_source()
    rest_volt = smu.voltage
    smu.ramp_to_current(CHARGE_AMPERE, steps=5, pause=0.001)
    first_volt = smu.voltage
    sleep(0.5)
    settings = {
        "source": smu.source_mode,
        "range_ampere": smu.source_current_range,
        "level_ampere": smu.source_current,
        "compliance_volt": smu.compliance_voltage,
        "nplc": smu.voltage_nplc,
    }
    return {"rest_volt": rest_volt, "first_volt": first_volt, "later_volt": smu.voltage, **settings}


def buffered(smu: Keithley2450) -> dict[str, object]:
    """Ten readings by the trigger model into the default buffer, which is then read."""
    smu.buffer_points = BUFFER_POINTS
    smu.write(":TRAC:CLE")
    smu.write(f':TRIG:LOAD "SimpleLoop",{BUFFER_POINTS},0.05')
    smu.start_buffer()
    while not smu.ask(":TRIG:STAT?").startswith("IDLE"):
        sleep(0.05)
    data = smu.values(f':TRAC:DATA? 1,{BUFFER_POINTS},"defbuffer1",READ')
    return {
        "points": smu.buffer_points,
        "count": int(smu.ask(":TRAC:ACT?")),
        "data": data,
        "mean": smu.means,
        "max": smu.maximums,
        "min": smu.minimums,
        "std": smu.standard_devs,
        "enabled": smu.ask(":OUTP?").strip(),
    }


def hold(smu: Keithley2450, volt: float) -> dict[str, float]:
    """A voltage on the cell with the current limited, measured."""
    smu.disable_source()
    smu.apply_voltage(voltage_range=20, compliance_current=1e-3)
    smu.measure_current(nplc=1, current=1e-3, auto_range=False)
    smu.source_voltage = volt
    smu.enable_source()
    first_ampere = smu.current
    sleep(0.5)
    return {"volt": volt, "limit_ampere": smu.compliance_current, "first_ampere": first_ampere, "ampere": smu.current}


if __name__ == "__main__":
    main(sys.argv[1])
