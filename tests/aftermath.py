"""
What an upload through trouble has left in a bucket of the fake, and how it came to be: by the
server's own state and log, which are the reader's view at every instant.
"""

import collections
import shutil
import time

import read_manifest

IN_FLIGHT_S = 0.3  # an answer that comes when a refusal has just ended the run may not be read any more
SETTLED_S = 1.5  # FORMATS.md promises one second; the rest is for a machine with more to do than it can
# The client got its answer all the same: what was acknowledged so need not be sent again.
HARMLESS = {None, "delay", "stall_before", "stall_during", "slow"}
PATIENCE_S = 10


def killed_at(trace):
    """When killpoint.so struck: the time of the last call that it traced; 0: it was the first."""
    lines = trace.read_text().splitlines()
    return int(lines[-1].split()[0]) / 1e9 if lines else 0.0


class Aftermath:
    """Once no request of the bucket is under way any more."""

    def __init__(self, server, bucket, name):
        self.server, self.bucket, self.name = server, bucket, name
        deadline = time.monotonic() + PATIENCE_S
        while (state := server.state_of(bucket))["in_flight"]:
            assert time.monotonic() < deadline, "requests are still under way"
            time.sleep(0.02)
        self.objects, self.uploads = state["objects"], state["uploads"]
        self.log = server.recent_log(bucket)

    def published(self):
        return sorted(int(key.split("/")[1][1:]) for key in self.objects
                      if key.startswith(self.name + "/v") and key.count("/") == 2 and key.endswith("/datastore.json"))

    def is_done(self):
        """The newest version is published and tidied up after, and none is begun: the next run makes another."""
        numbers = {int(key.split("/")[1][1:]) for key in self.objects if key.startswith(self.name + "/v")}
        return (bool(numbers) and sorted(numbers) == self.published()
                and f"{self.name}/v{max(numbers)}/session.json" not in self.objects)

    # ---- what is there

    def is_of_probe(self, key):
        return key.startswith(".grid-probe/")

    def check_content(self, tree, scratch, was_killed=False, said_untidy=False):
        """
        Every published version, by FORMATS.md alone and byte for byte; nothing else is there but what
        no client can prevent: a request that was given up and is carried out when all is over; and
        what a probe leaves that was killed, or could not remove it.  said_untidy: the program has
        warned that it could not remove what the session needed.
        """
        self.server.export(self.bucket, scratch)
        try:
            for number in self.published():
                read_manifest.check(scratch / self.name / f"v{number}", tree)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
        may_stay = was_killed or any(e["fault"] for e in self.log if self.is_of_probe(e["key"] or ""))
        last = {key: e["fault"] for e, key, _ in self.changes()}
        left = [key for key in self.objects if not self.is_of_version(key) and last[key] != "late"
                and not (may_stay and self.is_of_probe(key))
                and not (said_untidy and key.split("/")[2:3] in (["session"], ["session.json"]))]
        assert not left, f"left over: {left}"
        orphans = [u["key"] for u in self.uploads if not (may_stay and self.is_of_probe(u["key"]))]
        assert not orphans, f"orphan uploads: {orphans}"

    def refused(self):
        """Requests for which there was no permission: they end a run."""
        return [e for e in self.log if e["fault"] and e["code"] == "AccessDenied"]

    def is_of_version(self, key):
        words = key.split("/")
        return (words[0] == self.name and len(words) > 2 and int(words[1][1:]) in self.published()
                and (words[2:] == ["datastore.json"] or words[2] in ("manifest", "data", "odd")))

    # ---- what a reader saw

    def changes(self):
        """(entry, key, whether the key is there then) in the order in which they took effect."""
        for e in sorted((e for e in self.log if e["done"] and not 400 <= e["status"] < 500),
                        key=lambda e: e["committed"]):
            if e["op"] in ("PutObject", "CopyObject", "CompleteMultipartUpload"):
                yield e, e["key"], True
            elif e["op"] in ("DeleteObject", "DeleteObjects"):
                for key in e.get("keys", [e["key"]]):
                    yield e, key, False

    def check_never_half(self):
        """
        When a version's record appeared all of it was there, and nothing of it has changed since; but
        the record may be put once more where the answer was lost and the put is not conditional.
        """
        for number in self.published():
            top = f"{self.name}/v{number}/"
            record = top + "datastore.json"
            whole = {key for key in self.objects if self.is_of_version(key) and key.startswith(top)} - {record}
            there, since, was_lost = set(), None, False
            for e, key, is_there in self.changes():
                if since is not None and key in whole | {record} and not (key == record and is_there and was_lost):
                    assert e["start"] < since and is_there, f"{e['op']} {key} after its version was published"
                if key == record:
                    was_lost = e["fault"] not in HARMLESS
                (there.add if is_there else there.discard)(key)
                if key == record and since is None:
                    since = e["committed"]
                    assert whole <= there, f"published without {sorted(whole - there)[:5]}"
            assert since is not None, f"{record} is there, and nobody put it"

    # ---- what was sent

    def bodies(self):
        """The requests that brought bytes of files, in the order of their end."""
        return [e for e in self.log if e["op"] in ("PutObject", "UploadPart")
                and len(words := e["key"].split("/")) > 3 and words[0] == self.name and words[2] in ("data", "odd")]

    def bytes_sent(self):
        return sum(e["bytes"] for e in self.bodies())

    def sent_needlessly(self, kills):
        """
        Bodies that were acknowledged, undisturbed, and sent again all the same: with no kill within
        SETTLED_S after the answer, no refusal that ended the run just then, and no lie about a part of
        that file before they came again (then it is begun anew).  Anything else that came twice had
        been in flight at a fault or kill.
        """
        answered = collections.defaultdict(list)
        for e in self.bodies():
            if e["status"] == 200 and e["fault"] in HARMLESS:
                answered[e["key"], e["partNumber"]].append(e)
        return [(key, part, e["bytes"]) for (key, part), found in answered.items()
                for e, again in zip(found, found[1:])
                if not any(kill - SETTLED_S < e["time"] and kill < again["time"] for kill in kills)
                and not any(abs(r["time"] - e["time"]) < IN_FLIGHT_S for r in self.refused())
                and not any(lie["time"] < again["time"] for lie in self.lies(key))]

    def lies(self, key):
        """Answers that name another ETag: the client cannot know of which part the store is right."""
        return [e for e in self.log if e["key"] == key and e["fault"] == "wrong_etag"]
