"""Certificates made up for one test, and applications that show them on loopback."""

import ipaddress
import ssl
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path

from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from ferryman_sandbox.emulator import Server


@dataclass(frozen=True)
class MadeUp:
    """`context` is for a server; `sha256` is what a person would pin."""

    context: ssl.SSLContext
    pem: str
    sha256: str


def made_up(folder: Path, *, days: int = 30, address: str = "127.0.0.1", name: str = "panel") -> MadeUp:
    """A self-signed certificate for an IP address, ending in so many days; negative: so many days ago."""
    key = ec.generate_private_key(ec.SECP256R1())
    who = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    end = datetime.now(UTC) + timedelta(days=days)
    made = (
        x509.CertificateBuilder()
        .subject_name(who)
        .issuer_name(who)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(end - timedelta(days=400))
        .not_valid_after(end)
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(address))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, SHA256())
    )
    pem = made.public_bytes(Encoding.PEM)
    secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    files = folder / f"{name}.pem", folder / f"{name}.key"
    files[0].write_bytes(pem)
    files[1].write_bytes(secret)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*files)
    return MadeUp(context, pem.decode(), sha256(made.public_bytes(Encoding.DER)).hexdigest())


async def serve_tls(app: web.Application, certificate: MadeUp, port: int = 0) -> Server:
    """Listen on 127.0.0.1 and show the certificate; port 0 = any free one."""
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port, ssl_context=certificate.context, reuse_address=True).start()
    return Server(runner, f"https://127.0.0.1:{runner.addresses[0][1]}")
