// Small building blocks: elements, moments, sums. Data only ever becomes text, never markup.

export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "class") element.className = value;
    else if (value !== null && value !== undefined && value !== false) element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined).map((child) => child instanceof Node ? child : String(child)));
  return element;
}

// Let `place` hold what `fresh` says while keeping the elements that are already there: a press, a selection, a scrolled
// table or a frame survives being drawn again. `data-key` tells which element is which when they move.
export function settle(place, fresh) {
  const keyed = new Map([...place.children].filter((child) => child.dataset.key).map((child) => [child.dataset.key, child]));
  fresh.forEach((next, index) => {
    const here = place.childNodes[index] ?? null;
    const old = next.dataset?.key ? keyed.get(next.dataset.key) : here;
    if (!old || !isSameKind(old, next)) return place.insertBefore(next, here);
    if (old !== here) place.insertBefore(old, here);
    return become(old, next);
  });
  while (place.childNodes.length > fresh.length) place.lastChild.remove();
}

function isSameKind(old, next) {
  return old.nodeName === next.nodeName && old.dataset?.key === next.dataset?.key;
}

function become(old, next) {
  if (old.nodeType === Node.TEXT_NODE) {
    if (old.data !== next.data) old.data = next.data;
    return;
  }
  if (old.nodeName === "IFRAME") return;
  for (const { name } of [...old.attributes]) if (!next.hasAttribute(name)) old.removeAttribute(name);
  for (const { name, value } of [...next.attributes]) if (old.getAttribute(name) !== value) old.setAttribute(name, value);
  settle(old, [...next.childNodes]);
}

export function clock(moment) {
  if (moment === null || moment === undefined) return "—";
  const date = new Date(typeof moment === "number" ? moment * 1000 : moment);
  return Number.isNaN(date.getTime()) ? "—" : date.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" });
}

export function money(value, currency) {
  const sign = { RUB: "₽", EUR: "€", USD: "$" }[currency] ?? currency ?? "";
  return value === null || value === undefined ? "—" : `${value} ${sign}`.trim();
}

export function bytes(count) {
  const units = ["B", "KB", "MB", "GB", "TB"];
  let size = count;
  let unit = 0;
  while (size >= 1000 && unit < units.length - 1) {
    size /= 1000;
    unit += 1;
  }
  return `${size >= 100 || unit === 0 ? Math.round(size) : size.toFixed(1)} ${units[unit]}`;
}

export function span(milliseconds, say) {
  if (milliseconds === null || milliseconds === undefined) return "—";
  return milliseconds < 10000 ? `${Math.round(milliseconds)} ${say("ms")}` : `${(milliseconds / 1000).toFixed(1)} ${say("s")}`;
}

export const short = (text) => (String(text ?? "—").length > 13 ? `${String(text).slice(0, 8)}…` : String(text ?? "—"));

const GOOD = new Set(["paid", "succeeded", "settled", "ready", "sent", "healthy", "active", "granted", "delivered", "processed", "done", "ok", "200"]);
const BAD = new Set(["failed", "failing", "canceled", "cancelled", "down", "review", "needs_review", "rejected", "lost", "forged", "gone"]);

export function badge(state) {
  const word = String(state ?? "—");
  const mood = GOOD.has(word) ? "good" : BAD.has(word) ? "bad" : "plain";
  return make("span", { class: `badge ${mood}` }, word);
}
