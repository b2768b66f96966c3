// The lower half: what the bank and the product have written down, a tab each.

import { badge, clock, make, money, settle, short, span } from "./draw.js";

const known = (view, name) => view.known?.[name] ?? [];

export const TABS = [
  { name: "journeys", icon: "🛤️", count: (view) => view.journeys.length, facts: (view) => view.journeys, body: drawJourneys },
  { name: "bank", icon: "🏦", count: (view) => view.bank.length, facts: (view) => [view.bank, view.deliveries], body: drawBank },
  table("orders", "🧾", [
    ["number", (row) => short(row.ref)], ["customer", (row) => short(row.customer)], ["plan", (row) => row.plan], ["days", (row) => row.days],
    ["sum", (row) => money(row.amount, row.currency)], ["state", (row) => badge(row.state)], ["created", (row) => clock(row.created_at)], ["paid_at", (row) => clock(row.paid_at)],
  ]),
  table("payments", "💳", [
    ["number", (row) => short(row.ref)], ["order", (row) => short(row.order)], ["provider", (row) => row.provider], ["sum", (row) => money(row.amount, row.currency)],
    ["state", (row) => badge(row.state)], ["external", (row) => short(row.external_id)], ["created", (row) => clock(row.created_at)], ["succeeded", (row) => clock(row.succeeded_at)],
  ]),
  table("inbox", "📥", [
    ["number", (row) => row.id], ["provider", (row) => row.provider], ["event", (row) => row.event], ["verdict", (row) => badge(row.verdict)],
    ["received", (row) => clock(row.received_at)], ["processed", (row) => clock(row.processed_at)],
  ]),
  { name: "ledger", icon: "📒", count: (view) => (view.known?.ledger?.accounts ?? []).length, facts: (view) => view.known?.ledger, body: drawLedger },
  table("keys", "🔑", [
    ["key", (row) => short(row.email)], ["customer", (row) => short(row.customer)], ["node", (row) => row.node], ["state", (row) => badge(row.state)],
    ["seen", (row) => clock(row.seen_at)], ["error", (row) => row.error ?? ""],
  ]),
  table("notices", "🔔", [
    ["customer", (row) => short(row.customer)], ["kind", (row) => row.kind], ["state", (row) => badge(row.state)], ["created", (row) => clock(row.created_at)], ["sent", (row) => clock(row.sent_at)],
  ]),
];

export function drawSheet(place, tab, view, tools) {
  place.setAttribute("data-testid", `sheet-${tab.name}`);
  settle(place, [make("div", { "data-key": tab.name }, tab.body(view, tools))]);
}

function table(name, icon, columns) {
  return {
    name,
    icon,
    count: (view) => known(view, name).length,
    facts: (view) => [view.known === null, known(view, name)],
    body: (view, { say }) => drawTable(view, columns, known(view, name), say),
  };
}

function drawTable(view, columns, rows, say) {
  if (view.known === null) return nothing("🌫️", say("unknown"));
  if (rows.length === 0) return nothing("🫙", say("empty"));
  return make("div", { class: "scroll" }, make(
    "table", {},
    make("thead", {}, make("tr", {}, ...columns.map(([title]) => make("th", {}, say(title))))),
    make("tbody", {}, ...rows.map((row) => make("tr", {}, ...columns.map(([, cell]) => make("td", {}, cell(row)))))),
  ));
}

function drawLedger(view, { say }) {
  if (!view.known) return nothing("🌫️", say("unknown"));
  const { balance, accounts } = view.known.ledger;
  const sums = Object.entries(balance).map(([currency, minor]) => make(
    "span", { class: `badge ${minor === 0 ? "good" : "bad"}` }, money((minor / 100).toFixed(2), currency)));
  return make(
    "div", {},
    make("p", { class: "balance", "data-testid": "ledger-balance" }, `⚖️ ${say("balance")}: `, ...(sums.length ? sums : [badge("—")])),
    drawTable(view, [["account", (row) => row.account], ["minor", (row) => money((row.minor / 100).toFixed(2), row.currency)]], accounts, say),
  );
}

function drawJourneys(view, { say, lang }) {
  if (view.journeys.length === 0) return nothing("🧭", say("empty_journeys"));
  const panels = Object.fromEntries(view.panels.map((panel) => [panel.name, panel]));
  return make("ol", { class: "journeys" }, ...view.journeys.map((journey) => {
    const steps = [
      ["🏦", say("step_paid"), 0], ["📥", say("step_heard"), journey.heard], ["📒", say("step_granted"), journey.granted],
      ...Object.entries(journey.keys).map(([node, ms]) => [panels[node].flag, panels[node].title[lang], ms]), ["💬", say("step_told"), journey.told],
    ];
    return make(
      "li", { "data-testid": "journey", "data-key": journey.payment },
      make("p", {}, make("b", {}, money(journey.amount.value, journey.amount.currency)), make("time", {}, clock(journey.at)), make("span", {}, `👤 ${short(journey.customer)}`)),
      make("div", { class: "steps" }, ...steps.map(([icon, title, ms]) => make(
        "span", { class: ms === null ? "step waiting" : "step" }, make("i", {}, icon), make("b", {}, ms === 0 && title === say("step_paid") ? "0" : span(ms, say)), make("small", {}, title)))),
    );
  }));
}

function drawBank(view, tools) {
  const frame = tools.bankUrl
    ? make("iframe", { id: "bank-frame", title: "bank", "data-testid": "bank-frame", "data-key": tools.bankUrl, src: tools.bankUrl })
    : nothing("🏦", tools.say("empty_bank"));
  return make("div", { class: tools.bankUrl ? "bank open" : "bank" }, frame, drawBankLists(view, tools));
}

function drawBankLists(view, { say }) {
  const pages = Object.fromEntries(view.bank.filter((payment) => payment.confirmation?.confirmation_url).map((payment) => [payment.id, payment.confirmation.confirmation_url]));
  return make(
    "div", { class: "bank-lists" },
    make("h3", {}, `💳 ${say("payments_at_bank")}`),
    make("ul", { "data-testid": "bank-payments" }, ...view.bank.map((payment) => make(
      "li", { "data-key": payment.id }, make("code", {}, short(payment.id)), make("b", {}, money(payment.amount.value, payment.amount.currency)), badge(payment.status),
      pages[payment.id] ? make("button", { class: "link", "data-open": pages[payment.id] }, `${say("open")} ↗`) : make("time", {}, clock(payment.captured_at ?? payment.created_at)),
    ))),
    make("h3", {}, `📮 ${say("deliveries")}`),
    make("ul", { "data-testid": "bank-deliveries" }, ...view.deliveries.map((delivery) => make(
      "li", { "data-key": `n${delivery.n}` }, make("code", {}, short(delivery.payment)), make("span", {}, delivery.forged ? `🎭 ${say("forged")}` : delivery.event.replace("payment.", "")),
      badge(delivery.status ?? say("no_answer")), make("time", {}, clock(delivery.at)),
    ))),
  );
}

function nothing(icon, text) {
  return make("p", { class: "nothing" }, make("span", { class: "sign" }, icon), text);
}
