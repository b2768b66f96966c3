/* The page: whose phone it is, what the chat holds, and the person's hands. The server keeps all state. */

import { day, el, messageNode } from "./draw.js";
import { slugIn, starDesk } from "./stars.js";
import { speak, spoken, tongue, word } from "./words.js";

const $ = (id) => document.getElementById(id);
const query = new URLSearchParams(location.search);
const embedded = query.get("embed") === "1";
const bot = query.get("bot");
const drawn = new Map();

let user = Number(query.get("user")) || 0;
let people = [];
let view = null;
let seenToast = null;
let events = null;
let typingTimer = 0;

class Refused extends Error {}

const ask = async (path, body) => {
  const options = body ? { method: "POST", body: JSON.stringify(bot ? { bot, ...body } : body) } : {};
  const which = !body && bot ? `${path.includes("?") ? "&" : "?"}bot=${bot}` : "";
  const response = await fetch(`/__emu/users${path}${which}`, options);
  const answer = await response.json();
  if (!response.ok) throw new Refused(answer.error);
  return answer;
};

const deed = async (name, body = {}) => {
  try {
    await ask(`/${user}/${name}`, body);
  } catch (error) {
    toast(error.message);
  }
  await refresh();
};

const desk = starDesk(ask, () => user, () => people);

/* What drawn messages can ask for */
const hands = {
  pay: (what) => desk.open(what).catch((error) => toast(error.message)),
  press: (message_id, data) => deed("press", { message_id, data }),
  write: (text) => deed("text", { text }),
  copy: async (text) => {
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      copyByHand(text);
    }
    toast(word("copied"), "copied");
  },
  open: (event, url) => {
    const target = new URL(url);
    const slug = slugIn(url);
    if (slug) {
      event.preventDefault();
      hands.pay({ slug });
    } else if (target.hostname === "t.me" && target.pathname.slice(1).toLowerCase() === view.bot.username.toLowerCase()) {
      event.preventDefault();
      deed("start", { payload: target.searchParams.get("start") ?? "" });
    } else if (embedded) {
      event.preventDefault();
      window.parent.postMessage({ type: "open", url }, "*");
    }
  },
  enlarge: (url) => {
    $("lightbox-image").src = url;
    $("lightbox-save").href = url;
    $("lightbox").showModal();
  },
};

/* A page inside another one may be refused the clipboard; the old way still works after a click. */
const copyByHand = (text) => {
  const box = el("textarea", { style: "position: fixed; opacity: 0" });
  box.value = text;
  document.body.append(box);
  box.select();
  document.execCommand("copy");
  box.remove();
};

const toast = (text, testid = "toast") => {
  const node = el("div", { class: "toast", "data-testid": testid }, text);
  $("toasts").append(node);
  setTimeout(() => node.remove(), 4000);
};

const tell = (told) => {
  if (!told.alert) return toast(told.text);
  $("alert-text").textContent = told.text;
  if (!$("alert").open) $("alert").showModal();
};

const refresh = async () => {
  const mine = user;
  const fresh = await ask(`/${mine}/chat`).catch((error) => (error instanceof Refused ? beginAgain() : null));
  if (!fresh || mine !== user || (view && view.user.id === mine && fresh.revision < view.revision)) return;
  view = fresh;
  draw();
};

const draw = () => {
  if (tongue(view.user.language_code) !== spoken() || !document.title.startsWith(view.bot.name)) drawFrame();
  drawMessages();
  drawFoot();
  drawDoing();
  const newest = view.toasts.at(-1)?.id ?? 0;
  if (seenToast !== null) view.toasts.filter((told) => told.id > seenToast).forEach(tell);
  seenToast = newest;
};

const drawFrame = () => {
  speak(view.user.language_code);
  drawn.clear();
  $("messages").replaceChildren();
  document.title = `${view.bot.name} · ${word("mark")}`;
  document.querySelectorAll("[data-language]").forEach((node) => node.setAttribute("aria-pressed", node.dataset.language === spoken()));
  $("input").placeholder = word("message");
  drawPeople();
};

