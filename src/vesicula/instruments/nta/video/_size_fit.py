"""The likelihood that :mod:`size` maximises: a mixture of log-normals seen through finite tracks of unequal length.

Track i has b_i spots (in classes of length) and displacements with likelihood L_i(d). Its probability is

    sum over d of f(d) P(b_i | d) L_i(d),

with f the distribution over log diameter of the tracks, a mixture of normals of one common width, and P(b | d)
proportional to exp(a_b + (q1 u_b + q2 u_b^2) x + q3 u_b x^2), u_b = log length, x = log(d / 100 nm). The
second factor is why short tracks of small particles do not pull the estimate: size and length are dependent, as
particles leave the focal depth by diffusion, and a common f for all lengths would be wrong.

One width for all components keeps the likelihood from growing spikes on a broad population, which displacements
cannot contradict and which would make the mode meaningless. A narrow population beside a broad one is then
described by more components, or too broadly.

Cost: the rows of the likelihood matrix of tracks of similar length are smooth functions of log diameter, so the
matrix of each class is stored as a product of low rank (singular values below 1e-9 of the largest dropped), and a
pass over the data costs tracks times rank instead of tracks times grid points.
"""

# ruff: noqa: ANN001, ANN202, PLR0913, PLR0917 - numba kernels; mypy --strict holds the other functions typed

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numba import njit

from vesicula.core.measurement import FloatArray
from vesicula.instruments.nta.video.model import IntArray

VARIANCE_UNIT = 0.01  # parameters of order 1: variances of log diameter in units of (10 %)^2
LOWEST_SD = 0.002  # of log diameter: below any bead, and far below what tracks resolve
HIGHEST_SD = 1.2
_LENGTH_EDGES = (3, 5, 8, 12, 18, 30, 60)  # classes of track length: 2, 3-4, 5-7, ...
_BASIS_ROWS = 400
_RIDGE_SD = (1.0, 0.3, 1.0)  # weak: decides only what a population of one size leaves open


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Problem:
    """Data of a fit, from `make_problem`. Tracks are in order of their class of length.

    Attributes
    ----------
    order : numpy.ndarray of int64, shape (tracks,)
        Place of each track in what was given.
    offset : numpy.ndarray of int64, shape (classes + 1,)
        Where each class begins.
    left, right : numpy.ndarray, shapes (rank, tracks) and (classes, rank, grid)
        Likelihoods, each track's scaled to 1 at its largest, are ``left[:, i] @ right[class of i]``.
    rank : numpy.ndarray of int64, shape (classes,)
        Rows of `left` in use in each class.
    best : numpy.ndarray of int64, shape (tracks,)
        Where each track's likelihood is largest.
    log_scale : float
        Sum of the logs of what the rows were scaled by.
    log_length, mean_length : numpy.ndarray, shape (classes,)
        Scaled log of the mean number of spots, and that mean.
    log_diameter : numpy.ndarray, shape (grid,)
        Even grid.
    """

    order: IntArray
    offset: IntArray
    left: FloatArray
    right: FloatArray
    rank: IntArray
    best: IntArray
    log_scale: float
    log_length: FloatArray
    mean_length: FloatArray
    log_diameter: FloatArray

    @property
    def length_class(self) -> IntArray:
        """Class of each track, in the order of this problem."""
        return np.repeat(np.arange(self.mean_length.size), np.diff(self.offset))


def make_problem(log_likelihood: FloatArray, spot_count: IntArray, log_diameter: FloatArray) -> Problem:
    """Scale and compress a likelihood matrix, shape (tracks, grid), and sort the tracks into classes of length."""
    which, mean = length_classes(spot_count)
    order = np.argsort(which, kind="stable").astype(np.int64)
    offset = np.concatenate([[0], np.cumsum(np.bincount(which, minlength=mean.size))]).astype(np.int64)
    best = np.argmax(log_likelihood, axis=1)[order].astype(np.int64)
    top = np.take_along_axis(log_likelihood[order], best[:, None], axis=1)
    scaled = np.exp(log_likelihood[order] - top)
    bases = [_basis(scaled[i:j], best[i:j]) for i, j in pairwise(offset.tolist())]
    rank = np.array([basis.shape[0] for basis in bases], dtype=np.int64)
    left = np.zeros((int(rank.max()), order.size))
    right = np.zeros((mean.size, int(rank.max()), log_diameter.size))
    for b, basis in enumerate(bases):
        i, j, r = offset[b], offset[b + 1], rank[b]
        left[:r, i:j] = basis @ scaled[i:j].T
        right[b, :r] = basis
    return Problem(
        order=order,
        offset=offset,
        left=left,
        right=right,
        rank=rank,
        best=best,
        log_scale=float(top.sum()),
        log_length=np.asarray(np.log(mean) - np.log(mean[0])) / 2,
        mean_length=mean,
        log_diameter=log_diameter,
    )


