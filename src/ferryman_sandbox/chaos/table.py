"""What came of it, for a person as a table, for a program as one line of JSON."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ferryman_sandbox.chaos.script import STEPS
from ferryman_sandbox.smoke import percentile

Json = dict[str, Any]

PERCENTILES = (("median", 50), ("at most", 100))
ZEROS = ("lost", "double", "money_without_key", "key_without_money", "ledger_balance", "lies", "wrong")


@dataclass(frozen=True)
class Outcome:
    """Everything that is told at the end. `seconds` are of the storm and of coming to rest after it; `recovered` are
    the seconds from each death of a process until it was ready again; `wrong` and `lies` are sentences."""

    seed: int
    by_way: Mapping[str, int]
    numbers: Mapping[str, int]
    faults: Counter[str]
    killed: Counter[str]
    never_reached: Sequence[str]
    recovered: Sequence[float]
    taken_over: int
    paid_to_key: Mapping[str, float | None]
    doubled_messages: int
    doubled_writes: int
    given_up: int
    seconds: Mapping[str, float]
    wrong: Sequence[str]
    lies: Sequence[str]

    @property
    def purchases(self) -> int:
        return sum(self.by_way.values())

    def result(self) -> Json:
        """The shape of the smoke test's, and what else was counted here."""
        zeros = {name: self.numbers.get(name, 0) for name in ZEROS if name not in ("lies", "wrong")}
        return {
            "purchases": self.purchases,
            **zeros,
            "paid_to_key_ms": self.paid_to_key,
            "seed": self.seed,
            "lies": len(self.lies),
            "wrong": len(self.wrong),
            "faults": dict(sorted(self.faults.items())),
            "kills": {"at_random": self.killed[""], **{step: n for step, n in sorted(self.killed.items()) if step}},
            "steps_never_reached": list(self.never_reached),
            "duplicates": {"messages": self.doubled_messages, "panel_calls": self.doubled_writes},
            "messages_given_up": self.given_up,
            "seconds": {name: round(spent, 1) for name, spent in self.seconds.items()},
        }

    @property
    def is_well(self) -> bool:
        found = self.result()
        return not self.never_reached and not any(found[name] for name in ZEROS)


def lines(outcome: Outcome) -> list[str]:
    """The table."""
    back = sorted(outcome.recovered)
    at_steps = sum(n for step, n in outcome.killed.items() if step)
    told = [f"\n🌪  seed {outcome.seed}"]
    told += _part("🛒 purchases", outcome.purchases, outcome.by_way)
    told += _part("⛈  calls and webhooks spoilt", outcome.faults.total(), dict(sorted(outcome.faults.items())))
    told += _part("💀 kills at random moments", outcome.killed[""], {})
    told += _part("🎯 kills at named steps", at_steps, {step: outcome.killed[step] for step in STEPS})
    told += _part("🔁 processes back at work", len(back), {})
    told += [
        _line("   seconds until ready: median", percentile(back, 50)),
        _line("   … at most", percentile(back, 100)),
    ]
    told += [_line("   jobs taken over from the dead", outcome.taken_over)]
    told += [_line(f"⏱  seconds of {name}", round(spent, 1)) for name, spent in outcome.seconds.items()]
    told += [_line(f"🔑 paid to first key, ms: {name}", value) for name, value in outcome.paid_to_key.items()]
    told += [_line("👯 messages that came twice", outcome.doubled_messages)]
    told += [_line("🤷 messages given up in doubt", outcome.given_up)]
    told += [_line("👯 writes to panels beyond one each", outcome.doubled_writes)]
    told += [_line(f"0️⃣  {name.replace('_', ' ')}", value) for name, value in _zeros(outcome).items()]
    told += [f"❌ {sentence}" for sentence in [*outcome.wrong, *outcome.lies]]
    told += [f"❌ no process ever came to the step {step}" for step in outcome.never_reached]
    return told


def _zeros(outcome: Outcome) -> dict[str, int]:
    found = outcome.result()
    return {name: found[name] for name in ZEROS}


def _part(title: str, total: int, parts: Mapping[str, int]) -> list[str]:
    return [_line(title, total), *(_line(f"   {name.replace('_', ' ')}", n) for name, n in parts.items())]


def _line(what: str, value: object) -> str:
    return f"{what:<44}{value:>10}" if value is not None else f"{what:<44}{'—':>10}"
