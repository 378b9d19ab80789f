// Elements, and figures in words.

/** h("p", {class: "x", onclick: f}, "text", child, ...): strings become text, never markup. */
export function h(tag, props = {}, ...children) {
  const element = document.createElement(tag);
  for (const [key, value] of Object.entries(props || {})) {
    if (value === undefined || value === null || value === false) continue;
    if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else if (key in element && typeof value !== "string" && key !== "list") element[key] = value;
    else element.setAttribute(key, value === true ? "" : value);
  }
  add(element, children);
  return element;
}

function add(element, children) {
  for (const child of children) {
    if (child === undefined || child === null || child === false) continue;
    if (Array.isArray(child)) add(element, child);
    else element.append(child);
  }
}

export function fill(element, ...children) {
  element.replaceChildren();
  add(element, children);
  return element;
}

/** Children put in place of those that are there, each kept where it is the same: the focus stays where it was. */
export function arrange(element, children) {
  const wanted = new Set(children);
  for (const child of [...element.children]) if (!wanted.has(child)) child.remove();
  children.forEach((child, i) => {
    if (element.children[i] !== child) element.insertBefore(child, element.children[i] ?? null);
  });
}

/** For who does not see the page; gone with the view that it was said in. */
export function say(text) {
  document.getElementById("live").textContent = text;
}

let parting = "";

/** The same, where the view is left for another. */
export function sayThere(text) {
  parting = text;
}

export function arrived() {
  say(parting);
  parting = "";
}

const UNITS = ["bytes", "KiB", "MiB", "GiB", "TiB", "PiB"];

export function size(bytes) {
  let n = Number(bytes), unit = 0;
  while (n >= 1024 && unit < UNITS.length - 1) { n /= 1024; unit++; }
  const digits = unit === 0 || n >= 100 ? 0 : n >= 10 ? 1 : 2;
  return `${n.toLocaleString("en", {maximumFractionDigits: digits})} ${unit === 0 && n === 1 ? "byte" : UNITS[unit]}`;
}

export function count(n, one, many) {
  return `${Number(n).toLocaleString("en")} ${Number(n) === 1 ? one : many}`;
}

export function files(n) {
  return count(n, "file", "files");
}

export function when(iso) {
  const t = new Date(iso);
  if (Number.isNaN(t.getTime())) return "";
  const date = t.toLocaleDateString("sv"), time = t.toLocaleTimeString("sv").slice(0, 5);
  return `${date} ${time}`;
}

export function duration(seconds) {
  const s = Math.max(0, Math.round(seconds));
  if (s < 90) return count(s, "second", "seconds");
  if (s < 90 * 60) return count(Math.round(s / 60), "minute", "minutes");
  if (s < 36 * 3600) return count(Math.round(s / 3600), "hour", "hours");
  return count(Math.round(s / 86400), "day", "days");
}

export function copyButton(text, what) {
  const button = h("button", {
    type: "button", class: "quiet small", "aria-label": `Copy ${what}`, title: `Copy ${what}`,
    onclick: async () => {
      try {
        await navigator.clipboard.writeText(text);
        button.textContent = "Copied";
      } catch {
        getSelection().selectAllChildren(button.parentElement.querySelector("code") ?? button.parentElement);
        button.textContent = "Press Ctrl-C";
      }
      say(`${what} copied`);
      setTimeout(() => { button.textContent = "Copy"; }, 1500);
    },
  }, "Copy");
  return button;
}

/** As a shell takes it. */
export function quoted(word) {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}

/** Does what a button is for: meanwhile it says so, and neither it nor the others can be pressed. */
export async function busy(button, word, action, others = []) {
  const label = button.textContent;
  const hadFocus = document.activeElement === button;
  const all = [button, ...others];
  all.forEach((b) => { b.disabled = true; });
  button.setAttribute("aria-busy", "true");
  button.textContent = word;
  try {
    return await action();
  } finally {
    all.forEach((b) => { b.disabled = false; });
    button.removeAttribute("aria-busy");
    button.textContent = label;
    if (hadFocus && (document.activeElement ?? document.body) === document.body) button.focus();
  }
}

/** A message with what to do about it. */
export function trouble(message, hint) {
  return h("div", {class: "strip bad", role: "alert"}, h("p", {}, message), hint ? h("p", {class: "hint"}, hint) : null);
}

let lastId = 0;
export function field(label, control, note) {
  const id = `f${++lastId}`;
  control.id = id;
  if (note) control.setAttribute("aria-describedby", `${id}n`);
  return h("div", {class: "field"}, h("label", {for: id}, label), control,
           note ? h("p", {class: "note", id: `${id}n`}, note) : null);
}

/** A modal dialog; resolves with what its buttons give, null when it is closed otherwise. */
export function ask(title, body, buttons) {
  return new Promise((resolve) => {
    const dialog = h("dialog", {"aria-label": title});
    const end = (value) => { dialog.remove(); resolve(value); };
    const row = h("div", {class: "row end"}, buttons.map((b) => {
      b.addEventListener("click", () => { if (!b.disabled) { dialog.close(); end(b.value); } });
      return b;
    }));
    fill(dialog, h("h2", {}, title), body, row);
    dialog.addEventListener("close", () => end(null));
    document.body.append(dialog);
    dialog.showModal();
  });
}