def _basis(rows: FloatArray, best: IntArray) -> FloatArray:
    """Return an orthonormal basis of the rows, from at most `_BASIS_ROWS` of them spread over all sizes."""
    if rows.shape[0] > _BASIS_ROWS:
        chosen = np.argsort(best, kind="stable")[np.linspace(0, rows.shape[0] - 1, _BASIS_ROWS).astype(np.int64)]
        part = rows[chosen]
    else:
        part = rows
    _, s, v = np.linalg.svd(part, full_matrices=False)
    return np.ascontiguousarray(v[: max(1, int((s > 1e-9 * s[0]).sum()))])


def length_classes(spot_count: IntArray) -> tuple[IntArray, FloatArray]:
    """Return the class of each track, from 0, and the mean number of spots in each class."""
    raw = np.searchsorted(np.asarray(_LENGTH_EDGES), spot_count, side="right")
    seen = np.bincount(raw, minlength=len(_LENGTH_EDGES) + 1)
    # A class of fewer than 5 tracks is joined to the one below, so that its mean length means something.
    target = np.maximum(np.cumsum((seen >= 5).astype(np.int64)) - 1, 0)
    used, which = np.unique(target[raw], return_inverse=True)
    sums = np.bincount(which, weights=spot_count, minlength=used.size)
    return which.astype(np.int64), np.asarray(sums / np.bincount(which, minlength=used.size))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Fit:
    """A fitted mixture: parameters (see `unpack`), penalised log likelihood and (quasi-Newton) Hessian."""

    theta: FloatArray
    components: int
    log_likelihood: float
    hessian: FloatArray


@njit(cache=True, nogil=True)
def _hat(x, mean, sd, mass, d_mean, d_sd):  # type: ignore[no-untyped-def]  # kernel
    """Integrals of a normal density times the hat functions of an even grid, and their derivatives.

    With Psi(t) = (t - m) Phi + s phi the integrals are second differences of Psi over the step.
    """
    h = x[1] - x[0]
    n = x.size
    p0 = p1 = c0 = c1 = g0 = g1 = 0.0
    for j in range(-1, n + 1):
        t = (x[0] + j * h - mean) / sd
        cdf, pdf = (1.0 if t > 0 else 0.0), 0.0
        if -9.0 < t < 9.0:
            cdf = 0.5 * math.erfc(-t * 0.7071067811865476)
            pdf = 0.3989422804014327 * math.exp(-0.5 * t * t)
        psi = sd * (t * cdf + pdf)
        if j >= 1:
            mass[j - 1] = max((psi - 2 * p1 + p0) / h, 0.0)
            d_mean[j - 1] = -(cdf - 2 * c1 + c0) / h
            d_sd[j - 1] = (pdf - 2 * g1 + g0) / h
        p0, c0, g0 = p1, c1, g1
        p1, c1, g1 = psi, cdf, pdf


@njit(cache=True, nogil=True)
def _expect(left, right, rank, offset, weight, joint, table):  # type: ignore[no-untyped-def]  # kernel
    """Log likelihood, and d log likelihood / d joint[class, grid] into `table`."""
    nb = joint.shape[0]
    total = 0.0
    s = np.empty(left.shape[1])
    for b in range(nb):
        i0, i1 = offset[b], offset[b + 1]
        here = s[i0:i1]
        here[:] = 0.0
        for r in range(rank[b]):
            c = np.dot(right[b, r], joint[b])
            row = left[r, i0:i1]
            for i in range(here.size):
                here[i] += c * row[i]
        w = weight[i0:i1]
        for i in range(here.size):
            p = max(here[i], 1e-9)  # a floor: a track that no component explains must not end the fit
            if w[i] != 0.0:
                total += w[i] * math.log(p)
            here[i] = w[i] / p
        table[b] = 0.0
        for r in range(rank[b]):
            c = np.dot(here, left[r, i0:i1])
            row = right[b, r]
            for g in range(row.size):
                table[b, g] += c * row[g]
    return total


