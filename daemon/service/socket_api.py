"""How the daemon answers the command line: JSON lines over a Unix socket in the station's data directory."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import msgspec

from daemon.events import Event, PlanChanged
from daemon.running.asked_edit import EditRefusedError
from daemon.service.asking import LONGEST_LINE_BYTES
from daemon.service.daemon import Daemon
from daemon.service.preparing import RefusedRequestError
from daemon.service.sources import Sources
from daemon.station.wiring import MissingRoleError
from daemon.store.errors import StoreError
from daemon.store.reading import read_journal
from daemon.store.records import RUN_FILE_NAME
from daemon.stored import stored_event
from drivers.errors import DriverError
from protocols.errors import ProblemsFound

REFUSALS = (
    RefusedRequestError,
    EditRefusedError,
    MissingRoleError,
    ProblemsFound,
    DriverError,
    StoreError,
    *(ValueError, KeyError, TypeError),
)
"""What a request can be refused for; the last three are a request that is not well formed."""

Answerer = Callable[[dict[str, Any]], Awaitable[Any]]


@contextlib.asynccontextmanager
async def serving(daemon: Daemon, socket_path: Path) -> AsyncIterator[None]:
    """Answer requests for a daemon while this lasts. Only the socket's owner may connect.

    Raises:
        OSError: the socket cannot be made.
    """
    verbs = _verbs(daemon)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.LimitOverrunError, asyncio.IncompleteReadError):
            while line := await reader.readline():
                writer.write(json.dumps(await _answer(verbs, line)).encode() + b"\n")
                await writer.drain()
        writer.close()

    _remove(socket_path)
    server = await asyncio.start_unix_server(serve, socket_path, limit=LONGEST_LINE_BYTES)
    _keep_to_owner(socket_path)
    try:
        yield
    finally:
        server.close()
        _remove(socket_path)


def _remove(socket_path: Path) -> None:
    socket_path.unlink(missing_ok=True)


def _keep_to_owner(socket_path: Path) -> None:
    socket_path.chmod(0o600)


async def _answer(verbs: dict[str, Answerer], line: bytes) -> dict[str, Any]:
    try:
        request = json.loads(line)
        verb = request.pop("do")
        answerer = verbs[verb]
    except (ValueError, KeyError, AttributeError, TypeError):
        return {"ok": False, "error": f"not a request; there are {', '.join(verbs)}"}
    try:
        return {"ok": True, "answer": await answerer(request)}
    except REFUSALS as error:
        return {"ok": False, "error": str(error)}


def _verbs(daemon: Daemon) -> dict[str, Answerer]:
    async def run(request: dict[str, Any]) -> str | dict[str, str]:
        rig_name, reason = request.pop("rig"), str(request.pop("without_acceptance", ""))
        wait_second, by = request.pop("longest_wait_second", None), str(request.pop("by", "somebody"))
        run_id = await daemon.start(
            rig_name,
            Sources(**request),
            without_acceptance=reason,
            longest_wait_second=None if wait_second is None else float(wait_second),
            by=by,
        )
        waits = daemon.waits(rig_name)
        return {"run_id": run_id, "waits": waits} if waits else run_id

    async def status(_request: dict[str, Any]) -> list[dict[str, Any]]:
        return daemon.status()

    async def stop(request: dict[str, Any]) -> str | dict[str, Any]:
        after = request.get("after", "")
        if after not in {"", "cycle"}:
            raise RefusedRequestError(f"a stop is now, or after a cycle, not after {after!r}")
        was_asked = _was_asked(daemon.status(), request["rig"], after, ends=True)
        run_id = await daemon.stop(request["rig"], request.get("by", "somebody"), after)
        return {"run_id": run_id, "was_asked": True} if was_asked else run_id

    async def edit(request: dict[str, Any]) -> dict[str, Any]:
        made = await daemon.edit(
            request["run_id"],
            (str(request["protocol_name"]), str(request["protocol_text"])),
            str(request.get("by") or "somebody"),
            agreement=str(request.get("agreement", "")),
            limits=bool(request.get("limits")),
        )
        return made.as_object()

    async def usage(_request: dict[str, Any]) -> list[dict[str, Any]]:
        return [{**msgspec.to_builtins(total), "warning": total.warning} for total in await daemon.usage()]

    async def pause(request: dict[str, Any]) -> str | dict[str, Any]:
        after = request.get("after", "")
        if after not in {"", "step", "cycle"}:
            raise RefusedRequestError(f"a pause is now, or after a step or a cycle, not after {after!r}")
        was_asked = _was_asked(daemon.status(), request["rig"], after, ends=False)
        run_id = daemon.pause(request["rig"], request.get("by", "somebody"), after)
        return {"run_id": run_id, "was_asked": True} if was_asked else run_id

    async def resume(request: dict[str, Any]) -> str:
        unchecked = bool(request.get("unchecked"))
        return await daemon.resume(request["rig"], request.get("by", "somebody"), unchecked=unchecked)

    async def skip(request: dict[str, Any]) -> str:
        return daemon.skip(request["rig"], request.get("by", "somebody"))

    async def events(request: dict[str, Any]) -> list[dict[str, Any]]:
        path = daemon.directory_of(request["run_id"]) / RUN_FILE_NAME
        return await asyncio.to_thread(_events, path, int(request.get("after_seq", 0)))

    control = {"pause": pause, "resume": resume, "skip": skip, "stop": stop, "edit": edit}
    return {"run": run, "status": status, **control, "events": events, "usage": usage}


def _was_asked(rigs: list[dict[str, Any]], rig_name: str, after: str, *, ends: bool) -> bool:
    """Whether the run on a rig waits for just this end, or hold, already."""
    here = next((rig for rig in rigs if rig["rig"] == rig_name), {})
    return bool(after) and (here.get("pause_after"), here.get("pause_ends")) == (after, ends)


def _events(path: Path, after_seq: int) -> list[dict[str, Any]]:
    return [
        {
            "seq": entry.seq,
            "run_time_second": entry.run_time_second,
            "utc_second": entry.utc_second,
            "kind": entry.kind,
            "event": _shown(stored_event(path, entry)),
        }
        for entry in read_journal(path, after_seq=after_seq)
        if entry.kind not in {"block_stored", "readings_stored"}
    ]


def _shown(event: Event) -> dict[str, Any]:
    """An event as plain values; of another plan only what is said of it, for the plan itself is in `presscell runs`."""
    values: dict[str, Any] = msgspec.to_builtins(event)
    left_out = ("plan", "protocol_text", "named_cycles") if isinstance(event, PlanChanged) else ()
    return {name: value for name, value in values.items() if name not in left_out}
