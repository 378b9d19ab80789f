#!/usr/bin/python3
"""
crt_client.py HOST:PORT /BUCKET/FOLDER SOURCE [CA-FILE]

Puts a file, or all files of a folder, with the AWS common runtime's S3 client (aws-c-s3): the fastest client that the
SDKs have, and as plain a driver of it as can be.  With a CA file over TLS.
"""

import os
import sys
import threading

from awscrt import auth, http, io, s3

PART_BYTES = 16 << 20
IN_FLIGHT = 1000  # requests handed to the client at a time; how many connections it has is its own affair
TARGET_GBPS = 100  # it makes as many connections as it believes that this needs


def make_client(host, ca_file):
    group = io.EventLoopGroup(os.cpu_count())
    bootstrap = io.ClientBootstrap(group, io.DefaultHostResolver(group))
    keys = auth.AwsCredentialsProvider.new_static(os.environ["AWS_ACCESS_KEY_ID"], os.environ["AWS_SECRET_ACCESS_KEY"])
    mode, connection = s3.S3RequestTlsMode.DISABLED, None
    if ca_file:
        options = io.TlsContextOptions()
        options.override_default_trust_store_from_path(None, ca_file)
        mode, connection = s3.S3RequestTlsMode.ENABLED, io.ClientTlsContext(options).new_connection_options()
        connection.set_server_name(host.partition(":")[0])
    return s3.S3Client(bootstrap=bootstrap, region=os.environ["AWS_REGION"], credential_provider=keys, tls_mode=mode,
                       tls_connection_options=connection, part_size=PART_BYTES, throughput_target_gbps=TARGET_GBPS)


def files_of(source):
    """(path, name) of a file, or of all files below a folder."""
    if os.path.isfile(source):
        yield source, os.path.basename(source)
        return
    for folder, _, names in os.walk(source):
        for name in names:
            path = os.path.join(folder, name)
            yield path, os.path.relpath(path, source)


def main():
    host, folder, source, *ca_file = sys.argv[1:]
    client = make_client(host, ca_file[0] if ca_file else None)
    slots, failures = threading.Semaphore(IN_FLIGHT), []

    def on_done(error=None, **more):
        if error is not None:
            failures.append(error)
        slots.release()

    for path, name in files_of(source):
        slots.acquire()
        headers = http.HttpHeaders([("Host", host), ("Content-Length", str(os.path.getsize(path))),
                                    ("Content-Type", "application/octet-stream")])
        client.make_request(type=s3.S3RequestType.PUT_OBJECT, send_filepath=path, on_done=on_done,
                            request=http.HttpRequest("PUT", f"{folder}/{name}", headers))
    for _ in range(IN_FLIGHT):
        slots.acquire()
    if failures:
        sys.exit(f"{len(failures)} failed: {failures[0]}")


main()
