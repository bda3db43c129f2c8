/* page.js - the status page: asks the witness that it came from, and shows what it said. Whatever comes from
 * there is put in as text. It sends nothing but questions. What it reads is read as a member of `status`, `group`,
 * `site`, `witness`, `entry`, `step`, `ended`, `last`, `next`, `failover`, `quorum`: tests/docs/check page holds
 * these names against proto/schema. */
"use strict";

const POLL_MS = 2000;
const HISTORY_MS = 15000;
const STALE_MS = 8000; // of three polls none was answered
const WAIT_MS = 5000;
const RESTARTS_TOLD_MS = 3600000; // as status does
const HISTORY_COUNT = 12;

let status = null;
let heardAt = 0; // by performance.now(), as all instants here
let failure = "";
let history = null;
let historyAt = -HISTORY_MS;
let historyIndex = -1;
let leases = []; // of what is shown: functions that let a lease run down

/* ---- elements --------------------------------------------------------------------------------- */

function make(tag, kind, ...children) {
  const element = document.createElement(tag);
  if (kind)
    element.className = kind;
  element.append(...children.filter((child) => child !== null).map((child) =>
    child instanceof Node ? child : document.createTextNode(String(child))));
  return element;
}

function fill(id, ...children) {
  document.getElementById(id).replaceChildren(...children);
}

function row(tag, cells) {
  return make("tr", "", ...cells.map((cell) =>
    cell instanceof Node && /^T[HD]$/.test(cell.nodeName) ? cell : make(tag, "", cell)));
}

function head(titles) {
  return make("thead", "", row("th", titles));
}

/* ---- words ------------------------------------------------------------------------------------ */

function seconds(ms) {
  return (ms / 1000).toFixed(1) + " s";
}

function duration(ms) {
  const s = Math.floor(ms / 1000);
  if (s < 60)
    return seconds(ms);
  if (s < 3600)
    return Math.floor(s / 60) + " min " + (s % 60) + " s";
  if (s < 86400)
    return Math.floor(s / 3600) + " h " + Math.floor(s % 3600 / 60) + " min";
  return Math.floor(s / 86400) + " d " + Math.floor(s % 86400 / 3600) + " h";
}

function words(list) {
  return list.join(", ");
}

function since() {
  return performance.now() - heardAt;
}

/* ---- what needs attention --------------------------------------------------------------------- */

/* With since when it is on, how often it came, and who has seen it, as the witness that answers knows. */
function ofAlarm(group, site, word) {
  const alarm = group.alarms.find((one) => one.alarm === word && one.subject === site.name && one.on_ms !== null);
  if (alarm === undefined)
    return ["bad", site.name + ": " + word];
  return ofTrouble(alarm);
}

/* One that a site reports, or that is told as such above. */
function isTold(site, alarm) {
  return alarm.subject === site.name && (site.alarms.includes(alarm.alarm) || alarm.alarm === "service_restarted" ||
    alarm.alarm === "second_enforcer_lost");
}

function ofTrouble(alarm) {
  const text = (alarm.subject === null ? "" : alarm.subject + ": ") + alarm.alarm;
  const acked = alarm.acknowledged;
  const told = "for " + duration(alarm.on_ms + since()) + (alarm.count > 1 ? ", " + alarm.count + " times" : "");
  if (acked === null)
    return ["bad", text + " (" + told + ")"];
  return ["dim", text + " (" + told + "; acknowledged by " + acked.by + (acked.text ? ": " + acked.text : "") + ")"];
}

/* As `breakwater status`: what the guard of the primary cannot end, another machine of its site does. */
function isSecondCountedOn(group, site) {
  return site.role === "primary" && group.end !== null && group.end.by_time && site.second_enforcer === "seen";
}

/* Nor is it an alarm that scripts came later, where the open epoch was seen inside: the next one is not yet. */
function isFact(group, site, word) {
  if (word === "cannot_stop_service")
    return isSecondCountedOn(group, site);
  return word === "kill_unverified" && site.role === "primary" && group.end !== null && group.end.by_time;
}

