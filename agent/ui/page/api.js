// The server's side: questions, and the one stream of events.

export const pageId = Array.from(crypto.getRandomValues(new Uint8Array(12)), (b) => b.toString(16).padStart(2, "0")).join("");

export class ApiError extends Error {
  constructor(message, hint = "", kind = "") {
    super(message);
    this.hint = hint;
    this.kind = kind;
  }
}

function url(path, query = {}) {
  const words = Object.entries(query).filter(([, v]) => v !== undefined && v !== null && v !== "" && v !== false);
  const encoded = words.map(([k, v]) => `${k}=${v instanceof Ref ? v.ref : encodeURIComponent(v === true ? "1" : v)}`);
  return `/api/${path}${encoded.length ? "?" : ""}${encoded.join("&")}`;
}

/** A path that the server has percent-encoded, bytes that are not UTF-8 included. */
export class Ref {
  constructor(ref) { this.ref = ref.replaceAll("+", "%2B"); }
}

export { url as apiUrl };

async function send(path, query, options) {
  let response;
  try {
    response = await fetch(url(path, query), options);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ApiError("grid ui does not answer", "start it again in a terminal: grid ui");
  }
  if (response.ok) return response;
  if (response.status === 403)
    throw new ApiError("this page is not logged in any more", "open the link that grid ui prints");
  const problem = await response.json().catch(() => ({}));
  throw new ApiError(problem.error || `the server answered ${response.status}`, "", problem.kind);
}

function post(body) {
  return {method: "POST", headers: {"Content-Type": "application/json"}, body: JSON.stringify(body)};
}

export async function getJson(path, query) {
  return (await send(path, query)).json();
}

export async function getText(path, query) {
  return (await send(path, query)).text();
}

export async function postJson(path, body) {
  return (await send(path, {}, post(body))).json();
}

async function* linesOf(response) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const {done, value} = await reader.read();
    if (done) break;
    const lines = (rest + value).split("\n");
    rest = lines.pop();
    for (const line of lines) if (line) yield JSON.parse(line);
  }
}

/** "error: TEXT\nHINT" as a command says it, behind what it has said of its way there. */
export function problemOf(errors, events = []) {
  const told = events.findLast((e) => e.event === "error");
  if (told) return new ApiError(told.message, told.hint, told.kind);
  const lines = errors.trim().split("\n");
  const at = Math.max(0, lines.findIndex((line) => line.startsWith("error: ")));
  return new ApiError(lines[at].replace(/^error: /, "") || "the command failed",
                      lines.slice(at + 1).map((line) => line.trim()).join("\n"));
}

async function run(response, take) {
  const errors = [];
  let exit = null;
  for await (const event of linesOf(response)) {
    if (event.event === "exit") exit = event;
    else {
      if (event.event === "error") errors.push(event);
      take(event);
    }
  }
  return {exit, errors};
}

/** A command that prints lines: take() gets each; rejects where it fails, unless it may. */
export async function follow(path, query, take, {signal, mayFail = false} = {}) {
  const {exit, errors} = await run(await send(path, query, {signal}), take);
  if (exit === null) throw new ApiError("the answer broke off");
  if (exit.code !== 0 && !mayFail) throw problemOf(exit.errors, errors);
  return exit;
}

function warningsOf(errors) {
  return errors.split("\n").filter((line) => line.startsWith("warning: ")).map((line) => line.slice("warning: ".length));
}

/** One that changes something: resolves with its words, and what it warns of. */
export async function act(path, body) {
  const texts = [];
  const {exit, errors} = await run(await send(path, {}, post(body)), (e) => { if (e.event === "text") texts.push(e.text); });
  if (exit === null || exit.code !== 0) throw problemOf(exit?.errors ?? "", errors);
  return [...texts, ...warningsOf(exit.errors)].join("\n");
}

/** A session: resolves with its first word, "session" or "unchanged". */
export async function launch(path, body) {
  let begun = null;
  const {exit, errors} = await run(await send(path, {}, post(body)), (e) => {
    if (e.event === "session" || e.event === "unchanged") begun = e;
  });
  if (begun) return begun;
  throw problemOf(exit?.errors ?? "", errors);
}

// ---- events ----

const listeners = new Map();

export function on(event, listener) {
  if (!listeners.has(event)) listeners.set(event, new Set());
  listeners.get(event).add(listener);
  return () => listeners.get(event).delete(listener);
}

function emit(event, data) {
  for (const listener of [...(listeners.get(event) ?? [])]) listener(data);
}

export function connect() {
  const source = new EventSource(url("events", {page: pageId}));
  for (const name of ["hello", "session", "session_gone", "changed", "ask", "drop"])
    source.addEventListener(name, (e) => emit(name, JSON.parse(e.data)));
  source.addEventListener("open", () => emit("online", true));
  source.addEventListener("error", () => emit("online", false));
}
