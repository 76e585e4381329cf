"""A certificate authority for one test run, and certificates of it: good, expired, of another name."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

DAY = timedelta(days=1)


@dataclass(frozen=True)
class Identity:
    """A certificate and its key, as PEM files."""

    certificate: Path
    key: Path


class Authority:
    """Signs names. Everything it makes stands in one folder."""

    def __init__(self, folder: Path, name: str = "Acme test authority") -> None:
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _called(name)
        builder = _begun(self._name, self._name, self._key, datetime.now(UTC) + DAY)
        constraints = x509.BasicConstraints(ca=True, path_length=0)
        made = builder.add_extension(constraints, critical=True).sign(self._key, hashes.SHA256())
        self.file = folder / f"{name.replace(' ', '-')}.pem"
        self.file.write_bytes(made.public_bytes(serialization.Encoding.PEM))

    def sign(self, *names: str, expired: bool = False) -> Identity:
        """A server's identity for these names and addresses."""
        key = ec.generate_private_key(ec.SECP256R1())
        until = datetime.now(UTC) + (-DAY if expired else DAY)
        builder = _begun(_called(names[0]), self._name, key, until)
        alternatives = x509.SubjectAlternativeName([_alternative(name) for name in names])
        made = builder.add_extension(alternatives, critical=False).sign(self._key, hashes.SHA256())
        stem = self._folder / f"{'expired-' if expired else ''}{names[0]}"
        identity = Identity(stem.with_suffix(".pem"), stem.with_suffix(".key"))
        identity.certificate.write_bytes(made.public_bytes(serialization.Encoding.PEM))
        identity.key.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        identity.key.chmod(0o600)  # Samba takes no other
        return identity


def _begun(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, until: datetime
) -> x509.CertificateBuilder:
    return x509.CertificateBuilder(
        issuer, subject, key.public_key(), x509.random_serial_number(), until - 3 * DAY, until
    )


def _called(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _alternative(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)