function isSecondLost(group, site) {
  return site.role === "primary" && (group.phase === "GRANTED" || group.phase === "REVOKING") &&
    ![null, "none", "seen"].includes(site.second_enforcer);
}

function ofGroup(group) {
  const failover = group.failover;
  const isDecided = group.mode === "auto" || group.mode === "manual";
  const found = [];
  if (group.held)
    found.push(["bad", "a fence failed: the service may still run, so no other site becomes primary"]);
  if (group.holder === null && isDecided)
    found.push(["bad", "no site is primary"]);
  if (group.end !== null && group.phase === "CLOSING" && !group.end.by_time)
    found.push(["bad", "manual action is required: " + (group.end.suggested_command || group.end.why)]);
  if (!isDecided)
    found.push(["warn", group.mode === "paused" ? "paused: no failover and no switchover; a lost lease is still fenced"
      : "unmanaged: it is not started, stopped or fenced"]);
  else if (!failover.possible && failover.after_fence === null && group.maintenance_left_ms === 0)
    found.push(["warn", "if the primary fails now, no other site takes over"]);
  if (group.maintenance_left_ms > 0)
    found.push(["warn", "in maintenance for " + duration(group.maintenance_left_ms) + " more"]);
  if (group.request !== null)
    found.push(["warn", group.request.kind + (group.request.to ? " to " + group.request.to : "") + " was requested by " +
      group.request.by]);
  for (const site of group.sites) {
    if (!site.connected)
      found.push(["warn", site.name + " is not connected"]);
    else if (!site.guard && !site.several_agents)
      found.push(["bad", site.name + ": its guard is down"]);
    if (site.group_unknown)
      found.push(["warn", site.name + ": its site file has no such group"]);
    for (const word of site.alarms)
      if (!isFact(group, site, word))
        found.push(ofAlarm(group, site, word));
    if (isSecondLost(group, site))
      found.push(ofAlarm(group, site, "second_enforcer_lost"));
    if (site.restarts !== null && site.restarts.ago_ms !== null && site.restarts.ago_ms < RESTARTS_TOLD_MS)
      found.push(ofAlarm(group, site, "service_restarted"));
    if (site.maintenance_left_ms > 0)
      found.push(["warn", site.name + ": in maintenance for " + duration(site.maintenance_left_ms) + " more"]);
  }
  for (const alarm of group.alarms)
    if (alarm.on_ms !== null && group.sites.find((site) => isTold(site, alarm)) === undefined)
      found.push(ofTrouble(alarm));
  return found.map(([kind, text]) => [kind, group.name + ": " + text]);
}

function attention() {
  const quorum = status.quorum;
  const found = [];
  if (status.leader === null)
    found.push(["bad", "This witness knows no leader. If no other witness knows one, no lease is renewed. Open the page of another witness."]);
  if (quorum.have !== null && quorum.have < quorum.of)
    found.push(["warn", "The leader is connected to " + (quorum.have - 1) + " of the " + (quorum.of - 1) + " other witnesses."]);
  for (const alarm of status.alarms)
    if (alarm.on_ms !== null)
      found.push(ofTrouble(alarm));
  for (const group of status.groups)
    found.push(...ofGroup(group));
  if (found.length === 0)
    found.push(["good", status.groups.length === 0 ? "There is no group yet."
      : status.leads ? "Nothing." : "Nothing is known to this witness. The page of the leader has more."]);
  fill("attention", ...found.map(([kind, text]) => make("li", kind, text)));
}

/* ---- groups ----------------------------------------------------------------------------------- */

