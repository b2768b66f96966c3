"""3X-UI 2.3 and newer.

`panel.py` holds the port's verbs, which are spoken in one of two dialects: `modern` for 3.1 and newer, where a client
is one record that is attached to inbounds, and `legacy` for what came before, where it is an entry in every inbound's
settings. `detection` says which. Below `modern`: `roster` (all clients), `parts` (what 2.x left behind), `doubles`,
`flows`, `writing` (which calls lead to the client we owe), `catalogue` (the inbounds), `record` (the panel's two shapes
of a client), `clients` (the routes). Below both: `opening`, `inbounds`, `naming`, `session` (one call: credentials,
envelope, meaning of a failure), `login`, `tls`, `wording`, `version`.
"""

from ferryman.fleet.panels.xui.panel import Xui

__all__ = ["Xui"]
