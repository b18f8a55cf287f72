"""Writes keys, tokens and certificates into a folder, as libraries of others make them: PyJWT and cryptography."""

import datetime
import ipaddress
import json
import pathlib
import sys
import time

import jwt
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

folder = pathlib.Path(sys.argv[1])

# Keys and tokens.
rsa_key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
ec_key = ec.generate_private_key(ec.SECP256R1())
ed_key = ed25519.Ed25519PrivateKey.generate()
secret = b"a secret of more than thirty-two bytes"
rotated = rsa.generate_private_key(public_exponent=65537, key_size=2048)


def jwk(algorithm, key, kid):
    made = algorithm.to_jwk(key, as_dict=True)
    return {**made, "kid": kid}


algorithms = jwt.algorithms
keys = [
    jwk(algorithms.RSAAlgorithm, rsa_key.public_key(), "rsa"),
    jwk(algorithms.ECAlgorithm, ec_key.public_key(), "ec"),
    jwk(algorithms.OKPAlgorithm, ed_key.public_key(), "ed"),
    jwk(algorithms.HMACAlgorithm, secret, "octets"),
]
(folder / "jwks.json").write_text(json.dumps({"keys": keys}))
new = [jwk(algorithms.RSAAlgorithm, rotated.public_key(), "rotated")]
(folder / "rotated.json").write_text(json.dumps({"keys": new}))

now = int(time.time())
claims = {
    "sub": "ada",
    "iss": "https://id.example",
    "aud": ["readside"],
    "iat": now,
    "nbf": now - 5,
    "exp": now + 3600,
    "tenant": "a",
    "realm_access": {"roles": ["officer"]},
}


def token(key, algorithm, kid, **changed):
    said = {name: value for name, value in {**claims, **changed}.items() if value is not None}
    return jwt.encode(said, key, algorithm=algorithm, headers={"kid": kid})


tokens = {
    "RS256": token(rsa_key, "RS256", "rsa"),
    "ES256": token(ec_key, "ES256", "ec"),
    "EdDSA": token(ed_key, "EdDSA", "ed"),
    "HS256": token(secret, "HS256", "octets"),
    "admin": token(rsa_key, "RS256", "rsa", realm_access={"roles": ["operator"]}),
    "b": token(rsa_key, "RS256", "rsa", tenant="b"),
    "no tenant": token(rsa_key, "RS256", "rsa", tenant=None),
    "rotated": token(rotated, "RS256", "rotated"),
    "expired": token(rsa_key, "RS256", "rsa", exp=now - 120),
    "not yet": token(rsa_key, "RS256", "rsa", nbf=now + 600),
    "other audience": token(rsa_key, "RS256", "rsa", aud="shop"),
    "other issuer": token(rsa_key, "RS256", "rsa", iss="https://evil.example"),
    "no end": token(rsa_key, "RS256", "rsa", exp=None),
    "other algorithm": token(rsa_key, "RS512", "rsa"),
    "other key": token(rotated, "RS256", "rsa"),
    "none": jwt.encode(claims, None, algorithm="none"),
}
(folder / "tokens.json").write_text(json.dumps(tokens))


# Certificates.
def write(name, certificates, key=None):
    pem = b"".join(certificate.public_bytes(serialization.Encoding.PEM) for certificate in certificates)
    (folder / f"{name}.pem").write_bytes(pem)
    if key is not None:
        form = serialization.PrivateFormat.PKCS8
        pem = key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())
        (folder / f"{name}.key").write_bytes(pem)


def certificate(name, by, purpose=None, names=()):
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    issuer, signer = (subject, key) if by is None else (by[0].subject, by[1])
    day = datetime.timedelta(days=1)
    today = datetime.datetime.now(datetime.timezone.utc)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(today - day)
        .not_valid_after(today + day)
        .add_extension(x509.BasicConstraints(ca=by is None, path_length=None), critical=True)
    )
    if purpose is not None:
        builder = builder.add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(list(names)), critical=False)
    return builder.sign(signer, hashes.SHA256()), key


authority = certificate("Readside test", None)
stranger = certificate("Somebody else", None)
write("ca", [authority[0]])
here = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
server, client = ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH
for name in ["server", "renewed"]:
    made, key = certificate(name, authority, server, here)
    write(name, [made, authority[0]], key)
spiffe = x509.UniformResourceIdentifier("spiffe://example.org/shop")
for name, by, names in [("shop", authority, [spiffe]), ("ada", authority, ()), ("eve", stranger, [spiffe])]:
    made, key = certificate(name, by, client, names)
    write(name, [made], key)
