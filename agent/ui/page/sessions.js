// Every session of this machine: how far it is, and what can be done about it.

import {act, follow, getText, launch, on, postJson} from "./api.js";
import {arrange, ask, count, duration, fill, files, h, size, trouble, when} from "./dom.js";
import {drops} from "./drop.js";
import {onSessions, rates, sessions} from "./store.js";

const WORDS = {
  starting: "starting", scanning: "looking at the source", uploading: "uploading", publishing: "publishing",
  waiting_network: "waiting for the network", waiting_credentials: "waiting for keys",
  interrupted: "paused", stopped: "paused", failed: "failed", succeeded: "done", published: "done",
};

// ---- the rate as a curve ----

const SVG = "http://www.w3.org/2000/svg";
const WIDTH = 240, HEIGHT = 48;

function svg(tag, attributes) {
  const element = document.createElementNS(SVG, tag);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  return element;
}

function graph() {
  const area = svg("path", {class: "area"}), line = svg("path", {class: "line"});
  const element = svg("svg", {viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", class: "graph", role: "img"});
  element.append(area, line);
  return {element, draw(seen) {
    const top = Math.max(1, ...seen);
    const span = Math.max(30, seen.length) - 1;
    const x = (i) => WIDTH * (1 - (seen.length - 1 - i) / span);
    const y = (rate) => HEIGHT - 2 - (HEIGHT - 6) * rate / top;
    const points = seen.map((rate, i) => `${x(i).toFixed(1)} ${y(rate).toFixed(1)}`);
    line.setAttribute("d", points.length ? `M${points.join("L")}` : "");
    area.setAttribute("d", points.length ? `M${x(0).toFixed(1)} ${HEIGHT}L${points.join("L")}L${WIDTH} ${HEIGHT}Z` : "");
    element.setAttribute("aria-label", seen.length ? `Rate of the last two minutes, at most ${size(top)} a second` : "No rate yet");
  }};
}

// ---- how far it is ----

/** What is stored, and paler behind it what is on the way. */
function bar(name) {
  const ahead = h("progress", {class: "ahead", "aria-hidden": "true"});
  const stored = h("progress", {"aria-label": `Progress of ${name}`});
  return {element: h("div", {class: "stretches"}, ahead, stored), draw(s) {
    const isKnown = s.scan_done || !s.running;
    ahead.hidden = !isKnown;
    stored.setAttribute("aria-valuetext", headline(s));
    if (!isKnown) {
      stored.removeAttribute("value");
      return;
    }
    ahead.max = stored.max = Math.max(1, s.bytes_total);
    stored.value = isDone(s) ? stored.max : s.bytes_done;
    ahead.value = stored.value + s.bytes_in_flight;
  }};
}

// ---- one session ----

/** While the source is gone over there is no whole to be a part of. */
function amounts(s) {
  if (s.scan_done)
    return [`${size(s.bytes_done)} of ${size(s.bytes_total)}`, `${Number(s.files_done).toLocaleString("en")} of ${files(s.files_total)}`];
  const found = s.state === "scanning" ? `scanning: ${files(s.files_total)} found` : `${files(s.files_total)} found so far`;
  return [s.files_total || s.state === "scanning" ? found : "",
    s.bytes_total ? size(s.bytes_total) : "",
    s.files_done || s.bytes_done ? `${files(s.files_done)}, ${size(s.bytes_done)} stored` : ""].filter(Boolean);
}

function headline(s) {
  const figures = amounts(s);
  if (s.bytes_in_flight) figures.splice(s.scan_done ? 1 : figures.length, 0, `${size(s.bytes_in_flight)} on the way`);
  if (s.running && s.rate > 0) figures.push(`${size(s.rate)}/s`);
  if (s.running && s.eta_s > 0) figures.push(`about ${duration(s.eta_s)} left`);
  return figures.join(" · ");
}

function details(s) {
  const figures = [];
  if (s.running && s.connections) figures.push(count(s.connections, "connection", "connections"));
  if (s.retries) figures.push(count(s.retries, "retry", "retries"));
  if (s.bytes_sent) figures.push(`${size(s.bytes_sent)} sent`);
  if (s.limit) figures.push(`limited to ${size(s.limit)}/s`);
  figures.push(`begun ${when(s.started)}`);
  return figures.join(" · ");
}

function isDone(s) {
  return s.state === "succeeded" || s.state === "published";
}

/** By somebody, here or in a terminal: that is no trouble. */
function isPaused(s) {
  return !s.running && s.reason === "asked to stop";
}

function isOfBrowser(s) {
  return s.source.startsWith("browser:");
}

async function discard(s) {
  const typed = await ask(`Give up the upload of ${s.name}?`,
    h("p", {}, `What was uploaded of ${s.name} version ${s.version} is removed from ${s.cluster}. The source is not touched. Other unfinished uploads of the same name there are removed, too.`),
    [h("button", {type: "button", value: ""}, "Keep it"), h("button", {type: "button", class: "danger", value: "yes"}, "Give it up")]);
  if (typed !== "yes") return;
  await act("delete", {name: s.name, incomplete: true, cluster: s.cluster, confirm: s.name});
}

/** show() puts the limit in force into the field, but for one that is just being typed. */
function limitForm(card) {
  let shown = 0;
  const input = h("input", {type: "number", min: "0", step: "any", inputmode: "decimal", placeholder: "none",
                            "aria-label": "Limit in MiB a second"});
  const form = h("form", {class: "limit", onsubmit: (e) => {
    e.preventDefault();
    card.attempt(() => postJson("sessions/limit", {session: card.id, limit: Number(input.value) > 0 ? `${Math.max(1, Math.round(input.value * 1024))}K` : ""}));
  }}, h("label", {}, "Limit ", input, " MiB/s"), h("button", {class: "small"}, "Set"));
  return {form, show(limit) {
    if (limit === shown || document.activeElement === input) return;
    shown = limit;
    input.value = limit ? String(Number((limit / 2 ** 20).toPrecision(4))) : "";
  }};
}

// ---- what became of those that are done ----

const deleted = new Set(); // their ids

function whereItIs(s) {
  return deleted.has(s.session_id)
    ? h("p", {class: "note"}, "This version was deleted since.")
    : h("p", {}, h("a", {href: "#/" + ["datastore", s.cluster, s.name, s.version].map(encodeURIComponent).join("/")}, "Look at it"));
}

/** Where the store does not answer nothing is known of it. */
async function lookForDeleted(signal) {
  const done = [...sessions.values()].filter(isDone);
  for (const cluster of new Set(done.map((s) => s.cluster))) {
    const there = new Set();
    try {
      await follow("datastores", {cluster}, (d) => { if (d.name) there.add(`${d.name}:${d.version}`); }, {signal});
    } catch {
      continue;
    }
    for (const s of done.filter((one) => one.cluster === cluster)) {
      if (there.has(`${s.name}:${s.version}`)) deleted.delete(s.session_id);
      else deleted.add(s.session_id);
    }
  }
}

// ---- its card ----

class Card {
  constructor(s) {
    this.id = s.session_id;
    this.graph = graph();
    this.chip = h("span", {class: "chip"});
    this.title = h("h2", {});
    this.bar = bar(s.name);
    this.figures = h("p", {class: "figures"});
    this.more = h("p", {class: "note"});
    this.waiting = h("div", {class: "strip warn", role: "status", hidden: true});
    this.flight = h("ul", {class: "flight", "aria-label": "Files in flight"});
    this.problem = h("div");
    this.source = h("p", {class: "note"});
    this.pause = h("button", {type: "button", onclick: () => this.attempt(() => this.stop(), "Pausing: what is under way is noted first …")}, "Pause");
    this.resume = h("button", {type: "button", class: "primary", onclick: () => this.attempt(() => launch("sessions/resume", {session: this.id}), "Resuming …")}, "Resume");
    this.giveUp = h("button", {type: "button", class: "danger-quiet", onclick: () => this.attempt(() => this.end(), "Stopping …")}, "Stop for good …");
    this.limit = limitForm(this);
    this.logText = h("pre", {class: "log", tabindex: "0", "aria-label": "Log"});
    this.log = h("details", {ontoggle: () => this.showLog()}, h("summary", {}, "Log"), this.logText);
    this.element = h("article", {class: "panel session", "aria-label": `${s.name} version ${s.version}`},
      h("div", {class: "head"}, this.title, this.chip), this.source, this.bar.element, this.figures, this.more, this.waiting,
      h("div", {class: "two"}, this.graph.element, this.flight), this.problem,
      h("div", {class: "row"}, this.pause, this.resume, this.limit.form, this.giveUp), this.log);
    this.update(s);
  }

  async attempt(action, word) {
    fill(this.problem, word ? h("p", {class: "note", role: "status"}, word) : null);
    try {
      await action();
      fill(this.problem);
    } catch (error) {
      fill(this.problem, trouble(error.message, error.hint));
    }
  }

  async stop() {
    await postJson("sessions/stop", {session: this.id});
    await this.untilStopped();
  }

  async end() {
    const s = sessions.get(this.id);
    if (s?.running) await this.stop();
    await discard(sessions.get(this.id) ?? s);
  }

  untilStopped() {
    return new Promise((resolve, reject) => {
      const look = () => {
        if (sessions.get(this.id)?.running) return false;
        clearTimeout(timer);
        off();
        resolve();
        return true;
      };
      const off = onSessions(look);
      const timer = setTimeout(() => { off(); reject(new Error("it was asked to stop, and still runs")); }, 30000);
      look();
    });
  }

  async showLog() {
    if (!this.log.open) return;
    const text = await getText("sessions/log", {session: this.id}).catch((error) => error.message);
    this.logText.textContent = (text.length < 60000 ? text : text.slice(text.indexOf("\n") + 1)) || "Nothing so far.";
    this.logText.scrollTop = this.logText.scrollHeight;
  }

  reason(s) {
    const drop = drops.get(s.session_id) ?? [...drops.values()].find((d) => d.name === s.name && isOfBrowser(s));
    if (s.running && isOfBrowser(s) && drop?.state === "away")
      return "The page with its files is closed: choose the same folder again, in New → From the browser. It waits for half a minute, and can go on later, too.";
    if (s.running && s.reason) return `${s.refused ? "The store refuses for now" : "Waiting"}: ${s.reason}`;
    if (isPaused(s) && !isOfBrowser(s)) return "Paused, as was asked. It goes on where it stopped.";
    if (!s.running && !isDone(s) && isOfBrowser(s))
      return `${isPaused(s) ? "Paused, as was asked. " : s.reason ? `${s.reason}. ` : ""}To go on, choose the same folder again in New → From the browser, with the name ${s.name}.`;
    return !s.running && !isDone(s) ? s.reason : "";
  }

  update(s) {
    const state = s.running ? s.state : isDone(s) ? "succeeded" : s.state === "failed" || s.exit_code === 1 || s.exit_code === 77 ? "failed" : "interrupted";
    const reason = this.reason(s);
    fill(this.title, s.name, h("span", {class: "version"}, ` version ${s.version} · ${s.cluster}`));
    this.chip.className = `chip ${state}`;
    this.chip.textContent = WORDS[state] ?? state;
    fill(this.source, isOfBrowser(s) ? `From the browser: ${s.source.slice(8)}` : ["From ", h("code", {}, s.source)]);
    this.bar.draw(s);
    this.figures.textContent = headline(s);
    this.more.textContent = details(s);
    this.waiting.hidden = !reason;
    this.waiting.className = isPaused(s) ? "strip" : `strip ${state === "failed" ? "bad" : "warn"}`;
    if (this.waiting.textContent !== reason) this.waiting.textContent = reason;
    fill(this.flight, s.running ? s.files.map((f) => h("li", {}, h("span", {class: "path", title: f.path}, f.path),
      h("progress", {max: Math.max(1, f.size), value: f.done, "aria-label": f.path}))) : null);
    const seen = rates.get(this.id) ?? [];
    this.graph.element.style.display = s.running && seen.length > 1 ? "" : "none";
    this.flight.hidden = !s.running;
    this.graph.draw(seen);
    this.pause.hidden = !s.running;
    this.resume.hidden = s.running || isDone(s) || isOfBrowser(s);
    this.limit.form.hidden = !s.running;
    this.limit.show(s.limit);
    this.giveUp.hidden = isDone(s);
    if (isDone(s)) fill(this.problem, whereItIs(s));
  }
}

/** Running ones first, then those that can go on, then the latest. */
function order(a, b) {
  const rank = (s) => (s.running ? 0 : isDone(s) ? 2 : 1);
  return rank(a) - rank(b) || (a.started < b.started ? 1 : -1);
}

export function sessionsView(main) {
  const cards = new Map();
  const list = h("div", {class: "cards-list"});
  const note = h("p", {class: "note"});
  const aborter = new AbortController();
  let timer = null, isWanted = true;

  function draw(changed) {
    if (changed && cards.has(changed.session_id) && sessions.has(changed.session_id))
      cards.get(changed.session_id).update(sessions.get(changed.session_id));
    const wanted = [...sessions.values()].sort(order);
    for (const s of wanted)
      if (!cards.has(s.session_id)) cards.set(s.session_id, new Card(s));
    for (const id of [...cards.keys()])
      if (!sessions.has(id)) cards.delete(id);
    arrange(list, wanted.map((s) => cards.get(s.session_id).element));
    fill(note, wanted.length === 0 ? ["No upload is running or interrupted on this machine. ", h("a", {href: "#/new"}, "Begin one"), "."] : null);
    if (isWanted && wanted.some(isDone)) lookSoon();
  }

  /** At first, and when something may have been deleted. */
  function lookSoon() {
    isWanted = false;
    clearTimeout(timer);
    timer = setTimeout(async () => {
      await lookForDeleted(aborter.signal);
      for (const [id, one] of cards) if (sessions.has(id)) one.update(sessions.get(id));
    }, 200);
  }

  fill(main, h("div", {class: "head"}, h("h1", {}, "Sessions"), h("a", {class: "button primary", href: "#/new"}, "New datastore")), list, note);
  draw(null);
  const offs = [onSessions(draw), on("changed", ({what}) => { if (what === "datastores") lookSoon(); })];
  const seen = () => { if (document.visibilityState === "visible") lookSoon(); };
  document.addEventListener("visibilitychange", seen);
  return () => {
    aborter.abort();
    clearTimeout(timer);
    document.removeEventListener("visibilitychange", seen);
    offs.forEach((off) => off());
  };
}
