"""The streams of a run beside the cell's own: what a row of each holds. Pure."""

from daemon.plan import MILL_STREAM, PRESSURE_STREAM, TEMPERATURE_STREAM
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

MILL_SCHEMA = StreamSchema(
    name=MILL_STREAM,
    floats=(
        ELAPSED,
        "speed_rpm",
        "time_at_speed_second",
        "vessel_temperature_celsius",
        "bath_temperature_celsius",
        "bath_setpoint_celsius",
        "vessel_age_second",
        "chiller_age_second",
        "chiller_trouble",
        "drive_fault",
    ),
    integers=("mill_status",),
)
"""The blade by its drive, the vessel by the chiller's external probe, and the bath; NaN is no reading.

`time_at_speed_second` is the longest the blade can have turned at speed in the present segment. The ages are how long
the vessel was not read and the chiller did not answer. `chiller_trouble` is 1 when the chiller does not cool though
the run has told it to, else 0; `drive_fault` the maker's code, 0 for none; `mill_status` is
`daemon.running.mill_logger.MillStatus`. `elapsed_second` is run time."""

STREAMS = (CELL_SCHEMA, PRESSURE_SCHEMA, TEMPERATURE_SCHEMA, MILL_SCHEMA)
