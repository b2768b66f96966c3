"""The certificate that a panel shows, by a handshake of our own, so that a person can compare it and pin it."""

import asyncio
import hashlib
import ssl
from dataclasses import dataclass
from datetime import datetime

from cryptography import x509
from yarl import URL

from ferryman.kit.errors import Misconfigured, Unreachable

HANDSHAKE_SECONDS = 8.0
# What OpenSSL calls the reasons (X509_V_ERR_…, include/openssl/x509_vfy.h), in words; anything else is told as it is.
_FLAWS = {
    9: "is not valid yet",
    10: "has expired",
    18: "is self-signed",
    19: "is signed by an authority of its own",
    20: "is signed by an unknown authority",
    21: "is signed by an unknown authority",
    62: "belongs to another name",
    64: "belongs to another address",
}


@dataclass(frozen=True)
class Certificate:
    """`sha256` is that of the whole certificate, in hex; `flaw` says why it is not trusted, "" when it is."""

    host: str
    sha256: str
    expires_at: datetime
    flaw: str

    def pinned_by(self, pin: str) -> bool:
        return pin.replace(":", "").strip().lower() == self.sha256


async def shown_by(url: str, authority: str = "") -> Certificate:
    """What the server at an https address shows; judged by `authority` (PEM), or by the usual ones.

    Raises Unreachable when there is no handshake to be had, Misconfigured when the address or the authority is none.
    """
    where = URL(url)
    if where.scheme != "https" or not where.host or not where.port:
        raise Misconfigured("Only an https:// address shows a certificate.", "Write https://host:port/….")
    shown = await _handshake(where, _trusting())
    try:
        await _handshake(where, _judging(authority))
        flaw = ""
    except ssl.SSLCertVerificationError as error:
        flaw = _FLAWS.get(error.verify_code, f"is not trusted ({error.verify_message})")
    read = x509.load_der_x509_certificate(shown)
    return Certificate(where.host, hashlib.sha256(shown).hexdigest(), read.not_valid_after_utc, flaw)


async def _handshake(where: URL, context: ssl.SSLContext) -> bytes:
    """The certificate in DER."""
    assert where.host is not None
    try:
        async with asyncio.timeout(HANDSHAKE_SECONDS):
            _, writer = await asyncio.open_connection(where.host, where.port, ssl=context, server_hostname=where.host)
    except ssl.SSLCertVerificationError:
        raise
    except (TimeoutError, OSError) as error:
        raise Unreachable(f"{where.host} did not complete a TLS handshake ({type(error).__name__}).") from error
    try:
        shown: bytes | None = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    finally:
        # Aborted, not closed: nothing was said, and a server that waits for more must not keep us waiting.
        writer.transport.abort()
    if not shown:
        raise Unreachable(f"{where.host} showed no certificate.")
    return shown


def _trusting() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _judging(authority: str) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cadata=authority or None)
    except (ssl.SSLError, ValueError) as error:
        raise Misconfigured(
            "The certificate authority is not a PEM certificate.",
            "Give the text from -----BEGIN CERTIFICATE----- to -----END CERTIFICATE-----.",
        ) from error
