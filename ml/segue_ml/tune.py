"""Chooses the number of sweeps, and with a time budget the other settings, on a validation split."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

from .blend import Blend, combined
from .evaluate import other_holdouts, random_holdout
from .ials import Model, Settings, default_settings, train
from .metrics import rank_all
from .pairs import Pairs
from .runtime import Budget, Ticker, say, working
from .terms import Choice, Split, Terms, add_terms, quality
from .words import Words

PATIENCE, MOST_SWEEPS = 2, 16
TRIAL_RANK, TRIAL_SWEEPS, TRIAL_A0 = 64, 8, (0.03, 0.1, 0.3)
TRIAL_WORD_RIDGES, SURE = (3.0, 10.0, 30.0), 1.0
TRIALS_UNTIL, SWEEPS_UNTIL = 0.5, 0.8  # shares of a budget
BEATS = 1.01  # the best of some dozens of trials is nearly so much better than the default by chance


def choose_settings(
    pairs: Pairs,
    fixed: dict[str, float],
    seed: int,
    device: torch.device,
    seconds: float | None = None,
    words: Words | None = None,
) -> Choice:
    """Settings for these pairs, chosen on hidden parts of them: the default, or with `seconds` what a search finds. `fixed`
    are settings that must stay. Quality NaN where there is nothing to choose by."""
    start = default_settings(pairs, seed).changed(sweeps=MOST_SWEEPS).changed(**fixed).check()
    part, validation = random_holdout(pairs, seed)
    if not part.count:
        return Choice(start, float("nan"))
    more, names = other_holdouts(pairs, seed), frozenset(fixed)
    if seconds is not None:
        return search(part, validation, start, device, seconds, names, more=more, words=words)
    return choose(part, validation, start, device, names, more, words)


def choose_sweeps(
    train_part: Pairs,
    validation: Pairs,
    settings: Settings,
    device: torch.device,
    k: int = 20,
    budget: Budget | None = None,
    share: float = 1.0,
    words: Words | None = None,
) -> Choice:
    """Trains until the quality on `validation` has not risen for `PATIENCE` sweeps, `settings.sweeps` at most, and no longer
    than this share of the budget, but for one sweep. More sweeps than that fit the training part better and the listener
    worse. Without validation pairs the settings stay."""
    if not validation.count:
        return Choice(settings, float("nan"))
    best, best_sweep = -1.0, settings.sweeps
    fitted: tuple[Model, Tensor] | None = None
    each: np.ndarray | None = None
    ended = time.perf_counter()
    tell = Ticker(working)

    def judge(sweep: int, model: Model, listeners: Tensor) -> bool:
        nonlocal best, best_sweep, fitted, each, ended
        score = combined(Blend(model), listeners, train_part)
        ranking = rank_all(score, validation, train_part, k, device, with_auc=False)
        found = quality(ranking)
        tell(f"rank={settings.rank} a0={settings.a0:g} ridge={settings.ridge:g}: quality {found:.4f} after sweep {sweep}")
        if found > best:
            best, best_sweep, fitted, each = found, sweep, (model, listeners), (ranking.recall + ranking.ndcg) / 2
        before, ended = ended, time.perf_counter()
        if sweep - best_sweep >= PATIENCE or sweep == settings.sweeps:
            return True
        # The first has all that is done once.
        return budget is not None and budget.over(share, f"sweeps at rank {settings.rank}", sweep > 1 and ended - before)

    train(train_part, settings, device, judge, words=words)
    return Choice(settings.changed(sweeps=best_sweep), best, fitted, each)


def choose(
    train_part: Pairs,
    validation: Pairs,
    start: Settings,
    device: torch.device,
    fixed: frozenset[str] = frozenset(),
    more: Sequence[Split] = (),
    words: Words | None = None,
) -> Choice:
    """The default: a0 by a few trials of low rank, since it follows from how much a missing pair says, which the data's
    size does not tell, and with `words` their ridge; then the number of sweeps; then the terms, by `more` splits too.
    `fixed` names settings that must stay."""
    start = _by_trials(train_part, validation, start, device, fixed, words)
    if "sweeps" in fixed:
        return Choice(start, float("nan"))
    chosen = choose_sweeps(train_part, validation, start, device, words=words)
    return add_terms(train_part, validation, chosen, device, fixed, more=more, words=words)


def _by_trials(
    train_part: Pairs,
    validation: Pairs,
    start: Settings,
    device: torch.device,
    fixed: frozenset[str],
    words: Words | None,
    budget: Budget | None = None,
) -> Settings:
    """The start with a0, and with words their ridge, that trials of low rank found best. Words are left out where what they
    gain may be luck: it must be above SURE of its standard errors over the listeners."""
    if not validation.count:
        return start
    small = start.changed(rank=min(start.rank, TRIAL_RANK), sweeps=min(start.sweeps, TRIAL_SWEEPS))
    took = 0.0

    def trials(name: str, values: Iterable[float]) -> Iterator[Choice]:
        nonlocal took
        for value in values:
            if budget is not None and budget.over(TRIALS_UNTIL, f"trials of {name}", took):
                return
            began = time.perf_counter()
            yield choose_sweeps(train_part, validation, small.changed(**{name: value}), device, words=words)
            took = time.perf_counter() - began

    tried = [] if "a0" in fixed else list(trials("a0", TRIAL_A0))
    best = max(tried, key=_quality, default=None)
    small = small.changed(a0=best.settings.a0 if best else start.a0)
    if words is not None and "word_ridge" not in fixed:
        without = best or next(trials("word_ridge", (0.0,)), None)
        drawn = max(trials("word_ridge", TRIAL_WORD_RIDGES), key=_quality, default=None) if without else None
        if drawn and _surely_better(drawn.each, without.each):
            small = small.changed(word_ridge=drawn.settings.word_ridge)
    return start.changed(a0=small.a0, word_ridge=small.word_ridge)


def _quality(choice: Choice) -> float:
    return choice.quality


def _surely_better(some: np.ndarray, others: np.ndarray) -> bool:
    """Whether the mean of the differences is above SURE of its standard errors."""
    gain = some - others
    return bool(gain.mean() > SURE * gain.std() / max(1, len(gain)) ** 0.5)


def search(
    train_part: Pairs,
    validation: Pairs,
    start: Settings,
    device: torch.device,
    seconds: float,
    fixed: frozenset[str] = frozenset(),
    k: int = 20,
    more: Sequence[Split] = (),
    words: Words | None = None,
) -> Choice:
    """Coordinate search from the default choice within a time budget: one setting at a time is moved while the quality rises,
    with smaller steps each round. A trial that would not end within the budget is left out, and what is found must beat
    the default by BEATS with the terms beside both. Where the budget is too short for the default, trials of a0, sweeps and shapes of
    the terms are left out, which is said; the least is to fit the terms and one sweep. `fixed` names settings that must
    stay."""
    began = time.perf_counter()
    terms = Terms(train_part, device, start, fixed)
    terms.prepare()
    budget = Budget(seconds - (time.perf_counter() - began))
    start = _by_trials(train_part, validation, start, device, fixed, words, budget)
    before = time.perf_counter()
    best = first = choose_sweeps(train_part, validation, start, device, k, budget, SWEEPS_UNTIL, words)
    slowest = {start.rank: time.perf_counter() - before}
    before = time.perf_counter()
    standard = add_terms(train_part, validation, best, device, fixed, k, terms, budget, more, words)
    deadline = budget.end - 1.2 * (time.perf_counter() - before)  # shares are chosen once more at the end
    say(f"tune: quality={standard.quality:.4f} by default {_text(standard.settings)}")
    if budget.missing:
        took = time.perf_counter() - began
        say(f"tune: {seconds:g} s are too few even for the default; left out after {took:.0f} s: {', '.join(budget.missing)}")
        return standard
    for trial in _trials(lambda: best.settings, start.sweeps, train_part, fixed):
        before = time.perf_counter()
        if before >= deadline:
            break
        if before + _expected(trial.rank, slowest) > deadline:
            continue
        found = choose_sweeps(train_part, validation, trial, device, k, words=words)
        took = time.perf_counter() - before
        slowest[trial.rank] = max(took, slowest.get(trial.rank, 0.0))
        if found.quality > best.quality:
            best = found
            say(f"tune: quality={best.quality:.4f} of the factors alone {_text(best.settings)}")
    if best is first:
        return standard
    tuned = add_terms(train_part, validation, best, device, fixed, k, terms, None, more, words)
    gain = tuned.quality / max(standard.quality, 1e-12)
    end = "replaces it" if gain > BEATS else f"does not, as it takes {BEATS - 1:+.0%}"
    say(f"tune: the best found is {gain - 1:+.2%} beside the default and {end}")
    return tuned if gain > BEATS else standard


def _expected(rank: int, slowest: dict[int, float]) -> float:
    """Seconds of a trial, from the slowest of the nearest rank that was tried; a sweep grows with the square at most."""
    nearest = min(slowest, key=lambda known: abs(math.log(rank / known)))
    return slowest[nearest] * max(1.0, rank / nearest) ** 2


def _trials(
    current: Callable[[], Settings], most_sweeps: int, pairs: Pairs, fixed: frozenset[str]
) -> Iterator[Settings]:
    """Settings not tried yet, one step from the best so far, which `current` says."""
    tried = {_key(current())}
    for factor in (2.0, 2.0, 1.5, 1.5, 1.25, 1.25):
        for name in (name for name in ("ridge", "a0", "rank", "nu", "strength") if name not in fixed):
            before = current()
            for candidate in _moves(before, name, factor, pairs):
                if _key(candidate) not in tried:
                    tried.add(_key(candidate))
                    yield candidate.changed(sweeps=most_sweeps)
                if current() is not before:
                    break


def _moves(settings: Settings, name: str, factor: float, pairs: Pairs) -> Iterator[Settings]:
    value = getattr(settings, name)
    if name == "nu":
        step = 0.25 if factor >= 2 else 0.1
        steps = [value - step, value + step]
        return (settings.changed(nu=round(step, 3)) for step in steps if 0 <= step <= 1.5)
    if name == "rank":
        times = 2.0 if factor >= 2 else 1.4
        largest = min(2048, pairs.height, pairs.width)
        steps = [round(value * times / 16) * 16, round(value / times / 16) * 16]
        return (settings.changed(rank=step) for step in steps if 16 <= step <= largest)
    if name == "strength":
        if not pairs.values.any():  # adjacency lists: the confidence is 1 whatever the strength
            return iter(())
        return (settings.changed(strength=round(step, 4)) for step in (value * factor, value / factor))
    return (settings.changed(**{name: float(f"{step:.4g}")}) for step in (value * factor, value / factor))


def _key(settings: Settings) -> tuple[float, ...]:
    return (settings.rank, settings.a0, settings.ridge, settings.nu, settings.strength)


def _text(settings: Settings) -> str:
    return " ".join(f"{name}={value:g}" for name, value in settings.as_dict().items() if name != "seed")
