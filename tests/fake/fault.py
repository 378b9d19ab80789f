"""
Scripted and seeded faults.

A rule is a dictionary.  Which requests it meets: `op` (a name or a list, "*" is all), `key` (a
pattern as in a shell), `part` (a number), `above` (while more than so many requests for the bucket
are under way, this one among them), and of those that match: `nth` (a number or a list, from 1),
`from` (that one and all later), `every` (each n-th), `chance` (0 to 1, seeded), `times` (at most so
often).  What then happens: `fault`, with parameters:

  before anything of the body is read
    reset_before                     RST
    stall_before   seconds           nothing is read; 0: until the client goes
    error_early    code status       answered although the body is still to come
  within the body
    reset_during   bytes|fraction    RST after so much of it (default: half)
    stall_during   bytes|fraction seconds
    slow           bytes_per_s       the body is taken no faster
  after the body; nothing is carried out, or all of it with "done": true
    reset_after                      RST instead of an answer     (lost_answer: with done)
    silent         seconds           no answer; 0: until the client goes
    error          code status retry_after message               (error_after: with done)
    html           status            a web page                   (portal)
    redirect       status location   302 to a login page
    garbage                          bytes that are no HTTP, then the end
  carried out
    truncated      fraction          a part of the answer, then the end
    late           seconds           RST now, carried out so much later
    delay          seconds           before the answer
    duplicate                        the answer comes twice
    wrong_etag, wrong_checksum, wrong_size      in the answer's head
    flip           at                a byte of the answer's body is changed
  CompleteMultipartUpload, CopyObject, UploadPartCopy
    whitespace     seconds code      200 at once, white space, then the answer (or an error)
    error_in_200   code              200 with an error document

`chaos` as the fault draws one of those that fit the operation; the choice and all chances come
from Random(seed).

Besides the rules for all requests a bucket can have rules of its own, with their own counts: so
many stories run at once against one server.
"""

import fnmatch
import random

ALIASES = {"lost_answer": ("reset_after", {"done": True}), "error_after": ("error", {"done": True})}
BEFORE = ("reset_before", "stall_before", "error_early")
DURING = ("reset_during", "stall_during", "slow")
INSTEAD = ("reset_after", "silent", "error", "html", "redirect", "garbage")
AFTER = ("truncated", "delay", "duplicate", "wrong_etag", "wrong_checksum", "wrong_size", "flip", "late")
LATE_WORD = ("CompleteMultipartUpload", "CopyObject", "UploadPartCopy")  # 200, and then they work
COMPLETE = ("whitespace", "error_in_200")
KNOWN = {*BEFORE, *DURING, *INSTEAD, *AFTER, *COMPLETE, "chaos", *ALIASES}
PARAMETERS = {"op", "key", "part", "nth", "from", "every", "chance", "times", "seed", "fault", "code", "status",
              "retry_after", "message", "seconds", "bytes", "fraction", "done", "location", "at", "body", "choices",
              "above", "bytes_per_s"}

# What chaos draws from: (operations, fault, parameters).  Nothing here is silent for good, so a
# client with ordinary time limits comes through.
BODIES = ("PutObject", "UploadPart")
SENDS = (*BODIES, "CompleteMultipartUpload", "DeleteObjects")  # there is something to break off in
CHAOS = [
    ("*", "reset_before", {}),
    ("*", "reset_after", {}),
    ("*", "reset_after", {"done": True}),
    ("*", "stall_before", {"seconds": 0.3}),
    ("*", "silent", {"seconds": 0.3}),
    ("*", "error", {"code": "InternalError", "status": 500}),
    ("*", "error", {"code": "SlowDown", "status": 503}),
    ("*", "error", {"code": "ServiceUnavailable", "status": 503, "retry_after": 1}),
    ("*", "error", {"code": "TooManyRequests", "status": 429}),
    ("*", "error", {"code": "RequestTimeout", "status": 400}),
    ("*", "error", {"code": "OperationAborted", "status": 409}),
    ("*", "error", {"code": "InternalError", "status": 500, "done": True}),
    ("*", "error", {"code": "GatewayTimeout", "status": 504, "done": True}),
    ("*", "html", {"status": 502}),
    ("*", "html", {"status": 200}),
    ("*", "redirect", {}),
    ("*", "garbage", {}),
    ("*", "garbage", {"done": True}),
    ("*", "truncated", {}),
    ("*", "truncated", {"fraction": 0.95}),
    ("*", "delay", {"seconds": 0.2}),
    ("*", "duplicate", {}),
    (SENDS, "reset_during", {}),
    (SENDS, "stall_during", {"seconds": 0.3}),
    (BODIES, "reset_during", {"fraction": 0.95}),
    (BODIES, "slow", {"bytes_per_s": 32 << 20}),
    (BODIES, "error_early", {"code": "SlowDown", "status": 503}),
    (BODIES, "error", {"code": "BadDigest", "status": 400}),
    (BODIES, "wrong_etag", {}),
    (BODIES, "wrong_checksum", {}),
    (BODIES, "late", {"seconds": 0.3}),
    (LATE_WORD, "whitespace", {"seconds": 0.5}),
    (LATE_WORD, "whitespace", {"seconds": 0.3, "code": "InternalError"}),
    (LATE_WORD, "error_in_200", {"code": "InternalError"}),
]


