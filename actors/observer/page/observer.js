// The observer's page. Whatever comes from processes is shown by textContent: none of it is ever markup.
"use strict";

const token = new URLSearchParams(location.search).get("token") || "";
const ROW = 26; // pixels; as --row in the style sheet
const LINGERS = 2500; // how long, in ms, a process that is gone or new is shown as such
const AGAIN = 15000; // within how many ms one like a dead one counts as its restart
const $ = (id) => document.getElementById(id);

const processes = new Map(); // by PID: what the server tells, and what the page adds: order, born, gone, again
const folded = new Set(); // PIDs whose children are not shown
const dead = new Map(); // by what is restarted: when it died, and how often it was restarted before
let order = 0;
let visible = []; // the rows of the tree from top to bottom: {process, guides, children}
let selected = null;
let first = true; // until the first list has come, nothing is new
let unlisted = 3; // so many changes more until the first list of durable processes has come: none of them is new
let actions = false;
let filter = "";

// ---- small things

function element(tag, className, text) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
}

function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

const count = (number) => (number === null || number === undefined ? "" : number.toLocaleString("en"));

function shortEntry(entry) {
  const name = entry.slice(entry.lastIndexOf(":") + 1);
  return name.replace(/^.*<locals>\./, "");
}

// A durable process is known by its workflow's id, unless that was made up.
const made = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

function titleOf(process) {
  const own = isDurable(process) && !made.test(process.id) ? process.id : process.label;
  return process.names[0] || own || shortEntry(process.entry);
}

function aboutOf(process) {
  const title = titleOf(process);
  const words = [process.label || shortEntry(process.entry), isDurable(process) ? process.id : "#" + process.id];
  return words.filter((word) => word !== title).join("  ");
}

function isDurable(process) {
  return !["trio", "green"].includes(process.host);
}