function lease(group) {
  const bar = make("progress");
  const text = make("p", "number");
  const runDown = () => {
    const left = Math.max(0, group.lease_remaining_ms - since());
    bar.value = left;
    text.textContent = "lease: " + seconds(left) + " of " + seconds(group.lease_ttl_ms) + " left";
  };
  if (group.lease_remaining_ms === null)
    return [make("p", "dim", group.holder === null ? "no lease"
      : status.leads ? "no lease is known" : "the page of the leader shows the lease")];
  bar.max = group.lease_ttl_ms;
  bar.ariaLabel = "time left of the lease";
  runDown();
  leases.push(runDown);
  return [bar, text];
}

function siteRow(group, site) {
  const kind = !site.connected ? "bad" : site.serving || site.eligible ? "good" : "warn";
  const role = site.role === "primary" && isEnding(group) ? "ending" : site.role;
  const lag = site.readiness !== null && site.readiness.lag_ms !== null ? seconds(site.readiness.lag_ms) : "–";
  return row("td", [
    make("th", "", site.name), make("td", role === "primary" ? "good" : "", role),
    make("td", kind, site.connected ? site.service : "not connected" + (site.last_seen_ms === null ? ""
      : " for " + duration(site.last_seen_ms + since()))),
    make("td", "number", lag),
    make("td", site.eligible && site.role !== "primary" ? "good" : "dim", site.role === "primary" ? "–"
      : site.eligible ? "yes" : words(site.blocked_by) || "no")]);
}

function isEnding(group) {
  return group.phase === "CLOSING";
}

function card(group) {
  const failover = group.failover;
  const last = group.last;
  const next = group.next;
  const mode = group.mode === "observe" ? "unmanaged" : group.mode;
  const facts = [group.state.replace("_", " "), "epoch " + group.epoch, "mode " + mode,
    failover.possible ? "failover to " + failover.to + " is possible"
      : failover.after_fence !== null ? "failover to " + failover.after_fence + " after a fence has confirmed the stop"
        : "failover is not possible"];
  const table = make("table", "", head(["site", "role", "service", "lag", "eligible, or blocked by"]),
    make("tbody", "", ...group.sites.map((site) => siteRow(group, site))));
  const holder = make("p", group.holder === null || isEnding(group) ? "bad" : "good",
    group.holder === null ? "no site is primary"
      : isEnding(group) ? "no site is primary: " + group.holder + " is ending" : group.holder + " is primary");
  const wide = make("div", "sites", table);
  return make("article", "group", make("h3", "", group.name), holder, ...lease(group),
    make("p", "facts", words(facts)),
    last === null ? null : make("p", "facts", "last change " + ago(last.time) + ": " + last.reason),
    next === null ? null : make("p", "facts", (next.will_act ? "next: " : "") + next.text),
    next === null || next.suggested_command === null ? null : make("p", "facts", "an operator can: ", make("code", "", next.suggested_command)),
    wide);
}

/* ---- witnesses and links ---------------------------------------------------------------------- */

function address(witness) {
  const isHere = witness.name === status.answered_by;
  if (isHere || !/^[A-Za-z0-9.:[\]-]+$/.test(witness.address))
    return make("span", "", witness.name + (isHere ? " (this one)" : ""));
  const link = make("a", "", witness.name);
  link.href = "https://" + witness.address + "/";
  link.rel = "noreferrer";
  return link;
}

function cell(witness, name) {
  if (witness.name === name)
    return make("td", "dim", "·");
  if (witness.reaches === null)
    return make("td", "dim", "unknown");
  return witness.reaches.includes(name) ? make("td", "good", "connected") : make("td", "bad", "not connected");
}

