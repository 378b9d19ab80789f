"""Rules of the house that the compiler does not check."""

import re
import subprocess
from pathlib import Path

import pytest

REPO = Path(__file__).resolve().parents[2]
LAYERS = ["base", "manifest", "transfer", "agent"]  # each may include itself and those before


def tracked(*patterns):
    out = subprocess.run(["git", "-c", "safe.directory=*", "ls-files", "-co", "--exclude-standard", *patterns],
                         cwd=REPO, capture_output=True, text=True, check=True).stdout
    return sorted(p for p in out.splitlines() if (REPO / p).is_file())


def sources():
    return tracked("*.c", "*.h")


def product():
    return [p for p in sources() if p.split("/")[0] in LAYERS]


def code_of(path):
    """Without comments and string contents, line numbers kept."""
    text = (REPO / path).read_text()
    keep_lines = lambda m: re.sub(r"[^\n]", " ", m.group(0))  # noqa: E731
    return re.sub(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', keep_lines, text,
                  flags=re.S)


def found_in(paths, pattern):
    return [f"{p}:{n}: {line.strip()}" for p in paths
            for n, line in enumerate(code_of(p).splitlines(), 1) if re.search(pattern, line)]


def includes(path):
    return re.findall(r'^\s*#\s*include\s*[<"]([^>"]+)[>"]', (REPO / path).read_text(), flags=re.M)


def show(faults):
    assert not faults, "\n" + "\n".join(faults)


def test_there_is_something_to_check():
    assert len(product()) > 10