class Fault:
    def __init__(self, kind, parameters):
        if kind in ALIASES:
            kind, more = ALIASES[kind]
            parameters = {**parameters, **more}
        self.kind, self.parameters = kind, parameters

    def get(self, name, default=None):
        return self.parameters.get(name, default)

    @property
    def done(self):
        return bool(self.parameters.get("done"))

    def name(self):
        return self.kind + ("+done" if self.done else "")


class Rule:
    def __init__(self, text, seed):
        unknown = set(text) - PARAMETERS
        if unknown or text.get("fault") not in KNOWN:
            raise ValueError(f"fault rule: {sorted(unknown) or text.get('fault')!r} is not known")
        self.text, self.seen, self.hits = text, 0, 0
        ops = text.get("op", "*")
        self.ops = None if ops == "*" else {ops} if isinstance(ops, str) else set(ops)
        nth = text.get("nth")
        self.nth = None if nth is None else {nth} if isinstance(nth, int) else set(nth)
        self.random = random.Random(text.get("seed", seed))

    def meets(self, op, key, part, at_once):
        t = self.text
        if ((self.ops is not None and op not in self.ops)
                or ("key" in t and not fnmatch.fnmatchcase(key or "", t["key"]))
                or ("part" in t and part != t["part"])
                or at_once <= t.get("above", -1)):
            return False
        self.seen += 1
        return ((self.nth is None or self.seen in self.nth) and self.seen >= t.get("from", 1)
                and self.seen % t.get("every", 1) == 0 and self.hits < t.get("times", 1 << 60)
                and ("chance" not in t or self.random.random() < t["chance"]))

    def fault(self, op):
        self.hits += 1
        if self.text["fault"] != "chaos":
            return Fault(self.text["fault"], self.text)
        allowed = self.text.get("choices")
        fits = [(kind, more) for ops, kind, more in CHAOS
                if (ops == "*" or op in ops) and (allowed is None or kind in allowed)]
        return Fault(*self.random.choice(fits)) if fits else None


class Faults:
    def __init__(self, rules=(), seed=1):
        self.seed, self.of_bucket = seed, {}
        self.replace(rules)

    def replace(self, rules, bucket=None):
        """The rules for all requests, or those of one bucket."""
        if isinstance(rules, dict):
            rules = [rules]
        made = [Rule(rule, self.seed + i) for i, rule in enumerate(rules)]
        if bucket is None:
            self.rules = made
        else:
            self.of_bucket[bucket] = made

    def pick(self, op, bucket, key, part, at_once=1):
        """The fault of the first rule that meets the request; every rule counts it."""
        found = None
        for rule in [*self.rules, *self.of_bucket.get(bucket, ())]:
            if rule.meets(op, key, part, at_once) and found is None:
                found = rule.fault(op)
        return found

    def report(self, bucket=None):
        rules = self.rules if bucket is None else self.of_bucket.get(bucket, ())
        return [{**rule.text, "seen": rule.seen, "hits": rule.hits} for rule in rules]
