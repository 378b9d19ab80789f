// What is known of sessions and clusters, for every view.

import {on, follow} from "./api.js";

export const sessions = new Map(); // by id
export const rates = new Map();    // id -> the last two minutes
const RATES_MAX = 120;

const listeners = new Set();
export function onSessions(listener) {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

function changed(session) {
  for (const listener of [...listeners]) listener(session);
}

on("hello", () => { sessions.clear(); changed(null); });

on("session", (s) => {
  sessions.set(s.session_id, s);
  if (s.running) {
    const seen = rates.get(s.session_id) ?? [];
    seen.push(s.rate);
    if (seen.length > RATES_MAX) seen.shift();
    rates.set(s.session_id, seen);
  }
  changed(s);
});

on("session_gone", (s) => { sessions.delete(s.session_id); changed(s); });

export async function clusters() {
  const found = [];
  await follow("clusters", {}, (c) => { if (c.name) found.push(c); });
  return found;
}

/** "--cluster X" where it is not the current one. */
export async function clusterWords(name) {
  const current = (await clusters()).find((c) => c.current);
  return current && current.name === name ? "" : ` --cluster ${name}`;
}
