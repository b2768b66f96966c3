"use strict";

const SHOWN = 100;
const PAUSE = 1000;

const WORDS = {
  en: {
    mark: "🧪 emulator · test money", clients: "clients", loaded: "may connect", online: "online", client: "Client",
    inboundsOf: "Inbounds", expiry: "Until", traffic: "Traffic", empty: "🌊 Nobody here yet",
    offline: "📡 The emulator does not answer", running: "● running", down: "■ core is down", on: "● enabled",
    isOnline: "🟢 online", off: "⛔ disabled", out: "⌛ ran out", never: "∞", days: "d", ago: "ago", delayed: "after first use",
    more: "…and %d more",
  },
  ru: {
    mark: "🧪 эмулятор · тестовые деньги", clients: "клиентов", loaded: "могут войти", online: "в сети", client: "Клиент",
    inboundsOf: "Подключения", expiry: "До", traffic: "Трафик", empty: "🌊 Пока никого",
    offline: "📡 Эмулятор не отвечает", running: "● работает", down: "■ ядро остановлено", on: "● включён",
    isOnline: "🟢 в сети", off: "⛔ выключен", out: "⌛ исчерпан", never: "∞", days: "дн", ago: "назад", delayed: "с первого входа",
    more: "…и ещё %d",
  },
};
const lang = (navigator.language || "en").toLowerCase().startsWith("ru") ? "ru" : "en";
const say = (word) => WORDS[lang][word];
const known = new Set();
let isFirst = true;

function at(id) { return document.getElementById(id); }

function make(tag, className, text, testid) {
  const element = document.createElement(tag);
  if (className) element.className = className;
  if (text !== undefined) element.textContent = text;
  if (testid) element.dataset.testid = testid;
  return element;
}

function size(bytes) {
  const units = ["B", "KB", "MB", "GB", "TB"];
  let step = 0;
  while (bytes >= 1024 && step < units.length - 1) { bytes /= 1024; step += 1; }
  return `${bytes.toFixed(bytes >= 100 || step === 0 ? 0 : 1)} ${units[step]}`;
}

function until(expiry, now) {
  if (expiry === 0) return say("never");
  const days = Math.round(Math.abs(expiry < 0 ? expiry : expiry - now) / 86400000);
  if (expiry < 0) return `${days} ${say("days")} · ${say("delayed")}`;
  return expiry > now ? `${days} ${say("days")}` : `${days} ${say("days")} ${say("ago")}`;
}

function stateOf(client) {
  if (client.depleted) return ["out", say("out")];
  if (!client.enable) return ["off", say("off")];
  return client.online ? ["on", say("isOnline")] : ["on", say("on")];
}

function usage(client) {
  const cell = make("td", "used");
  const total = client.totalGB;
  cell.append(make("span", "", `${size(client.used)} / ${total ? size(total) : say("never")}`, "client-traffic"));
  if (total) {
    const bar = make("div", "bar");
    const part = make("i", client.used >= total ? "full" : "");
    part.style.width = `${Math.min(100, (client.used / total) * 100)}%`;
    bar.append(part);
    cell.append(bar);
  }
  return cell;
}

function clientRow(client, now) {
  const isNew = !isFirst && !known.has(client.id);
  known.add(client.id);
  const row = make("tr", isNew ? "new" : "", undefined, `client-${client.email}`);
  const [kind, word] = stateOf(client);
  const name = make("td");
  name.append(make("span", "email", client.email, "client-email"));
  const state = make("span", `state ${kind}`, word, "client-state");
  state.dataset.enabled = String(client.enable);
  name.append(state);
  row.append(name);
  row.append(make("td", "where", client.inboundIds.map((id) => `#${id}`).join(" ") || "—", "client-inbounds"));
  const when = make("td", "when", until(client.expiryTime, now), "client-expiry");
  if (client.expiryTime > 0) when.title = new Date(client.expiryTime).toLocaleString(lang);
  row.append(when, usage(client));
  return row;
}

function inboundChip(inbound) {
  const chip = make("span", inbound.enable ? "chip" : "chip off", `#${inbound.id} ${inbound.remark}`, `inbound-${inbound.id}`);
  chip.append(make("small", "", `${inbound.protocol}:${inbound.port} · ${inbound.clientCount}`));
  return chip;
}

function show(state) {
  at("flag").textContent = state.flag;
  at("title").textContent = state.title;
  document.title = `${state.flag} ${state.title}`;
  at("version").textContent = `3X-UI ${state.version}`;
  at("core").textContent = say(state.runtime.running ? "running" : "down");
  at("core").classList.toggle("down", !state.runtime.running);
  for (const [name, count] of Object.entries(state.counts)) at(`count-${name}`).textContent = count;
  at("inbounds").replaceChildren(...state.inbounds.map(inboundChip));
  at("clients").replaceChildren(...state.clients.map((client) => clientRow(client, state.now * 1000)));
  at("empty").hidden = state.counts.clients > 0;
  const hidden = state.counts.clients - state.clients.length;
  at("more").hidden = hidden === 0;
  at("more").textContent = say("more").replace("%d", hidden);
  isFirst = false;
}

async function refresh() {
  try {
    const answer = await fetch(`state?limit=${SHOWN}`);
    if (!answer.ok) throw new Error(String(answer.status));
    show(await answer.json());
    at("offline").hidden = true;
  } catch {
    at("offline").hidden = false;
  }
  setTimeout(refresh, document.hidden ? PAUSE * 5 : PAUSE);
}

document.documentElement.lang = lang;
for (const element of document.querySelectorAll("[data-t]")) element.textContent = say(element.dataset.t);
refresh();
