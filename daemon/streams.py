"""The streams of a run beside the cell's own: what a row of each holds. Pure."""

from daemon.plan import PRESSURE_STREAM, TEMPERATURE_STREAM
from daemon.store.blocks import CELL_SCHEMA, ELAPSED, StreamSchema

PRESSURE_SCHEMA = StreamSchema(
    name=PRESSURE_STREAM,
    floats=(ELAPSED, "displayed_load", "surface_pressure_pa", "sensor_temperature_celsius"),
    integers=("load_status",),
)
"""`displayed_load` is what the indicator showed, in its own unit, never changed. `surface_pressure_pa` follows from it
by the calibration in the run's header and `sensor_temperature_celsius`, the jig's last temperature before that time;
where none was known it is NaN and no temperature term is applied. `load_status` is `drivers.roles.LoadStatus`.
`elapsed_second` is run time."""

TEMPERATURE_SCHEMA = StreamSchema(
    name=TEMPERATURE_STREAM,
    floats=(ELAPSED, "jig_temperature_celsius", "ambient_temperature_celsius", "setpoint_temperature_celsius"),
)
"""The jig's own sensor, the air around it, and the chamber's setpoint; NaN where there is no such sensor or reading.
`elapsed_second` is run time."""

STREAMS = (CELL_SCHEMA, PRESSURE_SCHEMA, TEMPERATURE_SCHEMA)
