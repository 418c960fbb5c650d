"""The huber package on a Huber over TCP. Usage: python client_huber.py HOST:PORT."""

import asyncio
import json
import sys

from huber import Bath


async def main() -> None:
    host, port = sys.argv[1].split(":")
    Bath.port = int(port)
    async with Bath(host, comm_timeout=10) as unit:
        await unit.set_setpoint(15.0)
        await unit.start()
        seen = await unit.get()
        seen["process"] = await unit.get_process_temperature()
        try:
            await unit.set_setpoint(300)
        except OSError as error:
            seen["refused"] = str(error)
        await unit.stop()
        seen["stopped"] = not (await unit.get_status())["controlling"]
    sys.stdout.write(json.dumps(seen) + "\n")


asyncio.run(main())
