"""Where the model's controller and a real one part."""

from dataclasses import replace

from controller_node import CONFIG
from drawing import PREPARATION
from model_controller import ModelController
from real_controller import RealController
from steps import Answer, Step

#: The session outlives every test: nothing is fenced but by a step.
PATIENT = replace(CONFIG, broker_session_timeout_us=3_600_000_000)


def difference(real: RealController, model: ModelController, steps: tuple[Step, ...]) -> str | None:
    """The first step that the two answer differently, in words."""
    real.start_afresh()
    for step in (*PREPARATION, *steps):
        theirs, ours = real.ask(step), model.ask(step)
        if _in_order(theirs) != _in_order(ours):
            return f"{step}\n  Kafka     {theirs}\n  the model {ours}"
    return None


def _in_order(answer: Answer) -> tuple[object, ...]:
    """Records of one step come in the order of topic ids, which are random."""
    return answer.error, answer.facts, sorted(map(repr, answer.records))
