"""
One story: an upload through faults that are drawn from a seed, with or without kills, to its end.

What is drawn: the tree, the server's kind, the fault rules, when the program is killed (its n-th
state-changing call or send, by killpoint.so) and whether its local state is then lost, after how
many runs the trouble is over.  The seed fixes all of that; which request meets which fault is the
server's and the scheduler's part too.
"""

import collections
import os
import random
import shutil
import signal
import threading

from aftermath import Aftermath, killed_at
from fault import CHAOS, LATE_WORD
from gridtest import MIB, Grid, killpoint, write, write_random

KINDS = ("", "rgw", "minio2019", "tls")  # of server: conftest.py starts one of each
OPS = ("ListObjectsV2", "CreateMultipartUpload", "UploadPart", "ListParts", "CompleteMultipartUpload", "PutObject",
       "HeadObject", "GetObject", "DeleteObject", "ListMultipartUploads", "AbortMultipartUpload")
PUBLICATION = ("*/session.json", "*/manifest/*", "*/datastore.json", "*/deleted.json")
POINTS = 350  # so many calls and sends one undisturbed run makes
RUN_LIMIT_S = 60
# Answers, of whatever kind, are no outage yet: --give-up-after does not look at them.
GIVES_UP_ON = ("reset_before", "silent")


def make_trees(folder):
    """Three trees, which the stories only read."""
    for i, (small, large) in enumerate([(4, 16 * MIB + 4321), (12, 33 * MIB + 17), (3, 0)]):
        tree = folder / f"tree{i}"
        write(tree, "README.txt", "a data set\n")
        write(tree, "empty.bin")
        write(tree, b"odd \xff\nname", "odd\n")
        for k in range(small):
            write(tree, f"a/{k:02}.txt", f"{k}\n" * 3000 * k)
        if large:
            write_random(tree, "z/large.bin", large, seed=i)
    return [folder / f"tree{i}" for i in range(3)]


def size_of(tree):
    return sum(os.stat(os.path.join(w, f)).st_size for w, _, fs in os.walk(os.fsencode(tree)) for f in fs)


class Story:
    def __init__(self, seed):
        self.seed = seed
        draw = random.Random(seed)
        self.kind, self.tree_number = draw.choice(KINDS), draw.choice((0, 0, 0, 1, 2, 2))
        self.rules = draw.choice((chaos, chaos, chaos, scripted, scripted, scripted, scripted, completion, overload,
                                  outage, refusal))(draw)
        self.kills = [(draw.randrange(1, POINTS), draw.choice(("before", "after")), draw.random() < 0.3)
                      for _ in range(draw.choice((0, 0, 0, 1, 1, 2)))]
        self.trouble_runs = len(self.kills) + draw.choice((1, 1, 2, 4))
        self.options, self.outage_s = [], None
        if "from" in self.rules[0]:  # the program gives up, or it waits until the outage is over
            if draw.random() < 0.5 and self.rules[0]["fault"] in GIVES_UP_ON:
                self.options = ["--give-up-after", draw.choice(("1s", "3s"))]
            else:
                self.outage_s = draw.choice((0.5, 2, 4))
        self.options += draw.choice(([], [], ["--jobs", "1"], ["--jobs", "2"]))

    def __str__(self):
        return (f"--seed {self.seed}: server {self.kind or 'default'}, tree {self.tree_number}, rules {self.rules}, "
                f"kills {self.kills}, options {self.options}, trouble for {self.trouble_runs} runs"
                f" of {self.outage_s or 'any'} s")


def chaos(draw):
    return [{"fault": "chaos", "chance": draw.choice((0.03, 0.1, 0.3)), "times": draw.randint(1, 12),
             "seed": draw.randrange(1 << 30)}]


def scripted(draw):
    rules = []
    for _ in range(draw.randint(1, 4)):
        where = {"key": draw.choice(PUBLICATION)} if draw.random() < 0.4 else {}
        if not where or draw.random() < 0.5:
            where["op"] = "PutObject" if where else draw.choice(OPS)
        kind, more = draw.choice([(kind, more) for ops, kind, more in CHAOS if ops == "*" or where.get("op") in ops])
        rules.append({**where, "nth": sorted(draw.sample(range(1, 7), draw.randint(1, 3))), "fault": kind, **more})
    return rules


def completion(draw):
    """What only a completion does: 200 at once, and then white space, or an error."""
    fits = [(kind, more) for ops, kind, more in CHAOS if ops == LATE_WORD]
    return [{"op": "CompleteMultipartUpload", "nth": nth, "fault": kind, **more}
            for nth, (kind, more) in enumerate(draw.choices(fits, k=draw.randint(1, 4)), 1)]


def overload(draw):
    return [{"fault": "error", "code": "SlowDown", "status": draw.choice((503, 429)), "above": draw.randint(1, 3)},
            {"fault": "delay", "seconds": 0.02}]


def refusal(draw):
    """No permission, for a request or two: the program says so and ends, or does without."""
    return [{"op": draw.choice(OPS), "nth": sorted(draw.sample(range(1, 9), draw.randint(1, 2))), "fault": "error",
             "code": "AccessDenied", "status": 403}]


