"""Time moves as its owner says, as the clock says, or on by itself."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulators.device import SECOND_NS
from simulators.owner import OwnedError, Ownership
from simulators.pace import TICK_SECOND, Timekeeper


async def advance(keeper, to_second, *, at_pace=False, stop_every_second=None):
    over = asyncio.get_running_loop().create_future()
    every_ns = None if stop_every_second is None else round(stop_every_second * SECOND_NS)
    keeper.advance(round(to_second * SECOND_NS), at_pace=at_pace, stop_every_ns=every_ns, done=over.set_result)
    return await over


def keeper_of(made):
    return Timekeeper(made.bench, asyncio.get_running_loop())


@pytest.mark.parametrize(
    ("run_second", "to_second", "stopped"),
    [
        (90, 3600, (600, "source")),
        (600, 3600, (600, "source")),
        (600.000000001, 3600, (1200, "source")),
        (3599, 3600, (3600, "source")),
        (3601, 3600, (3600, None)),
        (90, 500, (500, None)),
    ],
)
def test_it_stops_where_a_poll_would_have_noticed(make_bench, fast_forward, run_second, to_second, stopped):
    async def main():
        made = make_bench()
        made.bench.receive("source", b"RUN 0.0001 %.9f\n" % run_second)
        by = await advance(keeper_of(made), to_second, stop_every_second=600)
        assert (made.bench.now_ns / SECOND_NS, by) == stopped

    fast_forward(main)


@given(cuts=st.lists(st.integers(min_value=1, max_value=1300), max_size=6))
def test_the_stop_is_the_same_however_many_advances_lead_to_it(make_bench, fast_forward, cuts):
    async def main():
        made = make_bench()
        keeper = keeper_of(made)
        made.bench.receive("source", b"RUN 0.0001 700\n")
        stops = []
        for to_second in [*sorted(cuts), 5000]:
            if to_second * SECOND_NS > made.bench.now_ns:
                by = await advance(keeper, to_second, stop_every_second=600)
                stops += [made.bench.now_ns // SECOND_NS] if by else []
        assert stops == [1200]

    fast_forward(main)


def test_what_was_stopped_between_two_advances_is_noticed_at_the_next_poll(make_bench, fast_forward):
    async def main():
        made = make_bench()
        keeper = keeper_of(made)
        made.bench.receive("source", b"RUN 0.0001 5000\n")
        assert await advance(keeper, 600, stop_every_second=600) is None
        made.bench.power_cycle("source")
        assert await advance(keeper, 3600, stop_every_second=600) == "source"
        assert made.bench.now_ns == 1200 * SECOND_NS

    fast_forward(main)


def test_a_new_run_makes_the_last_ones_end_old_news(make_bench, fast_forward):
    async def main():
        made = make_bench()
        keeper = keeper_of(made)
        made.bench.receive("source", b"RUN 0.0001 50\n")
        assert await advance(keeper, 100, stop_every_second=600) is None
        made.bench.receive("source", b"RUN 0.0001 9000\n")
        assert await advance(keeper, 3600, stop_every_second=600) is None

    fast_forward(main)


def test_a_pace_holds_over_many_advances_without_drift(make_bench, fast_forward):
    async def main():
        loop = asyncio.get_running_loop()
        made = make_bench()
        keeper = keeper_of(made)
        keeper.set_pace(7.0)
        began_second = loop.time()
        for step in range(1, 301):
            await advance(keeper, step * 0.1, at_pace=True)
            loop.second += 0.003  # what the owner does between two advances
        assert loop.time() - began_second == pytest.approx(30 / 7.0, abs=0.004)

    fast_forward(main)


def test_a_pace_moves_in_ticks(make_bench, fast_forward):
    async def main():
        loop = asyncio.get_running_loop()
        made = make_bench()
        keeper = keeper_of(made)
        keeper.set_pace(10.0)
        moving = loop.create_task(advance(keeper, 100, at_pace=True))
        await asyncio.sleep(1.5 * TICK_SECOND)
        assert made.bench.now_ns == pytest.approx(10.0 * TICK_SECOND * SECOND_NS)
        await moving

    fast_forward(main)


def test_a_long_pause_is_not_made_good(make_bench, fast_forward):
    async def main():
        loop = asyncio.get_running_loop()
        made = make_bench()
        keeper = keeper_of(made)
        keeper.set_pace(1.0)
        await advance(keeper, 1, at_pace=True)
        loop.second += 500.0
        began_second = loop.time()
        await advance(keeper, 3, at_pace=True)
        assert loop.time() - began_second == pytest.approx(2.0)

    fast_forward(main)


def test_a_paced_run_gives_the_rows_of_a_fast_one(make_bench, fast_forward):
    async def rows(*, at_pace):
        made = make_bench()
        keeper = keeper_of(made)
        keeper.set_pace(333.3)
        made.bench.receive("source", b"RUN 0.003 1500.7\n")
        await advance(keeper, 2000, at_pace=at_pace, stop_every_second=1)
        return made.source.rows, made.log_text.getvalue(), made.bench.now_ns

    async def main():
        assert await rows(at_pace=True) == await rows(at_pace=False)

    fast_forward(main)


class Stops(list):
    """Reasons the bench was told to end for, with the time."""

    def __init__(self):
        self.first = asyncio.Event()

    def __call__(self, reason):
        self.first.set()
        self.append((asyncio.get_running_loop().time(), reason))


def owned(made, *, end_when_lost=True, speed=1.0):
    keeper, stops = keeper_of(made), Stops()
    ownership = Ownership(made.bench, keeper, speed=speed, end_when_lost=end_when_lost, stop=stops)
    return keeper, ownership, stops


def test_a_bench_nobody_owns_ends_after_thirty_seconds(make_bench, fast_forward):
    async def main():
        made = make_bench()
        began_second = asyncio.get_running_loop().time()
        _, _, stops = owned(made)
        await asyncio.sleep(100)
        assert stops == [(began_second + 30, "no_owner")]
        assert made.bench.now_ns == 0

    fast_forward(main)


def test_at_max_it_runs_on_to_the_end_and_then_ends(make_bench, fast_forward):
    async def main():
        made = make_bench()
        _, ownership, stops = owned(made)
        ownership.take("daemon", "max", "run_on")
        made.bench.receive("source", b"RUN 0.0001 40000\n")
        lost_second = asyncio.get_running_loop().time()
        ownership.lose("somebody else")
        ownership.lose("daemon")
        await asyncio.sleep(100)
        assert not made.bench.busy
        assert made.bench.now_ns == 40000 * SECOND_NS
        assert stops == [(lost_second + 10, "owner_lost")]
        assert made.lines("owner_lost")[0]["busy"] == ["source"]

    fast_forward(main)


@pytest.mark.parametrize(("run_second", "ends_after"), [(5, 10.0), (25, 25.0), (10000, 60.0)])
def test_at_a_pace_it_ends_with_its_instruments_or_after_a_minute(make_bench, fast_forward, run_second, ends_after):
    async def main():
        made = make_bench()
        keeper, ownership, stops = owned(made)
        ownership.take("daemon", 1.0, "run_on")
        made.bench.receive("source", b"RUN 0.0001 %d\n" % run_second)
        lost_second = asyncio.get_running_loop().time()
        ownership.lose("daemon")
        await stops.first.wait()
        keeper.stand()
        assert stops[0][0] - lost_second == pytest.approx(ends_after, abs=0.15)

    fast_forward(main)


def test_frozen_time_stands_until_a_new_owner_comes(make_bench, fast_forward):
    async def main():
        made = make_bench()
        keeper, ownership, stops = owned(made)
        ownership.take("daemon", "max", "freeze")
        made.bench.receive("source", b"RUN 0.0001 100\n")
        ownership.lose("daemon")
        await asyncio.sleep(9)
        assert made.bench.now_ns == 0
        ownership.take("restarted", "max", "run_on")
        await advance(keeper, 50)
        await asyncio.sleep(100)
        assert stops == []
        assert made.bench.now_ns == 50 * SECOND_NS

    fast_forward(main)


def test_a_new_owner_takes_over_a_bench_that_runs_on(make_bench, fast_forward):
    async def main():
        made = make_bench()
        keeper, ownership, stops = owned(made)
        ownership.take("daemon", 1.0, "run_on")
        made.bench.receive("source", b"RUN 0.0001 100\n")
        ownership.lose("daemon")
        await asyncio.sleep(5)
        ownership.take("restarted", "max", "run_on")
        taken_ns = made.bench.now_ns
        await asyncio.sleep(100)
        assert made.bench.now_ns == taken_ns == pytest.approx(5 * SECOND_NS, abs=TICK_SECOND * SECOND_NS)
        assert stops == []
        assert not keeper.moving

    fast_forward(main)


def test_time_has_one_owner(make_bench, fast_forward):
    async def main():
        made = make_bench()
        _, ownership, _ = owned(made, end_when_lost=False, speed=0)
        ownership.take("daemon", "max", "run_on")
        with pytest.raises(OwnedError):
            ownership.take("other", "max", "run_on")
        ownership.take("daemon", 5.0, "freeze")
        ownership.lose("daemon")
        ownership.take("other", "max", "run_on")

    fast_forward(main)


@pytest.mark.parametrize(("speed", "passed_second"), [(4.0, 40.0), (0.0, 0.0)])
def test_alone_time_runs_with_the_clock(make_bench, fast_forward, speed, passed_second):
    async def main():
        made = make_bench()
        keeper, _, _ = owned(made, end_when_lost=False, speed=speed)
        await asyncio.sleep(10)
        keeper.stand()
        assert made.bench.now_ns / SECOND_NS == pytest.approx(passed_second, abs=4.0 * TICK_SECOND)

    fast_forward(main)
