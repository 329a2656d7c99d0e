"""What judging one call costs, with 100 and with 1,000 enforced rules.

The rules are spread as a company's would be: a tenth apply to every call, the rest to one of many
tools or permissions; half have a CEL condition. A quarter of the policies belong to teams.

    python benchmarks/judge.py [--json]
"""

import argparse
import json
import os
import platform
import statistics
import sys
import time
from pathlib import Path

sys.path += [str(Path(__file__).parent.parent), str(Path(__file__).parent.parent / "platform")]
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")

import django

django.setup()

from datetime import UTC, datetime  # noqa: E402
from typing import Any  # noqa: E402

from governance.facts import Facts  # noqa: E402
from governance.judging import judge  # noqa: E402
from governance.rulesets import RuleSet, Source, compiled  # noqa: E402

SIZES = (100, 1_000)
RULES_PER_POLICY = 5
ROUNDS = 3_000
TOOLS = 40

KINDS: tuple[dict[str, Any], ...] = (
    {"limit": {"timeout": 30, "memory": "4GB", "network": "none"}},
    {"audit": {"executions": "all", "trail": "required"}},
    {"when": 'environment == "production" && "testing" in agent.tags', "deny": True},
    {"when": 'has(arguments.mode) && arguments.mode == "write"', "require_approval": {}},
    {"when": "size(arguments.code) > 100000", "limit": {"timeout": 5}},
)


def sources(rules: int) -> list[Source]:
    """So many rules, five a policy; every tenth policy applies to all calls."""
    found = []
    for number in range(rules // RULES_PER_POLICY):
        tool = f"tool_{number % TOOLS}"
        applies_to: dict[str, Any] = {"tools": {"name": tool}}
        if number % 3 == 1:
            applies_to = {"agents": {"permission": f"permission_{number % TOOLS}"}}
        if number % 10 == 0:
            applies_to = {}
        body = [rule | {"name": f"rule_{place}"} for place, rule in enumerate(KINDS)]
        document = {"applies_to": applies_to, "rules": body}
        team = f"team_{number % 8}" if number % 4 == 3 else None
        found.append(Source(f"policy_{number}", "1.0", document, team))
    return found


def call(number: int) -> Facts:
    """One of many different calls, so that nothing is answered from a cache."""
    permission = f"permission_{number % TOOLS}"
    return Facts(
        agent={
            "id": "1",
            "name": "worker",
            "team": f"team_{number % 8}",
            "environment": "staging",
            "tags": ["nightly"],
            "permissions": [permission, "code_execution"],
        },
        tool={
            "name": f"tool_{number % TOOLS}",
            "version": "1.2",
            "permissions_required": [permission],
            "tags": ["code"],
            "owner": "platform-team",
            "executor": "python",
            "cost": "0.01",
            "data_class": "internal",
            "idempotent": False,
        },
        arguments={"code": f"print({number})", "timeout": 30, "packages": ["numpy"]},
        environment="staging",
        at=datetime.now(UTC),
        run={"id": "1", "workflow": "refactor_and_test"},
    )


def measure(rules: RuleSet) -> dict[str, float]:
    """Microseconds per call, and how many rules a call meets."""
    calls = [call(number) for number in range(ROUNDS)]
    for each in calls[:200]:
        judge(each, rules)
    taken = []
    for each in calls:
        start = time.perf_counter()
        judge(each, rules)
        taken.append((time.perf_counter() - start) * 1e6)
    met = [len(policy.rules) for each in calls[:TOOLS] for policy in rules.matching(each)]
    return {
        "p50_us": round(statistics.median(taken), 1),
        "p99_us": round(statistics.quantiles(taken, n=100)[98], 1),
        "rules_met": round(sum(met) / TOOLS, 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="print one JSON document only")
    asked = parser.parse_args()
    ours: dict[str, Any] = {}
    for size in SIZES:
        start = time.perf_counter()
        rules = compiled(sources(size))
        compiling = (time.perf_counter() - start) * 1e3
        ours[f"{size}_rules"] = measure(rules) | {"compile_ms": round(compiling, 1)}
    p50 = {size: ours[f"{size}_rules"]["p50_us"] for size in SIZES}
    document = {
        "name": "judge",
        "machine": {"cpus": os.cpu_count(), "python": platform.python_version()},
        "ours": ours,
        "peers": {},
        "ratio": {"1000_to_100": round(p50[1_000] / p50[100], 2)},
    }
    if not asked.json:
        for size, found in ours.items():
            print(f"{size}: {found}", file=sys.stderr)
    print(json.dumps(document))


if __name__ == "__main__":
    main()
