/* Messages as DOM nodes. Text from the bot only ever becomes text nodes; links only http, https and tg. */

import { spoken, word } from "./words.js";

export const el = (tag, attributes = {}, ...children) => {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (value === true) node.setAttribute(name, "");
    else if (value !== false && value != null) node.setAttribute(name, value);
  }
  node.append(...children);
  return node;
};

const SAFE_LINK = /^(https?|tg):\/\//i;

/* Entities of one message nest or stand apart; offsets count UTF-16 units, as JavaScript's strings do. */
export const formatted = (text, entities, hands) => {
  const wrap = (from, to, rest) => {
    const nodes = [];
    let at = from;
    while (rest.length && rest[0].offset < to) {
      const entity = rest.shift();
      const end = Math.min(entity.offset + entity.length, to);
      if (entity.offset < at || end <= entity.offset) continue;
      if (entity.offset > at) nodes.push(text.slice(at, entity.offset));
      const inner = wrap(entity.offset, end, rest);
      nodes.push(entityNode(entity, text.slice(entity.offset, end), inner, hands));
      at = end;
    }
    if (at < to) nodes.push(text.slice(at, to));
    return nodes;
  };
  return wrap(0, text.length, [...(entities ?? [])]);
};

const entityNode = (entity, piece, inner, hands) => {
  switch (entity.type) {
    case "bold": return el("b", {}, ...inner);
    case "italic": return el("i", {}, ...inner);
    case "underline": return el("u", {}, ...inner);
    case "strikethrough": return el("s", {}, ...inner);
    case "code": return el("code", { tabindex: 0, role: "button", onclick: () => hands.copy(piece), onkeydown: onEnter(() => hands.copy(piece)) }, ...inner);
    case "pre": return el("pre", { tabindex: 0, role: "button", onclick: () => hands.copy(piece), onkeydown: onEnter(() => hands.copy(piece)) }, ...inner);
    case "blockquote": return el("blockquote", {}, ...inner);
    case "expandable_blockquote":
      return el("blockquote", { class: "expandable", onclick: (event) => event.currentTarget.classList.toggle("open") }, ...inner);
    case "spoiler": return el("span", { class: "spoiler", onclick: (event) => event.currentTarget.classList.add("seen") }, ...inner);
    case "url": return link(piece, inner, hands);
    case "text_link": return link(entity.url, inner, hands);
    case "bot_command": return el("button", { type: "button", class: "command", onclick: () => hands.write(piece) }, ...inner);
    default: return el("span", {}, ...inner);
  }
};

const onEnter = (action) => (event) => {
  if (event.key === "Enter") action();
};

export const link = (url, inner, hands, attributes = {}) =>
  SAFE_LINK.test(url)
    ? el("a", { href: url, target: "_blank", rel: "noopener", onclick: (event) => hands.open(event, url), ...attributes }, ...inner)
    : el("span", {}, ...inner);

const keyNode = (button, message, place, busy, hands) => {
  const attributes = {
    class: `key ${button.style ?? ""} ${busy ? "busy" : ""}`,
    "data-testid": `button-${message.message_id}-${place}`,
  };
  const plain = { type: "button", ...attributes };
  if (button.url) return link(button.url, [button.text, sign("M2 1h7v7M9 1 1 9")], hands, attributes);
  if (button.callback_data)
    return el("button", { ...plain, "aria-busy": String(busy), "data-callback": button.callback_data, onclick: () => hands.press(message.message_id, button.callback_data) }, button.text);
  if (button.pay) return el("button", { ...plain, class: `${plain.class} primary`, onclick: () => hands.pay({ message_id: message.message_id }) }, button.text);
  if (button.copy_text) return el("button", { ...plain, onclick: () => hands.copy(button.copy_text.text) }, button.text, sign("M3.5 3.5h5.5v5.5h-5.5zM6.5 1h-5.5v5.5"));
  return el("button", { ...plain, disabled: true, title: word("notHere") }, button.text);
};

/* Drawn, not typed: not every machine has a letter for them. */
const sign = (path) => {
  const picture = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  const line = document.createElementNS("http://www.w3.org/2000/svg", "path");
  line.setAttribute("d", path);
  picture.setAttribute("class", "sign");
  picture.setAttribute("viewBox", "0 0 10 10");
  picture.setAttribute("aria-hidden", "true");
  picture.append(line);
  return picture;
};

export const keysNode = (message, pending, hands) =>
  el(
    "div",
    { class: "keys" },
    ...message.reply_markup.inline_keyboard.map((row, line) =>
      el(
        "div",
        { class: "row" },
        ...row.map((button, column) => {
          const busy = pending.some((press) => press.message_id === message.message_id && press.data === button.callback_data);
          return keyNode(button, message, `${line}-${column}`, busy, hands);
        }),
      ),
    ),
  );

/* What Telegram itself says in a chat: money came or went. */
const serviceNode = (message) => {
  const money = message.successful_payment ?? message.refunded_payment;
  const said = word(message.successful_payment ? "bought" : "returned");
  return el("div", { class: "day", "data-testid": `message-${message.message_id}` }, `${said} ⭐ ${money.total_amount} · ${clock(message.date)}`);
};

export const messageNode = (message, pending, hands) => {
  if (message.successful_payment || message.refunded_payment) return serviceNode(message);
  const bubble = el("div", { class: "bubble" });
  if (message.photo_url) {
    const { width, height } = message.photo.at(-1);
    bubble.append(
      el(
        "button",
        { type: "button", class: "photo", "aria-label": word("photo"), "data-testid": `photo-${message.message_id}`, onclick: () => hands.enlarge(message.photo_url) },
        el("img", { src: message.photo_url, alt: word("photo"), width, height, style: `aspect-ratio: ${width} / ${height}; height: auto` }),
      ),
    );
  }
  if (message.document_url)
    bubble.append(el("a", { class: "document", href: message.document_url, download: message.document.file_name }, el("span", {}, "📄"), message.document.file_name));
  if (message.invoice) bubble.append(el("div", { class: "words" }, el("b", {}, message.invoice.title), `\n${message.invoice.description}\n⭐ ${message.invoice.total_amount}`));
  const text = message.text ?? message.caption;
  if (text) bubble.append(el("div", { class: "words" }, ...formatted(text, message.entities ?? message.caption_entities, hands)));
  bubble.append(el("div", { class: "stamp" }, `${message.edited ? `${word("edited")} · ` : ""}${clock(message.date)}`));
  const keyed = Boolean(message.reply_markup?.inline_keyboard?.length);
  return el(
    "article",
    {
      class: `message ${message.from_bot ? "" : "mine"} ${keyed || message.photo_url ? "broad" : ""}`,
      "data-testid": `message-${message.message_id}`,
      "data-from": message.from_bot ? "bot" : "person",
    },
    bubble,
    ...(keyed ? [keysNode(message, pending, hands)] : []),
  );
};

export const clock = (seconds) => new Date(seconds * 1000).toLocaleTimeString(spoken(), { hour: "2-digit", minute: "2-digit", hour12: false });

export const day = (seconds, now) => {
  const date = new Date(seconds * 1000);
  if (date.toDateString() === new Date(now * 1000).toDateString()) return word("today");
  return date.toLocaleDateString(spoken(), { day: "numeric", month: "long" });
};
