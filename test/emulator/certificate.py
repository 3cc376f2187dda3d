"""Writes a self-signed certificate for the emulator on this machine. Arguments: certificate file, key file."""

import datetime
import ipaddress
import sys

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

certificate_file, key_file = sys.argv[1:]
key = ec.generate_private_key(ec.SECP256R1())
name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "torghut emulator")])
now = datetime.datetime.now(datetime.timezone.utc)
names = [
    x509.DNSName("localhost"),
    x509.DNSName("*.execute-api.localhost"),
    x509.IPAddress(ipaddress.ip_address("127.0.0.1")),
]
certificate = (
    x509.CertificateBuilder()
    .subject_name(name)
    .issuer_name(name)
    .public_key(key.public_key())
    .serial_number(x509.random_serial_number())
    .not_valid_before(now - datetime.timedelta(minutes=5))
    .not_valid_after(now + datetime.timedelta(days=1))
    .add_extension(x509.SubjectAlternativeName(names), critical=False)
    .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    .sign(key, hashes.SHA256())
)
with open(certificate_file, "wb") as out:
    out.write(certificate.public_bytes(serialization.Encoding.PEM))
with open(key_file, "wb") as out:
    out.write(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