@njit(cache=True, nogil=True)
def _lengths(theta, k, x, u, out):  # type: ignore[no-untyped-def]  # kernel
    """P(length class | diameter) into out[class, grid]."""
    nb = u.size
    a = 2 * k
    q1, q2, q3 = theta[a + nb - 1], theta[a + nb], theta[a + nb + 1]
    for g in range(x.size):
        t = x[g] - 4.605170185988092
        top = -1e300
        for b in range(nb):
            base = theta[a + b - 1] if b > 0 else 0.0
            out[b, g] = base + (q1 * u[b] + q2 * u[b] * u[b]) * t + q3 * u[b] * t * t
            top = max(top, out[b, g])
        s = 0.0
        for b in range(nb):
            out[b, g] = math.exp(out[b, g] - top)
            s += out[b, g]
        for b in range(nb):
            out[b, g] /= s


@njit(cache=True, nogil=True)
def _objective(theta, k, left, right, rank, offset, weight, x, u, unit):  # type: ignore[no-untyped-def]  # kernel
    """Return log likelihood and its gradient in theta = (k - 1 logits, k means, variance, lengths)."""
    n, nb = x.size, u.size
    mass, dm, ds = np.empty((k, n)), np.empty((k, n)), np.empty((k, n))
    share = np.empty(k)
    share[0] = 0.0
    for c in range(1, k):
        share[c] = theta[c - 1]
    share = np.exp(share - share.max())
    share /= share.sum()
    sd = math.sqrt(theta[2 * k - 1] * unit)
    f = np.zeros(n)
    for c in range(k):
        _hat(x, theta[k - 1 + c], sd, mass[c], dm[c], ds[c])
        f += share[c] * mass[c]
    lengths, joint, table = np.empty((nb, n)), np.empty((nb, n)), np.empty((nb, n))
    _lengths(theta, k, x, u, lengths)
    for b in range(nb):
        joint[b] = f * lengths[b]
    total = _expect(left, right, rank, offset, weight, joint, table)
    grad = np.zeros(theta.size)
    slope = np.zeros(n)
    for b in range(nb):
        slope += table[b] * lengths[b]
    inner = np.empty(k)
    for c in range(k):
        inner[c] = (slope * mass[c]).sum()
        grad[k - 1 + c] = share[c] * (slope * dm[c]).sum()
        grad[2 * k - 1] += share[c] * (slope * ds[c]).sum() * 0.5 * unit / sd
    mean = (share * inner).sum()
    for c in range(1, k):
        grad[c - 1] = share[c] * (inner[c] - mean)
    a = 2 * k
    for g in range(n):
        e = f[g] * slope[g]
        t = x[g] - 4.605170185988092
        for b in range(nb):
            r = joint[b, g] * table[b, g] - e * lengths[b, g]
            if b > 0:
                grad[a + b - 1] += r
            grad[a + nb - 1] += r * u[b] * t
            grad[a + nb] += r * u[b] * u[b] * t
            grad[a + nb + 1] += r * u[b] * t * t
    return total, grad


@njit(cache=True, nogil=True)
def _loss(theta, k, data, weight, x, u, unit, ridge):  # type: ignore[no-untyped-def]  # kernel
    """Penalised negative log likelihood and its gradient."""
    left, right, rank, offset = data
    value, grad = _objective(theta, k, left, right, rank, offset, weight, x, u, unit)
    value, grad = -value, -grad
    a = 2 * k + u.size - 1
    for j in range(3):
        value += 0.5 * (theta[a + j] / ridge[j]) ** 2
        grad[a + j] += theta[a + j] / ridge[j] ** 2
    return value, grad


@njit(cache=True, nogil=True)
def _curvature(theta, k, data, weight, x, u, unit, ridge, low, high):  # type: ignore[no-untyped-def]  # kernel
    """Positive-definite Hessian by differences of the gradient (absolute eigenvalues, floored)."""
    p = theta.size
    out = np.empty((p, p))
    for j in range(p):
        h = 1e-4 * (1.0 + abs(theta[j]))
        up, down = theta.copy(), theta.copy()
        up[j], down[j] = min(theta[j] + h, high[j]), max(theta[j] - h, low[j])
        a = _loss(up, k, data, weight, x, u, unit, ridge)[1]
        b = _loss(down, k, data, weight, x, u, unit, ridge)[1]
        out[j] = (a - b) / (up[j] - down[j])
    values, vectors = np.linalg.eigh(0.5 * (out + out.T))
    floor = max(1e-2, 1e-6 * np.abs(values).max())
    for j in range(p):
        values[j] = max(abs(values[j]), floor)
    return (vectors * values) @ np.ascontiguousarray(vectors.T)


