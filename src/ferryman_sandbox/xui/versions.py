"""What a panel of a given version can do: every rule that changed within 3.1 … 3.6, by the release it came in."""

from dataclasses import dataclass
from functools import lru_cache

Version = tuple[int, int, int]

OLDEST: Version = (3, 1, 0)
NEWEST: Version = (3, 6, 99)


@lru_cache
def parse_version(text: str) -> Version:
    """A version such as "3.4.2" or "v3.4.2" as a tuple. Raises ValueError for anything outside 3.1.0 … 3.6.x."""
    parts = text.removeprefix("v").split(".")
    if len(parts) != 3 or not all(part.isdigit() for part in parts):
        raise ValueError(f"a panel version looks like 3.6.0, not {text!r}")
    version = (int(parts[0]), int(parts[1]), int(parts[2]))
    if not OLDEST <= version <= NEWEST:
        raise ValueError(f"version {text} is not emulated: choose 3.1.0 … 3.6.x")
    return version


@dataclass(frozen=True)
class Rules:
    """One property per behaviour that differs between releases; the number is the first release that has it."""

    version: Version

    def since(self, *release: int) -> bool:
        return self.version >= release

    @property
    def names_missing_client_on_delete(self) -> bool:
        return self.since(3, 2, 0)

    @property
    def validates_bodies(self) -> bool:
        return self.since(3, 2, 0)

    @property
    def guards_characters_and_sub_ids(self) -> bool:
        """Forbidden characters are refused, a subId belongs to one email, a flow is dropped where it cannot work."""
        return self.since(3, 2, 5)

    @property
    def keeps_rows_of_orphans(self) -> bool:
        return self.since(3, 2, 5)

    @property
    def missing_traffic_is_null(self) -> bool:
        return self.since(3, 2, 8)

    @property
    def hashes_tokens(self) -> bool:
        return self.since(3, 2, 8)

    @property
    def reports_pending_nodes(self) -> bool:
        return self.since(3, 2, 8)

    @property
    def filters_update_by_inbound(self) -> bool:
        return self.since(3, 2, 8)

    @property
    def keeps_credentials_on_update(self) -> bool:
        return self.since(3, 3, 1)

    @property
    def reset_enables_client(self) -> bool:
        return self.since(3, 3, 1)

    @property
    def applies_live(self) -> bool:
        """A pending core change is applied as a difference; before, the core restarted and lost uncounted bytes."""
        return self.since(3, 3, 1)

    @property
    def shows_used_traffic(self) -> bool:
        return self.since(3, 3, 1)

    @property
    def limits_body(self) -> bool:
        """Bodies over 10 MiB are refused; the same release announced zstd and the new shape of `ips`."""
        return self.since(3, 4, 0)

    @property
    def serves_app_for_unknown_pages(self) -> bool:
        return self.since(3, 4, 1)

    @property
    def adjust_enables_client(self) -> bool:
        return self.since(3, 4, 2)

    @property
    def refuses_attached_twice(self) -> bool:
        """3.1.0 trips over a unique key of its database when an attached client is added to the same inbound again.

        Seen on a running 3.1.0; a running 3.4.2 appends a second entry with a new credential instead.
        """
        return not self.since(3, 2, 0)

    @property
    def dates_tokens_in_seconds(self) -> bool:
        """Running 3.1.0 and 3.3.1 answer milliseconds, 3.4.2 and 3.6.0 seconds."""
        return self.since(3, 4, 0)

    @property
    def checks_settings_of_inbounds(self) -> bool:
        """An inbound needs settings; up to 3.4.2 one without them makes every later `clients/add` fail."""
        return self.since(3, 5, 0)

    @property
    def counts_first_sight(self) -> bool:
        """The first bytes of a client count at once.

        Running 3.1.0 and 3.4.2 take a counter's first sighting as its zero: what was used before is never booked.
        """
        return self.since(3, 6, 0)

    @property
    def adds_once(self) -> bool:
        """Adding an attached client again changes nothing; before, it appended a second entry."""
        return self.since(3, 5, 0)

    @property
    def restarts_on_depletion(self) -> bool:
        return not self.since(3, 5, 0)

    @property
    def updates_orphans(self) -> bool:
        """Updating a client that is attached nowhere changes its record; before, only its time of change."""
        return self.since(3, 5, 0)

    @property
    def keeps_row_on_request(self) -> bool:
        """`keepTraffic=1` really keeps the row. Seen dropped on a running 3.1.0 and 3.4.2, kept on 3.6.0."""
        return self.since(3, 5, 0)

    @property
    def names_reads_in_errors(self) -> bool:
        """Failed reads carry a word before the bracket; running 3.1.0 and 3.4.2 leave it empty."""
        return self.since(3, 5, 0)

    @property
    def refreshes_kept_rows(self) -> bool:
        """A row that outlived its client takes the new limits, and every attachment becomes its inbound."""
        return self.since(3, 6, 0)

    @property
    def renames_record(self) -> bool:
        """A rename moves the record; a running 3.1.0 leaves the old one behind, attached nowhere."""
        return self.since(3, 2, 0)

    @property
    def finds_rows_without_inbound(self) -> bool:
        """A traffic row is found by email alone; 3.1.0 looks for the client in the inbound that the row names."""
        return self.since(3, 2, 5)
