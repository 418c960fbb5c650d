"""How a 2450, 2460 or 2461 is set as it stands: read, and left so."""

from drivers.keithley import codec
from drivers.observation import Observation
from drivers.session import Query, Session

MANUAL = "2461-901-01 Rev A, section 6; 2450-901-01 Rev B"

TERMINALS = Query(":ROUT:TERM?", str, source=MANUAL)
OUTPUT = Query(":OUTP?", codec.flag, source=MANUAL)
OFF_STATES = Query(":OUTP:CURR:SMOD?;:OUTP:VOLT:SMOD?", lambda reply: reply.split(";"), source=MANUAL)
INTERLOCK = Query(":OUTP:INT:TRIP?", codec.flag, source=MANUAL)
HARMLESS = "HIMP"
"""The off-state that opens the relay; the one as delivered is a source of 0 V."""


async def inspect(session: Session, terminals: str) -> tuple[Observation, ...]:
    """Terminals, output, off-states, interlock. Raises as `Session.ask`.

    Args:
        session: in step, with nobody else's question on its way.
        terminals: where the station says that the cell is, "FRON" or "REAR".
    """
    found = (await session.ask(TERMINALS))[:4].upper()
    is_on = await session.ask(OUTPUT)
    off_states = {state[:4].upper() for state in await session.ask(OFF_STATES)}
    asserted = await session.ask(INTERLOCK)
    return (
        Observation(
            "terminals",
            f"{found}, the station says {terminals}; a run selects the station's",
            "" if found == terminals else "see where the four wires are, and write it as terminals",
        ),
        Observation(
            "output", "on" if is_on else "off", "somebody's segment may run: look at its display" if is_on else ""
        ),
        Observation(
            "off-state",
            f"{', '.join(sorted(off_states))}" + ("" if off_states == {HARMLESS} else ": 0 V while the output is off"),
            "" if off_states == {HARMLESS} else "connect no cell before a first run without one has set it to HIMP",
        ),
        Observation(
            "interlock", "asserted" if asserted else "not asserted: no more than 42 V, which a cell never needs"
        ),
    )
