"""The state that `:TRIG:STAT?` answers: looked at every 100 ms, so it can be that old."""

STATE_LOOK_NS = 100_000_000


class StateWatch:
    """Remembers what the last look saw. A wait that has lasted longer than one look shows as WAITING."""

    def __init__(self) -> None:
        self._state = "EMPTY"
        self._block = 0
        self._since_ns = 0
        self._waits = False
        self._seen = ("EMPTY", 0)
        self._seen_ns = 0

    def show(self, state: str, block: int, now_ns: int) -> None:
        """A state that shows at once: the host asked for it [unverified]."""
        self._state, self._block, self._since_ns, self._waits = state, block, now_ns, False
        self._seen, self._seen_ns = (state, block), now_ns // STATE_LOOK_NS * STATE_LOOK_NS

    def enter(self, state: str, block: int, now_ns: int, *, waits: bool = False) -> None:
        """From now on this is so; the next look will see it."""
        self._look(now_ns)
        self._state, self._block, self._since_ns, self._waits = state, block, now_ns, waits

    def seen(self, now_ns: int) -> tuple[str, int]:
        """What the last look saw: the state and the number of the last block."""
        self._look(now_ns)
        return self._seen

    def _look(self, now_ns: int) -> None:
        look_ns = now_ns // STATE_LOOK_NS * STATE_LOOK_NS
        if look_ns <= self._seen_ns:
            return
        self._seen_ns = look_ns
        waits_long = self._waits and look_ns - self._since_ns > STATE_LOOK_NS
        self._seen = ("WAITING" if waits_long else self._state, self._block)
