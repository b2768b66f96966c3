"""The one error of the world: something a person has to hear about, with what to do."""


class WorldError(Exception):
    """The world cannot start or go on; the text names the cause and the way out."""
