"""Early stop."""

from __future__ import annotations

import json
import types

from src.engine.hooks.evaluation import Evaluation


def make_hook() -> Evaluation:
    """A hook that neither reads data nor writes files."""
    return Evaluation(
        metrics=None,
        network=None,
        source=None,
        settings=None,
        interval=1,
        early_stop=2,
        keeps_best=False,
        stops_on_failure=True,
    )


def test_early_stop(capsys):
    """AP .1 .3 .2 .3: the second stays the best, and two evaluations later the run ends."""
    trainer = types.SimpleNamespace(
        epoch=0, step_in_epoch=1, device=types.SimpleNamespace(rank=0), stop_reason=None
    )
    hook = make_hook()
    hook.kind = "segm"
    finished = []
    for precision in (0.1, 0.3, 0.2, 0.3):
        hook.keep_best(trainer, {"weights": {}}, {"weights": precision})
        finished.append(trainer.stop_reason is not None)
    assert finished == [False, False, False, True] and "0.3000" in trainer.stop_reason
    again = make_hook()
    again.load_state_dict(json.loads(json.dumps(hook.state_dict())))
    assert (again.best, again.evaluations_since_best) == (0.3, 2)
    assert "best 0.3000" in capsys.readouterr().out
