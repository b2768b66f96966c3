"""What a panel of a given version can do: every rule that changed within 2.3 … 3.7, by the release it came in.

Five generations: 2.3 … 2.6 and 2.7 … 2.9 keep clients inside inbounds and know cookies only; 3.0 adds CSRF tokens, API
tokens and a login limiter; 3.1 … 3.6 make the client a thing of its own; 3.7 limits devices and tokens.
"""

from dataclasses import dataclass
from functools import lru_cache

Version = tuple[int, int, int]

OLDEST: Version = (2, 3, 0)
G2: Version = (2, 7, 0)
G3: Version = (3, 0, 0)
G4: Version = (3, 1, 0)
G5: Version = (3, 7, 0)
NEWEST: Version = (3, 7, 99)


@lru_cache
def parse_version(text: str) -> Version:
    """A version such as "3.4.2" or "v3.4.2" as a tuple. Raises ValueError for anything outside 2.3.0 … 3.7.x."""
    parts = text.removeprefix("v").split(".")
    if len(parts) != 3 or not all(part.isdigit() for part in parts):
        raise ValueError(f"a panel version looks like 3.6.0, not {text!r}")
    version = (int(parts[0]), int(parts[1]), int(parts[2]))
    if not OLDEST <= version <= NEWEST:
        raise ValueError(f"version {text} is not emulated: choose 2.3.0 … 3.7.x")
    return version


@dataclass(frozen=True)
class Rules:
    """One property per behaviour that differs between releases; the number is the first release that has it."""

    version: Version

    def since(self, *release: int) -> bool:
        return self.version >= release

    # How a caller is known

    @property
    def cookie(self) -> str:
        return "3x-ui" if self.since(2, 3, 15) else "session"

    @property
    def session_seconds(self) -> int:
        return (360 if self.since(2, 6, 7) else 60) * 60

    @property
    def scopes_cookie(self) -> bool:
        """The cookie's path is the base path, before that the root."""
        return self.since(2, 9, 0)

    @property
    def marks_cookie_lax(self) -> bool:
        return self.since(2, 8, 0)

    @property
    def asks_login_secret(self) -> bool:
        """A second password beside the first; the same release that dropped it brought the six-digit code."""
        return not self.since(2, 6, 0)

    @property
    def guards_logins(self) -> bool:
        """CSRF tokens on every change, a limiter in front of the login, and API tokens."""
        return self.version >= G3

    @property
    def names_tokens(self) -> bool:
        """Any number of named tokens; before, one that could be read again."""
        return self.since(3, 0, 2)

    @property
    def scopes_tokens(self) -> bool:
        return self.version >= G5

    @property
    def answers_strangers_at_length(self) -> bool:
        """Strangers at the API are told to log in, or sent there; from 2.8.4 they get an empty 404."""
        return not self.since(2, 8, 4)

    @property
    def tells_ajax_unauthorized(self) -> bool:
        return self.since(3, 0, 2)

    @property
    def tells_wrong_token_unauthorized(self) -> bool:
        return self.version >= G5

    # What an answer looks like

    @property
    def brackets_errors(self) -> bool:
        """`words (error)`; before, `words Failed: error`, and a word of success after good news."""
        return self.since(2, 6, 0)

    # Clients that live inside inbounds

    @property
    def embeds_clients(self) -> bool:
        """Clients exist in their inbound's settings only, and nested settings travel as text."""
        return self.version < G4

    @property
    def ignores_case_of_emails(self) -> bool:
        return self.since(2, 4, 4)

    @property
    def shares_emails(self) -> bool:
        """One email may be on several inbounds with one subId, and its row and addresses live while one is left."""
        return self.version >= G3

    @property
    def requires_email(self) -> bool:
        return self.since(3, 0, 2)

    @property
    def dates_clients(self) -> bool:
        """Entries carry `created_at` and `updated_at`."""
        return self.since(2, 6, 7)

    @property
    def finds_rows_through_inbound(self) -> bool:
        """A row is looked up together with the client in the inbound it names; before, by email alone."""
        return self.since(2, 8, 1)

    @property
    def shows_entrys_flag(self) -> bool:
        """A row read by email shows the flag of the settings: depleted clients look enabled, and a reset does not
        put them back into the core."""
        return self.since(2, 8, 1) and not self.since(2, 9, 0)

    @property
    def purges_only_depleted(self) -> bool:
        """The purge takes who ran out; before, everybody whose row was off, suspended clients too."""
        return self.since(2, 8, 1)

    @property
    def disables_entries(self) -> bool:
        """Who ran out is switched off in the settings too, and the core restarts at once."""
        return self.since(2, 9, 4)

    @property
    def names_missing_client_id(self) -> bool:
        """Deleting an unknown client is an error; before, a success that changes nothing."""
        return self.since(2, 9, 4)

    @property
    def updates_filter_users(self) -> bool:
        """An updated inbound is loaded without disabled clients; before, with all that it lists."""
        return self.since(2, 9, 0)

    @property
    def hides_breakdowns(self) -> bool:
        """A handler that breaks down answers an empty 200 to who takes gzip, and an empty 500 to others.

        Seen on a running 3.0.2, not on 2.8.11; the compressing library changed with 2.9.0.
        """
        return self.since(2, 9, 0)

    @property
    def loses_answers_in_a_race(self) -> bool:
        """Overlapping changes break off with an empty 500 after their traffic row was written."""
        return not self.since(3, 0, 0)

    @property
    def empties_onlines(self) -> bool:
        """Nobody online is an empty list; before, null."""
        return self.since(2, 8, 7)

    @property
    def dates_addresses(self) -> bool:
        return self.since(2, 8, 10)

    @property
    def lists_addresses(self) -> bool:
        """Addresses come as a list of text; before, as one text that holds JSON."""
        return self.since(2, 8, 11)

    @property
    def remembers_onlines(self) -> bool:
        """Online is who was seen in the last 20 seconds; before, who moved bytes in the last tick."""
        return self.version >= G4

    @property
    def counts_all_time(self) -> bool:
        return self.since(2, 6, 7) and self.version < G4

    @property
    def tick_seconds(self) -> float:
        return 5.0 if self.version >= G3 else 10.0

    # Clients that stand for themselves

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
        Panels of 2.x read and empty the core's counters, so nothing is missed.
        """
        return self.since(3, 6, 0) or self.empties_counters

    @property
    def empties_counters(self) -> bool:
        return self.version < G3

    @property
    def adds_once(self) -> bool:
        """Adding an attached client again changes nothing; before, it appended a second entry."""
        return self.since(3, 5, 0)

    @property
    def restarts_on_depletion(self) -> bool:
        return self.disables_entries and not self.since(3, 5, 0)

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
        return self.since(3, 5, 0) or self.embeds_clients

    @property
    def refreshes_kept_rows(self) -> bool:
        """A row that outlived its client takes the new limits, and every attachment becomes its inbound."""
        return self.since(3, 6, 0)

    @property
    def renames_record(self) -> bool:
        """A rename moves the record; a running 3.1.0 leaves the old one behind, attached nowhere."""
        return self.since(3, 2, 0)

    @property
    def limits_devices(self) -> bool:
        return self.version >= G5

    @property
    def finds_rows_without_inbound(self) -> bool:
        """A traffic row is found by email alone; 3.1.0 looks for the client in the inbound that the row names."""
        return self.since(3, 2, 5)


@lru_cache
def rules_of(text: str) -> Rules:
    """The rules of a version as a switch names it. Raises ValueError for one that is not emulated."""
    return Rules(parse_version(text))
