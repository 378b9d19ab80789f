"""
CRC32, CRC32C, CRC64/NVME, SHA-1, SHA-256: the checksums of S3's x-amz-checksum-* headers.

zlib and hashlib do three of them.  The other two are compiled once with cc into the temporary
folder (found again by the digest of their source) and called through ctypes; where there is no
compiler a table in Python does it, slowly.  combine() joins the CRCs of two neighbouring pieces:
what a full-object checksum of a multipart upload is made of.
"""

import base64
import ctypes
import functools
import hashlib
import os
import subprocess
import tempfile
import zlib

C_SOURCE = r"""
#include <stddef.h>
#include <stdint.h>
#include <string.h>

static uint64_t tables[2][8][256];
static const uint64_t polynomials[2] = {0x82f63b78, 0x9a6c9329ac4bc9b5};

__attribute__((constructor)) static void fill(void)
{
    for (int t = 0; t < 2; t++)
        for (unsigned i = 0; i < 256; i++) {
            uint64_t c = i;
            for (int bit = 0; bit < 8; bit++)
                c = (c & 1) ? (c >> 1) ^ polynomials[t] : c >> 1;
            tables[t][0][i] = c;
        }
    for (int t = 0; t < 2; t++)
        for (int k = 1; k < 8; k++)
            for (unsigned i = 0; i < 256; i++)
                tables[t][k][i] = (tables[t][k - 1][i] >> 8) ^ tables[t][0][tables[t][k - 1][i] & 255];
}

static uint64_t by_table(int t, uint64_t c, const unsigned char *p, size_t n)
{
    for (; n >= 8; n -= 8, p += 8) {
        uint64_t w, s = 0;
        memcpy(&w, p, 8);
        c ^= w;
        for (int k = 0; k < 8; k++)
            s ^= tables[t][7 - k][(c >> (8 * k)) & 255];
        c = s;
    }
    for (; n > 0; n--)
        c = (c >> 8) ^ tables[t][0][(c ^ *p++) & 255];
    return c;
}

#if defined(__x86_64__)
__attribute__((target("sse4.2"))) static uint64_t by_sse42(uint64_t c, const unsigned char *p, size_t n)
{
    for (; n >= 8; n -= 8, p += 8) {
        uint64_t w;
        memcpy(&w, p, 8);
        c = __builtin_ia32_crc32di(c, w);
    }
    for (; n > 0; n--)
        c = __builtin_ia32_crc32qi((uint32_t)c, *p++);
    return c;
}
#endif

uint32_t crc32c(uint32_t crc, const unsigned char *p, size_t n)
{
#if defined(__x86_64__)
    if (__builtin_cpu_supports("sse4.2"))
        return ~(uint32_t)by_sse42((uint32_t)~crc, p, n);
#endif
    return ~(uint32_t)by_table(0, (uint32_t)~crc, p, n);
}

uint64_t crc64nvme(uint64_t crc, const unsigned char *p, size_t n)
{
    return ~by_table(1, ~crc, p, n);
}
"""

POLYNOMIALS = {"crc32": 0xEDB88320, "crc32c": 0x82F63B78, "crc64nvme": 0x9A6C9329AC4BC9B5}
WIDTHS = {"crc32": 32, "crc32c": 32, "crc64nvme": 64}


@functools.cache
def compiled():
    """The library of C_SOURCE, or None."""
    tag = hashlib.sha256(C_SOURCE.encode()).hexdigest()[:16]
    path = os.path.join(tempfile.gettempdir(), f"fake-s3-crc-{os.getuid()}-{tag}.so")
    try:
        if not os.path.exists(path) or os.stat(path).st_uid != os.getuid():
            build(path)
        library = ctypes.CDLL(path)
    except (OSError, subprocess.CalledProcessError):
        return None
    for name, width in (("crc32c", ctypes.c_uint32), ("crc64nvme", ctypes.c_uint64)):
        function = getattr(library, name)
        function.restype = width
        function.argtypes = [width, ctypes.c_char_p, ctypes.c_size_t]
    return library


def build(path):
    with tempfile.TemporaryDirectory() as folder:
        source, made = os.path.join(folder, "crc.c"), os.path.join(folder, "crc.so")
        with open(source, "w") as f:
            f.write(C_SOURCE)
        subprocess.run(["cc", "-O2", "-shared", "-fPIC", "-o", made, source], check=True,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        staged = f"{path}.{os.getpid()}"
        with open(made, "rb") as f, open(staged, "wb") as g:
            g.write(f.read())
        os.replace(staged, path)


@functools.cache
def table(name):
    entries, polynomial = [], POLYNOMIALS[name]
    for i in range(256):
        for _ in range(8):
            i = (i >> 1) ^ polynomial if i & 1 else i >> 1
        entries.append(i)
    return entries


def portable(name, crc, data):
    ones = (1 << WIDTHS[name]) - 1
    entries = table(name)
    crc ^= ones
    for byte in data:
        crc = (crc >> 8) ^ entries[(crc ^ byte) & 255]
    return crc ^ ones


def crc(name, data, value=0):
    """The CRC of what gave `value`, followed by `data`."""
    if name == "crc32":
        return zlib.crc32(data, value)
    library = compiled()
    if library is None:
        return portable(name, value, data)
    return getattr(library, name)(value, bytes(data), len(data))


def multiply(name, a, b):
    """a * b modulo the polynomial, bits reflected."""
    bit, product, polynomial = 1 << (WIDTHS[name] - 1), 0, POLYNOMIALS[name]
    while bit:
        if a & bit:
            product ^= b
        bit >>= 1
        b = (b >> 1) ^ polynomial if b & 1 else b >> 1
    return product


@functools.cache
def shift_by(name, length):
    """x to the power of 8 * length."""
    power, square = 1 << (WIDTHS[name] - 1), 1 << (WIDTHS[name] - 2)
    bits = 8 * length
    while bits:
        if bits & 1:
            power = multiply(name, power, square)
        square = multiply(name, square, square)
        bits >>= 1
    return power


def combine(name, first, second, second_length):
    return multiply(name, shift_by(name, second_length), first) ^ second


class Crc:
    def __init__(self, name):
        self.name, self.value = name, 0

    def update(self, data):
        self.value = crc(self.name, data, self.value)

    def digest(self):
        return self.value.to_bytes(WIDTHS[self.name] // 8, "big")


ALGORITHMS = ("crc32", "crc32c", "crc64nvme", "sha1", "sha256")
LENGTHS = {"crc32": 4, "crc32c": 4, "crc64nvme": 8, "sha1": 20, "sha256": 32}


def new(name):
    return Crc(name) if name in WIDTHS else hashlib.new(name)


def text(digest):
    return base64.b64encode(digest).decode()


def parse(name, value):
    """The digest of a header's value; None when it is not one."""
    try:
        digest = base64.b64decode(value, validate=True)
    except ValueError:
        return None
    return digest if len(digest) == LENGTHS[name] else None


def of_object(name, kind, parts):
    """A multipart object's checksum; parts: [(digest, size)].  Text as in the header."""
    if kind == "FULL_OBJECT":
        total = 0
        for digest, size in parts:
            total = combine(name, total, int.from_bytes(digest, "big"), size)
        return text(total.to_bytes(WIDTHS[name] // 8, "big"))
    whole = new(name)
    for digest, _ in parts:
        whole.update(digest)
    return f"{text(whole.digest())}-{len(parts)}"
