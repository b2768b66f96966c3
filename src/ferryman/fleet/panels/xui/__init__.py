"""3X-UI 3.1 and newer, where a client is one record that is attached to inbounds.

`panel.py` holds the port's verbs. Below it, each knowing only what is under it: `writing` (which calls lead to the
client we owe), `record` (the panel's two shapes of a client), `inbounds`, `clients` (the routes), `session` (one call:
credentials, envelope, meaning of a failure), `login` and `wording`.
"""

from ferryman.fleet.panels.xui.panel import Xui

__all__ = ["Xui"]
