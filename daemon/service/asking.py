"""Asking a running daemon: one question, one answer, over the Unix socket in the station's data directory."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

SOCKET_NAME = "presscell.sock"
LONGEST_LINE_BYTES = 4 << 20
ANSWER_WITHIN_SECOND = 60.0


class NotReachableError(Exception):
    """No daemon answers at the socket."""


class RefusedByDaemonError(Exception):
    """The daemon answered no; the text is its own."""


async def ask_daemon(socket_path: Path, verb: str, **arguments: object) -> Any:  # noqa: ANN401  (JSON)
    """Ask one question.

    Raises:
        NotReachableError: nobody listens, or nothing came in time.
        RefusedByDaemonError: the answer is no.
    """
    try:
        async with asyncio.timeout(ANSWER_WITHIN_SECOND):
            reader, writer = await asyncio.open_unix_connection(socket_path, limit=LONGEST_LINE_BYTES)
            writer.write(json.dumps({"do": verb, **arguments}).encode() + b"\n")
            line = await reader.readline()
            writer.close()
    except (OSError, TimeoutError) as error:
        raise NotReachableError(f"no daemon answers at {socket_path}: {error}") from error
    if not line:
        raise NotReachableError(f"the daemon at {socket_path} hung up")
    answer = json.loads(line)
    if not answer["ok"]:
        raise RefusedByDaemonError(answer["error"])
    return answer["answer"]
