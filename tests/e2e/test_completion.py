"""`grid completion`: the scripts in the shells themselves, against what --help lists."""

import os
import pty
import re
import select
import shutil
import subprocess
import time

import pytest

from gridtest import program, write

pytestmark = pytest.mark.fast


def needs(shell):
    return pytest.mark.skipif(shutil.which(shell) is None, reason=f"there is no {shell} here")


def commands(grid):
    """{"datastore create": [options]} by the help texts."""
    def words(text):
        part = text.partition("Commands:\n")[2].partition("\n\n")[0]
        return [line.split()[0] for line in part.splitlines() if re.match(r"  \S", line)]
    found = {}
    for group in words(grid("--help", code=0).out):
        text = grid(group, "--help", code=0).out
        below = [w for w in words(text) if w != "(nothing)"]
        for command in [f"{group} {w}" for w in below] or [group]:
            text = grid(*command.split(), "--help", code=0).out
            found[command] = re.findall(r"^  (--[a-z-]+)", text, re.M)
    return found


# ---- bash

BASH = r'''
eval "$("$GRID" completion bash)"
complete -p grid >/dev/null || exit 9
while IFS= read -r line; do
    IFS='|' read -ra COMP_WORDS <<< "$line"
    [[ $line == *'|' ]] && COMP_WORDS+=("")
    COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
    _grid grid "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD-1]}" 2>/dev/null
    ( IFS=' '; printf '%s\n' "${COMPREPLY[*]}" )
done
'''


@pytest.fixture
def bash(grid, tmp_path):
    """bash(["grid", "datas"], ...) -> what the script offers for each; the last word is at the cursor."""
    (tmp_path / "here").mkdir()

    def ask(*lines):
        done = subprocess.run(["bash", "--norc", "-c", BASH], input="\n".join("|".join(words) for words in lines) + "\n",
                              capture_output=True, text=True, cwd=tmp_path / "here", env={**grid.env, "GRID": program()})
        assert done.returncode == 0 and not done.stderr, done
        return [line.split() for line in done.stdout.split("\n")[:-1]]
    return ask


@needs("bash")
def test_bash_offers_what_help_lists(grid, bash):
    """Every command, and every option of each; and nothing else."""
    known = commands(grid)
    assert len(known) > 20 and "datastore create" in known
    groups = sorted({c.split()[0] for c in known})
    assert sorted(bash(["grid", ""])[0]) == groups
    for group in groups:
        below = sorted(c.split()[1] for c in known if c.startswith(group + " "))
        assert sorted(bash(["grid", group, ""])[0]) == below
    names = list(known)
    for name, offered in zip(names, bash(*[["grid", *name.split(), "--"] for name in names])):
        assert sorted(offered) == sorted({*known[name], "--help"}), name


@needs("bash")
def test_bash_at_the_cursor(bash, tmp_path):
    write(tmp_path, "here/some file.txt", "x")
    write(tmp_path, "here/folder/x", "x")
    lines = [
        (["grid", "datas"], ["datastore"]),
        (["grid", "datastore", "cr"], ["create"]),
        (["grid", "datastore", "create", "--sym"], ["--symlinks"]),
        (["grid", "datastore", "create", "--symlinks", ""], ["follow", "keep", "skip"]),
        (["grid", "datastore", "create", "--symlinks", "k"], ["keep"]),
        (["grid", "datastore", "create", "--symlinks", "=", "k"], ["keep"]),
        (["grid", "datastore", "create", "--symlinks", "="], ["follow", "keep", "skip"]),
        (["grid", "--cluster", "datastore", "datastore", "cr"], ["create"]),
        (["grid", "datastore", "create", "--name", ""], []),
        (["grid", "datastore", "create", "fol"], ["folder"]),
        (["grid", "datastore", "create", "--exclude-from", "some"], ["some", "file.txt"]),
        (["grid", "datastore", "download", ""], []),
        (["grid", "datastore", "download", "name", "fol"], ["folder"]),
        (["grid", "datastore", "download", "name", "--jobs", "4", "fol"], ["folder"]),
        (["grid", "login", "--addressing", "v"], ["virtual"]),
        (["grid", "completion", ""], ["bash", "zsh", "fish"]),
        (["grid", "nothing", ""], []),
        (["grid", "--v"], ["--version"])]
    for (words, expected), offered in zip(lines, bash(*[words for words, _ in lines])):
        assert sorted(offered) == sorted(expected), words


