"""Whatever was measured comes back bit for bit, and what instruments send becomes small."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from daemon.store.packing import pack_floats, pack_integers, same_floats, unpack_floats, unpack_integers

any_floats = arrays(np.float64, st.integers(1, 60), elements=st.floats(width=64))
decimal_floats = st.builds(
    lambda whole, places: np.array([float(f"{number}e-{places}") for number in whole]),
    st.lists(st.integers(-(10**7), 10**7), min_size=1, max_size=60),
    st.integers(0, 12),
)
any_integers = arrays(np.int64, st.integers(1, 60), elements=st.integers(-(2**63), 2**63 - 1))


@settings(deadline=None)
@given(any_floats | decimal_floats)
def test_floats_come_back_bit_for_bit(values):
    assert same_floats(unpack_floats(pack_floats(values), len(values)), values)


@settings(deadline=None)
@given(any_integers)
def test_integers_come_back(values):
    assert np.array_equal(unpack_integers(pack_integers(values), len(values)), values)


@settings(deadline=None)
@given(decimal_floats)
def test_decimal_fractions_are_kept_as_whole_numbers(values):
    packed = pack_floats(values)
    assert packed.coding.decimal_places is not None
    assert packed.patches is None


def test_the_fewest_places_that_do_are_taken():
    assert pack_floats(np.array([2.61234, 2.6124, 2.7])).coding.decimal_places == 5
    assert pack_floats(np.array([1.0, 2.0, 4.0])).coding.decimal_places == 0


def test_even_times_take_no_bytes_at_all():
    assert pack_floats(np.array([float(f"{tenth}e-1") for tenth in range(1000)])).planes == ()


def test_a_few_odd_numbers_do_not_spoil_a_column():
    values = np.array([float(f"{nano}e-9") for nano in range(1000)])
    values[[3, 500]] = -0.0, np.inf
    values[7] = np.nan
    packed = pack_floats(values)
    assert packed.coding.decimal_places == 9
    assert np.flatnonzero(~np.isnan(packed.patches)).tolist() == [3, 500]
    assert np.flatnonzero(~packed.present).tolist() == [7]
    assert same_floats(unpack_floats(packed, 1000), values)


@pytest.mark.parametrize("value", [np.nan, -0.0, 0.0, np.inf, 5e-324, 1.0])
def test_a_column_of_one_value_takes_no_planes(value):
    packed = pack_floats(np.full(50, value))
    assert packed.planes == ()
    assert same_floats(unpack_floats(packed, 50), np.full(50, value))


def test_signs_of_zero_are_told_apart():
    assert not same_floats(np.array([0.0]), np.array([-0.0]))
    assert not same_floats(np.array([0.0]), np.array([np.nan]))
    assert same_floats(np.array([np.nan]), np.array([-np.nan]))
