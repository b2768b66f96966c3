// The demo page: asks its own server once a second and draws what changed.

import { WORDS } from "./words.js";
import { make, settle } from "./draw.js";
import { drawNumbers, drawPanels, drawProduct, drawWeather } from "./outside.js";
import { TABS, drawSheet } from "./sheets.js";

const $ = (id) => document.getElementById(id);
const root = document.documentElement;
const TOASTS = 3;
const page = { lang: "en", theme: "light", tab: "journeys", sites: null, view: null, bankUrl: "", drawn: {} };

function say(key, facts = {}) {
  const text = WORDS[page.lang][key] ?? key;
  return text.replace(/\{(\w+)\}/g, (_, name) => facts[name] ?? "—");
}

function keep(name, value) {
  page[name] = value;
  try { localStorage.setItem(`ferryman.${name}`, value); } catch { /* a private window keeps nothing */ }
}

function kept(name, fallback) {
  try { return localStorage.getItem(`ferryman.${name}`) ?? fallback; } catch { return fallback; }
}

function dress() {
  root.lang = page.lang;
  root.dataset.theme = page.theme;
  for (const element of document.querySelectorAll("[data-say]")) element.textContent = say(element.dataset.say);
  $("language").textContent = page.lang === "ru" ? "🌐 EN" : "🌐 RU";
  $("theme").textContent = page.theme === "dark" ? "☀️" : "🌙";
  page.drawn = {};
  draw();
}

function phone() {
  $("chat").src = dressed(`${page.sites.telegram}/chat?embed=1`);
}

function dressed(url) {
  if (!url) return "";
  const target = new URL(url);
  target.searchParams.set("lang", page.lang);
  target.searchParams.set("theme", page.theme);
  return target.href;
}

function openBank(url) {
  page.bankUrl = url;
  page.tab = "bank";
  side("world");
  draw();
  document.querySelector(".book").scrollIntoView({ behavior: "smooth", block: "start" });
}

function heard(event) {
  const { type, url } = event.data ?? {};
  if (type === "back" && event.origin === location.origin) {
    page.bankUrl = "";
    page.tab = "journeys";
    side("phone");
    window.scrollTo({ top: 0, behavior: "smooth" });
    return draw();
  }
  if (type !== "open" || event.origin !== page.sites.telegram || typeof url !== "string") return undefined;
  const target = new URL(url, page.sites.telegram);
  if (page.sites.banks.includes(target.origin)) return openBank(target.href);
  if (["http:", "https:"].includes(target.protocol)) window.open(target.href, "_blank", "noopener");
  return undefined;
}

function side(name) {
  document.querySelector("main").dataset.side = name;
  for (const button of document.querySelectorAll(".sides button")) button.classList.toggle("chosen", button.dataset.side === name);
}

function toast(text, mood = "plain") {
  const note = make("p", { class: `toast ${mood}`, "data-testid": "toast" }, text);
  $("toasts").append(note);
  while ($("toasts").children.length > TOASTS) $("toasts").firstChild.remove();
  setTimeout(() => note.remove(), 6000);
}

async function order(name) {
  try {
    const response = await fetch(`/api/weather/${name}`, { method: "POST" });
    if (!response.ok) throw new Error(await response.text());
    const { pid, answers } = await response.json();
    const status = answers?.[0]?.status;
    const unheard = name === "forge" && status === null;
    toast(say(unheard ? "done_forge_unheard" : `done_${name}`, { pid, status }), name === "kill" ? "bad" : "plain");
  } catch (error) {
    toast(`${say("failed")}: ${error.message}`, "bad");
  }
  await look();
}

// A part of the page is built anew only when what it shows has changed: focus, selection and scroll survive the polling.
function part(name, facts, build) {
  const now = JSON.stringify(facts);
  if (page.drawn[name] === now) return;
  page.drawn[name] = now;
  build();
}

function draw() {
  const view = page.view;
  if (!view) return;
  part("product", view.product, () => drawProduct($("product"), view, say));
  part("numbers", [view.known?.numbers, view.paid_to_key_ms], () => drawNumbers($("numbers"), view, say));
  part("weather", [view.weather, view.panels[0].up, view.panels[0].answers_to_lose, view.product.ours], () => drawWeather($("weather"), view, say));
  part("panels", view.panels, () => drawPanels($("panels"), view, say, page.lang));
  $("stale").hidden = view.fresh || view.known === null;
  part("tabs", [page.tab, TABS.map((tab) => tab.count(view))], drawTabs);
  const sheet = TABS.find((tab) => tab.name === page.tab);
  part("sheet", [page.tab, sheet.facts(view), page.bankUrl, page.lang, page.theme], () => drawSheet($("sheets"), sheet, view, { say, lang: page.lang, bankUrl: dressed(page.bankUrl) }));
}

function drawTabs() {
  settle($("tabs"), TABS.map((tab) => make(
    "button",
    {
      role: "tab",
      class: tab.name === page.tab ? "chosen" : "",
      "aria-selected": tab.name === page.tab ? "true" : "false",
      "data-testid": `tab-${tab.name}`,
      "data-tab": tab.name,
    },
    `${tab.icon} ${say(`tab_${tab.name}`)}`,
    make("span", { class: "count" }, tab.count(page.view)),
  )));
}

function pressed(id, name, act) {
  $(id).addEventListener("click", (event) => {
    const button = event.target.closest(`[data-${name}]`);
    if (button) act(button.dataset[name]);
  });
}

async function look() {
  try {
    const response = await fetch("/api/world");
    page.view = await response.json();
    root.dataset.lost = "no";
    draw();
  } catch {
    root.dataset.lost = "yes";
  }
}

async function live() {
  if (!document.hidden) await look();
  setTimeout(live, 1000);
}

page.lang = kept("lang", navigator.language?.startsWith("ru") ? "ru" : "en");
page.theme = kept("theme", matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");
page.sites = await (await fetch("/api/addresses")).json();
window.addEventListener("message", heard);
pressed("weather", "deed", order);
pressed("tabs", "tab", (name) => { page.tab = name; draw(); });
pressed("sheets", "open", openBank);
$("language").addEventListener("click", () => { keep("lang", page.lang === "ru" ? "en" : "ru"); dress(); phone(); });
$("theme").addEventListener("click", () => { keep("theme", page.theme === "dark" ? "light" : "dark"); dress(); phone(); });
for (const button of document.querySelectorAll(".sides button")) button.addEventListener("click", () => side(button.dataset.side));
dress();
phone();
live();
