// Where datastores are kept, and the keys to it.

import {act, ApiError, follow, on, problemOf} from "./api.js";
import {arrange, ask, busy, field, fill, h, say, trouble} from "./dom.js";
import {clusters} from "./store.js";

// ---- the doctor ----

const MARKS = {ok: ["good", "✓"], note: ["other", "–"], fails: ["bad", "!"]};

function lineOf(e) {
  const [look, mark] = MARKS[e.result] ?? MARKS.note;
  return h("li", {class: look},
    h("span", {class: "mark", "aria-hidden": "true"}, mark),
    h("span", {}, h("strong", {}, e.check), ` ${e.result}: `, e.message,
      e.hint ? h("span", {class: "hint note"}, e.hint) : null,
      e.policy ? h("pre", {class: "log", tabindex: "0", "aria-label": "Policy"}, e.policy) : null));
}

async function check(name, into) {
  const list = h("ul", {class: "checks"});
  const note = h("p", {role: "status"}, "Checking …");
  fill(into, list, note);
  try {
    const exit = await follow("clusters/check", {name}, (e) => {
      if (e.check) list.append(lineOf(e));
    }, {mayFail: true});
    if (exit.code !== 0 && list.children.length === 0) throw problemOf(exit.errors);
    fill(note, exit.code === 0 ? h("strong", {class: "good-text"}, "All is well.")
      : h("strong", {class: "bad-text"}, "Something is to be done: what is marked with ! above."));
  } catch (error) {
    fill(into, list, trouble(error.message, error.hint));
  }
}

// ---- one cluster ----

async function forget(c, button, result, attempt) {
  const yes = await ask(`Forget ${c.name}?`, h("p", {}, "Its address and keys are forgotten on this machine. What it stores stays."),
    [h("button", {type: "button", value: ""}, "Keep it"), h("button", {type: "button", class: "danger", value: "yes"}, "Forget it")]);
  if (yes === "yes") await attempt(button, "Forgetting …", () => act("clusters/forget", {name: c.name}), result);
}

function facts(c) {
  const isS3 = c.store.startsWith("s3:");
  return h("dl", {class: "facts"}, h("dt", {}, "Store"), h("dd", {}, h("code", {}, c.store)),
    isS3 ? [h("dt", {}, "Endpoint"), h("dd", {}, c.endpoint ? h("code", {}, c.endpoint) : "AWS"),
            h("dt", {}, "Keys"), h("dd", {}, c.access_key ? h("code", {}, c.access_key) : "none: log in")] : null);
}

/** What was found out of it last stands in `result`, whatever becomes of the card. */
function cardOf(c, result, attempt) {
  const isFixed = c.name === "local" || c.name === "env";
  const action = (path, word) => (e) => attempt(e.currentTarget, word, () => act(path, {name: c.name}), result);
  return h("article", {class: "panel", "aria-label": c.name, tabindex: "-1"},
    h("div", {class: "head"}, h("h2", {}, c.name), c.current ? h("span", {class: "chip succeeded"}, "current") : null),
    facts(c),
    h("div", {class: "row"},
      c.current || c.name === "env" ? null
        : h("button", {type: "button", class: "primary", onclick: action("clusters/use", "Changing …")}, "Use it"),
      h("button", {type: "button", onclick: (e) => busy(e.currentTarget, "Checking …", () => check(c.name, result))}, "Check"),
      c.store.startsWith("s3:") && c.access_key && !isFixed
        ? h("button", {type: "button", onclick: action("clusters/logout", "Logging out …")}, "Log out") : null,
      isFixed ? null : h("button", {type: "button", class: "danger-quiet", onclick: (e) => forget(c, e.currentTarget, result, attempt)}, "Forget …")),
    result);
}

// ---- logging in ----

const LABELS = {"--store": "Store", "--endpoint": "Endpoint", "--cluster": "Name here", "--username": "Access key id",
                "--key": "Secret access key", "--profile": "AWS profile", "--region": "Region", "--ca-file": "Certificates to trust"};

/** What the command says of its options, of the fields that stand for them. */
function ofFields(error) {
  const named = (text) => text.replace(/--[a-z-]+/g, (option) => (LABELS[option] ? `“${LABELS[option]}”` : option));
  return new ApiError(named(error.message), named(error.hint ?? ""), error.kind);
}

function logIn(values) {
  return act("clusters/login", values).catch((error) => { throw ofFields(error); });
}

