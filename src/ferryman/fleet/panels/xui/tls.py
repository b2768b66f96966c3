"""A panel's address, how its certificate is judged, and what to tell a person when TLS is in the way."""

import ssl

import aiohttp
from yarl import URL

from ferryman.fleet.panel import PanelAccess
from ferryman.kit.errors import AccessDenied, FerrymanError, Misconfigured, Refused, Unreachable

Trust = bool | ssl.SSLContext | aiohttp.Fingerprint


def base_of(url: str) -> str:
    """The panel's address with its web base path, ending in a slash."""
    given = URL(url)
    if given.scheme not in ("http", "https") or not given.host or given.user:
        raise Misconfigured(
            "A panel's address must look like https://host:port/base-path/.",
            "Write it as the browser shows it, without a name or password in it.",
        )
    return str(given.with_query(None).with_fragment(None)).rstrip("/") + "/"


def tls_of(access: PanelAccess) -> Trust:
    """How the certificate is judged: by its pin, by the given authority, not at all, or by the usual authorities."""
    if access.pin:
        return _pinned(access.pin)
    if access.ca:
        return _vouched_for(access.ca)
    return not access.insecure


def _pinned(pin: str) -> aiohttp.Fingerprint:
    try:
        return aiohttp.Fingerprint(bytes.fromhex(pin.replace(":", "")))
    except ValueError as error:
        raise Misconfigured(
            "The pin of a panel's certificate is not a SHA-256 in hex.",
            "Store the 64 hex digits that `openssl x509 -noout -fingerprint -sha256` prints.",
        ) from error


def _vouched_for(authority: str) -> ssl.SSLContext:
    """Names and addresses are still checked against the certificate; only the pin does without."""
    try:
        return ssl.create_default_context(cadata=authority)
    except (ssl.SSLError, ValueError) as error:
        raise Misconfigured(
            "The certificate authority of a panel is not a PEM certificate.",
            "Store the text from -----BEGIN CERTIFICATE----- to -----END CERTIFICATE-----.",
        ) from error


def explained(host: str, base: str, error: Unreachable) -> FerrymanError:
    """The same error, unless TLS is why: then a person is told what will help."""
    if isinstance(error.__cause__, aiohttp.ServerFingerprintMismatch):
        return AccessDenied(
            f"{host} shows another certificate than the pinned one: if it was renewed, store its new SHA-256."
        )
    if isinstance(error.__cause__, aiohttp.ClientConnectorCertificateError):
        return Refused(
            f"{host} shows a certificate that nobody vouches for: store its SHA-256 as the pin of this panel, or the "
            "certificate of its authority."
        )
    # A TLS panel answers plain HTTP with a redirect in "HTTP/0.0", which is no HTTP at all.
    if isinstance(error.__cause__, aiohttp.ClientResponseError) and base.startswith("http://"):
        return Unreachable(f"{host} does not speak plain HTTP: write https:// in this panel's address.")
    return error
