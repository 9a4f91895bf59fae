"""Callbacks: what they see after each epoch, and how they end a run."""

import copy
import math

import numpy as np
import pytest
from conftest import TEXT

import w2v_hs
from w2v_hs.errors import OptionError

SENTENCES = [line.split() for line in TEXT.splitlines()] * 100
OPTIONS = {"dim": 8, "epochs": 4, "sample": 0, "threads": 1}
MODES = [{}, {"loss": "softmax"}, {"subwords": (3, 4), "buckets": 500}]


@pytest.mark.parametrize("mode", MODES, ids=str)
def test_they_see_each_epoch_and_change_nothing(mode):
    seen = []

    def keep(done):
        copied = copy.deepcopy(done.model)
        seen.append((done.epoch, done.loss, done.holdout_loss, copied, done.model.top_k("paris", 1)))
        return "no bool, so the run goes on"

    options = OPTIONS | mode | {"holdout": 0.1}
    model = w2v_hs.train(SENTENCES, **options, callbacks=keep)
    plain = w2v_hs.train(SENTENCES, **options)
    assert model.vectors.matrix.tobytes() == plain.vectors.matrix.tobytes()
    epochs, losses, holdouts, models, _ = zip(*seen, strict=True)
    assert epochs == (1, 2, 3, 4)
    assert list(losses) == model.losses == plain.losses
    assert list(holdouts) == model.holdout_losses
    np.testing.assert_array_equal(models[-1].vectors.matrix, model.vectors.matrix)
    np.testing.assert_array_equal(models[-1].outputs, model.outputs)
    assert [len(one.losses) for one in models] == [1, 2, 3, 4]
    assert np.abs(models[0].vectors.matrix - model.vectors.matrix).max() > 0


def test_true_ends_the_run_after_all_of_them_were_called(text_file):
    calls = []
    model = w2v_hs.train(
        text_file,
        **OPTIONS,
        callbacks=[lambda done: np.bool_(done.epoch == 2), lambda done: calls.append(done.epoch)],
    )
    assert len(model.losses) == 2 and calls == [1, 2]


def test_with_patience_the_best_weights_are_kept_also_where_a_callback_ends_the_run():
    best = {}

    def stop(done):
        best[done.holdout_loss] = copy.deepcopy(done.model.vectors.matrix)
        return done.epoch == 4

    options = OPTIONS | {"epochs": 20, "lr": 0.2, "dim": 30, "holdout": 0.3}
    texts = np.random.default_rng(1).integers(0, 30, (200, 8))  # noise: the loss soon rises
    model = w2v_hs.train(texts, **options, patience=19, callbacks=stop)
    assert len(model.holdout_losses) == 4
    assert min(best) < model.holdout_losses[-1]  # else this text shows nothing
    np.testing.assert_array_equal(model.vectors.matrix, best[min(best)])


def test_what_a_callback_raises_ends_the_run_and_nothing_else(text_file, tmp_path):
    class Pruned(Exception):
        pass

    def prune(done):
        raise Pruned(done.epoch)

    checkpoint = tmp_path / "c.checkpoint.safetensors"
    with pytest.raises(Pruned, match="1"):
        w2v_hs.train(text_file, **OPTIONS, callbacks=prune, checkpoint=checkpoint, checkpoint_every=1e-9)
    called = []
    assert len(w2v_hs.resume(checkpoint, callbacks=lambda done: called.append(done.epoch)).losses) == 4
    assert called[-1] == 4 and called == sorted(called)


def test_updates_have_them_and_losses_of_their_own(text_file):
    model = w2v_hs.train(text_file, **OPTIONS)
    before, losses = model.losses, []
    model.update([["king", "queen", "crown"]] * 200, epochs=3, callbacks=lambda d: losses.append(d.loss))
    assert len(losses) == 3 and all(map(math.isfinite, losses))
    model.update([["dog", "cat"]] * 200, epochs=2, callbacks=lambda done: done.epoch == 1)
    assert model.losses == before
    assert model.update_losses[0] == losses and len(model.update_losses[1]) == 1


def test_what_is_no_function_is_refused_before_the_text_is_read(tmp_path):
    for callbacks in (3, [print, "log"]):
        with pytest.raises(TypeError, match=r"callbacks holds .*: expected functions of one argument"):
            w2v_hs.train(tmp_path / "no such text", callbacks=callbacks)
    with pytest.raises(OptionError, match="callbacks on a cluster"):
        w2v_hs.train("text", client=object(), callbacks=print)
