"""What is going to happen, drawn from a seed before anything happens: errands, blows, and weather."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ferryman_sandbox.world.buttons import TOO_MANY

Json = dict[str, Any]

# Every named step of the product's story, and which of its processes comes to it in the course of a purchase.
STEPS: Mapping[str, str] = {
    "press_kept": "bot",
    "press_answered": "bot",
    "order_committed": "bot",
    "payment_made": "bot",
    "payment_opened": "bot",
    "webhook_read": "web",
    "webhook_kept": "web",
    "event_taken": "worker",
    "fact_heard": "worker",
    "payment_settled": "worker",
    "subscription_granted": "worker",
    "notice_queued": "worker",
    "payment_committed": "worker",
    "event_judged": "worker",
    "keys_chosen": "worker",
    "keys_put": "worker",
    "keys_recorded": "worker",
    "notice_claimed": "worker",
    "notice_sent": "worker",
    "notice_marked": "worker",
}
APART = ("web", "bot", "worker")

# How people pay, and how many of twenty do so. `declined` is refused by the bank first, `forgets` leaves a first order
# unpaid, `cancels` calls it off, `hasty` presses twice, `asks` wants to know whether the money has come.
MANNERS = {"plain": 10, "hasty": 3, "asks": 3, "declined": 2, "forgets": 1, "cancels": 1}
MOST_ERRANDS = 4
# Everything that befalls, befalls before so much of all purchases is paid: the rest is for what is still outstanding.
STORMY_SHARE = 0.85
RANDOM_KILLS_PER_HUNDRED = 6

BEFORE_EFFECT = ("status", "html", "empty", "drop_before", "hang")
AFTER_EFFECT = ("html_after", "drop_after", "hang_after", "delay")
# Nobody can know whether these had an effect.
DOUBTFUL = ("drop_before", "drop_after", "hang", "hang_after", "empty")
DISTURBANCES = ("drop", "delay", "duplicate", "reorder")


@dataclass(frozen=True)
class Errand:
    """One purchase of a person: by which way of paying, and in what manner."""

    way: str
    manner: str


@dataclass(frozen=True)
class Blow:
    """kill −9 of a process once so many purchases are paid: at its next `time`-th arrival at a step, or, without a
    step, after `seconds`."""

    after: int
    step: str = ""
    time: int = 1
    seconds: float = 0.0


@dataclass(frozen=True)
class Gust:
    """Something goes wrong at a `place` once so many purchases are paid. `kind` is a control route of its emulator."""

    after: int
    place: str
    kind: str
    body: Json


@dataclass(frozen=True)
class Script:
    """`people` are lists of errands; `blows` are by process, each list in the order of its happening."""

    purchases: int
    people: list[list[Errand]] = field(default_factory=list)
    blows: dict[str, list[Blow]] = field(default_factory=dict)
    gusts: list[Gust] = field(default_factory=list)


@dataclass(frozen=True)
class Sky:
    """Where weather may come over: a service by name, with the part of its paths that belongs to its API.

    `webhooks`: it sends some, which can be disturbed and forged.
    """

    place: str
    route: str
    webhooks: bool = False


def written(
    purchases: int, seed: int, ways: Sequence[str], skies: Sequence[Sky], steps: Mapping[str, str], verbs: Sequence[str]
) -> Script:
    """The same arguments, the same script. `steps`: at which to kill, and which process comes there."""
    dice = random.Random(f"{seed}:{purchases}")
    script = Script(purchases, people=_people(dice, purchases, ways))
    script.blows.update({verb: _blows(dice, purchases, verb, steps, verbs) for verb in verbs})
    script.gusts.extend(_gusts(dice, purchases, skies))
    return script


def _people(dice: random.Random, purchases: int, ways: Sequence[str]) -> list[list[Errand]]:
    """Every way of paying comes about as often as any other."""
    chosen = [ways[number % len(ways)] for number in range(purchases)]
    dice.shuffle(chosen)
    errands = [Errand(way, _drawn(dice, MANNERS)) for way in chosen]
    people = []
    while errands:
        count = dice.choice((1, 1, 1, 2, 2, MOST_ERRANDS))
        people.append(errands[:count])
        errands = errands[count:]
    return people


def _blows(
    dice: random.Random, purchases: int, verb: str, steps: Mapping[str, str], verbs: Sequence[str]
) -> list[Blow]:
    mine = [step for step, by in steps.items() if verb == by or by not in verbs]
    dice.shuffle(mine)
    at_random = max(1, round(purchases * RANDOM_KILLS_PER_HUNDRED / 100 / len(verbs)))
    deeds = [Blow(0, step, dice.choice((1, 1, 1, 2))) for step in mine]
    deeds += [Blow(0, seconds=dice.uniform(0.0, 2.0)) for _ in range(at_random)]
    dice.shuffle(deeds)
    last = purchases * STORMY_SHARE
    return [
        Blow(int(number * last / len(deeds)), deed.step, deed.time, deed.seconds) for number, deed in enumerate(deeds)
    ]


def _gusts(dice: random.Random, purchases: int, skies: Sequence[Sky]) -> list[Gust]:
    last = int(purchases * STORMY_SHARE)
    gusts = []
    for sky in skies:
        gusts += [_fault(dice, sky, dice.randrange(last + 1)) for _ in range(4 + purchases // 12)]
        if sky.webhooks:
            gusts += [_disturbance(dice, sky, dice.randrange(last + 1)) for _ in range(4 + purchases // 12)]
            gusts += [Gust(dice.randrange(last + 1), sky.place, "forge", {}) for _ in range(2 + purchases // 40)]
        if sky.place == "telegram":
            gusts += [
                Gust(dice.randrange(last + 1), sky.place, "updates", {"duplicate": dice.randint(1, 5)})
                for _ in range(2 + purchases // 40)
            ]
    return sorted(gusts, key=lambda gust: gust.after)


def _fault(dice: random.Random, sky: Sky, after: int) -> Gust:
    mode = dice.choice(BEFORE_EFFECT + AFTER_EFFECT)
    body: Json = {"mode": mode, "route": sky.route, "times": dice.randint(1, 4)}
    if mode == "status":
        body["status"] = dice.choice((429, 429, 500, 503))
        if body["status"] == 429 and sky.place == "telegram":
            body["body"] = TOO_MANY
        elif body["status"] == 429:
            body["headers"] = {"Retry-After": "1"}
    if sky.place == "telegram" and mode in DOUBTFUL:
        # A message that twice got no answer waits for five minutes: once is enough of a test.
        body["times"] = 1
    if mode in ("hang", "hang_after", "delay"):
        body["seconds"] = round(dice.uniform(0.5, 4.0), 1)
    return Gust(after, sky.place, "faults", body)


def _disturbance(dice: random.Random, sky: Sky, after: int) -> Gust:
    mode = dice.choice(DISTURBANCES)
    seconds = round(dice.uniform(0.5, 5.0), 1) if mode in ("delay", "reorder") else 0.0
    return Gust(after, sky.place, "webhooks", {"mode": mode, "seconds": seconds, "times": dice.randint(1, 4)})


def _drawn(dice: random.Random, weights: Mapping[str, int]) -> str:
    return dice.choices(list(weights), list(weights.values()))[0]
