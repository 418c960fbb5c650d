"""Writes protocols/schema/*.json from the models: `make_schemas.py`, in the folder of the repository."""

from pathlib import Path

from daemon.cli.schema import SCHEMAS
from protocols.json_schema import as_text

FOLDER = Path(__file__).parents[1] / "protocols" / "schema"

if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for name, schema in SCHEMAS.items():
        (FOLDER / f"{name}.json").write_text(as_text(schema()), encoding="utf-8")
