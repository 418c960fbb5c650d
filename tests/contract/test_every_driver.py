"""Every driver of the registry × its simulator × every cable it takes × all that can happen to a reply.

What a driver reads is the truth, or it says that it is no reading; and the first connection after that reads the truth.
"""

import pytest

from drivers.errors import BadReplyError, DriverError, LinkLostError, NoReplyError
from drivers.registry import OURS
from tests.support.desks import BY_ROLE, ENTRIES, transports_of

SOUND = ("whole", "byte_by_byte")
SPOILT = ("late", "mute", "garbled", "noisy", "half", "cut", "rebooted")
KINDS = {"mute": NoReplyError, "late": NoReplyError, "cut": LinkLostError}
"""What it is called, where it could be called anything else."""
CABLES = [(driver.about.name, transport) for driver in OURS for transport in transports_of(driver.about.name)]
ON_EVERY_CABLE = [pytest.param(*cable, id="-".join(cable)) for cable in CABLES]


@pytest.fixture
def desk(name, transport):
    return BY_ROLE[ENTRIES[name].role](name, transport)


async def connected(desk):
    desk.make()
    await desk.connect()
    await desk.prepare()
    assert await desk.ask() == truth_of(desk)


def truth_of(desk):
    return pytest.approx(desk.truth, abs=0.2) if isinstance(desk.truth, float) else desk.truth


async def asked(desk):
    """What is read, None where it is no reading; and what was raised, None where nothing was."""
    try:
        return await desk.ask(), None
    except DriverError as error:
        return None, error


@pytest.mark.parametrize(("name", "transport"), ON_EVERY_CABLE)
@pytest.mark.parametrize("behaviour", SOUND)
async def test_a_sound_cable_carries_the_truth(desk, behaviour):
    async with desk.far_end.laid(desk.transport):
        desk.far_end.behaviour = behaviour
        await connected(desk)
        desk.change()
        assert await desk.ask() == truth_of(desk)
        await desk.driver.close()
        await desk.connect()
        assert await desk.ask() == truth_of(desk)
        await desk.driver.close()
        await desk.driver.close()


@pytest.mark.parametrize(("name", "transport"), ON_EVERY_CABLE)
@pytest.mark.parametrize("behaviour", SPOILT)
async def test_what_is_spoilt_is_no_number_and_the_next_connection_reads_the_truth(desk, behaviour):
    async with desk.far_end.laid(desk.transport):
        await connected(desk)
        if behaviour != "cut":
            desk.expect_nothing()
        if behaviour == "rebooted":
            desk.reboot()
        else:
            desk.far_end.behaviour = behaviour
        found, error = await asked(desk)
        assert found is None or found == truth_of(desk)
        assert isinstance(error, KINDS.get(behaviour, DriverError) | None)
        if isinstance(error, NoReplyError | BadReplyError | LinkLostError):
            with pytest.raises(LinkLostError):
                await desk.ask()
        desk.change()
        desk.heal()
        if behaviour == "cut" and desk.transport == "pty":
            with pytest.raises(DriverError):
                await desk.connect()
            return
        if found is None:
            await desk.connect()
        assert await desk.ask() == truth_of(desk)
        await desk.driver.close()


@pytest.mark.parametrize(("name", "transport"), ON_EVERY_CABLE)
@pytest.mark.parametrize("behaviour", ["late", "half"])
async def test_a_connection_that_fails_spoils_none_after_it(desk, behaviour):
    async with desk.far_end.laid(desk.transport):
        await connected(desk)
        await desk.driver.close()
        desk.expect_nothing()
        desk.far_end.behaviour = behaviour
        try:
            await desk.connect()
        except DriverError:
            desk.change()
        desk.heal()
        await desk.connect()
        assert await desk.ask() == truth_of(desk)
        await desk.driver.close()


def test_every_driver_of_the_registry_is_in_the_table():
    """A driver without a simulator, a cable, or a role that is known here can't be left out by oversight."""
    for driver in OURS:
        transports = transports_of(driver.about.name)
        assert transports, driver.about.name
        for transport in transports:
            desk = BY_ROLE[driver.role](driver.about.name, transport)
            assert type(desk.device).__module__.startswith("simulators."), driver.about.name
            assert (driver.about.name, transport) in CABLES
    assert {*SOUND, *SPOILT} == {"whole", "byte_by_byte", "late", "mute", "garbled", "noisy", "half", "cut", "rebooted"}