/* Fills the table of connections. A follower connects to its leader alone, so its other cells stay empty. */
function links() {
  const sites = [...new Set(status.groups.flatMap((group) => group.sites.map((site) => site.name)))].sort();
  const columns = [...status.witnesses.map((witness) => witness.name), ...sites];
  const rows = status.witnesses.map((witness) => {
    const isFollower = witness.role === "follower" && witness.name === status.answered_by;
    const role = make("td", witness.role === "leader" ? "good" : "", witness.role +
      (witness.heard === false ? ", not connected" : ""));
    return row("td", [make("th", "", address(witness)), role, witness.failure_domain || "–",
      ...columns.map((name) => isFollower && name !== status.leader && !sites.includes(name)
        ? make("td", "dim", "·") : cell(witness, name))]);
  });
  fill("links", head(["witness", "role", "failure domain", ...columns]), make("tbody", "", ...rows));
}

/* ---- history ---------------------------------------------------------------------------------- */

function ago(time) {
  const ms = Date.now() - Date.parse(time);
  return Number.isFinite(ms) && ms >= 0 ? duration(ms) + " ago" : time;
}

function phases(entry) {
  const list = entry.timeline.map((step) => step.phase.replaceAll("_", " ") + " " + seconds(step.at_ms));
  return list.length > 0 ? list.join(" → ") : "–";
}

function over(entry) {
  const ended = entry.ended;
  return ended === null ? make("td", "good", "open")
    : make("td", "", ended.reason + " (" + entry.ended_by + ")" + (ended.by !== null ? ", by " + ended.by : ""));
}

function showHistory() {
  const rows = history.entries.map((entry) => row("td", [
    make("td", "number", entry.time.slice(0, 19).replace("T", " ")), make("th", "", entry.group), make("td", "number", entry.epoch),
    (entry.previous_site === null ? "" : entry.previous_site + " → ") + entry.site, entry.reason,
    entry.by || "–", phases(entry), over(entry)]));
  fill("history", head(["start (UTC)", "group", "epoch", "site", "reason", "by", "phases", "end"]),
    make("tbody", "", ...rows));
}

/* ---- the whole -------------------------------------------------------------------------------- */

function showStatus() {
  const quorum = status.quorum;
  fill("cluster", status.cluster);
  fill("cluster_line", "leader " + (status.leader === null ? "unknown" : status.leader) + ", term " + status.term +
    ", " + (quorum.have === null ? quorum.of + " witnesses" : quorum.have + " of " + quorum.of + " witnesses connected") +
    "; as reported by " + status.answered_by + (status.limited_to === null ? "" : ", limited to the groups that you may see"));
  document.title = "breakwater " + status.cluster;
  attention();
  leases = [];
  fill("groups", ...status.groups.map(card));
  links();
}

/* Five times a second the leases run down; what is stale is dimmed, and its leases run down to 0. */
function tick() {
  const isStale = status === null || since() > STALE_MS;
  document.body.classList.toggle("stale", isStale);
  fill("age", status === null ? failure || "connecting …"
    : (isStale ? "STALE: received " : "received ") + seconds(since()) + " ago" + (failure ? " (" + failure + ")" : ""));
  for (const runDown of leases)
    runDown();
}

/* What it told, and an instant that is no later than what that says: a lease is never shown longer than it is. */
async function ask(path) {
  const begun = performance.now();
  const answer = await fetch(path, {signal: AbortSignal.timeout(WAIT_MS), headers: {Accept: "application/json"}});
  const told = await answer.json().catch(() => ({}));
  if (!answer.ok || typeof told.schema !== "string")
    throw new Error(told.error || "HTTP " + answer.status);
  return [told, begun - Number(answer.headers.get("Age-Ms"))];
}

async function askHistory() {
  if (status.index === historyIndex && performance.now() - historyAt < HISTORY_MS)
    return;
  [history] = await ask("/v1/history?n=" + HISTORY_COUNT);
  historyAt = performance.now();
  historyIndex = status.index;
  showHistory();
}

async function poll() {
  try {
    [status, heardAt] = await ask("/v1/status");
    failure = "";
    showStatus();
    await askHistory();
  } catch (error) {
    failure = error instanceof Error ? error.message : String(error);
  }
  setTimeout(poll, POLL_MS);
}

setInterval(tick, 200);
poll();