async function ask(path, body) {
  const answer = await fetch(path, {
    method: body === undefined ? "GET" : "POST",
    headers: { "x-everproc-token": token },
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  const type = answer.headers.get("content-type") || "";
  const given = type.startsWith("application/json") ? await answer.json() : { error: { message: await answer.text() } };
  if (!answer.ok) throw new Error(given.error.message);
  return given;
}

// ---- what comes in

function connect() {
  const source = new EventSource("events?token=" + encodeURIComponent(token));
  source.addEventListener("hello", (event) => {
    actions = JSON.parse(event.data).actions;
    processes.clear();
    $("log").replaceChildren();
    first = true;
    unlisted = 3;
    setLive("on", "live");
  });
  source.addEventListener("change", (event) => change(JSON.parse(event.data)));
  source.addEventListener("log", (event) => tell(JSON.parse(event.data)));
  source.addEventListener("elsewhere", (event) => {
    const wrong = JSON.parse(event.data).error;
    if (unlisted === 3) unlisted = 2;
    $("notice").dataset.wrong = wrong ? "Durable processes cannot be listed: " + wrong : "";
    showNotice();
  });
  source.onerror = () => setLive("off", "the connection is lost; trying again");
}

function setLive(state, text) {
  $("live").className = "live " + state;
  $("live").title = text;
}

// What a supervisor starts again is what has the same parent and name, label or entry.
const place = (process) => [process.parent, process.names[0] || process.label, process.entry].join("\n");

function change(told) {
  const now = performance.now();
  for (const pid of told.gone) {
    const process = processes.get(pid);
    if (!process || process.gone) continue;
    process.gone = now;
    const died = dead.get(place(process)) || [];
    died.push({ time: now, again: process.again || 0, order: process.order });
    dead.set(place(process), died.filter((each) => now - each.time < AGAIN));
  }
  for (const row of told.rows) {
    const known = processes.get(row.pid);
    if (known) {
      Object.assign(known, row);
      known.gone = 0;
      continue;
    }
    row.order = ++order;
    row.born = first || (unlisted && isDurable(row)) ? 0 : now;
    const before = first ? undefined : (dead.get(place(row)) || []).shift();
    if (before) {
      row.again = before.again + 1;
      row.order = before.order + 1e-6; // in the place of the dead one, which is shown above it for a while
    }
    processes.set(row.pid, row);
  }
  first = false;
  if (unlisted && unlisted < 3) unlisted--;
  figures(told.node);
  if (told.rows.length || told.gone.length || fading) lay();
}

const rates = [];

function figures(node) {
  document.title = `${node.name} · Everproc`;
  const [name, incarnation] = node.name.split(/\.(?=[^.]*$)/);
  setText($("node"), name);
  setText($("incarnation"), "." + incarnation);
  setText($("f-processes"), count(node.processes));
  setText($("f-durable"), count(node.durable));
  setText($("f-rate"), count(node.rate));
  setText($("f-restarts"), count(node.restarts));
  setText($("f-crashes"), count(node.exits.error || 0));
  setText($("f-dead"), count(node.dead_letters));
  $("f-crashes").className = node.exits.error ? "hot" : "";
  rates.push(node.rate);
  if (rates.length > 60) rates.shift();
  const most = Math.max(1, ...rates);
  const points = rates.map((rate, at) => `${(120 * (at + 60 - rates.length)) / 59},${22 - (20 * rate) / most}`);
  $("spark").firstElementChild.setAttribute("d", points.length > 1 ? "M" + points.join("L") : "");
  const hidden = node.processes - node.shown;
  $("notice").dataset.hidden = hidden > 0 ? `${count(hidden)} more processes are not shown, only the oldest ${count(node.shown)}.` : "";
  showNotice();
}

function showNotice() {
  const text = [$("notice").dataset.hidden, $("notice").dataset.wrong].filter(Boolean).join(" ");
  setText($("notice"), text);
  $("notice").hidden = !text;
}

// ---- the tree

let fading = false; // whether some row still shows that it is new or gone

function lay() {
  const now = performance.now();
  fading = false;
  const children = new Map();
  const roots = [];
  for (const process of processes.values()) {
    if (process.gone && now - process.gone > LINGERS) {
      processes.delete(process.pid);
      continue;
    }
    if (process.gone || (process.born && now - process.born < LINGERS)) fading = true;
    if (process.parent && processes.has(process.parent) && process.parent !== process.pid) {
      if (!children.has(process.parent)) children.set(process.parent, []);
      children.get(process.parent).push(process);
    } else {
      roots.push(process);
    }
  }
  const wanted = filter ? matches(children) : null;
  visible = [];
  const seen = new Set();
  const walk = (siblings, guides) => {
    siblings = wanted ? siblings.filter((each) => wanted.has(each.pid)) : siblings;
    siblings.sort((a, b) => a.order - b.order);
    siblings.forEach((process, at) => {
      if (seen.has(process.pid)) return; // two that name each other as parent
      seen.add(process.pid);
      const last = at === siblings.length - 1;
      const below = children.get(process.pid) || [];
      const open = below.length > 0 && (wanted !== null || !folded.has(process.pid));
      visible.push({ process, guides, last, below: below.length, open });
      if (open) walk(below, [...guides, last]);
    });
  };
  walk(roots, []);
  $("rows").style.height = visible.length * ROW + "px";
  setText($("shown"), filter ? `${count(visible.length)} of ${count(processes.size)}` : "");
  draw();
}

function matches(children) {
  const words = filter.toLowerCase().split(/\s+/).filter(Boolean);
  const wanted = new Set();
  for (const process of processes.values()) {
    const text = [process.pid, process.entry, process.label, ...process.names].join(" ").toLowerCase();
    if (!words.every((word) => text.includes(word))) continue;
    let up = process;
    while (up && !wanted.has(up.pid)) {
      wanted.add(up.pid);
      up = processes.get(up.parent);
    }
  }
  return wanted;
}

const pool = []; // elements of rows: only as many as fit in the window

function draw() {
  const tree = $("tree");
  const from = Math.max(0, Math.floor(tree.scrollTop / ROW) - 3);
  const to = Math.min(visible.length, Math.ceil((tree.scrollTop + tree.clientHeight) / ROW) + 3);
  const chosen = selected && processes.get(selected);
  const related = new Set(chosen ? [...chosen.links, ...chosen.monitors] : []);
  while (pool.length < to - from) pool.push(newRow());
  const now = performance.now();
  pool.forEach((row, at) => {
    const shown = visible[from + at];
    row.hidden = from + at >= to || !shown;
    if (!row.hidden) fill(row, shown, from + at, related, now);
  });
  const active = visible.findIndex((each) => each.process.pid === selected);
  if (active >= 0) tree.setAttribute("aria-activedescendant", "row-" + active);
  else tree.removeAttribute("aria-activedescendant");
}

function newRow() {
  const row = element("div", "row");
  row.setAttribute("role", "treeitem");
  row.what = row.appendChild(element("div", "what"));
  row.cells = ["host", "mailbox", "rate", "links"].map((name, at) => row.appendChild(element("span", at ? "cell number" : "cell")));
  row.guides = row.what.appendChild(element("span"));
  row.guides.style.display = "contents";
  row.fold = row.what.appendChild(element("span", "fold"));
  row.dot = row.what.appendChild(element("span", "dot"));
  row.title_ = row.what.appendChild(element("span", "title"));
  row.inside = row.what.appendChild(element("span", "inside"));
  row.again = row.what.appendChild(element("span", "again"));
  row.about = row.what.appendChild(element("span", "about"));
  row.fold.addEventListener("click", (event) => {
    event.stopPropagation();
    fold(row.pid);
  });
  row.addEventListener("click", () => select(row.pid));
  row.addEventListener("dblclick", () => fold(row.pid));
  $("rows").append(row);
  return row;
}

function fill(row, { process, guides, last, below, open }, at, related, now) {
  row.pid = process.pid;
  row.id = "row-" + at;
  row.style.transform = `translateY(${at * ROW}px)`;
  const born = process.born && now - process.born < LINGERS;
  row.className = ["row", process.pid === selected && "selected", process.gone ? "gone" : born && "born", related.has(process.pid) && "related"].filter(Boolean).join(" ");
  row.setAttribute("aria-level", guides.length + 1);
  row.setAttribute("aria-selected", process.pid === selected);
  if (below) row.setAttribute("aria-expanded", open);
  else row.removeAttribute("aria-expanded");
  const depth = guides.length;
  while (row.guides.childElementCount < depth) row.guides.append(element("span"));
  while (row.guides.childElementCount > depth) row.guides.lastElementChild.remove();
  for (let level = 0; level < depth; level++) {
    const isJoint = level === depth - 1;
    // The line of a level ends where its last child is; `guides[level + 1]` is that of the ancestor below it.
    const ended = isJoint ? false : guides[level + 1];
    row.guides.children[level].className = "guide" + (isJoint ? " joint" + (last ? " last" : "") : ended ? " none" : "");
  }
  setText(row.fold, below ? (open ? "▾" : "▸") : "");
  row.dot.className = "dot" + (process.gone ? " dead" : process.status === "ending" ? " ending" : "") + (isDurable(process) ? " durable" : "");
  row.dot.title = process.gone ? "gone" : process.status;
  setText(row.title_, titleOf(process));
  setText(row.inside, below && !open ? count(below) : "");
  row.inside.hidden = !(below && !open);
  setText(row.again, process.again ? "↻ " + process.again : "");
  row.again.title = process.again ? `restarted ${process.again} times while you watched` : "";
  setText(row.about, aboutOf(process));
  const [host, mailbox, rate, links] = row.cells;
  setText(host, process.host === "temporal" ? "durable" : process.host);
  const unread = process.mailbox;
  setText(mailbox, count(unread));
  mailbox.className = "cell number" + (!unread ? " zero" : unread >= 1000 ? " high" : unread >= 100 ? " some" : "");
  setText(rate, process.rate === null ? "" : count(process.rate));
  rate.className = "cell number" + (process.rate ? "" : " zero");
  const ties = new Set([...process.links, ...process.monitors]).size;
  setText(links, count(ties));
  links.className = "cell number" + (ties ? "" : " zero");
  links.title = `${process.links.length} links, ${process.monitors.length} monitors`;
}

function fold(pid) {
  if (folded.has(pid)) folded.delete(pid);
  else folded.add(pid);
  lay();
}

function parents() {
  return new Set([...processes.values()].map((process) => process.parent).filter((pid) => pid && processes.has(pid)));
}

// ---- moving about

function select(pid, show = false) {
  selected = pid;
  if (show) reveal(pid);
  else draw();
  detail(true);
}

function reveal(pid) {
  let up = processes.get(pid);
  while (up && up.parent && processes.has(up.parent)) {
    folded.delete(up.parent);
    up = processes.get(up.parent);
  }
  lay();
  scrollTo(visible.findIndex((each) => each.process.pid === pid));
}

function scrollTo(at) {
  if (at < 0) return;
  const tree = $("tree");
  if (at * ROW < tree.scrollTop) tree.scrollTop = at * ROW;
  else if ((at + 1) * ROW > tree.scrollTop + tree.clientHeight) tree.scrollTop = (at + 1) * ROW - tree.clientHeight;
  draw();
}

function move(to) {
  if (!visible.length) return;
  const at = Math.max(0, Math.min(visible.length - 1, to));
  select(visible[at].process.pid);
  scrollTo(at);
}

function onKey(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || $("keys").open) return;
  const field = event.target.closest("input, textarea");
  if (event.key === "Escape") {
    if (field) field.blur();
    setFilter("");
    scrollTo(visible.findIndex((each) => each.process.pid === selected));
    $("tree").focus();
    return;
  }
  if (field) {
    if (field.id === "filter" && (event.key === "ArrowDown" || event.key === "Enter")) {
      event.preventDefault();
      $("tree").focus();
      move(Math.max(0, visible.findIndex((each) => filter && matchesOne(each.process))));
    }
    return;
  }
  const at = visible.findIndex((each) => each.process.pid === selected);
  const here = visible[at];
  const page = Math.max(1, Math.floor($("tree").clientHeight / ROW) - 1);
  const keys = {
    ArrowDown: () => move(at + 1), j: () => move(at + 1),
    ArrowUp: () => move(at < 0 ? 0 : at - 1), k: () => move(at < 0 ? 0 : at - 1),
    PageDown: () => move(at + page), PageUp: () => move(at - page),
    Home: () => move(0), End: () => move(visible.length - 1),
    ArrowRight: () => here && here.below && (here.open ? move(at + 1) : fold(selected)),
    ArrowLeft: () => {
      if (!here) return;
      if (here.open && !filter) fold(selected);
      else move(visible.findIndex((each) => each.process.pid === here.process.parent));
    },
    Enter: () => here && scrollTo(at),
    "/": () => $("filter").focus(),
    d: toggleTheme,
    "?": () => $("keys").showModal(),
  };
  if (event.target.closest("button, a") && event.key === "Enter") return;
  if (keys[event.key]) {
    event.preventDefault();
    keys[event.key]();
  }
}

function matchesOne(process) {
  const text = [process.pid, process.entry, process.label, ...process.names].join(" ").toLowerCase();
  return filter.toLowerCase().split(/\s+/).every((word) => text.includes(word));
}

function setFilter(text) {
  filter = text.trim();
  if ($("filter").value !== text) $("filter").value = text;
  lay();
}

function toggleTheme() {
  const dark = document.documentElement.dataset.theme === "dark";
  setTheme(dark ? "light" : "dark");
  localStorage.setItem("theme", dark ? "light" : "dark");
}

function setTheme(name) {
  document.documentElement.dataset.theme = name;
}

// ---- one process

let asked = 0;

async function detail(now) {
  const pid = selected;
  const number = ++asked;
  if (!pid) {
    const empty = element("p", "empty");
    empty.append("Choose a process", element("br"), element("span", "dim", "its state, where it waits, its last messages"));
    $("detail").replaceChildren(empty);
    return;
  }
  let found = null;
  let wrong = "";
  try {
    found = await ask("process?pid=" + encodeURIComponent(pid));
  } catch (error) {
    wrong = error.message;
  }
  if (number !== asked) return; // another was chosen meanwhile
  if (now || $("detail").dataset.pid !== pid) {
    $("detail").replaceChildren(...sheet(pid));
    $("detail").dataset.pid = pid;
    $("detail").scrollTop = 0;
  }
  showDetail(pid, found, wrong);
}

let parts = {};

function sheet(pid) {
  parts = { title: element("h2"), pid: element("div", "pid", pid), wrong: element("p", "dim"), facts: element("dl", "facts") };
  const sections = ["state", "stack", "messages", "links", "monitors", "context", "details"];
  const headings = { stack: "where it waits", messages: "last messages" };
  const made = [parts.title, parts.pid, parts.wrong, parts.facts];
  for (const name of sections) {
    const heading = element("h3", "", headings[name] || name);
    parts[name + "Heading"] = heading;
    parts[name] = element(name === "links" || name === "monitors" || name === "messages" ? "div" : "pre", name === "messages" ? "" : name.match(/links|monitors/) ? "pids" : "");
    made.push(heading, parts[name]);
  }
  const record = element("button");
  record.type = "button";
  record.addEventListener("click", async () => {
    await ask("record", { pid, on: !parts.recording }).catch(said);
    detail(false);
  });
  parts.record = record;
  parts.messagesHeading.append(record);
  if (actions) made.push(element("h3", "", "act"), actionsOf(pid));
  return made;
}

function actionsOf(pid) {
  const bar = element("div", "actions");
  const button = (text, path, danger) => {
    const made = element("button", danger ? "danger" : "", text);
    made.type = "button";
    made.addEventListener("click", async () => {
      if (danger && made.dataset.sure !== "yes") {
        made.dataset.sure = "yes";
        made.textContent = "Really " + text.toLowerCase() + "?";
        setTimeout(() => { made.dataset.sure = ""; made.textContent = text; }, 3000);
        return;
      }
      await ask(path, { pid }).then((given) => said(given.result ? "done" : "it does not exist"), said);
      detail(false);
    });
    return made;
  };
  const topic = element("input");
  topic.placeholder = "topic";
  topic.setAttribute("aria-label", "topic");
  const payload = element("input", "wide");
  payload.placeholder = "payload, JSON";
  payload.setAttribute("aria-label", "payload");
  const send = element("button", "", "Send");
  send.type = "button";
  send.addEventListener("click", async () => {
    try {
      const value = payload.value.trim() ? JSON.parse(payload.value) : null;
      const given = await ask("send", { pid, topic: topic.value, payload: value });
      said(given.result ? "sent" : "not taken");
    } catch (error) {
      said(error);
    }
  });
  parts.said = element("span", "said");
  bar.append(button("Cancel", "cancel", true), button("Terminate", "terminate", true), topic, payload, send, parts.said);
  return bar;
}

function said(what) {
  if (parts.said) setText(parts.said, what instanceof Error ? what.message : String(what));
}

function duration(seconds) {
  if (seconds === null || seconds === undefined) return "";
  if (seconds < 60) return `${seconds.toFixed(1)} s`;
  const units = [["d", 86400], ["h", 3600], ["min", 60]];
  const [name, length] = units.find((unit) => seconds >= unit[1]);
  return `${(seconds / length).toFixed(1)} ${name}`;
}

// The clock of a durable process stands still between its tasks.
function ageOf(found) {
  return found.details.start_time ? (Date.now() - new Date(found.details.start_time)) / 1000 : found.age;
}

// JSON, with what is short on one line.
function pretty(value, indent = "") {
  const flat = JSON.stringify(value);
  if (value === null || typeof value !== "object" || flat.length + indent.length < 64) return flat;
  const deeper = indent + "  ";
  const items = Array.isArray(value)
    ? value.map((item) => deeper + pretty(item, deeper))
    : Object.entries(value).map(([key, item]) => `${deeper}${JSON.stringify(key)}: ${pretty(item, deeper)}`);
  const [open, close] = Array.isArray(value) ? "[]" : "{}";
  return `${open}\n${items.join(",\n")}\n${indent}${close}`;
}

function pidLink(pid) {
  const known = processes.get(pid);
  const made = element("button", "link", known ? titleOf(known) + (isDurable(known) ? "" : " #" + known.id) : pid);
  made.type = "button";
  made.title = pid;
  made.dataset.pid = pid;
  return made;
}

function showDetail(pid, found, wrong) {
  const row = processes.get(pid);
  setText(parts.title, row ? titleOf(row) : found ? found.label || shortEntry(found.entry) : pid);
  setText(parts.wrong, wrong);
  if (!found) return;
  const facts = [
    ["is a", found.label],
    ["entry", found.entry],
    ["names", found.names.join(", ")],
    ["runs", [found.host === "temporal" ? "durable" : found.host, found.status, duration(ageOf(found))].filter(Boolean).join(" · ")],
    ["parent", found.parent],
    ["mailbox", found.mailbox === null ? "" : `${count(found.mailbox)} waiting · ${count(found.handled)} handled`],
    ["listens to", Object.entries(found.topics).map(([topic, unread]) => `${topic} (${unread})`).join(", ")],
    ["watched by", found.watchers === null ? "" : `${count(found.watchers)} ${found.watchers === 1 ? "monitor" : "monitors"}${found.trap_links ? " · traps links" : ""}`],
    ["in Temporal", found.web],
  ].filter(([, value]) => value !== null && value !== undefined && value !== "");
  while (parts.facts.childElementCount > 2 * facts.length) parts.facts.lastElementChild.remove();
  facts.forEach(([name, value], at) => {
    while (parts.facts.childElementCount < 2 * at + 2) parts.facts.append(element("dt"), element("dd"));
    const [term, definition] = [parts.facts.children[2 * at], parts.facts.children[2 * at + 1]];
    setText(term, name);
    if (definition.dataset.value === name + value) return;
    definition.dataset.value = name + value;
    if (name === "parent") {
      definition.replaceChildren(pidLink(value));
    } else if (name === "in Temporal") {
      const link = element("a", "", "history of this process");
      link.href = /^https?:/.test(value) ? value : "#";
      link.target = "_blank";
      link.rel = "noopener noreferrer";
      definition.replaceChildren(link);
    } else {
      setText(definition, String(value));
    }
  });
  for (const name of ["links", "monitors"]) {
    const key = found[name].join();
    if (parts[name].dataset.key !== key) {
      parts[name].dataset.key = key;
      parts[name].replaceChildren(...found[name].slice(0, 200).map(pidLink));
      if (found[name].length > 200) parts[name].append(element("span", "dim", `and ${count(found[name].length - 200)} more`));
    }
    hide(name, !found[name].length);
  }
  show("state", found.state);
  show("context", found.context);
  show("details", found.details);
  setText(parts.stack, found.waits.map((task) => task.join("\n")).join("\n\n"));
  hide("stack", !found.waits.length);
  parts.recording = found.recent !== null;
  hide("messages", isDurable(found));
  setText(parts.record, parts.recording ? "stop recording" : "record");
  const messages = [...(found.recent || [])].reverse();
  const table = element("table", "messages");
  for (const message of messages) {
    const line = table.insertRow();
    line.append(element("td", "", message.topic), element("td", "mono", JSON.stringify(message.payload)), element("td", "dim", message.sender || ""));
  }
  if (parts.recording && !messages.length) parts.messages.replaceChildren(element("span", "dim", "nothing has come yet"));
  else parts.messages.replaceChildren(...(messages.length ? [table] : []));
}

function hide(name, hidden) {
  parts[name].hidden = hidden;
  parts[name + "Heading"].hidden = hidden;
}

function show(name, value) {
  const nothing = value === null || value === undefined || (typeof value === "object" && !Object.keys(value).length);
  hide(name, nothing);
  setText(parts[name], nothing ? "" : pretty(value));
}

// ---- the log

function tell(record) {
  const line = element("li", record.level);
  if (record.report === "child_terminated") line.classList.add("restart");
  line.dataset.logger = record.logger;
  const time = element("time", "", new Date(record.time).toLocaleTimeString("en-GB"));
  line.append(time);
  // PIDs in the text can be followed.
  for (const piece of record.message.split(/(\{[^{}@|]+@[^{}@|]+\|[^{}|]+\})/)) {
    line.append(/^\{.*@.*\|.*\}$/.test(piece) ? pidLink(piece) : piece);
  }
  line.title = record.exception || "";
  const log = $("log");
  line.hidden = $("only-supervision").checked && record.logger !== "everproc.supervision";
  log.prepend(line);
  while (log.childElementCount > 200) log.lastElementChild.remove();
}

// ---- begin

setTheme(localStorage.getItem("theme") || (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light"));
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", (event) => {
  if (!localStorage.getItem("theme")) setTheme(event.matches ? "dark" : "light");
});
document.addEventListener("keydown", onKey);
document.addEventListener("click", (event) => {
  const link = event.target.closest("[data-pid].link");
  if (link) select(link.dataset.pid, true);
});
$("tree").addEventListener("scroll", draw, { passive: true });
addEventListener("resize", draw);
$("filter").addEventListener("input", () => setFilter($("filter").value));
$("expand").addEventListener("click", () => { folded.clear(); lay(); });
$("collapse").addEventListener("click", () => { for (const pid of parents()) folded.add(pid); lay(); });
$("theme").addEventListener("click", toggleTheme);
$("help").addEventListener("click", () => $("keys").showModal());
$("only-supervision").addEventListener("change", () => {
  for (const line of $("log").children) line.hidden = $("only-supervision").checked && line.dataset.logger !== "everproc.supervision";
});
setInterval(() => { if (selected && !document.hidden) detail(false); }, 1000);
detail(true);
connect();