const hue = (id) => (id * 67) % 360;

const drawPeople = () => {
  $("people").replaceChildren(
    ...people.map((person) =>
      el(
        "button",
        { type: "button", role: "tab", "aria-selected": String(person.id === user), "data-testid": `person-${person.id}`, onclick: () => become(person.id) },
        el("span", { class: "face", style: `--hue: ${hue(person.id)}` }, [...person.first_name][0]),
        person.first_name,
      ),
    ),
    el("button", { type: "button", class: "new", "data-testid": "new-person", onclick: newPerson }, `+ ${word("newPerson")}`),
  );
};

const drawMessages = () => {
  const history = $("history");
  const atEnd = history.scrollHeight - history.scrollTop - history.clientHeight < 60;
  const last = view.messages.at(-1)?.message_id;
  const grew = last !== undefined && !drawn.has(`m${last}`);
  const wanted = new Map();
  let today = "";
  for (const message of view.messages) {
    const name = day(message.date, view.now);
    if (name !== today) wanted.set(`d${name}`, name);
    today = name;
    wanted.set(`m${message.message_id}`, message);
  }
  for (const key of drawn.keys()) if (!wanted.has(key)) drop(key);
  let before = null;
  for (const [key, value] of wanted) before = place(key, value, before);
  if (atEnd || grew) history.scrollTop = history.scrollHeight;
  noteScroll();
};

const drop = (key) => {
  drawn.get(key).node.remove();
  drawn.delete(key);
};

const place = (key, value, before) => {
  const text = typeof value === "string";
  const pending = text ? [] : view.pending.filter((press) => press.message_id === value.message_id);
  const state = JSON.stringify([value, pending.map((press) => press.data)]);
  const old = drawn.get(key);
  if (old?.state === state) return old.node;
  const node = text ? el("div", { class: "day" }, value) : messageNode(value, pending, hands);
  if (old) {
    node.style.animation = "none";
    old.node.replaceWith(node);
  } else if (before) before.after(node);
  else $("messages").prepend(node);
  drawn.set(key, { node, state });
  return node;
};

const drawFoot = () => {
  const fresh = !view.started && view.messages.length === 0;
  $("intro").hidden = view.messages.length > 0;
  $("intro-name").textContent = view.bot.name;
  $("intro-text").textContent = view.bot.description || word("empty");
  $("start").hidden = !fresh || view.blocked;
  $("unblock-wide").hidden = !view.blocked;
  $("composer").hidden = fresh || view.blocked;
  $("menu").hidden = view.bot.commands.length === 0;
  $("block").hidden = view.blocked;
  $("unblock").hidden = !view.blocked;
  const rows = view.reply_keyboard.keyboard ?? [];
  $("reply").hidden = rows.length === 0 || fresh || view.blocked;
  $("reply").replaceChildren(
    ...rows.map((row) =>
      el("div", { class: "row" }, ...row.map((button) => el("button", { type: "button", class: "key", onclick: () => hands.write(button.text) }, button.text))),
    ),
  );
};

const drawDoing = () => {
  clearTimeout(typingTimer);
  $("bot-name").textContent = view.bot.name;
  for (const id of ["bot-face", "intro-face"]) $(id).textContent = [...view.bot.name][0];
  $("doing").className = `doing ${view.typing ? "busy" : ""}`;
  $("doing").textContent = view.typing ? word("typing") : view.blocked ? word("blocked") : word("bot");
  $("dots").hidden = !view.typing;
  if (view.typing) {
    $("history").scrollTop = $("history").scrollHeight;
    typingTimer = setTimeout(refresh, view.typing_seconds * 1000 + 50);
  }
};

const noteScroll = () => {
  const history = $("history");
  $("down").hidden = history.scrollHeight - history.scrollTop - history.clientHeight < 120;
};