function loginForm(attempt) {
  const inputs = {
    cluster: h("input", {type: "text", autocomplete: "off", spellcheck: "false", placeholder: "lab"}),
    store: h("input", {type: "text", autocomplete: "off", spellcheck: "false", placeholder: "s3://bucket/prefix"}),
    endpoint: h("input", {type: "url", autocomplete: "off", spellcheck: "false", placeholder: "https://s3.lab.example"}),
    region: h("input", {type: "text", autocomplete: "off", spellcheck: "false"}),
    username: h("input", {type: "text", autocomplete: "off", spellcheck: "false"}),
    key: h("input", {type: "password", autocomplete: "off"}),
    profile: h("input", {type: "text", autocomplete: "off", spellcheck: "false"}),
    "ca-file": h("input", {type: "text", autocomplete: "off", spellcheck: "false", placeholder: "/etc/ssl/lab.pem"}),
  };
  const result = h("div", {class: "outcome"});
  const button = h("button", {class: "primary"}, "Log in");
  const status = h("span", {class: "note", role: "status"});
  const form = h("form", {onsubmit: async (e) => {
    e.preventDefault();
    const values = Object.fromEntries(Object.entries(inputs).map(([key, input]) => [key, input.value.trim()]));
    values.key = inputs.key.value;
    status.textContent = "The keys are being tried; a server that does not answer is given up after a while.";
    const isGood = await attempt(button, "Logging in …", () => logIn(values), result);
    inputs.key.value = "";
    if (isGood) form.reset();
    status.textContent = "";
  }},
    field("Store", inputs.store, "s3://BUCKET/PREFIX, or file:///FOLDER. Left empty: the bucket of the account, where the server knows accounts."),
    h("div", {class: "two"}, field("Endpoint", inputs.endpoint, "Left empty: AWS."), field("Name here", inputs.cluster, "Left empty: after the bucket.")),
    h("div", {class: "two"}, field("Access key id", inputs.username), field("Secret access key", inputs.key)),
    h("details", {class: "options"}, h("summary", {}, "More"),
      field("AWS profile", inputs.profile, "Instead of keys: those of the AWS tools."), field("Region", inputs.region),
      field("Certificates to trust", inputs["ca-file"], "A file of this machine, as PEM.")),
    h("div", {class: "row"}, button, status), result);
  return h("section", {class: "panel", "aria-label": "Log in"}, h("h2", {}, "Log in to a cluster"),
    h("p", {class: "note"}, "The keys are tried before anything is saved. They stay on this machine, in a file that only you can read."), form);
}

export function clustersView(main) {
  const list = h("div", {class: "cards-list"}, h("p", {class: "note", role: "status"}, "Looking …"));
  const problem = h("div");
  const notice = h("div", {role: "status"}); // of a cluster that is gone
  const cards = new Map();                   // name -> {shows, card, result}

  function cardFor(c) {
    const shows = JSON.stringify(c);
    const kept = cards.get(c.name);
    const result = kept?.result ?? h("div", {class: "outcome"});
    if (kept?.shows !== shows) cards.set(c.name, {shows, result, card: cardOf(c, result, attempt)});
    return cards.get(c.name).card;
  }

  async function load() {
    try {
      const all = await clusters();
      const names = new Set(all.map((c) => c.name));
      for (const name of [...cards.keys()]) if (!names.has(name)) cards.delete(name);
      arrange(list, all.map(cardFor));
      fill(problem);
    } catch (error) {
      fill(problem, trouble(error.message, error.hint));
    }
  }

  /** An action of a button: its outcome stands in `into`, the focus stays near. */
  async function attempt(button, word, action, into) {
    fill(into);
    fill(notice);
    try {
      const text = await busy(button, word, action);
      await load();
      if (!into.isConnected) fill(notice, h("p", {class: "strip"}, text));
      else if (text) fill(into, h("p", {class: "strip"}, text));
      if (into.isConnected) say(text);
      if (!button.isConnected) ((into.isConnected && into.closest("article")) || main).focus({preventScroll: true});
      return true;
    } catch (error) {
      fill(into, trouble(error.message, error.hint));
      return false;
    }
  }

  fill(main, h("div", {class: "head"}, h("h1", {}, "Clusters")), notice, problem,
    h("div", {class: "columns"}, list, loginForm(attempt)));
  load();
  return on("changed", ({what}) => { if (what === "clusters") load(); });
}
