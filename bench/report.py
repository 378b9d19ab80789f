"""RESULTS.md from the figures: ratios first, then a table a case.  Remarks written by hand are kept."""

import os
import platform
import statistics
from pathlib import Path

from clients import OURS

RESULTS = Path(__file__).resolve().parent / "RESULTS.md"
BEGIN, END = "<!-- remarks: kept when this file is written anew -->", "<!-- end of remarks -->"
DISTURBED = 0.25  # cores
SIGNED, UNSIGNED = OURS


def undisturbed(runs):
    """Those beside which the machine had little else to do; all, where there is none."""
    return [run for run in runs if run["others"] < DISTURBED] or runs


class Metric:
    """value(run, amount) of one run; amount: GiB or objects."""

    def __init__(self, title, value, is_more_better, digits):
        self.title, self.value, self.is_more_better, self.digits = title, value, is_more_better, digits

    def values(self, entry):
        return [self.value(run, entry["amount"]) for run in undisturbed(entry["runs"])]

    def show(self, entry):
        """Median, and (smallest-largest) where there is more than one."""
        values = self.values(entry)
        shown = [f"{v:,.{self.digits}f}" for v in (statistics.median(values), min(values), max(values))]
        return shown[0] if len(values) == 1 else f"{shown[0]} ({shown[1]}–{shown[2]})"


CPU_PER_GIB = Metric("CPU s/GiB", lambda r, n: r["cpu_s"] / n, False, 2)
PER_CPU_S = Metric("per CPU s", lambda r, n: n / r["cpu_s"], True, 0)
PER_S = Metric("per s", lambda r, n: n / r["wall_s"], True, 0)
WALL = Metric("wall s", lambda r, n: r["wall_s"], False, 2)
RSS = Metric("peak RSS MB", lambda r, n: r["rss_mb"], False, 0)
REQUESTS = Metric("requests", lambda r, n: sum(r["requests"].values()), False, 0)
CONNECTIONS = Metric("connections", lambda r, n: r["connections"], False, 0)
AT_ONCE = Metric("most at once", lambda r, n: r["most_at_once"], False, 0)
OTHERS = Metric("other cores busy", lambda r, n: r["others"], False, 2)
SINK = Metric("the sink's CPU s", lambda r, n: r["sink_cpu_s"], False, 2)

BIG = [CPU_PER_GIB, WALL, RSS, REQUESTS, CONNECTIONS, SINK, OTHERS]
SMALL = [PER_CPU_S, PER_S, WALL, RSS, REQUESTS, CONNECTIONS, AT_ONCE, SINK, OTHERS]
TREE = [PER_CPU_S, PER_S, WALL, RSS, OTHERS]

# What is compared, and the target: a figure, and how many times as good as the best of the others; None: no target.
TARGETS = {
    "big-http": [(UNSIGNED, CPU_PER_GIB, 0.65, None), (UNSIGNED, WALL, None, 1.0), (SIGNED, CPU_PER_GIB, None, None),
                 (SIGNED, RSS, 67.1, None)],
    "big-https": [(SIGNED, CPU_PER_GIB, 0.90, None), (SIGNED, WALL, None, 1.0), (SIGNED, RSS, 67.1, None)],
    "small-0": [(SIGNED, PER_CPU_S, 12000, 3.0), (SIGNED, PER_S, None, 2.5), (SIGNED, RSS, 67.1, None)],
    "small-20": [(SIGNED, PER_S, 10000, None), (SIGNED, RSS, 67.1, None)],
    "small-100": [(SIGNED, PER_S, 5000, None), (SIGNED, RSS, 67.1, None)],
    "verify": [(SIGNED, CPU_PER_GIB, None, 1.0), (SIGNED, WALL, None, 1.0)],
    "download": [(SIGNED, CPU_PER_GIB, None, 1.0), (SIGNED, WALL, None, 1.0)],
    "walk": [(SIGNED, WALL, None, 0.4)],  # find sorts nothing and notes nothing
}