def test_formatted():
    done = subprocess.run(["clang-format", "--dry-run", "-Werror", *sources()], cwd=REPO,
                          capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[:3000]


def test_no_include_points_back():
    show([f"{p} includes {i}" for p in product() for i in includes(p)
          if i.split("/")[0] in LAYERS
          and LAYERS.index(i.split("/")[0]) > LAYERS.index(p.split("/")[0])])


def test_product_includes_are_by_layer():
    """"layer/file.h", so that the check above sees them."""
    ours = {Path(p).name for p in product()}
    show([f"{p} includes {i}" for p in product() for i in includes(p) if i in ours or ".." in i])


def test_product_does_not_include_tests():
    show([f"{p} includes {i}" for p in product() for i in includes(p)
          if i.split("/")[0] in ("tests", "bench") or "cmocka" in i])


CONFINED = {
    r"curl/": r"transfer/http.*\.c",
    r"sqlite3": r"manifest/checkpoint.*",
    r"openssl/": r"transfer/sigv4\.c|manifest/digest.*",
    r"expat": r"transfer/s3_xml\.c",
    r"archive(_entry)?\.h": r"transfer/archive_reader\.c",
    r"microhttpd": r"agent/ui.*",
    r"xxhash": r"manifest/digest.*",
    r"zlib": r"manifest/manifest.*|transfer/gunzip\.c",
    r"isa-l": r"manifest/(digest|crc32c).*",
}


@pytest.mark.parametrize("header", CONFINED)
def test_external_headers_stay_behind_one_module(header):
    show([f"{p} includes {i}" for p in product() for i in includes(p)
          if re.match(header, i) and not re.fullmatch(CONFINED[header], p)])


BANNED = "strcpy|strcat|sprintf|vsprintf|atoi|atol|strtok|sscanf|system|alloca|gets"


def test_banned_calls():
    show(found_in(product(), rf"(?<![\w.>])(?:{BANNED})\s*\("))


def test_no_function_like_macros():
    show([f for f in found_in(product(), r"^\s*#\s*define\s+\w+\(")
          if "ARRAY_SIZE(" not in f])


def test_no_seams_for_tests():
    show(found_in(product(), r"^\s*#\s*if.*TEST"))


def test_printing_is_for_agent_alone():
    dying_words = ("base/mem.c", "manifest/digest.c")  # out of memory: nobody is left to tell
    lower = [p for p in product() if not p.startswith("agent/") and p not in dying_words]
    show(found_in(lower, r"(?<![\w.>])(?:printf|puts|putchar|perror)\s*\(|\bstd(?:out|err)\b"))


def test_every_source_says_how_it_works():
    """A .c file begins with a comment of some lines, or is very small."""
    faults = []
    for p in product():
        text = (REPO / p).read_text()
        begins = re.match(r"(\s*#include[^\n]*\n)*\s*/\*", text)
        if p.endswith(".c") and not begins and text.count("\n") > 60:
            faults.append(p)
    show(faults)


def test_every_source_is_built():
    lists = (REPO / "CMakeLists.txt").read_text()
    show([p for p in product() if p.endswith(".c") and p not in lists])


def test_headers_stand_alone():
    headers = [p for p in product() if p.endswith(".h")]
    faults = []
    for header in headers:
        done = subprocess.run(["gcc", "-std=c17", "-D_GNU_SOURCE", "-fsyntax-only", "-Wall", "-Werror",
                               "-I.", "-include", header, "-x", "c", "/dev/null"],
                              cwd=REPO, capture_output=True, text=True)
        if done.returncode != 0:
            faults.append(done.stderr)
    show(faults)


def test_header_guards_name_the_file():
    show([p for p in product() if p.endswith(".h")
          and f"#ifndef {re.sub(r'[^A-Z0-9]', '_', p.upper())}\n" not in (REPO / p).read_text()])


def test_no_globals():
    """Nothing writable outside functions but the log's level, sink and secrets, and the
    table of the portable CRC32C, which is computed once."""
    libraries = sorted((REPO / "build/release").glob("lib*.a"))
    assert libraries, "build the release preset first"
    faults = []
    for library in libraries:
        out = subprocess.run(["nm", "--format=sysv", library], capture_output=True, text=True).stdout
        member = ""
        for line in out.splitlines():
            if line.startswith("Symbols from"):
                member = line
            fields = [f.strip() for f in line.split("|")]
            if len(fields) == 7 and fields[6] in (".bss", ".data") and fields[3] == "OBJECT":
                if "log.c.o" not in member and "crc32c.c.o" not in member:
                    faults.append(f"{member.split()[-1]} {fields[0]}")
    show(faults)


def test_readme_maps_every_file():
    readme = (REPO / "README.md").read_text()
    show([p for p in product() if not re.search(rf"\b{re.escape(Path(p).stem)}\b", readme)])


def test_scripts_are_sound():
    for script in ("runtests", "quickstart", ".ci/run", "packages/install", "tests/servers/rgw.sh",
                   "tests/servers/nginx.sh", "tests/servers/rgw-far.sh", "tests/servers/swift.sh"):
        subprocess.run(["bash", "-n", script], cwd=REPO, check=True)
        assert (REPO / script).stat().st_mode & 0o111, script
    subprocess.run(["bash", "-n", "tests/servers/daemons.sh"], cwd=REPO, check=True)


def test_no_path_of_one_machine():
    faults = []
    for p in tracked():
        text = (REPO / p).read_bytes()
        faults += [f"{p}: {m.group(0)!r}" for m in re.finditer(rb"(?<![\w.$}/])/(?:root|home/\w+)/\w+", text)]
    show(faults)


def test_every_row_of_the_table_of_errors_is_tested():
    def rows(path):
        text = (REPO / path).read_text().partition("} rows[] = {")[2].partition("\n};")[0]
        return set(re.findall(r'^ *\{(\d+),[^"{}]*("[\w.]+"|NULL)', text, flags=re.M))
    product, tested = rows("transfer/s3_error.c"), rows("tests/unit/test_s3_error.c")
    assert len(product) > 60
    codes = {code for _, code in tested}
    show([f"no row of tests/unit/test_s3_error.c is about {status} {code}" for status, code in sorted(product)
          if (code not in codes if code != "NULL" else (status, code) not in tested)])