@njit(cache=True, nogil=True)
def _direction(bent, grad, theta, low, high):  # type: ignore[no-untyped-def]  # kernel
    """Newton step in the coordinates that are not held at a bound."""
    free = np.flatnonzero(~(((theta <= low) & (grad > 0)) | ((theta >= high) & (grad < 0))))
    step = np.zeros(theta.size)
    if free.size:
        part = np.empty((free.size, free.size))
        for i in range(free.size):
            for j in range(free.size):
                part[i, j] = bent[free[i], free[j]]
        step[free] = np.linalg.solve(part, -grad[free])
    return step


@njit(cache=True, nogil=True)
def _minimise(theta, k, data, weight, x, u, unit, ridge, low, high, bent, limit, tolerance, most):  # type: ignore[no-untyped-def]  # kernel
    """Minimise within bounds by damped BFGS steps from a given Hessian; stop when a step promises < `tolerance`."""
    bent = bent.copy()
    theta = np.minimum(np.maximum(theta, low), high)
    value, grad = _loss(theta, k, data, weight, x, u, unit, ridge)
    for _ in range(most):
        step = _direction(bent, grad, theta, low, high)
        slope = step @ grad
        if -slope < tolerance:
            break
        step *= min(1.0, 1.0 / np.max(np.abs(step) / limit))
        size, better = 1.0, False
        new, new_value, new_grad, moved = theta, value, grad, step
        for _ in range(12):
            new = np.minimum(np.maximum(theta + size * step, low), high)
            new_value, new_grad = _loss(new, k, data, weight, x, u, unit, ridge)
            moved = new - theta
            promised = moved @ grad
            if new_value <= value + 1e-4 * min(promised, 0.0):
                better = True
                break
            size *= min(0.5, max(0.1, -0.5 * size * promised / (new_value - value - promised) / size))
        if not better:
            break
        change = new_grad - grad
        image = bent @ moved
        along, curve = moved @ image, moved @ change
        if along > 1e-14:
            if curve < 0.2 * along:  # Powell's damping keeps the matrix positive definite
                mix = 0.8 * along / (along - curve)
                change = mix * change + (1 - mix) * image
                curve = moved @ change
            bent += np.outer(change, change) / curve - np.outer(image, image) / along
        theta, value, grad = new, new_value, new_grad
    return theta, value, bent


def _bounds(problem: Problem, components: int) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return lower and upper bounds of the parameters, and the longest step of each."""
    x, k, more = problem.log_diameter, components, problem.log_length.size - 1
    parts = (
        (k - 1, -9.0, 9.0, 2.0),
        (k, float(x[1]), float(x[-2]), 0.5),
        (1, LOWEST_SD**2 / VARIANCE_UNIT, HIGHEST_SD**2 / VARIANCE_UNIT, 20.0),
        (more, -15.0, 15.0, 3.0),
        (3, -6.0, 6.0, 3.0),
    )
    low, high, limit = (np.concatenate([np.full(p[0], p[c]) for p in parts]) for c in (1, 2, 3))
    return low, high, limit


def fit_mixture(
    problem: Problem,
    weight: FloatArray,
    start: FloatArray,
    components: int,
    *,
    hessian: FloatArray | None = None,
    tight: bool = True,
) -> Fit:
    """Maximise the (weighted) likelihood from one start; `weight` is in the order of the tracks given.

    Newton steps with a quasi-Newton matrix (BFGS) inside bounds: from a Hessian by differences at the start, or, for
    a replicate, from the Hessian of the fit it starts at, which saves nearly all iterations.
    """
    p = problem
    low, high, limit = _bounds(p, components)
    data = (p.left, p.right, p.rank, p.offset)
    ridge = np.asarray(_RIDGE_SD)
    ordered = np.ascontiguousarray(np.asarray(weight, dtype=np.float64)[p.order])
    same = (ordered, p.log_diameter, p.log_length, VARIANCE_UNIT, ridge, low, high)
    theta = np.clip(start, low, high)
    bent = _curvature(theta, components, data, *same) if hessian is None else hessian
    theta, value, bent = _minimise(
        theta, components, data, *same, bent, limit, 1e-7 if tight else 1e-3, 200 if tight else 60
    )
    return Fit(theta=theta, components=components, log_likelihood=-float(value), hessian=bent)


def hessian_of(fit: Fit, problem: Problem, weight: FloatArray) -> FloatArray:
    """Return the Hessian of the penalised negative log likelihood at a fit."""
    p = problem
    low, high, _ = _bounds(p, fit.components)
    ordered = np.ascontiguousarray(np.asarray(weight, dtype=np.float64)[p.order])
    return np.asarray(
        _curvature(
            fit.theta, fit.components, (p.left, p.right, p.rank, p.offset), ordered, p.log_diameter, p.log_length,
            VARIANCE_UNIT, np.asarray(_RIDGE_SD), low, high,
        )
    )  # fmt: skip


def unpack(theta: FloatArray, components: int) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return shares, means of log diameter and (equal) standard deviations of the components."""
    k = components
    logits = np.concatenate([[0.0], theta[: k - 1]])
    share = np.exp(logits - logits.max())
    return share / share.sum(), theta[k - 1 : 2 * k - 1], np.full(k, np.sqrt(theta[2 * k - 1] * VARIANCE_UNIT))


