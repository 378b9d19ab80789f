"""A certificate authority of the tests' own and a certificate for the server, by openssl."""

import os
import ssl
import subprocess

CA, KEY, CERTIFICATE = "ca.crt", "server.key", "server.crt"


def run(*words, **more):
    subprocess.run(["openssl", *words], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **more)


def make(folder, names):
    """Files ca.crt, server.crt and server.key in the folder; those that are there stay."""
    os.makedirs(folder, exist_ok=True)
    if os.path.exists(os.path.join(folder, CERTIFICATE)):
        return
    curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    run("req", "-x509", *curve, "-days", "30", "-subj", "/CN=CA of the fake S3 server",
        "-keyout", "ca.key", "-out", CA, cwd=folder)
    run("req", *curve, "-subj", "/CN=localhost", "-keyout", KEY, "-out", "server.csr", cwd=folder)
    alternatives = ",".join(["IP:127.0.0.1", *(f"DNS:{n},DNS:*.{n}" for n in names)])
    with open(os.path.join(folder, "extensions"), "w") as f:
        f.write(f"subjectAltName={alternatives}\n")
    run("x509", "-req", "-in", "server.csr", "-CA", CA, "-CAkey", "ca.key", "-CAcreateserial", "-days", "30",
        "-extfile", "extensions", "-out", "made.crt", cwd=folder)
    os.rename(os.path.join(folder, "made.crt"), os.path.join(folder, CERTIFICATE))


def context(folder):
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.load_cert_chain(os.path.join(folder, CERTIFICATE), os.path.join(folder, KEY))
    made.num_tickets = 0
    return made
