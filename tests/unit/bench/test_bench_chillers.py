"""Chillers on a served bench: what the file says of them, their cables, and what goes wrong when told to."""

import pytest

from simulators.bench_file import BenchFileError, read_bench

MAKES = {
    "lauda": "model: lauda, safe_mode: true",
    "julabo": "model: julabo",
    "huber": "model: huber",
}
WORDS = {
    "lauda": {"start": "START", "runs": "IN_MODE_02", "yes": b"0", "no": b"1", "bath": "IN_PV_00"},
    "julabo": {"start": "out_mode_05 1", "runs": "in_mode_05", "yes": b"1", "no": b"0", "bath": "in_pv_00"},
    "huber": {"start": "{M140001", "runs": "{M14****", "yes": b"{S140001", "no": b"{S140000", "bath": "{M01****"},
}
every_make = pytest.mark.parametrize("make", MAKES)


def text_of(said, transport="{kind: tcp}"):
    chiller = f"{{name: chiller, role: chiller, external_probe: true, {said}, transport: {transport}}}"
    return f"name: cold\ncell: {{sample: BM-05}}\nspeed: 0\ninstruments: [{chiller}]\n"


class Talker:
    """Asks one question at a time over TCP."""

    def __init__(self, host):
        self.host = host

    async def ask(self, command):
        self.host.writer.write(command.encode() + b"\r\n")
        return (await self.host.reader.readuntil(b"\r\n"))[:-2]

    def tell(self, command):
        self.host.writer.write(command.encode() + b"\r\n")


@pytest.fixture
def talk(connect):
    async def start(lab, make):
        host = await connect(lab.address("chiller"))
        talker, words = Talker(host), WORDS[make]
        if make == "julabo":
            talker.tell(words["start"])
        else:
            await talker.ask(words["start"])
        assert await talker.ask(words["runs"]) == words["yes"]
        return talker

    return start


@every_make
async def test_it_cools_in_the_benchs_time(served_bench, talk, make):
    async with served_bench(text_of(MAKES[make])) as lab:
        talker = await talk(lab, make)
        await lab.advance(7200)
        bath = await talker.ask(WORDS[make]["bath"])
        assert bath in {b"020.00", b"20.00", b"{S0107D0"}
        await talker.host.leave()


@every_make
@pytest.mark.parametrize("fault", [{"kind": "off"}, {"kind": "low_level"}, {"kind": "alarm", "codes": [14]}])
async def test_what_stops_it_stops_it_until_it_is_healed(served_bench, talk, make, fault):
    words = WORDS[make]
    async with served_bench(text_of(MAKES[make])) as lab:
        talker = await talk(lab, make)
        kind = fault["kind"]
        await lab.fault("chiller", kind, **{key: value for key, value in fault.items() if key != "kind"})
        assert await talker.ask(words["runs"]) == words["no"]
        await lab.fault("chiller", "heal")
        assert await talker.ask(words["runs"]) == words["yes"]
        await talker.host.leave()


async def test_a_wire_breaks_and_is_mended(served_bench, connect):
    async with served_bench(text_of(MAKES["julabo"])) as lab:
        talker = Talker(await connect(lab.address("chiller")))
        whole = await talker.ask("in_pv_02")
        await lab.fault("chiller", "break_wire")
        assert await talker.ask("in_pv_02") == b"---.--"
        await lab.fault("chiller", "heal")
        assert await talker.ask("in_pv_02") == whole
        await talker.host.leave()


async def test_a_silent_lauda_misses_its_messages_and_sees_to_itself(served_bench, talk):
    async with served_bench(text_of(MAKES["lauda"])) as lab:
        talker = await talk(lab, "lauda")
        assert [await talker.ask(command) for command in ("OUT_SP_07_15", "OUT_SP_08_30")] == [b"OK"] * 2
        await lab.fault("chiller", "silent")
        for at_second in (20, 40):
            talker.tell("STATUS")
            await lab.advance(at_second)
        await lab.fault("chiller", "heal")
        assert await talker.ask("IN_SP_00") == b"015.00"
        await talker.host.leave()


@pytest.mark.parametrize(
    ("said", "asked", "reply"),
    [
        ("model: lauda", b"TYPE\r", b"ECO\r\n"),
        ("model: lauda, bus_address: 3", b"A003_IN_SP_00\r", b"A003_020.00\r\n"),
        ("model: julabo, device_type: FP50", b"version\r", b"JULABO FP50 VERSION 1.30\r\n"),
        ("model: huber", b"{M00****\r\n", b"{S0007D0\r\n"),
    ],
)
async def test_on_a_serial_port(served_bench, serial_host, said, asked, reply):
    async with served_bench(text_of(said, "{kind: pty}")) as lab:
        host = serial_host(lab.address("chiller"))
        host.say(asked)
        assert await host.hear(len(reply)) == reply


async def test_on_a_serial_port_with_parity(served_bench, serial_host):
    async with served_bench(text_of('model: julabo, character: "7E1"', "{kind: pty}")) as lab:
        host = serial_host(lab.address("chiller"))
        host.say(bytes(code | (code.bit_count() % 2) << 7 for code in b"in_sp_00\r"))
        assert bytes(code & 0x7F for code in await host.hear(7)) == b"20.00\r\n"


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ("model: lauda, setpoint_temperature_C: 101.0", "the setpoint is not between low_limit_temperature_C"),
        ("model: lauda, bus_address: 128", "bus_address"),
        ("model: lauda, family: basic", "family  unknown field"),
        ("model: julabo, character: 7O1", "character"),
        ("model: huber, bath: {heat_capacity_J_per_K: 0.0}", "heat_capacity_J_per_K"),
        ("model: huber, bath: {cooling: []}", "need temperatures that rise"),
        ("model: huber, bath: {coling: []}", "did you mean cooling?"),
        ("model: huber, bath: {cooling: [{temperature_C: 5.0, power: 3}]}", "did you mean power_W?"),
        ("model: laude", "did you mean lauda?"),
    ],
)
def test_mistakes_are_told_where_they_are(said, words):
    with pytest.raises(BenchFileError) as told:
        read_bench(text_of(said).encode(), "bench.yaml")
    assert words in str(told.value)
