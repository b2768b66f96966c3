"""Stories before the money: what may be chosen, what it costs, and a payment opened at its provider."""