const drawCommands = (prefix) => {
  const found = (view?.bot.commands ?? []).filter((one) => `/${one.command}`.startsWith(prefix));
  $("commands").hidden = found.length === 0;
  $("commands").replaceChildren(
    ...found.map((one) =>
      el(
        "button",
        { type: "button", role: "option", "data-testid": `command-${one.command}`, onclick: () => send(`/${one.command}`) },
        el("b", {}, `/${one.command}`),
        el("span", {}, one.description),
      ),
    ),
  );
};

const send = (text) => {
  $("commands").hidden = true;
  $("input").value = "";
  fit();
  if (text.trim()) deed("text", { text });
};

const fit = () => {
  const input = $("input");
  input.style.height = "auto";
  input.style.height = `${input.scrollHeight + 2}px`;
  $("send").disabled = !input.value.trim();
};

const newPerson = async () => {
  const person = await ask("", { language_code: spoken() });
  await become(person.id);
};

const become = async (id) => {
  user = id;
  view = null;
  seenToast = null;
  drawn.clear();
  $("messages").replaceChildren();
  $("toasts").replaceChildren();
  people = await ask("");
  query.set("user", id);
  window.history.replaceState(null, "", `?${query}`);
  await refresh();
  drawPeople();
  events?.close();
  events = new EventSource(`/__emu/users/${id}/events${bot ? `?bot=${bot}` : ""}`);
  events.onmessage = () => refresh();
  events.onerror = () => {
    $("doing").className = "doing lost";
    $("doing").textContent = word("lost");
  };
};

/* The world was reset under an open page: this person is no more. */
const beginAgain = () => {
  query.delete("user");
  location.assign(`/chat?${query}`);
};

const chooseTheme = (theme) => (document.documentElement.dataset.theme = theme);

const wire = () => {
  $("composer").addEventListener("submit", (event) => {
    event.preventDefault();
    send($("input").value);
  });
  $("input").addEventListener("input", () => {
    fit();
    if ($("input").value.startsWith("/")) drawCommands($("input").value);
    else $("commands").hidden = true;
  });
  $("input").addEventListener("keydown", (event) => {
    if (event.key === "Enter" && !event.shiftKey) {
      event.preventDefault();
      send($("input").value);
    } else if (event.key === "Escape") $("commands").hidden = true;
  });
  $("menu").addEventListener("click", () => ($("commands").hidden ? drawCommands("/") : ($("commands").hidden = true)));
  $("start").addEventListener("click", () => deed("start", { payload: query.get("start") ?? "" }));
  $("restart").addEventListener("click", () => deed("start"));
  for (const id of ["unblock", "unblock-wide"]) $(id).addEventListener("click", () => deed("unblock"));
  $("stars").addEventListener("click", () => desk.purse());
  $("block").addEventListener("click", () => deed("block"));
  $("history").addEventListener("scroll", noteScroll);
  $("down").addEventListener("click", () => $("history").scrollTo({ top: $("history").scrollHeight, behavior: "smooth" }));
  $("alert-ok").addEventListener("click", () => $("alert").close());
  $("lightbox-close").addEventListener("click", () => $("lightbox").close());
  $("theme").addEventListener("click", () => chooseTheme(document.documentElement.dataset.theme === "dark" ? "light" : "dark"));
  document.querySelectorAll("[data-language]").forEach((node) =>
    node.addEventListener("click", async () => {
      await ask(`/${user}/language`, { language_code: node.dataset.language });
      people = await ask("");
      await refresh();
      drawPeople();
    }),
  );
  document.addEventListener("click", (event) => {
    const open = $("drop").hidden && $("more").contains(event.target);
    $("drop").hidden = !open;
    $("more").setAttribute("aria-expanded", String(open));
  });
};

const begin = async () => {
  document.documentElement.classList.toggle("embed", embedded);
  chooseTheme(query.get("theme") ?? (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light"));
  $("hour").textContent = new Date().toLocaleTimeString("ru", { hour: "2-digit", minute: "2-digit" });
  speak(query.get("lang") ?? "ru");
  wire();
  fit();
  people = await ask("");
  await become(people.some((person) => person.id === user) ? user : people[0].id);
};

begin();
