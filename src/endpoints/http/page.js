"use strict";
const at = id => document.getElementById(id);
const make = (tag, text, name) => { const e = document.createElement(tag); if (text !== undefined) e.textContent = text; if (name) e.className = name; return e; };
const short = n => Math.abs(n) >= 100 ? Math.round(n).toLocaleString("en") : Number(n.toPrecision(3)).toString();
const human = (n, unit) => {
  if (n === null || n === undefined) return "—";
  if (unit === "ms") return n >= 60000 ? short(n / 60000) + " min" : n >= 1000 ? short(n / 1000) + " s" : short(n) + " ms";
  if (unit === "By") return n >= 1e6 ? short(n / 1e6) + " MB" : n >= 1e3 ? short(n / 1e3) + " kB" : short(n) + " B";
  return short(n) + (unit === "%" ? " %" : !unit || unit === "1" || unit[0] === "{" ? "" : " " + unit);
};
const keyOf = f => Object.values(f.key).filter(Boolean).join(" · ");
const recovering = f => `Recovering since ${new Date(f.recovering.since_ms).toLocaleTimeString()}, ${human(f.recovering.value, f.unit)} now`;
function card(f) {
  const e = make("article", undefined, f.severity || "");
  e.append(make("b", f.title));
  const bar = make("div", undefined, "bar"), fill = make("i"), mark = make("s");
  const most = Math.max(f.value ?? 0, f.limit ?? 0) || 1;
  fill.style.width = 100 * (f.value ?? 0) / most + "%"; mark.style.left = 100 * (f.limit ?? 0) / most + "%";
  bar.title = human(f.value, f.unit) + ", limit " + human(f.limit, f.unit);
  bar.append(fill, mark); e.append(bar);
  e.append(make("div", `${human(f.value, f.unit)}, limit ${human(f.limit, f.unit)}, headroom ${human(f.headroom, "%")} · ${f.samples.toLocaleString("en")} samples · since ${new Date(f.state_since_ms).toLocaleTimeString()}`, "soft count"));
  if (f.recovering) e.append(make("p", recovering(f) + ". What stands above is of when it was last past its limit."));
  if (f.impact) e.append(make("p", f.impact));
  if (f.advice) e.append(make("p", f.advice, "soft"));
  if (f.trace_ids.length) {
    const traces = make("p", "Traces: ", "soft");
    traces.append(...f.trace_ids.flatMap((id, n) => [n ? " " : "", make("code", id)]));
    e.append(traces);
  }
  if (f.evidence_sql) e.append(proof(f));
  return e;
}
// What is open stays so when the cards are made anew.
const opened = new Set();
function proof(f) {
  const e = make("details"), copy = make("button", "Copy"), put = make("button", "Ask below");
  e.open = opened.has(f.id);
  e.addEventListener("toggle", () => e.open ? opened.add(f.id) : opened.delete(f.id));
  copy.addEventListener("click", async () => { try { await navigator.clipboard.writeText(f.evidence_sql); copy.textContent = "Copied"; } catch { copy.textContent = "Select it to copy it"; } });
  put.addEventListener("click", () => { at("sql").value = f.evidence_sql; at("sql").scrollIntoView(); ask(); });
  e.append(make("summary", "The SQL that found it", "soft"), make("pre", f.evidence_sql), copy, " ", put);
  return e;
}
function line(f) {
  const e = make("tr");
  e.append(make("td", f.state !== "firing" ? f.state.replace("_", " ") : f.recovering ? f.severity + ", recovering" : f.severity), make("td", f.pipeline), make("td", keyOf(f)),
    make("td", human(f.value, f.unit), "number"), make("td", human(f.limit, f.unit), "number"), make("td", human(f.headroom, "%"), "number"), make("td", f.samples.toLocaleString("en"), "number"));
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
let due;
async function refresh() {
  clearTimeout(due);
  try {
    const { findings, not_shown } = await send("/v1/findings");
    const firing = findings.filter(f => f.state === "firing");
    at("summary").textContent = `${firing.length} firing, ${findings.length} judged, ${not_shown ? not_shown + " more of less time, " : ""}${new Date().toLocaleTimeString()}`;
    at("firing").replaceChildren(...(firing.length ? firing.map(card) : [make("p", findings.length ? "Nothing fires." : "Nothing has been judged yet: send telemetry to port 4317, and look again in half a minute.", "soft")]));
    at("all").replaceChildren(...findings.map(line));
  } catch (error) { at("summary").textContent = "Spanwise does not answer: " + error.message; }
  due = setTimeout(refresh, 3000);
}
async function ask() {
  const began = performance.now();
  at("error").textContent = ""; at("took").textContent = "asking …";
  try {
    const { rows, truncated } = await send("/v1/sql", { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify({ query: at("sql").value }) });
    const names = rows.length ? Object.keys(rows[0]) : [];
    const numbers = new Set(names.filter(name => rows.every(row => row[name] === null || typeof row[name] === "number")));
    const cell = (tag, name, text) => make(tag, text, numbers.has(name) ? "number" : "");
    const head = make("tr"); head.append(...names.map(name => cell("th", name, name)));
    at("columns").replaceChildren(head);
    at("rows").replaceChildren(...rows.slice(0, 1000).map(row => { const e = make("tr");
      e.append(...names.map(name => cell("td", name, row[name] === null ? "" : typeof row[name] === "object" ? JSON.stringify(row[name]) : String(row[name])))); return e; }));
    at("took").textContent = `${rows.length} rows${truncated ? ", cut off" : ""}${rows.length > 1000 ? ", 1000 shown" : ""}, ${Math.round(performance.now() - began)} ms`;
  } catch (error) { at("took").textContent = ""; at("error").textContent = error.message; }
}
at("ask").addEventListener("click", ask);
at("sql").addEventListener("keydown", event => { if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) ask(); });
at("login").addEventListener("submit", event => { event.preventDefault(); sessionStorage.setItem("token", at("token").value); refresh(); });
refresh();
