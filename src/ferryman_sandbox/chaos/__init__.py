"""Hundreds of purchases while the world is hostile and the product is killed again and again; then all is counted.

Drawn from one seed: who buys how often, by which way of paying and how clumsily, which weather comes over which
service, and which process is killed when: at random, and at every named step of the story. Afterwards the weather
clears, what was killed stands up again, and banks, panels, chats and the product's own books must tell one story.

Not repeatable, because real processes are at work: what of it meets which call, and how long everything takes.
"""

from ferryman_sandbox.chaos.course import Chaos, add_arguments, run

__all__ = ["Chaos", "add_arguments", "run"]