def machine():
    model = memory = "?"
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.partition(": ")[2]
    for line in Path("/proc/meminfo").read_text().splitlines():
        if line.startswith("MemTotal"):
            memory = f"{int(line.split()[1]) / (1 << 20):.0f} GiB"
    return f"{os.cpu_count()} × {model}, {memory}, Linux {platform.release().partition('-')[0]}"


def table(head, rows):
    return ["| " + " | ".join(head) + " |", "| " + " | ".join(["---"] * len(head)) + " |",
            *("| " + " | ".join(row) + " |" for row in rows), ""]


def target_row(case, name, metric, figure, ratio):
    entries, title = case["clients"], case["title"] + name.removeprefix(SIGNED)
    ours = entries.get(name)
    others = {other: statistics.median(metric.values(e)) for other, e in entries.items()
              if other not in OURS and e["runs"]}
    if not ours or not ours["runs"] or not others:
        return None
    mine = statistics.median(metric.values(ours))
    best = (max if metric.is_more_better else min)(others, key=others.get)
    times = mine / others[best] if metric.is_more_better else others[best] / mine
    wanted = [] if figure is None else [f"{figure:,.{metric.digits}f}"]
    wanted += [] if ratio is None else [f"{ratio:.1f} ×"]
    met = (figure is None or (mine >= figure if metric.is_more_better else mine <= figure)) and times >= (ratio or 0)
    return [title, metric.title, f"{mine:,.{metric.digits}f}", f"{others[best]:,.{metric.digits}f} ({best})",
            f"{times:.2f}", " and ".join(wanted) or "–", "" if not wanted else "yes" if met else "**no**"]


def targets(results):
    rows = [target_row(results[case], *row) for case in TARGETS if case in results for row in TARGETS[case]]
    return table(["case", "figure", "grid", "best of the others", "times as good", "target", "met"],
                 [row for row in rows if row])


def case_section(case):
    metrics = {"GiB": BIG, "objects": SMALL, "entries": TREE}[case["unit"]]
    rows = [[name, *(m.show(e) for m in metrics)] for name, e in case["clients"].items() if e["runs"]]
    lines = [f"## {case['title']}", "", *table(["", *(m.title for m in metrics)], rows)]
    for name, e in case["clients"].items():
        if e.get("why"):
            lines += [f"{name}: {e['why']}", ""]
    return lines


def micro_section(micro):
    rows = [[m["name"], f"{statistics.median(m['values']):,.{m['digits']}f} "
             f"({min(m['values']):,.{m['digits']}f}–{max(m['values']):,.{m['digits']}f})", m["unit"]] for m in micro]
    return ["## Micro benchmarks", "", "One thread; CPU time of that thread.", "", *table(["", "", ""], rows)]


def remarks():
    if RESULTS.exists():
        text = RESULTS.read_text()
        if BEGIN in text and END in text:
            return text.partition(BEGIN)[2].partition(END)[0].strip("\n")
    return ""


def write(figures):
    """figures: {"machine", "versions": {name: text}, "missing": [name], "cases": {...}, "micro": [...]}"""
    lines = ["# grid beside other tools", "",
             "Written by `bench/run` (README: Benchmarks). Medians of the rounds, in brackets the smallest and the "
             "largest. CPU is user and system time of the client. Differences under 15 % are noise. \"Other cores busy\": how much else "
             f"the machine had to do meanwhile; runs with more than {DISTURBED} of that count only where there is no "
             "other.", "",
             f"Machine: {figures['machine']}; client and sink on the same machine. {figures['when']}.", "",
             "Tools: " + "; ".join(figures["versions"].values()) + ".", ""]
    if figures["missing"]:
        lines += ["Not here: " + ", ".join(figures["missing"]) + ".", ""]
    lines += ["## Ratios", "", *targets(figures["cases"]), BEGIN, "", remarks(), "", END, ""]
    for name in TARGETS:
        if name in figures["cases"]:
            lines += case_section(figures["cases"][name])
    if figures["micro"]:
        lines += micro_section(figures["micro"])
    RESULTS.write_text("\n".join(lines).rstrip("\n") + "\n")
