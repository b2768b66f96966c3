"""3X-UI 2.3 to 3.0, where a client is an entry in the settings of an inbound.

`verbs` holds the port's verbs. Below it: `moves` (which writes lead from what is there to what is owed), `book` (one
reading of all inbounds), `routes`.
"""
