// The upper half of the page: the product's pulse, the big numbers, the weather, the panels.

import { bytes, clock, make, settle, short, span } from "./draw.js";

export function drawProduct(place, view, say) {
  const { ready, pid, restarts } = view.product;
  place.className = `pill ${ready ? "good" : "bad"}`;
  place.textContent = [`${ready ? "🟢" : "🔴"} ${say(ready ? "ready" : "resting")}`, pid ? `pid ${pid}` : "", restarts ? `${say("restarts")}: ${restarts}` : ""].filter(Boolean).join(" · ");
}

export function drawNumbers(place, view, say) {
  const numbers = view.known?.numbers ?? {};
  const shouldBeZero = (name) => (numbers[name] === undefined ? "" : Number(numbers[name]) === 0 ? "good" : "bad");
  const tiles = [
    ["⚡", "paid_to_key", span(view.paid_to_key_ms, say), "big"],
    ["💰", "paid", numbers.paid ?? "—", ""],
    ["🎁", "granted", numbers.granted ?? "—", ""],
    ["🎯", "lost", numbers.lost ?? "—", shouldBeZero("lost")],
    ["👯", "double", numbers.double ?? "—", shouldBeZero("double")],
    ["🕳️", "money_without_key", numbers.money_without_key ?? "—", shouldBeZero("money_without_key")],
    ["⚖️", "ledger_balance", numbers.ledger_balance ?? "—", shouldBeZero("ledger_balance")],
  ];
  settle(place, tiles.map(([icon, name, value, mood]) => make(
    "div", { class: `tile ${mood}`, "data-testid": `number-${name}` },
    make("span", { class: "icon" }, icon), make("b", {}, value), make("small", {}, say(name)),
  )));
}

const WEATHER = [
  ["lose", "🕊️"], ["twice", "👯"], ["early", "🐇"], ["forge", "🎭"], ["down", "🔌"], ["lost_answer", "🤐"], ["busy", "🚦"], ["kill", "💀"], ["clear", "☀️"],
];

export function drawWeather(place, view, say) {
  const webhook = view.weather.webhooks?.mode ?? "normal";
  const panelDown = !view.panels[0].up;
  const armed = {
    lose: webhook === "drop",
    twice: webhook === "duplicate",
    early: webhook === "before_answer",
    down: panelDown,
    lost_answer: view.panels[0].answers_to_lose > 0,
    busy: view.weather.telegram.length > 0,
  };
  settle(place, WEATHER.filter(([name]) => name !== "kill" || view.product.ours).map(([name, icon]) => {
    const deed = name === "down" && panelDown ? "back" : name;
    return make(
      "button",
      { class: `order ${name} ${armed[name] ? "armed" : ""}`, "data-testid": `weather-${deed}`, "data-deed": deed, title: armed[name] ? say("armed") : null },
      make("span", { class: "icon" }, deed === "back" ? "🔋" : icon), say(deed),
    );
  }));
}

export function drawPanels(place, view, say, lang) {
  settle(place, view.panels.map((panel) => make(
    "section", { class: `card panel ${panel.up ? "up" : "down"}`, "data-testid": `panel-${panel.name}` },
    make("h2", {}, make("span", { class: "flag" }, panel.flag), panel.title[lang], make("small", {}, panel.city[lang])),
    make("p", { class: "facts" },
      make("span", { class: `badge ${panel.up ? "good" : "bad"}` }, say(panel.up ? "is_up" : "is_down")),
      make("span", {}, `🔑 ${say("clients")}: ${panel.count}`), make("span", {}, `📶 ${say("traffic")}: ${bytes(panel.traffic)}`)),
    make("p", { class: "protocols" }, ...panel.protocols.map((protocol) => make("span", { class: "badge plain" }, protocol))),
    panel.clients.length === 0
      ? make("p", { class: "nobody" }, `🫙 ${say("no_clients")}`)
      : make("ul", {}, ...panel.clients.map((client) => drawClient(client))),
  )));
}

function drawClient(client) {
  return make(
    "li", { "data-testid": "client", "data-key": client.email, title: client.email },
    make("span", { class: "name" }, `${client.serving ? "🟢" : "⚪"} ${short(client.email)}`),
    make("span", {}, bytes(client.used)),
    make("time", {}, clock(client.created / 1000)),
  );
}
