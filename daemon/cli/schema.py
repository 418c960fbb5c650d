"""`presscell schema`: the JSON Schema of a file, for an editor that completes and checks while one types."""

from __future__ import annotations

import click

from daemon.station.settings import RigSettings, SharedSettings, StationSettings
from protocols.json_schema import (
    Schema,
    add_model,
    as_text,
    calibration_schema,
    cell_schema,
    protocol_schema,
    schema_of,
)


def station_schema() -> Schema:
    """Of the station file."""
    whole = schema_of(StationSettings, "a station file of presscell")
    rig = add_model(whole, RigSettings)
    whole["properties"]["rigs"] = {"type": "object", "minProperties": 1, "additionalProperties": rig}
    whole["properties"]["shared"] = {"type": "object", "additionalProperties": add_model(whole, SharedSettings)}
    return whole


SCHEMAS = {
    "protocol": protocol_schema,
    "cell": cell_schema,
    "station": station_schema,
    "calibration": calibration_schema,
}


@click.command()
@click.argument("file", type=click.Choice(list(SCHEMAS)), default="protocol")
def schema(file: str) -> None:
    """Print the JSON Schema of a protocol, cell, station or calibration FILE.

    An editor that knows YAML uses it when the first line of a file is:
    # yaml-language-server: $schema=/where/you/put/it.json
    """
    click.echo(as_text(SCHEMAS[file]()), nl=False)
