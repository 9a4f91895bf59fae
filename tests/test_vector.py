"""The vector functions of kernels.vector, through small kernels of their own."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from w2v_hs.kernels.common import inline, jit
from w2v_hs.kernels.vector import (
    broadcast,
    complement,
    exp_minus_abs,
    fold,
    load,
    load_each,
    negative_part,
    store,
)


@jit
def run_exp(values, out):
    for k in range(0, len(values), 16):
        store(out, k, exp_minus_abs(load(values, k)))


@jit
def run_complement(values, out):
    for k in range(0, len(values), 16):
        z = load(values, k)
        store(out, k, complement(z, exp_minus_abs(z)))


@jit
def run_negative_part(values, out):
    for k in range(0, len(values), 16):
        store(out, k, negative_part(load(values, k)))


@inline
def fold_rows(low, high, values, offsets, out):
    first = load_each(low, values, offsets, 0)
    second = load_each(high, values, offsets[len(low) :], 0)
    store(out, 0, fold(first, second))


@jit
def run_fold_3_5(values, offsets, out):
    fold_rows((0,) * 3, (0,) * 5, values, offsets, out)


@jit
def run_fold_8_8(values, offsets, out):
    fold_rows((0,) * 8, (0,) * 8, values, offsets, out)


def test_exp_to_one_part_in_ten_million():
    values = np.linspace(-87, 87, 160_000).astype(np.float32)
    out = np.empty_like(values)
    run_exp(values, out)
    np.testing.assert_allclose(out, np.exp(-np.abs(values.astype(np.float64))), rtol=2e-7)


def test_exp_far_out_and_nan():
    values = np.array([0, -0.0, 88, -1e4, np.inf, -np.inf, np.nan, 1e-30] * 2, np.float32)
    out = np.empty_like(values)
    run_exp(values, out)
    assert out[0] == out[1] == out[7] == 1
    assert np.all(out[2:6] < 1.7e-38) and np.all(out[2:6] >= 0)
    assert np.isnan(out[6])


@given(st.lists(st.floats(-200, 200, width=32), min_size=16, max_size=16))
def test_complement_is_the_sigmoid_of_minus_z(values):
    values = np.array(values, np.float32)
    out = np.empty_like(values)
    run_complement(values, out)
    exact = 1 / (1 + np.exp(values.astype(np.float64)))
    np.testing.assert_allclose(out, exact, rtol=1e-6, atol=2e-38)
    run_negative_part(values, out)
    np.testing.assert_array_equal(out, np.maximum(-values, 0))


@pytest.mark.parametrize(("run", "low", "high"), [(run_fold_3_5, 3, 5), (run_fold_8_8, 8, 8)])
def test_fold_sums_each_vector(run, low, high):
    values = np.random.default_rng(1).integers(-99, 99, (low + high, 16)).astype(np.float32)
    out = np.full(16, 7, np.float32)
    run(values.ravel(), np.arange(low + high, dtype=np.int64) * 16, out)
    expected = np.zeros(16)
    expected[:low] = values[:low].sum(axis=1)
    expected[8 : 8 + high] = values[low:].sum(axis=1)
    np.testing.assert_array_equal(out, expected)


@jit
def run_broadcast(out):
    store(out, 0, broadcast(np.float32(2.5)))


def test_broadcast():
    out = np.zeros(16, np.float32)
    run_broadcast(out)
    assert np.all(out == 2.5)