def track_mass(fit: Fit, x: FloatArray) -> FloatArray:
    """Return the distribution of tracks on an even grid of log diameter; sums to 1."""
    share, mean, sd = unpack(fit.theta, fit.components)
    total, part, spare = np.zeros(x.size), np.empty(x.size), np.empty((2, x.size))
    for s, m, d in zip(share, mean, sd, strict=True):
        _hat(x, m, d, part, spare[0], spare[1])
        total += s * part
    return np.asarray(total / total.sum())


def spots_given_size(fit: Fit, problem: Problem, weight: FloatArray, spot_count: IntArray, x: FloatArray) -> FloatArray:
    """Return the factor from the fitted distribution of tracks to that of spots, at each log diameter.

    sum over tracks of w_i n_i P(x | track i) = f(x) M(x), with M returned: each track's own number of spots is shared
    out over the sizes it may have (one step of expectation maximisation), so that neither the form of the mixture nor
    that of the length model decides how many spots a size has. `weight` and `spot_count` are in the order of the
    tracks given.
    """
    p = problem
    lengths = np.empty((p.log_length.size, p.log_diameter.size))
    _lengths(fit.theta, fit.components, p.log_diameter, p.log_length, lengths)
    mass = track_mass(fit, p.log_diameter)
    factor = _spots(
        p.left, p.right, p.rank, p.offset, np.ascontiguousarray(np.asarray(weight, dtype=np.float64)[p.order]),
        np.ascontiguousarray(np.asarray(spot_count, dtype=np.float64)[p.order]), lengths, mass,
    )  # fmt: skip
    return np.asarray(np.interp(x, p.log_diameter, factor))


@njit(cache=True, nogil=True)
def _spots(left, right, rank, offset, weight, spots, lengths, mass):  # type: ignore[no-untyped-def]  # kernel
    factor = np.zeros(mass.size)
    for b in range(lengths.shape[0]):
        joint = mass * lengths[b]
        i0, i1 = offset[b], offset[b + 1]
        here = np.zeros(i1 - i0)
        for r in range(rank[b]):
            here += np.dot(right[b, r], joint) * left[r, i0:i1]
        here = weight[i0:i1] * spots[i0:i1] / np.maximum(here, 1e-9)
        for r in range(rank[b]):
            factor += np.dot(here, left[r, i0:i1]) * right[b, r] * lengths[b]
    return np.maximum(factor, 0.0)


def starts(problem: Problem, weight: FloatArray, previous: Fit | None) -> list[FloatArray]:
    """Return starting points: from the data alone, or by splitting a component of the mixture with one less."""
    if previous is None:
        centre = float(np.median(problem.log_diameter[problem.best]))
        share = np.bincount(problem.length_class, weights=weight[problem.order]) + 0.5
        alpha = np.log(share / share[0])[1:]
        return [np.concatenate([[centre], [v / VARIANCE_UNIT], alpha, [0.0, 0.0, 0.0]]) for v in (0.01, 0.09)]
    k = previous.components
    share, mean, sd = unpack(previous.theta, k)
    rest = previous.theta[2 * k :]
    found = []
    for c in range(k):
        for left, right, width, part in ((-0.9, 0.9, 0.5, 0.5), (-0.2, 2.0, 0.7, 0.15), (0.2, -2.0, 0.7, 0.15)):
            spread = max(float(sd[c]), 0.08)
            means = np.append(mean, mean[c] + right * spread)
            means[c] += left * spread
            shares = np.append(share, part * share[c])
            shares[c] *= 1 - part
            logit = np.clip(np.log(np.maximum(shares, 1e-3)) - np.log(max(shares[0], 1e-3)), -8, 8)[1:]
            means = np.clip(means, problem.log_diameter[2], problem.log_diameter[-3])
            found.append(np.concatenate([logit, means, [(width * spread) ** 2 / VARIANCE_UNIT], rest]))
    return found