def outage(draw):
    """From some request on nothing works, until the trouble is over."""
    kind, more = draw.choice((("reset_before", {}), ("error", {"code": "ServiceUnavailable", "status": 503}),
                              ("html", {"status": 502}), ("silent", {"seconds": 0.5}), ("redirect", {})))
    return [{"from": draw.randint(1, 40), "fault": kind, **more}]


def brief(result):
    """What it said, without the progress."""
    events = [e for e in result.events if e["event"] not in ("progress", "scan")]
    return f"exit {result.code} after {result.seconds:.1f} s, {events}, {result.err[-1500:]}"


def kind_of(entry):
    """The fault that met a request, with what it was answered."""
    kind = entry["fault"]
    if kind.startswith("error"):
        return f"{kind} {entry['status']} {entry['code']}"
    return f"{kind} {entry['status']}" if kind.startswith("html") else kind


class Told:
    """A story on its way: told() tells it, and check() asserts what must hold at its end."""

    def __init__(self, story, server, trees, folder):
        self.story, self.server, self.tree, self.folder = story, server, trees[story.tree_number], folder
        self.bucket = server.bucket(f"story-{story.seed}")
        self.grid = Grid(folder / "home")
        self.grid.env.update(server.env(self.bucket))
        self.killed_at, self.codes, self.n_done, self.faults = [], [], 0, collections.Counter()
        self.recovery_s, self.sent_twice, self.was_lost = None, None, False
        self.last, self.said_untidy = None, False

    def told(self):
        s = self.story
        self.server.faults(*s.rules, bucket=self.bucket)
        to_come = list(s.kills)
        for number in range(s.trouble_runs + len(s.kills) + 2):
            is_trouble = number < s.trouble_runs
            if number == s.trouble_runs:
                self.server.faults(bucket=self.bucket)
            kill = to_come.pop(0) if to_come else None
            if self.run(kill).code == 0:
                break
            if self.killed_at and self.codes[-1] == -signal.SIGKILL:
                continue
            assert is_trouble, f"exit {self.codes} though the trouble is over: {brief(self.last)}"
            assert self.may_end(self.last), f"exit {self.codes}: {brief(self.last)}"
        assert self.codes[-1] == 0, self.codes
        self.server.faults(bucket=self.bucket)

    def may_end(self, result):
        """In the midst of trouble: given up as it was told to, or the first answer was none of S3's."""
        if result.code == 75:
            return "--give-up-after" in self.story.options
        if result.code == 77:
            return any(rule.get("code") == "AccessDenied" for rule in self.story.rules)
        return result.code == 1 and result.event("error")["kind"] == "unusable"

    def run(self, kill):
        trace = self.folder / f"trace{len(self.codes)}"
        env = killpoint(at=kill[0], when=kill[1], trace=trace) if kill else {}
        was_told = any(e["event"] == "published" for e in self.last.events) if self.last else False
        self.n_done += was_told or Aftermath(self.server, self.bucket, "set").is_done()
        running = self.grid.start("datastore", "create", self.tree, "--name", "set", "--json", "--part-size", "16M",
                                  *self.story.options, env=env)
        self.last = result = self.wait(running)
        self.said_untidy |= any(e.get("kind") == "not_tidied" for e in result.events)
        self.codes.append(result.code)
        assert result.code != 99 and "Sanitizer" not in result.err, brief(result)
        if result.code == -signal.SIGKILL:
            assert kill, f"killed by another: {result}"
            self.killed_at.append(killed_at(trace))
            if kill[2]:
                shutil.rmtree(self.grid.home / "state", ignore_errors=True)
        else:
            assert result.code >= 0, f"ended by {signal.Signals(-result.code).name}: {result}"
            self.recovery_s = round(result.seconds, 2)
        return result

    def wait(self, running):
        end_of_trouble = threading.Timer(self.story.outage_s or 0, self.server.faults, kwargs={"bucket": self.bucket})
        if self.story.outage_s:
            end_of_trouble.start()
        try:
            return running.wait(RUN_LIMIT_S)
        except AssertionError:
            kinds = collections.Counter(e["event"] for e in running.events())
            raise AssertionError(f"still running after {RUN_LIMIT_S} s: {kinds}, {running.events()[-1:]}, "
                                 f"{running.err[-1500:]}") from None
        finally:
            end_of_trouble.cancel()

    def check(self):
        after = Aftermath(self.server, self.bucket, "set")
        self.faults.update(kind_of(e) for e in after.log if e["fault"])
        self.sent_twice = after.bytes_sent() - size_of(self.tree) * max(1, len(after.published()))
        # What was done before a kill may have been noted or not: then the next run made another version.  As it does
        # where the killed one had said already that it has published, and could only not tidy up.
        numbers = after.published()
        assert numbers == list(range(1, len(numbers) + 1)) and 1 <= len(numbers) <= 1 + self.n_done, (
            f"versions {numbers}, {self.n_done} runs began when all was done or said to be")
        self.was_lost = True
        after.check_content(self.tree, self.folder / "export", bool(self.killed_at), self.said_untidy)
        self.was_lost = False
        after.check_never_half()
        needless = after.sent_needlessly(self.killed_at)
        assert not needless, f"acknowledged, and sent again: {needless}"
