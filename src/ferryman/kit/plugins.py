"""Payment providers and panel types are found by entry point, ours through the same door as anybody's."""

from importlib.metadata import EntryPoint, entry_points
from typing import Any

from ferryman.kit.errors import Misconfigured


def load(group: str, *, installed: list[EntryPoint] | None = None) -> dict[str, Any]:
    """Every plug-in of a group by its name. Raises Misconfigured for two of one name or one that cannot be imported."""
    found: dict[str, Any] = {}
    for entry in installed if installed is not None else entry_points(group=group):
        if entry.name in found:
            raise Misconfigured(
                f"Two plug-ins are called {entry.name!r} in {group}.", "Uninstall one of the packages that bring them."
            )
        try:
            found[entry.name] = entry.load()
        except (ImportError, AttributeError) as error:
            raise Misconfigured(
                f"The plug-in {entry.name!r} of {group} cannot be loaded ({error}).",
                f"Reinstall the package that brings {entry.value}.",
            ) from error
    return found
