"""The intrinsics of `kernels.simd` and `kernels.tiles`, in small kernels."""

from typing import NamedTuple

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from w2v_hs.kernels.jit import inline, jit
from w2v_hs.kernels.simd import (
    broadcast,
    complement,
    exp_minus_abs,
    load,
    negative_part,
    pointer,
    pointers,
    store,
)
from w2v_hs.kernels.tiles import fold, load_each, outer_multiply_add, repeat_each, zeros_for_products


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
def fold_rows(count, values, offsets, out):
    store(out, 0, fold(load_each(count, values, offsets, 0, 0)))


@jit
def run_fold(values, offsets, out):
    fold_rows((0,) * 16, values, offsets, out[0])
    fold_rows((0,) * 10, values, offsets, out[1])
    fold_rows((0,), values, offsets, out[2])


@jit
def run_products(values, offsets, out):
    """out[i, j] = sum of values[i] * values[2 + j], for 2 times 3 rows."""
    first = load_each((0,) * 2, values, offsets, 0, 0)
    second = load_each((0,) * 3, values, offsets, 2, 0)
    sums = outer_multiply_add(first, second, zeros_for_products((0,) * 2, (0,) * 3))
    store(out, 0, fold(sums))


@jit
def run_repeat(values, out):
    store(out, 0, repeat_each((0,) * 3, values, 1))


class Both(NamedTuple):
    number: int
    values: np.ndarray


@jit
def run_pointers(both, out):
    both, out = pointers(both), pointer(out)
    out[both.number] = both.values[1]


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


def test_fold_sums_each_vector():
    values = np.random.default_rng(1).integers(-99, 99, (16, 16)).astype(np.float32)
    out = np.full((3, 16), 7, np.float32)
    run_fold(values.ravel(), np.arange(16, dtype=np.int64) * 16, out)
    for row, count in zip(out, (16, 10, 1), strict=True):
        expected = values.sum(axis=1) * (np.arange(16) < count)
        np.testing.assert_array_equal(row, expected)


def test_outer_products_and_repeat():
    values = np.random.default_rng(1).integers(-9, 9, (5, 16)).astype(np.float32)
    out = np.zeros(16, np.float32)
    run_products(values.ravel(), np.arange(5, dtype=np.int64) * 16, out)
    np.testing.assert_array_equal(out[:6], (values[:2] @ values[2:].T).ravel())
    run_repeat(values.ravel(), out)
    np.testing.assert_array_equal(out, values[0, 1:7].repeat(3)[:16])


def test_pointers_index_as_arrays_do():
    out = np.zeros(3, np.float32)
    run_pointers(Both(2, np.array([4, 5], np.float32)), out)
    np.testing.assert_array_equal(out, [0, 0, 5])


@jit
def run_broadcast(out):
    store(out, 0, broadcast(np.float32(2.5)))


def test_broadcast():
    out = np.zeros(16, np.float32)
    run_broadcast(out)
    assert np.all(out == 2.5)
