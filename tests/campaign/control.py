"""The bench's control port for a program that also waits for processes: plain sockets, no loop."""

import json
import select
import socket
from typing import Any

ANSWER_WITHIN_SECOND = 30.0


class RefusedError(Exception):
    """The bench said no."""


class BenchControl:
    """One connection; answers may come in any order."""

    def __init__(self, address: str) -> None:
        host, _, port = address.rpartition(":")
        self.socket = socket.create_connection((host, int(port)))
        self._asked = 0
        self._unread = b""
        self._answers: dict[int, dict[str, Any]] = {}

    def tell(self, verb: str, *, after: str | None = None, **arguments: object) -> int:
        """Ask, and do not wait for the answer; its number. `after` is asked before it, in the same breath."""
        questions = [{"do": after}] if after is not None else []
        lines = b""
        for question in (*questions, {"do": verb, **arguments}):
            self._asked += 1
            lines += json.dumps({"id": self._asked, **question}).encode() + b"\n"
        self.socket.sendall(lines)
        return self._asked

    def answer(self, number: int, real_second: float) -> dict[str, Any] | None:
        """The answer of that number, if it is there after a real time. Raises `RefusedError`."""
        if number not in self._answers and select.select([self.socket], [], [], real_second)[0]:
            self._read()
        answer = self._answers.pop(number, None)
        if answer is not None and not answer["ok"]:
            raise RefusedError(answer["error"])
        return answer

    def ask(self, verb: str, **arguments: object) -> dict[str, Any]:
        """Ask and wait. Raises `RefusedError`, `TimeoutError`."""
        number = self.tell(verb, **arguments)
        while (found := self.answer(number, ANSWER_WITHIN_SECOND)) is None:
            if not select.select([self.socket], [], [], ANSWER_WITHIN_SECOND)[0]:
                raise TimeoutError(f"the bench does not answer {verb}")
        return found

    def _read(self) -> None:
        data = self.socket.recv(1 << 20)
        if not data:
            raise EOFError("the bench has gone")
        *lines, self._unread = (self._unread + data).split(b"\n")
        for line in lines:
            answer = json.loads(line)
            self._answers[answer["id"]] = answer

    def close(self) -> None:
        self.socket.close()
