"use strict";
const at = id => document.getElementById(id);
const make = (tag, text, name) => { const e = document.createElement(tag); if (text !== undefined) e.textContent = text; if (name) e.className = name; return e; };
const count = n => n.toLocaleString("en");
const clock = ms => new Date(ms).toLocaleTimeString();
const keyOf = f => Object.values(f.key).filter(Boolean).join(" · ");
function card(f) {
  const e = make("article", undefined, f.severity || "");
  e.append(make("b", f.title));
  const bar = make("div", undefined, "bar"), fill = make("i"), mark = make("s");
  const most = Math.max(f.value ?? 0, f.limit ?? 0) || 1;
  fill.style.width = 100 * (f.value ?? 0) / most + "%"; mark.style.left = 100 * (f.limit ?? 0) / most + "%";
  bar.title = f.said.compared ?? "";
  bar.append(fill, mark); e.append(bar);
  e.append(make("div", [f.said.compared, f.impact, "since " + clock(f.firing_since_ms ?? f.state_since_ms)].filter(Boolean).join(" · "), "soft count"));
  if (f.recovering) e.append(make("p", `Recovering since ${clock(f.recovering.since_ms)}${f.said.recovering ? `, ${f.said.recovering} now` : ""}. The numbers above are from when it was last past its limit.`));
  e.append(...f.said.evidence.map(line => make("p", line, "evidence")));
  if (f.advice) e.append(make("p", f.advice, "soft"));
  if (f.trace_ids.length) {
    const traces = make("p", "Traces: ", "soft");
    traces.append(...f.trace_ids.flatMap((id, n) => [n ? " " : "", make("code", id)]));
    e.append(traces);
  }
  if (f.evidence_sql) e.append(proof(f));
  return e;
}
// What is open stays open when the cards are made again.
const opened = new Set();
function proof(f) {
  const e = make("details"), copy = make("button", "Copy"), put = make("button", "Run below");
  e.open = opened.has(f.id);
  e.addEventListener("toggle", () => e.open ? opened.add(f.id) : opened.delete(f.id));
  copy.addEventListener("click", async () => { try { await navigator.clipboard.writeText(f.evidence_sql); copy.textContent = "Copied"; } catch { copy.textContent = "Select it to copy it"; } });
  put.addEventListener("click", () => { at("sql").value = f.evidence_sql; at("sql").scrollIntoView(); run(); });
  e.append(make("summary", "The SQL that found it", "soft"), make("pre", f.evidence_sql), copy, " ", put);
  return e;
}
function line(f) {
  const e = make("tr");
  const state = f.state !== "firing" ? f.state.replace("_", " ") : f.recovering ? f.severity + ", recovering" : f.severity;
  e.append(make("td", state), make("td", f.pipeline), make("td", keyOf(f), "key"), make("td", f.said.value ?? "—", "number"),
    make("td", f.said.limit ?? "—", "number"), make("td", f.said.against_limit ?? "—"), make("td", count(f.samples), "number"));
  return e;
}
// The token lives in this tab alone.
const token = () => sessionStorage.getItem("token");
async function send(path, options = {}) {
  const headers = { ...options.headers, ...(token() ? { authorization: "Bearer " + token() } : {}) };
  const answer = await fetch(path, { ...options, headers });
  at("login").hidden = answer.status !== 401;
  const body = await answer.json();
  if (body.error) throw new Error((body.line ? `line ${body.line}: ` : "") + body.error);
  return body;
}
let listening = [];
async function status() {
  if (listening.length) return;
  listening = (await send("/v1/status")).listening;
  at("listening").replaceChildren(...listening.flatMap(({ what, address }) => [make("dt", what), make("dd", address)]));
}
const nothing = findings => {
  if (findings.some(f => f.state !== "no_data")) return "Nothing fires.";
  const doors = listening.filter(({ what }) => what.startsWith("OTLP")).map(({ what, address }) => `${what.split(" ")[0]} on ${address}`);
  return `Nothing has been evaluated yet. Send telemetry${doors.length ? " by " + doors.join(" or ") : ""}: the first results follow within half a minute.`;
};
let due;
async function refresh() {
  clearTimeout(due);
  try {
    await status();
    const { findings, not_shown } = await send("/v1/findings");
    const firing = findings.filter(f => f.state === "firing");
    const all = findings.length + not_shown;
    at("summary").textContent = `${firing.length} firing of ${count(all)} key${all === 1 ? "" : "s"}${not_shown ? `, ${count(not_shown)} not listed` : ""} · ${new Date().toLocaleTimeString()}`;
    at("firing").replaceChildren(...(firing.length ? firing.map(card) : [make("p", nothing(findings), "soft")]));
    at("all").replaceChildren(...findings.map(line));
  } catch (error) { at("summary").textContent = "Spanwise does not answer: " + error.message; }
  due = setTimeout(refresh, 3000);
}
async function run() {
  const began = performance.now();
  at("error").textContent = ""; at("took").textContent = "running …";
  try {
    const { rows, truncated } = await send("/v1/sql", { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify({ query: at("sql").value }) });
    const names = rows.length ? Object.keys(rows[0]) : [];
    const numbers = new Set(names.filter(name => rows.every(row => row[name] === null || typeof row[name] === "number")));
    const cell = (tag, name, text) => make(tag, text, numbers.has(name) ? "number" : "");
    const head = make("tr"); head.append(...names.map(name => cell("th", name, name)));
    at("columns").replaceChildren(head);
    at("rows").replaceChildren(...rows.slice(0, 1000).map(row => { const e = make("tr");
      e.append(...names.map(name => cell("td", name, row[name] === null ? "" : typeof row[name] === "object" ? JSON.stringify(row[name]) : String(row[name])))); return e; }));
    at("took").textContent = `${count(rows.length)} row${rows.length === 1 ? "" : "s"}${truncated ? ", cut off" : ""}${rows.length > 1000 ? ", 1,000 shown" : ""}, ${Math.round(performance.now() - began)} ms`;
  } catch (error) { at("took").textContent = ""; at("error").textContent = error.message; }
}
at("run").addEventListener("click", run);
at("sql").addEventListener("keydown", event => { if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) run(); });
at("login").addEventListener("submit", event => { event.preventDefault(); sessionStorage.setItem("token", at("token").value); refresh(); });
refresh();