class Shell:
    """A shell on a terminal: what one types, and what is then to be seen."""

    def __init__(self, arguments, env, cwd):
        self.pid, self.leader = pty.fork()
        if self.pid == 0:
            os.chdir(cwd)
            os.execvpe(arguments[0], arguments, env)
        self.shown = ""

    def type(self, text, until, timeout=20):
        os.write(self.leader, text.encode())
        deadline, begun = time.monotonic() + timeout, len(self.shown)
        while not re.search(until, self.shown[begun:]):
            ready, _, _ = select.select([self.leader], [], [], max(0, deadline - time.monotonic()))
            assert ready, f"not within {timeout} s: {until}\n{self.shown[begun:]!r}"
            self.shown += re.sub(r"\x1b[\[\]()][0-9;?]*[A-Za-z]?", "", os.read(self.leader, 65536).decode("utf-8", "replace"))
        return self.shown[begun:]

    def close(self):
        os.close(self.leader)
        os.waitpid(self.pid, 0)


@pytest.fixture
def shell(grid, tmp_path):
    opened = []
    (tmp_path / "bin").mkdir()
    os.symlink(program(), tmp_path / "bin/grid")

    def start(*arguments):
        env = {**grid.env, "PATH": f"{tmp_path}/bin:{grid.env['PATH']}", "TERM": "xterm", "PS1": "ready> ",
               "ASAN_OPTIONS": "detect_leaks=0"}
        opened.append(Shell(arguments, env, tmp_path))
        return opened[-1]
    yield start
    for one in opened:
        one.close()


@needs("bash")
def test_bash_on_a_terminal(shell):
    """readline splits the line, not the test."""
    s = shell("bash", "--norc", "--noprofile", "-i")
    s.type("PS1='ready''> '; bind 'set bell-style none'; source <(grid completion bash)\n", "ready> $")
    s.type("grid datas\t", r"grid datastore $")
    s.type("creat\t", r"create $")
    s.type("--symlinks=ke\t", r"--symlinks=keep $")
    s.type("--skip\t", r"--skip-unreadable $")


# ---- zsh

@needs("zsh")
def test_zsh_on_a_terminal(shell, tmp_path):
    write(tmp_path, "folder/x", "x")
    s = shell("zsh", "-f", "-i")
    s.type("PS1='ready''> '; unsetopt beep; autoload -Uz compinit; compinit -D; source <(grid completion zsh); echo lo''aded\n",
           "loaded\r\n")
    s.type("grid datas\t", r"grid datastore ")
    s.type("creat\t", r"create ")
    s.type("--symlinks k\t", r"keep ")
    s.type("--skip-unr\t", r"--skip-unreadable ")
    s.type("fol\t", r"folder/")
    s.type("\x15grid cluster \t", r"check.*-- Find out what is wrong(?s:.*)delete.*-- Forget a cluster")


@needs("zsh")
def test_zsh_finds_no_fault(grid, tmp_path):
    script = tmp_path / "_grid"
    script.write_text(grid("completion", "zsh", code=0).out)
    subprocess.run(["zsh", "-n", script], check=True)


# ---- fish

@needs("fish")
def test_fish(grid, tmp_path):
    """Its `complete -C` says what it would offer."""
    write(tmp_path, "folder/x", "x")
    script = tmp_path / "grid.fish"
    script.write_text(grid("completion", "fish", code=0).out)
    known = commands(grid)

    def offers(line):
        done = subprocess.run(["fish", "--no-config", "-c", f"source {script}; complete -C '{line}'"], capture_output=True,
                              text=True, cwd=tmp_path, env={**grid.env, "TERM": "xterm"})
        assert done.returncode == 0 and not done.stderr, done
        return [row.split("\t")[0] for row in done.stdout.splitlines()]

    assert sorted(offers("grid ")) == sorted({c.split()[0] for c in known})
    assert sorted(offers("grid datastore ")) == sorted(c.split()[1] for c in known if c.startswith("datastore "))
    for name in ("datastore create", "datastore download", "cluster check", "login"):
        assert sorted(offers(f"grid {name} --")) == sorted({*known[name], "--help"}), name
    assert offers("grid datastore create --symlinks ") == ["follow", "keep", "skip"]
    assert offers("grid datastore create --symlinks=k") == ["--symlinks=keep"]
    assert offers("grid datastore create fol") == ["folder/"]
    assert offers("grid datastore download na") == []
    assert offers("grid datastore download name --jobs 4 fol") == ["folder/"]
    assert offers("grid datastore stop ") == []


def test_which_shell(grid):
    assert "grid completion bash" in grid("completion", code=2).err
    assert "did you mean fish?" in grid("completion", "fishh", code=2).err
    help_text = grid("completion", "--help", code=0).out
    assert all(shell in help_text for shell in ("bash", "zsh", "fish"))
