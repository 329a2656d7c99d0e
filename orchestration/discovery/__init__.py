"""Which tools may this agent call now? Judged by the code that judges its calls, for all at once.

What can't be known before a call are its arguments. So the rules whose conditions read them are set
aside: without them the verdict is certain, and with them a tool that is otherwise callable is
`conditional`, and they are told. Rates and budgets are looked at, and nothing is counted or held.

Policies ask little of a tool, and thousands of tools are alike in it: what is alike is judged once,
and by itself only what a policy calls by its name, what the agent is bound to another version of,
and what a bucket is kept for.
"""

from orchestration.discovery.answering import answer, answers
from orchestration.discovery.asking import Asker
from orchestration.discovery.judgements import APPROVAL, CONDITIONAL, NO, STATES, YES, Answer
from orchestration.discovery.marking import marks
from orchestration.discovery.rules import Rules

__all__ = [
    "APPROVAL",
    "CONDITIONAL",
    "NO",
    "STATES",
    "YES",
    "Answer",
    "Asker",
    "Rules",
    "answer",
    "answers",
    "marks",
]
