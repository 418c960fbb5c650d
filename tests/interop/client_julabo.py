"""ALBA's julabo on a JULABO over TCP. Usage: python client_julabo.py HOST:PORT."""

import asyncio
import json
import sys

from julabo import JulaboCF, connection_for_url


async def main() -> None:
    connection = connection_for_url(f"tcp://{sys.argv[1]}")
    unit = JulaboCF(connection)
    await connection.open()
    seen = {"identification": await unit.identification(), "before": await unit.status()}
    await unit.set_point_1(15.0)
    await unit.start()
    seen["setpoint"], seen["bath"] = await unit.set_point_1(), await unit.bath_temperature()
    seen["external"], seen["started"] = await unit.external_temperature(), await unit.is_started()
    await unit.set_point_1(500)
    seen["refused"], seen["running"] = await unit.status(), await unit.status()
    await unit.stop()
    seen["stopped"] = not await unit.is_started()
    await connection.close()
    sys.stdout.write(json.dumps(seen) + "\n")


asyncio.run(main())
